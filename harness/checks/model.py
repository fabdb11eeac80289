"""A check: a named judge over the evidence of a rehearsal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.results import CheckResult, decide, failed, guarded, passed, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.checks.evidence import Evidence

__all__ = [
    "Check",
    "CheckResult",
    "Judge",
    "decide",
    "failed",
    "passed",
    "run_checks",
    "unknown",
]

Judge = Callable[["Evidence"], CheckResult]


@dataclass(frozen=True, slots=True)
class Check:
    """A named judge over the evidence.

    Attributes:
        name: as in reports and in Gherkin.
        promise: what holds when it passes, one sentence.
        judge: the pure function that decides.
        needs_every_look: whether it goes by the order of events; a gap in the observation then
            makes it unknown.
    """

    name: str
    promise: str
    judge: Judge
    needs_every_look: bool = False


def run_checks(checks: Iterable[Check], evidence: Evidence) -> list[CheckResult]:
    """Judge the evidence; a check that throws is unknown, never passed and never failed."""
    return [_run(check, evidence) for check in checks]


def _run(check: Check, evidence: Evidence) -> CheckResult:
    if evidence.gaps and check.needs_every_look:
        return unknown(check.name, reason=f"not everything was seen: {'; '.join(evidence.gaps)}")
    return guarded(check.name, "check", lambda: check.judge(evidence))
