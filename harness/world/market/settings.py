"""What market data to make: every kind of trouble has a rate of its own."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from harness.core.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

DEFAULT_SYMBOLS: Final = ("CRWD", "MU", "NVDA", "AMD")
"""Production's three symbols of profile S and one more, so that partitions differ in load."""

_RATES: Final = ("out_of_order", "late", "very_late", "duplicates", "undecodable", "updated_bars")


@dataclass(frozen=True, kw_only=True, slots=True)
class MarketSettings:
    """Settings of the generator; equal settings give equal bytes.

    Attributes:
        start: first instant of the market data, aware; a scenario places it relative to now.
        seed: seed of all draws.
        symbols: the universe.
        duration: seconds of market time; None: as long as ``events`` needs at these rates.
        events: about how many records in all topics; None: whatever ``duration`` gives. With a
            duration too, the rates are scaled to meet both.
        trades_per_second: mean per symbol.
        quotes_factor: quotes per trade, in the mean (production: 3 to 10).
        burstiness: mean number of trades that come together; 1: each on its own.
        idle_symbols: symbols that fall silent early on.
        idle_after: share of the duration after which they do.
        out_of_order: share of trades that arrive just behind their successor.
        late: share of trades that arrive ``late_seconds`` after their time.
        late_seconds: bounds of that lateness; within the job's 2 s of tolerated disorder.
        very_late: share of trades that arrive ``very_late_seconds`` after their time.
        very_late_seconds: bounds of that lateness; beyond the tolerated disorder, so that
            event-time timers of the job may have closed the window.
        duplicates: share of trades that are sent twice in a row, to the byte.
        undecodable: undecodable records for each good one, in every topic.
        updated_bars: share of 1-minute bars followed by a correction (``isFinal`` false).
    """

    start: datetime
    seed: int = 1
    symbols: tuple[str, ...] = DEFAULT_SYMBOLS
    duration: float | None = None
    events: int | None = None
    trades_per_second: float = 1.0
    quotes_factor: float = 4.0
    burstiness: float = 3.0
    idle_symbols: tuple[str, ...] = ()
    idle_after: float = 0.1
    out_of_order: float = 0.0
    late: float = 0.0
    late_seconds: tuple[float, float] = (0.2, 1.8)
    very_late: float = 0.0
    very_late_seconds: tuple[float, float] = (2.5, 30.0)
    duplicates: float = 0.0
    undecodable: float = 0.0
    updated_bars: float = 0.0

    def __post_init__(self) -> None:
        """Refuse settings that cannot be met.

        Raises:
            UsageError: naming the setting, its value and what would do.
        """
        self._check_universe()
        self._check_amount()
        for name in (*_RATES, "idle_after"):
            _require(0 <= getattr(self, name) <= 1, name, getattr(self, name), "0 to 1")
        for name in ("late_seconds", "very_late_seconds"):
            low, high = getattr(self, name)
            _require(0 < low <= high, name, (low, high), "two positive numbers, lower first")

    def _check_universe(self) -> None:
        symbols = self.symbols
        _require(
            bool(symbols) and len(set(symbols)) == len(symbols),
            "symbols",
            symbols,
            "different symbols, at least one",
        )
        _require(
            all(symbol.isascii() and symbol.isprintable() and symbol for symbol in symbols)
            and not any(character in '"\\' for symbol in symbols for character in symbol),
            "symbols",
            symbols,
            "printable ASCII without quotes and backslashes",
        )
        _require(
            set(self.idle_symbols) <= set(symbols), "idle_symbols", self.idle_symbols, "symbols"
        )

    def _check_amount(self) -> None:
        _require(self.start.tzinfo is not None, "start", self.start, "an instant with a time zone")
        _require(
            bool(self.duration or self.events),
            "duration",
            self.duration,
            "seconds, or events for a number of records",
        )
        for name in ("duration", "events", "trades_per_second"):
            value = getattr(self, name)
            _require(value is None or value > 0, name, value, "more than 0")
        _require(self.quotes_factor >= 0, "quotes_factor", self.quotes_factor, "0 or more")
        _require(self.burstiness >= 1, "burstiness", self.burstiness, "1 or more")

    @property
    def span(self) -> float:
        """Seconds of market time."""
        if self.duration is not None:
            return self.duration
        return max(1.0, (self.events or 0) / self._records_per_second(self.trades_per_second))

    @property
    def trade_rate(self) -> float:
        """Trades a second of one active symbol, scaled when duration and events are both given."""
        if self.duration is None or self.events is None:
            return self.trades_per_second
        bars = self._records_per_second(0)
        per_trade = self._records_per_second(1) - bars
        return max(0.001, (self.events / self.duration - bars) / per_trade)

    def _records_per_second(self, trade_rate: float) -> float:
        idle = len(self.idle_symbols)
        active = len(self.symbols) - idle + idle * self.idle_after
        ticks = trade_rate * (1 + self.duplicates + self.quotes_factor)
        bars = (1 + self.updated_bars) / 60 if trade_rate * 60 > 1 or not trade_rate else 0
        return active * (ticks + bars) * (1 + self.undecodable)

    def describe(self) -> dict[str, object]:
        """Return the settings as JSON-like values, for a journal."""
        values: dict[str, object] = {item.name: getattr(self, item.name) for item in fields(self)}
        return values | {"start": self.start.isoformat()}


def _require(holds: bool, name: str, value: object, wanted: str) -> None:  # noqa: FBT001
    if not holds:
        raise UsageError(f"market setting {name}={value!r} does not fit", hint=f"give {wanted}")
