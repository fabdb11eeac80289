from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from harness.core.audit import AuditTrail
from harness.core.errors import ServiceError
from harness.world.control_plane.client import Client
from harness.world.control_plane.reconciler import Reconciler, condition, set_status
from harness.world.control_plane.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Counting(Reconciler):
    """Counts its passes, and fails those it is told to."""

    kinds: ClassVar[tuple[str, ...]] = ("ConfigMap",)

    def __init__(self, client: Client, *, resync: float) -> None:
        super().__init__(client, resync=resync)
        self.passes = 0
        self.failure: Exception | None = None

    async def reconcile(self) -> None:
        self.passes += 1
        if self.failure is not None:
            raise self.failure


@pytest.fixture(name="client")
def client_fixture(tmp_path: Path) -> Client:
    audit = AuditTrail(tmp_path / "audit.jsonl")
    return Client(Store(namespaces=("n",)), audit, "counting")


def config(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "n"}}


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - a counter has no event
            await asyncio.sleep(0)


def driven(controller: Reconciler, scenario: Callable[[], Any]) -> None:
    async def main() -> None:
        task = asyncio.create_task(controller.run())
        try:
            await scenario()
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    asyncio.run(main())


def test_a_pass_is_made_at_the_start_and_after_each_change(client: Client) -> None:
    controller = Counting(client, resync=3600)

    async def scenario() -> None:
        await until(lambda: controller.passes == 1)
        client.create(config("a"))
        await until(lambda: controller.passes == 2)
        client.patch("ConfigMap", "n", "a", {"data": {"k": "v"}})
        await until(lambda: controller.passes == 3)
        client.delete("ConfigMap", "n", "a")
        await until(lambda: controller.passes == 4)

    driven(controller, scenario)


def test_other_kinds_cause_no_pass(client: Client) -> None:
    controller = Counting(client, resync=3600)

    async def scenario() -> None:
        await until(lambda: controller.passes == 1)
        client.create({**config("s"), "kind": "Secret"})
        for _ in range(100):
            await asyncio.sleep(0)
        assert controller.passes == 1

    driven(controller, scenario)


def test_passes_go_on_without_changes(client: Client) -> None:
    controller = Counting(client, resync=0.001)

    async def scenario() -> None:
        await until(lambda: controller.passes > 3)

    driven(controller, scenario)


def test_a_failed_pass_is_an_event_and_tried_again(client: Client) -> None:
    controller = Counting(client, resync=0.001)
    controller.failure = ServiceError("Kafka is away", where="127.0.0.1", hint="wait")

    async def scenario() -> None:
        await until(lambda: controller.passes > 2)
        controller.failure = None
        done = controller.passes
        await until(lambda: controller.passes > done)

    driven(controller, scenario)
    [event] = client.list("Event").items
    assert event["type"] == "Warning"
    assert event["message"] == "127.0.0.1: Kafka is away (wait)"
    assert event["count"] > 1


def test_a_fault_of_the_controller_itself_is_not_hidden(client: Client) -> None:
    controller = Counting(client, resync=0.001)
    controller.failure = ZeroDivisionError()
    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(controller.run())
    assert caught.group_contains(ZeroDivisionError)


def test_an_event_names_its_object_and_counts_repetitions(client: Client) -> None:
    controller = Counting(client, resync=1)
    about = client.create(config("a"))
    for message in ("one", "two", "two"):
        controller.report(about, "Odd", message)
    [event] = client.list("Event", "n").items
    assert event["involvedObject"]["uid"] == about["metadata"]["uid"]
    assert (event["message"], event["count"], event["type"]) == ("two", 2, "Normal")


TOPIC = {
    "apiVersion": "kafka.strimzi.io/v1beta2",
    "kind": "KafkaTopic",
    "metadata": {"name": "t", "namespace": "n"},
    "spec": {"partitions": 1, "replicas": 1},
}


def shown(client: Client, status: dict[str, Any]) -> dict[str, Any]:
    set_status(client, "KafkaTopic", client.get("KafkaTopic", "n", "t"), status)
    return dict(client.get("KafkaTopic", "n", "t")["status"])


def test_a_status_is_replaced_as_a_whole(client: Client) -> None:
    client.create(TOPIC)
    shown(client, {"a": 1, "deep": {"b": 1, "c": 2}})
    assert shown(client, {"deep": {"b": 3}}) == {"deep": {"b": 3}}


def test_a_condition_keeps_its_time_until_it_changes(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter(["t1", "t2", "t3"])
    monkeypatch.setattr("harness.world.control_plane.reconciler.now_rfc3339", lambda: next(times))
    client.create(TOPIC)
    good = {"conditions": [condition("Ready", status=True)]}
    first = shown(client, good)
    version = client.store.resource_version
    assert shown(client, good) == first
    assert client.store.resource_version == version
    bad = {"conditions": [condition("Ready", status=False, reason="R", message="m")]}
    [entry] = shown(client, bad)["conditions"]
    assert entry["status"] == "False"
    assert entry["lastTransitionTime"] != first["conditions"][0]["lastTransitionTime"]
