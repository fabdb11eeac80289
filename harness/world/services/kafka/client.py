"""Clients of a world's Kafka."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

if TYPE_CHECKING:
    from collections.abc import Callable

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


def seen_brokers(bootstrap: str) -> Callable[[], list[int]]:
    """Return a probe that tells which brokers a client sees; none while it sees no cluster."""
    client = admin_client(bootstrap)

    def probe() -> list[int]:
        try:
            return sorted(client.list_topics(timeout=1).brokers)
        except KafkaException:
            return []

    return probe
