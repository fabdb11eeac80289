"""The change itself: suspend, wait, configure, resume, wait. The document's order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness.core.waiting import WaitTimeoutError, wait_until
from harness.replay.runner.names import FAILED_STATES, RunnerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.replay.runner.kubectl import Cluster
    from harness.replay.runner.model import Change, Current

_REVERTED: Final = (
    "Argo CD puts Git's values back where automated sync heals itself: change the manifests instead"
)


class Actuation:
    """Brings a change about, one patch after the other, each only when the one before holds."""

    def __init__(
        self,
        cluster: Cluster,
        change: Change,
        on_step: Callable[[str], None],
        *,
        seconds: float,
        interval: float = 1.0,
    ) -> None:
        """Prepare; nothing is done yet.

        Args:
            cluster: where to do it.
            change: what to do.
            on_step: told of each step once it is done.
            seconds: how long each of the two waits may take.
            interval: seconds between two looks.
        """
        self._cluster, self._change, self._on_step = cluster, change, on_step
        self._seconds, self._interval = seconds, interval

    def run(self) -> Current:
        """Do it.

        Returns:
            The state in the end.

        Raises:
            RunnerError: when a step does not hold; the steps after it are not done.
        """
        self._suspend()
        self._cluster.patch_config(self._change.configuration)
        self._on_step("configured")
        nonce = self._cluster.current().nonce + 1
        self._cluster.patch_deployment(self._change.resumption(nonce))
        self._on_step(f"{self._change.job_state}, restartNonce {nonce}")
        if self._change.job_state != "running":
            return self._cluster.current()
        now = self._wait(
            "the job to run",
            lambda seen: seen.runs_with(nonce) or _failed_with(seen, nonce),
            lambda seen: self._still_ours(seen, nonce),
        )
        if not now.runs_with(nonce):
            raise RunnerError(
                f"the job failed after the restart: {now.error or now.status_state}",
                hint="--mode rollback brings the configuration before the replay back",
            )
        self._on_step("the job runs")
        return now

    def _suspend(self) -> None:
        if self._cluster.current().job_state != "suspended":
            self._cluster.patch_deployment(self._change.suspension)
            self._on_step("suspended")
        self._wait("the job to stop", lambda seen: seen.is_down, _still_suspended)
        self._on_step("the job is down")

    def _wait(
        self, what: str, holds: Callable[[Current], bool], guard: Callable[[Current], None]
    ) -> Current:
        def look() -> Current:
            seen = self._cluster.current()
            guard(seen)
            return seen

        try:
            return wait_until(
                look, what=what, timeout=self._seconds, holds=holds, interval=self._interval
            )
        except WaitTimeoutError as error:
            raise RunnerError(
                error.what,
                hint="nothing further was changed; --wait-seconds waits longer, "
                "--mode rollback brings the configuration before the replay back",
            ) from error

    def _still_ours(self, seen: Current, nonce: int) -> None:
        expected = (self._change.group, nonce, "running")
        found = (seen.group, seen.nonce, seen.job_state)
        if found != expected:
            raise RunnerError(
                f"somebody changed it back: group, nonce and state are {found}, not {expected}",
                hint=_REVERTED,
            )


def _failed_with(seen: Current, nonce: int) -> bool:
    """Whether the new job failed; that the one before had is of no interest."""
    started = seen.reconciled_nonce == nonce and seen.reconciled_state == "running"
    return started and seen.status_state in FAILED_STATES


def _still_suspended(seen: Current) -> None:
    if seen.job_state != "suspended":
        raise RunnerError(
            f"somebody changed spec.job.state back to {seen.job_state}", hint=_REVERTED
        )
