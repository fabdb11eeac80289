"""What the operator asks of Flink clusters, and what it sees of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from harness.core.errors import HarnessError

if TYPE_CHECKING:
    from datetime import datetime

    from harness.world.control_plane.flink_operator.spec import FlinkSpec


class HaMetadataMissingError(HarnessError):
    """A start was to restore from HA metadata, and there is none."""


class Deployment(Enum):
    """What the JobManager's Deployment shows.

    Attributes:
        ABSENT: there is none.
        STARTING: its pod is not available: pending, starting, or backing off after a crash.
        AVAILABLE: its pod is available and the port is open.
    """

    ABSENT = "absent"
    STARTING = "starting"
    AVAILABLE = "available"


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as the REST API shows it.

    Attributes:
        state: Flink job status, e.g. ``RUNNING``.
        name: job name.
        started: start time in ms since the epoch.
        error: root cause as ``class: message``, once FAILED.
    """

    state: str
    name: str = ""
    started: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Checkpoints of a job.

    Attributes:
        readable: False when the REST API went away between two calls.
        latest: external path of the newest retained one.
        completed_at: when it completed.
        pending_since: when one that is still under way was triggered.
    """

    readable: bool = True
    latest: str | None = None
    completed_at: datetime | None = None
    pending_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """A cluster at one moment.

    Attributes:
        deployment: what the JobManager's Deployment shows.
        reachable: whether the REST API answered before the time-out.
        job: the job asked for; None when the API lists none of that id.
        checkpoints: its checkpoints.
        ha_metadata: whether HA metadata of the job is there.
        cluster_info: facts from the JobManager, e.g. ``flink-version``.
        deployment_error: why the pods cannot be created, if they cannot.
    """

    deployment: Deployment = Deployment.ABSENT
    reachable: bool = False
    job: JobView | None = None
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    ha_metadata: bool = False
    cluster_info: dict[str, str] = field(default_factory=dict)
    deployment_error: str | None = None


@dataclass(frozen=True, slots=True)
class ClusterRef:
    """Which cluster: namespace, name and uid of its FlinkDeployment."""

    namespace: str
    name: str
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Submission:
    """One start of an application cluster.

    Attributes:
        spec: spec to deploy.
        generation: generation of the resource that asked for it.
        job_id: Flink job id to use.
        restore_from: checkpoint or savepoint; None starts empty (or from HA metadata).
        require_ha_metadata: refuse to start where HA metadata is gone.
    """

    spec: FlinkSpec
    generation: int
    job_id: str
    restore_from: str | None = None
    require_ha_metadata: bool = False


class FlinkClusters(Protocol):
    """Flink clusters by reference.

    Every call may be slow; none may block the event loop. Transport failures are
    ``ServiceError``; the operator shows them in ``status.error`` and tries again.
    """

    async def observe(self, cluster: ClusterRef, job_id: str | None) -> Observation:
        """Look at a cluster and, over REST, at one of its jobs.

        Args:
            cluster: which one.
            job_id: the job; None leaves the REST API alone.
        """

    async def deploy(self, cluster: ClusterRef, submission: Submission) -> None:
        """Create the cluster's objects and return; it comes up in the background.

        Raises:
            HaMetadataMissingError: when it was required and is not there.
        """

    async def delete_cluster(self, cluster: ClusterRef, *, keep_ha: bool) -> None:
        """Delete the cluster and return when its pods are gone.

        Args:
            cluster: which one; deleting one that is not there is no error.
            keep_ha: keep its HA metadata.
        """

    async def cancel(self, cluster: ClusterRef, job_id: str) -> None:
        """Ask Flink to cancel a job, and return without waiting for the end."""

    async def stop_with_savepoint(self, cluster: ClusterRef, job_id: str) -> str:
        """Stop a job with a savepoint.

        Returns:
            The savepoint's path.
        """
