"""What the runner reads and what it intends, as values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.replay.runner.names import (
    CONFIG_MAP,
    DEFAULT_RESET,
    FLINK_DEPLOYMENT,
    GROUP,
    RESET,
    TERMINAL_STATES,
    RunnerError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """ConfigMap and FlinkDeployment at one moment.

    Attributes:
        group: ``TA_GROUP_ID``.
        reset: ``TA_AUTO_OFFSET_RESET``; None when the ConfigMap does not have it.
        job_state: ``spec.job.state``.
        nonce: ``spec.restartNonce``; 0 when there is none.
        status_state: ``status.jobStatus.state``: what the operator observed last.
        job_id: ``status.jobStatus.jobId``.
        upgrade_mode: ``spec.job.upgradeMode``; the operator takes an absent one as stateless.
        reconciled_state: ``job.state`` of the spec that the operator carried out last.
        reconciled_nonce: ``restartNonce`` of that spec.
        reconciled_mode: ``job.upgradeMode`` of that spec: how the job was really started.
        error: ``status.error``.
    """

    group: str
    reset: str | None = None
    job_state: str | None = None
    nonce: int = 0
    status_state: str | None = None
    job_id: str | None = None
    upgrade_mode: str = "stateless"
    reconciled_state: str | None = None
    reconciled_nonce: int | None = None
    reconciled_mode: str | None = None
    error: str | None = None

    @property
    def policy(self) -> str:
        """The reset policy that counts."""
        return self.reset or DEFAULT_RESET

    @property
    def wanted(self) -> tuple[str, str | None, str | None, int]:
        """What people and GitOps set: group, reset policy, job state, nonce."""
        return self.group, self.reset, self.job_state, self.nonce

    @property
    def is_down(self) -> bool:
        """Whether the operator has carried the suspension out and no job runs.

        The lifecycle state is not asked: without high availability a last-state job that was
        suspended shows ``UPGRADING`` for ever. A job that failed writes nothing either, and some
        upgrade modes wait there for a state that never comes.
        """
        ended = self.status_state is None or self.status_state in TERMINAL_STATES
        settled = self.reconciled_state in {None, "suspended"} or self.status_state == "FAILED"
        return self.job_state == "suspended" and ended and settled

    def runs_with(self, nonce: int) -> bool:
        """Whether the job runs and the operator started it for ``nonce``."""
        return self.status_state == "RUNNING" and self.reconciled_nonce == nonce

    def to_json(self) -> dict[str, Any]:
        """Return the report's ``current``: the documented fields, then ours."""
        return {
            "ta_group_id": self.group,
            "ta_auto_offset_reset": self.policy,
            "flink_job_state": self.job_state,
            "flink_restart_nonce": self.nonce,
            "flink_status_state": self.status_state,
            "flink_upgrade_mode": self.upgrade_mode,
            "flink_job_id": self.job_id,
            "flink_reconciled_nonce": self.reconciled_nonce,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What ConfigMap and FlinkDeployment are to become.

    Attributes:
        group: ``TA_GROUP_ID``.
        reset: ``TA_AUTO_OFFSET_RESET``; None takes the key away.
        job_state: ``spec.job.state`` in the end.
    """

    group: str
    reset: str | None
    job_state: str = "running"

    @property
    def suspension(self) -> dict[str, Any]:
        """The patch of the FlinkDeployment that ends the job."""
        return {"spec": {"job": {"state": "suspended"}}}

    @property
    def configuration(self) -> dict[str, Any]:
        """The patch of the ConfigMap."""
        return {"data": {GROUP: self.group, RESET: self.reset}}

    def resumption(self, nonce: int) -> dict[str, Any]:
        """Return the patch of the FlinkDeployment that starts the job again."""
        return {"spec": {"restartNonce": nonce, "job": {"state": self.job_state}}}

    def commands(self, namespace: str, current: Current) -> list[str]:
        """Return the commands that bring the change about, in order."""
        deployment = f"flinkdeployment {FLINK_DEPLOYMENT}"
        steps = [
            (deployment, self.suspension),
            (f"configmap {CONFIG_MAP}", self.configuration),
            (deployment, self.resumption(current.nonce + 1)),
        ]
        if current.job_state == "suspended":
            steps = steps[1:]
        return [
            f"kubectl -n {namespace} patch {target} --type merge -p '{json.dumps(patch)}'"
            for target, patch in steps
        ]


def read_current(config_map: Mapping[str, Any], deployment: Mapping[str, Any]) -> Current:
    """Read the two objects as ``kubectl get -o json`` gives them.

    Raises:
        RunnerError: when what the runner needs is not in them.
    """
    data = config_map.get("data")
    if not isinstance(data, dict):
        raise RunnerError("configmap data is not parseable")
    group = data.get(GROUP)
    if not isinstance(group, str) or not group:
        raise RunnerError(f"{GROUP} missing in {CONFIG_MAP}")
    spec = deployment.get("spec")
    if not isinstance(spec, dict):
        raise RunnerError("flinkdeployment spec is missing")
    status = _mapping(deployment.get("status"))
    job, observed = _mapping(spec.get("job")), _mapping(status.get("jobStatus"))
    reconciled = _reconciled(status)
    reconciled_job = _mapping(reconciled.get("job"))
    return Current(
        group=group,
        reset=data.get(RESET),
        job_state=job.get("state"),
        nonce=as_nonce(spec.get("restartNonce")),
        status_state=observed.get("state"),
        job_id=observed.get("jobId"),
        upgrade_mode=job.get("upgradeMode") or "stateless",
        reconciled_state=reconciled_job.get("state"),
        reconciled_nonce=as_nonce(reconciled.get("restartNonce")) if reconciled else None,
        reconciled_mode=reconciled_job.get("upgradeMode"),
        error=status.get("error"),
    )


def as_nonce(value: object) -> int:
    """Return a restartNonce as a number; 0 for what is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = value.strip() if isinstance(value, str) else ""
    return int(text) if text.isascii() and text.isdecimal() else 0


def _reconciled(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the spec that the operator keeps as JSON text in its status; empty without one."""
    text = _mapping(status.get("reconciliationStatus")).get("lastReconciledSpec")
    try:
        return _mapping(_mapping(json.loads(text or "{}")).get("spec"))
    except (TypeError, ValueError):
        return {}


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
