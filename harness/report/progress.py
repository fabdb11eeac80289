"""Progress on a terminal, or as plain lines where there is none."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from types import TracebackType

    from rich.status import Status


class ConsoleProgress:
    """Says what is happening and since when; one moving line on a terminal, plain lines else."""

    def __init__(self, console: Console) -> None:
        """Write to ``console``."""
        self._console = console
        self._began = time.monotonic()
        self._phase = ""
        self._live: Status | None = None

    def __enter__(self) -> Self:
        """Begin to show progress."""
        if self._console.is_terminal:
            self._live = self._console.status("")
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the moving line away."""
        if self._live is not None:
            self._live.stop()

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._began:5.1f} s"

    def phase(self, name: str) -> None:
        """A part of the run begins."""
        self._phase = name
        self._console.print(f"[bold]{self._elapsed()}  {escape(name)}[/bold]", highlight=False)
        self.status("")

    def note(self, text: str) -> None:
        """Something happened that is worth a line."""
        self._console.print(f"{self._elapsed()}    {escape(text)}", highlight=False)

    def status(self, text: str) -> None:
        """A passing state; on a terminal it replaces the one before, elsewhere it is left out."""
        if self._live is not None:
            what = f"{self._phase}: {text}" if text else self._phase
            self._live.update(f"{self._elapsed()}  {escape(what)}")


def console(*, quiet: bool) -> Console:
    """Return the console for progress: standard error, so that standard output is the result."""
    return Console(stderr=True, quiet=quiet, soft_wrap=True)
