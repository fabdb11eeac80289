"""From a pod's environment and configuration to real Flink processes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Protocol

from harness.world.services.flink.cluster import FlinkCluster
from harness.world.services.flink.spec import FlinkClusterSpec, Memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from harness.world.addresses import Addresses
    from harness.world.processes import ManagedProcess
    from harness.world.services.flink.records import (
        CheckpointStatistics,
        JobDetails,
        Overview,
        SavepointStatus,
    )
    from harness.world.services.flink.runtime import FlinkRuntime


class PodEdge(Protocol):
    """The only place where production's names and values are changed."""

    def overlay(
        self, environment: Mapping[str, str], configuration: Mapping[str, str]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Return environment and Flink configuration as they must be in this world.

        Args:
            environment: the container's environment as the manifests make it.
            configuration: ``flinkConfiguration``, with ``parallelism.default`` set from
                ``spec.job.parallelism``.
        """


class Rest(Protocol):
    """The part of Flink's REST API that the operator uses."""

    def overview(self) -> Overview:
        """Return the cluster at a glance."""

    def job(self, job_id: str) -> JobDetails:
        """Return one job."""

    def checkpoints(self, job_id: str) -> CheckpointStatistics:
        """Return the checkpoints of a job."""

    def exceptions(self, job_id: str) -> str:
        """Return the stack trace of the newest failure."""

    def cancel(self, job_id: str) -> None:
        """Ask for the job's cancellation."""

    def stop_with_savepoint(self, job_id: str, directory: str) -> str:
        """Ask for a savepoint after which the job ends; returns the trigger."""

    def savepoint_status(self, job_id: str, trigger: str) -> SavepointStatus:
        """Return how far a savepoint has come."""


class Processes(Protocol):
    """A JobManager and its TaskManagers; every method may block."""

    @property
    def rest(self) -> Rest:
        """Its REST API."""

    @property
    def job_manager(self) -> ManagedProcess:
        """The JobManager's process."""

    @property
    def task_managers(self) -> Sequence[ManagedProcess]:
        """The TaskManagers' processes."""

    def start(self) -> None:
        """Start all processes."""

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Wait until all slots are registered."""

    def submit(
        self,
        *,
        restore_from: str | None = None,
        allow_non_restored: bool = False,
        job_id: str | None = None,
    ) -> str:
        """Submit the job; returns its identifier."""

    def stop(self) -> None:
        """End all processes; may be called more than once."""


class Launcher(Protocol):
    """Makes the processes of a cluster."""

    def __call__(
        self, name: str, environment: Mapping[str, str], configuration: Mapping[str, str]
    ) -> Processes:
        """Describe a cluster; nothing is started."""


@dataclass(slots=True)
class ProcessLauncher:
    """Makes Flink clusters of one world; a ``Launcher``.

    Attributes:
        world_id: identifier of the world.
        addresses: where the world listens.
        runtime: programs that clusters are made from.
        directory: parent of their working directories.
        logs: parent of their log directories.
        hosts_file: names of the cluster.
        memory: memory of the processes.
    """

    world_id: str
    addresses: Addresses
    runtime: FlinkRuntime
    directory: Path
    logs: Path
    hosts_file: Path
    memory: Memory = field(default_factory=Memory)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __call__(
        self, name: str, environment: Mapping[str, str], configuration: Mapping[str, str]
    ) -> Processes:
        """Describe a cluster; every one has directories of its own.

        Args:
            name: name of the FlinkDeployment.
            environment: the container's environment, after the overlay.
            configuration: Flink's configuration, after the overlay; ``parallelism.default`` and
                ``taskmanager.numberOfTaskSlots`` decide the number of TaskManagers.
        """
        number = next(self._numbers)
        slots = int(configuration.get("taskmanager.numberOfTaskSlots", "1"))
        parallelism = int(configuration.get("parallelism.default", "1"))
        spec = FlinkClusterSpec(
            name=name,
            world_id=self.world_id,
            addresses=self.addresses,
            configuration=configuration,
            environment=environment,
            directory=self.directory / f"{name}-{number}",
            logs=self.logs / f"{name}-{number}",
            hosts_file=self.hosts_file,
            task_managers=ceil(parallelism / slots),
            slots=slots,
            memory=self.memory,
        )
        return FlinkCluster(spec, self.runtime)
