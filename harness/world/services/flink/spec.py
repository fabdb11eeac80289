"""What one Flink cluster of a world is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.world.addresses import Addresses

REST_PORT: Final = 8081
RPC_PORT: Final = 6123
BLOB_PORT: Final = 6124
TASK_MANAGER_RPC_PORT: Final = 6122
TASK_MANAGER_DATA_PORT: Final = 6121


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Memory of the processes, in MiB; small enough for a whole world in 4 GB.

    Attributes:
        job_manager_heap: maximum heap of the JobManager.
        task_heap: heap of one TaskManager for operators.
        framework_heap: heap of one TaskManager for Flink itself.
        off_heap: direct memory of one TaskManager for Flink itself.
        network: network buffers of one TaskManager.
        managed: managed memory of one TaskManager (Python workers, batch operators).
        metaspace: maximum class metadata of each process.
        overhead: what is left for stacks, compiled code and the JVM itself.
    """

    job_manager_heap: int = 256
    task_heap: int = 256
    framework_heap: int = 64
    off_heap: int = 64
    network: int = 64
    managed: int = 128
    metaspace: int = 192
    overhead: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class FlinkClusterSpec:
    """One JobManager and its TaskManagers.

    Attributes:
        name: name of the FlinkDeployment, e.g. ``torghut-ta``.
        world_id: identifier of the world; every process carries it.
        addresses: where the world listens.
        configuration: the FlinkDeployment's ``flinkConfiguration`` with what differs in this
            world already laid over it (S3 endpoint, intervals). Addresses, ports, memory and
            slots are set by the driver, whatever is said here.
        environment: the container's environment (``TA_*``, ``AWS_*``).
        directory: configuration, temporary and working files; made at the start.
        logs: directory for the log of each process.
        hosts_file: names of the cluster, for ``-Djdk.net.hosts.file``.
        task_managers: number of TaskManagers.
        slots: slots of one TaskManager.
        memory: memory of the processes.
    """

    name: str
    world_id: str
    addresses: Addresses
    configuration: Mapping[str, str]
    environment: Mapping[str, str]
    directory: Path
    logs: Path
    hosts_file: Path
    task_managers: int = 1
    slots: int = 1
    memory: Memory = field(default_factory=Memory)

    @property
    def job_manager_host(self) -> str:
        """Address of the JobManager."""
        return self.addresses.flink_host

    def task_manager_host(self, number: int) -> str:
        """Address of a TaskManager, counted from 0."""
        return self.addresses.task_manager_host(number)

    def ports(self) -> list[str]:
        """Return every ``host:port`` that the processes listen on."""
        job_manager = [f"{self.job_manager_host}:{port}" for port in _JOB_MANAGER_PORTS]
        return job_manager + [
            f"{self.task_manager_host(number)}:{port}"
            for number in range(self.task_managers)
            for port in _TASK_MANAGER_PORTS
        ]


_JOB_MANAGER_PORTS: Final = (REST_PORT, RPC_PORT, BLOB_PORT)
_TASK_MANAGER_PORTS: Final = (TASK_MANAGER_RPC_PORT, TASK_MANAGER_DATA_PORT)
