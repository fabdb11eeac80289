"""The local drivers against the real services: Kafka, ClickHouse, the object store, the tools."""

from __future__ import annotations

import asyncio
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from clickhouse_connect import get_client
from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import NewTopic

from harness.core.errors import ServiceError
from harness.core.waiting import wait_until
from harness.world import proxy
from harness.world.addresses import Addresses
from harness.world.processes import marked_processes
from harness.world.services.clickhouse import LocalClickHouse
from harness.world.services.kafka import LocalKafka, client_settings, install_tools
from harness.world.services.object_store import LocalObjectStore
from harness.world.tools import find_aws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from harness.world.services.base import Service

pytestmark = pytest.mark.slow

WORLD = "test-services"
ADDRESSES = Addresses("127.63.1")
OTHER = Addresses("127.63.2")
S3_NAME = "rook-ceph-rgw-objectstore.rook-ceph.svc:80"
TABLE = """
CREATE TABLE {name} ON CLUSTER default
(symbol LowCardinality(String), event_ts DateTime64(3, 'UTC'), seq UInt64,
 ingest_ts DateTime64(3, 'UTC'))
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/{{shard}}/{name}', '{{replica}}', ingest_ts)
PARTITION BY toDate(event_ts) ORDER BY (symbol, event_ts, seq)
"""


@dataclass
class Services:
    kafka: LocalKafka
    clickhouse: LocalClickHouse
    store: LocalObjectStore
    root: Path

    @property
    def all(self) -> Sequence[Service]:
        return (self.kafka, self.clickhouse, self.store)


def describe(addresses: Addresses, root: Path) -> Services:
    logs = root / "logs"
    return Services(
        LocalKafka(addresses, directory=root / "kafka", logs=logs, world_id=WORLD),
        LocalClickHouse(
            addresses,
            directory=root / "clickhouse",
            logs=logs,
            world_id=WORLD,
            password="a password",
        ),
        LocalObjectStore(addresses, logs=logs, world_id=WORLD),
        root,
    )


@pytest.fixture(scope="module", name="services")
def services_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    services = describe(ADDRESSES, tmp_path_factory.mktemp("services"))
    try:
        for service in services.all:
            service.start()
        for service in services.all:
            service.wait_ready(timeout=120)
        yield services
    finally:
        for service in services.all:
            service.stop()
    assert marked_processes(WORLD) == []


def create_topic(
    kafka: LocalKafka, name: str, *, partitions: int = 1, config: dict[str, str] | None = None
) -> None:
    admin = kafka.admin()  # its answers die with it
    admin.create_topics([NewTopic(name, partitions, 3, config=config or {})])[name].result(30)


def produce(kafka: LocalKafka, topic: str, values: Sequence[str], timestamp: int = 0) -> None:
    failures: list[Any] = []
    producer = Producer({**client_settings(kafka.bootstrap), "acks": "all"})
    for value in values:
        producer.produce(
            topic, value.encode(), timestamp=timestamp, on_delivery=lambda e, _m: failures.append(e)
        )
    assert producer.flush(60) == 0
    assert set(failures) == {None}


def consume(kafka: LocalKafka, topic: str, count: int, group: str) -> list[str]:
    consumer = Consumer({**client_settings(kafka.bootstrap), "group.id": group})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    values = []
    try:
        for message in consumer.consume(count, timeout=60):
            assert message.error() is None, message.error()
            values.append(message.value().decode())
        consumer.commit(asynchronous=False)
    finally:
        consumer.close()
    return values


def earliest(kafka: LocalKafka, topic: str) -> int:
    consumer = Consumer({**client_settings(kafka.bootstrap), "group.id": "watermarks"})
    try:
        low, _high = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
    finally:
        consumer.close()
    return int(low)


def test_acknowledged_messages_come_back(services: Services) -> None:
    create_topic(services.kafka, "round-trip")
    values = [f"message {number}" for number in range(1000)]
    produce(services.kafka, "round-trip", values)
    assert consume(services.kafka, "round-trip", 1000, "round-trip") == values


def test_a_topic_is_on_all_brokers_with_productions_min_isr(services: Services) -> None:
    create_topic(services.kafka, "replicated", partitions=3)
    admin = services.kafka.admin()
    topic = admin.list_topics("replicated", timeout=10).topics["replicated"]
    assert [sorted(part.replicas) for part in topic.partitions.values()] == [[0, 1, 2]] * 3
    assert "min.insync.replicas=2" in describe_topic(services, "replicated")


def run_tool(services: Services, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    pod = services.root / "pod"
    if not pod.exists():
        hosts = services.root / "hosts"
        hosts.write_text(ADDRESSES.hosts_file())
        install_tools(pod, hosts)
    return subprocess.run(
        [pod / "opt/kafka/bin" / tool, *arguments],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


BOOTSTRAP = ("--bootstrap-server", "kafka-kafka-bootstrap.kafka:9092")


def describe_topic(services: Services, topic: str) -> str:
    answer = run_tool(services, "kafka-topics.sh", *BOOTSTRAP, "--describe", "--topic", topic)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_the_documents_topic_commands_work_under_production_names(services: Services) -> None:
    name = "torghut.ta.bars.1s.v1"
    tool = ("kafka-topics.sh", *BOOTSTRAP)
    size = ("--partitions", "1", "--replication-factor", "3")
    created = run_tool(services, *tool, "--create", "--topic", name, *size)
    assert created.returncode == 0, created.stderr
    assert f"Created topic {name}." in created.stdout
    assert name in run_tool(services, *tool, "--list").stdout.split()
    assert run_tool(services, *tool, "--delete", "--topic", name).returncode == 0
    assert name not in run_tool(services, *tool, "--list").stdout.split()


def test_a_tool_says_no_like_the_real_one(services: Services) -> None:
    answer = run_tool(services, "kafka-topics.sh", *BOOTSTRAP, "--delete", "--topic", "nope")
    assert answer.returncode == 1
    assert "Topic 'nope' does not exist as expected" in answer.stdout


def test_a_tool_cannot_resolve_a_name_outside_the_world(services: Services) -> None:
    answer = run_tool(
        services, "kafka-topics.sh", "--bootstrap-server", "localhost.example.com:9092", "--list"
    )
    assert answer.returncode == 1
    assert "No resolvable bootstrap urls" in answer.stderr


def test_groups_and_offsets_are_seen_by_the_tools(services: Services) -> None:
    create_topic(services.kafka, "grouped")
    produce(services.kafka, "grouped", ["a", "b"])
    assert consume(services.kafka, "grouped", 2, "torghut-ta-test") == ["a", "b"]
    groups = run_tool(
        services, "kafka-consumer-groups.sh", *BOOTSTRAP, "--describe", "--group", "torghut-ta-test"
    )
    assert "grouped" in groups.stdout
    offsets = run_tool(services, "kafka-get-offsets.sh", *BOOTSTRAP, "--topic", "grouped")
    assert offsets.stdout.strip() == "grouped:0:2"
    alter = ("--alter", "--entity-type", "topics", "--entity-name", "grouped")
    changed = run_tool(
        services, "kafka-configs.sh", *BOOTSTRAP, *alter, "--add-config", "retention.ms=1209600000"
    )
    assert changed.returncode == 0, changed.stderr
    assert "retention.ms=1209600000" in describe_topic(services, "grouped")


def test_expired_records_are_deleted_while_a_rehearsal_runs(services: Services) -> None:
    create_topic(services.kafka, "expiring", config={"retention.ms": "604800000"})
    ten_days_ago = int((time.time() - 10 * 86400) * 1000)
    produce(services.kafka, "expiring", ["old"] * 10, timestamp=ten_days_ago)
    wait_until(
        lambda: earliest(services.kafka, "expiring"),
        what="the expired records to go",
        timeout=60,
        holds=lambda offset: offset == 10,
    )


def test_a_killed_broker_loses_nothing_and_comes_back(services: Services) -> None:
    create_topic(services.kafka, "survivor")
    produce(services.kafka, "survivor", ["before"] * 100)
    services.kafka.kill_broker(1)
    try:
        produce(services.kafka, "survivor", ["during"] * 100)
    finally:
        services.kafka.start_broker(1)
    services.kafka.wait_ready(timeout=120)
    assert (
        consume(services.kafka, "survivor", 200, "survivor") == ["before"] * 100 + ["during"] * 100
    )


def test_a_running_broker_is_not_started_twice(services: Services) -> None:
    with pytest.raises(ServiceError, match="kafka-broker-0 already runs"):
        services.kafka.start_broker(0)


def test_productions_ddl_runs_and_says_what_it_left_out(services: Services) -> None:
    left_out = services.clickhouse.apply_ddl(TABLE.format(name="torghut.bars"))
    assert left_out[0] == "ON CLUSTER default"
    assert left_out[1].endswith("-> ReplacingMergeTree(ingest_ts)")
    client = services.clickhouse.client()
    insert = "INSERT INTO bars VALUES ('NVDA', '2026-11-20 15:00:00', 1, '2026-11-20 15:00:0{}')"
    for version in (1, 2):
        client.command(insert.format(version))
    assert client.command("SELECT count() FROM bars") == 2
    assert client.command("SELECT count() FROM bars FINAL") == 1


def test_every_statement_is_in_the_query_log(services: Services) -> None:
    client = services.clickhouse.client()
    client.command("CREATE TABLE audited (a UInt8) ENGINE = MergeTree ORDER BY a")
    client.command("INSERT INTO audited VALUES (1), (2)")
    with pytest.raises(ClickHouseError):
        client.command("SELECT nonsense FROM audited")
    client.command("DROP TABLE audited")
    log = [one for one in services.clickhouse.query_log_since() if "audited" in one["sql"]]
    assert [one["kind"] for one in log] == ["Create", "Insert", "Select", "Drop"]
    assert {one["user"] for one in log} == {"torghut"}
    assert log[1]["written_rows"] == 2
    assert "nonsense" in log[2]["exception"]
    assert not log[3]["exception"]
    later = services.clickhouse.query_log_since(f"{log[-1]['time']:%Y-%m-%d %H:%M:%S.%f}")
    assert later[0]["sql"] == log[-1]["sql"]


@pytest.mark.parametrize(
    ("user", "password", "reason"),
    [
        ("torghut", "wrong", "Authentication failed"),
        ("nobody", "", "Authentication failed"),
        ("default", "", "Not enough privileges"),
    ],
)
def test_nobody_else_reads_or_writes_tables(
    services: Services, user: str, password: str, reason: str
) -> None:
    services.clickhouse.client().command(
        "CREATE TABLE IF NOT EXISTS private (a UInt8) ENGINE = MergeTree ORDER BY a"
    )
    for sql in ("SELECT * FROM torghut.private", "DROP TABLE torghut.private"):
        with pytest.raises(ClickHouseError, match=reason):
            get_client(
                host=services.clickhouse.host,
                username=user,
                password=password,
                autogenerate_session_id=False,
            ).command(sql)


def test_a_data_directory_has_one_server_only(services: Services) -> None:
    second = LocalClickHouse(
        OTHER,
        directory=services.root / "clickhouse",
        logs=services.root / "second",
        world_id=WORLD,
        password="a password",
    )
    try:
        second.start()
        with pytest.raises(ServiceError, match="in use by another ClickHouse"):
            second.wait_ready()
    finally:
        second.stop()


def test_acknowledged_rows_survive_a_kill(services: Services) -> None:
    client = services.clickhouse.client()
    client.command("CREATE TABLE kept (a UInt32) ENGINE = MergeTree ORDER BY a")
    client.command("INSERT INTO kept SELECT number FROM numbers(100000)")
    services.clickhouse.processes[0].kill()
    services.clickhouse.start()
    services.clickhouse.wait_ready(timeout=120)
    assert services.clickhouse.client().command("SELECT count() FROM kept") == 100_000
    assert services.clickhouse.query_log_since(), "the query log works after a restart"


async def run_aws(store: LocalObjectStore, *arguments: str) -> tuple[int | None, str]:
    routes = {S3_NAME: ADDRESSES.object_store}
    server = await proxy.serve(ADDRESSES.host(3), 3128, routes)
    process = await asyncio.create_subprocess_exec(
        find_aws(),
        "--endpoint-url",
        f"http://{S3_NAME}",
        *arguments,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": "/nonexistent",
            "HTTP_PROXY": f"http://{ADDRESSES.proxy}",
            "AWS_ACCESS_KEY_ID": store.credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": store.credentials.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    server.close()
    return process.returncode, output.decode()


def test_the_real_aws_command_backs_up_and_removes(services: Services, tmp_path: Path) -> None:
    store = services.store
    store.create_bucket("flink-checkpoints")
    store.create_bucket("flink-checkpoints")
    client = store.client()
    state, backup = "s3://flink-checkpoints/ta/checkpoints", "s3://flink-checkpoints/backup"
    large = bytes(20_000_000)
    client.put_object(Bucket="flink-checkpoints", Key="ta/checkpoints/chk-1/_metadata", Body=large)

    def aws(*arguments: str) -> str:
        status, output = asyncio.run(run_aws(store, "s3", *arguments))
        assert status == 0, output
        return output

    assert "flink-checkpoints" in aws("ls")
    aws("cp", "--recursive", state, backup)
    aws("rm", "--recursive", state)
    assert "Total Objects: 1" in aws("ls", "--recursive", "--summarize", "s3://flink-checkpoints")
    aws("cp", f"{backup}/chk-1/_metadata", str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == large
    assert "upload" in aws("cp", str(tmp_path / "copy"), state + "/again")


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize("part", ["kafka", "clickhouse", "store"])
def test_a_taken_port_is_named_before_anything_starts(tmp_path: Path, part: str) -> None:
    twin = getattr(describe(ADDRESSES, tmp_path), part)
    with pytest.raises(ServiceError, match=r"cannot listen on 127\.63\.1\.\d+:\d+: .* taken"):
        twin.start()
    assert not any(process.running for process in twin.processes)
    assert not (tmp_path / "logs").exists()


def broken_kafka(root: Path) -> LocalKafka:
    overrides = {"log.retention.check.interval.ms": "soon"}
    return LocalKafka(
        OTHER, directory=root / "kafka", logs=root / "logs", world_id=WORLD, overrides=overrides
    )


def broken_clickhouse(root: Path) -> LocalClickHouse:
    folder = root / "clickhouse"
    folder.mkdir()
    (folder / "data").write_text("in the way of the data directory")
    return LocalClickHouse(
        OTHER, directory=folder, logs=root / "logs", world_id=WORLD, password="x"
    )


@pytest.mark.parametrize(
    ("make", "reason"), [(broken_kafka, "Invalid value soon"), (broken_clickhouse, "File exists")]
)
def test_a_process_that_dies_at_start_is_quoted(
    tmp_path: Path, make: Callable[[Path], Service], reason: str
) -> None:
    service = make(tmp_path)
    try:
        service.start()
        with pytest.raises(ServiceError, match=reason):
            service.wait_ready(timeout=120)
    finally:
        service.stop()


def test_a_service_may_be_stopped_twice_or_before_it_started(tmp_path: Path) -> None:
    for service in describe(OTHER, tmp_path).all:
        service.stop()
        service.stop()
