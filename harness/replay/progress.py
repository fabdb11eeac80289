"""What a rehearsal tells while it runs; the terminal's side is elsewhere."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told of what is happening; every method returns at once."""

    def phase(self, name: str) -> None:
        """A part of the run begins."""

    def note(self, text: str) -> None:
        """Something happened that is worth a line."""

    def status(self, text: str) -> None:
        """A passing state, e.g. the lag; replaces the one before."""


class Silent:
    """Progress for nobody."""

    def phase(self, name: str) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def status(self, text: str) -> None:
        """Say nothing."""
