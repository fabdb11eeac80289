"""Property files of the Kafka processes: production's rules at a laptop's size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.world.addresses import Addresses

CONTROLLER_ID: Final = 100
"""Node id of the controller; brokers are numbered from 0, like Strimzi's pods."""

CLUSTER_ID: Final = "torghut-replay-harness"
"""Cluster id of every world: data directories never move between worlds."""

_COMMON: Final = {
    # KRaft failure detection: production's 9 s session would make a restarted broker wait 12 s.
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",
}

_PRODUCTION: Final = {
    # Broker configuration of production's Kafka resource; offsets.retention.minutes is not set
    # there, so the default of seven days holds in both.
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
}

_SMALL: Final = {
    # The default cleaner buffer alone is larger than the heap.
    "log.cleaner.dedupe.buffer.size": "2097152",
    "log.cleaner.threads": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "num.network.threads": "2",
    "num.io.threads": "3",
    "num.replica.fetchers": "1",
    "background.threads": "2",
    "num.recovery.threads.per.data.dir": "1",
}

_FAST: Final = {
    "group.initial.rebalance.delay.ms": "0",
    # Retention is looked at every second, so that expiry is seen while a rehearsal runs.
    "log.initial.task.delay.ms": "500",
    "log.retention.check.interval.ms": "5000",
    "log.segment.delete.delay.ms": "1000",
    # A replica that was away is back in the ISR soon after it caught up.
    "replica.lag.time.max.ms": "5000",
    "replica.fetch.wait.max.ms": "100",
}


def controller_properties(addresses: Addresses, data: Path) -> dict[str, str]:
    """Return the settings of the one controller.

    Args:
        addresses: the world's addresses.
        data: its log directory.
    """
    return {
        "process.roles": "controller",
        "node.id": str(CONTROLLER_ID),
        "listeners": f"CONTROLLER://{addresses.kafka_controller}",
        **_shared(addresses, data),
        **_COMMON,
        # The controller too: from its own min.insync.replicas it makes the cluster-wide default,
        # which wins over the brokers' files.
        **_replication(addresses.brokers),
    }


def broker_properties(
    addresses: Addresses, number: int, data: Path, overrides: Mapping[str, str]
) -> dict[str, str]:
    """Return the settings of one broker.

    Args:
        addresses: the world's addresses.
        number: the broker's number, which is its node id.
        data: its log directory.
        overrides: settings that a scenario wants different.
    """
    listener = f"PLAINTEXT://{addresses.kafka_brokers[number]}"
    return {
        "process.roles": "broker",
        "node.id": str(number),
        "listeners": listener,
        "advertised.listeners": listener,
        "inter.broker.listener.name": "PLAINTEXT",
        **_shared(addresses, data),
        **_COMMON,
        **_replication(addresses.brokers),
        **_SMALL,
        **_FAST,
        **overrides,
    }


def combined_properties(addresses: Addresses, data: Path) -> dict[str, str]:
    """Return the settings of a cluster of one node in both roles.

    Args:
        addresses: addresses of a world with one broker.
        data: its log directory.
    """
    broker = broker_properties(addresses, 0, data, {})
    return {
        **broker,
        "process.roles": "broker,controller",
        "node.id": str(CONTROLLER_ID),
        "listeners": f"CONTROLLER://{addresses.kafka_controller},{broker['listeners']}",
    }


def _shared(addresses: Addresses, data: Path) -> dict[str, str]:
    return {
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "controller.quorum.voters": f"{CONTROLLER_ID}@{addresses.kafka_controller}",
        "log.dirs": str(data),
    }


def _replication(brokers: int) -> dict[str, str]:
    # A world with fewer brokers than production cannot ask for more replicas than it has.
    return {name: str(min(int(value), brokers)) for name, value in _PRODUCTION.items()}


def render(properties: Mapping[str, str]) -> str:
    """Return the content of a property file."""
    return "".join(f"{name}={value}\n" for name, value in properties.items())


def meta_properties(node_id: str) -> str:
    """Return ``meta.properties`` of a formatted log directory."""
    return render({"version": "1", "cluster.id": CLUSTER_ID, "node.id": node_id})


LOG4J2: Final = """\
status = error
appender.console.type = Console
appender.console.name = STDOUT
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}] %p %m (%c{1})%n%throwable
rootLogger.level = info
rootLogger.appenderRef.console.ref = STDOUT
"""
"""Logging of the brokers: to standard output, which the world keeps. Without it nothing is
logged."""

LOG4J2_TOOLS: Final = LOG4J2.replace(
    "Console\nappender.console.name",
    "Console\nappender.console.target = SYSTEM_ERR\nappender.console.name",
).replace("= info", "= warn")
"""Logging of the command line tools: warnings, to standard error."""
