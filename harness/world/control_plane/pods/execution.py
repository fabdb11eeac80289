"""One command in a pod: its streams, its end, its line in the audit trail."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import harness.world.guard
from harness.core.audit import AuditEvent
from harness.world.control_plane.model.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from harness.core.audit import AuditTrail

_GUARD: Final = str(Path(str(harness.world.guard.__file__)))
_CHUNK: Final = 32 * 1024
_DRAIN_SECONDS: Final = 1.0
_SIGNAL_BASE: Final = 128


class Execution:
    """A command that was asked for; ``start`` runs it."""

    def __init__(
        self, audit: AuditTrail, actor: str, pod: str, container: str, command: Sequence[str]
    ) -> None:
        """Describe the command.

        Args:
            audit: where its end is recorded.
            actor: who asked for it.
            pod: ``namespace/pods/name``.
            container: name of the container.
            command: program and arguments, as they were asked for.
        """
        self._audit = audit
        self._actor = actor
        self._pod = pod
        self._container = container
        self._command = list(command)
        self._process: asyncio.subprocess.Process | None = None
        self._done: list[Callable[[Execution], None]] = []

    async def start(
        self,
        program: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: Path,
        stdin: bool,
        merged: bool,
    ) -> None:
        """Start the program under the guard, in a session of its own.

        Must be called on the thread that runs the event loop for the world's whole life: the
        kernel kills the program when the thread that started it ends.

        Args:
            program: file and arguments.
            environment: the whole environment.
            directory: working directory.
            stdin: whether standard input is a pipe; otherwise it is empty.
            merged: whether standard error goes to standard output.
        """
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            _GUARD,
            str(os.getpid()),
            *program,
            stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT if merged else asyncio.subprocess.PIPE,
            env=dict(environment),
            cwd=directory,
            start_new_session=True,
        )

    @contextlib.contextmanager
    def recording_failure(self) -> Iterator[None]:
        """Record a command that could not be started."""
        try:
            yield
        except ApiError as error:
            self._record(None, error.message)
            raise
        except OSError as error:
            self._record(None, str(error))
            raise ApiError(500, "InternalError", f"Internal error occurred: {error}") from error

    def when_done(self, call: Callable[[Execution], None]) -> None:
        """Call ``call`` once the command has ended."""
        self._done.append(call)

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The running process; only after ``start``."""
        if self._process is None:
            raise ApiError(500, "InternalError", "Internal error occurred: not started")
        return self._process

    async def write(self, data: bytes) -> None:
        """Write to standard input; what a command that has ended would not read is dropped."""
        stdin = self.process.stdin
        if stdin is None or stdin.is_closing():
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            stdin.write(data)
            await stdin.drain()

    def close_input(self) -> None:
        """End standard input."""
        if self.process.stdin is not None:
            self.process.stdin.close()

    async def finish(self, send: Callable[[int, bytes], Awaitable[None]]) -> int:
        """Hand over all output and wait for the end.

        Args:
            send: gets 1 or 2 (standard output or error) and a piece of output.

        Returns:
            The exit status; 128 and the number for a signal, as a shell says it.
        """
        process = self.process
        readers = [
            asyncio.ensure_future(_pump(stream, number, send))
            for number, stream in ((1, process.stdout), (2, process.stderr))
            if stream is not None
        ]
        try:
            status = await process.wait()
            # A child in the background may keep the pipes open; the command itself has ended.
            await asyncio.wait(readers, timeout=_DRAIN_SECONDS)
        except BaseException:
            await self.kill()
            raise
        finally:
            for reader in readers:
                reader.cancel()
        return self._ended(status)

    async def kill(self) -> None:
        """Kill the command and what it started."""
        if self._process is None or self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._ended(await self._process.wait())

    def _ended(self, status: int) -> int:
        shown = status if status >= 0 else _SIGNAL_BASE - status
        done, self._done = self._done, []
        if done:
            self._record(shown, f"exit {shown}")
        for call in done:
            call(self)
        return shown

    def _record(self, status: int | None, outcome: str) -> None:
        body = {
            "command": self._command,
            "container": self._container,
            "exit_status": status,
        }
        self._audit.record(AuditEvent("exec", self._actor, "exec", self._pod, body, outcome))


async def _pump(
    stream: asyncio.StreamReader, number: int, send: Callable[[int, bytes], Awaitable[None]]
) -> None:
    while data := await stream.read(_CHUNK):
        await send(number, data)
