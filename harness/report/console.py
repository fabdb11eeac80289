"""The verdict on a terminal: checks first, then what did not pass, the verdict line last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from harness.core.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from harness.report.journal import CheckInfo, ErrorInfo, Journal

STYLES: Final = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.UNKNOWN: "yellow"}
_VERDICT_WIDTH: Final = max(len(verdict) for verdict in Verdict)


def print_journal(journal: Journal, console: Console, report: str | None = None) -> None:
    """Print checks, why some did not pass, errors, where the report is, and the verdict line.

    Every line is a whole line, however long: a terminal wraps it, a pipe keeps it for grep.

    Args:
        journal: what is told.
        console: where to.
        report: path of the report.
    """
    for line in _lines(journal, report):
        console.print(line, soft_wrap=True)


def _lines(journal: Journal, report: str | None) -> Iterator[Text]:
    broken = [rule for rule in journal.rules if rule.verdict is not Verdict.PASS]
    shown = [*journal.checks, *broken]
    width = max((len(check.name) for check in shown), default=0)
    yield from (_check_line(check, width) for check in shown)
    if journal.rules:
        kept = len(journal.rules) - len(broken)
        yield Text(f"rules of the referee: {kept} of {len(journal.rules)} were kept")
    for check in shown:
        if check.verdict is not Verdict.PASS:
            yield Text.assemble((f"{check.name}: ", STYLES[check.verdict]), plain(check.reason))
    for error in journal.errors:
        yield from _error_lines(error)
    if report is not None:
        yield Text(f"report: {plain(report)}")
    yield verdict_line(journal)


def _check_line(check: CheckInfo, width: int) -> Text:
    return Text.assemble(
        (check.verdict.ljust(_VERDICT_WIDTH), STYLES[check.verdict]),
        f"  {plain(check.name).ljust(width)}  {plain(check.promise)}",
    )


def _error_lines(error: ErrorInfo) -> Iterator[Text]:
    place = f"{error.where}: " if error.where else ""
    first, *more = f"{place}{error.what}".splitlines()  # the end of a log may follow
    yield Text.assemble(("error: ", "bold red"), plain(first))
    yield from (Text(f"  {plain(line)}") for line in more)
    if error.hint:
        yield Text(f"  {plain(error.hint)}")


def verdict_line(journal: Journal) -> Text:
    """Return the one line that sums the run up."""
    return Text.assemble(
        (journal.verdict.upper(), STYLES[journal.verdict]),
        f"  {plain(journal.run.scenario)}: {plain(journal.reason)}  ({journal.run.seconds:.0f} s)",
    )


def plain(text: str) -> str:
    """Return text on one line that cannot command a terminal or break its encoding."""
    line = " ".join(text.encode(errors="replace").decode().split())
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line
    )
