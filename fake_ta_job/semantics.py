"""What the two operators of the job do with one event; no Flink in here.

State goes in and comes out, so that the operators keep it where they want: Flink keyed state in
the job, a dictionary in tests. Faults of profile S are kept on purpose: any *different* second,
earlier ones too, closes the open bucket; nothing is late; nothing is deduplicated; microbars and
1-minute bars share one series; any last quote counts however old; the session vwap never resets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from fake_ta_job.indicators import History
from fake_ta_job.records import SECOND_US, Bar

if TYPE_CHECKING:
    from fake_ta_job.indicators import Indicators, Settings
    from fake_ta_job.records import Quote, Trade

SOURCE: Final = "ta"
WINDOW: Final = "PT1S"
VERSION: Final = 1


class Bucket:
    """The open second of one symbol; the ``bucket`` state of ``ta-microbars``.

    Attributes:
        second: start of the window, seconds since the epoch.
    """

    __slots__ = ("_close", "_count", "_high", "_low", "_open", "_turnover", "_volume", "second")

    def __init__(self, second: int, trade: Trade) -> None:
        """Open a bucket with its first trade."""
        price = trade.price
        self.second = second
        self._open = self._high = self._low = self._close = price
        self._volume = float(trade.size)
        self._turnover = price * trade.size
        self._count = 1

    def add(self, trade: Trade) -> None:
        """Add a trade of the same second; the last one to arrive makes the close."""
        price = trade.price
        self._high = max(self._high, price)
        self._low = min(self._low, price)
        self._close = price
        self._volume += trade.size
        self._turnover += price * trade.size
        self._count += 1

    @property
    def end_ms(self) -> int:
        """End of the window, milliseconds since the epoch: when its timer is due."""
        return (self.second + 1) * 1000

    def close(self, symbol: str, seq: int, ingest_us: int) -> Microbar:
        """Make the bar.

        Args:
            symbol: instrument.
            seq: number of the bar, from the ``seq`` state.
            ingest_us: wall clock, microseconds since the epoch.
        """
        return Microbar(
            symbol=symbol,
            seq=seq,
            ingest_us=ingest_us,
            start_us=self.second * SECOND_US,
            open=self._open,
            high=self._high,
            low=self._low,
            close=self._close,
            volume=self._volume,
            vwap=self._turnover / self._volume if self._volume else None,
            trades=self._count,
        )


class Microbar(NamedTuple):
    """A one-second bar, always final; event time is the end of its window."""

    symbol: str
    seq: int
    ingest_us: int
    start_us: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    vwap: float | None
    trades: int

    @property
    def end_us(self) -> int:
        """End of the window, microseconds since the epoch."""
        return self.start_us + SECOND_US

    def as_bar(self) -> Bar:
        """Return what the signals operator sees of it."""
        return Bar(
            symbol=self.symbol,
            event_us=self.end_us,
            ingest_us=self.ingest_us,
            seq=self.seq,
            is_final=True,
            source=SOURCE,
            version=VERSION,
            time_us=self.end_us,
            close=self.close,
            volume=self.volume,
        )


class Session(NamedTuple):
    """Sums behind the session vwap, since the state began; the ``session`` state."""

    turnover: float = 0.0
    volume: float = 0.0

    def add(self, bar: Bar) -> Session:
        """Return the sums with a bar added."""
        return Session(self.turnover + bar.close * bar.volume, self.volume + bar.volume)

    @property
    def vwap(self) -> float | None:
        """Volume-weighted close, None without volume."""
        return self.turnover / self.volume if self.volume > 0 else None


class Signal(NamedTuple):
    """Indicators attached to a bar."""

    bar: Bar
    indicators: Indicators
    session_vwap: float | None
    quote: Quote | None


def add_trade(bucket: Bucket | None, trade: Trade) -> tuple[Bucket | None, Bucket]:
    """Put a trade into its second.

    Args:
        bucket: the open bucket, if any.
        trade: the trade that arrived.

    Returns:
        The bucket that the trade closed, if any, and the one that is open now.
    """
    second = trade.time_us // SECOND_US
    if bucket is None:
        return None, Bucket(second, trade)
    if bucket.second != second:
        return bucket, Bucket(second, trade)
    bucket.add(trade)
    return None, bucket


def add_bar(history: History | None, bar: Bar, settings: Settings) -> History:
    """Put a bar into the kept bars of its symbol.

    Args:
        history: the bars kept so far, None before the first.
        bar: the bar that arrived.
        settings: lengths from the configuration.

    Returns:
        The history, changed in place.
    """
    history = history or History(bar.close)
    history.add(bar.time_us, bar.close, bar.volume, limit=settings.history)
    return history
