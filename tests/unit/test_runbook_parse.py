"""Parsing: sections, steps and units with their lines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import DocumentError, UsageError
from harness.runbook import parse
from harness.runbook.model import UnitKind
from harness.runbook.parse import load_document, parse_document

if TYPE_CHECKING:
    from harness.runbook.model import Document, Unit

DATA = Path(__file__).parents[1] / "data" / "runbooks"
LINE_END = re.compile(r"\r\n?|\n")


def units_of(text: str) -> list[Unit]:
    return list(parse_document(text, "r.md").units)


def stated(text: str) -> list[tuple[UnitKind, str, int, int]]:
    return [(u.kind, u.text, u.first, u.last) for u in units_of(text) if u.states_something]


def test_sections_steps_and_lines_of_a_small_document() -> None:
    document = load_document(DATA / "small.md")
    assert [(s.key, s.level, s.line) for s in document.sections] == [
        ("", 0, 1),
        ("Small procedure", 1, 5),
        ("Before", 2, 9),
        ("Change", 2, 12),
    ]
    change = document.section("Change")
    assert change is not None
    assert [(s.number, s.title, s.line) for s in change.steps] == [
        ("1", "Stop it", 13),
        ("2", "Change it", 19),
        ("3", "See that it runs", 28),
    ]
    assert change.lead == ()
    assert document.line_count == 29
    assert document.where(13).endswith("small.md:13")


def test_each_command_of_a_fence_has_its_own_lines() -> None:
    document = load_document(DATA / "small.md")
    commands = [(u.text, u.first, u.last) for u in document.units if u.kind is UnitKind.CODE]
    assert commands == [
        ("echo stop <TICKET>", 17, 17),
        ("echo one \\\n  two", 21, 22),
        ('echo "a\nb"', 24, 25),
    ]


def test_a_bullet_that_is_one_code_span_gives_its_code() -> None:
    (unit,) = [u for u in load_document(DATA / "small.md").units if u.code == "SELECT 1;"]
    assert (unit.kind, unit.text, unit.first) == (UnitKind.INLINE_CODE, "`SELECT 1;`", 27)


def test_text_with_a_code_span_is_prose() -> None:
    assert units_of("run `ls` now")[0].code is None


def test_front_matter_keeps_the_line_numbers_and_needs_no_binding() -> None:
    document = load_document(DATA / "small.md")
    first = next(document.units)
    assert (first.kind, first.first, first.last) == (UnitKind.FRONT_MATTER, 1, 3)
    assert not first.states_something


def test_front_matter_that_does_not_end_is_text() -> None:
    assert stated("---\nowner: me\n") == [(UnitKind.PROSE, "owner: me", 2, 2)]


def test_white_space_of_prose_is_folded() -> None:
    assert stated("a  b\n\tc\n") == [(UnitKind.PROSE, "a b c", 1, 2)]


def test_what_follows_a_step_at_the_margin_belongs_to_it() -> None:
    text = "## S\nbefore\n\n0) zero\nmore\n```\nls\n```\n\nand this\n\n1) one\n\n## T\nafter\n"
    section = parse_document(text, "r.md").section("S")
    assert section is not None
    assert [u.text for u in section.lead] == ["before"]
    zero = section.step("0")
    assert zero is not None
    assert zero.title == "zero"
    assert [u.text for u in zero.units if u.states_something] == ["zero more", "ls", "and this"]
    assert section.step("2") is None


def test_numbers_are_those_that_a_reader_sees() -> None:
    section = parse_document("1. a\n1. b\n\ntext\n\n- x\n\n1. c\n", "r.md").sections[0]
    assert [step.number for step in section.steps] == ["1", "2", "1 (2)"]


def test_nested_numbers_are_no_steps() -> None:
    section = parse_document("1) a\n   1) b\n   2) c\n- d\n  1) e\n", "r.md").sections[0]
    assert [step.number for step in section.steps] == ["1"]
    assert [u.text for u in section.steps[0].units] == ["a", "b", "c", "d", "e"]


def test_repeated_headings_get_keys_of_their_own() -> None:
    document = parse_document("# A\nx\n# A\ny\n# A (2)\nz\n", "r.md")
    assert [s.key for s in document.sections] == ["A", "A (2)", "A (2) (2)"]
    assert [u.section for u in document.units] == ["A", "A (2)", "A (2) (2)"]


def test_a_heading_inside_a_quote_or_list_is_a_statement() -> None:
    assert stated("> # quoted\n\n- # listed\n") == [
        (UnitKind.PROSE, "quoted", 1, 1),
        (UnitKind.PROSE, "listed", 3, 3),
    ]


def test_underlined_headings_take_both_lines() -> None:
    document = parse_document("Title\n=====\ntext\n", "r.md")
    assert (document.sections[0].line, document.sections[0].last) == (1, 2)
    assert [u.first for u in document.units] == [3]


def test_rows_of_a_table_are_statements_and_its_ruler_is_not() -> None:
    assert stated("| a | b |\n|---|---|\n| 1 | 2 |\n") == [
        (UnitKind.TABLE_ROW, "| a | b |", 1, 1),
        (UnitKind.TABLE_ROW, "| 1 | 2 |", 3, 3),
    ]


def test_what_markdown_does_not_show_is_a_statement_all_the_same() -> None:
    assert stated("text\n\n[link]: http://a.example/ 'rm -rf'\n")[1][:2] == (
        UnitKind.OTHER,
        "[link]: http://a.example/ 'rm -rf'",
    )


def test_html_is_a_statement() -> None:
    assert stated("<!-- hidden\nwords -->\n") == [(UnitKind.HTML, "<!-- hidden words -->", 1, 2)]


def test_rules_and_fence_markers_state_nothing() -> None:
    assert [u.kind for u in units_of("***\n\n~~~\nls\n~~~\n")] == [
        UnitKind.LAYOUT,
        UnitKind.LAYOUT,
        UnitKind.CODE,
        UnitKind.LAYOUT,
    ]


def test_an_indented_block_is_code() -> None:
    assert stated("text\n\n    ls -l\n    pwd\n") == [
        (UnitKind.PROSE, "text", 1, 1),
        (UnitKind.CODE, "ls -l", 3, 3),
        (UnitKind.CODE, "pwd", 4, 4),
    ]


def test_a_fence_of_another_language_is_one_statement() -> None:
    text = "```yaml\n\na: 1\n\nb: 2\n```\n"
    assert stated(text) == [(UnitKind.CODE, "a: 1\n\nb: 2", 3, 5)]
    assert [u.language for u in units_of(text) if u.states_something] == ["yaml"]


def test_an_empty_fence_is_no_statement() -> None:
    assert stated("x\n\n```\n\n```\n") == [(UnitKind.PROSE, "x", 1, 1)]


def test_tabs_indent_a_fence_in_a_bullet() -> None:
    assert stated("- x\n\t```\n\tls\n\t```\n") == [
        (UnitKind.PROSE, "x", 1, 1),
        (UnitKind.CODE, "ls", 3, 3),
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("text\n```\nls\n", 2),
        ("1) a\n   - b\n     ```\n     ls\n2) c\n", 3),
        ("```\nls\n     ```", 1),
        ("````\nls\n```\n", 1),
        ("a\n\n```", 3),
    ],
)
def test_a_fence_that_is_not_closed_is_named(text: str, line: int) -> None:
    with pytest.raises(DocumentError, match="not closed") as caught:
        parse_document(text, "r.md")
    assert caught.value.where == f"r.md:{line}"
    assert caught.value.exit_status == 1


@pytest.mark.parametrize("text", ["", "\n\n", "---\na: 1\n---\n", "# only a heading\n", "\ufeff"])
def test_a_document_that_states_nothing_is_refused(text: str) -> None:
    with pytest.raises(DocumentError, match="states nothing"):
        parse_document(text, "r.md")


def test_a_byte_order_mark_is_not_part_of_the_text(tmp_path: Path) -> None:
    file = tmp_path / "r.md"
    file.write_bytes(b"\xef\xbb\xbf# A\ntext\n")
    assert load_document(file).sections[0].key == "A"


def test_bytes_that_are_not_utf8_are_named_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "r.md"
    file.write_bytes(b"# A\ntext\nwei\xdf\n")
    with pytest.raises(DocumentError, match="0xdf is not UTF-8") as caught:
        load_document(file)
    assert caught.value.where == f"{file}:3"


def test_a_file_of_absurd_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse, "MAX_BYTES", 10)
    file = tmp_path / "r.md"
    file.write_text("more than ten bytes")
    with pytest.raises(DocumentError, match="19 bytes, more than 10"):
        load_document(file)


def test_a_large_document_is_parsed() -> None:
    text = "".join(f"- item {n}\n" for n in range(5000))
    assert len(units_of(text)) == 5000


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        load_document(tmp_path / "none.md")
    with pytest.raises(UsageError, match="cannot be read"):
        load_document(tmp_path)


def test_deep_nesting_loses_no_line() -> None:
    text = "".join("  " * n + f"- level{n}\n" for n in range(60))
    assert {u.first for u in units_of(text)} == set(range(1, 61))


FRAGMENTS = [
    "# H", "## H", "text", "more `code`", "`ls -l`", "1) one", "2) two", "0. zero", "   - bullet",
    "- bullet", "     - deep", "```", "```bash", "   ```", "~~~", "    code", "\tcode", "", "  ",
    "---", "===", "> quote", ">", "| a | b |", "|---|---|", "<div>", "</div>", "<!-- x -->",
    "[a]: /b", "echo \\", "cat <<EOF", "EOF", "if x; then", "-", "*", "1)", "\u2028", "a\u0085b",
]  # fmt: skip
MARKDOWN = st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("\n".join)
ANYTHING = st.text(max_size=200) | MARKDOWN


def parsed(text: str) -> Document | None:
    """Parse; nothing but a DocumentError may come out of any text."""
    try:
        return parse_document(text, "r.md")
    except DocumentError:
        return None


@given(ANYTHING)
@settings(max_examples=400, deadline=None)
def test_every_line_with_text_is_in_exactly_one_unit_or_heading(text: str) -> None:
    document = parsed(text)
    if document is None:
        return
    lines = LINE_END.split(text.removeprefix("\ufeff"))
    spans = [(u.first, u.last) for u in document.units]
    spans += [(s.line, s.last) for s in document.sections if s.level]
    covered = sorted(n for first, last in spans for n in range(first, last + 1))
    assert len(covered) == len(set(covered))
    assert {n for n, line in enumerate(lines, start=1) if line.strip()} <= set(covered)
    assert all(1 <= n <= document.line_count for n in covered)


@given(ANYTHING)
@settings(max_examples=200, deadline=None)
def test_units_stand_in_order_and_know_their_section(text: str) -> None:
    document = parsed(text)
    if document is None:
        return
    lines = [unit.first for unit in document.units]
    assert lines == sorted(lines)
    for section in document.sections:
        assert all(unit.section == section.key for unit in section.units)
        assert all(u.step == step.number for step in section.steps for u in step.units)
        numbers = [step.number for step in section.steps]
        assert len(numbers) == len(set(numbers))
    keys = [section.key for section in document.sections]
    assert len(keys) == len(set(keys))


@given(MARKDOWN, st.sampled_from(["\r\n", "\r"]))
@settings(max_examples=200, deadline=None)
def test_line_ends_make_no_difference(text: str, line_end: str) -> None:
    assert parsed(text) == parsed(text.replace("\n", line_end))
