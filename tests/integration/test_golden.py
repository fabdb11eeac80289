"""The whole job on real Kafka, Flink and ClickHouse against recordings of the production job."""

from __future__ import annotations

import gzip
import json
import math
import secrets
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import (
    Consumer,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import NewTopic

from harness.core.waiting import wait_until
from harness.world.addresses import Addresses
from harness.world.services.clickhouse import LocalClickHouse, localise_ddl
from harness.world.services.flink.cluster import FlinkCluster
from harness.world.services.flink.errors import FlinkRestError
from harness.world.services.flink.runtime import FlinkRuntime
from harness.world.services.flink.spec import FlinkClusterSpec
from harness.world.services.kafka import LocalKafka

if TYPE_CHECKING:
    from collections.abc import Iterator

    from confluent_kafka import (
        Message,
    )
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "data" / "golden"
NETWORK = "127.61.2"
ROLES = ("trades", "quotes", "bars1m")
DERIVED = {"ta_microbars": "microbars", "ta_signals": "signals"}
JDBC = "jdbc:clickhouse://torghut-clickhouse.torghut.svc.cluster.local:8123/torghut"


def read(tape: str, name: str) -> list[dict[str, Any]]:
    with gzip.open(GOLDEN / tape / f"{name}.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


@dataclass
class World:
    """Three services and the environment of the job's pod."""

    kafka: LocalKafka
    clickhouse: LocalClickHouse
    flink: FlinkCluster
    environment: dict[str, str]
    checkpoints: Path
    fed: Counter[str] = field(default_factory=Counter)

    def begin(self, tape: str) -> str:
        """Give the job new topics, a new group and empty tables; returns the topics' prefix."""
        self.fed.clear()
        prefix = f"{tape}-{secrets.token_hex(3)}"
        admin = self.kafka.admin()
        names = [f"{prefix}.{role}" for role in (*ROLES, *DERIVED.values())]
        # One partition: a symbol's events keep their order anyway, and the watermark of the only
        # partition is the one over all records that the recordings show.
        topics = [NewTopic(name, 1, 1, config={"retention.ms": "-1"}) for name in names]
        for created in admin.create_topics(topics).values():
            created.result(20)
        for role in (*ROLES, *DERIVED.values()):
            self.environment[f"TA_{role.upper()}_TOPIC"] = f"{prefix}.{role}"
        self.environment["TA_GROUP_ID"] = prefix
        with self.clickhouse.client() as client:
            for table in DERIVED:
                client.command(f"DROP TABLE IF EXISTS {table}")
        return prefix

    def feed(self, prefix: str, records: list[dict[str, Any]]) -> None:
        producer = Producer({"bootstrap.servers": self.kafka.bootstrap})
        for record in records:
            self.fed[record["role"]] += 1
            producer.produce(f"{prefix}.{record['role']}", key=record["key"], value=record["value"])
        assert producer.flush(30) == 0

    def count(self, table: str) -> int:
        with self.clickhouse.client() as client:
            return int(client.command(f"SELECT count() FROM {table}"))  # noqa: S608 - a constant

    def wait_for_checkpoint(self, job: str) -> None:
        """Wait until the job has read all it was fed and a checkpoint has covered that."""
        wait_until(
            lambda: self.records_read(job),
            what=f"job {job} to read {dict(self.fed)}",
            timeout=60,
            holds=lambda found: all(found[role] == self.fed[role] for role in ROLES),
        )
        completed = self.flink.rest.checkpoints(job).counts.completed
        wait_until(
            lambda: self.flink.rest.checkpoints(job).counts.completed,
            what="the checkpoint after next, which began after the last record was read",
            timeout=60,
            holds=lambda found: found >= completed + 2,
        )

    def records_read(self, job: str) -> dict[str, int]:
        """Return what each source has read since the job started."""
        found = self.flink.rest.source_metrics(job)
        return {role: found[f"ta-{role}-source"].records or 0 for role in ROLES}

    def wait_for_rows(self, table: str, number: int) -> None:
        wait_until(
            lambda: self.count(table),
            what=f"{number} rows in {table}",
            timeout=60,
            holds=lambda found: found >= number,
        )

    def submit(self, **how: Any) -> str:
        job = self.flink.submit(**how)
        wait_until(
            lambda: self.flink.rest.job(job),
            what=f"job {job} to run",
            timeout=60,
            holds=lambda details: details.all_running,
            expected=(FlinkRestError,),
        )
        return job

    def cancel(self, job: str) -> Path:
        """Cancel the job and return its last checkpoint."""
        self.flink.rest.cancel(job)
        wait_until(
            lambda: self.flink.rest.job(job),
            what=f"job {job} to end",
            timeout=30,
            holds=lambda details: details.terminal,
        )
        kept = (self.checkpoints / job).glob("chk-*/_metadata")
        return max(kept, key=lambda path: int(path.parent.name.removeprefix("chk-"))).parent


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("golden")
    addresses = Addresses(NETWORK, brokers=1)
    ddl, hosts, checkpoints = root / "schema.sql", root / "hosts", root / "checkpoints"
    ddl.write_text(localise_ddl((ROOT / "fake_ta_job" / "schema_s.sql").read_text()).sql)
    hosts.write_text(addresses.hosts_file())
    place: dict[str, Any] = {"logs": root / "logs", "world_id": "test-golden"}
    kafka = LocalKafka(addresses, directory=root / "kafka", **place)
    clickhouse = LocalClickHouse(
        addresses, directory=root / "clickhouse", password="golden", **place
    )
    environment = {
        "TA_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "TA_AUTO_OFFSET_RESET": "earliest",
        "TA_CHECKPOINT_INTERVAL_MS": "1000",
        "TA_PARALLELISM": "1",
        "TA_CLICKHOUSE_URL": JDBC,
        "TA_CLICKHOUSE_PASSWORD": "golden",
        "TA_CLICKHOUSE_DDL_PATH": str(ddl),
    }
    spec = FlinkClusterSpec(
        name="torghut-ta",
        addresses=addresses,
        configuration={"execution.checkpointing.dir": checkpoints.as_uri()},
        environment=environment,
        directory=root / "flink",
        hosts_file=hosts,
        **place,
    )
    python = ROOT / "fake_ta_job" / ".venv" / "bin" / "python"
    flink = FlinkCluster(spec, FlinkRuntime.locate(python, repository=ROOT))
    with ExitStack() as stack:
        for service in (kafka, clickhouse, flink):
            stack.callback(service.stop)
            service.start()
        for service in (kafka, clickhouse, flink):
            service.wait_ready()
        yield World(kafka, clickhouse, flink, environment, checkpoints)


def golden_rows(tape: str, table: str) -> dict[Any, dict[str, Any]]:
    return {(row["symbol"], row["event_ts"], row["seq"]): row for row in read(tape, table)}


def written_rows(world: World, table: str) -> dict[Any, dict[str, Any]]:
    with world.clickhouse.client() as client:
        query = f"SELECT * FROM {table} FORMAT JSONEachRow"  # noqa: S608 - a constant
        settings = {"date_time_output_format": "iso", "output_format_json_quote_64bit_integers": 0}
        lines = client.raw_query(query, settings=settings).splitlines()
    rows = [json.loads(line) for line in lines]
    keyed = {(row["symbol"], row["event_ts"], row["seq"]): row for row in rows}
    assert len(keyed) == len(rows), "a row was written twice"
    return keyed


def differences(got: dict[str, Any], want: dict[str, Any]) -> list[str]:
    return [
        f"{name}: got {got.get(name)!r}, expected {want[name]!r}"
        for name in want
        if not (name == "ingest_ts" and want["source"] == "ta")
        and not same(got.get(name), want[name])
    ]


def same(got: Any, want: Any) -> bool:
    numbers = isinstance(got, int | float) and isinstance(want, float)
    return got == want or (numbers and math.isclose(got, want, rel_tol=1e-9, abs_tol=0))


def consume(world: World, topic: str) -> list[Message]:
    consumer = Consumer(
        {"bootstrap.servers": world.kafka.bootstrap, "group.id": "reader", "enable.auto.commit": 0}
    )
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
    consumer.assign([TopicPartition(topic, 0, low)])
    messages = consumer.consume(high - low, timeout=30) if high > low else []
    consumer.close()
    return messages


def play(world: World, tape: str, *, restored: bool) -> str:
    """Feed a tape phase by phase; returns the prefix of its topics."""
    prefix = world.begin(tape)
    records, signals = read(tape, "tape"), golden_rows(tape, "ta_signals")
    job = world.submit()
    for phase in (1, 2, 3):
        world.feed(prefix, [record for record in records if record["phase"] == phase])
        world.wait_for_checkpoint(job)
        if phase == 2:
            bars = sum(row["source"] == "ta" for row in signals.values())
            world.wait_for_rows("ta_signals", bars)
            job = restart(world, job) if restored else job
    world.wait_for_rows("ta_signals", len(signals))
    world.cancel(job)
    return prefix


def restart(world: World, job: str) -> str:
    """Restore the job from its checkpoint under a new group, as the last-state mode does.

    It reads nothing again, although the new group has no offsets and the policy is earliest.
    """
    checkpoint = world.cancel(job)
    world.environment["TA_GROUP_ID"] += "-fresh"
    world.fed.clear()
    restored = world.submit(restore_from=checkpoint.as_uri())
    world.wait_for_checkpoint(restored)
    assert world.records_read(restored) == dict.fromkeys(ROLES, 0)
    return restored


@pytest.mark.parametrize(
    ("tape", "restored"),
    [("in-order", False), ("disorder", False), ("disorder", True)],
    ids=["in-order", "disorder", "disorder restored after the trades"],
)
def test_the_job_writes_the_recorded_rows(world: World, tape: str, *, restored: bool) -> None:
    prefix = play(world, tape, restored=restored)
    for table, topic in DERIVED.items():
        want, got = golden_rows(tape, table), written_rows(world, table)
        assert got.keys() == want.keys()
        wrong = {key: found for key in want if (found := differences(got[key], want[key]))}
        assert wrong == {}
        messages = consume(world, f"{prefix}.{topic}")
        keys = Counter((message.key() or b"").decode() for message in messages)
        assert keys == Counter(row["symbol"] for row in want.values())


def test_derived_records_carry_the_event_time_of_their_cause(world: World) -> None:
    prefix = world.begin("times")
    symbol = {"symbol": "NVDA", "feed": "alpaca", "channel": "trades"}
    times = ("2026-11-23T14:30:00.250000Z", "2026-11-23T14:30:03.500000Z")
    for seq, time in enumerate(times):
        envelope = {**symbol, "seq": seq, "ingestTs": time, "eventTs": time}
        value = json.dumps({**envelope, "payload": {"p": 100.0 + seq, "s": 1, "t": time}})
        world.feed(prefix, [{"role": "trades", "key": "NVDA", "value": value}])
    job = world.submit()
    world.wait_for_rows("ta_signals", 1)
    world.wait_for_checkpoint(job)
    world.cancel(job)
    cause = int(datetime(2026, 11, 23, 14, 30, 3, 500_000, tzinfo=UTC).timestamp() * 1000)
    for topic in DERIVED.values():
        (message,) = consume(world, f"{prefix}.{topic}")
        assert message.timestamp()[1] == cause
        assert not message.headers()
