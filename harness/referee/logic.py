"""Past-time temporal logic over a finite sequence: what held before, and ever since.

A formula has a truth value at each position of a sequence. The operators look back only, so what
they say about a position never changes when the sequence grows. Each is one pass over its
operands (the recurrences of Havelund and Rosu, "Synthesizing monitors for safety properties").
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from operator import and_, or_
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
Truths: TypeAlias = list[bool]
"""Truth values, one for each position."""


@dataclass(frozen=True, slots=True)
class Formula(Generic[T]):
    """Something that is true or false at each position of a sequence.

    Attributes:
        over: gives the truth values for a whole sequence.
    """

    over: Callable[[Sequence[T]], Truths]

    def __and__(self, other: Formula[T]) -> Formula[T]:
        """Hold where both hold."""
        return Formula(lambda items: _zip(and_, self.over(items), other.over(items)))

    def __or__(self, other: Formula[T]) -> Formula[T]:
        """Hold where either holds."""
        return Formula(lambda items: _zip(or_, self.over(items), other.over(items)))

    def __invert__(self) -> Formula[T]:
        """Hold where it does not."""
        return Formula(lambda items: [not truth for truth in self.over(items)])


def _zip(join: Callable[[bool, bool], bool], left: Truths, right: Truths) -> Truths:
    return [join(a, b) for a, b in zip(left, right, strict=True)]


def holds(test: Callable[[T], bool]) -> Formula[T]:
    """Hold where the item itself passes ``test``."""
    return Formula(lambda items: [test(item) for item in items])


def once(p: Formula[T]) -> Formula[T]:
    """Hold from the first position on at which ``p`` holds."""
    return Formula(lambda items: list(accumulate(p.over(items), or_)))


def historically(p: Formula[T]) -> Formula[T]:
    """Hold as long as ``p`` has held at every position, this one included."""
    return Formula(lambda items: list(accumulate(p.over(items), and_)))


def before(p: Formula[T]) -> Formula[T]:
    """Hold where ``p`` held at some earlier position; this one does not count."""
    return Formula(lambda items: [False, *accumulate(p.over(items), or_)][: len(items)])


def never_before(p: Formula[T]) -> Formula[T]:
    """Hold where ``p`` held at no earlier position; this one does not count."""
    return ~before(p)


def since(p: Formula[T], q: Formula[T]) -> Formula[T]:
    """Hold where ``q`` held once, here or earlier, and ``p`` at every position after that one."""

    def over(items: Sequence[T]) -> Truths:
        truth, truths = False, []
        for kept, begun in zip(p.over(items), q.over(items), strict=True):
            truth = begun or (kept and truth)
            truths.append(truth)
        return truths

    return Formula(over)


def violations(items: Sequence[T], trigger: Formula[T], required: Formula[T]) -> list[T]:
    """Return the items at which ``trigger`` holds and ``required`` does not.

    Args:
        items: the sequence.
        trigger: where the rule applies.
        required: what must hold there.
    """
    broken = (trigger & ~required).over(items)
    return [item for item, wrong in zip(items, broken, strict=True) if wrong]
