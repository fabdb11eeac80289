"""Checks on the output tables: everything is there, and nothing is there twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl

from harness.checks.model import Check, decide, unknown

if TYPE_CHECKING:
    from harness.checks.evidence import Evidence, Tables
    from harness.checks.model import CheckResult

WINDOW: Final = ("symbol", "event_ts", "source")
"""What names a window and its channel: ``ta`` for microbars, the forwarder's for 1-minute bars."""

CONTENT: Final = ("o", "h", "l", "c", "v", "count")
"""Columns of a microbar that an independent computation gives to the last digit."""

VWAP_TOLERANCE: Final = 1e-9
"""Relative; the sum behind vwap depends on the order of addition in its last digits."""

_SHOWN: Final = 5


def optional_bars(expected: pl.DataFrame) -> pl.DataFrame:
    """Mark bars that may be there or not, or be split: ``optional``.

    A symbol's last bucket is closed by an event-time timer or not at all, and a timer may split a
    bucket when a trade comes later than the tolerated disorder. When timers fire depends on when
    watermarks are emitted, which is wall clock, so neither outcome is wrong.
    """
    last = pl.col("seq") == pl.col("seq").max().over("symbol")
    return expected.with_columns(optional=pl.col("open") | pl.col("ambiguous") | last)


def outputs_complete(evidence: Evidence) -> CheckResult:
    """Every bar and signal that the oracle computes from the topics is in the tables."""
    name = "outputs-complete"
    tables = evidence.tables
    if tables is None:
        return unknown(name, reason="the tables could not be read")
    bars = optional_bars(tables.expected_microbars)
    wanted = bars.filter(~pl.col("optional"))
    if not wanted.height:
        return unknown(name, reason="the oracle expects no bars: the inputs are empty")
    missing_bars = _missing_bars(wanted, tables.microbars_final)
    signals = _without_optional(tables.expected_signals, bars)
    missing_signals = signals.join(tables.signals_final, on=[*WINDOW], how="anti")
    missing = missing_bars.height + missing_signals.height
    return decide(
        not missing,
        name,
        got={
            "bars": wanted.height - missing_bars.height,
            "signals": signals.height - missing_signals.height,
            "written by this replay": dict(tables.rewritten),
            "first missing bars": _examples(missing_bars),
            "first missing signals": _examples(missing_signals),
        },
        expected={"bars": wanted.height, "signals": signals.height},
        good=(
            f"all {wanted.height:,} bars and {signals.height:,} signals that the inputs give are "
            "in the tables"
        ),
        bad=(
            f"{missing_bars.height:,} of {wanted.height:,} bars and {missing_signals.height:,} of "
            f"{signals.height:,} signals are missing or differ from what the inputs give"
        ),
    )


def _missing_bars(wanted: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Return expected bars for which no row has the same window and content, whatever its seq."""
    keys = ["symbol", "event_ts", *CONTENT]
    typed = rows.select(pl.col(key).cast(wanted.schema[key]) for key in [*keys, "vwap"])
    joined = wanted.join(typed, on=keys, how="left", suffix="_row")
    near = (
        (pl.col("vwap") - pl.col("vwap_row")).abs() <= pl.col("vwap").abs() * VWAP_TOLERANCE
    ) | (pl.col("vwap").is_null() & pl.col("vwap_row").is_null())
    found = joined.filter(near.fill_null(value=False)).unique(["symbol", "seq"])
    return wanted.join(found, on=["symbol", "seq"], how="anti")


def _without_optional(signals: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """Leave out signals of optional bars."""
    optional = bars.filter("optional").select(*WINDOW)
    return signals.filter(~pl.col("ambiguous")).join(optional, on=[*WINDOW], how="anti")


def _examples(rows: pl.DataFrame) -> list[dict[str, Any]]:
    names = [name for name in ("symbol", "event_ts", "source", "seq") if name in rows.columns]
    return [
        {key: str(value) for key, value in row.items()}
        for row in rows.select(names).sort(names).head(_SHOWN).to_dicts()
    ]


def outputs_unique(evidence: Evidence) -> CheckResult:
    """Under FINAL there are as many rows for a window and channel as the inputs give."""
    name = "outputs-unique"
    tables = evidence.tables
    if tables is None:
        return unknown(name, reason="the tables could not be read")
    if not tables.microbars_final.height:
        return unknown(name, reason="the tables are empty: nothing could be there twice")
    bars = optional_bars(tables.expected_microbars)
    found = {
        "ta_microbars": _surplus(tables.microbars_final, bars, bars),
        "ta_signals": _surplus(tables.signals_final, tables.expected_signals, bars),
    }
    surplus = sum(int(rows["surplus"].sum()) for rows in found.values())
    return decide(
        not surplus,
        name,
        got={
            "duplicates raw": _raw_duplicates(tables),
            "duplicates under FINAL": {t: int(rows["surplus"].sum()) for t, rows in found.items()},
            "windows that differ only in seq": {t: _sequences(r) for t, r in found.items()},
        },
        expected={"duplicates under FINAL": dict.fromkeys(found, 0)},
        good="under FINAL every window has exactly the rows that the inputs give",
        bad=(
            f"under FINAL {surplus:,} rows are there once more than the inputs give: their keys "
            "differ in seq only, so ReplacingMergeTree never folds them. seq counts in the job's "
            "state and starts at 1 whenever the state is empty"
        ),
    )


def _surplus(rows: pl.DataFrame, expected: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """Return windows with more rows than expected: how many more, and their seq."""
    counted = rows.group_by(*WINDOW).agg(got=pl.len(), seq=pl.col("seq").sort())
    wanted = expected.group_by(*WINDOW).agg(wanted=pl.len())
    optional = bars.filter("optional").select(*WINDOW)
    return (
        counted.join(optional, on=[*WINDOW], how="anti")
        .join(wanted, on=[*WINDOW], how="left")
        .with_columns(
            surplus=pl.col("got").cast(pl.Int64) - pl.col("wanted").fill_null(0).cast(pl.Int64)
        )
        .filter(pl.col("surplus") > 0)
        .sort(*WINDOW)
    )


def _raw_duplicates(tables: Tables) -> dict[str, int]:
    """Count rows beyond the first of each key, before any merge."""
    return {
        table: rows.height - rows.select("symbol", "event_ts", "seq").n_unique()
        for table, rows in (("ta_microbars", tables.microbars), ("ta_signals", tables.signals))
    }


def _sequences(rows: pl.DataFrame) -> list[str]:
    return [
        f"{symbol} {event_ts} {source}: seq {', '.join(map(str, seq))}"
        for symbol, event_ts, source, seq in rows.select(*WINDOW, "seq").head(_SHOWN).iter_rows()
    ]


OUTPUT_CHECKS: Final = (
    Check(
        "outputs-complete",
        "every bar and signal that an independent oracle computes from the topics is there",
        outputs_complete,
    ),
    Check(
        "outputs-unique",
        "under FINAL, one row for each symbol, window and channel that the inputs give",
        outputs_unique,
    ),
)
