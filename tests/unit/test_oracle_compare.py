"""Comparing rows: what is missing, too much, or different."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.oracle import compare_rows
from harness.checks.oracle.compare import Tolerance
from harness.core.errors import UsageError

KEYS = ("symbol", "seq")
SCHEMA = {"symbol": pl.String(), "seq": pl.Int64(), "x": pl.Float64()}

Row = tuple[str, int, float | None]


def table(*rows: Row) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=SCHEMA, orient="row")


BASE = (("A", 1, 1.0), ("A", 2, 2.0), ("B", 1, None))

rows_strategy = st.lists(
    st.tuples(
        st.sampled_from("AB"),
        st.integers(1, 5),
        st.one_of(st.none(), st.floats(-1e6, 1e6), st.just(float("nan"))),
    ),
    max_size=20,
)


def test_equal_rows_are_equal_in_any_order() -> None:
    comparison = compare_rows(table(*BASE), table(*reversed(BASE)), KEYS)
    assert comparison.equal
    assert comparison.matched == 3
    assert comparison.columns == ("x",)


def test_a_missing_row_is_named() -> None:
    comparison = compare_rows(table(*BASE), table(*BASE[1:]), KEYS)
    assert comparison.missing.rows() == [("A", 1)]
    assert not comparison.equal
    assert (comparison.surplus.height, comparison.different) == (0, {})


def test_a_surplus_row_is_named() -> None:
    comparison = compare_rows(table(*BASE[1:]), table(*BASE), KEYS)
    assert comparison.surplus.rows() == [("A", 1)]
    assert not comparison.equal


def test_a_second_copy_is_surplus() -> None:
    comparison = compare_rows(table(*BASE), table(*BASE, BASE[0]), KEYS)
    assert comparison.surplus.rows() == [("A", 1)]
    assert comparison.missing.height == 0


def test_a_difference_is_named_with_both_values() -> None:
    comparison = compare_rows(table(*BASE), table(("A", 1, 1.5), *BASE[1:]), KEYS)
    difference = comparison.different["x"]
    assert (difference.count, difference.largest) == (1, 0.5)
    assert difference.first == [{"symbol": "A", "seq": 1, "expected": 1.0, "actual": 1.5}]
    assert not comparison.equal


@pytest.mark.parametrize(
    ("one", "other", "tolerance", "equal"),
    [
        (1.0, 1.0 + 1e-10, Tolerance(), False),
        (1.0, 1.0 + 1e-10, Tolerance(relative=1e-9), True),
        (1.0, 1.0 + 1e-8, Tolerance(relative=1e-9), False),
        (1e6, 1e6 + 1e-4, Tolerance(relative=1e-9), True),
        (0.0, 1e-12, Tolerance(relative=1e-9), False),
        (0.0, 1e-12, Tolerance(absolute=1e-9), True),
        (None, 0.0, Tolerance(absolute=1e9), False),
        (0.0, None, Tolerance(absolute=1e9), False),
        (None, None, Tolerance(relative=1.0), True),
        (float("nan"), float("nan"), Tolerance(), True),
        (float("nan"), 0.0, Tolerance(absolute=1e9), False),
        (float("inf"), 1.0, Tolerance(relative=1e9, absolute=1e9), False),
        (float("inf"), float("inf"), Tolerance(), True),
    ],
)
def test_tolerances(
    one: float | None, other: float | None, tolerance: Tolerance, *, equal: bool
) -> None:
    comparison = compare_rows(table(("A", 1, one)), table(("A", 1, other)), KEYS, {"x": tolerance})
    assert comparison.equal is equal


def test_existence_alone_can_be_compared() -> None:
    comparison = compare_rows(table(*BASE), table(("A", 1, 9.0), *BASE[1:]), KEYS, columns=())
    assert comparison.equal
    assert comparison.columns == ()


def test_columns_of_one_side_only_are_left_out() -> None:
    actual = table(*BASE).with_columns(ingest_ts=pl.lit(1))
    assert compare_rows(table(*BASE), actual, KEYS).columns == ("x",)


@pytest.mark.parametrize("columns", [("y",), ("x", "y")])
def test_a_column_that_is_not_there_is_an_error(columns: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="expected rows have no column y"):
        compare_rows(table(*BASE), table(*BASE), KEYS, columns=columns)
    with pytest.raises(UsageError, match="actual rows have no column seq"):
        compare_rows(table(*BASE), table(*BASE).drop("seq"), KEYS)


def test_types_of_a_database_are_brought_to_the_expected_ones() -> None:
    actual = table(*BASE).cast({"symbol": pl.Categorical(), "seq": pl.UInt64(), "x": pl.Float32()})
    assert compare_rows(table(*BASE), actual, KEYS).equal


def test_types_that_do_not_fit_are_an_error() -> None:
    actual = table(*BASE).with_columns(x=pl.lit("text"))
    with pytest.raises(UsageError, match="cannot be compared"):
        compare_rows(table(*BASE), actual, KEYS)


def test_keys_that_are_null_match_each_other() -> None:
    rows = pl.DataFrame({"symbol": [None], "seq": [1], "x": [1.0]}, schema=SCHEMA)
    assert compare_rows(rows, rows, KEYS).equal


def test_the_description_is_json_and_short() -> None:
    instants = [datetime(2026, 11, 23, 14, 30, second, tzinfo=UTC) for second in range(20)]
    rows = pl.DataFrame({"event_ts": instants, "x": [1.0] * 20})
    comparison = compare_rows(rows, rows.slice(15), ("event_ts",))
    described: dict[str, Any] = orjson.loads(orjson.dumps(comparison.describe(shown=2)))
    assert described["missing"] == 15
    assert described["first_missing"] == [
        {"event_ts": "2026-11-23 14:30:00+00:00"},
        {"event_ts": "2026-11-23 14:30:01+00:00"},
    ]
    changed = rows.with_columns(x=pl.lit(2.0))
    described = compare_rows(rows, changed, ("event_ts",)).describe(shown=1)
    assert described["different"] == {"x": 20}
    assert len(described["first_different"]["x"]) == 1


@given(rows_strategy)
def test_anything_equals_itself(rows: list[Row]) -> None:
    assert compare_rows(table(*rows), table(*rows), KEYS).equal


@given(rows_strategy, rows_strategy)
def test_sides_are_mirror_images(one: list[Row], other: list[Row]) -> None:
    there, back = (
        compare_rows(table(*one), table(*other), KEYS),
        compare_rows(table(*other), table(*one), KEYS),
    )
    assert there.missing.equals(back.surplus)
    assert there.surplus.equals(back.missing)
    assert {n: d.count for n, d in there.different.items()} == {
        n: d.count for n, d in back.different.items()
    }
    assert there.equal == back.equal


@given(rows_strategy, rows_strategy)
def test_rows_add_up(one: list[Row], other: list[Row]) -> None:
    comparison = compare_rows(table(*one), table(*other), KEYS)
    assert comparison.matched + comparison.missing.height == len(one)
    assert comparison.matched + comparison.surplus.height == len(other)


@given(rows_strategy.filter(bool), st.data())
def test_taking_a_row_away_is_always_seen(rows: list[Row], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(rows) - 1))
    fewer = rows[:index] + rows[index + 1 :]
    assert compare_rows(table(*rows), table(*fewer), KEYS).missing.height == 1
    assert compare_rows(table(*fewer), table(*rows), KEYS).surplus.height == 1
