"""Plans: resolved before anything is done, for either route."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.core.errors import DocumentError, UsageError
from harness.runbook.bindings import parse_bindings
from harness.runbook.operations import Command, Commit, Confirm, Edit, Route
from harness.runbook.parse import parse_document
from harness.runbook.planning import plan

if TYPE_CHECKING:
    from harness.runbook.planning import PlannedStep

DATA = Path(__file__).parents[1] / "data" / "runbooks"
DOCUMENT = (DATA / "small.md").read_text()
BINDINGS = (DATA / "small.bindings.yaml").read_text()
VALUES = {"TICKET": "INC-1"}


def planned(
    route: Route = Route.GITOPS,
    values: dict[str, str] | None = None,
    document: str = DOCUMENT,
    bindings: str = BINDINGS,
) -> list[PlannedStep]:
    return plan(
        parse_document(document, "r.md"),
        parse_bindings(bindings, "b.yaml"),
        "change",
        route,
        VALUES if values is None else values,
    )


def kinds(step: PlannedStep) -> list[tuple[str, int]]:
    return [(action.operation.kind, action.line) for action in step.actions]


def test_steps_have_ids_titles_and_lines() -> None:
    assert [(s.id, s.title, s.where) for s in planned()] == [
        ("change.inputs", "Before", "r.md:9"),
        ("change.1", "Stop it", "r.md:13"),
        ("change.2", "Change it", "r.md:19"),
        ("change.3", "See that it runs", "r.md:28"),
    ]


def test_the_gitops_route_edits_commits_and_syncs() -> None:
    _, stop, change, _ = planned()
    assert kinds(stop) == [("edit", 14), ("edit", 14), ("commit", 14), ("sync", 14)]
    assert stop.actions[2].operation == Commit("change.1: Stop it")
    assert stop.remark == ""
    assert kinds(change) == [
        ("edit", 19),
        ("command", 21),
        ("command", 24),
        ("query", 27),
        ("commit", 19),
    ]


def test_the_emergency_route_runs_the_documents_command_and_nothing_more() -> None:
    _, stop, change, _ = planned(Route.EMERGENCY)
    (action,) = stop.actions
    assert action.operation == Command("echo stop INC-1", verbatim=True)
    assert action.line == 17
    assert stop.remark == ""
    assert "no emergency variant" in change.remark
    assert kinds(change)[0] == ("edit", 19)


def test_a_command_keeps_its_lines() -> None:
    commands = [a.operation for a in planned()[2].actions if a.operation.kind == "command"]
    assert commands == [Command("echo one \\\n  two"), Command('echo "a\nb"')]


def test_a_confirmation_carries_the_documents_words() -> None:
    assert planned()[0].actions[0].operation == Confirm("TICKET", "`TICKET` number")


def test_actions_at_the_end_come_last() -> None:
    assert kinds(planned()[3]) == [("observe", 29), ("command", 29), ("observe", 28)]


def test_deferred_values_stay_open_unless_given() -> None:
    edit = planned()[1].actions[1]
    assert edit.operation == Edit("app.yaml", "spec.nonce", "<nonce>", integer=True)
    assert [(d.placeholder, d.name) for d in edit.deferred] == [("nonce", "next-nonce")]
    given = planned(values={**VALUES, "next-nonce": "7"})[1].actions[1]
    assert given.operation == Edit("app.yaml", "spec.nonce", "7", integer=True)
    assert given.deferred == ()


def test_a_missing_value_is_named_before_anything_is_done() -> None:
    with pytest.raises(DocumentError, match="<TICKET> has no value") as caught:
        planned(Route.EMERGENCY, values={})
    assert caught.value.where == "r.md:17"
    assert caught.value.hint == "--set TICKET=…"


def test_a_value_that_bash_would_read_as_more_is_refused() -> None:
    with pytest.raises(UsageError, match="must not stand in a command"):
        planned(Route.EMERGENCY, values={"TICKET": "x; rm -rf ~"})


def test_an_error_anywhere_in_the_document_stops_every_scenario() -> None:
    with pytest.raises(DocumentError, match="Read that first") as caught:
        planned(document=DOCUMENT.replace("Read this", "Read that"))
    assert caught.value.where == "r.md:7"


def test_the_number_of_further_errors_is_told() -> None:
    changed = DOCUMENT.replace("Read this", "Read that").replace("come up", "go down")
    with pytest.raises(DocumentError, match=", and 1 more"):
        planned(document=changed)


def test_an_unknown_scenario_is_a_usage_error() -> None:
    document, bindings = parse_document(DOCUMENT, "r.md"), parse_bindings(BINDINGS, "b.yaml")
    with pytest.raises(UsageError, match="no scenario"):
        plan(document, bindings, "mode9", Route.GITOPS, {})


def test_a_step_like_another_one_does_its_actions_with_their_lines() -> None:
    reference = 'do: [{same_as: {section: "Change", step: "1"}}]'
    bindings = BINDINGS.replace("do: [{observe: settled, at: end}]", reference)
    again = planned(bindings=bindings)[3]
    assert kinds(again)[:4] == [("edit", 14), ("edit", 14), ("commit", 14), ("sync", 14)]
    assert again.actions[2].operation == Commit("change.3: See that it runs")


def test_steps_that_refer_to_each_other_are_refused() -> None:
    bindings = BINDINGS.replace(
        "do: [{observe: settled, at: end}]", 'do: [{same_as: {section: "Change", step: "3"}}]'
    )
    with pytest.raises(DocumentError, match="bound to itself") as caught:
        planned(bindings=bindings)
    assert caught.value.where is not None
    assert caught.value.where.startswith("b.yaml:")


def test_what_needs_a_flag_is_left_out_without_it() -> None:
    flagged = BINDINGS.replace("{observe: settled, at: end}", "{observe: settled, when: big}")
    assert ("observe", 28) not in kinds(planned(bindings=flagged)[3])
    with_flag = flagged.replace("title: The whole change", "title: t\n    flags: [big]")
    assert ("observe", 28) in kinds(planned(bindings=with_flag)[3])


def test_a_plan_is_json() -> None:
    text = json.dumps([step.to_json() for step in planned()])
    assert json.loads(text)[1]["actions"][1] == {
        "line": 14,
        "last_line": 14,
        "kind": "edit",
        "file": "app.yaml",
        "path": "spec.nonce",
        "value": "<nonce>",
        "integer": True,
        "deferred": {"nonce": "next-nonce"},
    }
