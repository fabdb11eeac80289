"""Synthetic market data: a merged timeline of all symbols, rendered batch by batch."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

import polars as pl

from harness.world.market.envelope import render
from harness.world.market.records import ROLES
from harness.world.market.timeline import SymbolTimeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.world.market.records import Role
    from harness.world.market.settings import MarketSettings

_TICKS: Final = pl.Schema(
    {
        "role": pl.String(),
        "channel": pl.String(),
        "symbol": pl.String(),
        "event_ns": pl.Int64(),
        "arrival_ns": pl.Int64(),
        "duplicate": pl.Boolean(),
        "trade_id": pl.Int64(),
        **dict.fromkeys(("p", "bp", "ap", "o", "h", "l", "c", "vw"), pl.Float64()),
        **dict.fromkeys(("s", "bs", "asz", "v", "n"), pl.Int64()),
        "raw": pl.String(),
    }
)


class Market:
    """Market data for some settings; the same settings give the same bytes.

    Records come in the order of their production, so each topic's order per key is that order
    too. ``seq`` counts per symbol across channels, as production's forwarder of profile S does.
    """

    def __init__(self, settings: MarketSettings) -> None:
        """Describe the market; nothing is drawn before it is asked for."""
        self.settings = settings

    @cached_property
    def ticks(self) -> pl.DataFrame:
        """All ticks as columns, in the order of production."""
        empty = pl.DataFrame(schema=_TICKS)
        parts = [
            frame
            for index in range(len(self.settings.symbols))
            for frame in SymbolTimeline(self.settings, index).frames()
        ]
        merged = pl.concat([empty, *(_complete(part) for part in parts)]).sort(
            "arrival_ns", maintain_order=True
        )
        counted = pl.col("raw").is_null() & ~pl.col("duplicate").fill_null(value=False)
        return merged.with_columns(counted.cast(pl.Int64).cum_sum().over("symbol").alias("seq"))

    def __len__(self) -> int:
        """Return the number of records in all topics."""
        return self.ticks.height

    @property
    def counts(self) -> dict[Role, int]:
        """Number of records by role."""
        return {role: self.ticks.filter(pl.col("role") == role).height for role in ROLES}

    def batches(self, size: int = 20_000) -> Iterator[pl.DataFrame]:
        """Yield the records in batches of the layout of ``RECORD_SCHEMA``."""
        for part in self.ticks.iter_slices(size):
            yield render(part)


def _complete(part: pl.DataFrame) -> pl.DataFrame:
    """Give a part of the timeline all columns, in order and of one type."""
    return part.match_to_schema(
        _TICKS, missing_columns="insert", integer_cast="upcast", missing_struct_fields="raise"
    )
