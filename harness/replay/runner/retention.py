"""How long the topics keep their records, as their KafkaTopic resources say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from harness.replay.runner.names import DAY_MS, DERIVED_ROLES, RAW_ROLES, TOPICS, RunnerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCHEMA: Final = "torghut.kafka-retention-preflight.v1"


def roles_to_topics(overrides: Iterable[str]) -> dict[str, str]:
    """Return the topic of each role.

    Args:
        overrides: values of ``--kafka-retention-topic``, ``role=topic``.

    Raises:
        RunnerError: when one is not of that form.
    """
    topics = dict(TOPICS)
    for text in overrides:
        role, equals, topic = (part.strip() for part in text.partition("="))
        if not equals:
            raise RunnerError(f"--kafka-retention-topic must be role=topic, got {text}")
        if role not in topics:
            raise RunnerError(
                f"unknown kafka retention topic role {role}", hint=f"roles: {', '.join(topics)}"
            )
        if not topic:
            raise RunnerError(f"kafka retention topic for role {role} cannot be empty")
        topics[role] = topic
    return topics


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicRetention:
    """A topic of a role.

    Attributes:
        role: e.g. ``trades``.
        topic: name of the topic.
        found: whether there is a KafkaTopic for it.
        retention_ms: ``retention.ms``; None when it is not set. Negative: for ever.
        ready: ``true``, ``false`` or ``unknown``: the Topic Operator's condition.
        partitions: number of partitions.
        replicas: replication factor.
    """

    role: str
    topic: str
    found: bool = True
    retention_ms: int | None = None
    ready: str = "unknown"
    partitions: int | None = None
    replicas: int | None = None

    @property
    def days(self) -> float | None:
        """Retention in days, two decimal places."""
        return None if self.retention_ms is None else round(self.retention_ms / DAY_MS, 2)

    def trouble(self, required_days: int) -> list[str]:
        """Return what is wrong with the topic, first what it is, then what it keeps."""
        name = f"{self.role}:{self.topic}"
        if not self.found:
            return [f"kafka_topic_missing:{name}"]
        troubles = []
        if self.ready == "false":
            troubles.append(f"kafka_topic_not_ready:{name}:{self.ready}")
        return troubles + self.shortage(required_days)

    def shortage(self, required_days: int) -> list[str]:
        """Return what is wrong with the retention of a topic that exists."""
        if not self.found:
            return []
        if self.retention_ms is None:
            return [f"retention_missing:{self.role}:{self.topic}"]
        if 0 <= self.retention_ms < required_days * DAY_MS:
            return [f"retention_shortfall:{self.role}:{self.days:g}<{required_days}"]
        return []

    def to_json(self) -> dict[str, Any]:
        """Return one of the report's ``topics``."""
        return {
            "role": self.role,
            "topic": self.topic,
            "retention_ms": self.retention_ms,
            "retention_days": self.days,
            "ready": self.ready,
            "partitions": self.partitions,
            "replicas": self.replicas,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """The retention preflight.

    Attributes:
        trading_days: trading days wanted.
        calendar_days: days of retention that they need.
        topics: one for each role.
    """

    trading_days: int
    calendar_days: int
    topics: tuple[TopicRetention, ...]

    def trouble(self, roles: Iterable[str]) -> list[str]:
        """Return what is wrong with the topics of some roles."""
        return [
            text
            for topic in self.topics
            if topic.role in roles
            for text in topic.trouble(self.calendar_days)
        ]

    def _short(self, roles: Iterable[str]) -> bool:
        return any(t.shortage(self.calendar_days) for t in self.topics if t.role in roles)

    @property
    def blockers(self) -> list[str]:
        """What is wrong with any topic."""
        return self.trouble((*RAW_ROLES, *DERIVED_ROLES))

    @property
    def status(self) -> str:
        """``ok`` or the first that applies."""
        if self._short(RAW_ROLES):
            return "insufficient_source_retention"
        if self._short(DERIVED_ROLES):
            return "insufficient_derived_topic_retention"
        return "kafka_topic_preflight_blocked" if self.blockers else "ok"

    def to_json(self) -> dict[str, Any]:
        """Return the report's ``kafka_retention``."""
        return {
            "schema": SCHEMA,
            "status": self.status,
            "blockers": self.blockers,
            "summary": {
                "required_trading_days": self.trading_days,
                "required_calendar_days": self.calendar_days,
                "raw_replay_source_roles": list(RAW_ROLES),
                "derived_ta_topic_roles": list(DERIVED_ROLES),
            },
            "topics": [topic.to_json() for topic in self.topics],
        }


def read_topics(
    roles: Mapping[str, str], resources: Iterable[Mapping[str, Any]]
) -> tuple[TopicRetention, ...]:
    """Find the KafkaTopic of each role.

    Args:
        roles: topic by role.
        resources: KafkaTopic objects. A topic's name is ``spec.topicName`` where that is set.
    """
    by_name = {
        resource.get("spec", {}).get("topicName") or resource["metadata"]["name"]: resource
        for resource in resources
    }
    return tuple(_topic(role, name, by_name.get(name)) for role, name in roles.items())


def _topic(role: str, name: str, resource: Mapping[str, Any] | None) -> TopicRetention:
    if resource is None:
        return TopicRetention(role=role, topic=name, found=False)
    spec = resource.get("spec", {})
    return TopicRetention(
        role=role,
        topic=name,
        retention_ms=_whole((spec.get("config") or {}).get("retention.ms")),
        ready=_ready(resource),
        partitions=_whole(spec.get("partitions")),
        replicas=_whole(spec.get("replicas")),
    )


def _whole(value: object) -> int | None:
    """Return a number that a manifest may hold as text; None for what is none."""
    try:
        return int(str(value))
    except ValueError:
        return None


def _ready(resource: Mapping[str, Any]) -> str:
    conditions = (resource.get("status") or {}).get("conditions") or []
    status = next((c.get("status") for c in conditions if c.get("type") == "Ready"), None)
    return str(status or "unknown").lower()
