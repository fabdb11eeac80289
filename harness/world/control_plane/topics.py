"""Strimzi's topic operator: KafkaTopic resources on one side, topics on the other."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from harness.core.audit import AuditEvent
from harness.core.errors import HarnessError
from harness.world.control_plane.reconciler import Reconciler, condition, set_status
from harness.world.control_plane.topic_admin import TopicError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.core.audit import AuditTrail
    from harness.world.control_plane.client import Client
    from harness.world.control_plane.model.kinds import Object
    from harness.world.control_plane.topic_admin import LiveTopic, TopicAdmin

_PAUSED = "strimzi.io/pause-reconciliation"
_MANAGED = "strimzi.io/managed"


class NotSupportedError(HarnessError):
    """A change that the topic operator does not make."""


class TopicOperator(Reconciler):
    """Makes topics what their KafkaTopic resources say.

    As in production, a topic that somebody deleted comes back at the next full pass if its
    resource still exists, configuration that somebody changed is put back, and deleting the
    resource deletes the topic.
    """

    kinds: ClassVar[tuple[str, ...]] = ("KafkaTopic",)

    def __init__(
        self, client: Client, admin: TopicAdmin, audit: AuditTrail, *, resync: float = 120.0
    ) -> None:
        """Prepare the controller.

        Args:
            client: acts as ``strimzi-topic-operator``.
            admin: the Kafka cluster.
            audit: where changes of topics are recorded.
            resync: seconds between two full passes; Strimzi's default is two minutes.
        """
        super().__init__(client, resync=resync)
        self._admin = admin
        self._audit = audit
        self._known: set[str] = set()
        self._capped: dict[str, tuple[int, int]] = {}

    async def reconcile(self) -> None:
        """Compare all resources with the cluster and change what differs.

        Raises:
            TopicError: when Kafka refused or did not answer, after all topics were tried.
        """
        every = {topic_name(item): item for item in self.client.list("KafkaTopic").items}
        resources = {name: item for name, item in every.items() if _managed(item)}
        await self._drop_orphans(self._known - every.keys())
        self._known = set(resources)
        brokers = await asyncio.to_thread(self._admin.brokers)
        live = await asyncio.to_thread(self._admin.describe, set(resources))
        failed = [
            name
            for name, item in resources.items()
            if not _paused(item) and not await self._settle(item, live.get(name), brokers)
        ]
        if failed:
            raise TopicError(f"not reconciled: {', '.join(failed)}")

    async def _drop_orphans(self, names: set[str]) -> None:
        for name in sorted(await asyncio.to_thread(self._admin.describe, names)):
            await self._do("delete", name, None, partial(self._admin.delete, name))

    async def _settle(self, item: Object, live: LiveTopic | None, brokers: int) -> bool:
        """Bring one topic to its resource and say so in its status; False: try again."""
        name = topic_name(item)
        status: dict[str, Any] = {
            "observedGeneration": item["metadata"]["generation"],
            "topicName": name,
        }
        try:
            if await self._change(item, live, brokers):
                live = (await asyncio.to_thread(self._admin.describe, {name})).get(name)
            ready = condition("Ready", status=True)
        except NotSupportedError as error:
            ready = condition("Ready", status=False, reason="NotSupported", message=error.what)
        except TopicError as error:
            ready = condition("Ready", status=False, reason="KafkaError", message=error.what)
        if live is not None:
            status["topicId"] = live.topic_id
        set_status(self.client, "KafkaTopic", item, {**status, "conditions": [ready]})
        return ready.get("reason") != "KafkaError"

    async def _change(self, item: Object, live: LiveTopic | None, brokers: int) -> bool:
        name, spec = topic_name(item), item["spec"]
        partitions, config = int(spec["partitions"]), wanted_config(item)
        replicas = self._replicas(name, int(spec["replicas"]), brokers)
        if live is None:
            body = {"partitions": partitions, "replicas": replicas, "config": config}
            await self._do(
                "create", name, body, lambda: self._admin.create(name, partitions, replicas, config)
            )
            return True
        _check_supported(live, partitions, replicas)
        grown = await self._grow(name, live, partitions)
        return await self._configure(name, live, config) or grown

    def _replicas(self, name: str, wanted: int, brokers: int) -> int:
        """Cap the replication factor to the brokers that there are."""
        if wanted > brokers:
            self._capped[name] = (wanted, brokers)
        return min(wanted, brokers)

    async def _grow(self, name: str, live: LiveTopic, partitions: int) -> bool:
        if partitions == live.partitions:
            return False
        await self._do(
            "alter",
            name,
            {"partitions": partitions},
            lambda: self._admin.add_partitions(name, partitions),
        )
        return True

    async def _configure(self, name: str, live: LiveTopic, config: Mapping[str, str]) -> bool:
        values = {key: value for key, value in config.items() if live.config.get(key) != value}
        unset = sorted(live.config.keys() - config.keys())
        if not values and not unset:
            return False
        body = {"config": values, "unset": unset}
        await self._do("alter", name, body, lambda: self._admin.configure(name, values, unset))
        return True

    async def _do(
        self, verb: str, name: str, body: dict[str, Any] | None, act: Callable[[], None]
    ) -> None:
        outcome = "ok"
        try:
            await asyncio.to_thread(act)
        except TopicError as error:
            outcome = error.what
            raise
        finally:
            self._audit.record(
                AuditEvent("kafka", self.client.actor, verb, f"topics/{name}", body, outcome)
            )

    def differences(self) -> list[str]:
        """Return where topics differ from production because brokers are missing."""
        if not self._capped:
            return []
        wanted, brokers = max(self._capped.values())
        sentence = (
            f"{len(self._capped)} topics have a replication factor of {brokers} instead of "
            f"{wanted}, because this world has {brokers} broker(s)."
        )
        return [sentence]


def topic_name(item: Object) -> str:
    """Return the name of the topic that a KafkaTopic stands for."""
    return str(item["spec"].get("topicName") or item["metadata"]["name"])


def wanted_config(item: Object) -> dict[str, str]:
    """Return the configuration that a KafkaTopic asks for, as Kafka writes it."""
    return {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in (item["spec"].get("config") or {}).items()
    }


def _annotation(item: Object, name: str) -> str:
    return str((item["metadata"].get("annotations") or {}).get(name, ""))


def _managed(item: Object) -> bool:
    return _annotation(item, _MANAGED) != "false"


def _paused(item: Object) -> bool:
    return _annotation(item, _PAUSED) == "true"


def _check_supported(live: LiveTopic, partitions: int, replicas: int) -> None:
    if partitions < live.partitions:
        raise NotSupportedError("Decreasing partitions not supported")
    if replicas != live.replicas:
        raise NotSupportedError(
            f"Replication factor change not supported: {live.replicas} to {replicas}"
        )
