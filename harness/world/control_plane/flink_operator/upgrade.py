"""How a job is taken down for an upgrade or a suspension: pure.

Follows the operator's AbstractJobReconciler.getJobUpgrade and ApplicationReconciler.getJobUpgrade.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Final

from harness.core.errors import HarnessError
from harness.world.control_plane.flink_operator.events import Reason
from harness.world.control_plane.flink_operator.spec import UpgradeMode
from harness.world.control_plane.flink_operator.status import (
    MISSING_JOB_MANAGER,
    UNKNOWN_CHECKPOINT,
    JobManager,
)

if TYPE_CHECKING:
    from datetime import timedelta

    from harness.world.control_plane.flink_operator.clusters import Observation
    from harness.world.control_plane.flink_operator.settings import OperatorSettings
    from harness.world.control_plane.flink_operator.spec import FlinkSpec
    from harness.world.control_plane.flink_operator.status import (
        Status,
    )


class UpgradeError(HarnessError):
    """The upgrade cannot be done; shown as event and in ``status.error``, and tried again.

    Attributes:
        reason: reason of the event.
    """

    def __init__(self, message: str, reason: Reason) -> None:
        """Keep the operator's message and the event's reason."""
        super().__init__(message)
        self.reason = reason


class SuspendMode(Enum):
    """How the running job is ended."""

    NOOP = "it has ended already"
    STATELESS = "cancel, delete the cluster and its HA data"
    SAVEPOINT = "stop with savepoint, keep the JobManager"
    CANCEL = "cancel over REST in the background, keep the JobManager"
    LAST_STATE = "delete the cluster, keep its HA data"


@dataclass(frozen=True, slots=True)
class JobUpgrade:
    """A way to end the job.

    Attributes:
        suspend: how it is ended.
        restore: mode in which the next start finds its state.
    """

    suspend: SuspendMode
    restore: UpgradeMode


_BY_SAVEPOINT: Final = JobUpgrade(SuspendMode.SAVEPOINT, UpgradeMode.SAVEPOINT)
_BY_LAST_STATE: Final = JobUpgrade(SuspendMode.LAST_STATE, UpgradeMode.LAST_STATE)
_BY_CANCEL: Final = JobUpgrade(SuspendMode.CANCEL, UpgradeMode.SAVEPOINT)
_ENDED: Final = JobUpgrade(SuspendMode.NOOP, UpgradeMode.SAVEPOINT)


def choose_upgrade(
    spec: FlinkSpec,
    status: Status,
    seen: Observation,
    settings: OperatorSettings,
    now: datetime,
) -> JobUpgrade | None:
    """Choose how to end the job.

    Args:
        spec: the desired spec.
        status: status after observation.
        seen: the cluster.
        settings: the operator's settings for this resource.
        now: for the age of checkpoints.

    Returns:
        The way, or None: wait for an upgradeable state.

    Raises:
        UpgradeError: when state cannot be kept and somebody must restore by hand.
    """
    if spec.upgrade_mode is UpgradeMode.STATELESS:
        suspend = SuspendMode.NOOP if status.terminal else SuspendMode.STATELESS
        return JobUpgrade(suspend, UpgradeMode.STATELESS)
    metadata = _metadata_usable(status, seen)
    if status.job_state == "CANCELED" or (status.terminal and not metadata):
        return _ended(status)
    if status.job_state == "CANCELLING":
        return None
    if status.job_state == "RUNNING":
        return _of_running(spec, status, seen, settings, now)
    return _of_unhealthy(spec, status, settings, metadata=metadata)


def _metadata_usable(status: Status, seen: Observation) -> bool:
    # HA data counts only where both the deployed job and its metadata have it.
    return seen.ha_metadata and status.carried_out.spec.high_availability


def _ended(status: Status) -> JobUpgrade:
    if not status.checkpoint_known:
        raise UpgradeError(UNKNOWN_CHECKPOINT, Reason.UPGRADE_FAILED)
    return _ENDED


def _of_running(
    spec: FlinkSpec,
    status: Status,
    seen: Observation,
    settings: OperatorSettings,
    now: datetime,
) -> JobUpgrade | None:
    if spec.upgrade_mode is UpgradeMode.SAVEPOINT:
        return _BY_SAVEPOINT
    age = settings.last_state_max_checkpoint_age
    if age is not None and not _recent(_started(status), age, now):
        if _recent(seen.checkpoints.pending_since, age, now) and not _recent(
            seen.checkpoints.completed_at, age, now
        ):
            return None
        if not _recent(seen.checkpoints.completed_at, age, now):
            return _BY_SAVEPOINT
    by_metadata = _metadata_usable(status, seen) and spec.high_availability
    return _BY_LAST_STATE if by_metadata and not settings.last_state_job_cancel else _BY_CANCEL


def _of_unhealthy(
    spec: FlinkSpec, status: Status, settings: OperatorSettings, *, metadata: bool
) -> JobUpgrade | None:
    if spec.upgrade_mode is UpgradeMode.SAVEPOINT and not settings.last_state_fallback:
        return None
    if metadata and spec.high_availability:
        return _BY_LAST_STATE
    if status.job_manager in {JobManager.MISSING, JobManager.ERROR}:
        raise UpgradeError(MISSING_JOB_MANAGER, Reason.UPGRADE_FAILED)
    return None


def _recent(moment: datetime | None, age: timedelta, now: datetime) -> bool:
    return moment is not None and now - moment < age


def _started(status: Status) -> datetime | None:
    return datetime.fromtimestamp(int(status.start_time) / 1000, UTC) if status.start_time else None
