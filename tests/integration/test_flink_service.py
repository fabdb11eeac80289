"""Flink's JobManager, TaskManager and client as real processes, with checkpoints on S3."""

from __future__ import annotations

import signal
import socket
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import NewTopic

from harness.core.errors import ServiceError
from harness.core.waiting import wait_until
from harness.world.addresses import Addresses
from harness.world.processes import sweep
from harness.world.services.flink import (
    FlinkCluster,
    FlinkClusterSpec,
    FlinkRestError,
    FlinkRuntime,
    JobSubmissionError,
    Memory,
    metric_topic,
)
from harness.world.services.flink.leftovers import processes_of
from harness.world.services.kafka import LocalKafka
from harness.world.services.object_store import Credentials, LocalObjectStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.world.services.flink import JobDetails

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / "fake_ta_job" / ".venv" / "bin" / "python"
DATA = ROOT / "tests" / "integration" / "data"
BUCKET = "flink-checkpoints"
PLACE = f"s3a://{BUCKET}/torghut/technical-analysis"
TIMEOUT = 120.0


@dataclass(frozen=True)
class World:
    """Addresses, an object store, and what a cluster is made of."""

    addresses: Addresses
    store: LocalObjectStore
    spec: FlinkClusterSpec

    def cluster(self, job: str = "flink_probe_job.py", **changes: Any) -> FlinkCluster:
        runtime = FlinkRuntime.locate(PYTHON, repository=ROOT, client=[str(DATA / job)])
        return FlinkCluster(replace(self.spec, **changes), runtime)


def make_world(network: str, root: Path) -> World:
    addresses, world_id = Addresses(network), f"test-{uuid.uuid4().hex[:8]}"
    credentials = Credentials.generate()
    hosts = root / "hosts"
    hosts.write_text(addresses.hosts_file())
    store = LocalObjectStore(
        addresses, credentials=credentials, logs=root / "logs", world_id=world_id
    )
    spec = FlinkClusterSpec(
        name="torghut-ta",
        world_id=world_id,
        addresses=addresses,
        configuration={
            "execution.checkpointing.dir": f"{PLACE}/checkpoints",
            "execution.checkpointing.savepoint-dir": f"{PLACE}/savepoints",
            "execution.checkpointing.interval": "1 s",
            "execution.checkpointing.unaligned.enabled": "true",  # as in production
            "s3.endpoint": f"http://{addresses.object_store}",
            "s3.path.style.access": "true",
        },
        environment={
            "AWS_ACCESS_KEY_ID": credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        },
        directory=root / "flink",
        logs=root / "logs",
        hosts_file=hosts,
    )
    return World(addresses, store, spec)


@contextmanager
def started(network: str, root: Path) -> Iterator[World]:
    world = make_world(network, root)
    try:
        world.store.start()
        world.store.wait_ready()
        world.store.create_bucket(BUCKET)
        yield world
    finally:
        world.store.stop()
        sweep(world.spec.world_id)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with started("127.62.1", tmp_path_factory.mktemp("world")) as one:
        yield one


@pytest.fixture(scope="module")
def cluster(world: World) -> Iterator[FlinkCluster]:
    one = world.cluster()
    try:
        one.start()
        one.wait_ready(TIMEOUT)
        yield one
    finally:
        one.stop()


def until_running(cluster: FlinkCluster, job_id: str) -> JobDetails:
    return wait_until(
        lambda: cluster.rest.job(job_id),
        what="all tasks running",
        timeout=TIMEOUT,
        holds=lambda job: job.all_running,
    )


def until_over(cluster: FlinkCluster, job_id: str) -> str:
    job = wait_until(
        lambda: cluster.rest.job(job_id),
        what="the job's end",
        timeout=TIMEOUT,
        holds=lambda job: job.terminal,
    )
    return job.state


def until_checkpoint(cluster: FlinkCluster, job_id: str) -> str:
    found = wait_until(
        lambda: cluster.rest.checkpoints(job_id).latest_completed,
        what="a checkpoint",
        timeout=TIMEOUT,
    )
    assert found is not None
    return found.external_path


def restored_from(cluster: FlinkCluster, job_id: str) -> str | None:
    until_running(cluster, job_id)
    restored = cluster.rest.checkpoints(job_id).latest_restored
    return restored.external_path if restored else None


def files(world: World, prefix: str) -> list[str]:
    listing = world.store.client().list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [one["Key"] for one in listing.get("Contents", ())]


def test_the_cluster_runs_with_its_own_settings(cluster: FlinkCluster) -> None:
    settings = cluster.rest.cluster_configuration()
    assert settings["web.submit.enable"] == "false"
    assert settings["execution.checkpointing.interval"] == "1 s"
    assert cluster.rest.overview().task_managers == 1


def test_jvms_listen_on_the_worlds_own_addresses_only(world: World, cluster: FlinkCluster) -> None:
    listening = {
        connection.laddr.ip
        for process in cluster.processes
        for connection in psutil.Process(process.pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    own = {world.addresses.host(40), world.addresses.host(41)}
    local = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}  # the JVM's own Python workers
    assert own <= {ip.removeprefix("::ffff:") for ip in listening} <= own | local


def test_a_cancelled_job_leaves_a_checkpoint_that_another_starts_from(
    world: World, cluster: FlinkCluster
) -> None:
    job_id = cluster.submit(job_id=uuid.uuid4().hex)
    wait_until(
        lambda: cluster.rest.source_metrics(job_id)["probe-source"].records,
        what="records read",
        timeout=TIMEOUT,
    )
    until_checkpoint(cluster, job_id)
    cluster.rest.cancel(job_id)
    assert until_over(cluster, job_id) == "CANCELED"
    newest = cluster.rest.checkpoints(job_id).latest_completed
    assert newest is not None
    assert newest.external_path.startswith(f"{PLACE}/checkpoints/{job_id}/chk-")
    prefix = newest.external_path.removeprefix(f"s3a://{BUCKET}/")
    assert f"{prefix}/_metadata" in files(world, prefix)

    second = cluster.submit(restore_from=newest.external_path)
    assert second != job_id
    assert restored_from(cluster, second) == newest.external_path
    cluster.rest.cancel(second)
    until_over(cluster, second)


def test_a_job_stops_with_a_savepoint_and_starts_from_it(cluster: FlinkCluster) -> None:
    job_id = cluster.submit()
    assert restored_from(cluster, job_id) is None
    trigger = cluster.rest.stop_with_savepoint(job_id, f"{PLACE}/savepoints")
    status = wait_until(
        lambda: cluster.rest.savepoint_status(job_id, trigger),
        what="the savepoint",
        timeout=TIMEOUT,
        holds=lambda one: one.done,
    )
    assert status.location is not None
    assert status.location.startswith(f"{PLACE}/savepoints/savepoint-{job_id[:6]}-")
    assert until_over(cluster, job_id) == "FINISHED"

    second = cluster.submit(restore_from=status.location)
    assert restored_from(cluster, second) == status.location
    cluster.rest.cancel(second)
    until_over(cluster, second)


def test_a_checkpoint_that_is_gone_is_told_by_client_and_job(cluster: FlinkCluster) -> None:
    job_id = uuid.uuid4().hex
    gone = f"{PLACE}/checkpoints/{'0' * 32}/chk-9999"
    with pytest.raises(JobSubmissionError) as caught:
        cluster.submit(restore_from=gone, job_id=job_id)
    assert caught.value.restore_path_missing
    assert gone in caught.value.cause
    assert until_over(cluster, job_id) == "FAILED"
    assert "Cannot find checkpoint or savepoint file/directory" in cluster.rest.exceptions(job_id)


def test_an_unknown_job_is_not_found(cluster: FlinkCluster) -> None:
    with pytest.raises(FlinkRestError) as caught:
        cluster.rest.job("0" * 32)
    assert caught.value.status == 404


def test_a_second_cluster_on_the_same_addresses_is_refused(
    world: World, cluster: FlinkCluster, tmp_path: Path
) -> None:
    assert cluster.job_manager.running
    second = world.cluster(directory=tmp_path / "flink")
    with pytest.raises(ServiceError, match=r"127\.62\.1\.40:8081: the port is taken"):
        second.start()
    assert second.processes == ()


def test_two_worlds_side_by_side_and_the_death_of_one(
    cluster: FlinkCluster, tmp_path: Path
) -> None:
    with started("127.62.2", tmp_path) as world:
        second = world.cluster()
        try:
            second.start()
            second.wait_ready(TIMEOUT)
            until_running(second, second.submit())
            pids = {process.pid for process in second.processes}
            assert {one.pid for one in processes_of(second._token)} > pids  # Python workers
            second.task_managers[0].signal(signal.SIGKILL)
            wait_until(
                lambda: {one.pid for one in processes_of(second._token)},
                what="the end of the TaskManager's Python workers",
                timeout=30,
                holds=lambda left: left == {second.job_manager.pid},
            )
            with pytest.raises(ServiceError, match="taskmanager-1-1 ended with status -9"):
                second.wait_ready(TIMEOUT)
        finally:
            second.stop()
        assert processes_of(second._token) == []
        second.stop()
    assert cluster.rest.overview().slots_total == 1


def test_a_job_manager_that_dies_at_the_start_is_told_with_its_log(tmp_path: Path) -> None:
    world = make_world("127.62.3", tmp_path)
    one = world.cluster(memory=Memory(job_manager_heap=1))
    try:
        one.start()
        with pytest.raises(ServiceError, match=r"(?s)jobmanager ended with status 1.*heap"):
            one.wait_ready(TIMEOUT)
    finally:
        one.kill()
    assert processes_of(one._token) == []


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    one = make_world("127.62.3", tmp_path).cluster(directory=tmp_path / "file" / "flink")
    with pytest.raises(ServiceError, match="cannot write its files"):
        one.start()


def test_waiting_for_what_was_not_started_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="was not started"):
        make_world("127.62.3", tmp_path).cluster().wait_ready(TIMEOUT)


def test_a_port_that_somebody_has_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.62.3.41", 6122)):
        one = make_world("127.62.3", tmp_path).cluster()
        with pytest.raises(ServiceError, match=r"127\.62\.3\.41:6122: the port is taken"):
            one.start()


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[LocalKafka]:
    world_id = f"test-{uuid.uuid4().hex[:8]}"
    one = LocalKafka(
        Addresses("127.62.4", brokers=1),
        directory=tmp_path / "kafka",
        logs=tmp_path / "logs",
        world_id=world_id,
    )
    try:
        one.start()
        one.wait_ready()
        yield one
    finally:
        one.stop()
        sweep(world_id)


def test_kafka_positions_are_told_by_partition(kafka: LocalKafka, tmp_path: Path) -> None:
    topic = "torghut.trades.v1"
    admin = kafka.admin()
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result()
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for number in range(30):
        producer.produce(topic, f"trade {number}".encode(), partition=number % 2)
    assert producer.flush(30) == 0

    with started("127.62.4", tmp_path) as world:
        one = world.cluster(
            "flink_kafka_probe_job.py",
            environment={
                **world.spec.environment,
                "PROBE_BOOTSTRAP": kafka.bootstrap,
                "PROBE_TOPIC": topic,
                "PROBE_GROUP": "probe",
            },
        )
        try:
            one.start()
            one.wait_ready(TIMEOUT)
            job_id = one.submit()
            metrics = wait_until(
                lambda: one.rest.source_metrics(job_id)["probe-kafka-source"],
                what="all records read and committed",
                timeout=TIMEOUT,
                holds=lambda seen: len(seen.committed_offsets) == 2,
            )
        finally:
            one.stop()
        places = {(metric_topic(topic), 0): 14, (metric_topic(topic), 1): 14}
        assert metrics.records == 30
        assert metrics.current_offsets == places
        assert metrics.committed_offsets == dict.fromkeys(places, 15)
