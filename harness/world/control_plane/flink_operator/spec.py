"""A typed view of a FlinkDeployment's spec, and what a change of it means."""

from __future__ import annotations

import copy
from enum import Enum, StrEnum
from math import ceil
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_IGNORED_JOB_FIELDS: Final = frozenset(
    {"upgradeMode", "initialSavepointPath", "allowNonRestoredState", "savepointTriggerNonce"}
)
_OPERATOR_KEYS: Final = "kubernetes.operator."


class UpgradeMode(StrEnum):
    """How a job's state is carried over an upgrade."""

    STATELESS = "stateless"
    SAVEPOINT = "savepoint"
    LAST_STATE = "last-state"


class JobState(StrEnum):
    """What ``spec.job.state`` asks for."""

    RUNNING = "running"
    SUSPENDED = "suspended"


class DiffType(Enum):
    """What a change of the spec calls for."""

    IGNORE = "IGNORE"
    UPGRADE = "UPGRADE"
    SAVEPOINT_REDEPLOY = "SAVEPOINT_REDEPLOY"


class FlinkSpec:
    """``spec`` of a FlinkDeployment in application mode; a value with a copy of its own."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        """Take a copy of ``spec``."""
        self._spec: dict[str, Any] = copy.deepcopy(dict(spec))

    def to_dict(self) -> dict[str, Any]:
        """Return a copy that the caller may change."""
        return copy.deepcopy(self._spec)

    def __eq__(self, other: object) -> bool:
        """Compare by content."""
        return isinstance(other, FlinkSpec) and self._spec == other._spec

    def __hash__(self) -> int:
        """Hash by what identifies an upgrade; equal specs hash alike."""
        return hash((self.state, self.upgrade_mode, self.restart_nonce))

    @property
    def job(self) -> Mapping[str, Any]:
        """``job``, empty when missing."""
        return self._spec.get("job") or {}

    @property
    def state(self) -> JobState:
        """``job.state``; running by default."""
        return JobState(self.job.get("state") or JobState.RUNNING)

    @property
    def upgrade_mode(self) -> UpgradeMode:
        """``job.upgradeMode``; stateless by default."""
        return UpgradeMode(self.job.get("upgradeMode") or UpgradeMode.STATELESS)

    @property
    def restart_nonce(self) -> int | None:
        """``restartNonce``."""
        return self._spec.get("restartNonce")

    @property
    def redeploy_nonce(self) -> int | None:
        """``job.savepointRedeployNonce``."""
        return self.job.get("savepointRedeployNonce")

    @property
    def initial_savepoint_path(self) -> str | None:
        """``job.initialSavepointPath``; None when empty."""
        return self.job.get("initialSavepointPath") or None

    @property
    def parallelism(self) -> int:
        """``job.parallelism``; 1 by default."""
        return int(self.job.get("parallelism", 1))

    @property
    def configuration(self) -> dict[str, str]:
        """``flinkConfiguration``, values as text, nested maps flattened."""
        return dict(_flatten(self._spec.get("flinkConfiguration") or {}))

    @property
    def high_availability(self) -> bool:
        """Whether Kubernetes or ZooKeeper HA is on."""
        kind = self.configuration.get("high-availability.type") or self.configuration.get(
            "high-availability"
        )
        return kind is not None and kind.lower() != "none"

    @property
    def task_managers(self) -> int:
        """TaskManagers that the parallelism needs."""
        replicas = (self._spec.get("taskManager") or {}).get("replicas")
        slots = int(self.configuration.get("taskmanager.numberOfTaskSlots", "1"))
        return int(replicas) if replicas else ceil(self.parallelism / slots)

    def with_job(self, **changes: object) -> FlinkSpec:
        """Return a copy with other values in ``job``."""
        changed = self.to_dict()
        changed["job"] = {**self.job, **changes}
        return FlinkSpec(changed)


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, _as_text(value)


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def differences(old: FlinkSpec, new: FlinkSpec) -> dict[str, tuple[object, object]]:
    """Return the fields that differ, as path and (old, new) value; missing counts as None."""
    before, after = (dict(_leaves(spec.to_dict())) for spec in (old, new))
    return {
        path: (before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    }


def _leaves(tree: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _leaves(value, f"{path}.{index}")
    else:
        yield path, tree


def classify(changes: Mapping[str, tuple[object, object]]) -> DiffType:
    """Say what a set of ``differences`` calls for (the annotations of the operator's spec)."""
    if changes.get("job.savepointRedeployNonce", (None, None))[1] is not None:
        return DiffType.SAVEPOINT_REDEPLOY
    upgrades = (path for path, (_, new) in changes.items() if not _ignored(path, new))
    return DiffType.UPGRADE if any(upgrades) else DiffType.IGNORE


def _ignored(path: str, new: object) -> bool:
    if path in {"restartNonce", "job.savepointRedeployNonce"}:
        return new is None
    section, _, key = path.partition(".")
    if section == "job":
        return key in _IGNORED_JOB_FIELDS
    return section == "flinkConfiguration" and key.startswith(_OPERATOR_KEYS)
