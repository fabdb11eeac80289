"""Event times inside a record's JSON: reading them, and moving them by whole seconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from harness.world.market.records import Record

SECOND: Final = 1_000_000_000
_INSTANT: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS: Final = ("ingestTs", "eventTs")


def instant_ns(text: object) -> int | None:
    """Read an ISO 8601 instant in UTC with up to nine digits; None if it is none.

    Returns:
        Nanoseconds since the epoch.
    """
    match = _INSTANT.fullmatch(text) if isinstance(text, str) else None
    seconds = None if match is None else _epoch_seconds(match[1])
    if match is None or seconds is None:
        return None
    return seconds * SECOND + int((match[2] or "").ljust(9, "0"))


@lru_cache(maxsize=4096)  # neighbours in a recording share their second
def _epoch_seconds(text: str) -> int | None:
    try:
        return int((datetime.fromisoformat(f"{text}+00:00") - _EPOCH).total_seconds())
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _moved_second(text: str, seconds: int) -> str:
    moved = datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(seconds=seconds)
    return moved.strftime("%Y-%m-%dT%H:%M:%S")


def _envelope(value: str) -> dict[str, Any] | None:
    try:
        envelope = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    return envelope if isinstance(envelope, dict) else None


def event_time_ns(value: str) -> int | None:
    """Return a record's event time, or None when the value has none (undecodable, say)."""
    envelope = _envelope(value)
    return None if envelope is None else instant_ns(envelope.get("eventTs"))


def _move(text: object, seconds: int) -> object:
    """Move an instant; the digits after the second stay as they are written."""
    if instant_ns(text) is None or not isinstance(text, str):
        return text
    return _moved_second(text[:19], seconds) + text[19:]


def shifted(record: Record, seconds: int) -> Record:
    """Move all instants of a record by whole seconds: event time, payload, production.

    An undecodable value is kept as it is; the record's timestamp moves all the same.
    """
    timestamp = None if record.timestamp is None else record.timestamp + seconds * 1000
    envelope = _envelope(record.value)
    if envelope is None:
        return record._replace(timestamp=timestamp)
    for name in _FIELDS:
        if name in envelope:
            envelope[name] = _move(envelope[name], seconds)
    payload = envelope.get("payload")
    if isinstance(payload, dict) and "t" in payload:
        payload["t"] = _move(payload["t"], seconds)
    event = None if record.event_ns is None else record.event_ns + seconds * SECOND
    value = orjson.dumps(envelope).decode()
    return record._replace(value=value, timestamp=timestamp, event_ns=event)
