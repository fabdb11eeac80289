"""The offset commits of all consumer groups, read from the topic that the brokers keep them in.

The admin protocol shows only each group's latest commit. The internal topic shows every commit
in order, also of groups that have since been deleted, so it can prove that a group is new.
Layout of keys and values: Apache Kafka's ``OffsetCommitKey``, ``OffsetCommitValue`` and
``GroupMetadataKey`` message definitions.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import Consumer, KafkaError, TopicPartition

from harness.core.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.checks.evidence import Partition

OFFSETS_TOPIC: Final = "__consumer_offsets"
_COMMIT_KEYS: Final = (0, 1)
_READ_TIMEOUT: Final = 20.0


@dataclass(frozen=True, slots=True)
class Commit:
    """One record of the offsets topic.

    Attributes:
        group: consumer group.
        partition: topic and partition; None for records about the group itself.
        offset: committed offset; None for a tombstone (expired or deleted) or a group record.
    """

    group: str
    partition: Partition | None
    offset: int | None


def decode(key: bytes, value: bytes | None) -> Commit | None:
    """Decode one record of the offsets topic.

    Args:
        key: the record's key.
        value: the record's value; None is a tombstone.

    Returns:
        None for a key of no use here (empty or cut short).
    """
    try:
        (version,) = struct.unpack_from(">h", key)
        group, position = _string(key, 2)
        if version not in _COMMIT_KEYS:
            return Commit(group, None, None)
        topic, position = _string(key, position)
        (number,) = struct.unpack_from(">i", key, position)
        offset = struct.unpack_from(">q", value, 2)[0] if value else None
    except (struct.error, UnicodeDecodeError):
        return None
    return Commit(group, (topic, number), offset)


def _string(data: bytes, position: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">h", data, position)
    end = position + 2 + length
    if len(data) < end or length < 0:
        raise struct.error("string cut short")
    return data[position + 2 : end].decode(), end


class CommitReader:
    """Reads the offsets topic from where it stopped the last time; joins no group."""

    def __init__(self, bootstrap: str) -> None:
        """Connect to the brokers at ``bootstrap``."""
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "unused-assign-only",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                # What ends in compacted gaps or markers has no last record to wait for.
                "enable.partition.eof": True,
                "reconnect.backoff.max.ms": 200,
                "log_level": 0,
            }
        )
        self._positions: dict[int, int] = {}

    def new_commits(self) -> list[Commit]:
        """Return what was written since the last call (or since the beginning)."""
        return [commit for number in self._partitions() for commit in self._read(number)]

    def _partitions(self) -> list[int]:
        topics = self._consumer.list_topics(OFFSETS_TOPIC, timeout=_READ_TIMEOUT).topics
        metadata = topics[OFFSETS_TOPIC]
        # Before the first commit ever the topic does not exist: there are no commits.
        return [] if metadata.error else sorted(metadata.partitions)

    def _read(self, number: int) -> Iterator[Commit]:
        low, high = self._consumer.get_watermark_offsets(
            TopicPartition(OFFSETS_TOPIC, number), timeout=_READ_TIMEOUT
        )
        position = max(self._positions.get(number, low), low)
        if position < high:
            self._consumer.assign([TopicPartition(OFFSETS_TOPIC, number, position)])
        while position < high:
            message = self._poll(number, position, high)
            if message is None:
                position = high
                break
            position = message.offset() + 1
            commit = decode(message.key() or b"", message.value())
            if commit is not None:
                yield commit
        self._positions[number] = position

    def _poll(self, number: int, position: int, high: int) -> Any:  # noqa: ANN401 - untyped library
        """Return the next record; None at the end of the partition."""
        message = self._consumer.poll(_READ_TIMEOUT)
        if message is None:
            raise ServiceError(
                f"{OFFSETS_TOPIC}-{number} gave nothing at offset {position} of {high} "
                f"for {_READ_TIMEOUT:g} s",
                hint="look at the brokers' logs",
            )
        error = message.error()
        if error is None:
            return message
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
            return None
        raise ServiceError(f"{OFFSETS_TOPIC}-{number}: {error}")

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()
