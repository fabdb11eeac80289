"""Taking a job down and bringing one up.

Follows the operator's AbstractJobReconciler and ApplicationReconciler, with AbstractFlinkService
behind them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.errors import HarnessError
from harness.world.control_plane.flink_operator.clusters import (
    HaMetadataMissingError,
    Submission,
)
from harness.world.control_plane.flink_operator.events import Component, Reason
from harness.world.control_plane.flink_operator.spec import JobState, UpgradeMode
from harness.world.control_plane.flink_operator.status import (
    LAST_STATE_PLACEHOLDER,
    LOST_HA_METADATA,
    JobManager,
    Reconciliation,
)
from harness.world.control_plane.flink_operator.upgrade import (
    SuspendMode,
    UpgradeError,
)

if TYPE_CHECKING:
    from harness.world.control_plane.flink_operator.context import Context
    from harness.world.control_plane.flink_operator.upgrade import (
        JobUpgrade,
    )


async def suspend(context: Context, upgrade: JobUpgrade) -> None:
    """End the running job as chosen; by cancellation, that goes on in the background."""
    await context.tell(Reason.SUSPENDED, "Suspending existing deployment.")
    if upgrade.suspend is SuspendMode.CANCEL:
        await _cancel_in_background(context, upgrade.restore)
        return
    await _end(context, upgrade.suspend)
    context.spec = context.spec.with_job(upgradeMode=upgrade.restore.value)
    if context.spec.state is JobState.RUNNING:
        context.record(JobState.SUSPENDED, Reconciliation.UPGRADING)
    else:
        context.record(JobState.SUSPENDED, Reconciliation.DEPLOYED)
        context.status.mark_stable()


async def resume(context: Context, restore: UpgradeMode) -> None:
    """Start a suspended job.

    Args:
        context: the reconciliation.
        restore: mode in which the job was suspended; the start inherits it unless the spec says
            stateless.

    Raises:
        UpgradeError: when HA metadata is needed and gone.
    """
    # Decided by how the job was suspended, not by how it is to be started: this is why a
    # stateless start after lost HA metadata fails once.
    require_ha = context.status.restore_mode is UpgradeMode.LAST_STATE
    if context.spec.upgrade_mode is not UpgradeMode.STATELESS:
        context.spec = context.spec.with_job(upgradeMode=restore.value)
    context.record(JobState.SUSPENDED, Reconciliation.UPGRADING)
    await context.write()
    stateful = context.spec.upgrade_mode is UpgradeMode.SAVEPOINT
    path = context.status.upgrade_savepoint_path if stateful else None
    await _deploy(context, path, require_ha=require_ha)
    context.record(JobState.RUNNING, Reconciliation.DEPLOYED)


async def deploy_first(context: Context) -> None:
    """Deploy a new resource: stateless, or from ``initialSavepointPath``."""
    path = context.spec.initial_savepoint_path
    mode = UpgradeMode.SAVEPOINT if path else UpgradeMode.STATELESS
    context.spec = context.spec.with_job(upgradeMode=mode.value)
    context.record(JobState.SUSPENDED, Reconciliation.UPGRADING, first=True)
    await _deploy(context, path, require_ha=False)
    context.record(JobState.RUNNING, Reconciliation.DEPLOYED, first=True)


async def redeploy(context: Context) -> None:
    """Start over from ``initialSavepointPath``, whatever the job was doing."""
    status = context.status
    if status.carried_out.spec.state is JobState.RUNNING and not status.terminal:
        await _end(context, SuspendMode.STATELESS)
    path = context.spec.initial_savepoint_path
    status.upgrade_savepoint_path = path
    context.spec = context.spec.with_job(upgradeMode=UpgradeMode.SAVEPOINT.value)
    if context.spec.state is JobState.RUNNING:
        await _deploy(context, path, require_ha=False)
    context.record(context.spec.state, Reconciliation.DEPLOYED)
    status.mark_stable()


async def recover(context: Context) -> None:
    """Bring a lost JobManager back from HA metadata, where there is any."""
    status, last = context.status, context.status.carried_out
    lost = status.job_manager is JobManager.MISSING and not status.suspended
    if not lost or not last.spec.high_availability:
        return
    await context.warn(Reason.RECOVER_DEPLOYMENT, "Recovering lost deployment")
    context.spec = last.spec
    await _deploy(context, None, require_ha=True)


async def _cancel_in_background(context: Context, restore: UpgradeMode) -> None:
    status = context.status
    await context.outside.clusters.cancel(context.cluster, status.job_id or "")
    status.job_state = "CANCELLING"
    status.reconciliation = Reconciliation.UPGRADING
    status.adjust_last_reconciled(upgradeMode=restore.value)


async def _end(context: Context, how: SuspendMode) -> None:
    status = context.status
    if how is SuspendMode.SAVEPOINT:
        status.upgrade_savepoint_path = await context.outside.clusters.stop_with_savepoint(
            context.cluster, status.job_id or ""
        )
    elif how is SuspendMode.STATELESS:
        await _cancel_ignoring_errors(context)
        await _delete_cluster(context, keep_ha=False)
    elif how is SuspendMode.LAST_STATE:
        await _delete_cluster(context, keep_ha=True)
        status.upgrade_savepoint_path = LAST_STATE_PLACEHOLDER
    status.job_state = "FINISHED"


async def _cancel_ignoring_errors(context: Context) -> None:
    status = context.status
    if status.job_manager is not JobManager.READY or not status.job_id:
        return
    try:
        await context.outside.clusters.cancel(context.cluster, status.job_id)
    except HarnessError as error:
        await context.warn(Reason.ERROR, str(error), Component.JOB)


async def _delete_cluster(context: Context, *, keep_ha: bool) -> None:
    await context.outside.clusters.delete_cluster(context.cluster, keep_ha=keep_ha)
    context.status.job_manager = JobManager.MISSING


async def _deploy(context: Context, restore_from: str | None, *, require_ha: bool) -> None:
    status = context.status
    if status.job_manager is not JobManager.MISSING:
        await _delete_cluster(context, keep_ha=require_ha)
        await context.write()
    if not (require_ha and status.job_id):
        status.job_id = context.outside.new_job_id()
        await context.write()
    await context.tell(Reason.SUBMIT, "Starting deployment")
    await _submit(
        context,
        Submission(context.spec, context.generation, status.job_id, restore_from, require_ha),
    )
    status.job_state, status.job_manager = "RECONCILING", JobManager.DEPLOYING


async def _submit(context: Context, submission: Submission) -> None:
    try:
        await context.outside.clusters.deploy(context.cluster, submission)
    except HaMetadataMissingError as error:
        raise UpgradeError(LOST_HA_METADATA, Reason.RESTORE_FAILED) from error
