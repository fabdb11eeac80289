"""Checks of a FlinkDeployment that the operator makes itself, without its webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness.world.control_plane.flink_operator.spec import JobState, UpgradeMode

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.world.control_plane.flink_operator.spec import FlinkSpec
    from harness.world.control_plane.flink_operator.status import Status

_SAVEPOINT_KEYS: Final = ("execution.checkpointing.savepoint-dir", "state.savepoints.dir")
_CHECKPOINT_KEYS: Final = ("execution.checkpointing.dir", "state.checkpoints.dir")


def validate(spec: FlinkSpec, status: Status) -> str | None:
    """Return what is wrong with the spec, or None (rules of the operator's DefaultValidator)."""
    return next((found for check in _CHECKS if (found := check(spec, status))), None)


def _parallelism(spec: FlinkSpec, _status: Status) -> str | None:
    return "Job parallelism must be larger than 0" if spec.parallelism < 1 else None


def _directories(spec: FlinkSpec, _status: Status) -> str | None:
    configuration = spec.configuration
    stateful = spec.upgrade_mode is not UpgradeMode.STATELESS
    if stateful and not any(configuration.get(key) for key in _CHECKPOINT_KEYS):
        return (
            f"Checkpoint directory[{_CHECKPOINT_KEYS[0]}] must be defined for last-state"
            " and savepoint upgrade modes"
        )
    wants_savepoint = spec.upgrade_mode is UpgradeMode.SAVEPOINT
    if wants_savepoint and not any(configuration.get(key) for key in _SAVEPOINT_KEYS):
        return (
            "Job could not be upgraded with savepoint while config key"
            f"[{_SAVEPOINT_KEYS[0]}] is not set"
        )
    return None


def _first_state(spec: FlinkSpec, status: Status) -> str | None:
    starts_down = status.before_first_deployment and spec.state is not JobState.RUNNING
    return "Job must start in running state" if starts_down else None


def _redeployment(spec: FlinkSpec, status: Status) -> str | None:
    if status.before_first_deployment or spec.redeploy_nonce is None:
        return None
    if spec.redeploy_nonce == status.carried_out.spec.redeploy_nonce:
        return None
    if spec.initial_savepoint_path:
        return None
    return "InitialSavepointPath must not be empty for savepoint redeployment"


_CHECKS: Final[tuple[Callable[[FlinkSpec, Status], str | None], ...]] = (
    _parallelism,
    _directories,
    _first_state,
    _redeployment,
)
