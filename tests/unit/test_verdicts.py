from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.verdicts import Verdict, combine

verdicts = st.lists(st.sampled_from(Verdict))


def test_nothing_checked_is_unknown() -> None:
    assert combine([]) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        (["pass"], "pass"),
        (["pass", "unknown"], "unknown"),
        (["unknown", "fail"], "fail"),
        (["pass", "fail"], "fail"),
    ],
)
def test_fail_outweighs_unknown_outweighs_pass(parts: list[str], whole: str) -> None:
    assert combine(map(Verdict, parts)) is Verdict(whole)


@given(verdicts)
def test_unknown_never_counts_as_pass(parts: list[Verdict]) -> None:
    if combine(parts) is Verdict.PASS:
        assert parts
        assert set(parts) == {Verdict.PASS}


@given(verdicts, verdicts)
def test_order_and_repetition_do_not_matter(left: list[Verdict], right: list[Verdict]) -> None:
    assert combine(left + right) is combine(right + left) is combine(left + right + left)


@given(verdicts.filter(bool), verdicts.filter(bool))
def test_parts_may_be_combined_first(left: list[Verdict], right: list[Verdict]) -> None:
    assert combine([combine(left), combine(right)]) is combine(left + right)


@given(verdicts, st.sampled_from(Verdict))
def test_more_parts_never_improve_a_verdict(parts: list[Verdict], extra: Verdict) -> None:
    rank = [Verdict.PASS, Verdict.UNKNOWN, Verdict.FAIL]
    if parts:
        assert rank.index(combine([*parts, extra])) >= rank.index(combine(parts))


@pytest.mark.parametrize(
    ("verdict", "status"), [(Verdict.PASS, 0), (Verdict.FAIL, 1), (Verdict.UNKNOWN, 3)]
)
def test_exit_status(verdict: Verdict, status: int) -> None:
    assert verdict.exit_status == status
