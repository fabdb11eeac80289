from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from harness.report.html import html_page, write_html
from harness.report.journal import Setting
from tests.unit import report_samples as samples

if TYPE_CHECKING:
    from pathlib import Path

XSS = """<script>alert(1)</script>"><img src=x onerror='alert(2)'>"""
VOID = {"meta", "line", "polyline", "br", "img"}


class Page(HTMLParser):
    """Collects tags, attributes and text; complains about tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.mark.parametrize("verdict", ["pass", "fail", "unknown"])
def test_the_page_is_well_formed_and_says_the_verdict_first(verdict: str) -> None:
    page = Page(html_page(samples.journal(verdict)))
    assert "script" not in page.tags
    assert page.tags.count("h1") == 1
    after_title = page.words[page.words.index("}") :]
    assert f"the reason for {verdict}" in after_title


def evil(text: str) -> str:
    check = samples.check("inputs-reread", "fail", reason=text)
    check = check.model_copy(update={"got": {text: [text]}, "expected": text, "promise": text})
    action = samples.action(text=text, stdout=text, stderr=text, outcome=text)
    return html_page(
        samples.journal(
            "fail",
            reason=text,
            checks=[check],
            errors=[samples.error(type=text, what=text, where=text, hint=text)],
            steps=[samples.step(action, outcome=text)],
            values={text: text},
            market={text: text},
            files=[text],
            settings=[
                Setting(key=text, value=text, origin=text),
                Setting(key=text, value=text, origin="default"),
            ],
        )
    )


def test_nothing_from_the_run_becomes_markup() -> None:
    page = Page(evil(XSS))
    assert not {"script", "img"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert XSS in page.words


def test_a_file_name_cannot_make_a_link_that_runs() -> None:
    page = Page(html_page(samples.journal(files=["javascript:alert(1)", "logs/a b<c>.log"])))
    links = [value for name, value in page.attributes if name == "href"]
    assert links == ["javascript%3Aalert%281%29", "logs/a%20b%3Cc%3E.log"]


def test_the_page_needs_nothing_from_elsewhere() -> None:
    page = Page(html_page(samples.journal()))
    assert not {"link", "img", "iframe", "script"} & set(page.tags)
    assert not [value for name, value in page.attributes if value.startswith("http")]


def test_the_plot_is_told_in_words_too() -> None:
    text = html_page(samples.journal())
    assert 'role="img" aria-labelledby="lag-title lag-words"' in text
    assert "400 records at 0.8 s, 400 at most, 0 at 1.2 s" in text
    assert "seconds since the first step" in text


def test_no_plot_without_a_lag() -> None:
    assert "<svg" not in html_page(samples.journal(samples=[]))


def test_what_did_not_pass_comes_before_what_did() -> None:
    checks = [samples.check(f"check-{v}", v) for v in ("pass", "unknown", "fail")]
    words = Page(html_page(samples.journal("fail", checks=checks))).words
    places = [words.index(f"check-{v}") for v in ("fail", "unknown", "pass")]
    assert places == sorted(places)


def test_a_step_that_failed_is_open_and_one_that_did_not_is_closed() -> None:
    failed = samples.step(samples.action(outcome="failed", exit_status=1), outcome="failed")
    assert "<details open>" in html_page(samples.journal("fail", steps=[failed]))
    assert "<details open>" not in html_page(samples.journal())


def test_a_run_without_world_document_or_checks_has_a_page(tmp_path: Path) -> None:
    bare = samples.journal(
        "unknown", world=None, document=None, checks=[], phases=[], samples=[], steps=[], files=[]
    )
    write_html(bare, tmp_path / "report.html")
    assert "the reason for unknown" in (tmp_path / "report.html").read_text()


def test_lone_surrogates_do_not_stop_the_page(tmp_path: Path) -> None:
    write_html(samples.journal(reason="odd \udcff name"), tmp_path / "report.html")
    assert "odd ? name" in (tmp_path / "report.html").read_text()
