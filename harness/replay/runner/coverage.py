"""What the tables hold now: days of signals against days of microbars."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from harness.replay.runner.names import DERIVED_ROLES, RunnerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SCHEMA: Final = "torghut.ta-replay-coverage-preflight.v1"
TABLES: Final = DERIVED_ROLES
_OURS: Final = "source = 'ta' AND window_size = 'PT1S'"
_TTL: Final = re.compile(
    r"\bTTL\b.*?\+\s*(?:toIntervalDay\((\d+)\)|INTERVAL\s+(\d+)\s+DAY)", re.DOTALL
)

TABLES_SQL: Final = " UNION ALL ".join(
    f"SELECT '{table}' AS table_name, uniqExact(toDate(event_ts)) AS days,"  # noqa: S608 - constants
    f" toString(min(toDate(event_ts))) AS first_day, toString(max(toDate(event_ts))) AS last_day,"
    f" count() AS rows FROM torghut.{table} WHERE {_OURS}"
    for table in TABLES
)
"""Days and rows of each table, by UTC day, 1-second rows of the TA job only."""

TTL_SQL: Final = (
    "SELECT name, create_table_query FROM system.tables WHERE database = 'torghut' AND name IN "  # noqa: S608 - constants
    f"({', '.join(repr(table) for table in TABLES)})"
)
"""How the tables were created, for their real TTL."""


def gaps_sql(limit: int) -> str:
    """Return the query for rows of both tables by day, newest day first.

    Args:
        limit: how many days.
    """
    parts = " UNION ALL ".join(
        f"SELECT toString(toDate(event_ts)) AS trading_day, {signals} AS s, {microbars} AS m"  # noqa: S608 - constants
        f" FROM torghut.{table} WHERE {_OURS}"
        for table, signals, microbars in (("ta_signals", 1, 0), ("ta_microbars", 0, 1))
    )
    return (
        "SELECT trading_day, sum(s) AS signal_rows, sum(m) AS microbar_rows"  # noqa: S608 - constants
        f" FROM ({parts}) GROUP BY trading_day ORDER BY trading_day DESC LIMIT {limit}"
    )


def read_tsv(text: str) -> list[dict[str, str]]:
    r"""Read ``TSVWithNames``; ClickHouse writes a newline inside a value as ``\n``."""
    reader = csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    return list(reader)


@dataclass(frozen=True, slots=True)
class TableDays:
    """What a table holds.

    Attributes:
        table_name: name without the database.
        days: UTC days that have rows.
        first_day: the oldest, ``YYYY-MM-DD``; None when the table is empty.
        last_day: the newest.
        rows: number of rows, counted without FINAL.
    """

    table_name: str
    days: int
    first_day: str | None
    last_day: str | None
    rows: int

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> TableDays:
        """Read a row of ``TABLES_SQL``."""
        days = int(row["days"])
        first, last = (row["first_day"], row["last_day"]) if days else (None, None)
        return cls(row["table_name"], days, first, last, int(row["rows"]))


@dataclass(frozen=True, slots=True)
class DayGap:
    """Rows of one day in both tables.

    Attributes:
        trading_day: UTC day, ``YYYY-MM-DD``.
        signal_rows: rows of ``ta_signals``.
        microbar_rows: rows of ``ta_microbars``.
    """

    trading_day: str
    signal_rows: int
    microbar_rows: int

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> DayGap:
        """Read a row of ``gaps_sql``."""
        return cls(row["trading_day"], int(row["signal_rows"]), int(row["microbar_rows"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The coverage preflight.

    Attributes:
        required: trading days wanted.
        tables: what the tables hold.
        gaps: rows by day, newest first.
        ttl_days: TTL of each table as ClickHouse says; empty when it does not.
    """

    required: int
    tables: tuple[TableDays, ...]
    gaps: tuple[DayGap, ...] = ()
    ttl_days: tuple[tuple[str, int], ...] = ()

    def days(self, table: str) -> int:
        """Return how many days a table has rows of."""
        return next((one.days for one in self.tables if one.table_name == table), 0)

    @property
    def missing(self) -> int:
        """Days of signals that are missing against what is wanted."""
        return max(0, self.required - self.days("ta_signals"))

    @property
    def microbar_only(self) -> list[str]:
        """Days that have microbars and no signal: the signals' shorter TTL took them."""
        return [gap.trading_day for gap in self.gaps if gap.microbar_rows and not gap.signal_rows]

    @property
    def status(self) -> str:
        """``ok`` or why not."""
        return "insufficient_ta_signal_days" if self.missing else "ok"

    @property
    def blockers(self) -> list[str]:
        """What is short."""
        found = []
        if self.missing:
            found.append(f"insufficient_ta_signal_days:{self.days('ta_signals')}<{self.required}")
        if self.microbar_only:
            found.append(f"microbar_only_days:{len(self.microbar_only)}")
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the report's ``coverage``."""
        return {
            "schema": SCHEMA,
            "status": self.status,
            "blockers": self.blockers,
            "summary": {
                "required_trading_days": self.required,
                "ta_signals_days": self.days("ta_signals"),
                "ta_microbars_days": self.days("ta_microbars"),
                "missing_signal_days_vs_required": self.missing,
                "microbar_only_day_count": len(self.microbar_only),
                "microbar_only_days": self.microbar_only,
            },
            "tables": [_fields(table) for table in self.tables],
            "day_gaps": [_fields(gap) for gap in self.gaps],
        }


def _fields(value: TableDays | DayGap) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def read_coverage(
    required: int,
    tables: Sequence[Mapping[str, str]],
    gaps: Sequence[Mapping[str, str]],
    definitions: Iterable[Mapping[str, str]] = (),
) -> Coverage:
    """Read the answers of the three queries.

    Raises:
        RunnerError: when an answer does not have the columns that were asked for.
    """
    try:
        return Coverage(
            required=required,
            tables=tuple(TableDays.from_row(row) for row in tables),
            gaps=tuple(DayGap.from_row(row) for row in gaps),
            ttl_days=tuple(_ttls(definitions)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunnerError(f"clickhouse_coverage_query_failed:unexpected answer {error}") from error


def _ttls(definitions: Iterable[Mapping[str, str]]) -> Iterable[tuple[str, int]]:
    for row in definitions:
        found = _TTL.search(row["create_table_query"])
        if found:
            yield row["name"], int(found[1] or found[2])
