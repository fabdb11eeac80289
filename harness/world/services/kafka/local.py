"""Kafka as local processes: one KRaft controller and plain brokers, each on its own address."""

from __future__ import annotations

import signal
from functools import cached_property
from typing import TYPE_CHECKING, Final

from harness.core.errors import ServiceError
from harness.world.artifacts import fetch
from harness.world.services.kafka import settings
from harness.world.services.kafka.client import admin_client, seen_brokers
from harness.world.services.kafka.nodes import bootstrap_checkpoint, node_process, write_node
from harness.world.services.starting import check_free, wait_alive

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from confluent_kafka.admin import AdminClient

    from harness.world.addresses import Addresses
    from harness.world.processes import ManagedProcess

_HEAPS: Final = {"controller": "64m", "broker": "96m"}


class LocalKafka:
    """Kafka of one world.

    Attributes:
        name: ``kafka``.
        bootstrap: bootstrap servers, comma separated.
    """

    name = "kafka"

    def __init__(
        self,
        addresses: Addresses,
        *,
        directory: Path,
        logs: Path,
        world_id: str,
        overrides: Mapping[str, str] | None = None,
    ) -> None:
        """Describe the cluster; ``start`` runs it.

        Args:
            addresses: the world's addresses; they also say how many brokers there are.
            directory: where data and configuration live; kept between starts.
            logs: where logs go, one file for each process.
            world_id: marks the processes.
            overrides: broker settings that a scenario wants different.
        """
        self.bootstrap = addresses.kafka_bootstrap
        self._addresses = addresses
        self._directory = directory
        self._logs = logs
        self._world_id = world_id
        self._overrides = dict(overrides or {})

    @cached_property
    def _jars(self) -> list[Path]:
        return fetch("kafka")

    @cached_property
    def processes(self) -> tuple[ManagedProcess, ...]:
        """The controller, then the brokers by number."""
        brokers = range(self._addresses.brokers)
        return tuple(self._process(name) for name in ("controller", *map(_broker_name, brokers)))

    def _process(self, name: str) -> ManagedProcess:
        return node_process(
            name,
            directory=self._directory,
            logs=self._logs,
            jars=self._jars,
            world_id=self._world_id,
            heap=_HEAPS[name.partition("-")[0]],
        )

    def start(self) -> None:
        """Start the controller and all brokers.

        Raises:
            ServiceError: when a port is taken or a process cannot be started.
            ArtifactError: when Kafka's archives are missing.
        """
        listeners = [self._addresses.kafka_controller, *self._addresses.kafka_brokers]
        check_free(self.name, listeners)
        self._write_nodes()
        for process in self.processes:
            process.start()

    def _write_nodes(self) -> None:
        checkpoint = bootstrap_checkpoint(self._jars)
        properties = settings.controller_properties(self._addresses, self._directory / "controller")
        write_node(self._directory, "controller", properties, checkpoint)
        for number in range(self._addresses.brokers):
            name = _broker_name(number)
            properties = settings.broker_properties(
                self._addresses, number, self._directory / name, self._overrides
            )
            write_node(self._directory, name, properties, checkpoint)

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Wait until every broker answers and knows of all others.

        Args:
            timeout: seconds.

        Raises:
            ServiceError: when a process died, with the end of its log.
            WaitTimeoutError: when brokers are missing at the end.
        """
        wait_alive(
            self.processes,
            seen_brokers(self._addresses.kafka_brokers),
            holds=lambda seen: seen == self._addresses.brokers,
            what=f"{self._addresses.brokers} Kafka brokers to answer at {self.bootstrap}",
            timeout=timeout,
        )

    def admin(self) -> AdminClient:
        """Return an administration client of this cluster."""
        return admin_client(self.bootstrap)

    def kill_broker(self, number: int) -> None:
        """End one broker at once (SIGKILL), as a lost node would."""
        self._broker(number).kill()

    def start_broker(self, number: int) -> None:
        """Start a broker again, on the data it left.

        Raises:
            ServiceError: when it still runs or cannot be started.
        """
        process = self._broker(number)
        if process.running:
            raise ServiceError(f"{process.name} already runs (pid {process.pid})")
        check_free(process.name, [self._addresses.kafka_brokers[number]])
        process.start()

    def _broker(self, number: int) -> ManagedProcess:
        return self.processes[1 + number]

    def stop(self) -> None:
        """End all processes: brokers side by side first, then the controller they report to."""
        controller, *brokers = self.processes
        for broker in brokers:
            broker.signal(signal.SIGTERM)
        for process in (*brokers, controller):
            process.stop()


def _broker_name(number: int) -> str:
    return f"broker-{number}"
