"""The job's semantics, without Flink, against recordings of the production job."""

from __future__ import annotations

import gzip
import json
import math
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fake_ta_job.indicators import Settings
from fake_ta_job.records import (
    UndecodableError,
    decode_bar,
    decode_envelope,
    decode_quote,
    decode_trade,
    parse_time,
)
from fake_ta_job.rows import MICROBAR_COLUMNS, SIGNAL_COLUMNS, microbar_row, signal_row
from fake_ta_job.semantics import Session, Signal, add_bar, add_trade

if TYPE_CHECKING:
    from fake_ta_job.indicators import History
    from fake_ta_job.records import (
        Bar,
        Quote,
    )
    from fake_ta_job.semantics import Bucket

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
TAPES = ("in-order", "disorder")
SETTINGS = Settings()
OUT_OF_ORDER_MS = 2000


def read(tape: str, name: str) -> list[dict[str, Any]]:
    with gzip.open(GOLDEN / tape / f"{name}.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


@dataclass
class Job:
    """The two operators of the job around one dictionary of state."""

    buckets: dict[str, Bucket] = field(default_factory=dict)
    seqs: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    histories: dict[str, History] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=lambda: defaultdict(Session))
    quotes: dict[str, Quote] = field(default_factory=dict)
    highest: int = 0
    microbars: list[tuple[Any, ...]] = field(default_factory=list)
    signals: list[tuple[Any, ...]] = field(default_factory=list)
    dropped: int = 0

    def feed(self, record: dict[str, Any]) -> None:
        try:
            getattr(self, f"on_{record['role']}")(record)
        except UndecodableError:
            self.dropped += 1

    def on_trades(self, record: dict[str, Any]) -> None:
        trade = decode_trade(record["value"])
        envelope = decode_envelope(record["value"])
        symbol = envelope["symbol"]
        self.highest = max(self.highest, parse_time(envelope["eventTs"]))
        closed, self.buckets[symbol] = add_trade(self.buckets.get(symbol), trade)
        if closed is not None:
            self.close(symbol, closed)

    def on_quotes(self, record: dict[str, Any]) -> None:
        quote = decode_quote(record["value"])
        self.quotes[decode_envelope(record["value"])["symbol"]] = quote

    def on_bars1m(self, record: dict[str, Any]) -> None:
        self.signal(decode_bar(record["value"]))

    def close(self, symbol: str, bucket: Bucket) -> None:
        self.seqs[symbol] += 1
        bar = bucket.close(symbol, self.seqs[symbol], ingest_us=0)
        self.microbars.append(microbar_row(bar))
        self.signal(bar.as_bar())

    def signal(self, bar: Bar) -> None:
        history = add_bar(self.histories.get(bar.symbol), bar, SETTINGS)
        self.histories[bar.symbol] = history
        self.sessions[bar.symbol] = session = self.sessions[bar.symbol].add(bar)
        quote = self.quotes.get(bar.symbol)
        self.signals.append(
            signal_row(Signal(bar, history.indicators(SETTINGS), session.vwap, quote))
        )

    def fire_timers(self) -> None:
        """Close what the watermark has passed.

        The recordings hold the last second of the slower symbols, so there was one watermark
        over all partitions; fed from topics of one partition, a watermark per split is the same.
        """
        watermark = self.highest // 1000 - OUT_OF_ORDER_MS - 1
        for symbol, bucket in list(self.buckets.items()):
            if bucket.end_ms <= watermark:
                del self.buckets[symbol]
                self.close(symbol, bucket)


def run(tape: str) -> Job:
    job = Job()
    records = read(tape, "tape")
    for phase in (1, 2, 3):
        for record in records:
            if record["phase"] == phase:
                job.feed(record)
        if phase == 2:
            job.fire_timers()
    return job


def as_rows(rows: list[tuple[Any, ...]], columns: tuple[str, ...]) -> dict[Any, dict[str, Any]]:
    keyed = {}
    for values in rows:
        row = dict(zip(columns, values, strict=True))
        key = (row["symbol"], row["event_ts"], row["seq"])
        assert key not in keyed
        keyed[key] = row
    return keyed


def golden_rows(tape: str, table: str) -> dict[Any, dict[str, Any]]:
    keyed = {}
    for row in read(tape, table):
        for name in ("event_ts", "ingest_ts", "window_start", "window_end"):
            row[name] = row[name].replace("T", " ").removesuffix("Z")
        keyed[row["symbol"], row["event_ts"], row["seq"]] = row
    return keyed


def differences(got: dict[str, Any], want: dict[str, Any]) -> list[str]:
    return [
        f"{name}: got {got[name]!r}, expected {want[name]!r}"
        for name in want
        if not (name == "ingest_ts" and want["source"] == "ta")
        and got[name] != want[name]
        and not (
            isinstance(want[name], float)
            and got[name] is not None
            and math.isclose(got[name], want[name], rel_tol=1e-9, abs_tol=0)
        )
    ]


@pytest.mark.parametrize("tape", TAPES)
@pytest.mark.parametrize(
    ("table", "columns"), [("ta_microbars", MICROBAR_COLUMNS), ("ta_signals", SIGNAL_COLUMNS)]
)
def test_rows_equal_the_recording(tape: str, table: str, columns: tuple[str, ...]) -> None:
    job = run(tape)
    got = as_rows(getattr(job, table.removeprefix("ta_")), columns)
    want = golden_rows(tape, table)
    assert got.keys() == want.keys()
    wrong = {key: found for key in want if (found := differences(got[key], want[key]))}
    assert wrong == {}
