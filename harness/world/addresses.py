"""Where the parts of a world listen: one loopback network per world, native ports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_SERVICE_NAMES: Final = {
    "kafka-kafka-bootstrap.kafka": 11,
    "kafka-kafka-brokers.kafka": 11,
    "torghut-clickhouse.torghut": 20,
    "rook-ceph-rgw-objectstore.rook-ceph": 30,
    "torghut-ta-rest.torghut": 40,
    "torghut-ta.torghut": 40,
}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses of one world.

    Attributes:
        network: first three bytes of the loopback network, e.g. ``127.77.3``.
        brokers: number of Kafka brokers.
    """

    network: str
    brokers: int = 3

    def host(self, last: int) -> str:
        """Return the address with this last byte."""
        return f"{self.network}.{last}"

    @property
    def api_server(self) -> str:
        """Kubernetes API server, host and port (TLS)."""
        return f"{self.host(2)}:6443"

    @property
    def proxy(self) -> str:
        """HTTP proxy that knows cluster names, host and port."""
        return f"{self.host(3)}:3128"

    @property
    def kafka_controller(self) -> str:
        """KRaft controller, host and port."""
        return f"{self.host(10)}:9090"

    @property
    def kafka_brokers(self) -> tuple[str, ...]:
        """Client listener of each broker, host and port, by broker number."""
        return tuple(f"{self.host(11 + number)}:9092" for number in range(self.brokers))

    @property
    def kafka_bootstrap(self) -> str:
        """Bootstrap servers, comma separated."""
        return ",".join(self.kafka_brokers)

    @property
    def clickhouse_host(self) -> str:
        """ClickHouse address; HTTP on 8123, native protocol on 9000."""
        return self.host(20)

    @property
    def object_store(self) -> str:
        """S3 server, host and port (port 80 needs root, so the proxy maps production's name)."""
        return f"{self.host(30)}:5000"

    @property
    def flink_host(self) -> str:
        """JobManager address; REST on 8081, RPC on 6123."""
        return self.host(40)

    @property
    def flink_rest(self) -> str:
        """Base URL of the JobManager's REST API."""
        return f"http://{self.flink_host}:8081"

    def task_manager_host(self, number: int) -> str:
        """Address of a TaskManager, counted from 0."""
        return self.host(41 + number)

    def hosts(self) -> dict[str, str]:
        """Cluster names (short, ``.svc`` and fully qualified) and the address behind each."""
        return {
            f"{name}{suffix}": self.host(last)
            for name, last in _SERVICE_NAMES.items()
            for suffix in ("", ".svc", ".svc.cluster.local")
        }

    def hosts_file(self) -> str:
        """Return the content of a hosts file, for ``-Djdk.net.hosts.file``.

        Kafka's names have a line for each broker, so that clients find one that lives.
        """
        lines = [f"{address} {name}\n" for name, address in self.hosts().items()]
        others = [
            f"{self.host(11 + number)} {name}\n"
            for name in self.hosts()
            if name.startswith("kafka-kafka-")
            for number in range(1, self.brokers)
        ]
        return "".join([*lines, *others])
