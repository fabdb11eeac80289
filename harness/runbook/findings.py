"""A finding of the linter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something in the document or its bindings that stands against running it.

    Attributes:
        file: document or bindings file.
        line: line in it, from 1.
        code: short name of the kind, e.g. ``changed-command``.
        message: what is wrong.
        hint: what to do about it.
        severity: an error stops every run, a warning does not.
    """

    file: str
    line: int
    code: str
    message: str
    hint: str
    severity: Literal["error", "warning"] = "error"

    @property
    def where(self) -> str:
        """Return ``file:line``."""
        return f"{self.file}:{self.line}"

    def __str__(self) -> str:
        """Return ``file:line: severity: message [code] (hint)``."""
        return f"{self.where}: {self.severity}: {self.message} [{self.code}] ({self.hint})"
