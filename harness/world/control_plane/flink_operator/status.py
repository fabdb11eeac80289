"""A FlinkDeployment's status: everything the operator remembers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from harness.world.control_plane.flink_operator.spec import FlinkSpec, JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.world.control_plane.flink_operator.spec import UpgradeMode

LAST_STATE_PLACEHOLDER: Final = "KUBERNETES_OPERATOR_LAST_STATE"
"""Stands in ``upgradeSavepointPath`` where HA metadata says what to restore."""

MISSING_JOB_MANAGER: Final = (
    "JobManager deployment is missing and HA metadata is not available to make stateful upgrades."
    " It is possible that the job has finished or terminally failed, or the configmaps have been"
    " deleted.Manual restore required."
)
LOST_HA_METADATA: Final = (
    "HA metadata is not available to restore from last state.It is possible that the job has"
    " finished or terminally failed, or the configmaps have been deleted."
)
UNKNOWN_CHECKPOINT: Final = (
    "Job is in terminal state but last checkpoint is unknown, possibly due to an unrecoverable"
    " restore error. Manual restore required."
)
_FATAL: Final = (MISSING_JOB_MANAGER, LOST_HA_METADATA, UNKNOWN_CHECKPOINT)
_TERMINAL: Final = frozenset({"FINISHED", "CANCELED", "FAILED"})


class JobManager(StrEnum):
    """``jobManagerDeploymentStatus``."""

    READY = "READY"
    DEPLOYED_NOT_READY = "DEPLOYED_NOT_READY"
    DEPLOYING = "DEPLOYING"
    MISSING = "MISSING"
    ERROR = "ERROR"


class Reconciliation(StrEnum):
    """``reconciliationStatus.state``; rollback is never switched on in production."""

    DEPLOYED = "DEPLOYED"
    UPGRADING = "UPGRADING"


class Lifecycle(StrEnum):
    """``lifecycleState``, derived from the rest of the status."""

    CREATED = "CREATED"
    SUSPENDED = "SUSPENDED"
    UPGRADING = "UPGRADING"
    DEPLOYED = "DEPLOYED"
    STABLE = "STABLE"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Reconciled:
    """A spec as it was carried out, with the metadata the operator keeps beside it.

    Attributes:
        spec: the spec; its job.state and job.upgradeMode say what was done, not what was asked.
        generation: generation of the resource that it came from.
        first_deployment: whether nothing had been deployed before it.
    """

    spec: FlinkSpec
    generation: int
    first_deployment: bool = False

    def with_job(self, **changes: object) -> Reconciled:
        """Return a copy with other values in ``spec.job``."""
        return replace(self, spec=self.spec.with_job(**changes))

    def dump(self) -> str:
        """Return the JSON text that the custom resource holds."""
        metadata = {
            "apiVersion": "flink.apache.org/v1beta1",
            "metadata": {"generation": self.generation},
            "firstDeployment": self.first_deployment,
        }
        wrapper = {"spec": self.spec.to_dict(), "resource_metadata": metadata}
        return json.dumps(wrapper, separators=(",", ":"))

    @classmethod
    def load(cls, text: str) -> Reconciled:
        """Read what ``dump`` wrote."""
        wrapper = json.loads(text)
        metadata = wrapper["resource_metadata"]
        return cls(
            FlinkSpec(wrapper["spec"]),
            metadata["metadata"]["generation"],
            metadata["firstDeployment"],
        )


@dataclass(slots=True)
class Status:
    """``status`` of a FlinkDeployment.

    Attributes:
        job_state: last observed state of the Flink job; None before the first deployment.
        job_id: Flink job id, 32 hexadecimal digits.
        job_name: name of the Flink job.
        start_time: when the job started, in ms since the epoch, as text.
        update_time: when its state changed last, in ms since the epoch, as text.
        upgrade_savepoint_path: checkpoint or savepoint that the next stateful start restores.
        job_manager: state of the JobManager Deployment.
        reconciliation: whether an upgrade is under way.
        last_reconciled: the spec that was carried out last.
        last_stable: the last one whose job ran, or was suspended on request.
        reconciliation_timestamp: ms since the epoch.
        error: what went wrong last.
        observed_generation: generation of the last spec that was accepted.
        cluster_info: facts from the JobManager, e.g. ``flink-version``.
        task_managers: TaskManagers wanted.
        name: name of the resource, for the TaskManagers' label selector.
    """

    name: str = ""
    job_state: str | None = None
    job_id: str | None = None
    job_name: str | None = None
    start_time: str | None = None
    update_time: str | None = None
    upgrade_savepoint_path: str | None = None
    job_manager: JobManager = JobManager.MISSING
    reconciliation: Reconciliation = Reconciliation.UPGRADING
    last_reconciled: Reconciled | None = None
    last_stable: Reconciled | None = None
    reconciliation_timestamp: int = 0
    error: str | None = None
    observed_generation: int | None = None
    cluster_info: dict[str, str] = field(default_factory=dict)
    task_managers: int = 0

    def copy(self) -> Status:
        """Return an independent copy; the specs inside are values."""
        return replace(self, cluster_info=dict(self.cluster_info))

    @property
    def before_first_deployment(self) -> bool:
        """Whether nothing has been deployed yet."""
        last = self.last_reconciled
        return last is None or (
            last.first_deployment and self.reconciliation is Reconciliation.UPGRADING
        )

    @property
    def carried_out(self) -> Reconciled:
        """The spec carried out last; only once something was deployed.

        Raises:
            LookupError: before that.
        """
        if self.last_reconciled is None:
            raise LookupError("nothing has been reconciled yet")
        return self.last_reconciled

    @property
    def suspended(self) -> bool:
        """Whether the spec carried out last says suspended."""
        last = self.last_reconciled
        return last is not None and last.spec.state is JobState.SUSPENDED

    @property
    def terminal(self) -> bool:
        """Whether the job has ended for good."""
        return self.job_state in _TERMINAL

    @property
    def checkpoint_known(self) -> bool:
        """Whether there is a path to restore from."""
        return self.upgrade_savepoint_path not in {None, "", LAST_STATE_PLACEHOLDER}

    @property
    def stable(self) -> bool:
        """Whether the spec carried out last has proved itself."""
        return self.last_stable is not None and self.last_stable == self.last_reconciled

    @property
    def lifecycle(self) -> Lifecycle:
        """``lifecycleState`` (rule of CommonStatus.getLifecycleState)."""
        if self.last_reconciled is None:
            return Lifecycle.FAILED if self.error else Lifecycle.CREATED
        if self.reconciliation is Reconciliation.UPGRADING:
            return Lifecycle.UPGRADING
        if self.suspended:
            return Lifecycle.SUSPENDED
        if self.job_state == "FAILED" or self._beyond_repair:
            return Lifecycle.FAILED
        return Lifecycle.STABLE if self.stable else Lifecycle.DEPLOYED

    @property
    def _beyond_repair(self) -> bool:
        gone = self.job_manager in {JobManager.MISSING, JobManager.ERROR}
        return gone and any(message in (self.error or "") for message in _FATAL)

    @property
    def restore_mode(self) -> UpgradeMode:
        """Mode in which the job was suspended, inherited by the next start."""
        return self.carried_out.spec.upgrade_mode

    def adjust_last_reconciled(self, **job: object) -> None:
        """Change fields of the last reconciled job spec, e.g. when a cancellation is seen."""
        self.last_reconciled = replace(self.carried_out.with_job(**job), first_deployment=False)

    def mark_stable(self) -> None:
        """Take the last reconciled spec as one that works."""
        self.last_reconciled = replace(self.carried_out, first_deployment=False)
        self.last_stable = self.last_reconciled

    def to_dict(self) -> dict[str, Any]:
        """Return the status as the custom resource holds it; unset fields are left out."""
        job = {
            "jobId": self.job_id,
            "jobName": self.job_name,
            "state": self.job_state,
            "startTime": self.start_time,
            "updateTime": self.update_time,
            "upgradeSavepointPath": self.upgrade_savepoint_path,
            "checkpointInfo": {"lastPeriodicCheckpointTimestamp": 0},
            "savepointInfo": {"lastPeriodicSavepointTimestamp": 0, "savepointHistory": []},
        }
        reconciliation = {
            "state": self.reconciliation.value,
            "lastReconciledSpec": self.last_reconciled and self.last_reconciled.dump(),
            "lastStableSpec": self.last_stable and self.last_stable.dump(),
            "reconciliationTimestamp": self.reconciliation_timestamp,
        }
        selector = f"component=taskmanager,app={self.name}" if self.task_managers else ""
        return _present(
            {
                "clusterInfo": dict(self.cluster_info),
                "error": self.error,
                "jobManagerDeploymentStatus": self.job_manager.value,
                "jobStatus": _present(job),
                "lifecycleState": self.lifecycle.value,
                "observedGeneration": self.observed_generation,
                "reconciliationStatus": _present(reconciliation),
                "taskManager": {"labelSelector": selector, "replicas": self.task_managers},
            }
        )

    @classmethod
    def from_dict(cls, name: str, status: Mapping[str, Any] | None) -> Status:
        """Read the status of the resource called ``name``; None or empty means a new one."""
        if not status:
            return cls(name=name)
        job = status.get("jobStatus") or {}
        reconciliation = status.get("reconciliationStatus") or {}
        return cls(
            name=name,
            job_state=job.get("state"),
            job_id=job.get("jobId"),
            job_name=job.get("jobName"),
            start_time=job.get("startTime"),
            update_time=job.get("updateTime"),
            upgrade_savepoint_path=job.get("upgradeSavepointPath"),
            job_manager=JobManager(status.get("jobManagerDeploymentStatus") or JobManager.MISSING),
            reconciliation=Reconciliation(reconciliation.get("state") or Reconciliation.UPGRADING),
            last_reconciled=_loaded(reconciliation.get("lastReconciledSpec")),
            last_stable=_loaded(reconciliation.get("lastStableSpec")),
            reconciliation_timestamp=reconciliation.get("reconciliationTimestamp") or 0,
            error=status.get("error") or None,
            observed_generation=status.get("observedGeneration"),
            cluster_info=dict(status.get("clusterInfo") or {}),
            task_managers=(status.get("taskManager") or {}).get("replicas") or 0,
        )


def _loaded(text: str | None) -> Reconciled | None:
    return Reconciled.load(text) if text else None


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}
