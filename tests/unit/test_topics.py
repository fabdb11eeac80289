from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from harness.core.audit import AuditTrail
from harness.world.control_plane.client import Client
from harness.world.control_plane.store import Store
from harness.world.control_plane.topic_admin import LiveTopic, NewTopicPlan, TopicError
from harness.world.control_plane.topics import TopicOperator

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

LZ4 = {"compression.type": "lz4", "retention.ms": "1209600000"}


class FakeKafka:
    """Topics of a cluster in memory, which counts changes and refuses when told to."""

    def __init__(self, brokers: int = 3) -> None:
        self.topics: dict[str, LiveTopic] = {}
        self.count = brokers
        self.changes: list[str] = []
        self.refusing: set[str] = set()

    def brokers(self) -> int:
        return self.count

    def describe(self, names: Collection[str]) -> dict[str, LiveTopic]:
        return {name: self.topics[name] for name in names if name in self.topics}

    def _change(self, verb: str, name: str) -> None:
        if name in self.refusing:
            raise TopicError(f"POLICY_VIOLATION: {name}")
        self.changes.append(f"{verb} {name}")

    def create(self, plans: Iterable[NewTopicPlan]) -> dict[str, TopicError]:
        refused = {}
        for plan in plans:
            try:
                self._change("create", plan.name)
            except TopicError as error:
                refused[plan.name] = error
                continue
            topic_id = f"id-{len(self.changes)}"
            self.topics[plan.name] = LiveTopic(
                topic_id, plan.partitions, plan.replicas, dict(plan.config)
            )
        return refused

    def make(self, name: str) -> None:
        """Create a topic as ``kafka-topics.sh --create`` without configuration does."""
        self.create([NewTopicPlan(name, 1, 3, {})])

    def delete(self, name: str) -> None:
        self._change("delete", name)
        del self.topics[name]

    def add_partitions(self, name: str, total: int) -> None:
        self._change("grow", name)
        old = self.topics[name]
        self.topics[name] = LiveTopic(old.topic_id, total, old.replicas, old.config)

    def configure(self, name: str, values: Mapping[str, str], unset: Iterable[str]) -> None:
        self._change("configure", name)
        old = self.topics[name]
        config = {k: v for k, v in {**old.config, **values}.items() if k not in set(unset)}
        self.topics[name] = LiveTopic(old.topic_id, old.partitions, old.replicas, config)


class Strimzi:
    def __init__(self, root: Path, brokers: int = 3) -> None:
        self.audit = AuditTrail(root / "audit.jsonl")
        self.store = Store(namespaces=("kafka",))
        self.user = Client(self.store, self.audit, "user")
        self.kafka = FakeKafka(brokers)
        client = Client(self.store, self.audit, "strimzi-topic-operator")
        self.operator = TopicOperator(client, self.kafka, self.audit)

    def declare(self, name: str, metadata: dict[str, Any] | None = None, **spec: Any) -> None:
        config = {"compression.type": "lz4", "retention.ms": 1209600000}
        self.user.create(
            {
                "apiVersion": "kafka.strimzi.io/v1beta2",
                "kind": "KafkaTopic",
                "metadata": {"name": name, "namespace": "kafka", **(metadata or {})},
                "spec": {"partitions": 1, "replicas": 3, "config": config, **spec},
            }
        )

    def change(self, name: str, **patch: Any) -> None:
        self.user.patch("KafkaTopic", "kafka", name, patch)

    def reconcile(self) -> None:
        asyncio.run(self.operator.reconcile())

    def status(self, name: str) -> dict[str, Any]:
        return dict(self.store.get("KafkaTopic", "kafka", name).get("status") or {})

    def ready(self, name: str) -> tuple[str, str]:
        [condition] = self.status(name)["conditions"]
        assert condition["type"] == "Ready"
        return condition["status"], condition.get("reason", "")

    def audited(self) -> list[tuple[str, str, str]]:
        events = [event for event in self.audit.events() if event.source == "kafka"]
        assert {event.actor for event in events} <= {"strimzi-topic-operator"}
        return [(event.verb, event.object, event.outcome) for event in events]


@pytest.fixture(name="strimzi")
def strimzi_fixture(tmp_path: Path) -> Strimzi:
    return Strimzi(tmp_path)


def test_a_resource_becomes_a_topic(strimzi: Strimzi) -> None:
    strimzi.declare("a.v1")
    strimzi.reconcile()
    assert strimzi.kafka.topics["a.v1"] == LiveTopic("id-1", 1, 3, LZ4)
    status = strimzi.status("a.v1")
    assert strimzi.ready("a.v1") == ("True", "")
    assert (status["observedGeneration"], status["topicName"], status["topicId"]) == (
        1,
        "a.v1",
        "id-1",
    )
    assert strimzi.audited() == [("create", "topics/a.v1", "ok")]


def test_the_topic_name_may_differ_from_the_resources(strimzi: Strimzi) -> None:
    strimzi.declare("a", topicName="Upper_Case")
    strimzi.reconcile()
    assert set(strimzi.kafka.topics) == {"Upper_Case"}


def test_a_second_pass_changes_nothing(strimzi: Strimzi) -> None:
    strimzi.declare("a")
    strimzi.reconcile()
    version, changes = strimzi.store.resource_version, list(strimzi.kafka.changes)
    strimzi.reconcile()
    assert strimzi.store.resource_version == version
    assert strimzi.kafka.changes == changes


def test_a_topic_deleted_behind_its_back_returns_with_its_configuration(strimzi: Strimzi) -> None:
    strimzi.declare("a")
    strimzi.reconcile()
    strimzi.kafka.delete("a")
    strimzi.reconcile()
    assert strimzi.kafka.topics["a"].config == LZ4
    assert strimzi.status("a")["topicId"] == "id-3"


def test_a_topic_recreated_without_configuration_gets_it_back(strimzi: Strimzi) -> None:
    """What the destructive mode's bare ``--create`` leads to."""
    strimzi.declare("a")
    strimzi.reconcile()
    strimzi.kafka.delete("a")
    strimzi.kafka.make("a")
    strimzi.reconcile()
    assert strimzi.kafka.topics["a"].config == LZ4


def test_configuration_set_by_hand_is_taken_back(strimzi: Strimzi) -> None:
    strimzi.declare("a")
    strimzi.reconcile()
    strimzi.kafka.configure("a", {"retention.ms": "1", "segment.ms": "5"}, [])
    strimzi.reconcile()
    assert strimzi.kafka.topics["a"].config == LZ4
    body = [event for event in strimzi.audit.events() if event.source == "kafka"][-1].body
    assert body == {"config": {"retention.ms": "1209600000"}, "unset": ["segment.ms"]}


def test_a_changed_resource_changes_the_topic(strimzi: Strimzi) -> None:
    strimzi.declare("a")
    strimzi.reconcile()
    strimzi.change("a", spec={"partitions": 4, "config": {"retention.ms": 5}})
    strimzi.reconcile()
    topic = strimzi.kafka.topics["a"]
    assert (topic.partitions, topic.config["retention.ms"]) == (4, "5")
    assert strimzi.status("a")["observedGeneration"] == 2


@pytest.mark.parametrize(
    ("spec", "message"),
    [({"partitions": 1}, "Decreasing partitions"), ({"replicas": 2}, "Replication factor change")],
)
def test_what_kafka_cannot_do_is_said_and_not_tried(
    strimzi: Strimzi, spec: dict[str, int], message: str
) -> None:
    strimzi.declare("a", partitions=3)
    strimzi.reconcile()
    changes = list(strimzi.kafka.changes)
    strimzi.change("a", spec=spec)
    strimzi.reconcile()
    assert strimzi.ready("a") == ("False", "NotSupported")
    assert message in strimzi.status("a")["conditions"][0]["message"]
    assert strimzi.kafka.changes == changes


def test_deleting_the_resource_deletes_the_topic(strimzi: Strimzi) -> None:
    strimzi.declare("a")
    strimzi.declare("b")
    strimzi.reconcile()
    strimzi.user.delete("KafkaTopic", "kafka", "a")
    strimzi.reconcile()
    assert set(strimzi.kafka.topics) == {"b"}
    assert strimzi.audited()[-1] == ("delete", "topics/a", "ok")


def test_topics_without_a_resource_are_left_alone(strimzi: Strimzi) -> None:
    strimzi.kafka.make("__consumer_offsets")
    strimzi.reconcile()
    assert set(strimzi.kafka.topics) == {"__consumer_offsets"}


@pytest.mark.parametrize(
    "annotation", [{"strimzi.io/managed": "false"}, {"strimzi.io/pause-reconciliation": "true"}]
)
def test_unmanaged_and_paused_topics_are_left_as_they_are(
    strimzi: Strimzi, annotation: dict[str, str]
) -> None:
    strimzi.declare("a")
    strimzi.reconcile()
    strimzi.change("a", metadata={"annotations": annotation})
    strimzi.kafka.configure("a", {"retention.ms": "1"}, [])
    changes = list(strimzi.kafka.changes)
    strimzi.reconcile()
    strimzi.reconcile()
    assert strimzi.kafka.changes == changes
    assert "a" in strimzi.kafka.topics


def test_one_refusal_is_reported_and_the_others_go_on(strimzi: Strimzi) -> None:
    strimzi.declare("a")
    strimzi.declare("b")
    strimzi.kafka.refusing = {"a"}
    with pytest.raises(TopicError, match=r"not reconciled: a$"):
        strimzi.reconcile()
    assert strimzi.ready("a") == ("False", "KafkaError")
    assert strimzi.ready("b") == ("True", "")
    assert ("create", "topics/a", "POLICY_VIOLATION: a") in strimzi.audited()
    strimzi.kafka.refusing = set()
    strimzi.reconcile()
    assert strimzi.ready("a") == ("True", "")


def test_a_deletion_that_failed_is_tried_again(strimzi: Strimzi) -> None:
    strimzi.declare("a")
    strimzi.reconcile()
    strimzi.user.delete("KafkaTopic", "kafka", "a")
    strimzi.kafka.refusing = {"a"}
    with pytest.raises(TopicError):
        strimzi.reconcile()
    strimzi.kafka.refusing = set()
    strimzi.reconcile()
    assert strimzi.kafka.topics == {}


def test_fewer_brokers_than_replicas_is_a_difference(tmp_path: Path) -> None:
    strimzi = Strimzi(tmp_path, brokers=1)
    strimzi.declare("a")
    strimzi.reconcile()
    strimzi.reconcile()
    assert strimzi.kafka.topics["a"].replicas == 1
    assert strimzi.ready("a") == ("True", "")
    [sentence] = strimzi.operator.differences()
    assert "1 instead of 3" in sentence


def test_with_all_brokers_there_is_no_difference(strimzi: Strimzi) -> None:
    strimzi.declare("a")
    strimzi.reconcile()
    assert strimzi.operator.differences() == []
