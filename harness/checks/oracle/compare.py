"""Compares expected rows with real ones, and says what is missing, too much, or different."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl
from polars.exceptions import PolarsError

from harness.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COPY: Final = "copy of the key"
_OTHER: Final = " in actual rows"
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far two doubles may be apart: ``|a - b| <= max(absolute, relative x max(|a|, |b|))``.

    Attributes:
        relative: share of the larger magnitude.
        absolute: in the column's own unit.
    """

    relative: float = 0.0
    absolute: float = 0.0


@dataclass(frozen=True, slots=True)
class ColumnDifference:
    """Rows that differ in one column.

    Attributes:
        count: how many.
        first: the first few, by key: the key's columns, ``expected`` and ``actual``.
        largest: largest absolute difference; None for columns that are not numbers, or where
            one side is null.
    """

    count: int
    first: list[dict[str, Any]]
    largest: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two sets of rows have in common and what not.

    Attributes:
        expected_rows: number of expected rows.
        actual_rows: number of real rows.
        columns: columns that were compared, beside the key.
        missing: expected rows (keys) that are not there.
        surplus: real rows (keys) that were not expected; a second copy of an expected row too.
        different: what differs in the rows found on both sides, by column.
    """

    expected_rows: int
    actual_rows: int
    columns: tuple[str, ...]
    missing: pl.DataFrame
    surplus: pl.DataFrame
    different: dict[str, ColumnDifference]

    @property
    def equal(self) -> bool:
        """Whether there is nothing missing, nothing too much, and nothing different."""
        return not (self.missing.height or self.surplus.height or self.different)

    @property
    def matched(self) -> int:
        """Number of rows found on both sides."""
        return self.expected_rows - self.missing.height

    def describe(self, shown: int = _SHOWN) -> dict[str, Any]:
        """Return counts and the first few of each kind as JSON-like values, for a journal.

        Args:
            shown: how many rows of each kind.
        """
        return {
            "expected": self.expected_rows,
            "actual": self.actual_rows,
            "matched": self.matched,
            "missing": self.missing.height,
            "surplus": self.surplus.height,
            "different": {name: item.count for name, item in self.different.items()},
            "first_missing": _plain(self.missing, shown),
            "first_surplus": _plain(self.surplus, shown),
            "first_different": {
                name: [_texts(row) for row in item.first[:shown]]
                for name, item in self.different.items()
            },
        }


def compare_rows(
    expected: pl.DataFrame,
    actual: pl.DataFrame,
    keys: Sequence[str],
    tolerances: Mapping[str, Tolerance] | None = None,
    *,
    columns: Sequence[str] | None = None,
) -> Comparison:
    """Match rows by key and compare the other columns.

    Rows with equal keys are matched in their order: of two real rows for one expected row, the
    second is surplus. Null equals null only; NaN equals NaN.

    Args:
        expected: expected rows.
        actual: real rows; their columns are cast to the expected types.
        keys: columns that identify a row, on both sides.
        tolerances: by column; columns without one must be exactly equal.
        columns: columns to compare; by default those that both sides have. An empty sequence
            compares existence only.

    Raises:
        UsageError: when a column is not there or cannot be compared.
    """
    chosen = _columns(expected, actual, keys, columns)
    left = _numbered(expected, keys, chosen)
    right = _numbered(_like(actual, left.schema, [*keys, *chosen]), keys, chosen)
    on = [*keys, _COPY]
    both = left.join(right, on=on, how="inner", suffix=_OTHER, nulls_equal=True).sort(on)
    different = {
        name: difference
        for name in chosen
        if (difference := _difference(both, keys, name, (tolerances or {}).get(name, Tolerance())))
    }
    return Comparison(
        expected_rows=expected.height,
        actual_rows=actual.height,
        columns=tuple(chosen),
        missing=_only_in(left, right, on).select(keys),
        surplus=_only_in(right, left, on).select(keys),
        different=different,
    )


def _columns(
    expected: pl.DataFrame,
    actual: pl.DataFrame,
    keys: Sequence[str],
    columns: Sequence[str] | None,
) -> list[str]:
    if columns is None:
        columns = [name for name in expected.columns if name in actual.columns]
    for side, frame in (("expected", expected), ("actual", actual)):
        if absent := [name for name in (*keys, *columns) if name not in frame.columns]:
            raise UsageError(
                f"{side} rows have no column {', '.join(absent)}",
                hint=f"they have {', '.join(frame.columns)}",
            )
    return [name for name in columns if name not in keys]


def _like(frame: pl.DataFrame, schema: pl.Schema, columns: Sequence[str]) -> pl.DataFrame:
    try:
        return frame.select(pl.col(name).cast(schema[name]) for name in columns)
    except PolarsError as error:
        raise UsageError(f"actual rows cannot be compared with expected ones: {error}") from error


def _numbered(frame: pl.DataFrame, keys: Sequence[str], columns: Sequence[str]) -> pl.DataFrame:
    return frame.select(*keys, *columns).with_columns(
        pl.int_range(pl.len()).over(list(keys)).alias(_COPY)
    )


def _only_in(one: pl.DataFrame, other: pl.DataFrame, on: Sequence[str]) -> pl.DataFrame:
    return one.join(other, on=on, how="anti", nulls_equal=True).sort(on)


def _difference(
    both: pl.DataFrame, keys: Sequence[str], name: str, tolerance: Tolerance
) -> ColumnDifference | None:
    differs = ~_equal(both.schema[name], name, tolerance)
    rows = both.filter(differs)
    if not rows.height:
        return None
    return ColumnDifference(
        count=rows.height,
        first=rows.head(_SHOWN)
        .select(*keys, expected=pl.col(name), actual=pl.col(name + _OTHER))
        .to_dicts(),
        largest=_largest(rows, name),
    )


def _equal(kind: pl.DataType, name: str, tolerance: Tolerance) -> pl.Expr:
    one, other = pl.col(name), pl.col(name + _OTHER)
    same = one.eq_missing(other)
    if not kind.is_numeric() or tolerance == Tolerance():
        return same
    one, other = one.cast(pl.Float64), other.cast(pl.Float64)
    scale = pl.max_horizontal(one.abs(), other.abs())
    allowed = pl.max_horizontal(pl.lit(tolerance.absolute), scale * tolerance.relative)
    finite = one.is_finite() & other.is_finite()
    return same | (finite & ((one - other).abs() <= allowed)).fill_null(value=False)


def _largest(rows: pl.DataFrame, name: str) -> float | None:
    if not rows.schema[name].is_numeric():
        return None
    apart = rows.select((pl.col(name).cast(pl.Float64) - pl.col(name + _OTHER)).abs().max()).item()
    return None if apart is None else float(apart)


def _texts(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, int | float | str | None) else str(value)
        for name, value in row.items()
    }


def _plain(rows: pl.DataFrame, shown: int) -> list[dict[str, Any]]:
    return [_texts(row) for row in rows.head(shown).to_dicts()]
