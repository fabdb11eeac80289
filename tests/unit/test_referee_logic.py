from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.referee.logic import (
    before,
    historically,
    holds,
    never_before,
    once,
    since,
    violations,
)

if TYPE_CHECKING:
    from harness.referee.logic import (
        Formula,
    )

# An item is a pair of truth values, one for each of two propositions.
Item = tuple[bool, bool]
P: Formula[Item] = holds(lambda item: item[0])
Q: Formula[Item] = holds(lambda item: item[1])
words = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=12)


@given(words)
def test_operators_mean_what_their_definitions_say(word: list[Item]) -> None:
    positions = range(len(word))
    p, q = [item[0] for item in word], [item[1] for item in word]
    assert once(P).over(word) == [any(p[j] for j in range(i + 1)) for i in positions]
    assert historically(P).over(word) == [all(p[j] for j in range(i + 1)) for i in positions]
    assert before(P).over(word) == [any(p[j] for j in range(i)) for i in positions]
    assert never_before(P).over(word) == [not any(p[j] for j in range(i)) for i in positions]
    assert since(P, Q).over(word) == [
        any(q[j] and all(p[k] for k in range(j + 1, i + 1)) for j in range(i + 1))
        for i in positions
    ]


@given(words, words)
def test_what_is_said_of_the_past_never_changes(word: list[Item], more: list[Item]) -> None:
    for formula in (once(P), historically(P), before(P), never_before(P), since(P, Q)):
        assert formula.over(word + more)[: len(word)] == formula.over(word)


@given(words)
def test_dualities(word: list[Item]) -> None:
    true: Formula[Item] = holds(lambda _: True)
    assert historically(P).over(word) == (~once(~P)).over(word)
    assert once(P).over(word) == since(true, P).over(word)
    assert (P | Q).over(word) == (~(~P & ~Q)).over(word)
    assert once(P).over(word) == (before(P) | P).over(word)


@given(words)
def test_violations_are_the_items_where_the_rule_applies_and_is_broken(word: list[Item]) -> None:
    assert violations(word, P, Q) == [item for item in word if item[0] and not item[1]]
    assert violations(word, P, P) == []


@pytest.mark.parametrize(
    "formula", [once(P), historically(P), before(P), never_before(P), since(P, Q)]
)
def test_an_empty_sequence_has_no_truths(formula: Formula[Item]) -> None:
    assert formula.over([]) == []


def test_the_present_does_not_count_as_before() -> None:
    word = [(False, False), (True, False), (True, False)]
    assert before(P).over(word) == [False, False, True]
    assert never_before(P).over(word) == [True, True, False]
