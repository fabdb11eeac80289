"""The two keyed operators; Flink keeps their state, ``semantics`` says what they do."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction

from fake_ta_job.avro import encode_microbar, encode_signal
from fake_ta_job.records import UndecodableError, decode_bar, decode_trade, last_quote
from fake_ta_job.rows import (
    MICROBAR_COLUMNS,
    SIGNAL_COLUMNS,
    microbar_envelope,
    microbar_row,
    signal_row,
)
from fake_ta_job.semantics import Session, Signal, add_bar, add_trade
from fake_ta_job.state import Cell, DeferredState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyflink.common.typeinfo import TypeInformation
    from pyflink.datastream import RuntimeContext

    from fake_ta_job.indicators import History, Settings
    from fake_ta_job.records import Quote, Trade
    from fake_ta_job.semantics import Bucket

LOG: Final = logging.getLogger(__name__)
BAR_TAG: Final = "B"
QUOTE_TAG: Final = "Q"
"""First character of an input of ``ta-signals``: which stream it came from."""

_WHOLE: Final = {
    "seq",
    "is_final",
    "version",
    "count",
    "imbalance_bid_sz",
    "imbalance_ask_sz",
}
_TEXT: Final = {
    "symbol",
    "event_ts",
    "ingest_ts",
    "source",
    "window_size",
    "window_step",
    "window_start",
    "window_end",
}
FORWARD_COLUMN: Final = "forward"
VALUE_COLUMN: Final = "avro"


def column_type(name: str) -> TypeInformation:
    """Return the Flink type of a table column."""
    if name in _TEXT:
        return Types.STRING()
    return Types.LONG() if name in _WHOLE else Types.DOUBLE()


def _row_type(columns: tuple[str, ...], **more: TypeInformation) -> TypeInformation:
    return Types.ROW_NAMED(
        [*columns, *more], [*(column_type(name) for name in columns), *more.values()]
    )


def microbar_type() -> TypeInformation:
    """Type of what ``ta-microbars`` emits: the table row, the signals' input, the Avro value."""
    return _row_type(
        MICROBAR_COLUMNS,
        **{FORWARD_COLUMN: Types.STRING(), VALUE_COLUMN: Types.PRIMITIVE_ARRAY(Types.BYTE())},
    )


def signal_type() -> TypeInformation:
    """Type of what ``ta-signals`` emits: the table row and the Avro value."""
    return _row_type(SIGNAL_COLUMNS, **{VALUE_COLUMN: Types.PRIMITIVE_ARRAY(Types.BYTE())})


class Microbars(KeyedProcessFunction):  # type: ignore[misc] # pyflink is not typed
    """Trades to one-second bars; state ``bucket`` and ``seq``."""

    def open(self, context: RuntimeContext) -> None:
        """Declare the state."""
        backend = DeferredState.of(context)
        self._buckets: Cell[Bucket] = Cell(backend, context, "bucket", Types.PICKLED_BYTE_ARRAY())
        self._seqs: Cell[int] = Cell(backend, context, "seq", Types.LONG())

    def process_element(self, value: str, context: KeyedProcessFunction.Context) -> Iterator[Row]:
        """Take one record of the trades topic."""
        try:
            trade = decode_trade(value)
        except UndecodableError as error:
            LOG.warning("trade dropped: %s", error)
            return
        yield from self._add(context.get_current_key(), trade, context)

    def _add(
        self, symbol: str, trade: Trade, context: KeyedProcessFunction.Context
    ) -> Iterator[Row]:
        before = self._buckets.get(symbol)
        closed, bucket = add_trade(before, trade)
        if bucket is not before:
            context.timer_service().register_event_time_timer(bucket.end_ms)
        if closed is not None:
            yield self._emit(symbol, closed)
        self._buckets.put(symbol, bucket)

    def on_timer(
        self, timestamp: int, context: KeyedProcessFunction.OnTimerContext
    ) -> Iterator[Row]:
        """Close the bucket whose window the watermark has passed."""
        symbol = context.get_current_key()
        bucket = self._buckets.get(symbol)
        if bucket is not None and bucket.end_ms <= timestamp:
            yield self._emit(symbol, bucket)
            self._buckets.put(symbol, None)

    def _emit(self, symbol: str, bucket: Bucket) -> Row:
        seq = (self._seqs.get(symbol) or 0) + 1
        self._seqs.put(symbol, seq)
        bar = bucket.close(symbol, seq, time.time_ns() // 1000)
        return Row(*microbar_row(bar), BAR_TAG + microbar_envelope(bar), encode_microbar(bar))


class Signals(KeyedProcessFunction):  # type: ignore[misc] # pyflink is not typed
    """Bars and quotes to signals; state ``bars``, ``quote`` and ``session``."""

    def __init__(self, settings: Settings) -> None:
        """Take the lengths from the configuration."""
        self._settings = settings

    def open(self, context: RuntimeContext) -> None:
        """Declare the state."""
        backend = DeferredState.of(context)
        self._histories: Cell[History] = Cell(backend, context, "bars", Types.PICKLED_BYTE_ARRAY())
        self._quotes: Cell[Quote] = Cell(backend, context, "quote", Types.PICKLED_BYTE_ARRAY())
        self._sessions: Cell[Session] = Cell(
            backend, context, "session", Types.PICKLED_BYTE_ARRAY()
        )

    def process_element(self, value: str, context: KeyedProcessFunction.Context) -> Iterator[Row]:
        """Take a pack of quotes, a microbar or a 1-minute bar."""
        symbol, text = context.get_current_key(), value[1:]
        if value[0] == QUOTE_TAG:
            quote = last_quote(text)
            if quote is not None:
                self._quotes.put(symbol, quote)
            return
        try:
            yield self._emit(symbol, text)
        except UndecodableError as error:
            LOG.warning("bar dropped: %s", error)

    def _emit(self, symbol: str, text: str) -> Row:
        bar = decode_bar(text)
        history = add_bar(self._histories.get(symbol), bar, self._settings)
        session = (self._sessions.get(symbol) or Session()).add(bar)
        self._histories.put(symbol, history)
        self._sessions.put(symbol, session)
        quote = self._quotes.get(symbol)
        signal = Signal(bar, history.indicators(self._settings), session.vwap, quote)
        return Row(*signal_row(signal), encode_signal(signal))
