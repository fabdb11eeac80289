"""Indicators over the kept bars of one symbol.

Production computes them with a library of decimal numbers (32 digits), anew over all kept bars
for each bar. Here every recursive average is one dot product: an exponential average over n
values, seeded with the first, is a fixed linear combination of them. The values are differences
to a fixed base price, taken in decimals and rounded once, so that hardly anything is lost where
averages nearly cancel (MACD); that is what makes doubles good enough to reproduce the decimals.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from decimal import Decimal
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fake_ta_job.records import SECOND_US

Vector = NDArray[np.float64]
_FAST: Final = 2.0 / 13
_SLOW: Final = 2.0 / 27
_SIGNAL: Final = 2.0 / 10
_WILDER: Final = 1.0 / 14
_BOLLINGER: Final = 20


class Indicators(NamedTuple):
    """Indicators at the last kept bar; None where production writes null."""

    macd: float
    macd_signal: float
    macd_hist: float
    ema12: float
    ema26: float
    rsi14: float | None
    boll_mid: float | None
    boll_upper: float | None
    boll_lower: float | None
    vwap_window: float | None
    volatility: float | None


class Settings(NamedTuple):
    """Lengths from the configuration.

    Attributes:
        vwap_seconds: span of the windowed vwap.
        volatility_bars: number of returns in the realized volatility.
    """

    vwap_seconds: int = 300
    volatility_bars: int = 60

    @property
    def history(self) -> int:
        """How many bars are kept (production: room for both windows)."""
        return max(self.volatility_bars + 5, self.vwap_seconds + 60)


class History:
    """The kept bars of one symbol, sorted by time; the ``bars`` state.

    Microbars and 1-minute bars share it, bars of equal time are kept in order of arrival.
    """

    __slots__ = ("_base", "_closes", "_offsets", "_times", "_turnovers", "_volumes")

    def __init__(self, first_close: float) -> None:
        """Begin an empty history.

        Args:
            first_close: a typical price: base of the differences.
        """
        self._base = Decimal(repr(first_close))
        self._times = array("q")
        self._closes = array("d")
        self._offsets = array("d")
        self._volumes = array("d")
        self._turnovers = array("d")

    def __len__(self) -> int:
        """Return the number of bars kept."""
        return len(self._times)

    def add(self, time_us: int, close: float, volume: float, *, limit: int) -> None:
        """Put a bar in its place and drop the oldest one beyond the limit.

        Args:
            time_us: payload time, microseconds since the epoch.
            close: last price.
            volume: quantity.
            limit: how many bars to keep.
        """
        place = bisect_right(self._times, time_us)
        self._times.insert(place, time_us)
        self._closes.insert(place, close)
        self._offsets.insert(place, float(Decimal(repr(close)) - self._base))
        self._volumes.insert(place, volume)
        self._turnovers.insert(place, close * volume)
        if len(self._times) > limit:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        for column in (self._times, self._closes, self._offsets, self._volumes, self._turnovers):
            del column[0]

    def indicators(self, settings: Settings) -> Indicators:
        """Compute all indicators at the last bar.

        Of bars with equal time only the last one counts, except in the windowed vwap: the
        series of production's library holds one bar per time, the list beside it all of them.
        """
        closes, offsets = self._series()
        averages = _averages(len(offsets)) @ offsets
        ema12, ema26, macd, signal, hist = averages.tolist()
        mid, upper, lower = self._bollinger(offsets)
        return Indicators(
            macd=macd,
            macd_signal=signal,
            macd_hist=hist,
            ema12=self._price(ema12),
            ema26=self._price(ema26),
            rsi14=_rsi(offsets),
            boll_mid=mid,
            boll_upper=upper,
            boll_lower=lower,
            vwap_window=self._vwap(settings.vwap_seconds),
            volatility=_volatility(closes, settings.volatility_bars),
        )

    def _series(self) -> tuple[Vector, Vector]:
        times = np.array(self._times, np.int64)
        closes, offsets = np.array(self._closes), np.array(self._offsets)
        last_of_time = times[1:] != times[:-1]
        if last_of_time.all():
            return closes, offsets
        keep = np.append(last_of_time, True)
        return closes[keep], offsets[keep]

    def _price(self, offset: float) -> float:
        return float(self._base + Decimal(offset))

    def _bollinger(self, offsets: Vector) -> tuple[float | None, float | None, float | None]:
        if len(offsets) < _BOLLINGER:
            return None, None, None
        window = offsets[-_BOLLINGER:]
        mid = float(window.sum()) / _BOLLINGER
        apart = window - mid
        reach = 2 * math.sqrt(float(apart @ apart) / _BOLLINGER)
        return self._price(mid), self._price(mid + reach), self._price(mid - reach)

    def _vwap(self, seconds: int) -> float | None:
        start = bisect_right(self._times, self._times[-1] - seconds * SECOND_US - 1)
        volume = sum(self._volumes[start:])
        return sum(self._turnovers[start:]) / volume if volume > 0 else None


def _rsi(offsets: Vector) -> float | None:
    """Wilder's relative strength over 14 bars; 0 when nothing moved, 100 without a loss."""
    if len(offsets) == 1:
        return None
    moves = offsets[1:] - offsets[:-1]
    gains = np.maximum(moves, 0.0)
    weights = _wilder(len(offsets))
    gain, loss = float(weights @ gains), float(weights @ (gains - moves))
    if loss == 0:
        return 100.0 if gain else 0.0
    return 100 - 100 / (1 + gain / loss)


def _volatility(closes: Vector, bars: int) -> float | None:
    """Population deviation of the log returns, not annualised."""
    window = closes[-bars - 1 :]
    if len(window) == 1:
        return None
    returns = [math.log(ratio) for ratio in (window[1:] / window[:-1]).tolist()]
    mean = sum(returns) / len(returns)
    return math.sqrt(sum((value - mean) ** 2 for value in returns) / len(returns))


def _exponential(count: int, alpha: float) -> Vector:
    """Weights of a seeded exponential average over ``count`` values, oldest first."""
    weights = (1 - alpha) ** np.arange(count - 1, -1, -1.0)
    weights[1:] *= alpha
    return weights


@cache
def _averages(count: int) -> Vector:
    """Weights of EMA12, EMA26, MACD, its signal line and the histogram over ``count`` values."""
    fast, slow = _exponential(count, _FAST), _exponential(count, _SLOW)
    macd = fast - slow
    signal = macd * _SIGNAL
    if count > 1:
        signal[:-1] += (1 - _SIGNAL) * _averages(count - 1)[3]
    else:
        signal = macd
    return np.stack((fast, slow, macd, signal, macd - signal))


@cache
def _wilder(count: int) -> Vector:
    """Weights of Wilder's average over the ``count - 1`` moves between ``count`` values.

    The first value has no move before it; its gain and loss are zero and seed the average.
    """
    return _exponential(count, _WILDER)[1:]
