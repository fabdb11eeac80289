"""Strimzi's topic operator: KafkaTopic resources on one side, topics on the other."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from harness.core.audit import AuditEvent
from harness.core.errors import HarnessError
from harness.world.control_plane.reconciler import Reconciler, condition, set_status
from harness.world.control_plane.topic_admin import NewTopicPlan, TopicError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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
        active = {name: item for name, item in resources.items() if not _paused(item)}
        plans = await self._plans(active)
        live = await asyncio.to_thread(self._admin.describe, set(active))
        refused = await self._create([plan for name, plan in plans.items() if name not in live])
        if live.keys() < active.keys():
            live = await asyncio.to_thread(self._admin.describe, set(active))
        failed = [
            name
            for name, item in active.items()
            if not await self._settle(item, plans[name], live.get(name), refused.get(name))
        ]
        if failed:
            raise TopicError(f"not reconciled: {', '.join(failed)}")

    async def _drop_orphans(self, names: set[str]) -> None:
        for name in sorted(await asyncio.to_thread(self._admin.describe, names)):
            await self._do("delete", name, None, partial(self._admin.delete, name))

    async def _plans(self, resources: Mapping[str, Object]) -> dict[str, NewTopicPlan]:
        """Return what each resource asks for, with no more replicas than there are brokers."""
        brokers = await asyncio.to_thread(self._admin.brokers)
        plans = {}
        for name, item in resources.items():
            spec, replicas = item["spec"], int(item["spec"]["replicas"])
            if replicas > brokers:
                self._capped[name] = (replicas, brokers)
            plans[name] = NewTopicPlan(
                name, int(spec["partitions"]), min(replicas, brokers), wanted_config(item)
            )
        return plans

    async def _create(self, plans: Sequence[NewTopicPlan]) -> dict[str, TopicError]:
        if not plans:
            return {}
        refused = await asyncio.to_thread(self._admin.create, plans)
        for plan in plans:
            body = {
                "partitions": plan.partitions,
                "replicas": plan.replicas,
                "config": plan.config,
            }
            why = refused.get(plan.name)
            self._record("create", plan.name, body, why.what if why else "ok")
        return refused

    async def _settle(
        self,
        item: Object,
        plan: NewTopicPlan,
        live: LiveTopic | None,
        refusal: TopicError | None,
    ) -> bool:
        """Bring one topic to its resource and say so in its status; False: try again."""
        try:
            if live is None:
                raise refusal or TopicError("the topic went away")
            await self._change(plan, live)
            ready = condition("Ready", status=True)
        except NotSupportedError as error:
            ready = condition("Ready", status=False, reason="NotSupported", message=error.what)
        except TopicError as error:
            ready = condition("Ready", status=False, reason="KafkaError", message=error.what)
        status: dict[str, Any] = {
            "observedGeneration": item["metadata"]["generation"],
            "topicName": plan.name,
            "conditions": [ready],
        }
        if live is not None:
            status["topicId"] = live.topic_id
        set_status(self.client, "KafkaTopic", item, status)
        return ready.get("reason") != "KafkaError"

    async def _change(self, plan: NewTopicPlan, live: LiveTopic) -> None:
        _check_supported(live, plan)
        await self._grow(plan, live)
        await self._configure(plan, live)

    async def _grow(self, plan: NewTopicPlan, live: LiveTopic) -> None:
        total = plan.partitions
        if total > live.partitions:
            grow = partial(self._admin.add_partitions, plan.name, total)
            await self._do("alter", plan.name, {"partitions": total}, grow)

    async def _configure(self, plan: NewTopicPlan, live: LiveTopic) -> None:
        values = {k: value for k, value in plan.config.items() if live.config.get(k) != value}
        unset = sorted(live.config.keys() - plan.config.keys())
        if values or unset:
            configure = partial(self._admin.configure, plan.name, values, unset)
            await self._do("alter", plan.name, {"config": values, "unset": unset}, configure)

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
            self._record(verb, name, body, outcome)

    def _record(self, verb: str, name: str, body: dict[str, Any] | None, outcome: str) -> None:
        event = AuditEvent("kafka", self.client.actor, verb, f"topics/{name}", body, outcome)
        self._audit.record(event)

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


def _check_supported(live: LiveTopic, plan: NewTopicPlan) -> None:
    if plan.partitions < live.partitions:
        raise NotSupportedError("Decreasing partitions not supported")
    if plan.replicas != live.replicas:
        raise NotSupportedError(
            f"Replication factor change not supported: {live.replicas} to {plan.replicas}"
        )
