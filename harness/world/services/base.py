"""What every service of a world can do, whichever driver runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.world.processes import ManagedProcess


class Service(Protocol):
    """A part of production that runs as one or more processes.

    ``start`` returns at once so that services start side by side; ``wait_ready`` asks the
    service itself, through its own protocol.
    """

    @property
    def name(self) -> str:
        """What people call it, e.g. ``kafka``."""

    @property
    def processes(self) -> Sequence[ManagedProcess]:
        """Its processes, for logs and for faults."""

    def start(self) -> None:
        """Start all processes.

        Raises:
            ServiceError: when one cannot be started.
        """

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Wait until the service answers its own protocol.

        Args:
            timeout: seconds.

        Raises:
            ServiceError: when a process died, with the end of its log.
            WaitTimeoutError: when it does not answer in time.
        """

    def stop(self) -> None:
        """End all processes; may be called more than once."""
