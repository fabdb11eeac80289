"""Records, buckets and indicators: rules of the production job, its faults included."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_ta_job.indicators import Settings
from fake_ta_job.records import (
    PACK_SEPARATOR,
    SECOND_US,
    Quote,
    Trade,
    UndecodableError,
    decode_bar,
    decode_quote,
    decode_trade,
    instant,
    last_quote,
    parse_time,
    table_time,
)
from fake_ta_job.rows import SIGNAL_COLUMNS, microbar_envelope, microbar_row, signal_row
from fake_ta_job.semantics import Bucket, Session, Signal, add_bar, add_trade

if TYPE_CHECKING:
    from fake_ta_job.indicators import History
    from fake_ta_job.records import Bar
    from fake_ta_job.semantics import Microbar

TIME = "2026-11-23T14:30:00.303790Z"
SECOND = parse_time(TIME) // SECOND_US
PAYLOADS: dict[str, dict[str, Any]] = {
    "trades": {"p": 99.94, "s": 5, "t": TIME, "c": ["@"], "unknown": None},
    "quotes": {"bp": 99.9, "bs": 1, "ap": 100, "as": 2, "t": TIME},
    "bars": {"o": 1.0, "h": 2.0, "l": 0.5, "c": 1.5, "v": 100, "t": "2026-11-23T14:30:00Z"},
}
DECODERS = {"trades": decode_trade, "quotes": decode_quote, "bars": decode_bar}
PRICES = st.integers(9_900, 10_100).map(lambda cents: cents / 100)


def record(channel: str, **changes: Any) -> str:
    envelope = {
        "ingestTs": TIME,
        "eventTs": TIME,
        "feed": "alpaca",
        "channel": channel,
        "symbol": "NVDA",
        "seq": 7,
        "payload": PAYLOADS[channel],
        "isFinal": True,
        "source": "ws",
        "window": None,
        "version": 1,
    }
    return json.dumps({key: value for key, value in {**envelope, **changes}.items() if value != ""})


def test_records_of_each_channel() -> None:
    assert decode_trade(record("trades")) == Trade(parse_time(TIME), 99.94, 5)
    assert decode_quote(record("quotes")) == Quote(99.9, 100.0, 1, 2)
    bar = decode_bar(record("bars", isFinal=False, source="rest", version=2))
    assert (bar.seq, bar.is_final, bar.source, bar.version) == (7, False, "rest", 2)
    assert (bar.close, bar.volume, bar.event_us - bar.time_us) == (1.5, 100.0, 303_790)


@pytest.mark.parametrize("channel", PAYLOADS)
@pytest.mark.parametrize(
    "changes",
    [
        {"symbol": ""},
        {"seq": "7"},
        {"seq": None},
        {"feed": 1},
        {"payload": None},
        {"payload": {"p": "x"}},
        {"payload": {**PAYLOADS["trades"], "t": "yesterday"}},
        {"payload": {**PAYLOADS["trades"], "s": 1.5, "t": 5}},
    ],
)
def test_undecodable_records_are_refused(channel: str, changes: dict[str, Any]) -> None:
    with pytest.raises(UndecodableError):
        DECODERS[channel](record(channel, **changes))


@pytest.mark.parametrize("text", ["not json", "{", "[]", "null", "", '{"symbol":"NVDA"}'])
def test_what_is_no_envelope_is_refused(text: str) -> None:
    with pytest.raises(UndecodableError):
        decode_trade(text)


def test_the_last_decodable_quote_of_a_pack_counts() -> None:
    good, better = record("quotes"), record("quotes", payload={**PAYLOADS["quotes"], "bp": 98})
    assert last_quote(PACK_SEPARATOR.join([good, better, "{", "no"])) == Quote(98.0, 100.0, 1, 2)
    assert last_quote("{") is None


@given(st.integers(0, 4_000_000_000_000_000))
def test_instants_survive_writing(time_us: int) -> None:
    assert parse_time(instant(time_us)) == time_us
    assert parse_time(table_time(time_us) + "Z") == time_us // 1000 * 1000


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2026-11-23T14:30:01Z", "2026-11-23T14:30:01Z"),
        ("2026-11-23T14:30:01.5Z", "2026-11-23T14:30:01.500Z"),
        ("2026-11-23T14:30:01.123456789Z", "2026-11-23T14:30:01.123456Z"),
        ("2026-11-23T15:30:01+01:00", "2026-11-23T14:30:01Z"),
    ],
)
def test_instants_are_written_as_the_jvm_does(text: str, written: str) -> None:
    assert instant(parse_time(text)) == written


def test_times_without_a_zone_are_no_instants() -> None:
    for text in ("2026-11-23T14:30:01", "2026-11-23", 5, None):
        with pytest.raises(UndecodableError):
            parse_time(text)


def trade(second: float, price: float = 10.0, size: int = 1) -> Trade:
    return Trade(int((SECOND + second) * SECOND_US), price, size)


def bars_of(trades: list[Trade]) -> list[Microbar]:
    bucket: Bucket | None = None
    bars: list[Microbar] = []
    for one in trades:
        closed, bucket = add_trade(bucket, one)
        if closed is not None:
            bars.append(closed.close("NVDA", len(bars) + 1, 0))
    return bars


def test_any_different_second_closes_the_bucket_earlier_ones_too() -> None:
    bars = bars_of([trade(0.1), trade(1.2), trade(0.9), trade(1.3), trade(3)])
    assert [(bar.start_us // SECOND_US - SECOND, bar.trades) for bar in bars] == [
        (0, 1),
        (1, 1),
        (0, 1),
        (1, 1),
    ]
    assert [bar.seq for bar in bars] == [1, 2, 3, 4]


def test_a_bar_sums_up_its_second() -> None:
    prices = [(10.0, 1), (12.0, 2), (9.0, 3), (9.0, 3)]
    (bar,) = bars_of([*(trade(0.1 * n, *one) for n, one in enumerate(prices)), trade(1)])
    assert (bar.open, bar.high, bar.low, bar.close) == (10.0, 12.0, 9.0, 9.0)
    assert (bar.volume, bar.trades) == (9.0, 4)  # duplicates count
    assert bar.vwap == pytest.approx((10 + 24 + 27 + 27) / 9)


def test_no_volume_no_vwap() -> None:
    (bar,) = bars_of([trade(0, size=0), trade(1)])
    assert bar.vwap is None
    assert Session().add(bar.as_bar()).vwap is None


def test_the_timer_of_a_bucket_is_the_end_of_its_window() -> None:
    assert Bucket(SECOND, trade(0.5)).end_ms == (SECOND + 1) * 1000


@given(st.lists(st.tuples(st.integers(0, 5), PRICES, st.integers(1, 9)), min_size=1))
def test_no_trade_is_lost_or_counted_twice(events: list[tuple[int, float, int]]) -> None:
    trades = [trade(second, price, size) for second, price, size in events]
    bars = bars_of([*trades, trade(99)])
    assert sum(bar.trades for bar in bars) == len(trades)
    assert sum(bar.volume for bar in bars) == sum(one.size for one in trades)
    runs = [one for n, one in enumerate(events) if n == 0 or events[n - 1][0] != one[0]]
    assert len(bars) == len(runs)


def test_a_microbar_reaches_the_signals_as_an_envelope() -> None:
    (bar,) = bars_of([trade(0.2, 10.5, 3), trade(1)])
    assert decode_bar(microbar_envelope(bar)) == bar.as_bar()
    assert microbar_row(bar)[:3] == ("NVDA", table_time(bar.end_us), 1)


def history_of(closes: list[float], settings: Settings) -> History:
    history = None
    for number, close in enumerate(closes):
        bar = decode_bar(record("bars"))._replace(time_us=number * SECOND_US, close=close)
        history = add_bar(history, bar, settings)
    assert history is not None
    return history


def reference(closes: list[float]) -> dict[str, float]:
    """EMA, MACD and RSI as recursions over decimals, the way production computes them."""

    def average(values: list[Decimal], alpha: float) -> list[Decimal]:
        found = values[:1]
        for value in values[1:]:
            found.append(found[-1] + (value - found[-1]) * Decimal(repr(alpha)))
        return found

    values = [Decimal(repr(close)) for close in closes]
    fast, slow = average(values, 2 / 13), average(values, 2 / 27)
    macd = [a - b for a, b in zip(fast, slow, strict=True)]
    signal = average(macd, 2 / 10)
    moves = [Decimal(0), *(b - a for a, b in pairwise(values))]
    gain = average([max(move, Decimal(0)) for move in moves], 1 / 14)[-1]
    loss = average([max(-move, Decimal(0)) for move in moves], 1 / 14)[-1]
    rsi = 100 - 100 / (1 + gain / loss) if loss else Decimal(100 if gain else 0)
    numbers = {"macd": macd[-1], "macd_signal": signal[-1], "macd_hist": macd[-1] - signal[-1]}
    return {
        name: float(value)
        for name, value in {**numbers, "ema12": fast[-1], "ema26": slow[-1], "rsi14": rsi}.items()
    }


@given(st.lists(PRICES, min_size=2, max_size=120), st.integers(1, 60))
def test_indicators_equal_the_recursions_over_the_kept_bars(
    closes: list[float], seconds: int
) -> None:
    settings = Settings(vwap_seconds=seconds, volatility_bars=20)
    found = history_of(closes, settings).indicators(settings)._asdict()
    for name, value in reference(closes[-settings.history :]).items():
        assert math.isclose(found[name], value, rel_tol=1e-9, abs_tol=1e-12), name


def test_indicators_of_the_first_bar() -> None:
    found = history_of([10.0], Settings()).indicators(Settings())
    assert (found.macd, found.ema12, found.vwap_window) == (0.0, 10.0, 10.0)
    assert found.rsi14 is found.volatility is found.boll_mid is None


@pytest.mark.parametrize(
    ("closes", "rsi"), [([10.0, 10.0], 0.0), ([10.0, 11.0], 100.0), ([11.0, 10.0], 0.0)]
)
def test_strength_without_losses(closes: list[float], rsi: float) -> None:
    assert history_of(closes, Settings()).indicators(Settings()).rsi14 == rsi


def test_bollinger_needs_twenty_bars() -> None:
    settings = Settings()
    closes = [10.0 + n % 2 for n in range(20)]
    assert history_of(closes[:19], settings).indicators(settings).boll_mid is None
    found = history_of(closes, settings).indicators(settings)
    assert (found.boll_mid, found.boll_upper, found.boll_lower) == (10.5, 11.5, 9.5)


def test_history_is_sorted_limited_and_counts_one_bar_a_time() -> None:
    settings = Settings(vwap_seconds=300, volatility_bars=60)
    bar = decode_bar(record("bars"))
    history = None
    for second, close in [(3, 30.0), (1, 10.0), (2, 20.0), (3, 40.0)]:
        changed = bar._replace(time_us=second * SECOND_US, close=close, volume=1.0)
        history = add_bar(history, changed, settings)
    assert history is not None
    found = history.indicators(settings)
    assert found.vwap_window == 25.0  # all four
    assert found.ema12 == pytest.approx(reference([10.0, 20.0, 40.0])["ema12"])
    for second in range(4, 500):
        changed = bar._replace(time_us=second * SECOND_US)
        add_bar(history, changed, settings)
    assert len(history) == settings.history == 360


def test_the_windowed_vwap_includes_its_first_instant() -> None:
    settings = Settings(vwap_seconds=2, volatility_bars=60)
    assert history_of([10.0, 20.0, 30.0], settings).indicators(settings).vwap_window == 20.0


def test_a_one_minute_bar_keeps_the_forwarders_head() -> None:
    bar = decode_bar(record("bars", eventTs="2026-11-23T14:30:00Z", isFinal=False, version=2))
    history = add_bar(None, bar, Settings())
    signal = Signal(bar, history.indicators(Settings()), Session().add(bar).vwap, None)
    row = dict(zip(SIGNAL_COLUMNS, signal_row(signal), strict=True))
    assert (row["seq"], row["is_final"], row["source"], row["version"]) == (7, 0, "ws", 2)
    assert row["window_size"] == "PT1S"
    assert row["window_start"] == "2026-11-23 14:29:59.000"
    assert row["window_end"] == row["event_ts"] == "2026-11-23 14:30:00.000"
    assert row["imbalance_spread"] is row["imbalance_bid_sz"] is None


def test_any_last_quote_counts_however_old() -> None:
    bar: Bar = decode_bar(record("bars"))
    history = add_bar(None, bar, Settings())
    signal = Signal(bar, history.indicators(Settings()), None, Quote(1.5, 2.0, 3, 4))
    row = dict(zip(SIGNAL_COLUMNS, signal_row(signal), strict=True))
    names = ("spread", "bid_px", "ask_px", "bid_sz", "ask_sz")
    assert [row[f"imbalance_{name}"] for name in names] == [0.5, 1.5, 2.0, 3, 4]
