"""Values of the derived topics: what a reader with the shipped schemas gets back."""

from __future__ import annotations

import io
from typing import Any

import pytest

from fake_ta_job.indicators import Settings
from fake_ta_job.records import Bar, Quote, Trade, parse_time
from fake_ta_job.semantics import Bucket, Session, Signal, add_bar

fastavro = pytest.importorskip("fastavro", reason="comes with the job's environment")

SECOND = parse_time("2026-11-23T14:30:00Z") // 1_000_000
BAR = Bar("NVDA", SECOND * 1_000_000, SECOND * 1_000_000, 7, False, "ws", 1, 0, 10.5, 0.0)  # noqa: FBT003


def decode(name: str, value: bytes) -> dict[str, Any]:
    from fake_ta_job.avro import schema  # noqa: PLC0415 - needs fastavro

    stream = io.BytesIO(value)
    found: dict[str, Any] = fastavro.schemaless_reader(stream, schema(name), None)
    assert stream.read() == b""
    return found


def signal(quote: Quote | None, session_vwap: float | None) -> Signal:
    settings = Settings()
    return Signal(BAR, add_bar(None, BAR, settings).indicators(settings), session_vwap, quote)


def test_a_microbar() -> None:
    from fake_ta_job.avro import encode_microbar  # noqa: PLC0415 - needs fastavro

    bar = Bucket(SECOND, Trade(0, 10.5, 2)).close("NVDA", 3, ingest_us=1_500_000)
    found = decode("TaBar1s", encode_microbar(bar))
    assert found["event_ts"] == found["window"]["end"] == "2026-11-23T14:30:01Z"
    assert found["ingest_ts"] == "1970-01-01T00:00:01.500Z"
    assert (found["seq"], found["c"], found["v"], found["vwap"]) == (3, 10.5, 2.0, 10.5)
    assert (found["is_final"], found["source"], found["version"]) == (True, "ta", 1)


def test_a_signal_with_nothing_known() -> None:
    from fake_ta_job.avro import encode_signal  # noqa: PLC0415 - needs fastavro

    found = decode("TaSignal", encode_signal(signal(None, Session().vwap)))
    for name in ("rsi14", "boll", "vwap", "imbalance", "vol_realized"):
        assert found[name] is None
    assert found["macd"] == {"macd": 0.0, "signal": 0.0, "hist": 0.0}
    assert found["window"]["start"] == "2026-11-23T14:29:59Z"


def test_a_signal_with_a_quote() -> None:
    from fake_ta_job.avro import encode_signal  # noqa: PLC0415 - needs fastavro

    found = decode("TaSignal", encode_signal(signal(Quote(1.5, 2.0, 3, 4), 9.0)))
    assert found["vwap"] == {"session": 9.0, "w5m": None}
    assert found["imbalance"] == {
        "spread": 0.5,
        "bid_px": 1.5,
        "ask_px": 2.0,
        "bid_sz": 3,
        "ask_sz": 4,
    }
