"""The operator's clusters on real Flink processes."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from harness.core.errors import ServiceError
from harness.world.control_plane.flink_operator.application import (
    Application,
    Pace,
    Surroundings,
)
from harness.world.control_plane.flink_operator.clusters import (
    HaMetadataMissingError,
    Observation,
)
from harness.world.control_plane.flink_operator.objects import (
    ClusterObjects,
    delete_cluster_objects,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.world.control_plane.client import Client
    from harness.world.control_plane.flink_operator.clusters import ClusterRef, Submission
    from harness.world.control_plane.flink_operator.launching import Launcher, PodEdge, Rest
    from harness.world.control_plane.pods.runtime import PodRuntime

_SAVEPOINT_KEYS: Final = ("execution.checkpointing.savepoint-dir", "state.savepoints.dir")
_SAVEPOINT_TIMEOUT: Final = 120.0
_POLL: Final = 0.1


class ProcessClusters:
    """Application clusters as sets of local processes; a ``FlinkClusters``.

    HA metadata is not kept: as in production's ``torghut-ta``, there is no high availability.
    """

    def __init__(
        self,
        client: Client,
        pods: PodRuntime,
        edge: PodEdge,
        launcher: Launcher,
        *,
        pace: Pace | None = None,
    ) -> None:
        """Begin without clusters.

        Args:
            client: acts as the operator: creates and deletes Deployments, pods, Services.
            pods: gets what stands behind the pods.
            edge: changes environment and configuration where this world differs.
            launcher: makes the processes.
            pace: back-off and time-outs.
        """
        self._around = Surroundings(client, pods, edge, launcher, pace or Pace())
        self._applications: dict[ClusterRef, Application] = {}

    async def observe(self, cluster: ClusterRef, job_id: str | None) -> Observation:
        """Look at a cluster; see ``FlinkClusters``."""
        application = self._applications.get(cluster)
        return Observation() if application is None else await application.observe(job_id)

    async def deploy(self, cluster: ClusterRef, submission: Submission) -> None:
        """Create the objects and return; the processes come up in the background.

        Raises:
            HaMetadataMissingError: when HA metadata is required: there never is any.
            ApiError: when an object cannot be created.
        """
        if submission.require_ha_metadata:
            raise HaMetadataMissingError("the miniature keeps no HA metadata")
        if cluster in self._applications:
            await self.delete_cluster(cluster, keep_ha=False)
        objects = ClusterObjects(self._around.client, cluster, submission)
        application = Application(
            cluster.namespace, cluster.name, submission, objects, self._around
        )
        self._applications[cluster] = application
        application.deploy()

    async def delete_cluster(self, cluster: ClusterRef, *, keep_ha: bool) -> None:  # noqa: ARG002
        """End the processes and delete the objects; there is no HA data to keep or delete."""
        application = self._applications.get(cluster)
        if application is not None:
            await application.close()
            self._applications.pop(cluster, None)
        delete_cluster_objects(self._around.client, cluster)

    async def cancel(self, cluster: ClusterRef, job_id: str) -> None:
        """Ask Flink to cancel a job.

        Raises:
            ServiceError: when the cluster is not up or does not answer.
        """
        rest = self._application(cluster).processes.rest
        await asyncio.to_thread(rest.cancel, job_id)

    async def stop_with_savepoint(self, cluster: ClusterRef, job_id: str) -> str:
        """Stop a job with a savepoint in the configured directory; returns its path.

        Raises:
            ServiceError: when the cluster is not up, or the savepoint fails or takes too long.
        """
        application = self._application(cluster)
        rest = application.processes.rest
        configuration = application.submission.spec.configuration
        directory = next(configuration[key] for key in _SAVEPOINT_KEYS if key in configuration)
        return await asyncio.to_thread(_stop_with_savepoint, rest, job_id, directory)

    async def close(self) -> None:
        """End the processes of all clusters; objects stay as they are."""
        applications = list(self._applications.values())
        self._applications.clear()
        await asyncio.gather(*(application.close() for application in applications))

    def _application(self, cluster: ClusterRef) -> Application:
        application = self._applications.get(cluster)
        if application is None:
            raise ServiceError(f"{cluster.namespace}/{cluster.name} is not deployed")
        return application


def _savepoint_directory(configuration: Mapping[str, str]) -> str:
    for key in _SAVEPOINT_KEYS:
        if configuration.get(key):
            return configuration[key]
    raise ServiceError(f"no savepoint directory: {_SAVEPOINT_KEYS[0]} is not set")


def _stop_with_savepoint(rest: Rest, job_id: str, directory: str) -> str:
    trigger = rest.stop_with_savepoint(job_id, directory)
    deadline = time.monotonic() + _SAVEPOINT_TIMEOUT
    while time.monotonic() < deadline:
        status = rest.savepoint_status(job_id, trigger)
        if status.location is not None:
            return status.location
        if status.failure is not None:
            raise ServiceError(f"the savepoint of job {job_id} failed: {status.failure}")
        time.sleep(_POLL)
    raise ServiceError(f"the savepoint of job {job_id} took longer than {_SAVEPOINT_TIMEOUT:g} s")
