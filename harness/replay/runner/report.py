"""The report: JSON of the documented form, with more fields; or text for a person."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.replay.runner.feasibility import Feasibility
    from harness.replay.runner.model import Change, Current
    from harness.replay.runner.planning import GroupHistory
    from harness.replay.runner.verification import Checks, Consumption, Running


@dataclass(slots=True, kw_only=True)
class Report:
    """What one run of the runner has to say.

    Attributes:
        mode: mode of the runner.
        namespace: Kubernetes namespace.
        current: state at the time of the report.
        change: what is, or was, to be changed.
        before: state before the change; the same as ``current`` where nothing was changed.
        verify_requested: whether a verification was asked for.
        warnings: what a person should know.
        blockers: why nothing may be, or was, changed.
        feasibility: verdict of the preflights; None when none was asked for.
        history: where the group was looked for; None when it was not.
        checks: outcome of the verification; None when there was none.
        consumption: the group by the brokers' account.
        running: the job by Flink's account.
        record: path of the record; empty when there is none.
        not_asked: services that the verification did not ask, with the reason.
    """

    mode: str
    namespace: str
    current: Current
    change: Change
    before: Current
    verify_requested: bool = False
    warnings: list[str] = field(default_factory=list)
    blockers: list[str] = field(default_factory=list)
    feasibility: Feasibility | None = None
    history: GroupHistory | None = None
    checks: Checks | None = None
    consumption: Consumption | None = None
    running: Running | None = None
    record: str = ""
    not_asked: dict[str, str] = field(default_factory=dict)

    @property
    def status(self) -> Literal["ok", "blocked"]:
        """``blocked`` when a change is not allowed."""
        return "blocked" if self.blockers else "ok"

    def to_json(self) -> dict[str, Any]:
        """Return the documented fields, then ours."""
        feasibility = self.feasibility
        coverage = feasibility.coverage if feasibility else None
        retention = feasibility.retention if feasibility else None
        return {
            "status": self.status,
            "mode": self.mode,
            "namespace": self.namespace,
            "current": self.current.to_json(),
            "plan": {
                "replay_group_id": self.change.group,
                "ta_auto_offset_reset": self.change.reset,
                "commands": self.change.commands(self.namespace, self.before),
            },
            "warnings": self.warnings,
            "verify": self.checks,
            "verify_requested": self.verify_requested,
            "coverage": coverage.to_json() if coverage else None,
            "kafka_retention": retention.to_json() if retention else None,
            "replay_feasibility": feasibility.to_json() if feasibility else None,
            "blockers": self.blockers,
            "group_history": self.history.to_json() if self.history else None,
            "consumption": self.consumption.to_json() if self.consumption else None,
            "flink": self.running.to_json() if self.running else None,
            "not_asked": self.not_asked,
            "record": self.record or None,
        }


def as_json(report: Report) -> str:
    """Return the report as JSON text: the same values give the same text."""
    return json.dumps(report.to_json(), indent=2)


def as_text(report: Report) -> str:
    """Return the report for a person."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield f"TA replay: {report.mode}: {report.status}"
    yield f"  namespace: {report.namespace}"
    yield "current:"
    for name, value in report.current.to_json().items():
        yield f"  {name}: {_shown(value)}"
    yield "plan:"
    yield f"  replay_group_id: {report.change.group}"
    yield f"  ta_auto_offset_reset: {_shown(report.change.reset)}"
    yield from (
        f"  {command}" for command in report.change.commands(report.namespace, report.before)
    )
    if report.record:
        yield f"record: {report.record}"
    yield from _section("blockers", report.blockers)
    yield from _section("warnings", report.warnings)
    yield from _preflights(report)
    yield from _verification(report)


def _section(title: str, entries: list[str]) -> Iterator[str]:
    if entries:
        yield f"{title}:"
        yield from (f"  {entry}" for entry in entries)


def _preflights(report: Report) -> Iterator[str]:
    if report.feasibility is not None:
        yield f"replay feasibility: {report.feasibility.status}"
        yield from (f"  {text}" for text in report.feasibility.blockers)
        yield from (f"  do: {text}" for text in report.feasibility.actions)


def _verification(report: Report) -> Iterator[str]:
    if report.checks is not None:
        yield "verify:"
        for name, value in report.checks.items():
            yield f"  {name}: {_shown(value)}"
    if report.consumption is not None:
        yield f"  lag: {report.consumption.lag} records"
    for name, reason in report.not_asked.items():
        yield f"  not asked: {name} ({reason})"


def _shown(value: object) -> str:
    if value is None:
        return "unknown"
    return str(value).lower() if isinstance(value, bool) else str(value)
