"""Clients of a world's Kafka."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LOGGER: Final = logging.getLogger(__name__)


def client_settings(bootstrap: str) -> dict[str, str | int]:
    """Return librdkafka settings that find a restarted broker within a fifth of a second."""
    return {
        "bootstrap.servers": bootstrap,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 200,
    }


def admin_client(bootstrap: str) -> AdminClient:
    """Return an administration client, whose complaints go to ``logging`` instead of stderr."""
    return AdminClient(client_settings(bootstrap), logger=_LOGGER)


def seen_brokers(addresses: Sequence[str]) -> Callable[[], int]:
    """Return a probe: how many brokers every one of the given brokers knows of.

    Each is asked through a client of its own, because the others still count a broker that was
    killed until its session ends, and so take one that is just being started for ready.

    Args:
        addresses: host and port of each broker to ask.
    """
    clients = [admin_client(address) for address in addresses]

    def probe() -> int:
        try:
            return min(len(client.list_topics(timeout=1).brokers) for client in clients)
        except KafkaException:
            return 0

    return probe
