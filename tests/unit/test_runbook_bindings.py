"""Bindings files: their form, their lines, what they match."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import DocumentError, UsageError
from harness.runbook.bindings import digest, load_bindings, parse_bindings
from harness.runbook.operations import Command, Edit, Route, SameAs, operation_json
from harness.runbook.parse import parse_document

DATA = Path(__file__).parents[1] / "data" / "runbooks"


def with_unit(unit: str) -> str:
    return f"version: 1\nsections:\n  - section: S\n    units:\n      - {unit}\n"


def test_entries_know_their_lines_and_actions() -> None:
    bindings = load_bindings(DATA / "small.bindings.yaml")
    entry = next(e for e in bindings.entries if (e.text or "").startswith("By Git"))
    assert (entry.section, entry.line) == ("Change", 25)
    assert [action.line for action in entry.actions] == [27, 28, 29]
    assert {action.route for action in entry.actions} == {Route.GITOPS}
    assert entry.actions[1].operation == Edit("app.yaml", "spec.nonce", "<nonce>", integer=True)
    assert bindings.placeholders["nonce"].deferred == "next-nonce"
    assert bindings.placeholders["nonce"].line == 5
    assert bindings.scenarios["change"].parts[0].id == "inputs"
    assert bindings.scenarios["change"].parts[1].line == 11
    assert bindings.where(3).endswith("small.bindings.yaml:3")


def test_a_statement_is_matched_by_text_or_by_digest() -> None:
    unit = next(parse_document("# S\nsome  words\nhere\n", "r.md").units)
    for address in ('text: "some words\n\n          here"', f"sha256: {digest('some words here')}"):
        bindings = parse_bindings(with_unit(f"{address}\n        note: true"), "b.yaml")
        assert bindings.entry_for(unit) == bindings.entries[0]
    other = parse_bindings(with_unit('text: "some word here"\n        note: true'), "b.yaml")
    assert other.entry_for(unit) is None


def test_white_space_inside_code_counts() -> None:
    unit = next(u for u in parse_document("# S\n```\necho 'a  b'\n```\n", "r.md").units if u.code)
    same = parse_bindings(with_unit("text: \"echo 'a  b'\""), "b.yaml")
    folded = parse_bindings(with_unit("text: \"echo 'a b'\""), "b.yaml")
    assert same.entry_for(unit) is not None
    assert folded.entry_for(unit) is None


def test_an_entry_that_names_the_step_goes_first() -> None:
    document = parse_document("# S\n1) a\n   - same\n2) b\n   - same\n", "r.md")
    text = with_unit('text: same\n      - text: same\n        step: "2"')
    bindings = parse_bindings(text, "b.yaml")
    first, second = (u for u in document.units if u.text == "same")
    assert bindings.entry_for(first) == bindings.entries[0]
    assert bindings.entry_for(second) == bindings.entries[1]


def test_a_text_of_another_section_does_not_match() -> None:
    unit = next(parse_document("# T\nsame\n", "r.md").units)
    assert parse_bindings(with_unit("text: same"), "b.yaml").entry_for(unit) is None


def test_actions_of_every_kind() -> None:
    actions = """text: x
        do:
          - {command: verbatim}
          - {command: "ls <a>", when: deleted, at: end}
          - {query: verbatim, route: emergency}
          - {confirm: c}
          - {observe: o}
          - {same_as: {section: T, step: "2"}}"""
    entry = parse_bindings(with_unit(actions), "b.yaml").entries[0]
    assert [action.operation.kind for action in entry.actions] == [
        "command",
        "command",
        "query",
        "confirm",
        "observe",
        "same_as",
    ]
    assert entry.actions[1].operation == Command("ls <a>", verbatim=False)
    assert entry.actions[1].at_end
    assert entry.actions[5].operation == SameAs("T", "2")
    assert operation_json(entry.actions[5].operation) == {
        "kind": "same_as",
        "section": "T",
        "step": "2",
    }


def test_an_action_applies_by_route_and_flag() -> None:
    actions = "text: x\n        do: [{sync: a, route: emergency, when: deleted}]"
    (action,) = parse_bindings(with_unit(actions), "b.yaml").entries[0].actions
    assert action.applies(Route.EMERGENCY, frozenset({"deleted"}))
    assert not action.applies(Route.GITOPS, frozenset({"deleted"}))
    assert not action.applies(Route.EMERGENCY, frozenset())


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: [", 1, "not YAML"),
        ("a: 1\nb: 2\na: 3\n", 3, "not YAML"),
        ("", 1, "valid dictionary"),
        ("- 1\n", 1, "valid dictionary"),
        ("version: 2\n", 1, "Input should be 1"),
        ("version: 1\nprogram: [x]\n", 2, "Extra inputs"),
        (with_unit("text: x\n        sha256: " + "a" * 64), 5, "either text or sha256"),
        (with_unit("note: true"), 5, "either text or sha256"),
        (with_unit("sha256: abc\n        note: true"), 5, "match pattern"),
        (with_unit("text: x\n        note: n\n        do: []"), 5, "either a note or"),
        (with_unit("text: x\n        do:\n          - {sync: a, observe: b}"), 7, "exactly one"),
        (with_unit("text: x\n        do:\n          - {route: gitops}"), 7, "exactly one"),
        (with_unit("text: x\n        do:\n          - {edit: f, path: p}"), 7, "go together"),
        (with_unit("text: x\n        do:\n          - {sync: a, value: 1}"), 7, "go together"),
        (with_unit("text: x\n        do:\n          - {sync: a, route: both}"), 7, "'gitops' or"),
        (with_unit("text: x\n        do:\n          - {query: SELECT}"), 7, "'verbatim'"),
        ("version: 1\nplaceholders:\n  a: {value: b, deferred: c}\n", 3, "not both"),
        ("version: 1\nscenarios:\n  m: {title: t, parts: []}\n", 3, "at least 1"),
    ],
)
def test_a_malformed_file_is_named_with_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(DocumentError, match=message) as caught:
        parse_bindings(text, "b.yaml")
    assert caught.value.where == f"b.yaml:{line}"


def test_a_control_character_is_no_yaml() -> None:
    with pytest.raises(DocumentError, match="not YAML"):
        parse_bindings("a: \x01\n", "b.yaml")


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        load_bindings(tmp_path / "none.yaml")


def test_an_unknown_scenario_names_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no scenario 'mode3'.*there are: change"):
        load_bindings(DATA / "small.bindings.yaml").scenario("mode3")
