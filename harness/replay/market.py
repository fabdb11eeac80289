"""The market data of a rehearsal: generated or recorded, placed relative to now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from harness.world.market.generator import Market
from harness.world.market.recording import Recording
from harness.world.market.settings import MarketSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from harness.replay.variants import Variants


def market_batches(variants: Variants, seed: int) -> tuple[Iterator[pl.DataFrame], dict[str, Any]]:
    """Return the records to feed, and how they were made, for the journal.

    Args:
        variants: what is wanted.
        seed: seed of the generator.
    """
    end = datetime.now(UTC) - timedelta(minutes=variants.minutes_ago)
    if variants.recorded is not None:
        recording = Recording(variants.recorded, skip_broken=variants.skip_broken, shift_to=end)
        return recording.batches(), {"recorded": str(variants.recorded)}
    settings = market_settings(variants, seed, end)
    return Market(settings).batches(), {"settings": settings.describe()}


def market_settings(variants: Variants, seed: int, end: datetime) -> MarketSettings:
    """Return settings of the generator whose data ends at about ``end``."""

    def starting(start: datetime) -> MarketSettings:
        return MarketSettings(
            start=start,
            seed=seed,
            events=variants.events,
            trades_per_second=variants.trades_per_second,
            out_of_order=variants.out_of_order,
            late=variants.late,
            very_late=variants.very_late,
            duplicates=variants.duplicates,
            undecodable=variants.undecodable,
            updated_bars=variants.updated_bars,
        )

    span = timedelta(seconds=starting(end).span)
    return starting((end - span).replace(microsecond=0))
