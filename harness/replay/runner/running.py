"""One run of the runner: look, decide, act, verify, report."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from harness.replay.runner.actuation import Actuation
from harness.replay.runner.feasibility import Feasibility
from harness.replay.runner.history import find_group
from harness.replay.runner.model import Change
from harness.replay.runner.names import RunnerError
from harness.replay.runner.planning import blockers, rollback_blockers, warnings
from harness.replay.runner.record import Previous, Record, RecordFile, read_record
from harness.replay.runner.report import Report
from harness.replay.runner.retention import Retention, read_topics
from harness.replay.runner.verification import Earlier, passed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.replay.runner.clickhouse import ClickHouse
    from harness.replay.runner.kubectl import Cluster
    from harness.replay.runner.model import Current
    from harness.replay.runner.options import Options
    from harness.replay.runner.probing import BrokerAccess, Verification


_ONLY_CONFIGURATION: Final = (
    "only the configuration is rolled back; deleted state and topics are restored with the "
    "document's own commands, before this"
)


class Run:
    """A run: built with its edges, so that it can be tried without any of them."""

    def __init__(
        self,
        options: Options,
        cluster: Cluster,
        *,
        brokers: BrokerAccess | None,
        clickhouse: ClickHouse | None,
        verification: Verification,
        say: Callable[[str], None],
    ) -> None:
        """Prepare.

        Args:
            options: what the user asks for.
            cluster: the cluster.
            brokers: the brokers; None when nobody said where they are.
            clickhouse: ClickHouse; None leaves the coverage preflight out.
            verification: looks at what came of it.
            say: told of progress.
        """
        self._options, self._cluster, self._say = options, cluster, say
        self._brokers, self._clickhouse = brokers, clickhouse
        self._verification = verification
        self._record = read_record(options.record, options.replay_id)

    def execute(self) -> tuple[Report, int]:
        """Do what the mode says.

        Returns:
            Report and exit status.

        Raises:
            RunnerError: when something stops the run on its way.
        """
        if self._options.mode == "rollback":
            return self._roll_back()
        report = self._planned()
        if self._options.mode == "apply":
            return self._apply(report)
        if self._options.verify:
            self._verify(report, report.change, self._earlier())
            return report, _status(report)
        return report, 0

    def _planned(self) -> Report:
        """Look at everything that is asked for and plan the replay."""
        options, current = self._options, self._cluster.current()
        change = Change(group=options.group, reset=options.reset)
        report = self._report(current, change)
        if options.preflight_asked:
            report.feasibility = self._preflight()
        if options.mode == "verify":
            return report
        report.history = find_group(
            options.group,
            current.group,
            options.manifests,
            options.record,
            self._brokers.groups if self._brokers else None,
        )
        report.warnings += warnings(current, change, options.permissions)
        report.blockers += blockers(
            current,
            report.history,
            report.feasibility,
            options.permissions,
            report.record or None,
        )
        return report

    def _report(self, current: Current, change: Change) -> Report:
        return Report(
            mode=self._options.mode,
            namespace=self._options.namespace,
            current=current,
            before=current,
            change=change,
            verify_requested=self._options.verify,
            record=str(self._options.record) if self._record else "",
        )

    def _preflight(self) -> Feasibility:
        options = self._options
        retention = None
        if options.topic_namespace is not None:
            resources = self._cluster.kafka_topics(options.topic_namespace)
            retention = Retention(
                trading_days=options.trading_days,
                calendar_days=options.calendar_days,
                topics=read_topics(options.topics, resources),
            )
        coverage = None
        if self._clickhouse is not None:
            coverage = self._clickhouse.coverage(options.trading_days, options.day_limit)
        return Feasibility(
            trading_days=options.trading_days,
            calendar_days=options.calendar_days,
            coverage=coverage,
            retention=retention,
        )

    def _apply(self, report: Report) -> tuple[Report, int]:
        if report.blockers:
            return report, 1
        self._say("Applying plan now...")
        for warning in report.warnings:
            self._say(f"warning: {warning}")
        record = self._new_record(report)
        file = RecordFile(self._options.record, record)
        with self._locked():
            self._expect_unchanged(report.before)
            file.create()
            report.record = str(file.path)
            try:
                report.current = self._actuation(report.change, file).run()
            except RunnerError:
                self._discard_if_nothing_happened(file, record, report.before)
                raise
        if self._options.verify:
            self._verify(report, report.change, record.earlier)
            return report, _status(report)
        return report, 0

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._cluster.lock(self._options.replay_id)
        try:
            yield
        finally:
            try:
                self._cluster.unlock()
            except RunnerError as error:  # must not hide what ended the run
                self._say(f"the lock could not be given back: {error}")

    def _expect_unchanged(self, before: Current) -> None:
        """Refuse to go on when the state that was decided upon is not the state any more."""
        now = self._cluster.current()
        if now.wanted != before.wanted:
            raise RunnerError(
                f"the configuration changed while the run began: {now.wanted}, not {before.wanted}",
                hint="somebody else is at work; run again",
            )

    def _discard_if_nothing_happened(
        self, file: RecordFile, record: Record, before: Current
    ) -> None:
        """Free the REPLAY_ID when not even the first patch got through."""
        if record.steps:
            return
        try:
            self._expect_unchanged(before)
        except RunnerError:
            return
        file.discard()

    def _new_record(self, report: Report) -> Record:
        return Record(
            schema="torghut.ta-replay-record.v1",
            replay_id=self._options.replay_id,
            namespace=self._options.namespace,
            replay_group_id=report.change.group,
            ta_auto_offset_reset=report.change.reset,
            previous=Previous.of(report.before),
        )

    def _actuation(self, change: Change, file: RecordFile) -> Actuation:
        def done(step: str) -> None:
            file.note(step)
            self._say(step)

        return Actuation(self._cluster, change, done, seconds=self._options.wait_seconds)

    def _roll_back(self) -> tuple[Report, int]:
        record = self._record
        if record is None:
            raise RunnerError(
                "there is no record of what was before the replay",
                where=str(self._options.record),
                hint="--record names the file that apply wrote; without one, take PREV_TA_GROUP_ID "
                "and PREV_TA_AUTO_OFFSET_RESET from Git and follow the document",
            )
        current, change = self._cluster.current(), record.restoration
        report = self._report(current, change)
        report.warnings += rollback_warnings(current, change)
        report.blockers += rollback_blockers(current, (record.replay_group_id, change.group))
        if report.blockers:
            return report, 1
        self._say("Rolling back now...")
        file = RecordFile(self._options.record, record)
        with self._locked():
            self._expect_unchanged(current)
            file.note("rollback begun")
            report.current = self._actuation(change, file).run()
        if self._options.verify:
            earlier = Earlier(nonce=current.nonce, job_id=current.job_id)
            self._verify(report, change, earlier)
            return report, _status(report)
        return report, 0

    def _earlier(self) -> Earlier:
        if self._options.previous_nonce is not None:
            return Earlier(nonce=self._options.previous_nonce)
        return self._record.earlier if self._record else Earlier()

    def _verify(self, report: Report, target: Change, earlier: Earlier) -> None:
        self._verification.into(report, target, earlier, self._cluster.current)


def rollback_warnings(current: Current, change: Change) -> list[str]:
    """Return what a rollback of the configuration does not bring back."""
    resumes = (
        f"the job resumes with empty state from the committed offsets of {change.group}, "
        "or by its reset policy if those have expired; it writes rows again from seq 1"
        if current.upgrade_mode == "stateless"
        else "the job resumes from its newest checkpoint, the replay's own: "
        f"the committed offsets of {change.group} decide nothing"
    )
    return [_ONLY_CONFIGURATION, resumes]


def _status(report: Report) -> int:
    return 0 if passed(report.checks or {}) else 1
