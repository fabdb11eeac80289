"""Application clusters with processes that only pretend."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from harness.core.audit import AuditTrail
from harness.core.errors import ServiceError
from harness.world.control_plane.client import Client
from harness.world.control_plane.flink_operator.application import Pace
from harness.world.control_plane.flink_operator.clusters import (
    ClusterRef,
    Deployment,
    HaMetadataMissingError,
    Observation,
    Submission,
)
from harness.world.control_plane.flink_operator.process_clusters import ProcessClusters
from harness.world.control_plane.flink_operator.spec import FlinkSpec
from harness.world.control_plane.flink_operator.views import look
from harness.world.control_plane.pods.runtime import PodRuntime
from harness.world.control_plane.store import Store
from harness.world.processes import ManagedProcess
from harness.world.services.flink.errors import FlinkRestError, JobSubmissionError
from harness.world.services.flink.records import (
    CheckpointStatistics,
    JobDetails,
    Overview,
    SavepointStatus,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

NAMESPACE, NAME, JOB = "torghut", "torghut-ta", "ab" * 16
CONTAINER = "flink-main-container"
MISSING_STATE = (
    "Caused by: java.io.FileNotFoundException: Cannot find checkpoint or savepoint file/directory"
    " 's3a://b/chk-6' on file system 's3a'."
)


class PretendProcess(ManagedProcess):
    """A process that is a flag."""

    def __init__(self, name: str, directory: Path) -> None:
        super().__init__(name, ["true"], log=directory / f"{name}.log", environment={})
        self.alive = False

    @property
    def running(self) -> bool:
        return self.alive

    def start(self) -> None:
        self.alive = True

    def stop(self, grace: float = 5.0) -> None:  # noqa: ARG002
        self.alive = False


def checkpoints(
    latest: str | None = None, restored: str | None = None, *, discarded: bool = False
) -> CheckpointStatistics:
    completed = {
        "id": 6,
        "external_path": latest,
        "is_savepoint": False,
        "trigger_timestamp": 1,
        "latest_ack_timestamp": 2000,
        "discarded": discarded,
        "state_size": 1,
    }
    from_state = {
        "id": 5,
        "restore_timestamp": 1,
        "is_savepoint": False,
        "external_path": restored,
    }
    return CheckpointStatistics.from_json(
        {
            "counts": dict.fromkeys(("restored", "total", "in_progress", "completed", "failed"), 0),
            "latest": {
                "completed": completed if latest else None,
                "restored": from_state if restored else None,
            },
            "history": [],
        }
    )


@dataclass
class PretendRest:
    """A REST API with one job."""

    state: str = "RUNNING"
    tasks: str = "RUNNING"
    statistics: CheckpointStatistics = field(default_factory=checkpoints)
    down: bool = False
    savepoint: SavepointStatus = field(
        default_factory=lambda: SavepointStatus(done=True, location="s3a://b/s/1", failure=None)
    )

    def overview(self) -> Overview:
        return Overview(
            version="2.0.2", task_managers=1, slots_total=1, slots_available=0, jobs_running=1
        )

    def job(self, job_id: str) -> JobDetails:
        if self.down:
            raise FlinkRestError("nobody", where="rest")
        if job_id != JOB:
            raise FlinkRestError("not found", where="rest", status=404)
        vertex = {"id": "v", "name": "Source: x", "parallelism": 1, "status": self.tasks}
        return JobDetails.from_json(
            {
                "jid": JOB,
                "name": "ta",
                "state": self.state,
                "start-time": 7,
                "vertices": [vertex],
            }
        )

    def checkpoints(self, job_id: str) -> CheckpointStatistics:
        assert job_id == JOB
        return self.statistics

    def exceptions(self, job_id: str) -> str:
        assert job_id == JOB
        return "java.lang.Exception: no\n\tat a.b\n"

    def cancel(self, job_id: str) -> None:
        assert job_id == JOB
        self.state = "CANCELED"

    def stop_with_savepoint(self, job_id: str, directory: str) -> str:
        assert job_id == JOB
        assert directory == "s3a://b/s"
        return "trigger"

    def savepoint_status(self, job_id: str, trigger: str) -> SavepointStatus:
        assert (job_id, trigger) == (JOB, "trigger")
        return self.savepoint


@dataclass
class PretendProcesses:
    """A cluster that starts and stops as it is told."""

    directory: Path
    environment: Mapping[str, str]
    configuration: Mapping[str, str]
    start_error: ServiceError | None = None
    submit_error: JobSubmissionError | None = None
    rest: PretendRest = field(default_factory=PretendRest)
    submitted: dict[str, Any] | None = None
    stops: int = 0

    def __post_init__(self) -> None:
        self.job_manager = PretendProcess("jobmanager", self.directory)
        self.task_managers = [PretendProcess("taskmanager", self.directory)]

    def start(self) -> None:
        if self.start_error:
            raise self.start_error
        for process in (self.job_manager, *self.task_managers):
            process.start()

    def wait_ready(self, timeout: float = 60.0) -> None:
        assert timeout

    def submit(self, **arguments: Any) -> str:
        self.submitted = arguments
        if self.submit_error:
            raise self.submit_error
        return JOB

    def stop(self) -> None:
        self.stops += 1
        for process in (self.job_manager, *self.task_managers):
            process.stop()


class Edge:
    def overlay(
        self, environment: Mapping[str, str], configuration: Mapping[str, str]
    ) -> tuple[dict[str, str], dict[str, str]]:
        return {**environment, "EDGE": "yes"}, {**configuration, "fs.s3a.endpoint": "here"}


class World:
    """A store with a FlinkDeployment, and clusters that only pretend."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = Store(namespaces=[NAMESPACE])
        audit = AuditTrail(directory / "audit.jsonl")
        client = Client(self.store, audit, "flink-kubernetes-operator")
        self.pods = PodRuntime(audit)
        self.made: list[PretendProcesses] = []
        self.start_errors: list[ServiceError | None] = []
        self.submit_errors: list[JobSubmissionError | None] = []
        pace = Pace(first_back_off=0.01, longest_back_off=0.02, probe=0.005, idle_task_managers=0)
        self.clusters = ProcessClusters(client, self.pods, Edge(), self.launch, pace=pace)
        self.store.create(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "torghut-ta-config", "namespace": NAMESPACE},
                "data": {"TA_GROUP_ID": "live"},
            }
        )
        created = self.store.create(
            {
                "apiVersion": "flink.apache.org/v1beta1",
                "kind": "FlinkDeployment",
                "metadata": {"name": NAME, "namespace": NAMESPACE},
                "spec": spec().to_dict(),
            }
        )
        self.ref = ClusterRef(NAMESPACE, NAME, created["metadata"]["uid"])

    def launch(
        self, name: str, environment: Mapping[str, str], configuration: Mapping[str, str]
    ) -> PretendProcesses:
        assert name == NAME
        processes = PretendProcesses(self.directory, environment, configuration)
        processes.start_error = self.start_errors.pop(0) if self.start_errors else None
        processes.submit_error = self.submit_errors.pop(0) if self.submit_errors else None
        self.made.append(processes)
        return processes

    async def deploy(self, **more: Any) -> None:
        await self.clusters.deploy(self.ref, Submission(spec(), 1, JOB, **more))

    async def observe(self, job_id: str | None = JOB) -> Observation:
        return await self.clusters.observe(self.ref, job_id)

    async def until_up(self) -> PretendProcesses:
        await until(lambda: bool(self.made) and bool(self.pod_names("taskmanager")))
        async with asyncio.timeout(10):
            while not (await self.observe()).reachable:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.002)
        return self.made[-1]

    def names(self, kind: str) -> list[str]:
        return [item["metadata"]["name"] for item in self.store.list(kind, NAMESPACE).items]

    def pods_of(self, component: str) -> list[dict[str, Any]]:
        return self.store.list("Pod", NAMESPACE, labels=f"component={component}").items

    def pod_names(self, component: str) -> list[str]:
        return [pod["metadata"]["name"] for pod in self.pods_of(component)]

    def container(self) -> dict[str, Any]:
        (pod,) = self.pods_of("jobmanager")
        return dict(pod["status"]["containerStatuses"][0])

    def waiting(self) -> str | None:
        reason = self.container()["state"].get("waiting", {}).get("reason")
        return None if reason is None else str(reason)


def spec() -> FlinkSpec:
    container = {
        "name": CONTAINER,
        "envFrom": [{"configMapRef": {"name": "torghut-ta-config"}}],
    }
    return FlinkSpec(
        {
            "image": "lab/torghut-ta",
            "flinkConfiguration": {"state.savepoints.dir": "s3a://b/s"},
            "podTemplate": {
                "metadata": {"labels": {"app": NAME, "team": "ta"}},
                "spec": {"containers": [container]},
            },
            "job": {"parallelism": 8, "allowNonRestoredState": True},
        }
    )


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - the clusters work in threads
            await asyncio.sleep(0.002)


@contextlib.asynccontextmanager
async def living(directory: Path) -> AsyncIterator[World]:
    world = World(directory)
    try:
        yield world
    finally:
        await world.clusters.close()
        assert not any(
            process.alive
            for made in world.made
            for process in (made.job_manager, *made.task_managers)
        )


def test_a_cluster_comes_up_with_its_objects(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path) as world:
            assert await world.observe() == Observation()
            await world.deploy(restore_from="s3a://b/chk-6")
            assert world.names("Deployment") == [NAME]
            assert (await world.observe()).deployment is Deployment.STARTING
            processes = await world.until_up()
            assert world.names("Service") == [NAME, "torghut-ta-rest"]
            assert "flink-config-torghut-ta" in world.names("ConfigMap")
            assert world.pod_names("taskmanager") == ["torghut-ta-taskmanager-1-1"]
            assert world.container()["ready"]
            assert processes.submitted == {
                "restore_from": "s3a://b/chk-6",
                "allow_non_restored": True,
                "job_id": JOB,
            }
            seen = await world.observe()
            assert seen.deployment is Deployment.AVAILABLE
            assert seen.job is not None
            assert (seen.job.state, seen.job.name, seen.job.started) == ("RUNNING", "ta", 7)
            assert seen.cluster_info == {"flink-version": "2.0.2"}

    asyncio.run(scenario())


def test_objects_belong_together(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path) as world:
            await world.deploy()
            await world.until_up()
            deployment = world.store.get("Deployment", NAMESPACE, NAME)
            assert deployment["metadata"]["ownerReferences"][0]["kind"] == "FlinkDeployment"
            assert deployment["status"]["availableReplicas"] == 1
            (pod,) = world.pods_of("jobmanager")
            assert pod["metadata"]["ownerReferences"][0]["name"] == NAME
            assert pod["metadata"]["labels"]["team"] == "ta"
            assert pod["spec"]["containers"][0]["envFrom"]

    asyncio.run(scenario())


def test_the_edge_is_laid_over_environment_and_configuration(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path) as world:
            await world.deploy()
            processes = await world.until_up()
            assert processes.environment == {"TA_GROUP_ID": "live", "EDGE": "yes"}
            assert processes.configuration == {
                "state.savepoints.dir": "s3a://b/s",
                "parallelism.default": "8",
                "fs.s3a.endpoint": "here",
            }

    asyncio.run(scenario())


def test_pods_have_their_processes_and_logs_behind_them(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path) as world:
            await world.deploy()
            processes = await world.until_up()
            (name,) = world.pod_names("jobmanager")
            backing = world.pods.backing(NAMESPACE, name, CONTAINER)
            assert backing.processes == (processes.job_manager,)
            assert backing.log == processes.job_manager.log
            await world.clusters.delete_cluster(world.ref, keep_ha=False)
            assert world.pods.containers(NAMESPACE, name) == ()

    asyncio.run(scenario())


def test_deletion_ends_processes_and_deletes_objects(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path) as world:
            await world.deploy()
            processes = await world.until_up()
            await world.clusters.delete_cluster(world.ref, keep_ha=False)
            assert not processes.job_manager.alive
            for kind in ("Pod", "Service", "Deployment"):
                assert world.names(kind) == []
            assert world.names("ConfigMap") == ["torghut-ta-config"]
            assert await world.observe() == Observation()
            await world.clusters.delete_cluster(world.ref, keep_ha=False)

    asyncio.run(scenario())


def test_deletion_while_coming_up_leaves_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path) as world:
            await world.deploy()
            await world.clusters.delete_cluster(world.ref, keep_ha=False)
            assert world.names("Pod") == []
            assert not any(made.job_manager.alive for made in world.made)

    asyncio.run(scenario())


def test_a_lost_checkpoint_is_a_crash_loop(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path) as world:
            gone = JobSubmissionError("no", where="log", output=MISSING_STATE)
            world.submit_errors = [gone] * 3
            await world.deploy(restore_from="s3a://b/chk-6")
            await until(lambda: bool(world.pods_of("jobmanager")))
            await until(lambda: world.container()["restartCount"] >= 1)
            seen = await world.observe()
            assert seen.job is not None
            assert seen.job.state == "FAILED"
            assert "FileNotFoundException" in (seen.job.error or "")
            assert not seen.checkpoints.readable
            await until(lambda: world.container()["restartCount"] == 3)
            terminated = world.container()["lastState"]["terminated"]
            assert terminated["exitCode"] == 2
            await world.until_up()
            assert world.container()["restartCount"] == 3
            (name,) = world.pod_names("jobmanager")
            assert world.pods.backing(NAMESPACE, name, CONTAINER).previous_log is not None

    asyncio.run(scenario())


def test_a_crash_is_shown_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path) as world:
            gone = JobSubmissionError("no", where="log", output=MISSING_STATE)
            world.submit_errors = [gone] * 1000
            await world.deploy(restore_from="s3a://b/chk-6")
            await until(lambda: bool(world.pods_of("jobmanager")))
            await until(lambda: world.container()["restartCount"] >= 1)
            restarts = world.container()["restartCount"]
            seen = [await world.observe() for _ in range(2)]
            assert world.container()["restartCount"] == restarts
            assert [one.reachable for one in seen] == [True, False]
            with pytest.raises(ServiceError, match="not up"):
                await world.clusters.cancel(world.ref, JOB)

    asyncio.run(scenario())


def test_a_crash_that_nobody_saw_is_forgotten_once_the_job_runs(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path) as world:
            gone = JobSubmissionError("no", where="log", output=MISSING_STATE)
            world.submit_errors = [gone]
            await world.deploy(restore_from="s3a://b/chk-6")
            await until(lambda: len(world.made) == 2 and bool(world.pod_names("taskmanager")))
            application = world.clusters._applications[world.ref]
            await until(lambda: application._job_submitted)
            job = (await world.observe()).job
            assert job is not None
            assert job.state == "RUNNING"

    asyncio.run(scenario())


def test_processes_that_do_not_start_are_a_crash_loop_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path) as world:
            world.start_errors = [ServiceError("port taken")]
            await world.deploy()
            await until(lambda: bool(world.pods_of("jobmanager")))
            await world.until_up()
            assert world.container()["restartCount"] == 1
            assert world.container()["lastState"]["terminated"]["exitCode"] == 1

    asyncio.run(scenario())


def test_a_missing_config_map_keeps_the_container_from_being_made(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path) as world:
            found = world.store.get("ConfigMap", NAMESPACE, "torghut-ta-config")
            world.store.delete("ConfigMap", NAMESPACE, "torghut-ta-config")
            await world.deploy()
            await until(lambda: world.waiting() == "CreateContainerConfigError")
            assert (await world.observe()).deployment is Deployment.STARTING
            for key in ("uid", "resourceVersion", "creationTimestamp", "managedFields"):
                found["metadata"].pop(key, None)
            world.store.create(found)
            await world.until_up()
            assert world.container()["restartCount"] == 0

    asyncio.run(scenario())


def test_a_killed_job_manager_is_restarted_from_where_it_was_deployed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path) as world:
            await world.deploy(restore_from="s3a://b/chk-6")
            first = await world.until_up()
            first.job_manager.alive = False
            await until(lambda: len(world.made) == 2 and world.made[1].submitted is not None)
            second = await world.until_up()
            assert second.submitted == first.submitted
            assert world.container()["lastState"]["terminated"]["exitCode"] == 137

    asyncio.run(scenario())


def test_a_killed_task_manager_is_replaced_by_another_pod(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path) as world:
            await world.deploy()
            processes = await world.until_up()
            processes.task_managers[0].alive = False
            await until(lambda: world.pod_names("taskmanager") == ["torghut-ta-taskmanager-1-2"])
            assert processes.task_managers[0].alive

    asyncio.run(scenario())


def test_task_managers_without_a_job_are_let_go(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path) as world:
            await world.deploy()
            processes = await world.until_up()
            await world.clusters.cancel(world.ref, JOB)
            await until(lambda: world.pod_names("taskmanager") == [])
            assert not processes.task_managers[0].alive
            assert processes.job_manager.alive
            assert world.container()["ready"]
            job = (await world.observe()).job
            assert job is not None
            assert job.state == "CANCELED"

    asyncio.run(scenario())


def test_a_savepoint_is_waited_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path) as world:
            await world.deploy()
            processes = await world.until_up()
            assert await world.clusters.stop_with_savepoint(world.ref, JOB) == "s3a://b/s/1"
            processes.rest.savepoint = SavepointStatus(done=True, location=None, failure="no room")
            with pytest.raises(ServiceError, match="no room"):
                await world.clusters.stop_with_savepoint(world.ref, JOB)

    asyncio.run(scenario())


def test_what_the_miniature_cannot_do(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path) as world:
            with pytest.raises(HaMetadataMissingError):
                await world.deploy(require_ha_metadata=True)
            with pytest.raises(ServiceError, match="not deployed"):
                await world.clusters.cancel(world.ref, JOB)

    asyncio.run(scenario())


def test_a_second_deployment_takes_the_place_of_the_first(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path) as world:
            await world.deploy()
            first = await world.until_up()
            await world.deploy()
            await until(lambda: len(world.made) == 2)
            await world.until_up()
            assert not first.job_manager.alive
            assert world.names("Deployment") == [NAME]

    asyncio.run(scenario())


# What the REST API says


@pytest.mark.parametrize(
    ("state", "tasks", "shown"),
    [
        ("RUNNING", "RUNNING", "RUNNING"),
        ("RUNNING", "SCHEDULED", "CREATED"),
        ("RESTARTING", "CANCELED", "RESTARTING"),
        ("INITIALIZING", "CREATED", "INITIALIZING"),
    ],
)
def test_a_job_runs_once_all_its_tasks_do(state: str, tasks: str, shown: str) -> None:
    found = look(PretendRest(state, tasks), JOB, Deployment.AVAILABLE)
    assert found.job is not None
    assert found.job.state == shown


def test_a_failed_job_shows_the_first_line_of_its_failure() -> None:
    found = look(PretendRest("FAILED"), JOB, Deployment.AVAILABLE)
    assert found.job is not None
    assert found.job.error == "java.lang.Exception: no"


def test_a_job_that_is_not_listed() -> None:
    found = look(PretendRest(), "cd" * 16, Deployment.AVAILABLE)
    assert (found.reachable, found.job) == (True, None)


def test_nobody_answers() -> None:
    found = look(PretendRest(down=True), JOB, Deployment.AVAILABLE)
    assert found == Observation(Deployment.AVAILABLE)


@pytest.mark.parametrize(
    ("statistics", "latest"),
    [
        (checkpoints(), None),
        (checkpoints("s3a://b/chk-6"), "s3a://b/chk-6"),
        (checkpoints("s3a://b/chk-6", discarded=True), None),
        (checkpoints(restored="s3a://b/chk-5"), "s3a://b/chk-5"),
        (checkpoints("s3a://b/chk-6", restored="s3a://b/chk-5"), "s3a://b/chk-6"),
    ],
    ids=["none", "one", "one that is gone", "restored only", "newer than restored"],
)
def test_the_newest_checkpoint(statistics: CheckpointStatistics, latest: str | None) -> None:
    found = look(PretendRest(statistics=statistics), JOB, Deployment.AVAILABLE)
    assert found.checkpoints.latest == latest


@pytest.mark.parametrize(("restart", "seconds"), [(1, 2), (2, 4), (3, 8), (5, 30), (9, 30)])
def test_back_off_doubles_up_to_a_limit(restart: int, seconds: float) -> None:
    assert Pace().back_off(restart) == seconds


def test_back_off_never_shrinks() -> None:
    pauses = [Pace().back_off(number) for number in range(1, 20)]
    assert all(later >= sooner for sooner, later in itertools.pairwise(pauses))
