"""Expected rows of ``ta_microbars``.

The job keeps one open bucket per symbol: a trade of any different second, earlier or later,
closes it. So a row is a run of trades of one symbol, in arrival order, whose ``payload.t`` lies in
one second; a late trade makes an extra row for its second. Duplicates count twice, nothing is
dropped as late, empty seconds have no row, and ``seq`` counts a symbol's rows from 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

OUT_OF_ORDER_MS: Final = 2000
"""Tolerated disorder of the job's watermarks (``TA_MAX_OUT_OF_ORDER_MS``)."""

_UTC_MS: Final = pl.Datetime("ms", "UTC")
_HELD_BACK: Final = -(2**62)


@dataclass(frozen=True, slots=True)
class Watermarks:
    """How the job's source subtasks see the trades topic; decides what event-time timers may do.

    A watermark is 2,001 ms behind the latest event time read, and an operator goes by its slowest
    subtask. The recorded rows of the production job (one subtask, three partitions) fit only
    watermarks made per subtask, over all its partitions; a source that makes them per partition
    goes by its slowest partition instead, so no partition can run ahead of another.

    Attributes:
        parallelism: parallelism of the job's sources.
        partitions: partitions of the trades topic.
        per_partition: whether the source makes watermarks per partition.
        out_of_order_ms: tolerated disorder.
    """

    parallelism: int = 1
    partitions: int = 3
    per_partition: bool = False
    out_of_order_ms: int = OUT_OF_ORDER_MS

    @property
    def held_back(self) -> bool:
        """Whether a subtask without a partition holds back the watermark for ever.

        So it is in profile S (parallelism 8, 3 partitions, no idleness): no timer ever fires.
        """
        return self.parallelism > self.partitions

    @property
    def shared(self) -> bool:
        """Whether a subtask reads several partitions, so that one may run ahead of another."""
        return self.parallelism < self.partitions and not self.per_partition

    def final(self, trades: pl.DataFrame) -> tuple[int, int]:
        """Return bounds of the watermark (ms) once everything has been read."""
        latest = trades.group_by("partition").agg(_event_ms().max())["event_ts"].to_list()
        if self.held_back or not latest:
            return _HELD_BACK, _HELD_BACK
        behind = self.out_of_order_ms + 1
        if self.parallelism == 1 and not self.per_partition:
            return max(latest) - behind, max(latest) - behind
        slowest = min(latest) if len(latest) == self.partitions else _HELD_BACK
        return slowest - behind, self._fastest(latest, slowest) - behind

    def _fastest(self, latest: list[int], slowest: int) -> int:
        if self.shared:
            return max(latest)
        # Whether a partition without records holds back a source that knows it, depends on it.
        return min(latest) if self.per_partition else slowest

    def before_each(self, trades: pl.DataFrame) -> pl.Series:
        """Return for each trade an upper bound of the watermark (ms) when it is read."""
        behind = self.out_of_order_ms + 1
        own = _event_ms().cum_max().over("partition").shift(1).over("partition")
        bound = trades.select(own.fill_null(_HELD_BACK).alias("bound"))["bound"]
        if self.held_back:
            return pl.Series("bound", [_HELD_BACK], pl.Int64).new_from_index(0, trades.height)
        if self.shared:
            others = _latest_elsewhere(trades)
            return pl.select(pl.max_horizontal(bound, others) - behind).to_series()
        return bound - behind


def _event_ms() -> pl.Expr:
    return pl.col("event_ts").dt.epoch("ms")


def _latest_elsewhere(trades: pl.DataFrame) -> pl.Series:
    """Return for each trade the latest event time in the other partitions."""
    latest = dict(trades.group_by("partition").agg(_event_ms().max()).iter_rows())
    elsewhere = {
        partition: max(
            (value for other, value in latest.items() if other != partition), default=_HELD_BACK
        )
        for partition in latest
    }
    return trades["partition"].replace_strict(elsewhere, return_dtype=pl.Int64)


def expected_microbars(trades: pl.DataFrame, watermarks: Watermarks | None = None) -> pl.DataFrame:
    """Compute the rows that a job starting with empty state makes of a topic's trades.

    Args:
        trades: as ``decode_trades`` gives them; order per partition is arrival order.
        watermarks: how the job reads the topic; by default with one subtask.

    Returns:
        The columns of the table without ``ingest_ts``, in the order of the key, and

        * ``open``: the symbol's last bucket; no later trade and no watermark closes it, so
          the row must not be there yet;
        * ``ambiguous``: an event-time timer may split this bucket (a further trade of its second
          is read when the watermark may already have passed the window's end), or may or may not
          have closed it; then more than one row, and other ``seq`` from there on, are right too.
    """
    watermarks = watermarks or Watermarks()
    low, high = watermarks.final(trades)
    runs = _runs(trades, watermarks.before_each(trades))
    end = pl.col("window_end").dt.epoch("ms")
    last = pl.col("seq") == pl.len().over("symbol")
    spread = trades.group_by("symbol").agg((pl.col("partition").n_unique() > 1).alias("spread"))
    return (
        runs.join(spread, on="symbol", how="left")
        .with_columns(
            open=last & (end > low),
            ambiguous=pl.col("late") | pl.col("spread") | (last & (end > low) & (end <= high)),
        )
        .drop("late", "spread")
        .sort("symbol", "event_ts", "seq")
    )


def _runs(trades: pl.DataFrame, bound: pl.Series) -> pl.DataFrame:
    second = pl.col("t").dt.truncate("1s")
    end_ms = second.dt.epoch("ms") + 1000
    numbered = trades.with_columns(
        second=second,
        run=second.rle_id().over("symbol"),
        reached=bound >= trades.select(end_ms).to_series(),
    )
    bars = numbered.group_by("symbol", "run", maintain_order=True).agg(
        window_start=pl.col("second").first().dt.cast_time_unit("ms").dt.replace_time_zone("UTC"),
        o=pl.col("p").first(),
        h=pl.col("p").max(),
        l=pl.col("p").min(),
        c=pl.col("p").last(),
        v=pl.col("s").sum().cast(pl.Float64),
        # Added up one by one in arrival order, as the job does: a sum in another order differs
        # in the last bit.
        pv=(pl.col("p") * pl.col("s")).cum_sum().last(),
        count=pl.len().cast(pl.Int64),
        late=pl.col("reached").slice(1).any(),
    )
    window_end = pl.col("window_start") + pl.duration(seconds=1)
    return bars.select(
        "symbol",
        event_ts=window_end.cast(_UTC_MS),
        seq=(pl.col("run") + 1).cast(pl.Int64),
        is_final=pl.lit(1, pl.Int64),
        source=pl.lit("ta"),
        window_size=pl.lit("PT1S"),
        window_step=pl.lit("PT1S"),
        window_start=pl.col("window_start").cast(_UTC_MS),
        window_end=window_end.cast(_UTC_MS),
        version=pl.lit(1, pl.Int64),
        o="o",
        h="h",
        l="l",
        c="c",
        v="v",
        vwap=pl.when(pl.col("v") != 0).then(pl.col("pv") / pl.col("v")),
        count="count",
        late="late",
    )


def fold_windows(bars: pl.DataFrame) -> pl.DataFrame:
    """Fold all rows of a window into one, whoever wrote them: splits by timers vanish.

    Both expected and real rows can be folded; then they must be equal even where an event-time
    timer may have split a bucket (``ambiguous``), as long as each trade was counted once.

    Args:
        bars: rows of ``ta_microbars``; ``seq`` gives the order within a window.

    Returns:
        symbol, event_ts, o, h, l, c, v, vwap, count, rows (how many were folded).
    """
    volume = pl.col("v").sum()
    return (
        bars.sort("symbol", "event_ts", "seq")
        .group_by("symbol", "event_ts", maintain_order=True)
        .agg(
            pl.col("o").first(),
            pl.col("h").max(),
            pl.col("l").min(),
            pl.col("c").last(),
            vwap=pl.when(volume != 0).then((pl.col("vwap") * pl.col("v")).sum() / volume),
            v=volume,
            count=pl.col("count").sum(),
            rows=pl.len().cast(pl.Int64),
        )
    )
