"""The operator: one worker for each FlinkDeployment, woken by changes and by the clock."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from harness.core.errors import HarnessError
from harness.world.control_plane.flink_operator.clusters import ClusterRef
from harness.world.control_plane.flink_operator.context import Resource
from harness.world.control_plane.flink_operator.events import Component, OperatorEvent, Reason
from harness.world.control_plane.flink_operator.reconciler import Reconciler
from harness.world.control_plane.flink_operator.recording import KIND, ApiSink
from harness.world.control_plane.flink_operator.spec import FlinkSpec
from harness.world.control_plane.flink_operator.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from harness.world.control_plane.client import Client
    from harness.world.control_plane.flink_operator.clusters import FlinkClusters
    from harness.world.control_plane.flink_operator.settings import OperatorSettings

FINALIZER: Final = "flinkdeployments.flink.apache.org/finalizer"
Key = tuple[str, str]


def utc_now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


@dataclass(slots=True)
class _Worker:
    """What is known about one resource between two reconciliations.

    Attributes:
        wake: set when there is a reason to look before the time is up.
        seen: generation and deletion mark of the last change that was a reason.
        task: reconciles the resource.
    """

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    seen: tuple[int, bool] | None = None
    task: asyncio.Task[None] | None = None


class FlinkOperator:
    """Watches FlinkDeployments and reconciles each in a task of its own."""

    def __init__(
        self,
        client: Client,
        clusters: FlinkClusters,
        settings: OperatorSettings,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Wire the operator; ``run`` starts it.

        Args:
            client: acts on the API as ``flink-kubernetes-operator``.
            clusters: the Flink clusters.
            settings: intervals and upgrade settings.
            clock: the time, aware of its zone.
        """
        self._client = client
        self._settings = settings
        self._clock = clock
        self._reconciler = Reconciler(clusters, settings, clock)
        self._workers: dict[Key, _Worker] = {}

    async def run(self) -> None:
        """Reconcile until cancelled; errors of one resource show in its status and are retried."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_resources(tasks))
            tasks.create_task(self._follow_deployments())

    async def _follow_resources(self, tasks: asyncio.TaskGroup) -> None:
        async for event in self._client.watch(KIND):
            key = _key(event.object)
            if event.type == "DELETED":
                self._forget(key)
            else:
                self._notice(tasks, key, event.object)

    async def _follow_deployments(self) -> None:
        """Look at once when a JobManager's Deployment changes."""
        async for event in self._client.watch("Deployment"):
            metadata = event.object["metadata"]
            for owner in metadata.get("ownerReferences", ()):
                worker = self._workers.get((metadata.get("namespace", ""), owner["name"]))
                if owner["kind"] == KIND and worker is not None:
                    worker.wake.set()

    def _notice(self, tasks: asyncio.TaskGroup, key: Key, resource: dict[str, Any]) -> None:
        worker = self._workers.setdefault(key, _Worker())
        metadata = resource["metadata"]
        state = (metadata.get("generation", 1), "deletionTimestamp" in metadata)
        if worker.seen != state:
            # Changes of the status alone are the operator's own and no reason to look again.
            worker.seen = state
            worker.wake.set()
        if worker.task is None:
            worker.task = tasks.create_task(self._work(key, worker))

    def _forget(self, key: Key) -> None:
        worker = self._workers.pop(key, None)
        if worker is not None and worker.task is not None:
            worker.task.cancel()

    async def _work(self, key: Key, worker: _Worker) -> None:
        while True:
            worker.wake.clear()
            pause = await self.reconcile(*key)
            if pause is None:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(worker.wake.wait(), pause.total_seconds())

    async def reconcile(self, namespace: str, name: str) -> timedelta | None:
        """Reconcile one resource once.

        Args:
            namespace: its namespace.
            name: its name.

        Returns:
            Time until the next look; None when the resource is gone.
        """
        found = self._client.find(KIND, namespace, name)
        if found is None:
            return None
        sink = ApiSink(self._client, found, self._clock)
        try:
            return await self._reconcile(found, sink)
        except (HarnessError, OSError) as error:
            return await self._report(namespace, name, sink, error)

    async def _reconcile(self, found: dict[str, Any], sink: ApiSink) -> timedelta | None:
        if "deletionTimestamp" in found["metadata"]:
            await self._reconciler.cleanup(_resource(found), sink)
            self._set_finalizers(found, present=False)
            return None
        self._set_finalizers(found, present=True)
        return await self._reconciler.reconcile(_resource(found), sink)

    async def _report(
        self, namespace: str, name: str, sink: ApiSink, error: Exception
    ) -> timedelta | None:
        """Show an error that the reconciliation itself could not; None when nobody is left."""
        if self._client.find(KIND, namespace, name) is None:
            return None
        await sink.event(OperatorEvent(Reason.ERROR, str(error), Component.OPERATOR, warning=True))
        await sink.fail(str(error))
        return self._settings.progress_interval

    def _set_finalizers(self, found: dict[str, Any], *, present: bool) -> None:
        metadata = found["metadata"]
        finalizers = list(metadata.get("finalizers", ()))
        if (FINALIZER in finalizers) == present:
            return
        wanted = [item for item in finalizers if item != FINALIZER]
        if present:
            wanted.append(FINALIZER)
        patch = {"metadata": {"finalizers": wanted}}
        self._client.patch(KIND, metadata["namespace"], metadata["name"], patch)


def _key(resource: dict[str, Any]) -> Key:
    return resource["metadata"]["namespace"], resource["metadata"]["name"]


def _resource(found: dict[str, Any]) -> Resource:
    metadata = found["metadata"]
    return Resource(
        ClusterRef(metadata["namespace"], metadata["name"], metadata["uid"]),
        metadata["generation"],
        FlinkSpec(found["spec"]),
        Status.from_dict(metadata["name"], found.get("status")),
    )
