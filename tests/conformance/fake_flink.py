"""Flink clusters in virtual time: good enough to replay recordings of the real operator.

A healthy cluster comes up by itself: its Deployment is available after a while, its REST API a
little later, its job is CREATED until slots are there. A cluster told to restore from a path that
is gone crashes for ever; *when* its JobManager is up, down or half way in between is nobody's
decision, so a script sets that (``phase``), the way the recording saw it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from harness.world.control_plane.flink_operator.clusters import (
    Checkpoints,
    Deployment,
    HaMetadataMissingError,
    JobView,
    Observation,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from harness.world.control_plane.flink_operator.clusters import ClusterRef, Submission

AVAILABLE_AFTER: Final = 5.0
REST_AFTER: Final = 6.0
SLOTS_AFTER: Final = 8.0
CANCELLING_TAKES: Final = 0.5
DELETING_TAKES: Final = 2.0
REST_TIMEOUT: Final = 11.0
RESTORE_ERROR: Final = (
    "org.apache.flink.runtime.client.JobInitializationException: Could not start the JobMaster."
)


class Phase(Enum):
    """How far a crashing JobManager has come this time."""

    PENDING = "pod not up yet"
    BACKOFF = "pod waits for its next try, nobody answers"
    PORT_OPEN = "port open, REST API silent"
    FAILED = "job FAILED, REST API answers"
    FAILED_THEN_GONE = "job FAILED, then the REST API went away"
    NO_JOB = "REST API lists no job"
    INITIALIZING = "job INITIALIZING"


class Pause:
    """Awaiting this lets virtual time pass."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __await__(self) -> Generator[float, None, None]:
        if self._seconds:
            yield self._seconds


@dataclass(frozen=True)
class JobStart:
    """What a job saw when it came up."""

    restored: bool
    checkpoint: int | None
    group: str | None


@dataclass
class FakeCluster:
    """One cluster.

    Attributes:
        submission: what it was started with.
        born: virtual time of its creation.
        crashes: whether it cannot restore.
        phase: how far a crashing one has come.
        canceled_at: when its job will be CANCELED.
        deleting: whether its pods are being ended.
    """

    submission: Submission
    born: float
    crashes: bool = False
    phase: Phase = Phase.PENDING
    canceled_at: float | None = None
    deleting: bool = False


@dataclass
class FakeFlink:
    """All of Flink that the operator can see, for one FlinkDeployment.

    Attributes:
        now: virtual time, seconds.
        environment: the ConfigMap, read whenever a pod starts.
        files: checkpoints and savepoints on disk, path to checkpoint number.
        starts: jobs that came up.
        slots_at_once: slots are there before the REST API answers for the first time.
        newest: number of the running job's newest checkpoint, as its REST API shows it.
        subsumed: whether a newer checkpoint takes the place of ``newest`` after it was shown.
        ha_metadata: whether HA ConfigMaps of the job are there.
        high_availability: whether the cluster writes them.
    """

    now: float = 0.0
    environment: dict[str, str] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    starts: list[JobStart] = field(default_factory=list)
    slots_at_once: bool = True
    newest: int = 1
    subsumed: bool = False
    ha_metadata: bool = False
    high_availability: bool = False
    cluster: FakeCluster | None = None
    calls: list[str] = field(default_factory=list)

    async def observe(self, _cluster: ClusterRef, job_id: str | None) -> Observation:
        if self.cluster is None:
            return Observation(ha_metadata=self.ha_metadata)
        deployment = self._deployment(self.cluster)
        reachable = job_id is not None and self._answers(self.cluster)
        if job_id is not None and not reachable and deployment is not Deployment.AVAILABLE:
            await Pause(REST_TIMEOUT)
        return Observation(
            deployment=deployment,
            reachable=reachable,
            job=self._job(self.cluster) if reachable else None,
            checkpoints=self._checkpoints(self.cluster),
            ha_metadata=self.ha_metadata,
        )

    async def deploy(self, _cluster: ClusterRef, submission: Submission) -> None:
        self.calls.append("deploy")
        if submission.require_ha_metadata and not self.ha_metadata:
            raise HaMetadataMissingError("no HA ConfigMaps")
        path = submission.restore_from
        self.cluster = FakeCluster(submission, self.now)
        self.cluster.crashes = path is not None and path not in self.files
        self.high_availability = submission.spec.high_availability
        self.ha_metadata = self.high_availability
        if not self.cluster.crashes:
            self._note_start(submission)

    def _note_start(self, submission: Submission) -> None:
        number = self.files.get(submission.restore_from or "")
        if submission.require_ha_metadata:
            number = self.newest
        group = self.environment.get("TA_GROUP_ID")
        self.starts.append(JobStart(number is not None, number, group))

    async def delete_cluster(self, _cluster: ClusterRef, *, keep_ha: bool) -> None:
        self.calls.append("delete_cluster keeping HA data" if keep_ha else "delete_cluster")
        self.ha_metadata = self.ha_metadata and keep_ha
        if self.cluster is None:
            return
        self.cluster.deleting = True
        if not self.high_availability and not self._ended(self.cluster):
            await Pause(DELETING_TAKES)
        self.cluster = None

    async def cancel(self, _cluster: ClusterRef, _job_id: str) -> None:
        self.calls.append("cancel")
        if self.cluster is not None:
            self.cluster.canceled_at = self.now + CANCELLING_TAKES
            self.files[self._path(self.cluster)] = self.newest
            if self.subsumed:
                self.files.pop(self._path(self.cluster))

    async def stop_with_savepoint(self, _cluster: ClusterRef, job_id: str) -> str:
        self.calls.append("stop_with_savepoint")
        path = f"savepoints/savepoint-{job_id[:6]}-a74264d770b0"
        self.files[path] = self.newest + 1
        return path

    def delete_checkpoints(self) -> None:
        self.files = {
            path: number for path, number in self.files.items() if path.startswith("savepoints/")
        }

    def pods(self) -> list[str]:
        if self.cluster is None:
            return []
        if self.cluster.deleting:
            return ["Terminating"]
        return ["CrashLoopBackOff" if self.cluster.crashes else "Running"]

    def _age(self, cluster: FakeCluster) -> float:
        return self.now - cluster.born

    def _deployment(self, cluster: FakeCluster) -> Deployment:
        if cluster.crashes:
            down = cluster.phase in {Phase.PENDING, Phase.BACKOFF}
            return Deployment.STARTING if down else Deployment.AVAILABLE
        up = self._age(cluster) >= AVAILABLE_AFTER
        return Deployment.AVAILABLE if up else Deployment.STARTING

    def _answers(self, cluster: FakeCluster) -> bool:
        if cluster.crashes:
            return cluster.phase not in {Phase.PENDING, Phase.BACKOFF, Phase.PORT_OPEN}
        return self._age(cluster) >= REST_AFTER

    def _ended(self, cluster: FakeCluster) -> bool:
        return cluster.canceled_at is not None and self.now >= cluster.canceled_at

    def _job(self, cluster: FakeCluster) -> JobView | None:
        if cluster.crashes:
            return _CRASHING_JOBS[cluster.phase]
        if cluster.canceled_at is not None:
            return JobView("CANCELED" if self._ended(cluster) else "CANCELLING")
        slots_after = REST_AFTER if self.slots_at_once else SLOTS_AFTER
        return JobView("RUNNING" if self._age(cluster) >= slots_after else "CREATED")

    def _checkpoints(self, cluster: FakeCluster) -> Checkpoints:
        if cluster.crashes:
            return Checkpoints(readable=cluster.phase is not Phase.FAILED_THEN_GONE)
        return Checkpoints(latest=self._path(cluster))

    def _path(self, cluster: FakeCluster) -> str:
        return f"checkpoints/{cluster.submission.job_id}/chk-{self.newest}"


_CRASHING_JOBS: Final = {
    Phase.FAILED: JobView("FAILED", error=RESTORE_ERROR),
    Phase.FAILED_THEN_GONE: JobView("FAILED", error=RESTORE_ERROR),
    Phase.INITIALIZING: JobView("INITIALIZING"),
    Phase.NO_JOB: None,
}
