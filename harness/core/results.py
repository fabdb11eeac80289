"""A judgement: what was found, what was expected, and the verdict that follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.core.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Outcome of one check or rule.

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


def guarded(name: str, kind: str, judge: Callable[[], CheckResult]) -> CheckResult:
    """Judge; a judge that throws is unknown, never passed and never failed.

    Args:
        name: name of the check or rule.
        kind: ``check`` or ``rule``, for the reason.
        judge: what decides.
    """
    try:
        return judge()
    # Whatever a judge trips over, its promise was neither kept nor broken: that is "unknown"
    # (as in Jepsen), and the others must still be heard.
    except Exception as error:  # noqa: BLE001
        reason = f"the {kind} itself failed: {type(error).__name__}: {error}"
        return unknown(name, reason=reason)
