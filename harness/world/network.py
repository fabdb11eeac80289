"""Loopback networks: one for each world, claimed for as long as its host lives."""

from __future__ import annotations

import random
import re
import socket
from typing import TYPE_CHECKING, Final

from harness.core.errors import ServiceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from harness.world.addresses import Addresses

_NETWORK: Final = re.compile(r"127\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})", re.ASCII)
_ATTEMPTS: Final = 50


class Claim:
    """The right to use a network; released by ``close`` or by the end of the process.

    The lock is an abstract Unix socket: the kernel drops it with the process that holds it, so
    no crash can leave it behind.

    Attributes:
        network: e.g. ``127.77.3``.
    """

    def __init__(self, network: str) -> None:
        """Claim ``network``.

        Raises:
            OSError: when another world has it.
        """
        self.network = network
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.bind(f"\0torghut-replay-harness/{network}")
        except OSError:
            self._socket.close()
            raise

    def close(self) -> None:
        """Give the network back."""
        self._socket.close()


def claim(network: str | None, ports: Callable[[str], Iterable[str]]) -> Claim:
    """Claim a network on which all ports are free.

    Args:
        network: the one wanted, or None for any.
        ports: gives the ``host:port`` pairs that the world needs on a network.

    Raises:
        UsageError: when ``network`` is not of the form 127.x.y.
        ServiceError: when it is taken, or no free one was found.
    """
    if network is not None:
        return _claim_wanted(network, ports)
    for candidate in _candidates():
        try:
            held = Claim(candidate)
        except OSError:
            continue
        if not list(taken(ports(candidate))):
            return held
        held.close()
    raise ServiceError(
        f"no free loopback network in {_ATTEMPTS} attempts",
        hint="end other worlds, or other servers",
    )


def _claim_wanted(network: str, ports: Callable[[str], Iterable[str]]) -> Claim:
    match = _NETWORK.fullmatch(network)
    if not match or not all(int(part) < 256 for part in match.groups()):  # noqa: PLR2004
        raise UsageError(
            f"network {network!r} is not of the form 127.x.y", hint="e.g. 127.77.3, or none"
        )
    try:
        held = Claim(network)
    except OSError as error:
        raise ServiceError(
            f"another world uses the network {network}", hint="choose another, or none"
        ) from error
    busy = list(taken(ports(network)))
    if busy:
        held.close()
        raise ServiceError(
            f"taken by another program: {', '.join(busy)}",
            hint="choose another network, or none, or end that program",
        )
    return held


def _candidates() -> Iterator[str]:
    chooser = random.SystemRandom()
    for _ in range(_ATTEMPTS):
        yield f"127.{chooser.randrange(64, 128)}.{chooser.randrange(1, 255)}"


def taken(ports: Iterable[str]) -> Iterator[str]:
    """Yield those ``host:port`` pairs that cannot be bound now."""
    for pair in ports:
        host, _, port = pair.rpartition(":")
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, int(port)))
            except OSError:
                yield pair


def world_ports(addresses: Addresses) -> list[str]:
    """Return every ``host:port`` that a world listens on, but Flink's data ports."""
    return [
        addresses.api_server,
        addresses.proxy,
        addresses.kafka_controller,
        *addresses.kafka_brokers,
        f"{addresses.clickhouse_host}:8123",
        f"{addresses.clickhouse_host}:9000",
        addresses.object_store,
        f"{addresses.flink_host}:8081",
        f"{addresses.flink_host}:6123",
    ]
