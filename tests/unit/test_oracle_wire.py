"""Decoding is as strict as the job's: what it drops is not there."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.oracle import decode_bars, decode_quotes, decode_trades
from harness.checks.oracle.topics import RAW_SCHEMA

T = "2026-11-23T14:30:00.123456789Z"
TRADE = {"T": "t", "S": "MU", "i": 1, "x": "V", "p": 9.5, "s": 3, "c": ["@"], "t": T, "z": "C"}
QUOTE = {"T": "q", "S": "MU", "bp": 9.5, "bs": 3, "ap": 9.75, "as": 4, "t": T}
BAR = {"T": "b", "S": "MU", "o": 1, "h": 4, "l": 0.5, "c": 2.5, "v": 10, "n": 3, "t": T}
MISSING = object()


def envelope(payload: Any, /, **changes: Any) -> bytes:
    fields = {
        "ingestTs": "2026-11-23T14:30:00.2Z",
        "eventTs": "2026-11-23T14:30:00Z",
        "feed": "alpaca",
        "channel": "trades",
        "symbol": "MU",
        "seq": 7,
        "payload": payload,
        "isFinal": True,
        "source": "ws",
        "window": None,
        "version": 1,
        **changes,
    }
    return orjson.dumps({name: value for name, value in fields.items() if value is not MISSING})


def raw(*values: bytes | None) -> pl.DataFrame:
    rows = [(0, offset, 0, "MU", value) for offset, value in enumerate(values)]
    return pl.DataFrame(rows, schema=RAW_SCHEMA, orient="row")


def test_a_trade_is_decoded_with_nanoseconds() -> None:
    row = decode_trades(raw(envelope(TRADE))).row(0, named=True)
    assert (row["symbol"], row["seq"], row["p"], row["s"]) == ("MU", 7, 9.5, 3)
    assert (row["is_final"], row["source"], row["version"]) == (True, "ws", 1)
    assert row["event_ts"] == datetime(2026, 11, 23, 14, 30)  # noqa: DTZ001
    nanoseconds = decode_trades(raw(envelope(TRADE)))["t"].dt.epoch("ns")[0]
    assert nanoseconds % 10**9 == 123_456_789


def test_quotes_and_bars_are_decoded() -> None:
    quote = decode_quotes(raw(envelope(QUOTE))).row(0, named=True)
    assert [quote[name] for name in ("bp", "bs", "ap", "asz")] == [9.5, 3, 9.75, 4]
    bar = decode_bars(raw(envelope(BAR, channel="updatedBars", isFinal=False))).row(0, named=True)
    assert [bar[name] for name in "ohlcv"] == [1.0, 4.0, 0.5, 2.5, 10.0]
    assert bar["is_final"] is False


def test_defaults_stand_for_fields_that_are_not_there() -> None:
    value = envelope(TRADE, isFinal=MISSING, source=MISSING, window=MISSING, version=MISSING)
    row = decode_trades(raw(value)).row(0, named=True)
    assert (row["is_final"], row["source"], row["version"]) == (True, None, 1)


def test_unknown_keys_are_ignored() -> None:
    value = envelope({**TRADE, "new": {"a": 1}}, provider="iex")
    assert decode_trades(raw(value)).height == 1


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{",
        b"not json",
        b"null",
        b"[]",
        b"7",
        b'"text"',
        b"{}",
        b'{"symbol":"MU"}',
        b"\xff\xfe",
        b'{"payload":null}',
        b'{"payload":[]}',
    ],
)
def test_garbage_is_dropped(value: bytes | None) -> None:
    for decode in (decode_trades, decode_quotes, decode_bars):
        assert decode(raw(value)).height == 0


@pytest.mark.parametrize(
    "name", ["ingestTs", "eventTs", "feed", "channel", "symbol", "seq", "payload"]
)
@pytest.mark.parametrize("value", [MISSING, None, {"a": 1}])
def test_an_envelope_without_a_required_field_is_dropped(name: str, value: Any) -> None:
    assert decode_trades(raw(envelope(TRADE, **{name: value}))).height == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": "7"},
        {"seq": 2**63},
        {"seq": 7.5},
        {"seq": True},
        {"isFinal": 1},
        {"eventTs": "soon"},
        {"ingestTs": "2026-13-01T00:00:00Z"},
        {"source": 5},
        {"version": "1"},
        {"symbol": 5},
    ],
)
def test_an_envelope_of_other_types_is_dropped(changes: dict[str, Any]) -> None:
    assert decode_trades(raw(envelope(TRADE, **changes))).height == 0


@pytest.mark.parametrize("name", ["p", "s", "t"])
@pytest.mark.parametrize("value", [MISSING, None, "x", True, [], {}])
def test_a_trade_without_what_is_needed_is_dropped(name: str, value: Any) -> None:
    payload = {key: item for key, item in {**TRADE, name: value}.items() if item is not MISSING}
    assert decode_trades(raw(envelope(payload))).height == 0


def test_a_fractional_size_is_dropped_as_profile_s_does() -> None:
    assert decode_trades(raw(envelope({**TRADE, "s": 1.5}))).height == 0
    assert decode_trades(raw(envelope({**TRADE, "s": 2**63}))).height == 0
    assert decode_quotes(raw(envelope({**QUOTE, "as": 1.5}))).height == 0


@pytest.mark.parametrize("name", ["bp", "bs", "ap", "as", "t"])
def test_a_quote_without_what_is_needed_is_dropped(name: str) -> None:
    payload = {key: item for key, item in QUOTE.items() if key != name}
    assert decode_quotes(raw(envelope(payload))).height == 0


@pytest.mark.parametrize("name", ["o", "h", "l", "c", "v", "t"])
def test_a_bar_without_what_is_needed_is_dropped(name: str) -> None:
    payload = {key: item for key, item in BAR.items() if key != name}
    assert decode_bars(raw(envelope(payload))).height == 0


def test_good_records_between_bad_ones_keep_their_order_and_offsets() -> None:
    rows = decode_trades(raw(b"{", envelope(TRADE, seq=1), None, envelope(TRADE, seq=2)))
    assert rows.select("offset", "seq").rows() == [(1, 1), (3, 2)]


def test_no_records_give_no_rows_of_the_right_shape() -> None:
    assert decode_trades(raw()).columns == decode_trades(raw(envelope(TRADE))).columns


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["ingestTs", "eventTs", "symbol", "seq", "isFinal", "source", "version"]),
        json_values,
    ),
    st.dictionaries(st.sampled_from([*TRADE]), json_values),
)
def test_no_json_whatever_stops_the_decoding(
    changes: dict[str, Any], payload: dict[str, Any]
) -> None:
    value = envelope({**TRADE, **payload}, **changes)
    assert decode_trades(raw(value, envelope(TRADE))).height in {1, 2}
