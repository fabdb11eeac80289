"""A Flink cluster of local processes."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import uuid
from typing import TYPE_CHECKING, Final

from harness.core.errors import ServiceError
from harness.world.processes import ManagedProcess
from harness.world.services.flink import commands
from harness.world.services.flink.archives import ClassArchives
from harness.world.services.flink.configuration import (
    cluster_configuration,
    submission_settings,
    write_configuration,
    write_worker_program,
)
from harness.world.services.flink.errors import FlinkRestError
from harness.world.services.flink.leftovers import end_leftovers
from harness.world.services.flink.rest import FlinkRest
from harness.world.services.flink.submission import run_client
from harness.world.services.starting import check_free, wait_alive

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.world.services.flink.runtime import FlinkRuntime
    from harness.world.services.flink.spec import FlinkClusterSpec

_GRACE: Final = 5.0
_GRACE_WHILE_ARCHIVING: Final = 30.0
_LEFTOVER_GRACE: Final = 2.0


class FlinkCluster:
    """One JobManager and its TaskManagers, as a session cluster without jobs.

    Production runs the job in application mode. Here a session cluster stands behind it, since
    a restart in application mode takes several times as long; the operator model shows what
    application mode would have shown.

    Attributes:
        spec: what the cluster is made of.
        rest: its REST API.
    """

    def __init__(self, spec: FlinkClusterSpec, runtime: FlinkRuntime) -> None:
        """Describe the cluster; ``start`` runs it.

        Args:
            spec: what it is made of.
            runtime: programs it is made from.

        Raises:
            ServiceError: when one of them is not there.
        """
        self.spec = spec
        self.rest = FlinkRest(spec.addresses.flink_rest)
        self._runtime = runtime
        self._layout = commands.Layout(spec)
        self._token = f"{spec.world_id}/{spec.name}/{uuid.uuid4().hex[:8]}"
        self._archives = ClassArchives(runtime)
        self._processes: list[ManagedProcess] = []
        self._submissions = 0
        self._served = False
        self._lock = threading.RLock()

    @property
    def name(self) -> str:
        """What people call it: the FlinkDeployment's name."""
        return self.spec.name

    @property
    def processes(self) -> Sequence[ManagedProcess]:
        """The JobManager, then the TaskManagers; empty before the start."""
        return tuple(self._processes)

    @property
    def job_manager(self) -> ManagedProcess:
        """The JobManager's process.

        Raises:
            ServiceError: before the start.
        """
        if not self._processes:
            raise ServiceError(f"{self.name} was not started")
        return self._processes[0]

    @property
    def task_managers(self) -> Sequence[ManagedProcess]:
        """The TaskManagers' processes."""
        return tuple(self._processes[1:])

    @property
    def configuration(self) -> dict[str, str]:
        """Flink's configuration as the processes read it."""
        return cluster_configuration(self.spec, self._runtime)

    def start(self) -> None:
        """Start all processes side by side; a TaskManager retries until the JobManager listens.

        Raises:
            ServiceError: when a port is taken or a process cannot be started.
        """
        with self._lock:
            check_free(self.name, self.spec.ports())
            self._prepare()
            self._processes = self._describe()
            try:
                for process in self._processes:
                    process.start()
            except ServiceError:
                self._end(0.0)
                raise

    def _prepare(self) -> None:
        layout = self._layout
        plugin = layout.plugins / "s3" / self._runtime.s3_plugin.name
        try:
            for directory in (layout.temporary, plugin.parent, self.spec.logs):
                directory.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                plugin.symlink_to(self._runtime.s3_plugin)
            layout.hosts.write_text(self.spec.hosts_file.read_text() + _own_names())
            write_configuration(layout.configuration, self.configuration)
            write_worker_program(self.spec, self._runtime)
        except OSError as error:
            raise ServiceError(
                f"{self.name} cannot write its files: {error}", where=str(layout.root)
            ) from error

    def _describe(self) -> list[ManagedProcess]:
        spec, runtime, options = self.spec, self._runtime, self._archives.options
        job_manager = commands.job_manager_command(spec, runtime, options("jobmanager"))
        return [self._process(f"{self.name}-jobmanager", job_manager)] + [
            self._process(
                f"{self.name}-taskmanager-1-{number + 1}",
                commands.task_manager_command(spec, runtime, options("taskmanager"), number),
            )
            for number in range(spec.task_managers)
        ]

    def _process(self, name: str, arguments: list[str]) -> ManagedProcess:
        return ManagedProcess(
            name,
            arguments,
            log=self.spec.logs / f"{name}.log",
            environment=commands.environment(self.spec, self._runtime, self._token),
            directory=self._layout.root,
        )

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Wait until the REST API answers and all slots are registered.

        Args:
            timeout: seconds.

        Raises:
            ServiceError: when a process died, with the end of its log.
            WaitTimeoutError: when the slots do not register in time.
        """
        wanted = self.spec.task_managers * self.spec.slots
        wait_alive(
            (self.job_manager, *self.task_managers),
            lambda: self.rest.overview().slots_total,
            what=f"{wanted} slots of {self.name}",
            timeout=timeout,
            holds=lambda slots: slots >= wanted,
            expected=(FlinkRestError,),
        )

    def submit(
        self,
        *,
        restore_from: str | None = None,
        allow_non_restored: bool = False,
        job_id: str | None = None,
        client_timeout: float = 120.0,
    ) -> str:
        """Submit the job through its own program.

        Args:
            restore_from: checkpoint or savepoint to start from; empty state by default.
            allow_non_restored: skip state that no operator of the job claims.
            job_id: identifier to give it, 32 hexadecimal digits; a random one by default.
            client_timeout: seconds.

        Returns:
            The job's identifier.

        Raises:
            JobSubmissionError: when the client fails, or the JobManager cannot initialise the
                job (``restore_path_missing`` when the state to restore from does not exist).
        """
        directory, log = self._next_submission()
        changed = submission_settings(
            restore_from=restore_from, allow_non_restored=allow_non_restored, job_id=job_id
        )
        write_configuration(directory, {**self.configuration, **changed})
        found = run_client(
            [str(self._runtime.python), *self._runtime.client],
            environment=commands.client_environment(
                self.spec,
                self._runtime,
                self._token,
                configuration=directory,
                archive_options=self._archives.base_options(),
            ),
            directory=self._runtime.repository,
            log=log,
            timeout=client_timeout,
        )
        self._served = True
        return found

    def _next_submission(self) -> tuple[Path, Path]:
        with self._lock:
            self._submissions += 1
            name = f"client-{self._submissions}"
        return self._layout.root / name, self.spec.logs / f"{self.name}-{name}.log"

    def stop(self) -> None:
        """End all processes, Python workers included; may be called more than once."""
        self._end(_GRACE_WHILE_ARCHIVING if self._archives.writing() else _GRACE)
        if self._served:  # else: a cluster that ran no job has not loaded what a job needs
            self._archives.publish()
        else:
            self._archives.discard()

    def kill(self) -> None:
        """End all processes at once (SIGKILL)."""
        self._end(0.0)

    def _end(self, grace: float) -> None:
        with self._lock:
            if grace:
                for process in self._processes:
                    process.signal(signal.SIGTERM)
            for process in self._processes:
                process.stop(grace)
            end_leftovers(self._token, grace=_LEFTOVER_GRACE if grace else 0.0)


def _own_names() -> str:
    """Return hosts lines for the machine itself: a JVM with a hosts file asks nobody else."""
    return f"127.0.0.1 localhost\n127.0.0.1 {socket.gethostname()}\n"
