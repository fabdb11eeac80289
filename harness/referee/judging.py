"""From a trail to verdicts: every rule is asked, and none can silence another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.results import guarded, unknown
from harness.core.verdicts import Verdict
from harness.referee.case import Case, Expectations
from harness.referee.rules import RULES
from harness.referee.trail import read_facts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.core.audit import AuditEvent
    from harness.core.results import CheckResult
    from harness.referee.case import Rule

__all__ = ["RULES", "Expectations", "judge"]


def judge(
    trail: Iterable[AuditEvent], expectations: Expectations, rules: Iterable[Rule] = RULES
) -> list[CheckResult]:
    """Judge a trail.

    Args:
        trail: all lines, oldest first, from the building of the world on.
        expectations: what is known beside the trail.
        rules: rules to ask.

    Returns:
        One result for each rule, in their order. All are unknown for a trail in which the
        document was never run: what nobody did was not done right either.
    """
    events = tuple(trail)
    case = Case(events, read_facts(events), expectations)
    return [_ask(rule, case) for rule in rules]


def _ask(rule: Rule, case: Case) -> CheckResult:
    if case.start is None:
        return unknown(rule.name, reason="the trail holds no run of the document")
    result = guarded(rule.name, "rule", lambda: rule.judge(case))
    blind = case.unclear(rule.areas)
    if result.verdict is Verdict.PASS and blind is not None:
        reason = f"it seems so ({result.reason}), but {blind.what} ({blind.where})"
        return unknown(rule.name, reason=reason, got=result.got, expected=result.expected)
    return result
