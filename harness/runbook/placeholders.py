"""Placeholders of a document, such as ``<REPLAY_ID>``, and what may be put in their place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLACEHOLDER: Final = re.compile(r"<([A-Za-z][A-Za-z0-9_-]*)>")
_HARMLESS: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:/@+-]*")


def placeholders_in(text: str) -> list[str]:
    """Return the names of the placeholders in a text, each once, in order."""
    return list(dict.fromkeys(_PLACEHOLDER.findall(text)))


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put values in the place of those placeholders that have one; leave the others."""
    return _PLACEHOLDER.sub(lambda match: values.get(match.group(1), match.group(0)), text)


def is_harmless(value: str) -> bool:
    """Whether a value may go into shell or SQL text.

    Letters, digits and ``._:/@+-`` only, not beginning with ``-``: nothing that a shell or a
    database would read as more than a word, so that a replay id cannot run anything.
    """
    return _HARMLESS.fullmatch(value) is not None
