from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from harness.core.audit import AuditTrail
from harness.core.errors import ServiceError
from harness.world.control_plane.client import Client
from harness.world.control_plane.flink_operator.clusters import (
    Checkpoints,
    Deployment,
    JobView,
    Observation,
)
from harness.world.control_plane.flink_operator.controller import FINALIZER, FlinkOperator
from harness.world.control_plane.flink_operator.settings import OperatorSettings
from harness.world.control_plane.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from harness.world.control_plane.flink_operator.clusters import (
        ClusterRef,
        Submission,
    )

NAMESPACE = "torghut"
INTERVAL = timedelta(milliseconds=5)


class InstantClusters:
    """Clusters that do everything at once; an outage makes every call fail."""

    def __init__(self) -> None:
        self.jobs: dict[str, str] = {}
        self.submissions: list[tuple[str, Submission]] = []
        self.deleted: list[str] = []
        self.outage: ServiceError | None = None

    def _check(self) -> None:
        if self.outage is not None:
            raise self.outage

    async def observe(self, cluster: ClusterRef, job_id: str | None) -> Observation:
        self._check()
        if cluster.name not in self.jobs:
            return Observation()
        job = JobView(self.jobs[cluster.name]) if job_id else None
        checkpoints = Checkpoints(latest=f"s3a://b/{job_id}/chk-7")
        return Observation(
            Deployment.AVAILABLE, reachable=job is not None, job=job, checkpoints=checkpoints
        )

    async def deploy(self, cluster: ClusterRef, submission: Submission) -> None:
        self._check()
        self.submissions.append((cluster.name, submission))
        self.jobs[cluster.name] = "RUNNING"

    async def delete_cluster(self, cluster: ClusterRef, *, keep_ha: bool) -> None:
        self._check()
        assert not keep_ha
        self.jobs.pop(cluster.name, None)
        self.deleted.append(cluster.name)

    async def cancel(self, cluster: ClusterRef, job_id: str) -> None:
        self._check()
        assert job_id
        self.jobs[cluster.name] = "CANCELED"

    async def stop_with_savepoint(self, cluster: ClusterRef, job_id: str) -> str:
        self._check()
        self.jobs[cluster.name] = "FINISHED"
        return f"s3a://b/savepoint-{job_id}"


class World:
    def __init__(self, directory: Path) -> None:
        self.audit = AuditTrail(directory / "audit.jsonl")
        self.store = Store(namespaces=[NAMESPACE])
        self.clusters = InstantClusters()
        client = Client(self.store, self.audit, "flink-kubernetes-operator")
        self.operator = FlinkOperator(client, self.clusters, OperatorSettings.every(INTERVAL))

    def create(self, name: str = "torghut-ta", **job: object) -> None:
        self.store.create(
            {
                "apiVersion": "flink.apache.org/v1beta1",
                "kind": "FlinkDeployment",
                "metadata": {"name": name, "namespace": NAMESPACE},
                "spec": {
                    "flinkVersion": "v2_0",
                    "restartNonce": 1,
                    "flinkConfiguration": {"state.checkpoints.dir": "s3a://b/checkpoints"},
                    "job": {
                        "state": "running",
                        "upgradeMode": "last-state",
                        "parallelism": 1,
                        **job,
                    },
                },
            }
        )

    def patch(self, spec: dict[str, Any], name: str = "torghut-ta") -> None:
        self.store.patch("FlinkDeployment", NAMESPACE, name, {"spec": spec})

    def status(self, name: str = "torghut-ta") -> dict[str, Any]:
        found = self.store.get("FlinkDeployment", NAMESPACE, name)
        return dict(found.get("status") or {})

    def columns(self, name: str = "torghut-ta") -> tuple[str | None, str | None]:
        status = self.status(name)
        return (status.get("jobStatus") or {}).get("state"), status.get("lifecycleState")

    def events(self) -> dict[str, list[dict[str, Any]]]:
        reasons: dict[str, list[dict[str, Any]]] = {}
        for event in self.store.list("Event", NAMESPACE).items:
            reasons.setdefault(event["reason"], []).append(event)
        return reasons

    async def until(self, holds: Callable[[], bool]) -> None:
        changes = self.store.watch("FlinkDeployment")
        async with asyncio.timeout(10):
            while not holds():
                await anext(changes)


@contextlib.asynccontextmanager
async def running(directory: Path) -> AsyncIterator[World]:
    world = World(directory)
    task = asyncio.create_task(world.operator.run())
    try:
        yield world
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def test_a_new_resource_becomes_running_and_stable(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            world.create()
            await world.until(lambda: world.columns() == ("RUNNING", "STABLE"))
            assert world.status()["observedGeneration"] == 1
            assert (
                FINALIZER
                in world.store.get("FlinkDeployment", NAMESPACE, "torghut-ta")["metadata"][
                    "finalizers"
                ]
            )
            assert {"Submit", "JobStatusChanged"} <= world.events().keys()

    asyncio.run(scenario())


def test_suspend_and_resume_restore_the_newest_checkpoint(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            world.create()
            await world.until(lambda: world.columns() == ("RUNNING", "STABLE"))
            world.patch({"job": {"state": "suspended"}})
            await world.until(lambda: world.columns() == ("CANCELED", "UPGRADING"))
            world.patch({"restartNonce": 2, "job": {"state": "running"}})
            await world.until(lambda: world.columns() == ("RUNNING", "STABLE"))
            first, second = (submission for _, submission in world.clusters.submissions)
            assert first.restore_from is None
            assert second.restore_from == f"s3a://b/{first.job_id}/chk-7"
            assert {"SpecChanged", "Suspended"} <= world.events().keys()

    asyncio.run(scenario())


def test_resources_live_side_by_side(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            world.create("one")
            world.create("two", upgradeMode="stateless")
            await world.until(
                lambda: {world.columns("one"), world.columns("two")} == {("RUNNING", "STABLE")}
            )
            world.patch({"job": {"state": "suspended"}}, "two")
            await world.until(lambda: world.columns("two") == ("FINISHED", "SUSPENDED"))
            assert world.columns("one") == ("RUNNING", "STABLE")

    asyncio.run(scenario())


def test_deletion_takes_the_cluster_down_and_lets_the_resource_go(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            world.create()
            await world.until(lambda: world.columns() == ("RUNNING", "STABLE"))
            world.store.delete("FlinkDeployment", NAMESPACE, "torghut-ta")
            await world.until(lambda: not world.store.list("FlinkDeployment", NAMESPACE).items)
            assert world.clusters.deleted == ["torghut-ta"]
            world.create()
            await world.until(lambda: world.columns() == ("RUNNING", "STABLE"))

    asyncio.run(scenario())


def test_an_outage_shows_in_the_status_and_is_survived(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            world.create()
            await world.until(lambda: world.columns() == ("RUNNING", "STABLE"))
            world.clusters.outage = ServiceError("nobody answers", where="flink")
            await world.until(lambda: world.status().get("error") == "flink: nobody answers")
            assert world.columns() == ("RUNNING", "STABLE")
            world.clusters.outage = None
            await world.until(lambda: "error" not in world.status())
            errors = world.events()["Error"]
            assert len(errors) == 1
            assert errors[0]["type"] == "Warning"

    asyncio.run(scenario())


def test_deletion_is_tried_again_after_an_outage(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            world.create()
            await world.until(lambda: world.columns() == ("RUNNING", "STABLE"))
            world.clusters.outage = ServiceError("nobody answers")
            world.store.delete("FlinkDeployment", NAMESPACE, "torghut-ta")
            await world.until(lambda: world.status().get("error") == "nobody answers")
            world.clusters.outage = None
            await world.until(lambda: not world.store.list("FlinkDeployment", NAMESPACE).items)

    asyncio.run(scenario())


def test_settings_that_cannot_be_read_show_in_the_status(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            world.create()
            await world.until(lambda: world.columns() == ("RUNNING", "STABLE"))
            key = "kubernetes.operator.job.upgrade.last-state.max.allowed.checkpoint.age"
            world.patch({"flinkConfiguration": {key: "soon"}})
            await world.until(lambda: "'soon'" in world.status().get("error", ""))
            world.patch({"flinkConfiguration": {key: "5 min"}})
            await world.until(lambda: "error" not in world.status())

    asyncio.run(scenario())


def test_a_change_of_the_deployment_wakes_its_owner(tmp_path: Path) -> None:
    async def scenario() -> None:
        world = World(tmp_path)
        client = Client(world.store, world.audit, "flink-kubernetes-operator")
        slow = OperatorSettings.every(timedelta(hours=1))
        world.operator = FlinkOperator(client, world.clusters, slow)
        task = asyncio.create_task(world.operator.run())
        try:
            world.create()
            await world.until(lambda: world.columns()[0] == "RECONCILING")
            _touch_deployment(world, 1)
            await world.until(
                lambda: world.status()["jobManagerDeploymentStatus"] == "DEPLOYED_NOT_READY"
            )
            _touch_deployment(world, 2)
            await world.until(lambda: world.columns() == ("RUNNING", "STABLE"))
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    asyncio.run(scenario())


def _touch_deployment(world: World, number: int) -> None:
    owner = world.store.get("FlinkDeployment", NAMESPACE, "torghut-ta")
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": "torghut-ta",
        "uid": owner["metadata"]["uid"],
    }
    template = {
        "metadata": {"labels": {"app": "torghut-ta"}},
        "spec": {"containers": [{"name": "flink-main-container", "image": "i"}]},
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "torghut-ta",
            "namespace": NAMESPACE,
            "ownerReferences": [reference],
        },
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "torghut-ta"}},
            "template": template,
        },
    }
    if number == 1:
        world.store.create(deployment)
    else:
        world.store.patch(
            "Deployment", NAMESPACE, "torghut-ta", {"metadata": {"annotations": {"n": str(number)}}}
        )


@pytest.mark.parametrize("field", ["involvedObject", "source", "count", "firstTimestamp"])
def test_events_have_what_kubectl_shows(tmp_path: Path, field: str) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            world.create()
            await world.until(lambda: "Submit" in world.events())
            assert field in world.events()["Submit"][0]

    asyncio.run(scenario())


def test_every_change_is_made_in_the_operators_name(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            world.create()
            await world.until(lambda: world.columns() == ("RUNNING", "STABLE"))
            actors = {event.actor for event in world.audit.events()}
            assert actors == {"flink-kubernetes-operator"}

    asyncio.run(scenario())
