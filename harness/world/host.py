"""The process that runs one world; started by ``World``, told what to build on standard input.

It reports on standard output, one JSON object a line:

* ``{"event": "service", "name": ..., "seconds": ...}`` a service is ready;
* ``{"event": "ready", "state": ...}`` the world is up;
* ``{"event": "died", "what": ...}`` a service's process ended by itself;
* ``{"event": "error", "type": ..., "what": ..., "where": ..., "hint": ...}`` it cannot go on.

The world ends on SIGTERM or SIGINT, and, unless it is detached, at the end of standard input:
whoever started it is gone then, however that came about.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from typing import TYPE_CHECKING, Any

import orjson

from harness.core import errors
from harness.core.errors import HarnessError
from harness.world import registry
from harness.world.building import Building
from harness.world.processes import sweep
from harness.world.spec import WorldSpec

if TYPE_CHECKING:
    from collections.abc import Callable

_LEFTOVER_GRACE = 1.0


def emit(event: str, **values: Any) -> None:  # noqa: ANN401 - JSON-like
    """Report something; a reader that is gone does not matter."""
    with contextlib.suppress(BrokenPipeError, ValueError):
        sys.stdout.buffer.write(orjson.dumps({"event": event, **values}, default=str) + b"\n")
        sys.stdout.buffer.flush()


def main() -> int:
    """Run a world until it is told to end; return the exit status."""
    spec = WorldSpec.from_json(orjson.loads(sys.stdin.buffer.readline()))
    with registry.hold(spec.root):
        try:
            asyncio.run(_serve(spec))
        except HarnessError as error:
            _report(error)
            return error.exit_status
        except Exception as error:
            _report(HarnessError(f"internal error: {type(error).__name__}: {error}"))
            raise
        finally:
            sweep(spec.world_id, _LEFTOVER_GRACE)
            if not spec.keep:
                shutil.rmtree(spec.root, ignore_errors=True)
    return 0


def _report(error: HarnessError) -> None:
    """Report an error under the name of its nearest type that everybody knows."""
    known = next(cls for cls in type(error).__mro__ if hasattr(errors, cls.__name__))
    emit("error", type=known.__name__, what=error.what, where=error.where, hint=error.hint)


async def _serve(spec: WorldSpec) -> None:
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    if not spec.detached:
        loop.add_reader(sys.stdin.fileno(), _on_input, end.set)
    building = Building(spec, emit)
    try:
        if await _unless(end, building.build()):
            emit("ready", state=building.state().to_json())
            await _unless(end, building.watch())
            await end.wait()
    finally:
        with contextlib.suppress(ValueError):
            loop.remove_reader(sys.stdin.fileno())
        await building.tear_down()


def _on_input(end: Callable[[], None]) -> None:
    """End at the end of input; nothing else is expected there."""
    if not os.read(sys.stdin.fileno(), 4096):
        end()


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
