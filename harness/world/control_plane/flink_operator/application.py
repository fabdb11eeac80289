"""One application cluster on real processes: comes up, crashes, is restarted, is taken down.

Production runs the job in application mode: the JobManager's own process submits the job, and
dies when the job cannot be initialised. Here a session cluster stands behind it; what differs is
made good here, so that everything outside sees application mode.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from harness.core.errors import ServiceError
from harness.core.waiting import WaitTimeoutError
from harness.world.control_plane.flink_operator.clusters import (
    Checkpoints,
    Deployment,
    JobView,
    Observation,
)
from harness.world.control_plane.flink_operator.environment import (
    ContainerConfigError,
    container_environment,
)
from harness.world.control_plane.flink_operator.views import look
from harness.world.control_plane.pods.runtime import PodBacking
from harness.world.services.flink.errors import JobSubmissionError

if TYPE_CHECKING:
    from harness.world.control_plane.client import Client
    from harness.world.control_plane.flink_operator.clusters import Submission
    from harness.world.control_plane.flink_operator.launching import (
        Launcher,
        PodEdge,
        Processes,
    )
    from harness.world.control_plane.flink_operator.objects import ClusterObjects
    from harness.world.control_plane.pods.runtime import PodRuntime
    from harness.world.processes import ManagedProcess

_FAILED_RESTORE: Final = 2
"""Exit status of a JobManager in application mode whose job cannot be initialised."""
_KILLED: Final = 137


@dataclass(frozen=True, slots=True)
class Pace:
    """How the kubelet and Flink's resource manager pace themselves, in seconds.

    Attributes:
        first_back_off: pause before a crashed container's first restart; doubles each time.
        longest_back_off: its limit.
        ready_timeout: time for a cluster to offer its slots.
        probe: time between two looks at the processes.
        idle_task_managers: time after which TaskManagers without a job are let go
            (``resourcemanager.taskmanager-timeout``).
    """

    first_back_off: float = 2.0
    longest_back_off: float = 30.0
    ready_timeout: float = 60.0
    probe: float = 0.5
    idle_task_managers: float = 30.0

    def back_off(self, restarts: int) -> float:
        """Return the pause before restart number ``restarts``, counted from 1."""
        return float(min(self.first_back_off * 2 ** (restarts - 1), self.longest_back_off))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all clusters of a world share.

    Attributes:
        client: acts as the operator.
        pods: what stands behind pods.
        edge: the overlay at the pod's edge.
        launcher: makes processes.
        pace: how fast things go.
    """

    client: Client
    pods: PodRuntime
    edge: PodEdge
    launcher: Launcher
    pace: Pace


class Application:
    """One application cluster.

    Attributes:
        submission: what was deployed.
    """

    def __init__(
        self,
        namespace: str,
        name: str,
        submission: Submission,
        objects: ClusterObjects,
        surroundings: Surroundings,
    ) -> None:
        """Describe the cluster; ``deploy`` brings it up.

        Args:
            namespace: its namespace.
            name: name of the FlinkDeployment.
            submission: what to deploy.
            objects: its side in the API.
            surroundings: what it shares with others.
        """
        self.submission = submission
        self._namespace = namespace
        self._name = name
        self._objects = objects
        self._around = surroundings
        self._processes: Processes | None = None
        self._previous_log: ManagedProcess | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._restarts = 0
        self._last_exit_code: int | None = None
        self._rest_up = False
        self._job_submitted = False
        self._failure_to_show: str | None = None
        self._task_manager_pods: list[str] = []
        self._environment: dict[str, str] = {}
        self._task_managers_made = 0

    def deploy(self) -> None:
        """Create the objects and begin to bring the processes up in the background."""
        self._objects.create()
        self._task = asyncio.get_running_loop().create_task(self._live())

    async def close(self) -> None:
        """End the processes and forget the pods; the API's objects stay."""
        self._closing.set()
        # Not cancelled: a start in another thread would go on, and nobody would end what it
        # started. Without its processes, whatever the task waits for ends soon.
        await self._stop_processes()
        if self._task is not None:
            await asyncio.wait([self._task])
        await self._stop_processes()
        self._forget_pods()

    async def observe(self, job_id: str | None) -> Observation:
        """Look at the cluster, and over REST at a job.

        Right after a crash the failure is shown once, as the real operator sees it when it
        happens to look between the failure and the JobManager's exit.

        Raises:
            HarnessError: what stopped the cluster's own task, which nobody else would tell.
        """
        if self._task is not None and self._task.done() and not self._closing.is_set():
            self._task.result()
        if job_id is not None and self._failure_to_show is not None:
            failure, self._failure_to_show = self._failure_to_show, None
            return Observation(
                Deployment.AVAILABLE,
                reachable=True,
                job=JobView("FAILED", error=failure),
                checkpoints=Checkpoints(readable=False),
            )
        processes = self._processes
        if job_id is None or processes is None or not self._job_submitted:
            return Observation(self._deployment())
        return await asyncio.to_thread(look, processes.rest, job_id, self._deployment())

    @property
    def processes(self) -> Processes:
        """The processes of a cluster that is up.

        Raises:
            ServiceError: while it is not.
        """
        if self._processes is None or not self._job_submitted:
            raise ServiceError(
                f"{self._name} is not up", hint="its JobManager is starting, or crash-looping"
            )
        return self._processes

    def _deployment(self) -> Deployment:
        shows = self._rest_up or self._failure_to_show is not None
        return Deployment.AVAILABLE if shows else Deployment.STARTING

    async def _live(self) -> None:
        while not self._closing.is_set():
            try:
                await self._come_up()
                await self._watch()
                self._crashed(_KILLED, None)
            except ContainerConfigError:
                self._objects.show_job_manager(
                    "Pending", ready=False, waiting="CreateContainerConfigError"
                )
                await self._pause(self._around.pace.first_back_off)
                continue
            except JobSubmissionError as error:
                self._crashed(_FAILED_RESTORE, error.cause)
            except (ServiceError, WaitTimeoutError):
                self._crashed(1, None)
            await self._back_off()

    async def _come_up(self) -> None:
        self._processes = processes = self._make()
        for step in (self._start, self._wait_for_slots, self._start_job):
            if not self._closing.is_set():
                await step(processes)

    async def _start(self, processes: Processes) -> None:
        await asyncio.to_thread(processes.start)
        self._register(self._objects.job_manager_pod, processes.job_manager)
        self._show(ready=False)

    async def _wait_for_slots(self, processes: Processes) -> None:
        await asyncio.to_thread(processes.wait_ready, self._around.pace.ready_timeout)
        self._rest_up = True
        self._show(ready=True)
        for process in processes.task_managers:
            self._task_manager_pods.append(self._show_task_manager(process))

    async def _start_job(self, processes: Processes) -> None:
        await asyncio.to_thread(self._submit, processes)
        self._failure_to_show = None
        self._job_submitted = True

    def _make(self) -> Processes:
        spec = self.submission.spec
        environment = container_environment(
            self._around.client, self._namespace, self._objects.container
        )
        configuration = {"parallelism.default": str(spec.parallelism)} | spec.configuration
        changed = self._around.edge.overlay(environment, configuration)
        self._environment = changed[0]
        return self._around.launcher(self._name, *changed)

    def _submit(self, processes: Processes) -> None:
        processes.submit(
            restore_from=self.submission.restore_from,
            allow_non_restored=bool(self.submission.spec.job.get("allowNonRestoredState")),
            job_id=self.submission.job_id,
        )

    async def _watch(self) -> None:
        """Return when the JobManager has died; replace TaskManagers that die meanwhile."""
        idle_since: float | None = None
        clock = asyncio.get_running_loop().time
        while not self._closing.is_set() and self.processes.job_manager.running:
            await self._pause(self._around.pace.probe)
            if self._closing.is_set():
                return
            ended = await asyncio.to_thread(_job_ended, self.processes, self.submission.job_id)
            idle_since = (idle_since or clock()) if ended else None
            if idle_since is None:
                await self._replace_dead_task_managers()
            elif clock() - idle_since >= self._around.pace.idle_task_managers:
                await self._let_task_managers_go()

    async def _replace_dead_task_managers(self) -> None:
        for index, process in enumerate(self.processes.task_managers):
            if not process.running:
                self._remove_pod(self._task_manager_pods[index])
                await asyncio.to_thread(process.start)
                self._task_manager_pods[index] = self._show_task_manager(process)

    async def _let_task_managers_go(self) -> None:
        for process in self.processes.task_managers:
            await asyncio.to_thread(process.stop)
        while self._task_manager_pods:
            self._remove_pod(self._task_manager_pods.pop())

    def _crashed(self, exit_code: int, cause: str | None) -> None:
        if self._closing.is_set():
            return
        self._rest_up = self._job_submitted = False
        self._failure_to_show = cause
        self._restarts += 1
        while self._task_manager_pods:
            self._remove_pod(self._task_manager_pods.pop())
        self._last_exit_code = exit_code
        self._show(ready=False, waiting="CrashLoopBackOff")

    def _show(self, *, ready: bool, waiting: str | None = None) -> None:
        self._objects.show_job_manager(
            ready=ready,
            waiting=waiting,
            restarts=self._restarts,
            last_exit_code=self._last_exit_code,
        )

    async def _back_off(self) -> None:
        if self._closing.is_set():
            return
        processes, self._processes = self._processes, None
        if processes is not None:
            await asyncio.to_thread(processes.stop)
            self._previous_log = processes.job_manager
        await self._pause(self._around.pace.back_off(self._restarts))

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until the cluster is closed."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    async def _stop_processes(self) -> None:
        if self._processes is not None:
            await asyncio.to_thread(self._processes.stop)

    def _show_task_manager(self, process: ManagedProcess) -> str:
        self._task_managers_made += 1
        name = self._objects.task_manager_pod(self._task_managers_made)
        self._objects.show_task_manager(name)
        self._register(name, process)
        return name

    def _register(self, pod: str, process: ManagedProcess) -> None:
        previous = self._previous_log
        backing = PodBacking(
            environment=self._environment,
            log=process.log,
            previous_log=previous.log if previous and process.name == previous.name else None,
            processes=(process,),
        )
        self._around.pods.register(self._namespace, pod, self._objects.container["name"], backing)

    def _remove_pod(self, name: str) -> None:
        self._objects.delete_pod(name)
        self._around.pods.unregister(self._namespace, name)

    def _forget_pods(self) -> None:
        for name in (self._objects.job_manager_pod, *self._task_manager_pods):
            self._around.pods.unregister(self._namespace, name)


def _job_ended(processes: Processes, job_id: str) -> bool:
    try:
        return processes.rest.job(job_id).terminal
    except ServiceError:
        return False
