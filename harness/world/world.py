"""A world as its user holds it: started, waited for, reached, ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Self

import orjson

from harness.core import errors
from harness.core.errors import HarnessError, ServiceError
from harness.core.waiting import wait_until
from harness.world import registry
from harness.world.processes import MARKER, sweep
from harness.world.spec import WorldState

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from harness.world.spec import WorldSpec

OnEvent = Callable[[dict[str, Any]], None]
_STOP_SECONDS: Final = 60.0
"""Longer than what a host takes at most: Flink may be given half a minute to end."""

_LISTEN_SECONDS: Final = 5.0


class BrokenWorldError(ServiceError):
    """A part of the world ended that nobody had told to; what it shows after that means nothing."""


class World:
    """A world and the host process that runs it.

    Everything in a world is started by its host. The host notices the end of whoever started it
    by the end of file on its standard input, so not even SIGKILL leaves a world behind.
    """

    def __init__(self, spec: WorldSpec, on_event: OnEvent = lambda _event: None) -> None:
        """Describe the world; ``start`` builds it.

        Args:
            spec: what to build.
            on_event: called, in another thread, with each event that the host reports.
        """
        self.spec = spec
        self._on_event = on_event
        self._host: subprocess.Popen[bytes] | None = None
        self._news = threading.Condition()
        self._state: WorldState | None = None
        self._error: HarnessError | None = None
        self._ended = False
        self._stopping = False
        self._listener: threading.Thread | None = None
        self.deaths: list[str] = []

    def start(self, environment: dict[str, str] | os._Environ[str]) -> None:
        """Start the host; returns at once.

        Args:
            environment: of the harness; the host passes on only what it chooses to.

        Raises:
            HarnessError: when the world's log directory cannot be written to.
        """
        log = self.spec.logs / "host.log"
        try:
            self.spec.logs.mkdir(parents=True, exist_ok=True)
            stderr = log.open("ab")
        except OSError as error:
            raise HarnessError(
                f"cannot be written to: {error.strerror}",
                where=str(self.spec.logs),
                hint="choose another directory with --out",
            ) from error
        with stderr:
            self._host = subprocess.Popen(
                [sys.executable, "-m", "harness.world.host"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
                env={**environment, MARKER: self.spec.world_id},
            )
        self._send(self.spec.to_json())
        self._listener = threading.Thread(target=self._listen, name="world-events", daemon=True)
        self._listener.start()

    def _send(self, message: dict[str, Any]) -> None:
        assert self._host is not None  # noqa: S101 - for the type checker
        assert self._host.stdin is not None  # noqa: S101 - for the type checker
        with contextlib.suppress(BrokenPipeError):
            self._host.stdin.write(orjson.dumps(message) + b"\n")
            self._host.stdin.flush()

    def _listen(self) -> None:
        assert self._host is not None  # noqa: S101 - for the type checker
        assert self._host.stdout is not None  # noqa: S101 - for the type checker
        for line in self._host.stdout:
            event = orjson.loads(line)
            self._take(event)
            self._on_event(event)
        status = self._host.wait()
        with self._news:
            unasked = self._state is not None and not self._stopping
        if unasked:
            what = f"the world's host ended by itself (status {status})"
            died = {"event": "died", "what": f"{what}; its log is {self.spec.logs / 'host.log'}"}
            self._take(died)
            self._on_event(died)
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _take(self, event: dict[str, Any]) -> None:
        with self._news:
            match event["event"]:
                case "ready":
                    self._state = WorldState.from_json(event["state"])
                case "error":
                    self._error = _revive(event)
                case "died":
                    self.deaths.append(event["what"])
            self._news.notify_all()

    def wait_ready(self, timeout: float = 180.0) -> WorldState:
        """Wait until every service answers.

        Args:
            timeout: seconds.

        Raises:
            HarnessError: what the host reports, or that it ended without a word.
        """
        with self._news:
            self._news.wait_for(lambda: self._state or self._error or self._ended, timeout)
            if self._error is not None:
                raise self._error
            if self._state is None:
                raise ServiceError(
                    "the world's host ended" if self._ended else f"no world after {timeout:g} s",
                    where=str(self.spec.logs / "host.log"),
                    hint="its last lines say why",
                )
            return self._state

    @property
    def state(self) -> WorldState:
        """How to reach the world; only after ``wait_ready``."""
        if self._state is None:
            raise ServiceError("the world is not ready")
        return self._state

    def check(self, patience: float = 0.0) -> None:
        """Make sure that nothing of the world has died by itself.

        Args:
            patience: seconds to wait for word of a death; who gets an odd error from a service
                learns the cause a moment later.

        Raises:
            BrokenWorldError: naming what died, and its log.
        """
        with self._news:
            self._news.wait_for(lambda: self.deaths, patience)
            if self.deaths:
                raise BrokenWorldError("; ".join(self.deaths))

    def release(self) -> None:
        """Let a detached world live on by itself."""
        self._send({})
        self._close_input()

    def _close_input(self) -> None:
        if self._host is not None and self._host.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._host.stdin.close()

    def stop(self) -> list[str]:
        """End the world and everything in it; may be called more than once.

        Returns:
            One line for each process that outlived its service and had to be killed.
        """
        try:
            return self._stop()
        except KeyboardInterrupt:
            # Nobody who interrupts wants a world half ended.
            self._stop()
            raise

    def _stop(self) -> list[str]:
        with self._news:
            self._stopping = True
        if self._host is not None:
            self._end_host(self._host)
        if self._listener is not None:
            self._listener.join(_LISTEN_SECONDS)
        return finish(self.spec.world_id, self.spec.root, keep=self.spec.keep)

    def _end_host(self, host: subprocess.Popen[bytes]) -> None:
        host.send_signal(signal.SIGTERM)
        self._close_input()
        try:
            host.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            host.kill()
            host.wait()

    def __enter__(self) -> Self:
        """Return the world; it ends with the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the world."""
        self.stop()


def finish(world_id: str, root: Path, *, keep: bool) -> list[str]:
    """Kill what a world left running and remove its directory.

    Args:
        world_id: identifier of the world, whose host has ended.
        root: its directory.
        keep: leave the directory in place.

    Returns:
        One line for each process killed.
    """
    leaked = sweep(world_id)
    if not keep:
        registry.remove_directory(root)
    return leaked


def stop_running(state: WorldState) -> list[str]:
    """End a detached world.

    Args:
        state: what it says of itself.

    Returns:
        One line for each process that had to be killed.
    """
    with contextlib.suppress(ProcessLookupError):
        os.kill(state.pid, signal.SIGTERM)
    wait_until(
        lambda: not registry.alive(state.root),
        what=f"the end of world {state.world_id}",
        timeout=_STOP_SECONDS,
    )
    return finish(state.world_id, state.root, keep=False)


def _revive(event: dict[str, Any]) -> HarnessError:
    """Make the error that the host reported, of the same type."""
    kind = getattr(errors, event["type"], ServiceError)
    error: HarnessError = kind(event["what"], where=event["where"], hint=event["hint"])
    return error
