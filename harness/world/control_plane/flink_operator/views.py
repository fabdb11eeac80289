"""What Flink's REST API says, as the operator reads it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from harness.world.control_plane.flink_operator.clusters import (
    Checkpoints,
    JobView,
    Observation,
)
from harness.world.services.flink.errors import FlinkRestError

if TYPE_CHECKING:
    from harness.world.control_plane.flink_operator.clusters import (
        Deployment,
    )
    from harness.world.control_plane.flink_operator.launching import Rest
    from harness.world.services.flink.records import JobDetails

_NOT_FOUND: Final = 404


def look(rest: Rest, job_id: str, deployment: Deployment) -> Observation:
    """Read a job and its checkpoints; blocks.

    Args:
        rest: the REST API.
        job_id: the job.
        deployment: what the JobManager's Deployment shows.
    """
    try:
        job = _job(rest, job_id)
        version = rest.overview().version
    except FlinkRestError:
        return Observation(deployment)
    return Observation(
        deployment,
        reachable=True,
        job=job,
        checkpoints=Checkpoints() if job is None else _checkpoints(rest, job_id),
        cluster_info={"flink-version": version},
    )


def _job(rest: Rest, job_id: str) -> JobView | None:
    try:
        details = rest.job(job_id)
    except FlinkRestError as error:
        if error.status == _NOT_FOUND:
            return None
        raise
    failure = _headline(rest.exceptions(job_id)) if details.state == "FAILED" else None
    return JobView(_effective_state(details), details.name, details.start_time, failure)


def _effective_state(details: JobDetails) -> str:
    """Return CREATED for a job that runs on paper only (the operator's getEffectiveStatus)."""
    return "CREATED" if details.state == "RUNNING" and not details.all_running else details.state


def _headline(trace: str) -> str | None:
    return next(iter(trace.strip().splitlines()), None)


def _checkpoints(rest: Rest, job_id: str) -> Checkpoints:
    try:
        statistics = rest.checkpoints(job_id)
    except FlinkRestError:
        return Checkpoints(readable=False)
    latest = statistics.latest_completed
    if latest is None or latest.discarded:
        return Checkpoints(latest=_restored_path(rest, job_id))
    completed = datetime.fromtimestamp(latest.completed / 1000, UTC)
    return Checkpoints(latest=latest.external_path, completed_at=completed)


def _restored_path(rest: Rest, job_id: str) -> str | None:
    """Return what the job itself was restored from: its newest state until a checkpoint is made."""
    restored = rest.checkpoints(job_id).latest_restored
    return restored.external_path if restored else None
