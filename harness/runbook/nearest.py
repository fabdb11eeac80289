"""Which binding was meant: pairs changed statements with the bindings that lost theirs."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final

from harness.runbook.bindings import normal_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.runbook.bindings import Entry
    from harness.runbook.model import Unit

_ALIKE: Final = 0.6
_CONTEXT_WORDS: Final = 4


def pair_changed(units: Sequence[Unit], stale: Sequence[Entry]) -> dict[int, Entry]:
    """Pair unbound units with stale bindings of the same section.

    Args:
        units: unbound units of one section.
        stale: bindings of that section that no unit fits.

    Returns:
        First line of a unit -> binding. Bindings with a text go to the most similar unit; of
        those that keep a digest only, as many as there are units left, in order.
    """
    pairs: dict[int, Entry] = {}
    scored = [
        (score, unit.first, entry)
        for entry in stale
        for unit in units
        if entry.text is not None and (score := _similarity(entry, unit)) >= _ALIKE
    ]
    taken: set[int] = set()
    for _, line, entry in sorted(scored, key=lambda item: -item[0]):
        if line not in pairs and entry.line not in taken:
            pairs[line] = entry
            taken.add(entry.line)
    left = [unit for unit in units if unit.first not in pairs]
    hashed = [entry for entry in stale if entry.text is None]
    if len(left) == len(hashed):
        pairs |= {unit.first: entry for unit, entry in zip(left, hashed, strict=True)}
    return pairs


def _similarity(entry: Entry, unit: Unit) -> float:
    expected = normal_text(entry.text or "", unit.kind)
    return SequenceMatcher(None, expected, unit.text, autojunk=False).ratio()


def difference(expected: str, found: str) -> str:
    """Say where two texts first differ, each with a few words around.

    Args:
        expected: text in the bindings.
        found: text in the document.
    """
    old, new = expected.split(), found.split()
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    changes = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    if not changes:
        return "only white space differs"
    _, old_first, _, new_first, _ = changes[0]
    _, _, old_last, _, new_last = changes[-1]
    return (
        f"expected “{_excerpt(old, old_first, old_last)}”, "
        f"found “{_excerpt(new, new_first, new_last)}”"
    )


def _excerpt(words: Sequence[str], first: int, last: int) -> str:
    start, end = max(0, first - _CONTEXT_WORDS), min(len(words), last + _CONTEXT_WORDS)
    before = "… " if start else ""
    after = " …" if end < len(words) else ""
    return before + " ".join(words[start:end]) + after
