"""Runs: every outcome recorded, the first failure ends it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.core.errors import ServiceError, UsageError
from harness.runbook.bindings import parse_bindings
from harness.runbook.operations import Edit, Route
from harness.runbook.parse import parse_document
from harness.runbook.planning import plan
from harness.runbook.running import run
from harness.runbook.shell import CommandOutcome

if TYPE_CHECKING:
    from harness.runbook.operations import Scalar
    from harness.runbook.planning import PlannedStep
    from harness.runbook.running import Executor, RunEvent, StepRecord

DATA = Path(__file__).parents[1] / "data" / "runbooks"


class Recorder:
    """An executor that does nothing but remember."""

    def __init__(self, **answers: Any) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.answers: dict[str, Any] = {"nonce": "3", "outcome": CommandOutcome(0, "", "", 0.1)}
        self.answers |= answers

    def command(self, text: str, *, where: str) -> CommandOutcome:
        self.calls.append(("command", text, where))
        outcome: CommandOutcome = self.answers["outcome"]
        return outcome

    def edit(self, file: str, path: str, value: Scalar) -> None:
        self.calls.append(("edit", file, path, value))

    def commit(self, message: str) -> str:
        self.calls.append(("commit", message))
        return "abc123"

    def sync(self, application: str) -> str:
        self.calls.append(("sync", application))
        if "sync" in self.answers:
            raise self.answers["sync"]
        return "Synced"

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        self.calls.append(("query", sql))
        return [(1, datetime(2026, 2, 16, tzinfo=UTC))]

    def confirm(self, name: str, text: str) -> dict[Any, Any]:
        self.calls.append(("confirm", name, text))
        return {"value": "INC-1", 2: None}

    def observe(self, name: str) -> float:
        self.calls.append(("observe", name))
        return 0.5

    def resolve(self, name: str) -> str:
        self.calls.append(("resolve", name))
        nonce: str = self.answers["nonce"]
        return nonce


def small_plan(route: Route = Route.GITOPS) -> list[PlannedStep]:
    document = parse_document((DATA / "small.md").read_text(), "r.md")
    bindings = parse_bindings((DATA / "small.bindings.yaml").read_text(), "b.yaml")
    return plan(document, bindings, "change", route, {"TICKET": "INC-1"})


def ran(
    executor: Executor, stop_after: str | None = None
) -> tuple[list[StepRecord], list[RunEvent]]:
    events: list[RunEvent] = []
    return run(small_plan(), executor, events.append, stop_after), events


def test_everything_is_done_in_order() -> None:
    executor = Recorder()
    records, _ = ran(executor)
    assert [record.status for record in records] == ["ok"] * 4
    assert executor.calls == [
        ("confirm", "TICKET", "`TICKET` number"),
        ("edit", "app.yaml", "spec.state", "off"),
        ("resolve", "next-nonce"),
        ("edit", "app.yaml", "spec.nonce", 3),
        ("commit", "change.1: Stop it"),
        ("sync", "app"),
        ("edit", "other.yaml", "a.b", 3),
        ("command", "echo one \\\n  two", "r.md:21"),
        ("command", 'echo "a\nb"', "r.md:24"),
        ("query", "SELECT 1;"),
        ("commit", "change.2: Change it"),
        ("observe", "up"),
        ("resolve", "next-nonce"),
        ("command", "echo 3", "r.md:29"),
        ("observe", "settled"),
    ]


def test_records_hold_what_was_really_done() -> None:
    records, _ = ran(Recorder())
    assert records[1].actions[1].operation == Edit("app.yaml", "spec.nonce", 3, integer=True)
    assert records[1].actions[2].result == "abc123"


def test_a_failing_command_ends_the_run_and_is_recorded() -> None:
    outcome = CommandOutcome(1, "out", "one\nno such thing\n", 0.2)
    records, _ = ran(Recorder(outcome=outcome))
    assert [(r.id, r.status) for r in records] == [
        ("change.inputs", "ok"),
        ("change.1", "ok"),
        ("change.2", "failed"),
    ]
    last = records[-1].actions[-1]
    assert (last.status, last.error) == ("failed", "exit status 1: no such thing")
    assert last.result == outcome
    assert len(records[-1].actions) == 2


def test_a_command_that_ran_out_of_time_says_so() -> None:
    records, _ = ran(Recorder(outcome=CommandOutcome(124, "", "", 5.0, timed_out=True)))
    assert records[-1].actions[-1].error == "its time was over"


def test_a_service_that_fails_is_an_error_not_a_failure() -> None:
    records, _ = ran(Recorder(sync=ServiceError("Argo CD did not answer", where="argocd.log")))
    assert (records[-1].id, records[-1].status) == ("change.1", "error")
    assert records[-1].actions[-1].error == "argocd.log: Argo CD did not answer"


def test_a_defect_of_the_executor_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        ran(Recorder(sync=ZeroDivisionError()))


def test_an_interrupt_leaves_the_records_with_the_listener() -> None:
    events: list[RunEvent] = []
    with pytest.raises(KeyboardInterrupt):
        run(small_plan(), Recorder(sync=KeyboardInterrupt()), events.append)
    assert [a.status for a in events[-1].step.actions] == ["ok"] * 3
    assert events[-1].kind == "action-started"


@pytest.mark.parametrize("value", ["x", "1.5", ""])
def test_a_nonce_that_is_no_number_is_an_error(value: str) -> None:
    records, _ = ran(Recorder(nonce=value))
    assert records[-1].status == "error"
    assert "not a whole number" in records[-1].actions[-1].error


def test_a_value_found_late_must_be_harmless_too() -> None:
    class Late(Recorder):
        def resolve(self, name: str) -> str:
            super().resolve(name)
            return "3" if len([c for c in self.calls if c[0] == "resolve"]) == 1 else "$(id)"

    executor = Late()
    records, _ = ran(executor)
    assert records[-1].status == "error"
    assert "must not stand in a command" in records[-1].actions[-1].error
    assert ("command", "echo $(id)", "r.md:29") not in executor.calls


def test_events_tell_the_story() -> None:
    _, events = ran(Recorder(), stop_after="change.inputs")
    assert [event.kind for event in events] == [
        "step-started",
        "action-started",
        "action-finished",
        "step-finished",
    ]
    assert events[2].record is not None
    assert events[2].record.result == {"value": "INC-1", 2: None}


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_run_can_be_stopped_after_any_step(count: int) -> None:
    ids = [step.id for step in small_plan()]
    records, _ = ran(Recorder(), stop_after=ids[count - 1])
    assert [record.id for record in records] == ids[:count]


def test_an_unknown_step_to_stop_after_is_refused_before_anything_is_done() -> None:
    executor = Recorder()
    with pytest.raises(UsageError, match=r"no step 'change\.9'.*change\.inputs, change\.1"):
        ran(executor, stop_after="change.9")
    assert executor.calls == []


def test_records_are_json() -> None:
    records, _ = ran(Recorder())
    loaded = json.loads(json.dumps([record.to_json() for record in records]))
    assert loaded[0]["actions"][0]["result"] == {"value": "INC-1", "2": None}
    assert loaded[2]["actions"][1]["result"]["exit_status"] == 0
    assert loaded[2]["actions"][3]["result"] == [[1, "2026-02-16 00:00:00+00:00"]]
    assert loaded[2]["status"] == "ok"
    assert loaded[2]["route"] == "gitops"
