"""What has to be said before a scenario may delete anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness.core.errors import UsageError

if TYPE_CHECKING:
    from harness.replay.settings import RunSettings
    from harness.runbook.bindings import Scenario

DESTRUCTIVE: Final = "destructive"
"""Flag of scenarios that delete things, in the bindings."""

PHRASE: Final = "REPLAY_FROM_SCRATCH"
"""What a person has to say."""

APPROVALS: Final = (
    "destructive-steps-approved",
    "derived-topics-may-be-deleted",
    "flink-state-may-be-deleted",
)
"""Confirmations of the document that need a person's word."""


UNJUDGED: Final = frozenset({"rollback", "rollback-mode2", "runner"})
"""Scenarios of the shipped bindings that are linted only: nothing judges them yet, and the checks
of a replay would say wrong things about them."""


def check_judged(scenario: Scenario) -> None:
    """Refuse a scenario that nothing could judge.

    Raises:
        UsageError: for one of ``UNJUDGED``.
    """
    if scenario.name in UNJUDGED:
        raise UsageError(
            f"scenario {scenario.name} can be linted, but nothing judges it yet",
            hint="rehearsed and judged: mode1, mode2, and scenarios of your own document",
        )


def is_destructive(scenario: Scenario) -> bool:
    """Whether a scenario deletes things."""
    return DESTRUCTIVE in scenario.flags


def approvals(scenario: Scenario, run: RunSettings) -> dict[str, str]:
    """Return the values of the confirmations that a person gave.

    Args:
        scenario: what is to be run.
        run: settings of the run, with ``confirm`` and ``ticket``.

    Returns:
        Nothing for a scenario that deletes nothing.

    Raises:
        UsageError: when a destructive scenario lacks the phrase or the ticket.
    """
    if not is_destructive(scenario):
        return {}
    if run.confirm != PHRASE:
        raise UsageError(
            f"scenario {scenario.name} deletes topics and state, and nobody confirmed that",
            hint=f"--confirm {PHRASE}",
        )
    if not (run.ticket or "").strip():
        raise UsageError(
            f"scenario {scenario.name} has to be recorded in a ticket or incident",
            hint="--ticket INC1234",
        )
    word = f"{PHRASE}, {run.ticket}"
    return {"ticket": str(run.ticket), **dict.fromkeys(APPROVALS, word)}
