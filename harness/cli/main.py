"""Entry point: runs a command and turns errors into a message and an exit status."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Final

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
COMMANDS: Final = (
    rehearse.rehearse,
    up.up,
    down.down,
    lint.lint,
    config.config,
    prefetch.prefetch,
)
_INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
UNKNOWN: Final = 3
"""Exit status of what was not finished: neither pass nor fail."""


def _command(function: Callable[..., None]) -> Callable[..., None]:
    """Wrap a command: typer would turn Ctrl-C into 130, and Python any other error into 1."""

    @functools.wraps(function)
    def run(*args: object, **options: object) -> None:
        try:
            function(*args, **options)
        except typer.Exit:
            raise
        except HarnessError as error:
            _say(_message(error))
            sys.exit(error.exit_status)
        except KeyboardInterrupt:
            _say("replay-harness: interrupted; everything that was started has been ended")
            sys.exit(UNKNOWN)
        except BrokenPipeError:  # whoever read the output has gone
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(UNKNOWN)
        except Exception as error:
            traceback.print_exc()
            _say(
                "replay-harness: internal error, so nothing is known; please report the lines above"
            )
            raise SystemExit(UNKNOWN) from error

    return run


for command in COMMANDS:
    app.command()(_command(command))


def run() -> None:
    """Run ``replay-harness``; the process ends with the exit status of the contracts."""
    for number in _INTERRUPTS:
        signal.signal(number, _interrupt)
    app()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Treat SIGTERM and SIGHUP like Ctrl-C, so that worlds are ended on the way out.

    Only the first one counts: what ends the world and writes the report is not cut short.
    """
    for number in _INTERRUPTS:
        signal.signal(number, _already)
    raise KeyboardInterrupt


def _already(_number: int, _frame: FrameType | None) -> None:
    """Say that the end is under way; a buffered stream may be in use by what was stopped here."""
    with contextlib.suppress(OSError):
        os.write(sys.stderr.fileno(), b"replay-harness: already ending the world, a moment\n")


def _say(text: str) -> None:
    """Write to standard error; that nobody reads it any more changes nothing."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is the command line


def _message(error: HarnessError) -> str:
    place = f"{error.where}: " if error.where else ""
    advice = f"\n  {error.hint}" if error.hint else ""
    return f"replay-harness: {place}{error.what}{advice}"
