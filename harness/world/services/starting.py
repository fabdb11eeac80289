"""What starting any service takes: free ports, and a wait that notices a dead process."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, TypeVar

from harness.core.errors import ServiceError
from harness.core.waiting import wait_until
from harness.world.processes import MARKER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.world.processes import ManagedProcess

T = TypeVar("T")


def split_address(address: str) -> tuple[str, int]:
    """Split ``host:port``."""
    host, _, port = address.rpartition(":")
    return host, int(port)


def check_free(service: str, addresses: Sequence[str]) -> None:
    """Make sure that a service can listen where it is meant to.

    Args:
        service: what people call it.
        addresses: host and port of each listener.

    Raises:
        ServiceError: naming the first one that is taken, or that this machine does not have.
    """
    for address in addresses:
        with socket.socket() as probe:
            # As servers do: connections of an earlier world that linger do not count as taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(split_address(address))
            except OSError as error:
                raise _refused(service, address, error) from error


def _refused(service: str, address: str, error: OSError) -> ServiceError:
    if error.errno == errno.EADDRINUSE:
        return ServiceError(
            f"{service} cannot listen on {address}: the port is taken",
            hint="end the other world or program there (ss -ltnp shows it), "
            "or choose another network for this world",
        )
    return ServiceError(
        f"{service} cannot listen on {address}: {error.strerror}",
        hint="choose a loopback network (127.x.y) for this world",
    )


def wait_alive(
    processes: Sequence[ManagedProcess],
    probe: Callable[[], T],
    *,
    what: str,
    timeout: float,
    holds: Callable[[T], bool] = bool,
    expected: tuple[type[Exception], ...] = (),
) -> T:
    """Wait until a probe's value holds, failing at once when a process has ended.

    Args:
        processes: what must live meanwhile.
        probe: asks the service through its own protocol.
        what: completes "waited N s for ...".
        timeout: seconds.
        holds: tells whether the value is the one wanted.
        expected: exceptions of the probe that mean "not yet".

    Returns:
        The value that held.

    Raises:
        ServiceError: when a process ended, with the end of its log.
        WaitTimeoutError: when the value never held.
    """

    def probe_alive() -> T:
        for process in processes:
            process.check_running()
        return probe()

    return wait_until(
        probe_alive,
        what=what,
        timeout=timeout,
        holds=holds,
        expected=expected,
        hint="; ".join(f"log: {process.log}" for process in processes),
    )


def scrubbed_environment(world_id: str) -> dict[str, str]:
    """Return the environment of a world's processes: nothing of the user's but the locale."""
    return {
        MARKER: world_id,
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": os.environ.get("LANG", "C.UTF-8"),
    }
