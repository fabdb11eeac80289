"""What the operator makes of an observation: pure, all in the status.

Follows the operator's AbstractFlinkDeploymentObserver, JobStatusObserver and SnapshotObserver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness.core.errors import HarnessError
from harness.world.control_plane.flink_operator.clusters import Deployment
from harness.world.control_plane.flink_operator.events import Component, OperatorEvent, Reason
from harness.world.control_plane.flink_operator.spec import JobState
from harness.world.control_plane.flink_operator.status import JobManager, Reconciliation

if TYPE_CHECKING:
    from harness.world.control_plane.flink_operator.clusters import JobView, Observation
    from harness.world.control_plane.flink_operator.status import Status

JOB_NOT_FOUND: Final = "Job Not Found"
MISSING_DEPLOYMENT: Final = "Missing JobManager deployment"
_LOST_SAVEPOINT: Final = (
    "org.apache.flink.kubernetes.operator.exception.ReconciliationException: "
    "Could not observe latest savepoint information"
)


class ObservationError(HarnessError):
    """The cluster went away between two calls: what was seen so far is dropped."""


def is_observed(status: Status) -> bool:
    """Tell whether the operator looks at the cluster at all.

    While an upgrade is under way it does not, except to wait for a cancellation.
    """
    if status.before_first_deployment:
        return False
    return status.reconciliation is Reconciliation.DEPLOYED or status.job_state == "CANCELLING"


def asks_for_job(status: Status) -> bool:
    """Tell whether the REST API is asked: only once the JobManager is thought to be up."""
    up = status.job_manager in {JobManager.READY, JobManager.DEPLOYED_NOT_READY}
    return up and is_observed(status) and not status.suspended


def observe(status: Status, seen: Observation, *, now: int) -> list[OperatorEvent]:
    """Take what was seen into the status.

    Args:
        status: changed in place.
        seen: the cluster.
        now: ms since the epoch.

    Returns:
        Events to record.

    Raises:
        ObservationError: when a job ended and its checkpoints could not be read.
    """
    events: list[OperatorEvent] = []
    if status.job_manager is not JobManager.READY:
        events += _observe_job_manager(status, seen)
    if status.job_manager is JobManager.READY:
        events += _observe_job(status, seen, now)
    if status.job_manager is JobManager.READY and seen.reachable:
        status.cluster_info.update(seen.cluster_info)
    _clear_error_if_healthy(status)
    return events


def _observe_job_manager(status: Status, seen: Observation) -> list[OperatorEvent]:
    if _rests_in_peace(status):
        return []
    if status.job_manager is JobManager.DEPLOYED_NOT_READY:
        status.job_manager = JobManager.READY
        return []
    if seen.deployment is Deployment.ABSENT:
        return _missing(status)
    if seen.deployment is Deployment.AVAILABLE:
        status.job_manager = JobManager.DEPLOYED_NOT_READY
        return []
    if seen.deployment_error is not None:
        return _deployment_failed(status, seen.deployment_error)
    status.job_manager = JobManager.DEPLOYING
    return []


def _rests_in_peace(status: Status) -> bool:
    # Taken down on purpose: that there is no Deployment is no news.
    return status.job_manager is JobManager.MISSING and status.suspended


def _missing(status: Status) -> list[OperatorEvent]:
    known = status.job_manager in {JobManager.MISSING, JobManager.ERROR}
    status.job_manager = JobManager.MISSING
    status.job_state = "RECONCILING"
    if known:
        return []
    status.error = MISSING_DEPLOYMENT
    return [OperatorEvent(Reason.MISSING, MISSING_DEPLOYMENT, warning=True)]


def _deployment_failed(status: Status, error: str) -> list[OperatorEvent]:
    known = status.job_manager is JobManager.ERROR
    status.job_manager = JobManager.ERROR
    status.job_state = "RECONCILING"
    if known:
        return []
    status.error = error
    return [OperatorEvent(Reason.CLUSTER_DEPLOYMENT_EXCEPTION, error, warning=True)]


def _observe_job(status: Status, seen: Observation, now: int) -> list[OperatorEvent]:
    if status.suspended:
        return []
    if not seen.reachable:
        return _unreachable(status, seen)
    if seen.job is None:
        return _job_not_found(status)
    events = _take_job(status, seen.job, now)
    _update_stable(status)
    if status.terminal:
        _take_last_checkpoint(status, seen)
    return events


def _unreachable(status: Status, seen: Observation) -> list[OperatorEvent]:
    if status.job_state == "RUNNING":
        status.job_state = "RECONCILING"
    return _observe_job_manager(status, seen)


def _job_not_found(status: Status) -> list[OperatorEvent]:
    # A job that vanished while it was being cancelled: the upgrade starts over.
    status.reconciliation = Reconciliation.DEPLOYED
    status.job_state = "RECONCILING"
    status.error = JOB_NOT_FOUND
    return [OperatorEvent(Reason.MISSING, JOB_NOT_FOUND, Component.JOB, warning=True)]


def _take_job(status: Status, job: JobView, now: int) -> list[OperatorEvent]:
    previous, status.job_state = status.job_state, job.state
    status.job_name, status.start_time = job.name, str(job.started)
    if job.state == previous:
        return []
    status.update_time = str(now)
    if job.state == "CANCELED" or (status.terminal and previous == "CANCELLING"):
        status.adjust_last_reconciled(state=JobState.SUSPENDED.value)
    if job.state == "FAILED" and job.error:
        status.error = job.error
    message = f"Job status changed from {previous} to {job.state}"
    return [OperatorEvent(Reason.JOB_STATUS_CHANGED, message, Component.JOB)]


def _update_stable(status: Status) -> None:
    if status.reconciliation is not Reconciliation.DEPLOYED:
        return
    if status.job_state == "RUNNING" or (status.job_state == "FINISHED" and not status.suspended):
        status.mark_stable()


def _take_last_checkpoint(status: Status, seen: Observation) -> None:
    if not seen.checkpoints.readable:
        raise ObservationError(_LOST_SAVEPOINT)
    if seen.checkpoints.latest is not None:
        status.upgrade_savepoint_path = seen.checkpoints.latest


def _clear_error_if_healthy(status: Status) -> None:
    healthy = status.job_manager is not JobManager.ERROR and status.job_state != "FAILED"
    if healthy and status.stable:
        status.error = None
