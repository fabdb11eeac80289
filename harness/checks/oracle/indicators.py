"""Technical indicators of every bar at once: vectorised over bars, not over time.

The job keeps at most 360 bars and computes everything anew for each bar, so a recursion (EMA,
Wilder's average) is seeded at the oldest bar still kept, and a bar that arrives late changes what
follows. Both make a running recursion wrong. Here each bar has its own row of history, and
the recursions step through the 360 columns of all rows together.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]
    Longs = NDArray[np.int64]

HISTORY: Final = 360
"""Bars kept: max(realised volatility 60 + 5, VWAP window 300 s + 60)."""
VWAP_WINDOW_MS: Final = 300_000
_BOLLINGER: Final = 20
_VOLATILITY_CLOSES: Final = 61
_RSI: Final = 14
_ROWS_AT_ONCE: Final = 4096
_PADDING: Final = -1

COLUMNS: Final = (
    "macd",
    "macd_signal",
    "macd_hist",
    "ema12",
    "ema26",
    "rsi14",
    "boll_mid",
    "boll_upper",
    "boll_lower",
    "vwap_session",
    "vwap_w5m",
    "vol_realized_w60s",
)
"""Indicators computed from bars, in the table's order."""


@dataclass(slots=True)
class _History:
    """The bars kept for one symbol, as positions in its series; times beside them.

    ``kept`` holds all bars sorted by time (equal times in order of arrival); ``series`` the same
    with only the last of each time: the indicator series has one bar per instant.
    """

    kept: list[int] = field(default_factory=list)
    kept_times: list[int] = field(default_factory=list)
    series: list[int] = field(default_factory=list)
    series_times: list[int] = field(default_factory=list)

    def add(self, position: int, time: int) -> None:
        """Add a bar; the limit applies before sorting, so the oldest goes, however old this is."""
        if len(self.kept) == HISTORY:
            self._drop_oldest()
        at = bisect_right(self.kept_times, time)
        self.kept.insert(at, position)
        self.kept_times.insert(at, time)
        at = bisect_left(self.series_times, time)
        if at < len(self.series) and self.series_times[at] == time:
            self.series[at] = position
        else:
            self.series.insert(at, position)
            self.series_times.insert(at, time)

    def _drop_oldest(self) -> None:
        oldest = self.kept.pop(0)
        del self.kept_times[0]
        if self.series[0] == oldest:
            del self.series[0], self.series_times[0]


def _windows(times: Sequence[int]) -> Iterator[tuple[int, Longs, Longs]]:
    """Yield blocks of histories: first row, positions of the series, positions of all kept."""
    history = _History()
    for first in range(0, len(times), _ROWS_AT_ONCE):
        block = times[first : first + _ROWS_AT_ONCE]
        series = np.full((len(block), HISTORY), _PADDING, dtype=np.int64)
        kept = series.copy()
        for row, time in enumerate(block):
            history.add(first + row, time)
            series[row, HISTORY - len(history.series) :] = history.series
            kept[row, HISTORY - len(history.kept) :] = history.kept
        yield first, series, kept


def indicators(times_ms: Longs, close: Doubles, volume: Doubles) -> dict[str, Doubles]:
    """Compute all indicators of one symbol's bars in their order of arrival.

    Args:
        times_ms: time of each bar, ms since the epoch.
        close: closing prices.
        volume: volumes.

    Returns:
        One array per name in ``COLUMNS``; NaN where the table has NULL.
    """
    result = {name: np.full(close.size, np.nan) for name in COLUMNS}
    result["vwap_session"] = _ratio(np.cumsum(close * volume), np.cumsum(volume))
    for first, series, kept in _windows(times_ms.tolist()):
        rows = slice(first, first + series.shape[0])
        prices = np.where(series >= 0, close[series], np.nan)
        for name, values in (_recursions(prices) | _bands(prices)).items():
            result[name][rows] = values
        result["vol_realized_w60s"][rows] = _volatility(prices)
        result["vwap_w5m"][rows] = _recent_vwap(kept, times_ms, close, volume)
    return result


def _ratio(over: Doubles, under: Doubles) -> Doubles:
    """Divide where there is something to divide by; NaN elsewhere."""
    ratio: Doubles = np.divide(over, under, out=np.full(over.shape, np.nan), where=under != 0)
    return ratio


class _Ema:
    """An exponential average of all rows, seeded at each row's first value."""

    def __init__(self, rows: int, periods: int) -> None:
        self._alpha = 2 / (periods + 1)
        self.value = np.full(rows, np.nan)

    def step(self, values: Doubles, present: NDArray[np.bool_]) -> Doubles:
        seeded = ~np.isnan(self.value)
        moved = self.value + self._alpha * (values - self.value)
        self.value = np.where(present & seeded, moved, np.where(present, values, self.value))
        return self.value


def _recursions(prices: Doubles) -> dict[str, Doubles]:
    """Step EMA12, EMA26, the MACD's signal and Wilder's averages through the history."""
    rows = prices.shape[0]
    fast, slow, signal = _Ema(rows, 12), _Ema(rows, 26), _Ema(rows, 9)
    gain, loss = np.zeros(rows), np.zeros(rows)
    for column in range(HISTORY):
        price = prices[:, column]
        present = ~np.isnan(price)
        signal.step(fast.step(price, present) - slow.step(price, present), present)
        if column:
            change = price - prices[:, column - 1]
            moved = ~np.isnan(change)
            gain = np.where(moved, gain + (np.maximum(change, 0) - gain) / _RSI, gain)
            loss = np.where(moved, loss + (np.maximum(-change, 0) - loss) / _RSI, loss)
    macd = fast.value - slow.value
    return {
        "macd": macd,
        "macd_signal": signal.value,
        "macd_hist": macd - signal.value,
        "ema12": fast.value,
        "ema26": slow.value,
        "rsi14": _rsi(gain, loss, prices),
    }


def _rsi(gain: Doubles, loss: Doubles, prices: Doubles) -> Doubles:
    strength = np.divide(gain, loss, out=np.zeros_like(gain), where=loss != 0)
    without_loss = np.where(gain > 0, 100.0, 0.0)
    rsi = np.where(loss != 0, 100 - 100 / (1 + strength), without_loss)
    return np.where(np.isnan(prices[:, -2]), np.nan, rsi)


def _bands(prices: Doubles) -> dict[str, Doubles]:
    last = prices[:, -_BOLLINGER:]
    mid, deviation = last.mean(axis=1), last.std(axis=1)
    return {
        "boll_mid": mid,
        "boll_upper": mid + 2 * deviation,
        "boll_lower": mid - 2 * deviation,
    }


def _volatility(prices: Doubles) -> Doubles:
    """Population deviation of up to 60 log returns; NaN for a first bar."""
    returns = np.diff(np.log(prices[:, -_VOLATILITY_CLOSES:]), axis=1)
    there = ~np.isnan(returns)
    count = there.sum(axis=1)
    mean = _ratio(np.where(there, returns, 0).sum(axis=1), count.astype(np.float64))
    squares = np.where(there, (returns - mean[:, None]) ** 2, 0).sum(axis=1)
    return np.sqrt(_ratio(squares, count.astype(np.float64)))


def _recent_vwap(kept: Longs, times_ms: Longs, close: Doubles, volume: Doubles) -> Doubles:
    """VWAP over the 300 s up to the newest bar kept, which need not be the one that arrived."""
    times = np.where(kept >= 0, times_ms[kept], np.iinfo(np.int64).min)
    recent = times >= times[:, -1:] - VWAP_WINDOW_MS
    volumes = np.where(recent, volume[kept], 0)
    return _ratio((np.where(recent, close[kept], 0) * volumes).sum(axis=1), volumes.sum(axis=1))
