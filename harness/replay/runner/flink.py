"""Flink's REST API, for what the job really did."""

from __future__ import annotations

from harness.core.errors import ServiceError
from harness.replay.runner.names import RunnerError
from harness.replay.runner.verification import Running
from harness.world.services.flink.rest import FlinkRest


def newest_job(url: str) -> Running:
    """Return the newest job of the JobManager at ``url``.

    Raises:
        RunnerError: when nobody answers there, or there is no job.
    """
    rest = FlinkRest(url)
    try:
        jobs = [rest.job(job_id) for job_id in rest.jobs()]
        if not jobs:
            raise RunnerError("the JobManager has no job", where=url)
        job = max(jobs, key=lambda one: one.start_time)
        return _look_closer(rest, job.job_id, job.state)
    except (ServiceError, LookupError, ValueError) as error:
        raise RunnerError(f"Flink cannot be asked: {error}", where=url) from error


def _look_closer(rest: FlinkRest, job_id: str, state: str) -> Running:
    restored = rest.checkpoints(job_id).latest_restored
    origin = "" if restored is None else restored.external_path or f"#{restored.checkpoint_id}"
    read = sum(metrics.records or 0 for metrics in rest.source_metrics(job_id).values())
    return Running(job_id=job_id, state=state, restored_from=origin, records_read=read)
