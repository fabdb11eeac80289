"""Three-valued verdicts: what is not known never counts as passed."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Verdict(StrEnum):
    """Outcome of a check, a rule, a scenario or a run."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    UNKNOWN = "unknown"

    @property
    def exit_status(self) -> int:
        """Process exit status: 0 pass, 1 fail, 3 unknown."""
        return {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.UNKNOWN: 3}[self]


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """Join verdicts into one: fail outweighs unknown, unknown outweighs pass.

    Args:
        verdicts: the parts, in any order.

    Returns:
        ``UNKNOWN`` when there are no parts: nothing was checked, so nothing is known.
    """
    seen = set(verdicts)
    for verdict in (Verdict.FAIL, Verdict.UNKNOWN, Verdict.PASS):
        if verdict in seen:
            return verdict
    return Verdict.UNKNOWN
