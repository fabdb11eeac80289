"""Decodes input records as strictly as the job does: what it would drop is not there.

Unknown keys are ignored; a record without a required field, or with one of another type, is
dropped, as is everything that is not a JSON object. Required of the envelope: ``ingestTs``,
``eventTs``, ``feed``, ``channel``, ``symbol``, ``seq``, ``payload``; of a trade ``p``, ``s``,
``t``; of a quote ``bp``, ``bs``, ``ap``, ``as``, ``t``; of a bar ``o``, ``h``, ``l``, ``c``,
``v``, ``t``. Sizes and volumes are whole numbers in profile S.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_HEAD: Final = {
    "partition": pl.Int32(),
    "offset": pl.Int64(),
    "ingest_text": pl.String(),
    "event_text": pl.String(),
    "symbol": pl.String(),
    "seq": pl.Int64(),
    "is_final": pl.Boolean(),
    "source": pl.String(),
    "version": pl.Int64(),
    "t_text": pl.String(),
}
_LAYOUT: Final = "%Y-%m-%dT%H:%M:%S%.fZ"
_NUMBER: Final = (int, float)
_LONGS: Final = (-(2**63), 2**63 - 1)

_Row = tuple[Any, ...]


def decode_trades(raw: pl.DataFrame) -> pl.DataFrame:
    """Decode trades.

    Args:
        raw: raw records, as ``read_topic`` gives them, in arrival order per partition.

    Returns:
        partition, offset, ingest_ts, event_ts, symbol, seq, is_final, source, version, t (all
        instants Datetime ns), p, s; order kept.
    """
    return _decode(raw, _trade, {"p": pl.Float64(), "s": pl.Int64()})


def decode_quotes(raw: pl.DataFrame) -> pl.DataFrame:
    """Decode quotes: the head of ``decode_trades``, then bp, bs, ap, asz (ask size)."""
    columns = {"bp": pl.Float64(), "bs": pl.Int64(), "ap": pl.Float64(), "asz": pl.Int64()}
    return _decode(raw, _quote, columns)


def decode_bars(raw: pl.DataFrame) -> pl.DataFrame:
    """Decode 1-minute bars: the head of ``decode_trades``, then o, h, l, c, v."""
    columns = dict.fromkeys(("o", "h", "l", "c", "v"), pl.Float64())
    return _decode(raw, _bar, columns)


def _trade(payload: dict[str, Any]) -> _Row | None:
    price, size = payload["p"], payload["s"]
    if type(price) in _NUMBER and _is_long(size):
        return float(price), size
    return None


def _quote(payload: dict[str, Any]) -> _Row | None:
    bid, bid_size, ask, ask_size = payload["bp"], payload["bs"], payload["ap"], payload["as"]
    prices = type(bid) in _NUMBER and type(ask) in _NUMBER
    if prices and _is_long(bid_size) and _is_long(ask_size):
        return float(bid), bid_size, float(ask), ask_size
    return None


def _bar(payload: dict[str, Any]) -> _Row | None:
    values = [payload[name] for name in ("o", "h", "l", "c", "v")]
    if all(type(value) in _NUMBER for value in values):
        return tuple(float(value) for value in values)
    return None


def _is_long(value: object) -> bool:
    """Whether a value is a whole number of 64 bits; ``True`` is none."""
    return type(value) is int and _LONGS[0] <= value <= _LONGS[1]


def _decode(
    raw: pl.DataFrame,
    payload_of: Callable[[dict[str, Any]], _Row | None],
    columns: Mapping[str, pl.DataType],
) -> pl.DataFrame:
    records = zip(raw["partition"], raw["offset"], raw["value"], strict=True)
    frame = pl.DataFrame(
        _rows(records, payload_of), schema={**_HEAD, **columns}, orient="row"
    ).with_columns(
        pl.col(f"{name}_text").str.to_datetime(_LAYOUT, time_unit="ns", strict=False).alias(out)
        for name, out in (("ingest", "ingest_ts"), ("event", "event_ts"), ("t", "t"))
    )
    head = ["partition", "offset", "ingest_ts", "event_ts", "symbol", "seq"]
    return frame.drop_nulls(["ingest_ts", "event_ts", "t"]).select(
        *head, "is_final", "source", "version", "t", *columns
    )


def _rows(
    records: Iterable[tuple[int, int, bytes | None]],
    payload_of: Callable[[dict[str, Any]], _Row | None],
) -> list[_Row]:
    rows = []
    for partition, offset, value in records:
        try:
            envelope = orjson.loads(value or b"")
            payload = envelope["payload"]
            fields = payload_of(payload)
            row = (
                partition,
                offset,
                envelope["ingestTs"],
                envelope["eventTs"],
                envelope["symbol"],
                envelope["seq"],
                envelope.get("isFinal", True),
                envelope.get("source"),
                envelope.get("version", 1),
                payload["t"],
            )
            texts = (row[2], row[3], row[4], row[9], envelope["feed"], envelope["channel"])
        except (ValueError, LookupError, TypeError, AttributeError):
            continue
        if fields is not None and _typed(row, texts):
            rows.append(row + fields)
    return rows


def _typed(row: _Row, texts: _Row) -> bool:
    return (
        all(type(text) is str for text in texts)
        and _is_long(row[5])
        and type(row[6]) is bool
        and (row[7] is None or type(row[7]) is str)
        and _is_long(row[8])
    )
