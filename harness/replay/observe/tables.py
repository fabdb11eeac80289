"""The output tables and what the oracle expects in them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from harness.checks.evidence import Tables
from harness.checks.oracle.outputs import expected_outputs
from harness.checks.outputs import WINDOW, optional_bars

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.checks.oracle.microbars import Watermarks

BAR_COLUMNS: Final = (
    *("symbol", "event_ts", "seq", "source"),
    *("o", "h", "l", "c", "v", "vwap", "count"),
)
SIGNAL_COLUMNS: Final = ("symbol", "event_ts", "seq", "source")
_TABLES: Final = {"ta_microbars": BAR_COLUMNS, "ta_signals": SIGNAL_COLUMNS}


def read_rows(client: Any, table: str, *, final: bool) -> pl.DataFrame:  # noqa: ANN401
    """Read the rows of a table.

    Args:
        client: a ClickHouse client.
        table: ``ta_microbars`` or ``ta_signals``.
        final: whether to read what ReplacingMergeTree would leave.
    """
    columns = ", ".join(_column(name) for name in _TABLES[table])
    suffix = " FINAL" if final else ""
    arrow = client.query_arrow(f"SELECT {columns} FROM torghut.{table}{suffix}")  # noqa: S608
    rows = pl.from_arrow(arrow)
    assert isinstance(rows, pl.DataFrame)  # noqa: S101 - a table never is a series
    return rows.with_columns(
        pl.col("symbol", "source").cast(pl.String),
        pl.col("event_ts").cast(pl.Datetime("ms", "UTC")),
        pl.col("seq").cast(pl.Int64),
    )


def _column(name: str) -> str:
    """Return how a column is selected: arrow carries low-cardinality texts as dictionaries."""
    return f"toString({name}) AS {name}" if name in {"symbol", "source"} else name


def expectations(
    bootstrap: str, inputs: Mapping[str, str], watermarks: Watermarks
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Compute what the inputs as they lie in the topics give: microbars and signals."""
    found = expected_outputs(bootstrap, inputs, watermarks)
    return pl.concat([found.microbars, found.open_buckets]), found.signals


def gather_tables(
    client: Any,  # noqa: ANN401
    expected: tuple[pl.DataFrame, pl.DataFrame],
    since: datetime,
) -> Tables:
    """Read both tables, with and without FINAL.

    Args:
        client: a ClickHouse client.
        expected: the oracle's microbars and signals.
        since: start of the replay; rows with a later ingest_ts were written by it.
    """
    rows = {
        (t, final): read_rows(client, t, final=final) for t in _TABLES for final in (False, True)
    }
    return Tables(
        microbars=rows["ta_microbars", False],
        microbars_final=rows["ta_microbars", True],
        signals=rows["ta_signals", False],
        signals_final=rows["ta_signals", True],
        expected_microbars=expected[0],
        expected_signals=expected[1],
        rewritten={table: _written_since(client, table, since) for table in _TABLES},
    )


def _written_since(client: Any, table: str, since: datetime) -> int:  # noqa: ANN401
    answer = client.query(
        f"SELECT count() FROM torghut.{table} "  # noqa: S608 - a name of ours
        "WHERE source = 'ta' AND ingest_ts >= {since:DateTime64(3, 'UTC')}",
        parameters={"since": since},
    )
    return int(answer.result_rows[0][0])


def newest_events(expected: tuple[pl.DataFrame, pl.DataFrame], symbol: str) -> dict[str, str]:
    """Return the newest event_ts that each table must hold for a symbol, as text."""
    bars = optional_bars(expected[0])
    signals = expected[1].join(bars.filter("optional"), on=[*WINDOW], how="anti")
    newest = {}
    required = bars.filter(~pl.col("optional"))
    for table, rows in (("ta_microbars", required), ("ta_signals", signals)):
        event = rows.filter(pl.col("symbol") == symbol)["event_ts"].max()
        if isinstance(event, datetime):
            newest[table] = event.replace(tzinfo=None).isoformat(" ", "milliseconds")
    return newest


def open_gap(client: Any) -> dict[str, int]:  # noqa: ANN401
    """Delete the middle third of the time from both tables, as an outage would have left them.

    Returns:
        Number of rows deleted, by table.
    """
    (start, end), *_ = client.query(
        "SELECT toUnixTimestamp(min(event_ts)), toUnixTimestamp(max(event_ts)) "
        "FROM torghut.ta_microbars"
    ).result_rows
    third = (end - start) // 3
    return {table: _delete(client, table, start + third, end - third) for table in _TABLES}


def _delete(client: Any, table: str, start: int, end: int) -> int:  # noqa: ANN401
    window = f"toUnixTimestamp(event_ts) >= {start} AND toUnixTimestamp(event_ts) < {end}"
    count = client.query(f"SELECT count() FROM torghut.{table} WHERE {window}").result_rows  # noqa: S608
    client.command(
        f"ALTER TABLE torghut.{table} DELETE WHERE {window}", settings={"mutations_sync": 2}
    )
    return int(count[0][0])
