"""The Kafka brokers, for groups and offsets: reads only, joins no group, commits nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from harness.replay.runner.names import RunnerError
from harness.replay.runner.verification import Consumption

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TIMEOUT: Final = 15.0


def client_properties(bootstrap: str, properties: Iterable[str]) -> dict[str, str]:
    """Return the client's configuration.

    Args:
        bootstrap: ``host:port``, separated by commas.
        properties: values of ``--kafka-property``, ``key=value``, e.g. for SASL.

    Raises:
        RunnerError: when one is not of that form.
    """
    settings = {"bootstrap.servers": bootstrap}
    for text in properties:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise RunnerError("--kafka-property must be key=value")
        settings[key.strip()] = value
    return settings


class Brokers:
    """The brokers of a cluster."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        """Prepare a client.

        Raises:
            RunnerError: when a property does not exist.
        """
        try:
            self._admin = AdminClient({"log_level": 0, **properties})
        except KafkaException as error:
            raise RunnerError(f"the Kafka client cannot be made: {error}") from error

    def groups(self) -> set[str]:
        """Return all consumer groups that the brokers know: members, or commits not expired.

        Raises:
            RunnerError: when the brokers do not answer, or not all of them.
        """
        try:
            listed = self._admin.list_consumer_groups(request_timeout=_TIMEOUT).result()
        except KafkaException as error:
            raise _silent(error) from error
        if listed.errors:
            raise _silent(listed.errors[0])
        return {group.group_id for group in listed.valid}

    def consumption(self, group: str, topics: Iterable[str]) -> Consumption:
        """Return where a group stands in some topics.

        Raises:
            RunnerError: when the brokers do not answer.
        """
        try:
            return Consumption(committed=self._committed(group), latest=self._latest(list(topics)))
        except KafkaException as error:
            raise _silent(error) from error

    def _committed(self, group: str) -> dict[str, int]:
        future = self._admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group)], request_timeout=_TIMEOUT
        )[group]
        return {_key(tp): tp.offset for tp in future.result().topic_partitions if tp.offset >= 0}

    def _latest(self, topics: list[str]) -> dict[str, int]:
        described = self._admin.describe_topics(TopicCollection(topics), request_timeout=_TIMEOUT)
        wanted = {
            TopicPartition(topic, number): OffsetSpec.latest()
            for topic, future in described.items()
            for number in range(len(future.result().partitions))
        }
        futures = self._admin.list_offsets(wanted, request_timeout=_TIMEOUT)
        return {_key(tp): future.result().offset for tp, future in futures.items()}


def _key(partition: Any) -> str:  # noqa: ANN401 - an untyped library
    return f"{partition.topic}/{partition.partition}"


def _silent(error: object) -> RunnerError:
    return RunnerError(
        f"the Kafka brokers cannot be asked: {error}",
        hint="check --kafka-bootstrap; --kafka-property gives the client's security settings",
    )
