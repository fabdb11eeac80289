"""Errors that tell a person what happened, where, and what to do about it."""

from __future__ import annotations

from typing import ClassVar


class HarnessError(Exception):
    """The run cannot go on; the verdict is not known.

    Attributes:
        what: one sentence on what happened.
        where: the place, ``file:line`` for a document or manifest, a log's path for a process.
        hint: what the reader can do about it.
        exit_status: process exit status that this error leads to (3: unknown).
    """

    exit_status: ClassVar[int] = 3

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        """Keep the three parts; ``str()`` joins those that are there."""
        self.what = what
        self.where = where
        self.hint = hint
        super().__init__(what)

    def __str__(self) -> str:
        """Return ``where: what (hint)`` on one line."""
        place = f"{self.where}: " if self.where else ""
        advice = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.what}{advice}"


class UsageError(HarnessError):
    """The caller asked for something that does not exist or does not fit (exit status 2)."""

    exit_status = 2


class DocumentError(HarnessError):
    """The document or its bindings cannot be run as they stand (exit status 1)."""

    exit_status = 1


class ServiceError(HarnessError):
    """A service of the world did not start, died, or stopped answering."""
