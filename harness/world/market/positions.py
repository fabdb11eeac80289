"""Where a consumer group stands before the first record is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition

from harness.core.errors import ServiceError
from harness.world.services.kafka.client import admin_client

if TYPE_CHECKING:
    from collections.abc import Iterable

_TIMEOUT: Final = 20.0


def commit_start(bootstrap: str, group: str, topics: Iterable[str]) -> dict[str, int]:
    """Commit offset 0 of every partition, as a group that has long been at work has commits.

    A job that starts without any is sent to the end of its topics by the reset policy
    ``latest``, and fails under ``none``. When it looks for the end is its own affair: records
    written before that would never be read, and nobody outside can tell.

    Args:
        bootstrap: bootstrap servers.
        group: the group; it must have no members. Flink's sources are none.
        topics: names of topics, still without records.

    Returns:
        Number of partitions by topic.

    Raises:
        ServiceError: when the brokers refuse or do not answer.
    """
    admin = admin_client(bootstrap)
    try:
        known = admin.list_topics(timeout=_TIMEOUT).topics
        counts = {topic: len(known[topic].partitions) for topic in topics}
        starts = [TopicPartition(t, p, 0) for t, count in counts.items() for p in range(count)]
        request = [ConsumerGroupTopicPartitions(group, starts)]
        done = admin.alter_consumer_group_offsets(request, request_timeout=_TIMEOUT)
        answered = done[group].result().topic_partitions
    except (KafkaException, KeyError) as error:
        raise ServiceError(f"the start of {group} cannot be committed: {error}") from error
    refused = [str(one.error) for one in answered if one.error is not None]
    if refused:
        raise ServiceError(f"the start of {group} cannot be committed: {refused[0]}")
    return counts
