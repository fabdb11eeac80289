"""Topics of a Kafka cluster as the topic operator sees and changes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from harness.core.errors import ServiceError
from harness.core.waiting import wait_until
from harness.world.services.kafka.client import admin_client

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

_TIMEOUT: Final = 10.0
_UNKNOWN: Final = "UNKNOWN_TOPIC_OR_PART"


class TopicError(ServiceError):
    """Kafka refused a change of a topic, or did not answer."""


@dataclass(frozen=True, slots=True)
class LiveTopic:
    """A topic as the brokers have it.

    Attributes:
        topic_id: its id; a recreated topic has another one.
        partitions: number of partitions.
        replicas: replication factor of its first partition.
        config: configuration set on the topic itself.
    """

    topic_id: str
    partitions: int
    replicas: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NewTopicPlan:
    """A topic to be created.

    Attributes:
        name: its name.
        partitions: number of partitions.
        replicas: replication factor.
        config: its configuration.
    """

    name: str
    partitions: int
    replicas: int
    config: Mapping[str, str]


class TopicAdmin(Protocol):
    """What the topic operator asks of Kafka; every call may take seconds.

    All methods raise ``TopicError`` when Kafka refuses or does not answer.
    """

    def brokers(self) -> int:
        """Return the number of live brokers."""

    def describe(self, names: Collection[str]) -> dict[str, LiveTopic]:
        """Return those of the topics that exist."""

    def create(self, plans: Sequence[NewTopicPlan]) -> dict[str, TopicError]:
        """Create topics in one request, and return why some were refused."""

    def delete(self, name: str) -> None:
        """Delete a topic."""

    def add_partitions(self, name: str, total: int) -> None:
        """Grow a topic to ``total`` partitions."""

    def configure(self, name: str, values: Mapping[str, str], unset: Iterable[str]) -> None:
        """Set configuration values of a topic, and give others back to the broker's default."""


class KafkaTopicAdmin:
    """The real thing, over the brokers' own protocol."""

    def __init__(self, bootstrap: str) -> None:
        """Connect to the cluster behind ``bootstrap``; does not wait."""
        self._client = admin_client(bootstrap)

    def brokers(self) -> int:
        """See ``TopicAdmin``."""
        return len(self._metadata().brokers)

    def describe(self, names: Collection[str]) -> dict[str, LiveTopic]:
        """See ``TopicAdmin``."""
        present = sorted(set(names) & self._metadata().topics.keys())
        if not present:
            return {}
        described = self._client.describe_topics(TopicCollection(present), request_timeout=_TIMEOUT)
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in present]
        configured = self._client.describe_configs(resources, request_timeout=_TIMEOUT)
        configs = {resource.name: _found(done) for resource, done in configured.items()}
        return {
            name: _live(description, _own(configs[name]))
            for name, done in described.items()
            if (description := _found(done)) is not None and configs[name] is not None
        }

    def create(self, plans: Sequence[NewTopicPlan]) -> dict[str, TopicError]:
        """See ``TopicAdmin``."""
        topics = [
            NewTopic(plan.name, plan.partitions, plan.replicas, config=dict(plan.config))
            for plan in plans
        ]
        refused = {}
        for name, future in self._client.create_topics(topics, request_timeout=_TIMEOUT).items():
            try:
                _result(future)
            except TopicError as error:
                refused[name] = error
        self._wait_known({plan.name for plan in plans} - refused.keys())
        return refused

    def _wait_known(self, names: set[str]) -> None:
        # The controller answers before every broker has learnt of the topics.
        wait_until(
            lambda: names <= self._metadata().topics.keys(),
            what=f"topics to be known: {', '.join(sorted(names))}",
            timeout=_TIMEOUT,
            expected=(TopicError,),
        )

    def delete(self, name: str) -> None:
        """See ``TopicAdmin``."""
        _only(self._client.delete_topics([name], request_timeout=_TIMEOUT))

    def add_partitions(self, name: str, total: int) -> None:
        """See ``TopicAdmin``."""
        grown = NewPartitions(name, total)
        _only(self._client.create_partitions([grown], request_timeout=_TIMEOUT))

    def configure(self, name: str, values: Mapping[str, str], unset: Iterable[str]) -> None:
        """See ``TopicAdmin``."""
        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
            for key, value in values.items()
        ] + [
            ConfigEntry(key, None, incremental_operation=AlterConfigOpType.DELETE) for key in unset
        ]
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
        _only(self._client.incremental_alter_configs([resource], request_timeout=_TIMEOUT))

    def _metadata(self) -> Any:  # noqa: ANN401 - confluent's ClusterMetadata is untyped
        try:
            return self._client.list_topics(timeout=_TIMEOUT)
        except KafkaException as error:
            raise _error(error) from error


def _only(futures: Mapping[Any, Any]) -> None:
    for future in futures.values():
        _result(future)


def _result(future: Any) -> Any:  # noqa: ANN401 - confluent's futures are untyped
    try:
        return future.result()
    except KafkaException as error:
        raise _error(error) from error


def _found(future: Any) -> Any:  # noqa: ANN401 - confluent's futures are untyped
    """Return a result; None when the topic went away after the metadata was read."""
    try:
        return _result(future)
    except TopicError as error:
        if _UNKNOWN not in error.what:
            raise
        return None


def _error(error: KafkaException) -> TopicError:
    cause = error.args[0]
    return TopicError(f"{cause.name()}: {cause.str()}", hint="are all brokers up?")


def _own(entries: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: entry.value
        for name, entry in entries.items()
        if entry.source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    }


def _live(description: Any, config: Mapping[str, str]) -> LiveTopic:  # noqa: ANN401 - untyped
    partitions = description.partitions
    return LiveTopic(
        str(description.topic_id), len(partitions), len(partitions[0].replicas), config
    )
