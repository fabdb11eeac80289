"""The feed against a producer that only remembers: counting, order, and refusals."""

from __future__ import annotations

from typing import Any

import orjson
import polars as pl
import pytest
from confluent_kafka import KafkaError

from harness.core.errors import ServiceError, UsageError
from harness.world.market import feed as feed_module
from harness.world.market.feed import FeedReport, feed
from harness.world.market.records import Record, batches_of

TOPICS = {"trades": "in.trades", "quotes": "in.quotes", "bars1m": "in.bars"}


class Metadata:
    def __init__(self, topics: set[str]) -> None:
        self.topics = dict.fromkeys(topics)


class RememberingProducer:
    """Takes records as librdkafka does; delivers them when polled.

    Attributes:
        sent: everything taken, in order.
        refuse: values that the brokers refuse.
        stuck: whether acknowledgements never come.
        room: how many records fit in the queue.
    """

    refuse: frozenset[str] = frozenset()
    stuck = False
    room = 10**9
    known: frozenset[str] = frozenset(TOPICS.values())

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.sent: list[tuple[str, str, str, int]] = []
        self._queue: list[str] = []

    def list_topics(self, timeout: float) -> Metadata:
        assert timeout > 0
        return Metadata(set(self.known))

    def produce(self, topic: str, value: str, key: str, *, timestamp: int) -> None:
        if len(self._queue) >= self.room:
            raise BufferError("full")
        self.sent.append((topic, key, value, timestamp))
        self._queue.append(value)

    def poll(self, timeout: float) -> int:
        assert timeout > 0
        if self.stuck:
            return 0
        for value in self._queue:
            if value in self.refuse:
                self.settings["on_delivery"](KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), None)
        self._queue.clear()
        return 0

    def flush(self, timeout: float) -> int:
        assert timeout == 0
        return len(self._queue)

    def purge(self) -> None:
        self._queue.clear()

    def __len__(self) -> int:
        return len(self._queue)


@pytest.fixture(name="producers")
def producers_fixture(monkeypatch: pytest.MonkeyPatch) -> list[RememberingProducer]:
    made: list[RememberingProducer] = []

    def make(settings: dict[str, Any]) -> RememberingProducer:
        made.append(RememberingProducer(settings))
        return made[-1]

    monkeypatch.setattr(feed_module, "Producer", make)
    return made


RECORDS = [
    Record("quotes", "MU", "q1", 5, 50),
    Record("trades", "MU", "t1", 6, 40),
    Record("quotes", "AMD", "q2", 7, None),
    Record("bars1m", "MU", "b1", None, 90),
    Record("trades", "AMD", "t2", 8, 60),
]


def test_records_go_to_their_topics_in_order(producers: list[RememberingProducer]) -> None:
    feed(batches_of(RECORDS, 3), "kafka:9092", TOPICS)
    sent = producers[0].sent
    assert [value for topic, _, value, _ in sent if topic == "in.quotes"] == ["q1", "q2"]
    assert [value for topic, _, value, _ in sent if topic == "in.trades"] == ["t1", "t2"]
    assert ("in.trades", "AMD", "t2", 8) in sent
    assert ("in.bars", "MU", "b1", 0) in sent, "no timestamp: the producer's clock"


def test_the_report_says_what_was_written(producers: list[RememberingProducer]) -> None:
    report = feed(batches_of(RECORDS, 2), "kafka:9092", TOPICS)
    assert report.counts == {"in.quotes": 2, "in.trades": 2, "in.bars": 1}
    assert (report.total, report.confirmed, report.value_bytes) == (5, 5, 10)
    assert (report.first_event_ns, report.last_event_ns) == (40, 90)
    assert len(producers) == 1


def test_progress_counts_up(producers: list[RememberingProducer]) -> None:
    seen: list[int] = []
    feed(batches_of(RECORDS, 2), "kafka:9092", TOPICS, on_progress=seen.append)
    assert seen == [2, 4, 5]
    assert producers


def test_the_producer_is_durable_and_places_keys_as_java_does(
    producers: list[RememberingProducer],
) -> None:
    feed([], "kafka:9092", TOPICS, client={"security.protocol": "PLAINTEXT"})
    settings = producers[0].settings
    assert settings["bootstrap.servers"] == "kafka:9092"
    assert settings["partitioner"] == "murmur2_random"
    assert (settings["acks"], settings["enable.idempotence"]) == ("all", True)
    assert settings["security.protocol"] == "PLAINTEXT"


def test_nothing_to_write_is_an_empty_report(producers: list[RememberingProducer]) -> None:
    report = feed([], "kafka:9092", TOPICS)
    assert (report.total, report.confirmed, report.first_event_ns) == (0, 0, None)
    assert producers[0].sent == []


def test_a_full_queue_is_waited_for(
    producers: list[RememberingProducer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RememberingProducer, "room", 2)
    assert feed(batches_of(RECORDS), "kafka:9092", TOPICS).confirmed == 5
    assert len(producers[0].sent) == 5


def test_a_refused_record_is_an_error(
    producers: list[RememberingProducer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RememberingProducer, "refuse", frozenset({"t1", "q2"}))
    with pytest.raises(ServiceError, match=r"kafka:9092: 2 records were not confirmed"):
        feed(batches_of(RECORDS), "kafka:9092", TOPICS)
    assert producers


def test_acknowledgements_that_never_come_are_an_error(
    producers: list[RememberingProducer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RememberingProducer, "stuck", True)
    monkeypatch.setattr(feed_module, "_GRACE_SECONDS", 0.0)
    with pytest.raises(ServiceError, match=r"no acknowledgement in 0\.01 s"):
        feed(batches_of(RECORDS), "kafka:9092", TOPICS, timeout=0.01)
    assert producers


def test_a_role_without_a_topic_is_an_error(producers: list[RememberingProducer]) -> None:
    topics = {"trades": "in.trades"}
    with pytest.raises(UsageError, match="no topic for role 'quotes'"):
        feed(batches_of(RECORDS), "kafka:9092", topics)
    assert producers


def test_a_missing_topic_is_an_error(
    producers: list[RememberingProducer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RememberingProducer, "known", frozenset({"in.trades"}))
    with pytest.raises(ServiceError, match=r"no such topic: in\.bars, in\.quotes"):
        feed(batches_of(RECORDS), "kafka:9092", TOPICS, timeout=0.01)
    assert producers[0].sent == []


def test_a_report_describes_itself_for_a_journal() -> None:
    report = FeedReport(confirmed=1, seconds=0.12345)
    report.add("in.trades", pl.concat(batches_of([Record("trades", "MU", "é", 1, 1_500_000_000)])))
    assert orjson.loads(orjson.dumps(report.describe())) == {
        "counts": {"in.trades": 1},
        "value_bytes": 2,
        "first_event": "1970-01-01T00:00:01.500000000Z",
        "last_event": "1970-01-01T00:00:01.500000000Z",
        "confirmed": 1,
        "seconds": 0.123,
    }
    assert FeedReport().describe()["first_event"] is None
