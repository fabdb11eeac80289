"""What the operators write: rows in the order of ``schema_s.sql``, and the microbar's envelope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson

from fake_ta_job.records import SECOND_US, instant, table_time
from fake_ta_job.semantics import SOURCE, VERSION, WINDOW

if TYPE_CHECKING:
    from fake_ta_job.semantics import Microbar, Signal

Value = str | int | float | None

HEAD_COLUMNS: Final = (
    "symbol",
    "event_ts",
    "seq",
    "ingest_ts",
    "is_final",
    "source",
    "window_size",
    "window_step",
    "window_start",
    "window_end",
    "version",
)
MICROBAR_COLUMNS: Final = (*HEAD_COLUMNS, "o", "h", "l", "c", "v", "vwap", "count")
SIGNAL_COLUMNS: Final = (
    *HEAD_COLUMNS,
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
    "imbalance_spread",
    "imbalance_bid_px",
    "imbalance_ask_px",
    "imbalance_bid_sz",
    "imbalance_ask_sz",
    "vol_realized_w60s",
)


def microbar_row(bar: Microbar) -> tuple[Value, ...]:
    """Return the row of ``ta_microbars``."""
    start, end = table_time(bar.start_us), table_time(bar.end_us)
    return (
        bar.symbol,
        end,
        bar.seq,
        table_time(bar.ingest_us),
        1,
        SOURCE,
        WINDOW,
        WINDOW,
        start,
        end,
        VERSION,
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        bar.volume,
        bar.vwap,
        bar.trades,
    )


def signal_row(signal: Signal) -> tuple[Value, ...]:
    """Return the row of ``ta_signals``.

    Bars without a window of their own (1-minute bars) get the fallback of profile S: the second
    before their event time, labelled PT1S.
    """
    bar, values = signal.bar, signal.indicators
    return (
        bar.symbol,
        table_time(bar.event_us),
        bar.seq,
        table_time(bar.ingest_us),
        int(bar.is_final),
        bar.source,
        WINDOW,
        WINDOW,
        table_time(bar.event_us - SECOND_US),
        table_time(bar.event_us),
        bar.version,
        *values[:9],
        signal.session_vwap,
        values.vwap_window,
        *_imbalance(signal),
        values.volatility,
    )


def _imbalance(signal: Signal) -> tuple[float | None, ...]:
    quote = signal.quote
    if quote is None:
        return (None,) * 5
    return (
        quote.ask_px - quote.bid_px,
        quote.bid_px,
        quote.ask_px,
        quote.bid_sz,
        quote.ask_sz,
    )


def microbar_envelope(bar: Microbar) -> str:
    """Return a microbar as the envelope that the signals operator reads."""
    end = instant(bar.end_us)
    document = {
        "ingestTs": instant(bar.ingest_us),
        "eventTs": end,
        "feed": "alpaca",
        "channel": "trades",
        "symbol": bar.symbol,
        "seq": bar.seq,
        "payload": {
            "o": bar.open,
            "h": bar.high,
            "l": bar.low,
            "c": bar.close,
            "v": bar.volume,
            "vwap": bar.vwap,
            "count": bar.trades,
            "t": end,
        },
        "isFinal": True,
        "source": SOURCE,
        "version": VERSION,
    }
    return orjson.dumps(document).decode()
