"""Run a plan: each action through an executor, each outcome in a record."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from harness.core.errors import HarnessError, UsageError
from harness.runbook.operations import (
    Command,
    Commit,
    Confirm,
    Edit,
    Observe,
    Query,
    Sync,
    operation_json,
)
from harness.runbook.placeholders import fill, is_harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.runbook.operations import (
        Operation,
        Scalar,
    )
    from harness.runbook.planning import PlannedAction, PlannedStep
    from harness.runbook.shell import CommandOutcome

Status = Literal["ok", "failed", "error"]
"""``failed``: a command's exit status was not 0. ``error``: the harness could not do it, so the
outcome is not known."""


class Executor(Protocol):
    """What carries out the actions. Each method returns when the action is done.

    Every method may raise ``HarnessError``: the run then stops with that in the record.
    """

    def command(self, text: str, *, where: str) -> CommandOutcome:
        """Run a shell command; ``where`` is the document's ``file:line``."""
        ...

    def edit(self, file: str, path: str, value: Scalar) -> None:
        """Set a value in a manifest of the repository's work tree."""
        ...

    def commit(self, message: str) -> str:
        """Commit the edits and return the commit's id."""
        ...

    def sync(self, application: str) -> str:
        """Sync an application and return what its state became."""
        ...

    def query(self, sql: str) -> Sequence[Sequence[Any]]:
        """Run a query and return its rows."""
        ...

    def confirm(self, name: str, text: str) -> Any:  # noqa: ANN401 - whatever was recorded
        """Confirm or record something and return it, JSON-like."""
        ...

    def observe(self, name: str) -> Any:  # noqa: ANN401 - whatever was seen
        """Look at a condition, or wait for it, and return what was seen, JSON-like."""
        ...

    def resolve(self, name: str) -> str:
        """Find a value that could not be known before, e.g. the next restartNonce."""
        ...


@dataclass(frozen=True, slots=True)
class ActionRecord:
    """What became of an action.

    Attributes:
        line: line of the document that asked for it.
        operation: what was done, all blanks filled as far as they could be.
        status: see ``Status``.
        started: wall clock, UTC.
        seconds: how long it took.
        result: what it gave: the outcome of a command, rows, what was recorded or seen.
        error: why it is ``failed`` or an ``error``, else empty.
    """

    line: int
    operation: Operation
    status: Status
    started: datetime
    seconds: float
    result: Any = None
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return JSON-like data."""
        return {
            "line": self.line,
            **operation_json(self.operation),
            "status": self.status,
            "started": self.started.isoformat(),
            "seconds": round(self.seconds, 3),
            "result": _plain(self.result),
            "error": self.error,
        }


@dataclass(slots=True)
class StepRecord:
    """What became of a step.

    Attributes:
        step: the step as planned.
        started: wall clock, UTC.
        seconds: how long it took.
        actions: those that were begun, in order.
    """

    step: PlannedStep
    started: datetime
    seconds: float = 0.0
    actions: list[ActionRecord] = field(default_factory=list)

    @property
    def status(self) -> Status:
        """``ok`` when all its actions are, else that of the one that was not."""
        return next((a.status for a in self.actions if a.status != "ok"), "ok")

    @property
    def id(self) -> str:
        """Id of the step."""
        return self.step.id

    def to_json(self) -> dict[str, Any]:
        """Return JSON-like data."""
        planned = self.step.to_json()
        return {
            **planned,
            "status": self.status,
            "started": self.started.isoformat(),
            "seconds": round(self.seconds, 3),
            "actions": [action.to_json() for action in self.actions],
        }


@dataclass(frozen=True, slots=True)
class RunEvent:
    """Something that happens during a run, for progress and journal.

    Attributes:
        kind: what happened.
        step: the record of the step so far.
        action: the action that begins, for ``action-started``.
        record: the action's record, for ``action-finished``.
    """

    kind: Literal["step-started", "action-started", "action-finished", "step-finished"]
    step: StepRecord
    action: PlannedAction | None = None
    record: ActionRecord | None = None


def run(
    plan: Sequence[PlannedStep],
    executor: Executor,
    on_event: Callable[[RunEvent], None],
    stop_after: str | None = None,
) -> list[StepRecord]:
    """Run the steps in order; the first action that is not ``ok`` ends the run.

    Args:
        plan: steps from ``harness.runbook.planning.plan``.
        executor: what carries out the actions.
        on_event: told of everything as it happens; the records reach it even when the run is
            interrupted.
        stop_after: id of the last step to run.

    Returns:
        Records of the steps that were begun.

    Raises:
        UsageError: ``stop_after`` names no step of the plan.
    """
    ids = [step.id for step in plan]
    if stop_after is not None and stop_after not in ids:
        raise UsageError(f"there is no step {stop_after!r}", hint=f"steps: {', '.join(ids)}")
    records = []
    for step in plan:
        records.append(_run_step(step, executor, on_event))
        if records[-1].status != "ok" or step.id == stop_after:
            break
    return records


def _run_step(
    step: PlannedStep, executor: Executor, on_event: Callable[[RunEvent], None]
) -> StepRecord:
    record = StepRecord(step, datetime.now(UTC))
    begun = time.monotonic()
    on_event(RunEvent("step-started", record))
    for action in step.actions:
        on_event(RunEvent("action-started", record, action=action))
        outcome = _run_action(action, step, executor)
        record.actions.append(outcome)
        on_event(RunEvent("action-finished", record, record=outcome))
        if outcome.status != "ok":
            break
    record.seconds = time.monotonic() - begun
    on_event(RunEvent("step-finished", record))
    return record


def _run_action(action: PlannedAction, step: PlannedStep, executor: Executor) -> ActionRecord:
    started, begun = datetime.now(UTC), time.monotonic()
    operation, result, error = action.operation, None, ""
    status: Status
    where = f"{step.file}:{action.line}"
    try:
        operation = _resolved(action, executor, where)
        result = _carry_out(operation, executor, where)
    except HarnessError as problem:
        status, error = "error", str(problem)
    else:
        error = _failure(operation, result)
        status = "failed" if error else "ok"
    seconds = time.monotonic() - begun
    return ActionRecord(action.line, operation, status, started, seconds, result, error)


def _failure(operation: Operation, outcome: Any) -> str:  # noqa: ANN401 - of any operation
    if not isinstance(operation, Command) or outcome.exit_status == 0:
        return ""
    last = outcome.stderr.strip().rsplit("\n", 1)[-1]
    why = "its time was over" if outcome.timed_out else f"exit status {outcome.exit_status}"
    return f"{why}: {last}" if last else why


def _resolved(action: PlannedAction, executor: Executor, where: str) -> Operation:
    values = {item.placeholder: executor.resolve(item.name) for item in action.deferred}
    match action.operation:
        case Command(text=text):
            return replace(action.operation, text=fill(text, _harmless(values, where)))
        case Query(sql=sql):
            return replace(action.operation, sql=fill(sql, _harmless(values, where)))
        case Edit(value=value, integer=integer):
            filled = fill(value, values) if isinstance(value, str) else value
            number = _integer(filled, where) if integer else filled
            return replace(action.operation, value=number)
        case _:
            return action.operation


def _harmless(values: dict[str, str], where: str) -> dict[str, str]:
    for name, value in values.items():
        if not is_harmless(value):
            raise UsageError(
                f"the value {value!r} of <{name}> must not stand in a command", where=where
            )
    return values


def _integer(value: Scalar, where: str) -> int:
    try:
        return int(value)
    except ValueError as error:
        raise UsageError(f"the value {value!r} is not a whole number", where=where) from error


def _carry_out(operation: Operation, executor: Executor, where: str) -> Any:  # noqa: ANN401
    result: Any = None
    match operation:
        case Command(text=text):
            result = executor.command(text, where=where)
        case Edit(file=file, path=path, value=value):
            executor.edit(file, path, value)
        case Commit(message=message):
            result = executor.commit(message)
        case Sync(application=application):
            result = executor.sync(application)
        case Query(sql=sql):
            result = [list(row) for row in executor.query(sql)]
        case Confirm(name=name, text=text):
            result = executor.confirm(name, text)
        case Observe(name=name):
            result = executor.observe(name)
    return result


def _plain(result: Any) -> Any:  # noqa: ANN401 - JSON-like in, JSON-like out
    """Return a result as JSON-like data; what JSON does not know becomes text."""
    if hasattr(result, "__dataclass_fields__"):
        return {name: _plain(getattr(result, name)) for name in result.__dataclass_fields__}
    if isinstance(result, dict):
        return {str(key): _plain(value) for key, value in result.items()}
    if isinstance(result, list | tuple):
        return [_plain(value) for value in result]
    if result is None or isinstance(result, str | int | float | bool):
        return result
    return str(result)
