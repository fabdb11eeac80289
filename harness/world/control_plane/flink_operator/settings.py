"""What the operator's own configuration decides."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from harness.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX: Final = "kubernetes.operator.job.upgrade."
_UNITS: Final = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """Settings with the defaults of the operator's chart.

    Attributes:
        reconcile_interval: time between two looks at a running job (``reconcile.interval``).
        progress_interval: time between two looks while the JobManager is being deployed
            (``observer.progress-check.interval``).
        rest_delay: time between "the port is open" and the first REST call
            (``observer.rest-ready.delay``).
        last_state_fallback: upgrade a job that is not running by its last state instead of a
            savepoint (``job.upgrade.last-state-fallback.enabled``).
        last_state_max_checkpoint_age: take a savepoint when the newest checkpoint is older
            (``job.upgrade.last-state.max.allowed.checkpoint.age``).
        last_state_job_cancel: cancel over REST even where HA metadata is there
            (``job.upgrade.last-state.job-cancel.enabled``).
    """

    reconcile_interval: timedelta = timedelta(seconds=15)
    progress_interval: timedelta = timedelta(seconds=10)
    rest_delay: timedelta = timedelta(seconds=10)
    last_state_fallback: bool = True
    last_state_max_checkpoint_age: timedelta | None = None
    last_state_job_cancel: bool = False

    @classmethod
    def every(cls, interval: timedelta) -> OperatorSettings:
        """Return settings that look at everything once an interval, for a fast miniature."""
        return cls(reconcile_interval=interval, progress_interval=interval, rest_delay=interval)

    def for_resource(self, configuration: Mapping[str, str]) -> OperatorSettings:
        """Lay the ``kubernetes.operator.*`` keys of a FlinkDeployment over these settings.

        Args:
            configuration: ``spec.flinkConfiguration``.

        Raises:
            UsageError: when a value cannot be read.
        """
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        for name, key in (
            ("last_state_fallback", "last-state-fallback.enabled"),
            ("last_state_job_cancel", "last-state.job-cancel.enabled"),
        ):
            if text := configuration.get(_PREFIX + key):
                values[name] = text.strip().lower() == "true"
        if age := configuration.get(_PREFIX + "last-state.max.allowed.checkpoint.age"):
            values["last_state_max_checkpoint_age"] = parse_duration(age)
        return OperatorSettings(**values)


def parse_duration(text: str) -> timedelta:
    """Read a Flink duration such as ``90 s``, ``5min`` or ``500`` (milliseconds).

    Raises:
        UsageError: when it is none.
    """
    stripped = text.strip()
    digits = stripped.rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = stripped[len(digits) :].strip() or "ms"
    if not digits.isdigit() or unit not in _UNITS:
        raise UsageError(f"{text!r} is no duration", hint="write a number and ms, s, min, h or d")
    return timedelta(seconds=int(digits) * _UNITS[unit])
