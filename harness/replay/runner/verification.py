"""Checks after a replay was started: what was asked for, what came of it, what is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.replay.runner.names import FAILED_STATES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.replay.runner.model import Change, Current

Checks = dict[str, bool | None]
"""Outcome by check; None: it could not be found out, which does not pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What is known of the time before the replay.

    Attributes:
        nonce: ``restartNonce`` before; None when nobody knows.
        job_id: job before; None when nobody knows or none ran.
    """

    nonce: int | None = None
    job_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumption:
    """Where the replay group stands, by the brokers' account.

    Attributes:
        committed: committed offset by ``topic/partition``.
        latest: high watermark by ``topic/partition`` of every input.
    """

    committed: Mapping[str, int]
    latest: Mapping[str, int]

    @property
    def lag(self) -> int:
        """Records that the group has not committed, with the whole of what it never committed."""
        return sum(max(0, high - self.committed.get(key, 0)) for key, high in self.latest.items())

    @property
    def has_begun(self) -> bool:
        """Whether the group has committed anything of the inputs."""
        return any(key in self.latest for key in self.committed)

    def to_json(self) -> dict[str, object]:
        """Return the report's ``consumption``."""
        return {
            "lag": self.lag,
            "partitions": len(self.latest),
            "partitions_committed": sum(key in self.committed for key in self.latest),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The newest job of the JobManager, by Flink's account.

    Attributes:
        job_id: identifier.
        state: e.g. ``RUNNING``.
        restored_from: path of the state it began with; empty for a job that began empty.
        records_read: records that its sources have emitted.
    """

    job_id: str
    state: str
    restored_from: str = ""
    records_read: int = 0

    def to_json(self) -> dict[str, object]:
        """Return the report's ``flink``."""
        return {
            "job_id": self.job_id,
            "state": self.state,
            "restored_from": self.restored_from,
            "records_read": self.records_read,
        }


def verify_objects(now: Current, target: Change, earlier: Earlier, *, stateful: bool) -> Checks:
    """Check ConfigMap and FlinkDeployment; the first five checks are the documented ones.

    Args:
        now: state after the replay was started.
        target: what was asked for.
        earlier: what was before.
        stateful: accept a job that was started from a checkpoint or savepoint.
    """
    advanced = None if earlier.nonce is None else now.nonce >= earlier.nonce + 1
    checks: Checks = {
        "ta_group_id_applied": now.group == target.group,
        "ta_auto_offset_reset_applied": now.policy == (target.reset or "latest"),
        "restart_nonce_advanced": advanced,
        "job_state_not_failed": now.status_state not in FAILED_STATES,
        "spec_job_state_running_or_unknown": now.job_state in {None, "running"},
        "restart_nonce_reconciled": now.reconciled_nonce == now.nonce,
        "job_state_running": now.status_state == "RUNNING",
    }
    if earlier.job_id is not None:
        checks["job_replaced"] = now.job_id is not None and now.job_id != earlier.job_id
    if not stateful:
        checks["started_without_state"] = now.reconciled_mode == "stateless"
    return checks


def verify_flink(running: Running | None, *, stateful: bool) -> Checks:
    """Check the job by Flink's own account; None: Flink did not answer."""
    checks: Checks = {
        "flink_job_running": None if running is None else running.state == "RUNNING",
        "flink_records_read": None if running is None else running.records_read > 0,
    }
    if not stateful:
        checks["flink_restored_nothing"] = None if running is None else not running.restored_from
    return checks


def verify_consumption(consumption: Consumption | None, max_lag: int | None) -> Checks:
    """Check the group by the brokers' account; None: they did not answer."""
    begun = None if consumption is None else consumption.has_begun
    checks: Checks = {"replay_group_committed": begun}
    if max_lag is not None:
        within = None if consumption is None else begun and consumption.lag <= max_lag
        checks["replay_lag_within_limit"] = within
    return checks


def passed(checks: Mapping[str, bool | None]) -> bool:
    """Whether every check is true; what is not known does not pass, nor does nothing at all."""
    return bool(checks) and all(value is True for value in checks.values())
