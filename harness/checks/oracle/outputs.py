"""From the input topics of a world to the rows that both output tables must have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from harness.checks.oracle.microbars import expected_microbars
from harness.checks.oracle.signals import expected_signals
from harness.checks.oracle.topics import read_topic
from harness.checks.oracle.wire import decode_bars, decode_quotes, decode_trades

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.checks.oracle.microbars import Watermarks

MICROBAR_KEY: Final = ("symbol", "event_ts", "seq")
"""Columns that say which row of ``ta_microbars`` it is: the table's sorting key."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Rows that a job starting with empty state makes of everything in the topics.

    Attributes:
        microbars: rows of ``ta_microbars``; open buckets are left out.
        signals: rows of ``ta_signals``.
        open_buckets: buckets that nothing closes yet, so they have no row.
        dropped: records that cannot be decoded, by role.
    """

    microbars: pl.DataFrame
    signals: pl.DataFrame
    open_buckets: pl.DataFrame
    dropped: dict[str, int]

    @property
    def ambiguous(self) -> int:
        """Number of bars that an event-time timer may have split (or closed) or not."""
        both = (self.microbars, self.open_buckets)
        return sum(frame.filter("ambiguous").height for frame in both)


def expected_outputs(
    bootstrap: str,
    topics: Mapping[str, str],
    watermarks: Watermarks | None = None,
    *,
    values: bool = False,
    client: Mapping[str, Any] | None = None,
) -> Expected:
    """Read the input topics and compute what the tables must contain.

    Args:
        bootstrap: bootstrap servers, comma separated.
        topics: input topic by role.
        watermarks: how the job reads the trades topic.
        values: whether to compute indicators, which needs the quotes too.
        client: further settings of librdkafka.

    Raises:
        ServiceError: when a topic cannot be read.
    """
    raw = {
        role: read_topic(bootstrap, topics[role], client=client)
        for role in ("trades", "bars1m", *(("quotes",) if values else ()))
    }
    trades, bars = decode_trades(raw["trades"]), decode_bars(raw["bars1m"])
    quotes = decode_quotes(raw["quotes"]) if values else None
    microbars = expected_microbars(trades, watermarks)
    decoded = {"trades": trades, "bars1m": bars, **({} if quotes is None else {"quotes": quotes})}
    return Expected(
        microbars=microbars.filter(~pl.col("open")),
        signals=expected_signals(microbars, bars, quotes, values=values),
        open_buckets=microbars.filter("open"),
        dropped={role: raw[role].height - frame.height for role, frame in decoded.items()},
    )
