"""The operator with real Flink processes behind it: the runbook's ways through its states."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import shutil
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.core.audit import AuditTrail
from harness.world.addresses import Addresses
from harness.world.control_plane.client import Client
from harness.world.control_plane.flink_operator.application import Pace
from harness.world.control_plane.flink_operator.controller import FlinkOperator
from harness.world.control_plane.flink_operator.launching import ProcessLauncher
from harness.world.control_plane.flink_operator.process_clusters import ProcessClusters
from harness.world.control_plane.flink_operator.settings import OperatorSettings
from harness.world.control_plane.pods.runtime import PodRuntime
from harness.world.control_plane.store import Store
from harness.world.processes import marked_processes, sweep
from harness.world.services.flink import FlinkRuntime
from harness.world.services.flink.rest import FlinkRest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / "fake_ta_job" / ".venv" / "bin" / "python"
PROBE = ROOT / "tests" / "integration" / "data" / "flink_probe_job.py"
NAMESPACE, NAME = "torghut", "torghut-ta"
TIMEOUT = 90.0


@dataclass
class Edge:
    """Replaces production's bucket by a directory, and remembers what it was given."""

    directory: Path
    seen: list[dict[str, str]] = field(default_factory=list)

    def overlay(
        self, environment: Mapping[str, str], configuration: Mapping[str, str]
    ) -> tuple[dict[str, str], dict[str, str]]:
        self.seen.append(dict(environment))
        local = {
            "execution.checkpointing.dir": f"file://{self.directory}/checkpoints",
            "execution.checkpointing.interval": "500 ms",
            "parallelism.default": "1",
            "taskmanager.numberOfTaskSlots": "1",
        }
        return dict(environment), {**configuration, **local}


class World:
    def __init__(self, directory: Path) -> None:
        self.world_id = f"test-{uuid.uuid4().hex[:8]}"
        self.edge = Edge(directory / "state")
        self.store = Store(namespaces=[NAMESPACE])
        addresses = Addresses("127.65.1")
        hosts = directory / "hosts"
        hosts.write_text(addresses.hosts_file())
        audit = AuditTrail(directory / "audit.jsonl")
        client = Client(self.store, audit, "flink-kubernetes-operator")
        runtime = FlinkRuntime.locate(PYTHON, repository=ROOT, client=[str(PROBE)])
        launcher = ProcessLauncher(
            self.world_id, addresses, runtime, directory / "flink", directory / "logs", hosts
        )
        self.pods = PodRuntime(audit)
        pace = Pace(first_back_off=0.2, longest_back_off=1.0, probe=0.2, idle_task_managers=2.0)
        self.clusters = ProcessClusters(client, self.pods, self.edge, launcher, pace=pace)
        settings = OperatorSettings.every(timedelta(milliseconds=300))
        self.operator = FlinkOperator(client, self.clusters, settings)
        self.rest = FlinkRest(addresses.flink_rest)

    def create(self) -> None:
        metadata = {"namespace": NAMESPACE}
        self.store.create(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": metadata | {"name": "torghut-ta-config"},
                "data": {"TA_GROUP_ID": "torghut-ta-live"},
            }
        )
        self.store.create(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": metadata | {"name": "torghut-ws"},
                "data": {"password": base64.b64encode(b"hush").decode()},
            }
        )
        self.store.create(
            {
                "apiVersion": "flink.apache.org/v1beta1",
                "kind": "FlinkDeployment",
                "metadata": metadata | {"name": NAME},
                "spec": _spec(),
            }
        )

    def patch(self, **spec: Any) -> None:
        self.store.patch("FlinkDeployment", NAMESPACE, NAME, {"spec": spec})

    @property
    def status(self) -> dict[str, Any]:
        return dict(self.store.get("FlinkDeployment", NAMESPACE, NAME).get("status") or {})

    @property
    def columns(self) -> tuple[str | None, str | None]:
        job = self.status.get("jobStatus") or {}
        return job.get("state"), self.status.get("lifecycleState")

    def pods_by_component(self, component: str) -> list[dict[str, Any]]:
        return self.store.list("Pod", NAMESPACE, labels=f"component={component}").items

    async def until(self, holds: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(TIMEOUT):
                while not holds():  # noqa: ASYNC110 - looks behind the API, too
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pytest.fail(f"last status: {self.status}")

    async def until_checkpoint(self) -> str:
        job_id = self.status["jobStatus"]["jobId"]
        await self.until(lambda: self.rest.checkpoints(job_id).latest_completed is not None)
        return str(job_id)


def _spec() -> dict[str, Any]:
    reference = {"secretKeyRef": {"name": "torghut-ws", "key": "password"}}
    container = {
        "name": "flink-main-container",
        "envFrom": [{"configMapRef": {"name": "torghut-ta-config"}}],
        "env": [{"name": "TA_KAFKA_PASSWORD", "valueFrom": reference}],
    }
    return {
        "image": "lab/torghut-ta",
        "flinkVersion": "v2_0",
        "restartNonce": 1,
        "flinkConfiguration": {"state.checkpoints.dir": "s3a://flink-checkpoints/torghut"},
        "podTemplate": {"spec": {"containers": [container]}},
        "job": {"state": "running", "upgradeMode": "last-state", "parallelism": 8},
    }


@contextlib.asynccontextmanager
async def running(directory: Path) -> AsyncIterator[World]:
    world = World(directory)
    task = asyncio.create_task(world.operator.run())
    try:
        yield world
        assert not task.done()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await world.clusters.close()
        sweep(world.world_id)


def test_the_ways_of_the_runbook(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            world.create()
            await _comes_up(world)
            await _is_restored_under_another_group(world)
            await _crash_loops_without_its_checkpoint(world)
            await _recovers_stateless(world)
            await _is_deleted(world)

    asyncio.run(scenario())


async def _comes_up(world: World) -> None:
    await world.until(lambda: world.columns == ("RUNNING", "STABLE"))
    assert world.edge.seen == [{"TA_GROUP_ID": "torghut-ta-live", "TA_KAFKA_PASSWORD": "hush"}]
    (pod,) = world.pods_by_component("jobmanager")
    assert pod["metadata"]["name"].startswith("torghut-ta-")
    assert pod["status"]["containerStatuses"][0]["ready"]
    assert "hush" not in str(pod)
    (task_manager,) = world.pods_by_component("taskmanager")
    assert task_manager["metadata"]["name"] == "torghut-ta-taskmanager-1-1"
    backing = world.pods.backing(NAMESPACE, pod["metadata"]["name"], "flink-main-container")
    assert backing.log is not None
    assert backing.log.exists()
    services = {item["metadata"]["name"] for item in world.store.list("Service", NAMESPACE).items}
    assert services == {"torghut-ta", "torghut-ta-rest"}


async def _is_restored_under_another_group(world: World) -> None:
    before = await world.until_checkpoint()
    world.patch(job={"state": "suspended"})
    await world.until(lambda: world.columns == ("CANCELED", "UPGRADING"))
    path = world.status["jobStatus"]["upgradeSavepointPath"]
    assert f"/{before}/chk-" in path
    world.store.patch(
        "ConfigMap", NAMESPACE, "torghut-ta-config", {"data": {"TA_GROUP_ID": "replay-1"}}
    )
    world.patch(restartNonce=2)
    await world.until(lambda: not world.pods_by_component("taskmanager"))
    assert world.columns == ("CANCELED", "UPGRADING")
    world.patch(job={"state": "running"})
    await world.until(lambda: world.columns == ("RUNNING", "STABLE"))
    assert world.edge.seen[-1]["TA_GROUP_ID"] == "replay-1"
    restored = world.rest.checkpoints(await world.until_checkpoint()).latest_restored
    assert restored is not None
    assert restored.external_path == path


async def _crash_loops_without_its_checkpoint(world: World) -> None:
    world.patch(job={"state": "suspended"})
    await world.until(lambda: world.columns == ("CANCELED", "UPGRADING"))
    shutil.rmtree(world.edge.directory / "checkpoints")
    world.patch(restartNonce=3, job={"state": "running"})
    await world.until(lambda: _restarts(world) > 1)
    assert world.columns == ("RECONCILING", "DEPLOYED")
    assert "Could not observe latest savepoint information" in world.status["error"]
    world.patch(job={"state": "suspended"})
    await asyncio.sleep(1.0)
    assert world.columns == ("RECONCILING", "DEPLOYED"), "a suspension is ignored meanwhile"


def _restarts(world: World) -> int:
    (pod,) = world.pods_by_component("jobmanager") or [{"status": {"containerStatuses": [{}]}}]
    return int(pod["status"]["containerStatuses"][0].get("restartCount", 0))


async def _recovers_stateless(world: World) -> None:
    world.patch(restartNonce=4, job={"state": "running", "upgradeMode": "stateless"})
    await world.until(lambda: world.columns == ("RUNNING", "STABLE"))
    assert "error" not in world.status
    restored = world.rest.checkpoints(await world.until_checkpoint()).latest_restored
    assert restored is None


async def _is_deleted(world: World) -> None:
    world.store.delete("FlinkDeployment", NAMESPACE, NAME)
    await world.until(lambda: not world.store.list("FlinkDeployment", NAMESPACE).items)
    for kind in ("Pod", "Service", "Deployment"):
        assert world.store.list(kind, NAMESPACE).items == []
    assert marked_processes(world.world_id) == []
