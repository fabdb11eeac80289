"""Expected rows of ``ta_signals``: which must exist, and their values where the order is known.

Every microbar and every 1-minute bar (a correction too) makes one row. In profile S both enter one
series per symbol, 1-minute bars as if they were 1-second bars; so a row's indicators depend on how
the topics interleaved when the job read them, which only a phased feed fixes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from harness.checks.oracle.compare import Tolerance
from harness.checks.oracle.indicators import COLUMNS, indicators

if TYPE_CHECKING:
    from collections.abc import Iterator

EXISTENCE: Final = ("symbol", "event_ts", "seq", "source")
"""Columns that say which row it is. ``source`` tells the channel: ``ta`` for microbars, the
forwarder's own (``ws``, ``rest``) for 1-minute bars, which keep the forwarder's ``seq``."""

_SMALL_DIFFERENCE: Final = Tolerance(relative=1e-9, absolute=1e-9)

SIGNAL_TOLERANCES: Final = {
    # Averages of prices: rounding of 360 steps, 360 x 1.1e-16 at the most.
    **dict.fromkeys(
        ("ema12", "ema26", "boll_mid", "vwap_session", "vwap_w5m"), Tolerance(relative=1e-12)
    ),
    # A square root of a small variance of large prices: half of the digits cancel.
    **dict.fromkeys(("boll_upper", "boll_lower"), Tolerance(relative=1e-9)),
    # Differences of two nearly equal prices. What is left near zero is rounding of the prices
    # (1e-13 for a price of 250), so only an absolute bound makes sense there: 1e-9 of a dollar.
    **dict.fromkeys(("macd", "macd_signal", "macd_hist"), _SMALL_DIFFERENCE),
    # 0 to 100, from sums of price differences.
    "rsi14": _SMALL_DIFFERENCE,
    # Deviation of logarithms of ratios near 1: about 1e-16 of absolute rounding in each.
    "vol_realized_w60s": Tolerance(relative=1e-9, absolute=1e-12),
}
"""Tolerances by column; columns not named must be equal to the last digit.

Against the recorded rows of the real job: the widest differences seen are 1e-15 relative
for averages and 2e-13 absolute for the MACD's parts.
"""

_UTC_MS: Final = pl.Datetime("ms", "UTC")
_SERIES: Final = pl.Schema(
    {
        "symbol": pl.String(),
        "event_ts": _UTC_MS,
        "seq": pl.Int64(),
        "is_final": pl.Int64(),
        "source": pl.String(),
        "version": pl.Int64(),
        "time_ms": pl.Int64(),
        "c": pl.Float64(),
        "v": pl.Float64(),
        "ambiguous": pl.Boolean(),
        "phase": pl.Int8(),
    }
)


def expected_signals(
    microbars: pl.DataFrame,
    bars1m: pl.DataFrame,
    quotes: pl.DataFrame | None = None,
    *,
    values: bool = True,
) -> pl.DataFrame:
    """Compute the rows that a job starting with empty state writes to ``ta_signals``.

    Args:
        microbars: as ``expected_microbars`` gives them; open buckets make no row.
        bars1m: as ``decode_bars`` gives them.
        quotes: as ``decode_quotes`` gives them; None leaves the imbalance columns null.
        values: whether to compute indicators; without them only the columns up to ``version``.

    Returns:
        The columns of the table without ``ingest_ts``, and ``ambiguous`` (see
        ``expected_microbars``), sorted by symbol, event_ts, seq. Which rows there are does not
        depend on the order of reading. Indicator values hold when quotes were read first, then
        trades, then 1-minute bars; those of symbols without 1-minute bars, but for the imbalance,
        hold in any order.
    """
    series = pl.concat([_from_microbars(microbars), _from_bars(bars1m)])
    series = series.sort("symbol", "phase", maintain_order=True)
    if values:
        series = _with_indicators(series)
        series = series.join(_last_quotes(quotes), on="symbol", how="left", maintain_order="left")
    head = ("symbol", "event_ts", "seq", "is_final", "source")
    tail = (*COLUMNS[:-1], *_IMBALANCE, COLUMNS[-1]) if values else ()
    return series.select(
        *head,
        window_size=pl.lit("PT1S"),
        window_step=pl.lit("PT1S"),
        window_start=pl.col("event_ts") - pl.duration(seconds=1),
        window_end=pl.col("event_ts"),
        version=pl.col("version"),
        **{name: pl.col(name) for name in (*tail, "ambiguous")},
    ).sort("symbol", "event_ts", "seq")


def _from_microbars(microbars: pl.DataFrame) -> pl.DataFrame:
    closed = microbars.filter(~pl.col("open")).sort("symbol", "seq")
    return closed.with_columns(
        time_ms=pl.col("event_ts").dt.epoch("ms"), phase=pl.lit(1, pl.Int8)
    ).select(*_SERIES)


def _from_bars(bars: pl.DataFrame) -> pl.DataFrame:
    return bars.with_columns(
        pl.col("event_ts").dt.cast_time_unit("ms").dt.replace_time_zone("UTC"),
        pl.col("is_final").cast(pl.Int64),
        # What has no source would be stored as an empty string: the column is not Nullable.
        pl.col("source").fill_null(""),
        time_ms=pl.col("t").dt.epoch("ms"),
        ambiguous=pl.lit(value=False),
        phase=pl.lit(2, pl.Int8),
    ).select(*_SERIES)


def _with_indicators(series: pl.DataFrame) -> pl.DataFrame:
    parts = list(_by_symbol(series))
    if not parts:
        return series.with_columns(pl.lit(None, pl.Float64).alias(name) for name in COLUMNS)
    return pl.concat(parts)


def _by_symbol(series: pl.DataFrame) -> Iterator[pl.DataFrame]:
    for part in series.partition_by("symbol", maintain_order=True):
        columns = indicators(part["time_ms"].to_numpy(), part["c"].to_numpy(), part["v"].to_numpy())
        yield part.with_columns(
            pl.Series(name, values, nan_to_null=True).fill_nan(None)
            if np.isnan(values).any()
            else pl.Series(name, values)
            for name, values in columns.items()
        )


_IMBALANCE: Final = (
    "imbalance_spread",
    "imbalance_bid_px",
    "imbalance_ask_px",
    "imbalance_bid_sz",
    "imbalance_ask_sz",
)


def _last_quotes(quotes: pl.DataFrame | None) -> pl.DataFrame:
    """Return each symbol's last quote in arrival order, as the imbalance columns."""
    if quotes is None:
        floats = dict.fromkeys(_IMBALANCE[:3], pl.Float64())
        sizes = dict.fromkeys(_IMBALANCE[3:], pl.Int64())
        return pl.DataFrame(schema={"symbol": pl.String(), **floats, **sizes})
    last = quotes.group_by("symbol", maintain_order=True).last()
    return last.select(
        "symbol",
        imbalance_spread=pl.col("ap") - pl.col("bp"),
        imbalance_bid_px="bp",
        imbalance_ask_px="ap",
        imbalance_bid_sz="bs",
        imbalance_ask_sz="asz",
    )
