"""The verdict on a terminal: short first, details for what did not pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from harness.core.verdicts import Verdict

if TYPE_CHECKING:
    from rich.console import Console

    from harness.report.journal import CheckInfo, Journal

STYLES: Final = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.UNKNOWN: "yellow"}


def print_journal(journal: Journal, console: Console) -> None:
    """Print checks, differences that matter and the verdict line, which comes last."""
    if journal.checks:
        console.print(_table(journal.checks))
    for check in journal.checks:
        if check.verdict is not Verdict.PASS:
            console.print(Text.assemble((f"{check.name}: ", STYLES[check.verdict]), check.reason))
    for error in journal.errors:
        place = f"{error.where}: " if error.where else ""
        console.print(Text.assemble(("error: ", "bold red"), f"{place}{error.what}"))
        if error.hint:
            console.print(Text(f"  {error.hint}"))
    console.print(verdict_line(journal))


def _table(checks: list[CheckInfo]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(no_wrap=True)
    table.add_column()
    for check in checks:
        table.add_row(Text(check.verdict, STYLES[check.verdict]), check.name, check.promise)
    return table


def verdict_line(journal: Journal) -> Text:
    """Return the one line that sums the run up."""
    return Text.assemble(
        (journal.verdict.upper(), STYLES[journal.verdict]),
        f"  {journal.run.scenario}: {journal.reason}  ({journal.run.seconds:.0f} s)",
    )
