"""``replay-harness lint``: hold a document against its bindings, run nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options as opt


def lint(
    runbook: Annotated[Path, typer.Argument(help="The document.")],
    bindings: opt.Bindings = None,
    skeleton: Annotated[
        Path | None,
        typer.Option(help="Write a bindings file to fill in, with everything that is unbound."),
    ] = None,
) -> None:
    """Say what in the document is changed, unbound or cannot be filled in, with file and line."""
    from harness.report.commands import lint_document  # noqa: PLC0415 - keeps `--help` fast

    raise typer.Exit(lint_document(runbook, bindings, skeleton))
