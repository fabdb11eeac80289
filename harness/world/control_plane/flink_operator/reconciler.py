"""One reconciliation of one FlinkDeployment.

Follows the operator's FlinkDeploymentController and AbstractFlinkResourceReconciler: observe,
validate, write, act, write. The status is written wherever the real operator writes it, so a
watcher sees the same states.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from harness.core.errors import HarnessError
from harness.world.control_plane.flink_operator import observer, transitions
from harness.world.control_plane.flink_operator.context import (
    Context,
    Outside,
)
from harness.world.control_plane.flink_operator.events import Component, OperatorEvent, Reason
from harness.world.control_plane.flink_operator.spec import (
    DiffType,
    JobState,
    classify,
    differences,
)
from harness.world.control_plane.flink_operator.status import JobManager
from harness.world.control_plane.flink_operator.upgrade import (
    SuspendMode,
    UpgradeError,
    choose_upgrade,
)
from harness.world.control_plane.flink_operator.validation import validate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from harness.world.control_plane.flink_operator.clusters import FlinkClusters
    from harness.world.control_plane.flink_operator.context import (
        Resource,
        StatusSink,
    )
    from harness.world.control_plane.flink_operator.settings import OperatorSettings

_AT_ONCE: Final = timedelta(0)


class Reconciler:
    """Brings clusters to what their resources say; keeps nothing between two calls."""

    def __init__(
        self,
        clusters: FlinkClusters,
        settings: OperatorSettings,
        clock: Callable[[], datetime],
        *,
        new_job_id: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        """Wire the operator's outside.

        Args:
            clusters: the clusters.
            settings: the operator's settings.
            clock: the time, aware of its zone.
            new_job_id: makes Flink job ids.
        """
        self._outside = Outside(clusters, settings, clock, new_job_id)

    async def reconcile(self, resource: Resource, sink: StatusSink) -> timedelta:
        """Observe the cluster of a resource and do the next thing.

        Args:
            resource: the resource; its status is changed on the way.
            sink: where to write status and events.

        Returns:
            Time until the next look; zero right after an upgrade began.

        Raises:
            HarnessError: when the sink fails; everything else ends in ``status.error``.
        """
        context = Context.of(resource, sink, self._outside)
        upgrading_before = context.upgrading
        try:
            await _observe_validate_and_act(context)
        except UpgradeError as error:
            context.status.error = error.what
            await context.warn(error.reason, error.what)
            await context.write()
        except HarnessError as error:
            await _give_up(context, error)
            return context.settings.progress_interval
        return _next_look(context, upgrading_before=upgrading_before)

    async def cleanup(self, resource: Resource, sink: StatusSink) -> None:
        """Take the cluster of a deleted resource down, HA data included."""
        await sink.event(OperatorEvent(Reason.CLEANUP, "Cleaning up FlinkDeployment"))
        await self._outside.clusters.delete_cluster(resource.cluster, keep_ha=False)


async def _observe_validate_and_act(context: Context) -> None:
    await _observe(context)
    may_act = await _validate(context)
    await context.write()
    if may_act:
        await _act(context)
        await context.write()


async def _give_up(context: Context, error: HarnessError) -> None:
    # Like the operator SDK's error handler: what was changed in memory only is lost.
    context.status = context.written.copy()
    context.status.error = str(error)
    await context.warn(Reason.ERROR, str(error), Component.OPERATOR)
    await context.write()


def _next_look(context: Context, *, upgrading_before: bool) -> timedelta:
    if context.upgrading and not upgrading_before and context.status.error is None:
        return _AT_ONCE
    if context.status.job_manager is JobManager.DEPLOYING:
        return context.settings.progress_interval
    if context.status.job_manager is JobManager.DEPLOYED_NOT_READY:
        return context.settings.rest_delay
    return context.settings.reconcile_interval


async def _observe(context: Context) -> None:
    status = context.status
    if status.before_first_deployment:
        return
    asked = status.job_id if observer.asks_for_job(status) else None
    context.seen = await context.outside.clusters.observe(context.cluster, asked)
    if observer.is_observed(status):
        for event in observer.observe(status, context.seen, now=context.milliseconds):
            await context.sink.event(event)


async def _validate(context: Context) -> bool:
    """Check the spec; on an error, go on with the one that was carried out last."""
    wrong = validate(context.spec, context.status)
    if wrong is None:
        return True
    context.status.error = wrong
    await context.warn(Reason.VALIDATION_ERROR, wrong, Component.OPERATOR)
    last = context.status.last_reconciled
    if last is None:
        return False
    context.spec, context.generation = last.spec, last.generation
    if context.upgrading:
        # In the middle of an upgrade the last state says suspended; what was wanted is running.
        context.spec = context.spec.with_job(state=JobState.RUNNING.value)
    return True


async def _act(context: Context) -> None:
    if context.status.before_first_deployment:
        await transitions.deploy_first(context)
        return
    changes = differences(context.status.carried_out.spec, context.spec)
    kind = classify(changes)
    if kind is DiffType.IGNORE and not context.upgrading:
        _take_metadata(context)
        await transitions.recover(context)
        return
    if kind is not DiffType.IGNORE:
        await context.tell(Reason.SPEC_CHANGED, _announcement(kind, changes))
    await _change(context, kind)


def _announcement(kind: DiffType, changes: Mapping[str, tuple[object, object]]) -> str:
    listed = ", ".join(
        f"{path} : {_shown(old)} -> {_shown(new)}" for path, (old, new) in changes.items()
    )
    return (
        f"{kind.value} change(s) detected (Diff: FlinkDeploymentSpec[{listed}]),"
        " starting reconciliation."
    )


def _shown(value: object) -> str:
    return "null" if value is None else str(value)


def _take_metadata(context: Context) -> None:
    status = context.status
    if status.observed_generation == context.generation:
        return
    stable = status.stable
    status.observed_generation = context.generation
    status.last_reconciled = replace(status.carried_out, generation=context.generation)
    if stable:
        status.last_stable = status.last_reconciled


async def _change(context: Context, kind: DiffType) -> None:
    if kind is DiffType.SAVEPOINT_REDEPLOY:
        await transitions.redeploy(context)
        return
    if not context.status.suspended:
        upgrade = choose_upgrade(
            context.spec, context.status, context.seen, context.settings, context.outside.clock()
        )
        if upgrade is None:
            return
        await transitions.suspend(context, upgrade)
        if upgrade.suspend is not SuspendMode.NOOP:
            # The next reconciliation, which follows at once, brings the job up again.
            return
    if context.spec.state is JobState.RUNNING:
        await transitions.resume(context, context.status.restore_mode)
