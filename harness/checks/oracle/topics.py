"""Reads a whole topic as it lies there, leaving no trace on the brokers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import polars as pl
from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from harness.core.errors import ServiceError
from harness.core.waiting import WaitTimeoutError, wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka import Message

RAW_SCHEMA: Final = pl.Schema(
    {
        "partition": pl.Int32(),
        "offset": pl.Int64(),
        "timestamp": pl.Int64(),
        "key": pl.String(),
        "value": pl.Binary(),
    }
)
"""Columns of raw records: partition, offset, record timestamp (ms), key, value as it is."""

_CONSUMER: Final = {
    # librdkafka wants a name, but with assign() and no commit no group ever exists.
    "group.id": "torghut-oracle-reads-without-a-group",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "enable.partition.eof": True,
    "isolation.level": "read_committed",
    "fetch.wait.max.ms": 10,
    "queued.min.messages": 500_000,
    "fetch.message.max.bytes": 8_000_000,
    "reconnect.backoff.max.ms": 200,
    "log_level": 2,
}
_CHUNK: Final = 20_000
_TOPIC_SECONDS: Final = 3.0
_LEADER_SECONDS: Final = 20.0
_MOVING: Final = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)
"""Errors of a topic that is new, or of a partition that changes its leader; they pass."""


def read_topic(
    bootstrap: str, topic: str, *, timeout: float = 60.0, client: Mapping[str, Any] | None = None
) -> pl.DataFrame:
    """Read every record between the earliest offset and the high watermark of this moment.

    Partitions are assigned, so no consumer group is joined and nothing is committed.

    Args:
        bootstrap: bootstrap servers, comma separated.
        topic: topic name.
        timeout: seconds without any record before giving up.
        client: further settings of librdkafka.

    Returns:
        Raw records with the columns of ``RAW_SCHEMA``, sorted by partition and offset.

    Raises:
        ServiceError: when the topic does not exist or the brokers stop answering.
    """
    consumer = Consumer({**_CONSUMER, "bootstrap.servers": bootstrap, **(client or {})})
    try:
        ends = _bounds(consumer, topic, timeout)
        frames = _read(consumer, topic, ends, timeout)
    except KafkaException as error:
        raise ServiceError(
            f"topic {topic} cannot be read: {error}", where=bootstrap, hint="is the world up?"
        ) from error
    finally:
        consumer.close()
    return pl.concat([pl.DataFrame(schema=RAW_SCHEMA), *frames]).sort("partition", "offset")


def _bounds(consumer: Consumer, topic: str, timeout: float) -> dict[int, tuple[int, int]]:
    """Return the earliest offset and the high watermark of each partition that has records."""
    partitions = _partitions(consumer, topic, timeout)
    bounds = wait_until(
        lambda: _offsets(consumer, topic, partitions, timeout),
        what=f"the leaders of topic {topic}",
        timeout=min(_LEADER_SECONDS, timeout),
        holds=lambda found: len(found) == len(partitions),
        hint="see the brokers' logs",
    )
    if missing := [number for number, pair in bounds.items() if OFFSET_INVALID in pair]:
        raise ServiceError(f"topic {topic}: no offsets for partitions {missing}")
    return {number: pair for number, pair in bounds.items() if pair[0] < pair[1]}


def _offsets(
    consumer: Consumer, topic: str, partitions: list[int], timeout: float
) -> dict[int, tuple[int, int]]:
    """Return earliest offset and high watermark; nothing while leadership is on the move."""
    try:
        return {
            number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=timeout)
            for number in partitions
        }
    except KafkaException as error:
        if error.args[0].code() in _MOVING:
            return {}
        raise


def _partitions(consumer: Consumer, topic: str, timeout: float) -> list[int]:
    """Return a topic's partitions; a new topic is not known to every broker at once."""
    try:
        known = wait_until(
            lambda: consumer.list_topics(topic, timeout=timeout).topics[topic],
            what=f"topic {topic}",
            timeout=min(_TOPIC_SECONDS, timeout),
            holds=lambda found: (
                found.error is None and all(p.leader >= 0 for p in found.partitions.values())
            ),
        )
    except WaitTimeoutError as error:
        raise ServiceError(
            f"topic {topic} cannot be read: it does not exist or has a partition without leader",
            hint="kafka-topics.sh --describe tells which",
        ) from error
    return list(known.partitions)


def _read(
    consumer: Consumer, topic: str, bounds: dict[int, tuple[int, int]], timeout: float
) -> list[pl.DataFrame]:
    consumer.assign([TopicPartition(topic, number, low) for number, (low, _) in bounds.items()])
    open_until = {number: high for number, (_, high) in bounds.items()}
    frames, heard = [], time.monotonic()
    while open_until:
        messages = consumer.consume(_CHUNK, timeout=0.1)
        if messages:
            heard = time.monotonic()
            frames.append(_frame(messages, bounds, open_until))
        elif time.monotonic() - heard > timeout:
            raise ServiceError(
                f"topic {topic}: no record for {timeout:g} s, partitions {sorted(open_until)} "
                "are not at their high watermark",
                hint="see the brokers' logs",
            )
    return frames


def _frame(
    messages: list[Message], bounds: dict[int, tuple[int, int]], open_until: dict[int, int]
) -> pl.DataFrame:
    """Keep the records below the high watermarks; close partitions that have reached theirs."""
    rows = []
    for message in messages:
        partition, offset, error = message.partition(), message.offset(), message.error()
        if error is not None:
            _end_of_partition(error, partition, offset, open_until)
            continue
        if offset < bounds[partition][1]:
            key = (message.key() or b"").decode("utf-8", "replace")
            rows.append((partition, offset, message.timestamp()[1], key, message.value()))
        if offset >= bounds[partition][1] - 1:
            open_until.pop(partition, None)
    return pl.DataFrame(rows, schema=RAW_SCHEMA, orient="row")


def _end_of_partition(
    error: KafkaError, partition: int, offset: int, open_until: dict[int, int]
) -> None:
    """Note that a partition was read to its end; the last offset may be a control record."""
    if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's public constant
        raise KafkaException(error)
    if offset >= open_until.get(partition, 0):
        open_until.pop(partition, None)
