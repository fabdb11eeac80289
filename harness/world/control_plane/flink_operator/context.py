"""What one reconciliation works on: the resource, its status as written, and the outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from harness.world.control_plane.flink_operator.clusters import Observation
from harness.world.control_plane.flink_operator.events import (
    Component,
    OperatorEvent,
)
from harness.world.control_plane.flink_operator.spec import JobState
from harness.world.control_plane.flink_operator.status import Reconciled, Reconciliation

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from harness.world.control_plane.flink_operator.clusters import ClusterRef, FlinkClusters
    from harness.world.control_plane.flink_operator.events import (
        Reason,
    )
    from harness.world.control_plane.flink_operator.settings import OperatorSettings
    from harness.world.control_plane.flink_operator.spec import FlinkSpec
    from harness.world.control_plane.flink_operator.status import Status


@dataclass(slots=True)
class Resource:
    """A FlinkDeployment as read at the beginning of a reconciliation.

    Attributes:
        cluster: which one.
        generation: ``metadata.generation``.
        spec: ``spec``.
        status: ``status``; changed while reconciling.
    """

    cluster: ClusterRef
    generation: int
    spec: FlinkSpec
    status: Status


class StatusSink(Protocol):
    """Where a reconciliation leaves what it found."""

    async def write(self, status: Status) -> None:
        """Write the status; writing the same one twice changes nothing."""

    async def event(self, event: OperatorEvent) -> None:
        """Record an event on the resource."""


@dataclass(frozen=True, slots=True)
class Outside:
    """What the operator as a whole works with.

    Attributes:
        clusters: the clusters.
        settings: the operator's settings.
        clock: the time, aware of its zone.
        new_job_id: makes Flink job ids.
    """

    clusters: FlinkClusters
    settings: OperatorSettings
    clock: Callable[[], datetime]
    new_job_id: Callable[[], str]


@dataclass(slots=True)
class Context:
    """The state of one reconciliation.

    Attributes:
        outside: what the operator works with.
        sink: where status and events go.
        cluster: which cluster.
        generation: generation that ``spec`` comes from.
        spec: desired spec; its upgradeMode is overwritten by the one really used, as in the
            real operator, and so finds its way into lastReconciledSpec.
        status: status in memory.
        written: status as written last.
        settings: the operator's settings with those of the resource over them.
        seen: the cluster as observed.
    """

    outside: Outside
    sink: StatusSink
    cluster: ClusterRef
    generation: int
    spec: FlinkSpec
    status: Status
    written: Status
    settings: OperatorSettings
    seen: Observation = field(default_factory=Observation)

    @classmethod
    def of(cls, resource: Resource, sink: StatusSink, outside: Outside) -> Context:
        """Begin a reconciliation of ``resource``."""
        return cls(
            outside,
            sink,
            resource.cluster,
            resource.generation,
            resource.spec,
            resource.status,
            resource.status.copy(),
            outside.settings.for_resource(resource.spec.configuration),
        )

    @property
    def upgrading(self) -> bool:
        """Whether an upgrade is under way."""
        return self.status.reconciliation is Reconciliation.UPGRADING

    @property
    def milliseconds(self) -> int:
        """The time, in ms since the epoch."""
        return int(self.outside.clock().timestamp() * 1000)

    async def write(self) -> None:
        """Write the status where watchers see it."""
        await self.sink.write(self.status)
        self.written = self.status.copy()

    async def tell(
        self,
        reason: Reason,
        message: str,
        component: Component = Component.JOB_MANAGER_DEPLOYMENT,
    ) -> None:
        """Record a normal event."""
        await self.sink.event(OperatorEvent(reason, message, component))

    async def warn(
        self,
        reason: Reason,
        message: str,
        component: Component = Component.JOB_MANAGER_DEPLOYMENT,
    ) -> None:
        """Record a warning."""
        await self.sink.event(OperatorEvent(reason, message, component, warning=True))

    def record(
        self, state: JobState, reconciliation: Reconciliation, *, first: bool = False
    ) -> None:
        """Note the spec as carried out (ReconciliationUtils.updateStatusForSpecReconciliation).

        Args:
            state: job state that was reached, which need not be the one asked for.
            reconciliation: whether more is to come.
            first: whether nothing was deployed before.
        """
        spec = self.spec.with_job(state=state.value)
        status = self.status
        status.last_reconciled = Reconciled(spec, self.generation, first_deployment=first)
        status.reconciliation = reconciliation
        status.reconciliation_timestamp = self.milliseconds
        status.observed_generation = self.generation
        status.error = None
        status.task_managers = spec.task_managers if state is JobState.RUNNING else 0
