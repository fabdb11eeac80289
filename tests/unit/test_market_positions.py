from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from harness.core.errors import ServiceError
from harness.world.market import positions
from harness.world.market.positions import commit_start

TOPICS = {"torghut.trades.v1": 3, "torghut.quotes.v1": 2, "other": 1}


class Admin:
    """Answers as the brokers would, and keeps what was committed."""

    def __init__(
        self, failure: KafkaError | None = None, refusal: KafkaError | None = None
    ) -> None:
        self.failure, self.refusal = failure, refusal
        self.committed: dict[tuple[str, str, int], int] = {}

    def list_topics(self, timeout: float) -> Any:
        assert timeout > 0
        described = {
            name: SimpleNamespace(partitions=dict.fromkeys(range(count)))
            for name, count in TOPICS.items()
        }
        return SimpleNamespace(topics=described)

    def alter_consumer_group_offsets(self, request: list[Any], request_timeout: float) -> Any:
        assert request_timeout > 0
        [one] = request
        for place in one.topic_partitions:
            self.committed[one.group_id, place.topic, place.partition] = place.offset
        return {one.group_id: self}

    def result(self) -> Any:
        if self.failure is not None:
            raise KafkaException(self.failure)
        answered = [SimpleNamespace(error=self.refusal) for _ in self.committed]
        return SimpleNamespace(topic_partitions=answered)


def with_admin(monkeypatch: pytest.MonkeyPatch, admin: Admin) -> Admin:
    monkeypatch.setattr(positions, "admin_client", lambda _bootstrap: admin)
    return admin


def test_every_partition_of_the_named_topics_is_committed_at_its_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    admin = with_admin(monkeypatch, Admin())
    inputs = ["torghut.trades.v1", "torghut.quotes.v1"]
    assert commit_start("b:9092", "live", inputs) == {topic: TOPICS[topic] for topic in inputs}
    assert admin.committed == {
        ("live", topic, number): 0 for topic in inputs for number in range(TOPICS[topic])
    }


@pytest.mark.parametrize(
    "admin",
    [
        Admin(failure=KafkaError(KafkaError._TIMED_OUT)),
        Admin(refusal=KafkaError(KafkaError.UNKNOWN_MEMBER_ID)),
    ],
    ids=["no answer", "refused for a partition"],
)
def test_what_the_brokers_do_not_do_is_an_error(
    monkeypatch: pytest.MonkeyPatch, admin: Admin
) -> None:
    with_admin(monkeypatch, admin)
    with pytest.raises(ServiceError, match="the start of live cannot be committed"):
        commit_start("b:9092", "live", ["torghut.trades.v1"])


def test_a_topic_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    admin = with_admin(monkeypatch, Admin())
    with pytest.raises(ServiceError, match=r"cannot be committed: 'torghut.missing.v1'"):
        commit_start("b:9092", "live", ["torghut.missing.v1"])
    assert admin.committed == {}
