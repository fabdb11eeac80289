"""The verification's looks: the brokers until they say what is wanted, the objects once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from harness.core.waiting import WaitTimeoutError, wait_until
from harness.replay.runner.names import RAW_ROLES, RunnerError
from harness.replay.runner.verification import (
    verify_consumption,
    verify_flink,
    verify_objects,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from harness.replay.runner.model import Change, Current
    from harness.replay.runner.options import Options
    from harness.replay.runner.report import Report
    from harness.replay.runner.verification import Checks, Consumption, Earlier, Running

_INTERVAL: Final = 1.0


class BrokerAccess(Protocol):
    """What is asked of the brokers. Every method raises ``RunnerError`` when they are silent."""

    def groups(self) -> set[str]:
        """Return all consumer groups."""
        ...

    def consumption(self, group: str, topics: Iterable[str]) -> Consumption:
        """Return where a group stands."""
        ...


class Verification:
    """Looks at what came of a change and writes it into a report."""

    def __init__(
        self,
        options: Options,
        brokers: BrokerAccess | None,
        newest_job: Callable[[str], Running],
        say: Callable[[str], None],
    ) -> None:
        """Prepare.

        Args:
            options: what the user asks for.
            brokers: the brokers; None when nobody said where they are.
            newest_job: asks Flink at a URL.
            say: told what cannot be asked.
        """
        self._options, self._brokers = options, brokers
        self._newest_job, self._say = newest_job, say

    def into(
        self, report: Report, target: Change, earlier: Earlier, look: Callable[[], Current]
    ) -> None:
        """Verify ``target`` against the services that can be asked, then against the objects.

        The objects come last: waiting for the brokers gives the operator time to catch up.

        Args:
            report: where the outcome goes.
            target: what was asked for.
            earlier: what was before.
            look: reads the objects.
        """
        stateful = self._options.permissions.stateful or self._options.mode == "rollback"
        services = self._consumption(report, target.group)
        services |= self._flink(report, stateful=stateful)
        report.current = look()
        report.checks = verify_objects(report.current, target, earlier, stateful=stateful)
        report.checks |= services
        if earlier.nonce is None:
            report.warnings.append(
                "the restartNonce before the replay is not known: "
                "give --record of the apply, or --previous-nonce"
            )

    def _flink(self, report: Report, *, stateful: bool) -> Checks:
        if not self._options.flink_url:
            report.not_asked["flink"] = "no --flink-rest-url was given"
            return {}
        try:
            report.running = self._newest_job(self._options.flink_url)
        except RunnerError as error:
            self._say(str(error))
            report.not_asked["flink"] = str(error)
        return verify_flink(report.running, stateful=stateful)

    def _consumption(self, report: Report, group: str) -> Checks:
        if self._brokers is None:
            report.not_asked["brokers"] = "no --kafka-bootstrap was given"
            return {}
        try:
            report.consumption = self._watch(self._brokers, group)
        except RunnerError as error:
            self._say(str(error))
            report.not_asked["brokers"] = str(error)
        return verify_consumption(report.consumption, self._options.max_lag)

    def _watch(self, brokers: BrokerAccess, group: str) -> Consumption:
        """Wait for the first commit, and for the lag wanted; return the last look in any case."""
        topics = [self._options.topics[role] for role in RAW_ROLES]
        seen: list[Consumption] = []

        def look() -> bool:
            seen.append(brokers.consumption(group, topics))
            checks = verify_consumption(seen[-1], self._options.max_lag)
            return all(checks.values())

        try:
            wait_until(
                look,
                what=f"{group} to commit",
                timeout=self._options.wait_seconds,
                interval=_INTERVAL,
            )
        except WaitTimeoutError as error:
            self._say(error.what)
        return seen[-1]
