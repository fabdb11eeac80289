"""Records of the input topics, as columns: what the generator and a recording both give."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Role = Literal["trades", "quotes", "bars1m"]
ROLES: Final[tuple[Role, ...]] = ("trades", "quotes", "bars1m")
"""Input topics by what they carry, as the production runner names them."""

RECORD_SCHEMA: Final = pl.Schema(
    {
        "role": pl.String(),
        "key": pl.String(),
        "value": pl.String(),
        "timestamp": pl.Int64(),
        "event_ns": pl.Int64(),
    }
)
"""Columns of a batch: topic role, Kafka key, Kafka value, record timestamp in ms since the epoch
(null: the producer's clock), event time in ns since the epoch (null: the value has none)."""


class Record(NamedTuple):
    """One record to be written to an input topic.

    Attributes:
        role: which topic.
        key: Kafka key, the symbol.
        value: Kafka value, JSON unless it is meant to be undecodable.
        timestamp: record timestamp, ms since the epoch; None: the producer's clock.
        event_ns: event time, ns since the epoch; None: the value has none.
    """

    role: str
    key: str
    value: str
    timestamp: int | None = None
    event_ns: int | None = None


def batches_of(records: Iterable[Record], size: int = 20_000) -> Iterator[pl.DataFrame]:
    """Gather records into batches of the layout of ``RECORD_SCHEMA``, order kept."""
    remaining = iter(records)
    while chunk := list(islice(remaining, size)):
        yield pl.DataFrame(chunk, schema=RECORD_SCHEMA, orient="row")
