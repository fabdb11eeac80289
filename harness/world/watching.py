"""Notices what dies in a world without having been told to."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Final

from harness.core.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from harness.world.control_plane.flink_operator.launching import Launcher, Processes
    from harness.world.processes import ManagedProcess
    from harness.world.services.base import Service

_SECONDS: Final = 0.5
_LOG_LINES: Final = 8


class DeathWatch:
    """Looks after services, Flink clusters and controllers, and reports each death once.

    That the operator's model brings a JobManager up again, as a kubelet would, does not hide
    that it died.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        """Begin with nothing to look after; ``report`` is told of each death in one line."""
        self._report = report
        self._reported: set[object] = set()
        self._services: list[Service] = []
        self._clusters: list[Processes] = []
        self._tasks: list[asyncio.Task[None]] = []

    def add_service(self, service: Service) -> None:
        """Look after a service that was started."""
        self._services.append(service)

    def add_controller(self, task: asyncio.Task[None]) -> None:
        """Look after a controller's task."""
        self._tasks.append(task)

    def watching(self, launcher: Launcher) -> Launcher:
        """Return a launcher that makes the same clusters, and look after each of them."""

        def launch(
            name: str, environment: Mapping[str, str], configuration: Mapping[str, str]
        ) -> Processes:
            cluster = launcher(name, environment, configuration)
            self._clusters.append(cluster)
            return cluster

        return launch

    async def run(self) -> None:
        """Look now and again, without end."""
        while True:
            self.look()
            await asyncio.sleep(_SECONDS)

    def look(self) -> None:
        """Report what died since the last look."""
        for key, line in (*self._dead_processes(), *self._dead_controllers()):
            if key not in self._reported:
                self._reported.add(key)
                self._report(line)

    def _dead_processes(self) -> Iterator[tuple[object, str]]:
        for process in self._processes():
            for run, status in enumerate(process.own_ends, 1):
                yield (
                    (id(process), run),
                    (
                        f"{process.name} ended by itself ({_manner(status)}{_ordinal(run)}); "
                        f"its log is {process.log}{_last_words(process, status)}"
                    ),
                )

    def _processes(self) -> Iterator[ManagedProcess]:
        for service in self._services:
            yield from service.processes
        for cluster in self._clusters:
            with contextlib.suppress(ServiceError):  # it is yet to be started
                yield cluster.job_manager
            yield from cluster.task_managers

    def _dead_controllers(self) -> Iterator[tuple[object, str]]:
        for task in self._tasks:
            if task.done() and not task.cancelled() and task.exception() is not None:
                yield id(task), f"controller {task.get_name()} failed: {task.exception()!r}"


def _manner(status: int) -> str:
    """Say how a process ended: with a status, or by which signal."""
    return f"exit status {status}" if status >= 0 else signal.Signals(-status).name


def _last_words(process: ManagedProcess, status: int) -> str:
    """Return the end of the log, unless a signal left no time for words."""
    words = process.tail(_LOG_LINES) if status >= 0 else ""
    return f" and ends:\n{words}" if words else ""


def _ordinal(run: int) -> str:
    return f", run {run}" if run > 1 else ""
