"""Market data into real brokers and back out of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from confluent_kafka.admin import NewTopic

from harness.checks.oracle import (
    Watermarks,
    decode_bars,
    decode_quotes,
    decode_trades,
    expected_outputs,
    read_topic,
)
from harness.core.errors import ServiceError
from harness.world.addresses import Addresses
from harness.world.market.feed import feed
from harness.world.market.generator import Market
from harness.world.market.recording import Recording
from harness.world.market.records import Record, batches_of
from harness.world.market.settings import MarketSettings
from harness.world.services.kafka import LocalKafka

if TYPE_CHECKING:
    from collections.abc import Iterator


pytestmark = pytest.mark.slow

DATA = Path(__file__).parents[1] / "data/golden/disorder/tape.jsonl.gz"
ROLES = ("trades", "quotes", "bars1m")


@pytest.fixture(scope="module", name="kafka")
def kafka_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    directory = tmp_path_factory.mktemp("kafka")
    kafka = LocalKafka(
        Addresses("127.67.1"),
        directory=directory / "data",
        logs=directory / "logs",
        world_id=f"test-feed-{directory.name}",
        # Tapes have event times of long ago and record timestamps like them.
        overrides={"log.retention.ms": "-1"},
    )
    try:
        kafka.start()
        kafka.wait_ready()
        yield kafka
    finally:
        kafka.stop()


def make_topics(kafka: LocalKafka, prefix: str, partitions: int = 3) -> dict[str, str]:
    topics = {role: f"{prefix}.{role}" for role in ROLES}
    create([NewTopic(name, partitions, replication_factor=3) for name in topics.values()], kafka)
    return topics


def create(topics: list[NewTopic], kafka: LocalKafka) -> None:
    admin = kafka.admin()  # kept: futures fail once their client is gone
    for future in admin.create_topics(topics).values():
        future.result(30)


def market(events: int, **changes: float) -> Market:
    start = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
    return Market(MarketSettings(start=start, events=events, **changes))  # type: ignore[arg-type]


def test_100_000_events_arrive_and_are_confirmed(kafka: LocalKafka) -> None:
    topics = make_topics(kafka, "large")
    data = market(100_000, late=0.03, duplicates=0.01, undecodable=0.004, updated_bars=0.2)
    progress: list[int] = []
    report = feed(data.batches(), kafka.bootstrap, topics, on_progress=progress.append)
    print(f"{report.total / report.seconds:,.0f} events/s into 3 replicas")  # noqa: T201
    assert report.confirmed == report.total == len(data)
    assert report.counts == {topics[role]: count for role, count in data.counts.items()}
    assert progress == sorted(progress)
    assert progress[-1] == len(data)
    read = {role: read_topic(kafka.bootstrap, topic) for role, topic in topics.items()}
    assert {role: frame.height for role, frame in read.items()} == data.counts
    sent = pl.concat(data.batches())
    assert report.first_event_ns == sent["event_ns"].min()
    for role, frame in read.items():
        assert_order_per_key(sent.filter(pl.col("role") == role), frame)


def assert_order_per_key(sent: pl.DataFrame, read: pl.DataFrame) -> None:
    for symbol in sent["key"].unique():
        of_symbol = read.filter(pl.col("key") == symbol)
        assert of_symbol["partition"].n_unique() == 1
        expected = sent.filter(pl.col("key") == symbol)
        assert of_symbol["value"].cast(pl.String).to_list() == expected["value"].to_list()
        assert of_symbol["timestamp"].to_list() == expected["timestamp"].to_list()


def test_a_recording_is_decoded_as_strictly_as_the_job_does(kafka: LocalKafka) -> None:
    topics = make_topics(kafka, "tape")
    report = feed(Recording(DATA).batches(), kafka.bootstrap, topics)
    assert report.total == 11_011
    trades = read_topic(kafka.bootstrap, topics["trades"])
    assert (trades.height, decode_trades(trades).height) == (3749, 3736)
    assert decode_quotes(read_topic(kafka.bootstrap, topics["quotes"])).height == 7185
    assert decode_bars(read_topic(kafka.bootstrap, topics["bars1m"])).height == 77


def test_the_oracle_reads_the_topics_and_says_what_the_job_wrote(kafka: LocalKafka) -> None:
    topics = make_topics(kafka, "oracle")
    feed(Recording(DATA).batches(), kafka.bootstrap, topics)
    expected = expected_outputs(kafka.bootstrap, topics, Watermarks(1, 3), values=True)
    assert (expected.microbars.height, expected.signals.height) == (1834, 1911)
    assert expected.open_buckets["symbol"].to_list() == ["MU", "NVDA"]
    assert expected.dropped == {"trades": 13, "bars1m": 0, "quotes": 0}
    assert expected.ambiguous > 0, "one subtask reads all partitions"
    held_back = expected_outputs(kafka.bootstrap, topics, Watermarks(8, 3))
    assert held_back.ambiguous == 0
    assert held_back.open_buckets.height == 4
    assert "macd" not in held_back.signals.columns


def test_symbols_lie_where_a_java_client_would_put_them(kafka: LocalKafka) -> None:
    topics = make_topics(kafka, "places")
    symbols = ("NVDA", "AMD", "MU", "CRWD")
    records = [Record("trades", symbol, "{}") for symbol in symbols]
    feed(batches_of(records), kafka.bootstrap, topics)
    read = read_topic(kafka.bootstrap, topics["trades"])
    places = dict(read.select("key", "partition").iter_rows())
    # Values of org.apache.kafka.common.utils.Utils.toPositive(murmur2(key)) % 3.
    assert places == {"NVDA": 2, "AMD": 1, "MU": 1, "CRWD": 0}


def test_reading_leaves_no_group_behind(kafka: LocalKafka) -> None:
    topics = make_topics(kafka, "traceless")
    feed(batches_of([Record("trades", "MU", "{}")]), kafka.bootstrap, topics)
    assert read_topic(kafka.bootstrap, topics["trades"]).height == 1
    admin = kafka.admin()
    groups = admin.list_consumer_groups(request_timeout=10).result()
    assert groups.valid == []


def test_an_empty_topic_is_read_as_no_rows(kafka: LocalKafka) -> None:
    topics = make_topics(kafka, "empty")
    assert read_topic(kafka.bootstrap, topics["quotes"]).height == 0


def test_a_missing_topic_is_named_before_anything_is_sent(kafka: LocalKafka) -> None:
    topics = dict.fromkeys(ROLES, "no.such.topic")
    with pytest.raises(ServiceError, match=r"no such topic: no\.such\.topic"):
        feed(market(10).batches(), kafka.bootstrap, topics)
    with pytest.raises(ServiceError, match=r"topic no\.such\.topic cannot be read"):
        read_topic(kafka.bootstrap, "no.such.topic")


def test_a_record_the_brokers_refuse_is_not_lost_silently(kafka: LocalKafka) -> None:
    topics = {role: f"tiny.{role}" for role in ROLES}
    small = [
        NewTopic(name, 1, replication_factor=3, config={"max.message.bytes": "200"})
        for name in topics.values()
    ]
    create(small, kafka)
    incompressible = "".join(chr(33 + (number * 7919) % 89) for number in range(5000))
    with pytest.raises(ServiceError, match="1 records were not confirmed"):
        feed(batches_of([Record("trades", "MU", incompressible)]), kafka.bootstrap, topics)


def test_brokers_that_are_not_there_are_an_error_with_their_address() -> None:
    topics = dict.fromkeys(ROLES, "any")
    with pytest.raises(ServiceError, match=r"127\.67\.1\.250:9092"):
        feed(market(10).batches(), "127.67.1.250:9092", topics, timeout=1)
    with pytest.raises(ServiceError, match=r"127\.67\.1\.250:9092"):
        read_topic("127.67.1.250:9092", "any", timeout=1)
