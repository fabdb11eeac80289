"""A rehearsal that is over, and what a failing test says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.report.journal import ActionInfo, CheckInfo, ErrorInfo, Journal

_DONE = "ok"
"""Outcome of an action, and of a step, in which nothing went wrong."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One rehearsal.

    Attributes:
        journal: everything about it.
        directory: where its report, journal and logs are.
    """

    journal: Journal
    directory: Path

    def check(self, name: str) -> CheckInfo | None:
        """Return the check of that name; None when it did not take place."""
        return next((check for check in self.journal.findings if check.name == name), None)

    def actions(self) -> Iterator[ActionInfo]:
        """Yield everything that the document had done, in order."""
        for step in self.journal.steps:
            yield from step.actions

    def mishaps(self) -> list[str]:
        """Return what went wrong while the document was run, with file:line."""
        return [
            f"{action.where}: {action.text}: {action.outcome}"
            for action in self.actions()
            if action.outcome != _DONE or action.exit_status
        ]

    def explain(self) -> str:
        """Return the verdict, what is behind it, and where the report is; several lines."""
        journal = self.journal
        lines = [
            f"{journal.run.scenario} came out as {journal.verdict}: {journal.reason}",
            *(
                f"  {check.verdict}: {check.name}: {check.reason}"
                for check in journal.findings
                if check.verdict != "pass"
            ),
            *(f"  in the document: {mishap}" for mishap in self.mishaps()),
            *(f"  error: {_told(error)}" for error in journal.errors),
            f"  report: {self.directory / 'report.html'}",
            f"  logs: {self.directory / 'logs'}",
        ]
        return "\n".join(lines)


def _told(error: ErrorInfo) -> str:
    place = f"{error.where}: " if error.where else ""
    advice = f" ({error.hint})" if error.hint else ""
    return f"{place}{error.what}{advice}"
