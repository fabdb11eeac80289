"""Makes Kafka start faster: the run that fills its ahead-of-time cache."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from harness.world.addresses import Addresses
from harness.world.artifacts import fetch
from harness.world.java import make_aot_cache
from harness.world.services.kafka import settings
from harness.world.services.kafka.client import seen_brokers
from harness.world.services.kafka.nodes import bootstrap_checkpoint, node_process, write_node
from harness.world.services.starting import check_free, wait_alive

if TYPE_CHECKING:
    from collections.abc import Sequence


def prepare(addresses: Addresses) -> bool:
    """Do once what makes Kafka start faster from then on.

    Runs a cluster of one node and lets its JVM write an ahead-of-time cache. It takes about ten
    seconds; without the cache everything works, only slower.

    Args:
        addresses: a loopback network that nothing else uses meanwhile.

    Returns:
        Whether the cache is there.

    Raises:
        ArtifactError: when Kafka's archives are missing.
    """
    jars = fetch("kafka")
    alone = Addresses(addresses.network, brokers=1)
    return make_aot_cache("kafka", jars, lambda options: _train(alone, jars, options))


def _train(addresses: Addresses, jars: Sequence[Path], options: list[str]) -> None:
    # One node in both roles, so that one cache serves the controller and the brokers.
    check_free("kafka", [addresses.kafka_controller, *addresses.kafka_brokers])
    with tempfile.TemporaryDirectory(prefix="torghut-kafka-") as scratch:
        folder = Path(scratch)
        properties = settings.combined_properties(addresses, folder / "combined")
        write_node(folder, "combined", properties, bootstrap_checkpoint(jars))
        node = node_process(
            "combined",
            directory=folder,
            logs=folder,
            jars=jars,
            world_id="prepare",
            heap="128m",
            options=options,
        )
        try:
            node.start()
            seen = seen_brokers(addresses.kafka_brokers)
            wait_alive([node], seen, what="Kafka's training run", timeout=120)
        finally:
            node.stop(grace=60)  # the JVM writes the cache as it ends
