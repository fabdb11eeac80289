"""Kafka of a world, in the local driver: Apache's own brokers on this machine."""

from __future__ import annotations

from harness.world.services.kafka.client import admin_client, client_settings
from harness.world.services.kafka.local import LocalKafka
from harness.world.services.kafka.tools import install_tools
from harness.world.services.kafka.training import prepare

__all__ = ["LocalKafka", "admin_client", "client_settings", "install_tools", "prepare"]
