"""The oracle against the rows that the real job wrote from the recorded tapes."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

import orjson
import polars as pl
import pytest

from harness.checks.oracle import (
    EXISTENCE,
    SIGNAL_TOLERANCES,
    Watermarks,
    compare_rows,
    decode_bars,
    decode_quotes,
    decode_trades,
    expected_microbars,
    expected_signals,
    fold_windows,
)
from harness.checks.oracle.topics import RAW_SCHEMA

GOLDEN = Path(__file__).parents[1] / "data/golden"
KEY = ("symbol", "event_ts", "seq")
PARTITION = {"NVDA": 2, "AMD": 1, "MU": 1, "CRWD": 0}
INSTANTS = ("event_ts", "ingest_ts", "window_start", "window_end")

tapes = pytest.mark.parametrize("tape", ["in-order", "disorder"])


@cache
def raw(tape: str, role: str) -> pl.DataFrame:
    """The tape's records as they lay in the topic."""
    with gzip.open(GOLDEN / tape / "tape.jsonl.gz") as file:
        records = [record for record in map(orjson.loads, file) if record["role"] == role]
    rows = [
        (PARTITION[record["key"]], offset, 0, record["key"], record["value"].encode())
        for offset, record in enumerate(records)
    ]
    return pl.DataFrame(rows, schema=RAW_SCHEMA, orient="row").sort("partition", "offset")


@cache
def recorded(tape: str, table: str) -> pl.DataFrame:
    with gzip.open(GOLDEN / tape / f"{table}.jsonl.gz") as file:
        rows = pl.read_ndjson(file.read(), infer_schema_length=None)
    layout = "%Y-%m-%dT%H:%M:%S%.fZ"
    return rows.with_columns(
        pl.col(*INSTANTS).str.to_datetime(layout, time_unit="ms", time_zone="UTC")
    )


@cache
def microbars(tape: str) -> pl.DataFrame:
    return expected_microbars(decode_trades(raw(tape, "trades")))


@cache
def signals(tape: str) -> pl.DataFrame:
    return expected_signals(
        microbars(tape), decode_bars(raw(tape, "bars1m")), decode_quotes(raw(tape, "quotes"))
    )


@tapes
def test_microbars_are_equal_to_the_last_digit(tape: str) -> None:
    closed = microbars(tape).filter(~pl.col("open"))
    comparison = compare_rows(closed, recorded(tape, "ta_microbars"), KEY)
    assert comparison.describe() | {"first_missing": []} == {
        "expected": closed.height,
        "actual": closed.height,
        "matched": closed.height,
        "missing": 0,
        "surplus": 0,
        "different": {},
        "first_missing": [],
        "first_surplus": [],
        "first_different": {},
    }
    table = set(recorded(tape, "ta_microbars").columns)
    assert {*KEY, *comparison.columns} == table - {"ingest_ts"}


@tapes
def test_buckets_that_no_watermark_closed_are_open(tape: str) -> None:
    """One subtask reads all partitions, so the newest trade of any symbol moves the watermark."""
    still_open = microbars(tape).filter("open")["symbol"].to_list()
    assert still_open == {"in-order": ["NVDA"], "disorder": ["MU", "NVDA"]}[tape]


@tapes
def test_signals_are_all_there_and_equal_within_tolerance(tape: str) -> None:
    actual = recorded(tape, "ta_signals")
    comparison = compare_rows(signals(tape), actual, EXISTENCE, SIGNAL_TOLERANCES)
    assert comparison.equal, comparison.describe()
    assert comparison.matched == actual.height
    assert {*EXISTENCE, *comparison.columns} == {*actual.columns} - {"ingest_ts"}


@tapes
def test_rounding_is_all_that_differs(tape: str) -> None:
    """The tolerances are not wide enough to hide a wrong rule: rounding stays far below."""
    comparison = compare_rows(signals(tape), recorded(tape, "ta_signals"), EXISTENCE)
    for name, difference in comparison.different.items():
        assert name in SIGNAL_TOLERANCES
        assert difference.largest is not None
        assert difference.largest < {"rsi14": 1e-10}.get(name, 1e-12)


@tapes
def test_existence_does_not_need_values(tape: str) -> None:
    rows = expected_signals(microbars(tape), decode_bars(raw(tape, "bars1m")), values=False)
    assert rows.equals(signals(tape).select(rows.columns))
    assert "macd" not in rows.columns


@tapes
def test_what_the_job_wrote_is_not_what_a_wrong_oracle_expects(tape: str) -> None:
    """Reading the quotes backwards, dropping a trade or a rule must be seen."""
    actual = recorded(tape, "ta_signals")
    wrong_quotes = decode_quotes(raw(tape, "quotes")).reverse()
    bars = decode_bars(raw(tape, "bars1m"))
    comparison = compare_rows(
        expected_signals(microbars(tape), bars, wrong_quotes),
        actual,
        EXISTENCE,
        SIGNAL_TOLERANCES,
    )
    assert set(comparison.different) <= {
        *(f"imbalance_{name}" for name in ("spread", "bid_px", "ask_px", "bid_sz", "ask_sz"))
    }
    assert comparison.different

    fewer = decode_trades(raw(tape, "trades")).slice(1)
    comparison = compare_rows(expected_microbars(fewer), recorded(tape, "ta_microbars"), KEY)
    assert not comparison.equal


@tapes
def test_undecodable_records_make_no_rows(tape: str) -> None:
    records = raw(tape, "trades")
    dropped = records.height - decode_trades(records).height
    assert dropped == {"in-order": 0, "disorder": 13}[tape]


@tapes
@pytest.mark.parametrize("parallelism", [3, 8])
def test_lateness_within_the_tolerance_is_never_ambiguous_with_a_subtask_per_partition(
    tape: str, parallelism: int
) -> None:
    rows = expected_microbars(decode_trades(raw(tape, "trades")), Watermarks(parallelism, 3))
    assert not rows.filter(~pl.col("open"))["ambiguous"].any()


@tapes
def test_folded_windows_agree_too(tape: str) -> None:
    closed = microbars(tape).filter(~pl.col("open"))
    actual = fold_windows(recorded(tape, "ta_microbars"))
    assert compare_rows(fold_windows(closed), actual, ("symbol", "event_ts")).equal
    assert (actual["rows"] > 1).any() == (tape == "disorder")
