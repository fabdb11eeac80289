"""Records on the wire: the envelope on the raw topics, and how time is written.

The raw topics carry JSON envelopes with camelCase names (torghut's ``Envelope``). A record that
lacks a required field, or whose field has another type, is undecodable: the job drops it.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeVar

import orjson

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US: Final = 86_400_000_000
SECOND_US: Final = 1_000_000
PACK_SEPARATOR: Final = "\x1e"
"""Between the records of a pack; no JSON text can hold this control character."""

LOG: Final = logging.getLogger(__name__)
_T = TypeVar("_T")
_HEAD_TEXTS: Final = ("feed", "channel", "symbol")


class UndecodableError(ValueError):
    """A record that the job's decoder rejects; the job drops it."""


class Trade(NamedTuple):
    """What the job reads of a trade.

    Attributes:
        time_us: the exchange's time (payload ``t``), microseconds since the epoch.
        price: payload ``p``.
        size: payload ``s``.
    """

    time_us: int
    price: float
    size: int


class Quote(NamedTuple):
    """What the job keeps of a quote: best bid and ask with their sizes."""

    bid_px: float
    ask_px: float
    bid_sz: int
    ask_sz: int


class Bar(NamedTuple):
    """A bar as the signals operator takes it: a microbar or a 1-minute bar.

    Attributes:
        symbol: instrument.
        event_us: envelope time, microseconds since the epoch.
        ingest_us: envelope ingest time, microseconds since the epoch.
        seq: sequence number of whoever made the bar.
        is_final: False for the forwarder's ``updatedBars``.
        source: ``ta`` for microbars, the forwarder's word otherwise.
        version: version of the envelope, not of the row.
        time_us: payload ``t``: a microbar's end, a 1-minute bar's start.
        close: last price.
        volume: traded quantity.
    """

    symbol: str
    event_us: int
    ingest_us: int
    seq: int
    is_final: bool
    source: str
    version: int
    time_us: int
    close: float
    volume: float


def parse_time(text: object) -> int:
    """Read an ISO-8601 instant.

    Returns:
        Microseconds since the epoch; finer digits are cut off.

    Raises:
        UndecodableError: when it is not an instant.
    """
    if not isinstance(text, str):
        raise UndecodableError("not an instant")
    try:
        delta = datetime.fromisoformat(text) - _EPOCH
    except (ValueError, TypeError) as error:
        raise UndecodableError(f"not an instant: {text!r}") from error
    return delta.days * _DAY_US + delta.seconds * SECOND_US + delta.microseconds


def instant(time_us: int) -> str:
    """Write an instant as the JVM does: no fraction, or three or six digits of it."""
    seconds, fraction = divmod(time_us, SECOND_US)
    text = _second(seconds).replace(" ", "T")
    if not fraction:
        return f"{text}Z"
    return f"{text}.{fraction // 1000:03d}Z" if fraction % 1000 == 0 else f"{text}.{fraction:06d}Z"


def table_time(time_us: int) -> str:
    """Write an instant as a ``DateTime64(3)`` literal: UTC, cut to milliseconds."""
    seconds, fraction = divmod(time_us, SECOND_US)
    return f"{_second(seconds)}.{fraction // 1000:03d}"


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    # Each bar names the same two or three seconds a dozen times.
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def decode_envelope(text: str | bytes) -> dict[str, Any]:
    """Decode an envelope and check the fields that every channel must have.

    Raises:
        UndecodableError: when it is no JSON object, or a required field is missing or wrong.
    """
    try:
        envelope = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise UndecodableError("not JSON") from error
    if not isinstance(envelope, dict) or not isinstance(envelope.get("payload"), dict):
        raise UndecodableError("no envelope")
    if type(envelope.get("seq")) is not int:
        raise UndecodableError("no seq")
    for name in _HEAD_TEXTS:
        if not isinstance(envelope.get(name), str):
            raise UndecodableError(f"no {name}")
    return envelope


def decode_trade(text: str | bytes) -> Trade:
    """Decode a record of the trades topic.

    Raises:
        UndecodableError: when the job would drop it.
    """
    payload = decode_envelope(text)["payload"]
    return Trade(parse_time(payload.get("t")), _number(payload, "p"), _count(payload, "s"))


def decode_quote(text: str | bytes) -> Quote:
    """Decode a record of the quotes topic.

    Raises:
        UndecodableError: when the job would drop it.
    """
    payload = decode_envelope(text)["payload"]
    parse_time(payload.get("t"))
    return Quote(
        _number(payload, "bp"),
        _number(payload, "ap"),
        _count(payload, "bs"),
        _count(payload, "as"),
    )


def last_quote(pack: str) -> Quote | None:
    """Return the last decodable quote of a pack."""
    for text in reversed(pack.split(PACK_SEPARATOR)):
        try:
            return decode_quote(text)
        except UndecodableError as error:
            LOG.warning("quote dropped: %s", error)
    return None


def decode_bar(text: str | bytes) -> Bar:
    """Decode a record of the 1-minute bars topic, or a microbar's envelope.

    Raises:
        UndecodableError: when the job would drop it.
    """
    envelope = decode_envelope(text)
    payload = envelope["payload"]
    for name in "ohl":
        _number(payload, name)
    return Bar(
        symbol=envelope["symbol"],
        event_us=parse_time(envelope.get("eventTs")),
        ingest_us=parse_time(envelope.get("ingestTs")),
        seq=envelope["seq"],
        is_final=_default(envelope, "isFinal", bool, fallback=True),
        source=_default(envelope, "source", str, fallback="ws"),
        version=_default(envelope, "version", int, fallback=1),
        time_us=parse_time(payload.get("t")),
        close=_number(payload, "c"),
        volume=_number(payload, "v"),
    )


def _number(payload: dict[str, Any], name: str) -> float:
    value = payload.get(name)
    if type(value) is float or type(value) is int:
        return float(value)
    raise UndecodableError(f"no number {name}")


def _count(payload: dict[str, Any], name: str) -> int:
    value = payload.get(name)
    if type(value) is int:
        return value
    raise UndecodableError(f"no whole number {name}")


def _default(envelope: dict[str, Any], name: str, kind: type[_T], *, fallback: _T) -> _T:
    value = envelope.get(name, fallback)
    if type(value) is kind:
        return value
    raise UndecodableError(f"no {kind.__name__} {name}")
