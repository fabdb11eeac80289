"""One event loop on a thread of its own, for callers that are not asynchronous."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


class LoopThread:
    """Runs an event loop until ``stop``.

    Commands that pods execute are started on this thread, so it must live as long as they
    shall: the kernel kills them when it ends.
    """

    def __init__(self, name: str = "control-plane") -> None:
        """Name the thread; ``start`` starts it."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def run(self, coroutine: Coroutine[object, object, T], timeout: float | None = 30.0) -> T:
        """Run a coroutine on the loop and return what it returns.

        Args:
            coroutine: what to run.
            timeout: seconds; None waits for ever.

        Raises:
            TimeoutError: when it takes longer; it is cancelled then.
        """
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise

    def call(self, function: Callable[[], T]) -> T:
        """Call a function on the loop's thread, e.g. a method of the store."""

        async def called() -> T:
            return function()

        return self.run(called())

    def stop(self) -> None:
        """Cancel what still runs, end the loop and the thread; may be called more than once."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._cancel_all())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()

    async def _cancel_all(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
