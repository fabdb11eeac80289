"""The JSON that production's forwarder writes, rendered column by column.

Fields, their order and the nulls are those of profile S (camelCase; defaults are written).
Doubles are printed in their shortest form that reads back equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

_NANOSECONDS: Final = "%Y-%m-%dT%H:%M:%S%.9fZ"
_MICROSECONDS: Final = "%Y-%m-%dT%H:%M:%S%.6fZ"
_SECONDS: Final = "%Y-%m-%dT%H:%M:%SZ"


def _instant(column: str, layout: str) -> pl.Expr:
    return pl.col(column).cast(pl.Datetime("ns")).dt.strftime(layout)


def _text(*parts: str | pl.Expr) -> pl.Expr:
    """Join literals and columns; null where any column is null."""
    return pl.concat_str([pl.lit(part) if isinstance(part, str) else part for part in parts])


def _numbers(names: Sequence[tuple[str, str]]) -> list[str | pl.Expr]:
    """Render ``"field":value,`` for each pair of field and column."""
    parts: list[str | pl.Expr] = []
    for field, column in names:
        parts += [f'"{field}":', pl.col(column), ","]
    return parts


def _trade() -> pl.Expr:
    return _text(
        *('{"T":"t","S":"', pl.col("symbol"), '","i":', pl.col("trade_id"), ',"x":"V",'),
        *_numbers([("p", "p"), ("s", "s")]),
        *('"c":["@"],"t":"', _instant("event_ns", _NANOSECONDS), '","z":"C"}'),
    )


def _quote() -> pl.Expr:
    return _text(
        *('{"T":"q","S":"', pl.col("symbol"), '","bx":"V",'),
        *_numbers([("bp", "bp"), ("bs", "bs")]),
        '"ax":"V",',
        *_numbers([("ap", "ap"), ("as", "asz")]),
        *('"c":["R"],"t":"', _instant("event_ns", _NANOSECONDS), '","z":"C"}'),
    )


def _bar() -> pl.Expr:
    return _text(
        *('{"T":"', pl.when(pl.col("channel") == "bars").then(pl.lit("b")).otherwise(pl.lit("u"))),
        *('","S":"', pl.col("symbol"), '",'),
        *_numbers([(name, name) for name in ("o", "h", "l", "c", "v", "n", "vw")]),
        *('"t":"', _instant("event_ns", _SECONDS), '"}'),
    )


def _event_time() -> pl.Expr:
    return (
        pl.when(pl.col("role") == "bars1m")
        .then(_instant("event_ns", _SECONDS))
        .otherwise(_instant("event_ns", _NANOSECONDS))
    )


def _envelope(payload: pl.Expr) -> pl.Expr:
    final = (
        pl.when(pl.col("channel") == "updatedBars").then(pl.lit("false")).otherwise(pl.lit("true"))
    )
    return _text(
        *('{"ingestTs":"', _instant("arrival_ns", _MICROSECONDS), '","eventTs":"', _event_time()),
        *('","feed":"alpaca","channel":"', pl.col("channel"), '","symbol":"', pl.col("symbol")),
        *('","seq":', pl.col("seq"), ',"payload":', payload, ',"isFinal":', final),
        ',"source":"ws","window":null,"version":1}',
    )


def render(ticks: pl.DataFrame) -> pl.DataFrame:
    """Turn ticks into records of the layout of ``RECORD_SCHEMA``, order kept.

    Args:
        ticks: rows of a market's timeline, with ``seq``.
    """
    payload = pl.coalesce(_trade(), _quote(), _bar())
    return ticks.select(
        "role",
        pl.col("symbol").alias("key"),
        pl.coalesce(pl.col("raw"), _envelope(payload)).alias("value"),
        (pl.col("arrival_ns") // 1_000_000).alias("timestamp"),
        "event_ns",
    )
