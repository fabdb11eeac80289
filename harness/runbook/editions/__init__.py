"""The project's own edition of the runbook, and bindings for it and for the upstream document."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.runbook.bindings import load_bindings

if TYPE_CHECKING:
    from harness.runbook.bindings import Bindings
    from harness.runbook.model import Document

_HERE: Final = Path(__file__).parent
OWN_EDITION: Final = _HERE / "ta-replay.md"
"""The runbook in the project's own words: same structure, commands, queries and values."""

OWN_BINDINGS: Final = _HERE / "ta-replay.bindings.yaml"
UPSTREAM_BINDINGS: Final = _HERE / "upstream.bindings.yaml"
"""Bindings of the production repository's document: commands in full, prose by digest."""


def default_bindings(document: Document) -> Path:
    """Return the shipped bindings that know most of a document's statements.

    Args:
        document: the parsed runbook.

    Returns:
        The file; the own edition's when none knows more than another.
    """
    return max((OWN_BINDINGS, UPSTREAM_BINDINGS), key=lambda path: _known(document, path))


def _known(document: Document, path: Path) -> int:
    bindings: Bindings = load_bindings(path)
    return sum(bindings.entry_for(unit) is not None for unit in document.units)
