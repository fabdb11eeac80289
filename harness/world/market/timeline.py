"""The ticks of a market: drawn with numpy, one stream of random numbers per symbol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from harness.world.market.settings import MarketSettings

    Longs = NDArray[np.int64]
    Doubles = NDArray[np.float64]
    Flags = NDArray[np.bool_]

SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
TRANSPORT: Final = 50_000_000
"""Nanoseconds from a tick's time to its production by the forwarder."""

_CORRECTION_DELAY: Final = 30 * SECOND
_SWAP_WITHIN: Final = SECOND
_BURST_SPREAD: Final = 0.1
_SIZES: Final = (1, 5, 10, 50, 100, 200)
_SIZE_SHARES: Final = (0.3, 0.15, 0.15, 0.15, 0.2, 0.05)
_GARBAGE: Final = (
    "not json",
    "{",
    "[]",
    '{"symbol":"NVDA"}',
    (
        '{"ingestTs":"2026-01-01T00:00:00Z","eventTs":"2026-01-01T00:00:00Z","feed":"alpaca",'
        '"channel":"trades","symbol":"NVDA","seq":1,"payload":{"p":"x"},"isFinal":true,'
        '"source":"ws","window":null,"version":1}'
    ),
)


@dataclass(frozen=True, slots=True)
class _Trades:
    event: Longs
    cents: Longs
    size: Longs


class SymbolTimeline:
    """Everything that one symbol sends, with event time and time of production."""

    def __init__(self, settings: MarketSettings, index: int) -> None:
        """Draw the ticks of the symbol with this index in the universe."""
        self._settings = settings
        self.symbol = settings.symbols[index]
        self._start = round(settings.start.timestamp() * 1_000_000) * 1000
        self._random = np.random.default_rng([settings.seed, index])
        idle = self.symbol in settings.idle_symbols
        self._seconds = settings.span * (settings.idle_after if idle else 1.0)
        self._base_cents = 10_000 + 5_000 * index
        self._true_trades = self._draw_trades()

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield trades, quotes, bars and undecodable records, each sorted by production."""
        parts = [self._trades(), self._quotes(), self._bars()]
        yield from parts
        for role, part in zip(("trades", "quotes", "bars1m"), parts, strict=True):
            yield self._garbage(role, part.height)

    def _draw_trades(self) -> _Trades:
        settings, random = self._settings, self._random
        bursts = random.poisson(settings.trade_rate * self._seconds / settings.burstiness)
        sizes = random.geometric(1 / settings.burstiness, bursts)
        seconds = np.repeat(random.random(bursts) * self._seconds, sizes)
        seconds += random.exponential(_BURST_SPREAD, seconds.size) * (settings.burstiness > 1)
        seconds = np.sort(seconds[seconds < self._seconds])
        steps = np.rint(random.normal(0, max(1.0, self._base_cents / 10_000), seconds.size))
        cents = np.maximum(1, self._base_cents + np.cumsum(steps)).astype(np.int64)
        size = random.choice(_SIZES, seconds.size, p=_SIZE_SHARES).astype(np.int64)
        return _Trades(self._start + (seconds * SECOND).astype(np.int64), cents, size)

    def _trades(self) -> pl.DataFrame:
        trades = self._true_trades
        arrival = self._delayed(trades.event)
        copies = 1 + (self._random.random(arrival.size) < self._settings.duplicates)
        chosen = np.repeat(np.arange(arrival.size), copies)
        first = np.concatenate(([True], chosen[1:] != chosen[:-1]))[: chosen.size]
        return self._frame(
            "trades",
            trades.event[chosen],
            arrival[chosen],
            duplicate=~first,
            trade_id=chosen,
            p=trades.cents[chosen] / 100,
            s=trades.size[chosen],
        ).sort("arrival_ns", maintain_order=True)

    def _delayed(self, event: Longs) -> Longs:
        settings, random = self._settings, self._random
        arrival = event + TRANSPORT
        draw = random.random(event.size)
        late = draw < settings.late
        very_late = ~late & (draw < settings.late + settings.very_late)
        for chosen, bounds in (
            (late, settings.late_seconds),
            (very_late, settings.very_late_seconds),
        ):
            delay = random.uniform(*bounds, int(chosen.sum()))
            arrival[chosen] += (delay * SECOND).astype(np.int64)
        swapped = self._swapped(event) & ~late & ~very_late
        arrival[:-1][swapped[:-1]] = event[1:][swapped[:-1]] + TRANSPORT + 1000
        return arrival

    def _swapped(self, event: Longs) -> Flags:
        """Choose trades that arrive behind their successor: where that is near enough."""
        near = np.zeros(event.size, dtype=np.bool_)
        near[:-1] = np.diff(event) < _SWAP_WITHIN
        share = self._settings.out_of_order * event.size / max(1, int(near.sum()))
        chosen: Flags = near & (self._random.random(event.size) < share)
        return chosen

    def _quotes(self) -> pl.DataFrame:
        settings, random, trades = self._settings, self._random, self._true_trades
        count = random.poisson(settings.trade_rate * settings.quotes_factor * self._seconds)
        seconds = np.sort(random.random(count)) * self._seconds
        event = self._start + (seconds * SECOND).astype(np.int64)
        path = np.concatenate(([self._base_cents], trades.cents))
        last = path[np.searchsorted(trades.event, event, side="right")]
        bid = np.maximum(1, last - random.integers(1, 4, count))
        ask = bid + random.choice((1, 2, 5), count)
        sizes = random.integers(1, 10, (2, count))
        return self._frame(
            "quotes",
            event,
            event + TRANSPORT,
            bp=bid / 100,
            bs=sizes[0],
            ap=ask / 100,
            asz=sizes[1],
        )

    def _bars(self) -> pl.DataFrame:
        trades = self._true_trades
        minute = trades.event // MINUTE * MINUTE
        end = self._start + int(self._settings.span * SECOND)
        whole = minute + MINUTE <= end
        event, first = np.unique(minute[whole], return_index=True)
        bars = self._frame(
            "bars",
            event,
            event + MINUTE + TRANSPORT,
            **_bar_columns(trades.cents[whole], trades.size[whole], first),
        )
        corrected = self._random.random(event.size) < self._settings.updated_bars
        corrections = bars.filter(pl.Series(corrected, dtype=pl.Boolean)).with_columns(
            pl.lit("updatedBars").alias("channel"),
            pl.col("arrival_ns") + _CORRECTION_DELAY,
            pl.col("v") + 1,
            pl.col("n") + 1,
        )
        return pl.concat([bars, corrections]).sort("arrival_ns", maintain_order=True)

    def _garbage(self, role: str, good: int) -> pl.DataFrame:
        count = self._random.poisson(self._settings.undecodable * good)
        arrival = self._start + (self._random.random(count) * self._seconds * SECOND).astype(
            np.int64
        )
        texts = self._random.choice(len(_GARBAGE), count)
        return self._frame(
            "garbage", np.sort(arrival), np.sort(arrival), raw=[_GARBAGE[i] for i in texts]
        ).with_columns(
            pl.lit(role).alias("role"),
            pl.col("raw").cast(pl.String),
            pl.lit(None, pl.Int64).alias("event_ns"),
        )

    def _frame(self, channel: str, event: Longs, arrival: Longs, **columns: object) -> pl.DataFrame:
        data = {"event_ns": event, "arrival_ns": arrival, **columns}
        return pl.DataFrame(data).with_columns(
            pl.lit("bars1m" if channel == "bars" else channel).alias("role"),
            pl.lit(channel).alias("channel"),
            pl.lit(self.symbol).alias("symbol"),
        )


def _bar_columns(cents: Longs, size: Longs, first: Longs) -> dict[str, Doubles | Longs]:
    """Aggregate trades into bars that begin at the indices ``first``."""
    if not first.size:
        doubles, longs = np.zeros(0), np.zeros(0, dtype=np.int64)
        return dict.fromkeys(("o", "h", "l", "c", "vw"), doubles) | {"v": longs, "n": longs}
    last = np.append(first[1:], cents.size) - 1
    volume = np.add.reduceat(size, first)
    return {
        "o": cents[first] / 100,
        "h": np.maximum.reduceat(cents, first) / 100,
        "l": np.minimum.reduceat(cents, first) / 100,
        "c": cents[last] / 100,
        "vw": np.round(np.add.reduceat(cents * size, first) / volume / 100, 4),
        "v": volume,
        "n": last - first + 1,
    }
