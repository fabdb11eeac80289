"""The generator: deterministic, in the production envelope, each trouble at its own rate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from harness.core.errors import UsageError
from harness.world.market.generator import Market
from harness.world.market.records import RECORD_SCHEMA
from harness.world.market.settings import MarketSettings

START = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
ENVELOPE = [
    *("ingestTs", "eventTs", "feed", "channel", "symbol", "seq"),
    *("payload", "isFinal", "source", "window", "version"),
]
PAYLOADS = {
    "trades": ["T", "S", "i", "x", "p", "s", "c", "t", "z"],
    "quotes": ["T", "S", "bx", "bp", "bs", "ax", "ap", "as", "c", "t", "z"],
    "bars": ["T", "S", "o", "h", "l", "c", "v", "n", "vw", "t"],
    "updatedBars": ["T", "S", "o", "h", "l", "c", "v", "n", "vw", "t"],
}


def make(**changes: Any) -> Market:
    return Market(MarketSettings(**{"start": START, "duration": 300.0, **changes}))


def frame(market: Market, size: int = 20_000) -> pl.DataFrame:
    return pl.concat(market.batches(size))


def envelopes(records: pl.DataFrame, role: str) -> list[dict[str, Any]]:
    values = records.filter(pl.col("role") == role)["value"]
    found = []
    for value in values:
        try:
            envelope = orjson.loads(value)
        except orjson.JSONDecodeError:
            continue
        if isinstance(envelope, dict) and len(envelope.get("payload", {})) > 1:
            found.append(envelope)
    return found


def test_equal_settings_give_equal_bytes_however_they_are_cut() -> None:
    troubles = {"late": 0.1, "duplicates": 0.1, "undecodable": 0.05, "out_of_order": 0.1}
    one, other = frame(make(**troubles)), frame(make(**troubles), size=17)
    assert one.equals(other)
    assert one.schema == RECORD_SCHEMA


def test_another_seed_gives_another_market() -> None:
    assert not frame(make(seed=1)).equals(frame(make(seed=2)))


def test_a_later_start_moves_all_times_and_nothing_else() -> None:
    one, other = make(), make(start=START + timedelta(hours=3))
    assert (other.ticks["event_ns"] - one.ticks["event_ns"]).unique().to_list() == [
        3 * 3600 * 10**9
    ]
    assert one.ticks.drop("event_ns", "arrival_ns").equals(
        other.ticks.drop("event_ns", "arrival_ns")
    )


def test_records_have_productions_fields_in_productions_order() -> None:
    records = frame(make(duration=600.0, updated_bars=0.5))
    seen = set()
    for role in ("trades", "quotes", "bars1m"):
        for envelope in envelopes(records, role):
            assert list(envelope) == ENVELOPE
            assert list(envelope["payload"]) == PAYLOADS[envelope["channel"]]
            assert envelope["payload"]["t"] == envelope["eventTs"]
            assert envelope["isFinal"] is (envelope["channel"] != "updatedBars")
            assert (envelope["feed"], envelope["source"]) == ("alpaca", "ws")
            assert (envelope["window"], envelope["version"]) == (None, 1)
            seen.add(envelope["channel"])
    assert seen == set(PAYLOADS)


def test_keys_are_symbols_and_timestamps_are_production_times() -> None:
    records = frame(make())
    for key, value, timestamp in records.select("key", "value", "timestamp").iter_rows():
        envelope = orjson.loads(value)
        assert envelope["symbol"] == envelope["payload"]["S"] == key
        produced = datetime.fromisoformat(envelope["ingestTs"])
        assert int(produced.timestamp() * 1000) == timestamp


def test_seq_counts_per_symbol_across_channels_in_order_of_production() -> None:
    records = frame(make(late=0.2))
    for symbol in records["key"].unique():
        values = records.filter(pl.col("key") == symbol)["value"]
        assert [orjson.loads(value)["seq"] for value in values] == list(range(1, len(values) + 1))


def test_records_come_in_order_of_production() -> None:
    assert frame(make(late=0.2, very_late=0.1, undecodable=0.1))["timestamp"].is_sorted()


@pytest.mark.parametrize("events", [1_000, 20_000])
def test_events_sets_about_how_many_there_are(events: int) -> None:
    assert len(make(events=events, duration=None)) == pytest.approx(events, rel=0.1)


def test_events_and_duration_together_scale_the_rates() -> None:
    market = make(events=20_000, duration=100.0)
    assert len(market) == pytest.approx(20_000, rel=0.05)
    times = market.ticks["event_ns"].to_list()
    assert max(times) - min(times) <= 100 * 10**9


def test_without_troubles_every_trade_comes_in_order_and_once() -> None:
    trades = make().ticks.filter(pl.col("channel") == "trades")
    for symbol in trades["symbol"].unique():
        assert trades.filter(pl.col("symbol") == symbol)["event_ns"].is_sorted()
    assert not trades["duplicate"].any()
    assert trades["raw"].null_count() == trades.height


def lateness(market: Market) -> pl.Series:
    """Seconds between the time of a trade and its production, less the usual transport."""
    trades = market.ticks.filter(pl.col("channel") == "trades")
    return (trades["arrival_ns"] - trades["event_ns"]) / 1e9 - 0.05


@pytest.mark.parametrize(("name", "low", "high"), [("late", 0.2, 1.8), ("very_late", 2.5, 30.0)])
def test_late_trades_are_late_within_their_bounds_and_at_their_rate(
    name: str, low: float, high: float
) -> None:
    seconds = lateness(make(duration=3600.0, **{name: 0.1}))
    delayed = seconds.filter(seconds > 1e-6)
    assert len(delayed) / len(seconds) == pytest.approx(0.1, rel=0.15)
    assert delayed.min() >= low - 1e-6  # type: ignore[operator]
    assert delayed.max() <= high + 1e-6  # type: ignore[operator]


def test_out_of_order_trades_arrive_just_behind_their_successor() -> None:
    market = make(duration=3600.0, out_of_order=0.1)
    seconds = lateness(market)
    delayed = seconds.filter(seconds > 1e-6)
    assert len(delayed) / len(seconds) == pytest.approx(0.1, rel=0.15)
    assert delayed.max() < 1.1  # type: ignore[operator]


def test_duplicates_follow_their_original_to_the_byte() -> None:
    market = make(duration=3600.0, duplicates=0.1, quotes_factor=0.0)
    records = frame(market).filter(pl.col("role") == "trades")
    repeated = records.filter(pl.col("value").is_duplicated())
    share = market.ticks["duplicate"].sum() / records.height
    assert share == pytest.approx(0.1 / 1.1, rel=0.15)
    assert repeated["value"].n_unique() * 2 == repeated.height
    for symbol in records["key"].unique():
        values = records.filter(pl.col("key") == symbol)["value"]
        assert values.unique().len() == values.rle().len()


def test_undecodable_records_are_in_every_topic_at_their_rate() -> None:
    market = make(duration=7200.0, undecodable=0.1)
    records = frame(market)
    for role in ("trades", "quotes"):
        good = len(envelopes(records, role))
        assert market.counts[role] - good == pytest.approx(0.1 * good, rel=0.15)
    assert market.counts["bars1m"] > len(envelopes(records, "bars1m"))


def test_bars_are_the_minutes_of_the_trades() -> None:
    market = make(duration=600.0, symbols=("MU",), updated_bars=0.0)
    trades = market.ticks.filter(pl.col("channel") == "trades").with_columns(
        minute=pl.col("event_ns") // (60 * 10**9)
    )
    bars = market.ticks.filter(pl.col("channel") == "bars")
    expected = trades.group_by("minute", maintain_order=True).agg(
        o=pl.col("p").first(),
        h=pl.col("p").max(),
        l=pl.col("p").min(),
        c=pl.col("p").last(),
        v=pl.col("s").sum(),
        n=pl.len().cast(pl.Int64),
    )
    assert bars.select("o", "h", "l", "c", "v", "n").equals(expected.drop("minute"))
    assert (bars["event_ns"] % (60 * 10**9)).sum() == 0


def test_a_minute_that_is_not_over_has_no_bar() -> None:
    assert make(duration=59.0).counts["bars1m"] == 0


def test_an_idle_symbol_falls_silent() -> None:
    market = make(duration=1000.0, idle_symbols=("MU",), idle_after=0.2)
    last = market.ticks.group_by("symbol").agg(pl.col("event_ns").max())
    silent = dict(last.iter_rows())
    start = round(START.timestamp()) * 10**9
    assert silent["MU"] < start + 200 * 10**9 < min(silent[name] for name in ("NVDA", "CRWD"))


def test_bursts_gather_trades_in_fewer_seconds() -> None:
    def busy_seconds(burstiness: float) -> int:
        ticks = make(duration=3600.0, symbols=("MU",), burstiness=burstiness).ticks
        trades = ticks.filter(pl.col("channel") == "trades")
        return (trades["event_ns"] // 10**9).n_unique()

    assert busy_seconds(5) < busy_seconds(1) * 0.6


@hypothesis_settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**32),
    symbols=st.integers(1, 5),
    duration=st.floats(0.01, 200),
    rate=st.floats(0.001, 5),
    trouble=st.floats(0, 1),
)
def test_any_settings_give_a_consistent_market(
    seed: int, symbols: int, duration: float, rate: float, trouble: float
) -> None:
    market = make(
        seed=seed,
        symbols=tuple(f"S{number}" for number in range(symbols)),
        duration=duration,
        trades_per_second=rate,
        duplicates=trouble,
        undecodable=trouble,
        updated_bars=trouble,
        out_of_order=trouble,
        late=trouble,
    )
    records = pl.concat([pl.DataFrame(schema=RECORD_SCHEMA), *market.batches()])
    assert records.height == len(market) == sum(market.counts.values())
    assert records["value"].null_count() == records["timestamp"].null_count() == 0
    assert records["timestamp"].is_sorted()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"late": 1.5}, "late=1.5"),
        ({"undecodable": -0.1}, "undecodable=-0.1"),
        ({"symbols": ()}, r"symbols=\(\)"),
        ({"symbols": ("MU", "MU")}, "symbols="),
        ({"symbols": ('M"U',)}, "symbols="),
        ({"idle_symbols": ("XX",)}, "idle_symbols="),
        ({"start": START.replace(tzinfo=None)}, "start="),
        ({"duration": None}, "duration=None"),
        ({"duration": -1.0}, "duration=-1.0"),
        ({"events": -5}, "events=-5"),
        ({"burstiness": 0.5}, "burstiness=0.5"),
        ({"quotes_factor": -1.0}, "quotes_factor=-1.0"),
        ({"late_seconds": (2.0, 1.0)}, "late_seconds="),
    ],
)
def test_settings_that_cannot_be_met_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        make(**changes)
    assert error.value.hint


def test_settings_describe_themselves_for_a_journal() -> None:
    described = MarketSettings(start=START, events=10).describe()
    assert described["start"] == "2026-11-23T14:30:00+00:00"
    assert orjson.loads(orjson.dumps(described))["events"] == 10
