"""The runs of the job, by Flink's own account."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from harness.checks.evidence import JobRun
from harness.core.errors import ServiceError
from harness.world.services.flink import FlinkRest, FlinkRestError
from harness.world.services.flink.errors import root_cause

if TYPE_CHECKING:
    from pathlib import Path

    from harness.world.kube import KubeClient
    from harness.world.services.flink import CheckpointStatistics

ROLES: Final = ("trades", "quotes", "bars1m")
_NAMESPACE: Final = "torghut"
_NOT_FOUND: Final = 404


class JobObserver:
    """Remembers every run of the job that it sees, also after its JobManager is gone.

    Attributes:
        trouble: why the last look saw no job although there may be one; None if it did see.
    """

    def __init__(self, url: str, kube: KubeClient, kubectl: Path, kubeconfig: Path) -> None:
        """Look at the JobManager at ``url``; ask its pod for the group through kubectl."""
        self._rest = FlinkRest(url)
        self._kube = kube
        self._home = kubeconfig.parent
        self._kubectl = [str(kubectl), f"--kubeconfig={kubeconfig}", "-n", _NAMESPACE]
        self._runs: dict[str, JobRun] = {}
        self._checkpoints: dict[str, int] = {}
        self._triggered: dict[str, int] = {}
        self.trouble: str | None = None

    @property
    def runs(self) -> tuple[JobRun, ...]:
        """All runs seen, oldest first."""
        return tuple(self._runs.values())

    def completed_checkpoints(self, job_id: str) -> int:
        """Return how many checkpoints of a run had completed at the last look."""
        return self._checkpoints.get(job_id, 0)

    def last_trigger(self, job_id: str) -> int:
        """Return when the newest completed checkpoint of a run was triggered, ms since the epoch.

        Everything that the sources had read by then has passed the sinks; 0: there is none.
        """
        return self._triggered.get(job_id, 0)

    def look(self) -> JobRun | None:
        """Look at the newest job of the JobManager; None when nobody answers or none is there."""
        try:
            jobs = self._rest.jobs()
            if not jobs:
                return None
            details = max((self._rest.job(one) for one in jobs), key=lambda job: job.start_time)
            run = self._runs.get(details.job_id) or self._new_run(details.job_id)
            run = replace(run, state=details.state)
            self._runs[run.job_id] = self._with_details(run)
        except ServiceError as error:
            # Between two runs nobody answers; only if that lasts is it worth telling.
            self.trouble = str(error)
            return None
        self.trouble = None
        return self._runs[details.job_id]

    def _new_run(self, job_id: str) -> JobRun:
        return JobRun(job_id, "CREATED", None, {}, self._group())

    def _with_details(self, run: JobRun) -> JobRun:
        checkpoints = self._checkpoint_statistics(run.job_id)
        if checkpoints is None:
            return replace(run, failure=self._failure(run))
        self._checkpoints[run.job_id] = checkpoints.counts.completed
        if checkpoints.latest_completed is not None:
            self._triggered[run.job_id] = checkpoints.latest_completed.triggered
        restored = checkpoints.latest_restored
        origin = run.restored_from
        if origin is None and restored is not None:
            origin = restored.external_path or f"checkpoint {restored.checkpoint_id}"
        return replace(
            run,
            restored_from=origin,
            records_read=self._records_read(run),
            failure=self._failure(run),
        )

    def _checkpoint_statistics(self, job_id: str) -> CheckpointStatistics | None:
        try:
            return self._rest.checkpoints(job_id)
        except FlinkRestError as error:
            if error.status != _NOT_FOUND:
                raise
            return None

    def _records_read(self, run: JobRun) -> dict[str, int]:
        """Return the highest counts seen: a job that ends takes its metrics with it."""
        counts = dict(run.records_read)
        for name, metrics in self._rest.source_metrics(run.job_id).items():
            role = next((role for role in ROLES if role in name), None)
            if role is not None and metrics.records is not None:
                counts[role] = max(counts.get(role, 0), metrics.records)
        return counts

    def _failure(self, run: JobRun) -> str | None:
        if run.state not in {"FAILED", "FAILING", "RESTARTING"}:
            return run.failure
        return root_cause(self._rest.exceptions(run.job_id)) or run.failure

    def _group(self) -> str:
        """Return the TA_GROUP_ID that the JobManager's pod was started with."""
        pods = self._kube.list("Pod", _NAMESPACE)["items"]
        name = next(
            (
                pod["metadata"]["name"]
                for pod in pods
                if pod["metadata"].get("labels", {}).get("component") == "jobmanager"
            ),
            None,
        )
        if name is None:
            return ""
        try:
            answer = subprocess.run(
                [*self._kubectl, "exec", name, "--", "printenv", "TA_GROUP_ID"],
                capture_output=True,
                text=True,
                check=False,
                timeout=30,
                # kubectl keeps a cache below HOME: not in the user's.
                env={"HOME": str(self._home)},
            )
        except subprocess.TimeoutExpired as error:
            raise ServiceError(f"the job's group cannot be read: {error}") from error
        if answer.returncode:
            raise ServiceError(f"the job's group cannot be read: {answer.stderr.strip()}")
        return answer.stdout.strip()
