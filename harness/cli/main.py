"""Entry point: runs a command and turns errors into a message and an exit status."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import typer

from harness.cli import config, down, lint, prefetch, rehearse, up
from harness.core.errors import HarnessError

app = typer.Typer(
    help="Run a replay runbook word for word on production in miniature and judge the data.",
    epilog="Exit status: 0 pass, 1 fail, 2 usage, 3 unknown.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (rehearse.rehearse, up.up, down.down, lint.lint, config.config, prefetch.prefetch):
    app.command()(command)

INTERRUPTED = 3


def run() -> None:
    """Run ``replay-harness``; the process ends with the exit status of the contracts."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        app()
    except HarnessError as error:
        print(_message(error), file=sys.stderr)  # noqa: T201 - this is the command line
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        print("interrupted; everything that was started has been ended", file=sys.stderr)  # noqa: T201
        sys.exit(INTERRUPTED)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Treat SIGTERM and SIGHUP like Ctrl-C, so that worlds are ended on the way out."""
    raise KeyboardInterrupt


def _message(error: HarnessError) -> str:
    place = f"{error.where}: " if error.where else ""
    advice = f"\n  {error.hint}" if error.hint else ""
    return f"replay-harness: {place}{error.what}{advice}"
