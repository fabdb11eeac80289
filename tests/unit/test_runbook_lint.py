"""Lint: each thing that can be wrong, seen to be found, with its line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import UsageError
from harness.runbook.bindings import digest, load_bindings, parse_bindings
from harness.runbook.lint import lint
from harness.runbook.nearest import difference
from harness.runbook.parse import parse_document
from harness.runbook.skeleton import write_skeleton

if TYPE_CHECKING:
    from harness.runbook.findings import Finding

DATA = Path(__file__).parents[1] / "data" / "runbooks"
DOCUMENT = (DATA / "small.md").read_text()
BINDINGS = (DATA / "small.bindings.yaml").read_text()


def findings(document: str = DOCUMENT, bindings: str = BINDINGS) -> list[Finding]:
    return lint(parse_document(document, "r.md"), parse_bindings(bindings, "b.yaml"))


def only(document: str = DOCUMENT, bindings: str = BINDINGS) -> Finding:
    (finding,) = [f for f in findings(document, bindings) if f.severity == "error"]
    return finding


def swapped(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


def test_the_small_document_has_only_a_warning() -> None:
    (finding,) = findings()
    assert (finding.code, finding.severity, finding.where) == (
        "no-emergency-variant",
        "warning",
        "r.md:19",
    )


@pytest.mark.parametrize("line_end", ["\r\n", "\r"])
def test_line_ends_of_the_document_make_no_difference(line_end: str) -> None:
    assert findings(DOCUMENT.replace("\n", line_end)) == findings()


def test_a_changed_command_is_shown_with_what_was_expected() -> None:
    finding = only(swapped(DOCUMENT, "echo stop <TICKET>", "echo halt <TICKET>"))
    assert (finding.code, finding.where) == ("changed-command", "r.md:17")
    assert finding.message == (
        "line 17 changed: expected “echo stop <TICKET>”, found “echo halt <TICKET>”"
    )
    assert "b.yaml:32" in finding.hint


def test_a_changed_sentence_is_shown_with_what_was_expected() -> None:
    finding = only(swapped(DOCUMENT, "then sync.", "then wait."))
    assert (finding.code, finding.where) == ("changed-statement", "r.md:14")
    assert "in `app.yaml`, then sync.”, found" in finding.message


def test_a_change_deep_in_a_command_is_a_change() -> None:
    assert only(swapped(DOCUMENT, "     two", "     two three")).code == "changed-command"
    assert only(swapped(DOCUMENT, '"a\n   b"', '"a\n    b"')).message.endswith(
        "only white space differs"
    )


def test_a_changed_sentence_that_is_known_by_digest_only() -> None:
    hashed = swapped(
        BINDINGS, 'text: "It should come up."', f"sha256: {digest('It should come up.')}"
    )
    assert findings(bindings=hashed) == findings()
    finding = only(
        swapped(DOCUMENT, "should", "must"),
        swapped(hashed, "do: [{observe: up}", "hint: comes up\n        do: [{observe: up}"),
    )
    assert (finding.code, finding.line) == ("changed-statement", 29)
    assert "expected the text of “comes up”" in finding.message


def test_a_new_statement_is_unbound() -> None:
    finding = only(DOCUMENT + "   - And nobody has ever seen this one.\n")
    assert (finding.code, finding.where) == ("unbound-statement", "r.md:30")
    assert "And nobody has ever seen this one." in finding.message


def test_a_new_command_is_unbound() -> None:
    finding = only(DOCUMENT + "     ```\n     rm -rf /\n     ```\n")
    assert (finding.code, finding.where) == ("unbound-command", "r.md:31")


def test_a_removed_statement_leaves_a_stale_binding() -> None:
    finding = only(swapped(DOCUMENT, "Read this first.\n", ""))
    assert (finding.code, finding.where) == ("stale-binding", "b.yaml:15")
    assert "“Read this first.”" in finding.message


def test_a_moved_statement_is_unbound_where_it_is_now() -> None:
    moved = swapped(DOCUMENT, "Read this first.\n", "").replace(
        "## Before", "## Before\nRead this first.\n"
    )
    assert {f.code for f in findings(moved) if f.severity == "error"} == {
        "stale-binding",
        "unbound-statement",
    }


def test_a_renamed_heading_is_one_finding() -> None:
    found = [f for f in findings(swapped(DOCUMENT, "## Change", "## Changes")) if f.code != "x"]
    assert [(f.code, f.where) for f in found if f.severity == "error"] == [
        ("changed-heading", "r.md:12")
    ]


def test_a_heading_that_is_gone() -> None:
    gone = DOCUMENT.split("## Before")[0]
    codes = {(f.code, f.where) for f in findings(gone) if f.severity == "error"}
    assert codes == {
        ("stale-section", "b.yaml:17"),
        ("stale-section", "b.yaml:21"),
        ("unknown-section", "b.yaml:10"),
        ("unknown-section", "b.yaml:11"),
    }


def test_an_undeclared_placeholder() -> None:
    finding = only(bindings=swapped(BINDINGS, "  TICKET: {value: TICKET}\n", ""))
    assert (finding.code, finding.where) == ("unfilled-placeholder", "r.md:17")
    assert "<TICKET>" in finding.message


def test_a_placeholder_of_an_edit_and_of_a_bound_command_without_a_source() -> None:
    found = findings(bindings=swapped(BINDINGS, "nonce: {deferred: next-nonce}", "nonce: {}"))
    assert [(f.code, f.line) for f in found if f.severity == "error"] == [
        ("unfilled-placeholder", 14),
        ("unfilled-placeholder", 29),
    ]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("/bin/echo stop <TICKET>", "program-by-path"),
        ("../x stop", "program-by-path"),
        ("curl http://a.example", "program-not-allowed"),
        ("echo a | sudo tee b", "program-not-allowed"),
        ("eval echo a", "program-not-allowed"),
        ("exec echo a", "program-not-allowed"),
        ("echo a > /dev/tcp/10.0.0.1/80", "direct-connection"),
        ("A=1", "not-a-command"),
        ("echo it's", "unreadable-command"),
    ],
)
def test_commands_that_must_not_run(command: str, code: str) -> None:
    document = swapped(DOCUMENT, "echo stop <TICKET>", command)
    finding = only(document, swapped(BINDINGS, "echo stop <TICKET>", command))
    assert finding.code == code


def test_a_program_that_the_bindings_allow() -> None:
    document = swapped(DOCUMENT, "echo stop", "kubectl stop")
    bindings = swapped(BINDINGS, "echo stop", "kubectl stop")
    assert only(document, bindings).code == "program-not-allowed"
    allowed = swapped(bindings, "programs: []", "programs: [kubectl]")
    assert findings(document, allowed) == findings()


@pytest.mark.parametrize("kind", ["command", "query"])
def test_prose_has_no_command_to_run(kind: str) -> None:
    bindings = swapped(BINDINGS, "do: [{confirm: TICKET}]", f"do: [{{{kind}: verbatim}}]")
    finding = only(bindings=bindings)
    assert (finding.code, finding.where) == ("not-a-command", "b.yaml:20")


def test_a_binding_that_was_not_filled_in() -> None:
    finding = only(bindings=swapped(BINDINGS, "note: true", "do: []"))
    assert (finding.code, finding.where) == ("unfilled-binding", "b.yaml:15")


def test_a_statement_that_is_bound_twice() -> None:
    entry = '      - text: "Read this first."\n        note: true\n'
    finding = only(bindings=swapped(BINDINGS, entry, entry + entry))
    assert (finding.code, finding.where) == ("double-binding", "b.yaml:17")


def test_a_step_that_is_referred_to_must_be_there() -> None:
    reference = 'do: [{same_as: {section: "Change", step: "9"}}]'
    finding = only(bindings=swapped(BINDINGS, "do: [{confirm: TICKET}]", reference))
    assert finding.code == "unknown-step"


def test_a_scenario_with_two_steps_of_one_name() -> None:
    part = '      - {section: "Change"}\n'
    finding_codes = [
        f.code for f in findings(bindings=swapped(BINDINGS, part, part + part)) if f.code != "x"
    ]
    assert finding_codes.count("double-step") == 3


def test_a_finding_reads_as_one_line() -> None:
    text = str(only(swapped(DOCUMENT, "Read this first.\n", "")))
    assert text.startswith("b.yaml:15: error: the document no longer says")
    assert "\n" not in text
    assert "[stale-binding]" in text


def test_no_bindings_at_all_leave_every_statement_unbound() -> None:
    document = parse_document(DOCUMENT, "r.md")
    found = findings(bindings="version: 1\n")
    assert len(found) == sum(unit.states_something for unit in document.units)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_change_of_a_letter_is_found_at_its_line(data: st.DataObject) -> None:
    lines = DOCUMENT.split("\n")
    number = data.draw(st.sampled_from([n for n, x in enumerate(lines) if n > 3 and x.strip(" `")]))
    place = data.draw(
        st.sampled_from([i for i, c in enumerate(lines[number]) if c.isalpha()] or [-1])
    )
    if place < 0:
        return
    line = lines[number]
    lines[number] = line[:place] + "Q" + line[place + 1 :]
    if lines[number].strip().startswith("```"):
        return
    errors = [f for f in findings("\n".join(lines)) if f.severity == "error"]
    assert errors
    document = parse_document("\n".join(lines), "r.md")
    spans = [(u.first, u.last) for u in document.units] + [
        (s.line, s.last) for s in document.sections
    ]
    span = next(s for s in spans if s[0] <= number + 1 <= s[1])
    assert any(f.file == "r.md" and f.line == span[0] for f in errors)


def test_the_difference_is_cut_to_a_few_words() -> None:
    old = "a b c d e f g h i j k l m n"
    assert difference(old, old.replace("h", "H")) == (
        "expected “… d e f g h i j k l …”, found “… d e f g H i j k l …”"
    )


def test_a_skeleton_lists_everything_and_nothing_once_it_is_bound(tmp_path: Path) -> None:
    document = parse_document(DOCUMENT, "r.md")
    path = tmp_path / "b.yaml"
    count = write_skeleton(document, path)
    skeleton = load_bindings(path)
    assert count == len(skeleton.entries) == 12
    assert {f.code for f in lint(document, skeleton)} == {"unfilled-binding"}
    path.write_text(path.read_text().replace("do: []", "note: true"))
    assert lint(document, load_bindings(path)) == []
    assert write_skeleton(document, tmp_path / "rest.yaml", bindings=load_bindings(path)) == 0


def test_a_skeleton_is_the_same_each_time(tmp_path: Path) -> None:
    document = parse_document(DOCUMENT, "r.md")
    one, two = tmp_path / "1.yaml", tmp_path / "2.yaml"
    write_skeleton(document, one)
    write_skeleton(document, two)
    assert one.read_bytes() == two.read_bytes()
    assert "TICKET: {}" in one.read_text()


def test_a_skeleton_of_odd_texts_can_be_read_back(tmp_path: Path) -> None:
    odd = '# \'A\': "b"\n- yes\n- "q" \\ #x: y\n- 1\n```\n  a \\\n b\n```\n- ünï “x”\n'
    document = parse_document(odd, "r.md")
    write_skeleton(document, tmp_path / "b.yaml")
    assert {f.code for f in lint(document, load_bindings(tmp_path / "b.yaml"))} == {
        "unfilled-binding"
    }


def test_a_skeleton_never_overwrites_unless_told(tmp_path: Path) -> None:
    document = parse_document(DOCUMENT, "r.md")
    path = tmp_path / "b.yaml"
    path.write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        write_skeleton(document, path)
    assert path.read_text() == "mine"
    write_skeleton(document, path, overwrite=True)
    assert "version: 1" in path.read_text()


def test_a_skeleton_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        write_skeleton(parse_document(DOCUMENT, "r.md"), tmp_path / "no" / "b.yaml")


def test_equal_sentences_of_two_steps_are_listed_apart(tmp_path: Path) -> None:
    document = parse_document("1) a\n   - same\n2) b\n   - same\n", "r.md")
    assert write_skeleton(document, tmp_path / "b.yaml") == 4
    steps = [e.step for e in load_bindings(tmp_path / "b.yaml").entries if e.text == "same"]
    assert steps == ["1", "2"]
