"""Runs ``replay-harness`` as a user does, in a session of its own, and looks at what is left."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import orjson
import psutil

from harness.core.waiting import wait_until
from harness.world.addresses import Addresses
from harness.world.network import taken, world_ports
from harness.world.processes import marked_processes

if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping
    from types import TracebackType

HARNESS = Path(sys.executable).with_name("replay-harness")
REPOSITORY = Path(__file__).parents[2]


def plain_environment(scratch: Path, **more: str) -> dict[str, str]:
    """Return this process's environment with worlds in a directory of their own.

    Another TMPDIR also keeps ``down --all`` away from worlds that are not the test's.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    return {**os.environ, "TMPDIR": str(scratch), **more}


def worlds_in(scratch: Path) -> list[Path]:
    """Return the directories of worlds, alive or not."""
    found = scratch.glob("torghut-replay-harness-*/*")
    return sorted(path for path in found if path.is_dir())


def left_behind(scratch: Path, networks: list[str], worlds: list[str]) -> list[str]:
    """Name what is still there of worlds: processes, ports, files.

    Args:
        scratch: TMPDIR of the commands.
        networks: loopback networks whose ports must be free.
        worlds: identifiers of worlds that ran.
    """
    processes = [f"process {line}" for world in worlds for line in command_lines(world)]
    ports = [f"port {pair}" for net in networks for pair in taken(world_ports(Addresses(net, 3)))]
    files = [f"file {path}" for path in scratch.glob("torghut-replay-harness-*/*")]
    others = [f"file {path}" for path in scratch.iterdir() if not path.name.startswith("torghut-")]
    return [*processes, *ports, *files, *others]


def command_lines(world: str) -> list[str]:
    """Return process id and command line of each process of a world."""
    lines = []
    for one in marked_processes(world):
        with contextlib.suppress(psutil.Error):  # it has ended since
            lines.append(f"{one.pid} {' '.join(one.cmdline())}")
    return lines


class Command:
    """One run of ``replay-harness``; killed at the end of the block if it still runs.

    Attributes:
        lines: what it wrote to standard error so far.
    """

    def __init__(
        self, *arguments: str | Path, environment: Mapping[str, str], cwd: Path | None = None
    ) -> None:
        """Start it in a session of its own: its process group is what a terminal signals."""
        self.lines: list[str] = []
        self._ended = False
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            [HARNESS, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            cwd=cwd,
            start_new_session=True,
            text=True,
        )
        self._threads = [threading.Thread(target=self._read_errors, daemon=True)]
        self._output: list[str] = []
        self._threads.append(threading.Thread(target=self._read_output, daemon=True))
        for thread in self._threads:
            thread.start()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _read_output(self) -> None:
        assert self.process.stdout is not None
        self._output.extend(self.process.stdout)

    def wait_for(self, text: str, timeout: float = 300.0) -> None:
        """Wait until a line on standard error holds ``text``."""

        def there() -> bool:
            return any(text in line for line in self.lines) or self._ended

        with self._news:
            self._news.wait_for(there, timeout)
        assert any(text in line for line in self.lines), f"{self.errors}\n{self.output}"

    def signal_group(self, number: signal.Signals) -> None:
        """Signal the process group, as a terminal does upon Ctrl-C."""
        os.killpg(self.process.pid, number)

    def end(self, timeout: float = 300.0) -> int:
        """Wait for the end; return the exit status."""
        status = self.process.wait(timeout)
        for thread in self._threads:
            thread.join(10)
        return status

    @property
    def errors(self) -> str:
        """What it wrote to standard error."""
        return "\n".join(self.lines)

    @property
    def output(self) -> str:
        """What it wrote to standard output; complete after ``end``."""
        return "".join(self._output)

    def __enter__(self) -> Self:
        """Return the running command."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill it if it still runs; its world's host ends the world then."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()


def call(
    *arguments: str | Path,
    environment: Mapping[str, str],
    cwd: Path | None = None,
    timeout: float = 300.0,
) -> Command:
    """Run ``replay-harness`` to its end."""
    with Command(*arguments, environment=environment, cwd=cwd) as command:
        command.end(timeout)
    return command


def journal(out: Path) -> dict[str, Any]:
    """Return the journal of a run."""
    read: dict[str, Any] = orjson.loads((out / "journal.json").read_bytes())
    return read


def wait_nothing_left(scratch: Path, networks: list[str], worlds: list[str]) -> None:
    """Wait until nothing of worlds is left, for a world that ends by itself."""
    wait_until(
        lambda: left_behind(scratch, networks, worlds),
        what="a world to leave nothing behind",
        timeout=60,
        holds=lambda left: not left,
        interval=0.2,
    )
