"""A check: what it got, what it expected, and the verdict that follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.core.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.checks.evidence import Evidence


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Outcome of one check.

    Attributes:
        name: e.g. ``inputs-reread``.
        verdict: pass, fail or unknown.
        got: what was found, JSON-like.
        expected: what would have passed, JSON-like.
        reason: one or two sentences for the engineer on call.
    """

    name: str
    verdict: Verdict
    got: Any
    expected: Any
    reason: str


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


def passed(name: str, *, got: Any, expected: Any, reason: str) -> CheckResult:  # noqa: ANN401
    """Make a passing result."""
    return CheckResult(name, Verdict.PASS, got, expected, reason)


def failed(name: str, *, got: Any, expected: Any, reason: str) -> CheckResult:  # noqa: ANN401
    """Make a failing result."""
    return CheckResult(name, Verdict.FAIL, got, expected, reason)


def unknown(name: str, *, reason: str, got: Any = None, expected: Any = None) -> CheckResult:  # noqa: ANN401
    """Make a result for what could not be judged."""
    return CheckResult(name, Verdict.UNKNOWN, got, expected, reason)


def decide(holds: bool, name: str, *, got: Any, expected: Any, good: str, bad: str) -> CheckResult:  # noqa: ANN401, FBT001
    """Pass with the reason ``good`` or fail with the reason ``bad``."""
    if holds:
        return passed(name, got=got, expected=expected, reason=good)
    return failed(name, got=got, expected=expected, reason=bad)


def run_checks(checks: Iterable[Check], evidence: Evidence) -> list[CheckResult]:
    """Judge the evidence; a check that throws is unknown, never passed and never failed."""
    return [_run(check, evidence) for check in checks]


def _run(check: Check, evidence: Evidence) -> CheckResult:
    if evidence.gaps and check.needs_every_look:
        return unknown(check.name, reason=f"not everything was seen: {'; '.join(evidence.gaps)}")
    try:
        return check.judge(evidence)
    # Whatever a check trips over, its promise was neither kept nor broken: that is "unknown"
    # (as in Jepsen), and the other checks must still be heard.
    except Exception as error:  # noqa: BLE001
        return unknown(
            check.name, reason=f"the check itself failed: {type(error).__name__}: {error}"
        )
