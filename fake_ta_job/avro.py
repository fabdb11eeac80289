"""Values on the derived topics: bare Avro, by the schemas beside this file."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastavro

from fake_ta_job.records import SECOND_US, instant
from fake_ta_job.semantics import SOURCE, VERSION, WINDOW

if TYPE_CHECKING:
    from fake_ta_job.records import Quote
    from fake_ta_job.semantics import Microbar, Signal


@cache
def schema(name: str) -> Any:  # noqa: ANN401 - fastavro's own type of a parsed schema
    """Return the parsed schema ``TaBar1s`` or ``TaSignal``."""
    return fastavro.parse_schema(json.loads(Path(__file__).with_name(f"{name}.avsc").read_text()))


def encode_microbar(bar: Microbar) -> bytes:
    """Encode a ``TaBar1s``."""
    return _encode(
        "TaBar1s",
        {
            "ingest_ts": instant(bar.ingest_us),
            "event_ts": instant(bar.end_us),
            "symbol": bar.symbol,
            "seq": bar.seq,
            "is_final": True,
            "source": SOURCE,
            "window": _window(bar.end_us),
            "o": bar.open,
            "h": bar.high,
            "l": bar.low,
            "c": bar.close,
            "v": bar.volume,
            "vwap": bar.vwap,
            "count": bar.trades,
            "version": VERSION,
        },
    )


def encode_signal(signal: Signal) -> bytes:
    """Encode a ``TaSignal``."""
    bar, values = signal.bar, signal.indicators
    return _encode(
        "TaSignal",
        {
            "ingest_ts": instant(bar.ingest_us),
            "event_ts": instant(bar.event_us),
            "symbol": bar.symbol,
            "seq": bar.seq,
            "is_final": bar.is_final,
            "source": bar.source,
            "window": _window(bar.event_us),
            "macd": {
                "macd": values.macd,
                "signal": values.macd_signal,
                "hist": values.macd_hist,
            },
            "ema": {"ema12": values.ema12, "ema26": values.ema26},
            "rsi14": values.rsi14,
            "boll": _bollinger(signal),
            "vwap": _vwap(signal),
            "imbalance": _imbalance(signal.quote),
            "vol_realized": None if values.volatility is None else {"w60s": values.volatility},
            "version": bar.version,
        },
    )


def _encode(name: str, record: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, schema(name), record)
    return buffer.getvalue()


def _window(end_us: int) -> dict[str, str]:
    return {
        "size": WINDOW,
        "step": WINDOW,
        "start": instant(end_us - SECOND_US),
        "end": instant(end_us),
    }


def _bollinger(signal: Signal) -> dict[str, float | None] | None:
    values = signal.indicators
    if values.boll_mid is None:
        return None
    return {"mid": values.boll_mid, "upper": values.boll_upper, "lower": values.boll_lower}


def _vwap(signal: Signal) -> dict[str, float | None] | None:
    if signal.session_vwap is None:
        return None
    return {"session": signal.session_vwap, "w5m": signal.indicators.vwap_window}


def _imbalance(quote: Quote | None) -> dict[str, float | int] | None:
    if quote is None:
        return None
    return {
        "spread": quote.ask_px - quote.bid_px,
        "bid_px": quote.bid_px,
        "ask_px": quote.ask_px,
        "bid_sz": quote.bid_sz,
        "ask_sz": quote.ask_sz,
    }
