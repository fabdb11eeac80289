"""Events that the operator records on a FlinkDeployment."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """``reason`` of an event, as the real operator names them."""

    SPEC_CHANGED = "SpecChanged"
    SUSPENDED = "Suspended"
    SUBMIT = "Submit"
    CLEANUP = "Cleanup"
    JOB_STATUS_CHANGED = "JobStatusChanged"
    MISSING = "Missing"
    VALIDATION_ERROR = "ValidationError"
    UPGRADE_FAILED = "UpgradeFailed"
    RESTORE_FAILED = "RestoreFailed"
    RECOVER_DEPLOYMENT = "RecoverDeployment"
    CLUSTER_DEPLOYMENT_EXCEPTION = "ClusterDeploymentException"
    ERROR = "Error"


class Component(StrEnum):
    """Part of the operator's world that an event is about."""

    OPERATOR = "Operator"
    JOB_MANAGER_DEPLOYMENT = "JobManagerDeployment"
    JOB = "Job"


@dataclass(frozen=True, slots=True)
class OperatorEvent:
    """One event.

    Attributes:
        reason: what kind of thing happened.
        message: what happened.
        component: what it is about.
        warning: whether the type is Warning rather than Normal.
    """

    reason: Reason
    message: str
    component: Component = Component.JOB_MANAGER_DEPLOYMENT
    warning: bool = False
