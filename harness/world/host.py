"""The process that runs one world; started by ``World``, told what to build on standard input.

It reports on standard output, one JSON object a line:

* ``{"event": "service", "name": ..., "seconds": ...}`` a service is ready;
* ``{"event": "ready", "state": ...}`` the world is up;
* ``{"event": "died", "what": ...}`` a service's process ended by itself;
* ``{"event": "error", "type": ..., "what": ..., "where": ..., "hint": ...}`` it cannot go on.

The world ends on SIGTERM or SIGINT, and at the end of standard input: whoever started it is gone
then, however that came about. A second line on standard input lets go of a detached world, which
lives until it is told to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Any

import orjson

from harness.core import errors
from harness.core.errors import HarnessError
from harness.world import registry
from harness.world.building import Building
from harness.world.processes import sweep
from harness.world.spec import WorldSpec

if TYPE_CHECKING:
    from types import FrameType

_LEFTOVER_GRACE = 1.0


def emit(event: str, **values: Any) -> None:  # noqa: ANN401 - JSON-like
    """Report something; a reader that is gone does not matter."""
    with contextlib.suppress(BrokenPipeError, ValueError):
        sys.stdout.buffer.write(orjson.dumps({"event": event, **values}, default=str) + b"\n")
        sys.stdout.buffer.flush()


def main() -> int:
    """Run a world until it is told to end; return the exit status."""
    end = _End()
    line = sys.stdin.buffer.readline()
    if not line:  # whoever started this is gone already
        return 0
    spec = WorldSpec.from_json(orjson.loads(line))
    with registry.hold(spec.root):
        try:
            asyncio.run(_serve(spec, end))
        except HarnessError as error:
            _report(error)
            return error.exit_status
        except OSError as error:
            traceback.print_exc()
            _report(_from_os(error))
            return HarnessError.exit_status
        except Exception as error:
            _report(HarnessError(f"internal error: {type(error).__name__}: {error}"))
            raise
        finally:
            _clear(spec)
    return 0


class _End:
    """Takes SIGTERM and SIGINT from the host's first moment to its last.

    asyncio's own handlers are gone once its loop is: a signal that came while the world's files
    are removed would leave half of them.
    """

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the end is under way
                self._loop.call_soon_threadsafe(self._event.set)

    def attach(self) -> asyncio.Event:
        """Return the event that is set once the world has to end; called in the running loop."""
        self._loop = asyncio.get_running_loop()
        if self._asked:
            self._event.set()
        return self._event


def _clear(spec: WorldSpec) -> None:
    """Kill what is left and remove the world's files, however it came to the end."""
    sweep(spec.world_id, _LEFTOVER_GRACE)
    if not spec.keep:
        registry.remove_directory(spec.root)


def _from_os(error: OSError) -> HarnessError:
    """Say what the operating system refused, e.g. for want of space."""
    return HarnessError(
        f"the world's files cannot be written: {error.strerror or error}",
        where=str(error.filename) if error.filename else None,
        hint="free some space, or set TMPDIR to a directory with more",
    )


def _report(error: HarnessError) -> None:
    """Report an error under the name of its nearest type that everybody knows."""
    known = next(cls for cls in type(error).__mro__ if hasattr(errors, cls.__name__))
    emit("error", type=known.__name__, what=error.what, where=error.where, hint=error.hint)


async def _serve(spec: WorldSpec, ending: _End) -> None:
    end = ending.attach()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), _on_input, spec, end)
    building = Building(spec, emit)
    try:
        if await _unless(end, building.build()):
            emit("ready", state=building.state().to_json())
            await _unless(end, building.deaths.run())
            building.deaths.look()
    finally:
        loop.remove_reader(sys.stdin.fileno())
        await building.tear_down()


def _on_input(spec: WorldSpec, end: asyncio.Event) -> None:
    """End at the end of input, unless a detached world was let go of by a line before it."""
    if not os.read(sys.stdin.fileno(), 4096):
        end.set()
    elif spec.detached:
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())


async def _unless(end: asyncio.Event, work: Any) -> bool:  # noqa: ANN401 - a coroutine
    """Do something unless the world has to end first; say whether it was done."""
    task, ended = asyncio.ensure_future(work), asyncio.ensure_future(end.wait())
    try:
        await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
            return True
        return False
    finally:
        for one in (task, ended):
            one.cancel()
        await asyncio.gather(task, ended, return_exceptions=True)


if __name__ == "__main__":
    sys.exit(main())
