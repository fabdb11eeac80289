"""Indicators against a plain computation of the same rules, bar by bar."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from harness.checks.oracle import expected_signals
from harness.checks.oracle.indicators import COLUMNS, HISTORY, indicators

Values = dict[str, float | None]


class Bar(NamedTuple):
    time: int
    close: float
    volume: int


def compute(bars: list[Bar]) -> list[Values]:
    columns = indicators(
        np.array([bar.time * 1000 for bar in bars], dtype=np.int64),
        np.array([bar.close for bar in bars], dtype=np.float64),
        np.array([bar.volume for bar in bars], dtype=np.float64),
    )
    return [
        {
            name: None if math.isnan(values[row]) else float(values[row])
            for name, values in columns.items()
        }
        for row in range(len(bars))
    ]


def plain(bars: list[Bar]) -> list[Values]:
    """The job's rules, literally: keep, trim, sort, collapse equal times, recompute."""
    kept: list[Bar] = []
    rows = []
    for number, bar in enumerate(bars, start=1):
        kept = sorted([*kept, bar][-HISTORY:], key=lambda one: one.time)
        closes = list({one.time: one.close for one in kept}.values())
        rows.append(
            plain_averages(closes)
            | plain_bands(closes)
            | {
                "rsi14": plain_rsi(closes),
                "vol_realized_w60s": plain_volatility(closes),
                "vwap_session": vwap(bars[:number]),
                "vwap_w5m": vwap([one for one in kept if one.time >= kept[-1].time - 300]),
            }
        )
    return rows


def vwap(bars: list[Bar]) -> float | None:
    volume = sum(bar.volume for bar in bars)
    return sum(bar.close * bar.volume for bar in bars) / volume if volume else None


def average(values: list[float], periods: int) -> list[float]:
    moving = [values[0]]
    for value in values[1:]:
        moving.append(moving[-1] + 2 / (periods + 1) * (value - moving[-1]))
    return moving


def plain_averages(closes: list[float]) -> Values:
    fast, slow = average(closes, 12), average(closes, 26)
    macd = [one - other for one, other in zip(fast, slow, strict=True)]
    signal = average(macd, 9)[-1]
    return {
        "ema12": fast[-1],
        "ema26": slow[-1],
        "macd": macd[-1],
        "macd_signal": signal,
        "macd_hist": macd[-1] - signal,
    }


def plain_bands(closes: list[float]) -> Values:
    if len(closes) < 20:
        return dict.fromkeys(("boll_mid", "boll_upper", "boll_lower"))
    mid, deviation = sum(closes[-20:]) / 20, deviation_of(closes[-20:])
    return {
        "boll_mid": mid,
        "boll_upper": mid + 2 * deviation,
        "boll_lower": mid - 2 * deviation,
    }


def deviation_of(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


def plain_rsi(closes: list[float]) -> float | None:
    if len(closes) < 2:
        return None
    gain = loss = 0.0
    for before, after in itertools.pairwise(closes):
        gain += (max(after - before, 0) - gain) / 14
        loss += (max(before - after, 0) - loss) / 14
    if not loss:
        return 100.0 if gain else 0.0
    return 100 - 100 / (1 + gain / loss)


def plain_volatility(closes: list[float]) -> float | None:
    last = closes[-61:]
    returns = [math.log(after / before) for before, after in itertools.pairwise(last)]
    return deviation_of(returns) if returns else None


def assert_close(found: list[Values], wanted: list[Values]) -> None:
    for row, (one, other) in enumerate(zip(found, wanted, strict=True)):
        for name in COLUMNS:
            expected = other[name]
            if expected is None:
                assert one[name] is None, (row, name)
            else:
                assert one[name] == pytest.approx(expected, rel=1e-9, abs=1e-8), (row, name)


bars_strategy = st.lists(
    st.builds(
        Bar,
        time=st.integers(0, 900),
        close=st.integers(100, 20_000).map(lambda cents: cents / 100),
        volume=st.integers(0, 500),
    ),
    min_size=1,
    max_size=90,
)


@hypothesis_settings(deadline=None, max_examples=60)
@given(bars_strategy)
def test_indicators_are_what_the_rules_say_in_any_order_of_arrival(bars: list[Bar]) -> None:
    assert_close(compute(bars), plain(bars))


def walk(count: int, seed: int, disorder: int) -> list[Bar]:
    random = np.random.default_rng(seed)
    closes = 100 + np.cumsum(random.normal(0, 0.05, count))
    times = np.arange(count) * 2 - random.integers(0, disorder + 1, count)
    volumes = random.integers(1, 100, count)
    return [Bar(int(t), float(c), int(v)) for t, c, v in zip(times, closes, volumes, strict=True)]


@pytest.mark.parametrize("disorder", [0, 3, 50])
def test_history_is_limited_and_trimmed_before_it_is_sorted(disorder: int) -> None:
    bars = walk(430, seed=3, disorder=disorder)
    assert_close(compute(bars)[-80:], plain(bars)[-80:])


def test_a_bar_older_than_all_history_pushes_out_the_oldest_and_stays() -> None:
    bars = [*walk(HISTORY, seed=5, disorder=0), Bar(-5000, 7.0, 1), Bar(9999, 100.0, 1)]
    assert_close(compute(bars)[-2:], plain(bars)[-2:])


def test_more_rows_than_fit_in_one_block() -> None:
    bars = walk(4200, seed=7, disorder=1)
    found = compute(bars)
    assert len(found) == len(bars)
    assert found[4095]["ema12"] == pytest.approx(plain_tail(bars, 4095)["ema12"], rel=1e-9)
    assert found[4096]["ema12"] == pytest.approx(plain_tail(bars, 4096)["ema12"], rel=1e-9)


def plain_tail(bars: list[Bar], row: int) -> Values:
    return plain(bars[row - 2 * HISTORY : row + 1])[-1]


def test_of_bars_with_one_time_the_last_to_arrive_counts() -> None:
    found = compute([Bar(1, 10.0, 1), Bar(2, 50.0, 1), Bar(2, 20.0, 1)])
    assert found[-1]["ema12"] == pytest.approx(10 + 2 / 13 * 10)
    assert found[-1]["vwap_w5m"] == pytest.approx(80 / 3), "the volume of both counts"


def test_rsi_without_losses_and_without_any_change() -> None:
    assert [row["rsi14"] for row in compute([Bar(1, 1.0, 1), Bar(2, 2.0, 1)])] == [None, 100.0]
    assert compute([Bar(1, 1.0, 1), Bar(2, 1.0, 1)])[-1]["rsi14"] == 0.0


# --- rows


START = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)


def microbars(*seconds: int, open_last: bool = False) -> pl.DataFrame:
    rows = [
        {
            "symbol": "MU",
            "event_ts": START + timedelta(seconds=second),
            "seq": number,
            "is_final": 1,
            "source": "ta",
            "version": 1,
            "c": 10.0,
            "v": 1.0,
            "open": open_last and number == len(seconds),
            "ambiguous": False,
        }
        for number, second in enumerate(seconds, start=1)
    ]
    return pl.DataFrame(rows).cast({"event_ts": pl.Datetime("ms", "UTC")})


def minute_bars(*sequence: tuple[int, bool]) -> pl.DataFrame:
    instant = START.replace(tzinfo=None)
    rows = [
        {
            "symbol": "MU",
            "event_ts": instant,
            "t": instant,
            "seq": seq,
            "is_final": final,
            "source": "ws",
            "version": 1,
            "c": 11.0,
            "v": 5.0,
        }
        for seq, final in sequence
    ]
    return pl.DataFrame(rows).cast({name: pl.Datetime("ns") for name in ("event_ts", "t")})


def test_every_closed_microbar_and_every_minute_bar_makes_a_row() -> None:
    rows = expected_signals(
        microbars(1, 2, 3, open_last=True), minute_bars((40, True), (41, False))
    )
    assert rows.select("seq", "source", "is_final").rows() == [
        (40, "ws", 1),
        (41, "ws", 0),
        (1, "ta", 1),
        (2, "ta", 1),
    ]


def test_a_minute_bar_has_a_window_of_the_second_before_it() -> None:
    row = expected_signals(microbars(1), minute_bars((40, True))).row(0, named=True)
    assert (row["window_start"], row["window_end"]) == (START - timedelta(seconds=1), START)
    assert (row["event_ts"], row["window_size"], row["window_step"]) == (START, "PT1S", "PT1S")


def test_without_quotes_the_imbalance_is_null() -> None:
    rows = expected_signals(microbars(1), minute_bars((40, True)))
    assert rows["imbalance_spread"].null_count() == rows.height


def test_the_last_quote_received_is_used_however_old() -> None:
    quotes = pl.DataFrame(
        {"symbol": ["MU", "MU"], "bp": [1.0, 9.0], "bs": [1, 2], "ap": [2.0, 9.5], "asz": [3, 4]}
    )
    row = expected_signals(microbars(1), minute_bars((40, True)), quotes).row(0, named=True)
    assert [row[f"imbalance_{name}"] for name in ("spread", "bid_px", "ask_sz")] == [0.5, 9.0, 4]


def test_nothing_in_nothing_out() -> None:
    rows = expected_signals(microbars(1).clear(), minute_bars((40, True)).clear())
    assert rows.height == 0
    assert set(COLUMNS) <= set(rows.columns)
