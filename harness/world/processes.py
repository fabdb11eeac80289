"""Processes of a world: started with a log, never outliving their world."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from harness.core.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MARKER: Final = "TORGHUT_WORLD"
"""Environment variable that every process of a world carries, so that leftovers can be found."""

_GUARD: Final = Path(__file__).with_name("guard.py")
_ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL})
_SWEEP_SECONDS: Final = 5.0


def guard_command() -> list[str]:
    """Return what to put before a program so that it is killed when this process dies.

    The program must be started by a thread that lives as long as it does: the kernel's signal
    follows the thread.
    """
    return [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid())]


# PR_SET_PDEATHSIG fires when the *thread* that started the child ends, so all children are
# started by one thread that lives as long as this process.
_SPAWNER: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


class ManagedProcess:
    """One program with its own session and log file.

    Attributes:
        name: what people call it, e.g. ``kafka-0``.
        log: file that holds its standard output and error.
        arguments: program and arguments.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str],
        directory: Path | None = None,
    ) -> None:
        """Describe the process; ``start`` runs it.

        Args:
            name: what people call it.
            arguments: program and arguments.
            log: file to append output to.
            environment: the whole environment; nothing is inherited.
            directory: working directory.
        """
        self.name = name
        self.arguments = [str(argument) for argument in arguments]
        self.log = log
        self._environment = dict(environment)
        self._directory = directory
        self._popen: subprocess.Popen[bytes] | None = None
        self._told = False
        self._own_ends: list[int] = []

    def start(self) -> None:
        """Start the program.

        Raises:
            ServiceError: when it cannot be executed.
        """
        self._note_own_end()
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            self._popen = _SPAWNER.submit(self._spawn).result()
        except OSError as error:
            raise ServiceError(
                f"{self.name} cannot be started: {error}", where=str(self.log)
            ) from error
        self._told = False

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*guard_command(), *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._directory,
                env=self._environment,
                start_new_session=True,
            )

    @property
    def pid(self) -> int | None:
        """Process id, or None before ``start``."""
        return self._popen.pid if self._popen else None

    @property
    def exit_status(self) -> int | None:
        """Exit status (negative: signal), or None while it runs or before ``start``."""
        return self._popen.poll() if self._popen else None

    @property
    def running(self) -> bool:
        """Whether the program was started and has not ended."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def own_ends(self) -> tuple[int, ...]:
        """Exit statuses of those runs that ended without ``signal``, ``stop`` or ``kill``."""
        self._note_own_end()
        return tuple(self._own_ends)

    def _note_own_end(self, *, told: bool = False) -> None:
        """Keep the status of a run that ended by itself, once, before it is told to end."""
        status = self.exit_status
        if status is not None and not self._told:
            self._own_ends.append(status)
        self._told = self._told or told or status is not None

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of the log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def check_running(self) -> None:
        """Raise if the program has ended.

        Raises:
            ServiceError: with its exit status and the last lines of its log.
        """
        if not self.running:
            raise ServiceError(
                f"{self.name} ended with status {self.exit_status}; its log ends:\n{self.tail()}",
                where=str(self.log),
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program alone; nothing happens if it has ended."""
        if self._popen is not None and self.running:
            self._note_own_end(told=number in _ENDING)
            self._popen.send_signal(number)

    def stop(self, grace: float = 5.0) -> None:
        """End the program and its session: SIGTERM, then SIGKILL after ``grace`` seconds."""
        if self._popen is None:
            return
        self._note_own_end(told=True)
        self.signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(grace)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()

    def kill(self) -> None:
        """End the program and its session at once (SIGKILL)."""
        self.stop(grace=0)


def marked_processes(world_id: str | None = None) -> list[psutil.Process]:
    """Find processes that carry the marker of a world.

    Args:
        world_id: one world's identifier; None finds those of any world.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            marker = process.environ().get(MARKER)
            if marker is not None and world_id in (None, marker):
                found.append(process)
    return found


def sweep(world_id: str, grace: float = 0.0) -> list[str]:
    """Kill what a world left running.

    Args:
        world_id: the world's identifier.
        grace: seconds to let processes end by themselves first (workers of a JVM that was
            just stopped notice a little later).

    Returns:
        One line for each process that had to be killed.
    """
    deadline = time.monotonic() + grace
    while _others(world_id) and time.monotonic() < deadline:
        time.sleep(0.05)
    killed: dict[int, str] = {}
    deadline = time.monotonic() + _SWEEP_SECONDS
    # Looked at again until none is left: one may just have been forked, and one that was killed
    # writes to its files until it is gone.
    while (left := _others(world_id)) and time.monotonic() < deadline:
        for process in left:
            with contextlib.suppress(psutil.Error):
                killed.setdefault(process.pid, f"{process.pid} {' '.join(process.cmdline())[:120]}")
                process.kill()
        time.sleep(0.02)
    return list(killed.values())


def _others(world_id: str) -> list[psutil.Process]:
    return [process for process in marked_processes(world_id) if process.pid != os.getpid()]


def memory_of(world_id: str) -> int:
    """Return the resident memory of a world's processes and of this one, in bytes.

    Pages that several processes share are counted in each of them.
    """
    total = psutil.Process().memory_info().rss
    for process in _others(world_id):
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    return int(total)
