"""The brokers' state at one moment: topics, offsets, groups, commits."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import ConsumerGroupTopicPartitions, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    ConfigSource,
    OffsetSpec,
    ResourceType,
)

from harness.checks.evidence import KafkaState, TopicState
from harness.replay.observe.commits import CommitReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.checks.evidence import Partition

_TIMEOUT: Final = 20.0


class BrokerObserver:
    """Takes snapshots of the brokers; commits nothing, joins no group."""

    def __init__(self, bootstrap: str) -> None:
        """Connect to the brokers at ``bootstrap``."""
        self._admin = AdminClient(
            {"bootstrap.servers": bootstrap, "reconnect.backoff.max.ms": 200, "log_level": 0}
        )
        self._commits = CommitReader(bootstrap)
        self._reading = threading.Lock()
        self._groups: set[str] = set()
        self._first: dict[str, dict[Partition, int]] = {}

    def snapshot(self) -> KafkaState:
        """Return the state of all topics and groups."""
        self.read_commits()
        topics = self._topics()
        partitions = [(t, p) for t, state in topics.items() for p in range(state.partitions)]
        groups = frozenset(self._listed_groups() | self._groups)
        return KafkaState(
            topics=topics,
            earliest=self._offsets(partitions, OffsetSpec.earliest()),
            latest=self._offsets(partitions, OffsetSpec.latest()),
            groups=groups,
            committed={group: self.committed(group) for group in sorted(groups)},
        )

    def read_commits(self) -> None:
        """Take note of commits written since the last look."""
        with self._reading:  # the reader has one position; a monitor and the end may both look
            for commit in self._commits.new_commits():
                self._groups.add(commit.group)
                if commit.partition is not None and commit.offset is not None:
                    first = self._first.setdefault(commit.group, {})
                    first.setdefault(commit.partition, commit.offset)

    def first_commit(self, group: str) -> Mapping[Partition, int]:
        """Return the first offset that ``group`` ever committed, by partition."""
        return dict(self._first.get(group, {}))

    def committed(self, group: str) -> dict[Partition, int]:
        """Return the committed offsets of ``group``; empty for a group that has none."""
        future = self._admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group)], request_timeout=_TIMEOUT
        )[group]
        return {
            (tp.topic, tp.partition): tp.offset
            for tp in future.result().topic_partitions
            if tp.offset >= 0
        }

    def latest(self, topics: Iterable[str]) -> dict[Partition, int]:
        """Return the high watermark of each partition of ``topics``."""
        states = self._describe(list(topics))
        partitions = [(t, p) for t, d in states.items() for p in range(len(d.partitions))]
        return self._offsets(partitions, OffsetSpec.latest())

    def _offsets(self, partitions: list[Partition], spec: OffsetSpec) -> dict[Partition, int]:
        if not partitions:
            return {}
        futures = self._admin.list_offsets(
            {TopicPartition(topic, number): spec for topic, number in partitions},
            request_timeout=_TIMEOUT,
        )
        return {(tp.topic, tp.partition): future.result().offset for tp, future in futures.items()}

    def _listed_groups(self) -> set[str]:
        listed = self._admin.list_consumer_groups(request_timeout=_TIMEOUT).result()
        return {group.group_id for group in listed.valid}

    def _describe(self, names: list[str]) -> dict[str, Any]:
        futures = self._admin.describe_topics(TopicCollection(names), request_timeout=_TIMEOUT)
        return {name: future.result() for name, future in futures.items()}

    def _topics(self) -> dict[str, TopicState]:
        names = sorted(
            name for name in self._admin.list_topics(timeout=_TIMEOUT).topics if name[:2] != "__"
        )
        if not names:
            return {}
        settings = self._settings(names)
        return {
            name: TopicState(
                topic_id=str(topic.topic_id),
                partitions=len(topic.partitions),
                replication_factor=min(len(p.replicas) for p in topic.partitions),
                settings=settings[name],
            )
            for name, topic in self._describe(names).items()
        }

    def _settings(self, names: list[str]) -> dict[str, dict[str, str]]:
        futures = self._admin.describe_configs(
            [ConfigResource(ResourceType.TOPIC, name) for name in names], request_timeout=_TIMEOUT
        )
        return {
            resource.name: {
                entry.name: str(entry.value)
                for entry in future.result().values()
                if entry.source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value
            }
            for resource, future in futures.items()
        }

    def close(self) -> None:
        """Disconnect."""
        self._commits.close()
