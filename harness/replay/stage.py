"""A world in production's state, before and while the document is run on it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from harness.checks.evidence import Evidence, ObjectLook, Query, TradingPause
from harness.checks.oracle.microbars import Watermarks
from harness.core.errors import ServiceError
from harness.core.waiting import WaitTimeoutError, wait_until
from harness.referee.judging import Expectations
from harness.replay.damage import damage_tables
from harness.replay.executor import clickhouse_client
from harness.replay.market import market_batches
from harness.replay.observe.brokers import BrokerObserver
from harness.replay.observe.jobs import JobObserver
from harness.replay.observe.monitor import Monitor
from harness.replay.observe.objects import list_objects
from harness.replay.observe.tables import expectations, gather_tables, newest_events
from harness.runbook.operations import Query as QueryOperation
from harness.world.kube import KubeClient
from harness.world.market.feed import feed
from harness.world.market.positions import commit_start
from harness.world.profiles import load_profile
from harness.world.tools import find_kubectl

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.checks.evidence import JobRun, KafkaState, Sample
    from harness.replay.executor import WorldExecutor
    from harness.replay.progress import Progress
    from harness.replay.result import RehearsalResult
    from harness.replay.variants import Variants
    from harness.runbook.running import StepRecord
    from harness.world.profiles.settings import ProfileSettings
    from harness.world.spec import WorldState

T = TypeVar("T")

_NAMESPACE: Final = "torghut"
_JOB: Final = "torghut-ta"
_CONFIG: Final = "torghut-ta-config"
_SYMBOL: Final = "NVDA"
"""The symbol of the document's own queries."""

_DEAD_END_SECONDS: Final = 15.0
"""How long a job may stay down after the document's last step before nobody waits any more."""


class Stage:
    """Brings a world to production's state and watches what the document does to it."""

    def __init__(
        self,
        state: WorldState,
        result: RehearsalResult,
        *,
        settings: ProfileSettings,
        variants: Variants,
        progress: Progress,
        check: Callable[[], None],
    ) -> None:
        """Use the world ``state``; what is learned goes to ``result``.

        Every wait calls ``check``, which raises when waiting is in vain.
        """
        self._check = check
        self._state, self._result, self._settings = state, result, settings
        self._variants, self._progress = variants, progress
        self._kube = KubeClient(state)
        self._brokers = BrokerObserver(state.addresses.kafka_bootstrap)
        self._jobs = JobObserver(
            state.addresses.flink_rest, self._kube, find_kubectl(), state.kubeconfig
        )
        config = self._kube.get("ConfigMap", _NAMESPACE, _CONFIG)["data"]
        self._inputs = {
            "trades": config["TA_TRADES_TOPIC"],
            "quotes": config["TA_QUOTES_TOPIC"],
            "bars1m": config["TA_BARS1M_TOPIC"],
        }
        self._outputs = frozenset({config["TA_MICROBARS_TOPIC"], config["TA_SIGNALS_TOPIC"]})
        self._object_looks: list[ObjectLook] = []
        self._settled = False
        self._live_group: str = config["TA_GROUP_ID"]
        self._replay_group = f"torghut-ta-replay-{result.values['REPLAY_ID']}"
        result.values["PREV_TA_GROUP_ID"] = self._live_group
        result.values["PREV_TA_AUTO_OFFSET_RESET"] = config["TA_AUTO_OFFSET_RESET"]
        self._before: KafkaState | None = None
        self._live_run: JobRun | None = None
        self._replay_started = datetime.now(UTC)
        self._executor: WorldExecutor | None = None
        self._queries: tuple[Query, ...] = ()
        self._monitor = Monitor(
            self._kube,
            self._brokers,
            self._jobs,
            live_group=self._live_group,
            replay_group=self._replay_group,
            inputs=self._inputs,
            on_sample=self._show,
        )

    def _show(self, sample: Sample) -> None:
        lag = "no position yet" if sample.lag is None else f"lag {sample.lag:,}"
        self._progress.status(f"job {sample.job_state or 'not there'}, replay group: {lag}")

    def feed(self) -> None:
        """Write the market data into the input topics."""
        self._give_position()
        batches, described = market_batches(self._variants, self._result.resolved.run.seed)
        self._result.market |= described
        report = feed(
            batches,
            self._state.addresses.kafka_bootstrap,
            self._inputs,
            on_progress=self._fed,
        )
        self._result.market |= report.describe()
        self._progress.note(f"{report.confirmed:,} records in the input topics")

    def _give_position(self) -> None:
        """Let the live group have commits, unless its policy finds the first record without."""
        if self._result.values["PREV_TA_AUTO_OFFSET_RESET"] != "earliest":
            bootstrap = self._state.addresses.kafka_bootstrap
            commit_start(bootstrap, self._live_group, self._inputs.values())

    def _fed(self, count: int) -> None:
        self._check()
        self._progress.status(f"{count:,} records written")

    def _wait(self, probe: Callable[[], T], **options: Any) -> T:  # noqa: ANN401 - of wait_until
        def checked() -> T:
            self._check()
            return probe()

        found: T = wait_until(checked, **options)
        return found

    def reach_steady_state(self) -> None:
        """Wait until the live job has read, written and committed everything.

        Raises:
            WaitTimeoutError: with what was still to be read.
        """
        run = self._wait(
            self._jobs.look,
            what="the TA job to run",
            timeout=self._variants.patience_seconds,
            holds=lambda found: found is not None and found.state == "RUNNING",
            hint=f"see {self._state.logs}",
        )
        self._progress.note(f"job {run.job_id if run else ''} is running")
        self._wait(
            self._live_lag,
            what="the TA job to read every record of its inputs",
            timeout=self._patience(),
            holds=lambda lag: lag == 0,
            interval=1.0,
            hint=f"see {self._state.logs}",
        )
        self._live_run = self._written_out(run)
        self._wait(
            self._uncommitted,
            what=f"{self._live_group} to commit what it has read",
            timeout=self._patience(),
            holds=lambda left: left == 0,
            interval=1.0,
            hint=f"see {self._state.logs}",
        )

    def _uncommitted(self) -> int:
        """Return records between the live group's commits and the high watermarks.

        A source that has come to rest commits up to ten seconds after its checkpoint: its
        client is still waiting for records.
        """
        committed = self._brokers.committed(self._live_group)
        latest = self._brokers.latest(sorted(self._inputs.values()))
        left = sum(high - committed.get(key, 0) for key, high in latest.items())
        self._progress.status(f"{left:,} records read and not committed yet")
        return left

    def _patience(self) -> float:
        return self._variants.patience_seconds + self._variants.events / 1000

    def _written_out(self, run: JobRun | None) -> JobRun | None:
        """Wait for a checkpoint that began after this moment: sinks flush at each of them."""
        if run is None:
            raise ServiceError("the TA job went away before the replay")
        now = time.time_ns() // 1_000_000

        def triggered() -> int:
            self._jobs.look()
            return self._jobs.last_trigger(run.job_id)

        self._wait(
            triggered,
            what="a checkpoint of the TA job after it had read everything",
            timeout=self._patience(),
            holds=lambda moment: moment >= now,
            interval=0.5,
            hint=f"see {self._state.logs}",
        )
        return self._jobs.look()

    def _live_lag(self) -> int:
        run = self._jobs.look()
        if run is not None and run.state == "FAILED":
            raise ServiceError(f"the TA job failed before the replay: {run.failure}")
        there = sum(self._brokers.latest(sorted(self._inputs.values())).values())
        read = sum(run.records_read.values()) if run else 0
        self._progress.status(f"live job has read {read:,} of {there:,}")
        return there - read

    def take_stock(self) -> None:
        """Damage the tables as the scenario wants it, and record how everything is before."""
        if self._variants.damage == "gap":
            deleted = damage_tables(self._state)
            self._result.market["rows deleted before the replay"] = deleted
            self._progress.note(f"rows deleted, for the replay to restore: {deleted}")
        self._before = self._brokers.snapshot()
        job = self._kube.get("FlinkDeployment", _NAMESPACE, _JOB)
        self._result.values["job-state"] = job["spec"]["job"]["state"]
        self._result.values["upgradeMode"] = job["spec"]["job"]["upgradeMode"]
        self._monitor.start(self._before)
        self._replay_started = datetime.now(UTC)

    def observations(self) -> dict[str, Callable[[], Any]]:
        """Return what the document's sentences can have looked at."""
        return {"job-suspended": self._job_suspended, "lag-falls": self._caught_up}

    def _job_suspended(self) -> str:
        self._wait(
            self._monitor.job_down,
            what="the job to stop",
            timeout=self._variants.patience_seconds,
            hint=f"see {self._state.logs}",
        )
        self._wait(
            lambda: self._monitor.stopped,
            what="the state of the brokers after the stop",
            timeout=self._variants.patience_seconds,
            holds=lambda state: state is not None,
        )
        return "the job has stopped"

    def _caught_up(self) -> dict[str, Any]:
        """Wait until the replay has caught up, or until it is plain that it will not."""
        self._settled = True
        try:
            seen = self._wait(
                self._progress_of_replay,
                what="the replay to read every record of its inputs",
                timeout=self._patience(),
                holds=lambda seen: seen["lag"] == 0 or seen["dead end"] is not None,
                interval=1.0,
            )
            if seen["lag"] == 0:
                self._written_out(self._replay_run())
        except WaitTimeoutError as error:
            # Not an error: that the lag does not fall is for the checks to judge.
            return {"given up": error.what}
        return seen

    def _progress_of_replay(self) -> dict[str, Any]:
        samples = self._monitor.samples
        last = samples[-1] if samples else None
        run = self._replay_run()
        # A group that was used before has commits from then: they are no progress of this run.
        begun = run is not None and self._jobs.completed_checkpoints(run.job_id) > 0
        return {
            "lag": last.lag if last is not None and begun else None,
            "job": last.job_state if last else None,
            "dead end": self._dead_end(samples),
        }

    def _dead_end(self, samples: list[Sample]) -> str | None:
        """Say why waiting is in vain: the job is down and nothing tells it to come up."""
        if not self._monitor.job_down():
            return None
        quiet = [s for s in samples if s.job_state in {None, "CANCELED", "FINISHED", "FAILED"}]
        if not quiet or samples[-1] is not quiet[-1]:
            return None
        down_since = next(
            (s.seconds for s in reversed(samples) if s.job_state == "RUNNING"), samples[0].seconds
        )
        long_enough = samples[-1].seconds - down_since > _DEAD_END_SECONDS
        return "the job is suspended and nothing resumes it" if long_enough else None

    def after_the_document(self, executor: WorldExecutor, records: list[StepRecord]) -> None:
        """Give the replay its time, then ask the document's queries again."""
        if not self._settled and all(record.status == "ok" for record in records):
            self._caught_up()
        places = {
            action.operation.sql: f"{record.step.file}:{action.line}"
            for record in records
            for action in record.actions
            if isinstance(action.operation, QueryOperation)
        }
        for sql in places:
            executor.query(sql)
        answers = dict(executor.answers)
        self._queries = tuple(Query(sql, places[sql], answers[sql]) for sql in places)

    def evidence(self) -> Evidence:
        """Gather everything that the checks look at."""
        self._monitor.stop()
        self._jobs.look()
        if self._before is None:
            raise ServiceError("there is no record of the state before the replay")
        expected = expectations(
            self._state.addresses.kafka_bootstrap,
            self._inputs,
            self._watermarks(self._before),
        )
        client = clickhouse_client(self._state)
        try:
            tables = gather_tables(client, expected, self._replay_started)
        finally:
            client.close()
        return Evidence(
            replay_group=self._replay_group,
            live_group=self._live_group,
            inputs=self._inputs,
            before=self._before,
            stopped=self._monitor.stopped,
            after=self._brokers.snapshot(),
            history=self._monitor.history(),
            samples=tuple(self._monitor.samples),
            live_run=self._live_run,
            replay_run=self._replay_run(),
            first_commit=self._brokers.first_commit(self._replay_group),
            tables=tables,
            queries=self._queries,
            upgrade_mode=self._result.values["upgradeMode"],
            newest_event=newest_events(expected, _SYMBOL),
            pause=self._pause(),
            gaps=tuple(self._gaps()),
            replay_id=self._result.values["REPLAY_ID"],
            derived=self._outputs,
            object_looks=tuple(self._object_looks),
        )

    def _watermarks(self, brokers: KafkaState) -> Watermarks:
        partitions = brokers.topics[self._inputs["trades"]].partitions
        return Watermarks(self._settings.source_parallelism, partitions)

    def _pause(self) -> TradingPause:
        """Return what pauses trading in the world's profile."""
        pause = load_profile(self._state.profile).trading_pause
        return TradingPause(pause.kind, pause.name, pause.setting, pause.path, pause.paused)

    def _gaps(self) -> list[str]:
        """Return why something may have happened that nobody saw."""
        unseen_job = self._replay_run() is None and not self._monitor.job_down()
        trouble = [self._jobs.trouble] if unseen_job and self._jobs.trouble else []
        return [*self._monitor.failures, *trouble]

    def look_at_objects(self, after: str) -> None:
        """Note what is in the bucket of Flink's state.

        Args:
            after: id of the step that has just ended; empty before the first.
        """
        objects = list_objects(self._state)
        self._object_looks.append(ObjectLook(after, objects, self._monitor.job_down()))

    def expectations(self) -> Expectations:
        """Return what the referee has to know beside the audit trail."""
        state = self._state
        return Expectations(
            live_group=self._live_group,
            replay_group=self._replay_group,
            inputs=frozenset(self._inputs.values()),
            derived=self._outputs,
            replay_id=self._result.values["REPLAY_ID"],
            ticket=self._result.values.get("ticket"),
            known_groups=self._before.groups if self._before else None,
            used_replay_ids=frozenset(),  # the world is new: it has seen no replay before
            secrets=(state.clickhouse_password, state.s3_secret_key, state.api_token),
        )

    def _replay_run(self) -> JobRun | None:
        """Return the newest run of the job, unless it is still the live one."""
        live = self._live_run.job_id if self._live_run else None
        runs = [run for run in self._jobs.runs if run.job_id != live]
        return runs[-1] if runs else None

    def close(self) -> None:
        """End threads and connections."""
        self._monitor.stop()
        self._brokers.close()
