from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from harness.report.console import plain, print_journal
from harness.report.progress import ConsoleProgress
from tests.unit import report_samples as samples

if TYPE_CHECKING:
    from harness.report.journal import Journal

LONG = "a reason that is longer than any terminal is wide, " * 8


def printed(journal: Journal, **options: Any) -> str:
    stream = io.StringIO()
    print_journal(journal, Console(file=stream, **options), report="runs/x/report.html")
    return stream.getvalue()


@pytest.mark.parametrize("verdict", ["pass", "fail", "unknown"])
def test_the_verdict_line_is_last_and_whole(verdict: str) -> None:
    lines = printed(samples.journal(verdict, reason=LONG), width=40).splitlines()
    assert lines[-1] == f"{verdict.upper()}  mode1: {LONG.strip()}  (78 s)"
    assert lines[-2] == "report: runs/x/report.html"


def test_the_reason_of_what_did_not_pass_is_told_and_of_what_did_is_not() -> None:
    checks = [samples.check("good", "pass", "fine"), samples.check("bad", "fail", LONG)]
    lines = printed(samples.journal("fail", checks=checks), width=40).splitlines()
    assert f"bad: {LONG.strip()}" in lines
    assert not [line for line in lines if "fine" in line]


def test_names_line_up() -> None:
    checks = [samples.check("a", "pass"), samples.check("longer-name", "unknown")]
    lines = printed(samples.journal("unknown", checks=checks)).splitlines()
    assert lines[:2] == [
        "pass     a            the promise of a",
        "unknown  longer-name  the promise of longer-name",
    ]


def test_an_error_keeps_the_lines_of_the_log_that_it_shows() -> None:
    error = samples.error(what="kafka-1 ended:\nline 1\nline 2")
    lines = printed(samples.journal("unknown", checks=[], errors=[error])).splitlines()
    assert lines[:4] == ["error: k.log: kafka-1 ended:", "  line 1", "  line 2", "  look"]


def test_a_pipe_gets_no_colour() -> None:
    assert "\x1b" not in printed(samples.journal("fail"))


def test_a_terminal_gets_colour_unless_no_color_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = {"force_terminal": True, "color_system": "standard"}
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[1;31mFAIL" in printed(samples.journal("fail"), **terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[\d;]*3\dm", printed(samples.journal("fail"), **terminal))


def test_what_a_command_printed_cannot_command_the_terminal() -> None:
    text = printed(samples.journal("fail", reason="\x1b[2J\x07gone\r\nnext [bold]markup[/bold]"))
    assert text.splitlines()[-1] == (
        "FAIL  mode1: \ufffd[2J\ufffdgone next [bold]markup[/bold]  (78 s)"
    )


def test_text_that_no_encoding_takes_is_replaced() -> None:
    assert plain("odd \udcff name") == "odd ? name"


def progress_on(**options: Any) -> str:
    stream = io.StringIO()
    with ConsoleProgress(Console(file=stream, **options)) as progress:
        progress.phase("build the [world]")
        progress.status("passing")
        progress.note("kafka ready [/oops]")
    return stream.getvalue()


def test_progress_without_a_terminal_is_plain_lines() -> None:
    text = progress_on()
    assert "\x1b" not in text
    lines = [re.sub(r"\d+\.\d", "N", line).strip() for line in text.splitlines()]
    assert lines == ["N s  build the [world]", "N s    kafka ready [/oops]"]


def test_progress_on_a_terminal_shows_passing_states_and_cleans_up() -> None:
    text = progress_on(force_terminal=True, color_system=None, width=80)
    assert "\x1b[?25l" in text
    assert text.rstrip().endswith("\x1b[2K") or "\x1b[?25h" in text


def test_a_journal_can_be_printed_as_json() -> None:
    assert json.loads(samples.journal().model_dump_json(indent=2))["verdict"] == "pass"
