"""The brokers' pods, with Kafka's tools where the document expects them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.world.control_plane.pods.objects import Container, pod_object
from harness.world.control_plane.pods.runtime import PodBacking
from harness.world.services.kafka.tools import install_tools

if TYPE_CHECKING:
    from harness.world.addresses import Addresses
    from harness.world.control_plane.client import Client
    from harness.world.control_plane.pods.runtime import PodRuntime
    from harness.world.profiles.profile import BrokerPods
    from harness.world.spec import WorldSpec


def add_kafka_pods(
    client: Client, pods: PodRuntime, spec: WorldSpec, addresses: Addresses, names: BrokerPods
) -> None:
    """Stand a pod for each broker of a world.

    Args:
        client: acts as the cluster operator.
        pods: gets what stands behind the pods.
        spec: the world.
        addresses: where its brokers listen.
        names: what the profile calls the pods.
    """
    root = spec.root / "pods" / "kafka"
    install_tools(root, spec.root / "hosts")
    for number in range(addresses.brokers):
        name = names.name(number)
        client.create(
            pod_object(
                name,
                "kafka",
                labels={"strimzi.io/cluster": "kafka", "strimzi.io/kind": "Kafka"},
                containers=[Container("kafka", "strimzi/kafka")],
                address=addresses.host(11 + number),
            )
        )
        log = spec.logs / f"kafka-broker-{number}.log"
        pods.register("kafka", name, "kafka", PodBacking(root=root, log=log))
