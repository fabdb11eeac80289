"""Whole runs against a cluster in memory: order, waits, refusals, records, rollback."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from harness.replay.runner.actuation import Actuation
from harness.replay.runner.model import Change, Current
from harness.replay.runner.names import TOPICS, RunnerError
from harness.replay.runner.options import parse
from harness.replay.runner.probing import Verification
from harness.replay.runner.record import Record, read_record
from harness.replay.runner.report import as_json, as_text
from harness.replay.runner.running import Run
from harness.replay.runner.verification import Consumption, Running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from harness.replay.runner.report import Report

LIVE = "torghut-ta-2025-12-23"
REPLAY = "torghut-ta-replay-x1"
CONFIRM = ("--confirm", "REPLAY_TA_CANARY")


def quick(current: Current) -> Current:
    """An operator that carries out at once what the spec says."""
    up = current.job_state == "running"
    if up and current.reconciled_nonce == current.nonce and current.status_state == "RUNNING":
        return current
    return replace(
        current,
        reconciled_state=current.job_state,
        reconciled_nonce=current.nonce if up else current.reconciled_nonce,
        reconciled_mode="stateless" if current.upgrade_mode == "stateless" else "savepoint",
        status_state="RUNNING" if up else "FINISHED",
        job_id=f"job-{current.nonce}" if up else current.job_id,
    )


@dataclass
class MemoryCluster:
    """A cluster that remembers everything done to it.

    Attributes:
        state: what is there now.
        operator: turns the state into the next one at each look.
        actions: what was done, in order.
        holder: who has the lock.
        refuse: action that fails.
        topics: KafkaTopic resources.
    """

    state: Current
    operator: Callable[[Current], Current] = quick
    actions: list[Any] = field(default_factory=list)
    holder: str | None = None
    refuse: str = ""
    topics: list[dict[str, Any]] = field(default_factory=list)

    def current(self) -> Current:
        self.state = self.operator(self.state)
        return self.state

    def _act(self, name: str, value: Any) -> None:
        if name == self.refuse:
            raise RunnerError(f"{name} is forbidden")
        self.actions.append((name, value))

    def patch_config(self, patch: dict[str, Any]) -> None:
        self._act("config", patch["data"])
        data = patch["data"]
        self.state = replace(
            self.state, group=data["TA_GROUP_ID"], reset=data["TA_AUTO_OFFSET_RESET"]
        )

    def patch_deployment(self, patch: dict[str, Any]) -> None:
        spec = patch["spec"]
        self._act("deployment", spec)
        self.state = replace(
            self.state,
            job_state=spec["job"]["state"],
            nonce=spec.get("restartNonce", self.state.nonce),
        )

    def lock(self, replay_id: str) -> None:
        if self.holder is not None:
            raise RunnerError(f"another replay run holds the lock: {self.holder}")
        self.holder = replay_id

    def unlock(self) -> None:
        self._act("unlock", self.holder)
        self.holder = None

    def kafka_topics(self, namespace: str) -> list[dict[str, Any]]:
        assert namespace == "kafka"
        return self.topics


@dataclass
class MemoryBrokers:
    """Brokers that answer from a script, the last answer for ever."""

    known: set[str] = field(default_factory=set)
    commits: list[dict[str, int]] = field(default_factory=lambda: [{"t/0": 10}])
    silent: bool = False

    def groups(self) -> set[str]:
        return self.known

    def consumption(self, group: str, topics: Iterable[str]) -> Consumption:
        assert set(topics) == {"torghut.trades.v1", "torghut.quotes.v1", "torghut.bars.1m.v1"}
        if self.silent:
            raise RunnerError("the Kafka brokers cannot be asked")
        del group
        answer = self.commits.pop(0) if len(self.commits) > 1 else self.commits[0]
        return Consumption(committed=answer, latest={"t/0": 10})


def start(**changes: Any) -> Current:
    values: dict[str, Any] = {
        "group": LIVE,
        "reset": "earliest",
        "job_state": "running",
        "nonce": 2,
        "status_state": "RUNNING",
        "job_id": "job-2",
        "reconciled_state": "running",
        "reconciled_nonce": 2,
        "reconciled_mode": "stateless",
    }
    return Current(**{**values, **changes})


class Bench:
    """Runs the runner on a memory cluster in a directory without any Git."""

    def __init__(self, directory: Path, cluster: MemoryCluster) -> None:
        self.directory, self.cluster = directory, cluster
        self.brokers: MemoryBrokers | None = None
        self.said: list[str] = []
        self.flink: Callable[[str], Running] = self._no_flink

    @property
    def record(self) -> Path:
        return self.directory / "ta-replay-x1.json"

    def _no_flink(self, url: str) -> Running:
        raise RunnerError(f"Flink cannot be asked: {url}")

    def run(self, mode: str, *arguments: str, replay_id: str = "x1") -> tuple[Report, int]:
        options = parse(
            [
                *("--replay-id", replay_id, "--mode", mode, "--wait-seconds", "0"),
                *("--record", str(self.record), "--manifests", str(self.directory)),
                *arguments,
            ],
            {},
        )
        verification = Verification(options, self.brokers, self.flink, self.said.append)
        return Run(
            options,
            self.cluster,
            brokers=self.brokers,
            clickhouse=None,
            verification=verification,
            say=self.said.append,
        ).execute()

    def apply(self, *arguments: str) -> tuple[Report, int]:
        return self.run("apply", *CONFIRM, *arguments)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, MemoryCluster(start()))


def test_a_plan_changes_nothing_and_is_always_the_same(bench: Bench) -> None:
    report, status = bench.run("plan")
    again, _ = bench.run("plan")
    assert (status, report.status) == (0, "ok")
    assert as_json(report) == as_json(again)
    assert as_text(report) == as_text(again)
    assert bench.cluster.actions == []
    assert list(bench.directory.iterdir()) == []


def test_the_reports_documented_fields(bench: Bench) -> None:
    report, _ = bench.run("plan")
    found = report.to_json()
    assert list(found)[:11] == [
        *("status", "mode", "namespace", "current", "plan", "warnings", "verify"),
        *("verify_requested", "coverage", "kafka_retention", "replay_feasibility"),
    ]
    assert (found["status"], found["mode"], found["namespace"]) == ("ok", "plan", "torghut")
    assert list(found["current"].items())[:5] == [
        ("ta_group_id", LIVE),
        ("ta_auto_offset_reset", "earliest"),
        ("flink_job_state", "running"),
        ("flink_restart_nonce", 2),
        ("flink_status_state", "RUNNING"),
    ]
    assert found["plan"]["replay_group_id"] == REPLAY
    assert found["plan"]["ta_auto_offset_reset"] == "earliest"
    for name in ("verify", "coverage", "kafka_retention", "replay_feasibility", "record"):
        assert found[name] is None
    assert found["verify_requested"] is False
    assert found["warnings"] == ["TA_AUTO_OFFSET_RESET already equals target: earliest"]


def test_apply_follows_the_documents_order(bench: Bench) -> None:
    report, status = bench.apply()
    assert status == 0
    assert bench.cluster.actions == [
        ("deployment", {"job": {"state": "suspended"}}),
        ("config", {"TA_GROUP_ID": REPLAY, "TA_AUTO_OFFSET_RESET": "earliest"}),
        ("deployment", {"restartNonce": 3, "job": {"state": "running"}}),
        ("unlock", "x1"),
    ]
    assert report.current.job_id == "job-3"
    assert report.record == str(bench.record)
    assert bench.said[0] == "Applying plan now..."


def test_apply_records_what_was_before(bench: Bench) -> None:
    bench.apply()
    record = read_record(bench.record, "x1")
    assert record is not None
    assert record.previous.model_dump() == {
        "ta_group_id": LIVE,
        "ta_auto_offset_reset": "earliest",
        "flink_job_state": "running",
        "flink_restart_nonce": 2,
        "flink_job_id": "job-2",
        "flink_upgrade_mode": "stateless",
    }
    steps = ["suspended", "the job is down", "configured", "running, restartNonce 3"]
    assert [step.step for step in record.steps] == [*steps, "the job runs"]


def test_a_suspended_job_is_not_suspended_again(bench: Bench) -> None:
    bench.cluster.state = start(job_state="suspended")
    _, status = bench.apply()
    assert status == 0
    assert [name for name, _ in bench.cluster.actions] == ["config", "deployment", "unlock"]


def test_verify_succeeds_after_apply_and_fails_before(bench: Bench) -> None:
    before, status = bench.run("verify")
    assert status == 1
    assert before.checks is not None
    assert before.checks["restart_nonce_advanced"] is None
    assert before.checks["ta_group_id_applied"] is False
    bench.apply()
    report, status = bench.run("verify")
    assert status == 0
    assert report.checks is not None
    assert set(report.checks.values()) == {True}
    assert report.not_asked == {
        "flink": "no --flink-rest-url was given",
        "brokers": "no --kafka-bootstrap was given",
    }


def test_verify_without_a_record_takes_the_nonce_as_given(bench: Bench) -> None:
    bench.apply()
    bench.record.unlink()
    report, status = bench.run("verify")
    assert status == 1
    assert "--previous-nonce" in report.warnings[0]
    assert bench.run("verify", "--previous-nonce", "2")[1] == 0
    assert bench.run("verify", "--previous-nonce", "3")[1] == 1


def test_apply_and_verify_in_one(bench: Bench) -> None:
    report, status = bench.apply("--verify")
    assert status == 0
    assert report.to_json()["verify"]["restart_nonce_advanced"] is True


def test_plan_and_verify_in_one(bench: Bench) -> None:
    assert bench.run("plan", "--verify")[1] == 1
    bench.apply()
    assert bench.run("plan", "--verify")[1] == 0


@pytest.mark.parametrize(
    ("state", "arguments", "reason"),
    [
        (
            start(upgrade_mode="last-state"),
            (),
            "upgrade_mode_not_stateless:last-state",
        ),
        (start(group=REPLAY), (), "replay_group_already_used:configmap"),
        (
            start(),
            ("--check-kafka-retention",),
            "replay_not_admitted:blocked_source_retention_or_missing_preflight",
        ),
    ],
)
def test_apply_is_refused(
    bench: Bench, state: Current, arguments: tuple[str, ...], reason: str
) -> None:
    bench.cluster.state = state
    report, status = bench.apply(*arguments)
    assert (status, report.status, report.blockers) == (1, "blocked", [reason])
    assert bench.cluster.actions == []
    assert not bench.record.exists()
    planned, status = bench.run("plan", *arguments)
    assert (status, planned.blockers) == (0, [reason])


def test_a_preflight_that_admits(bench: Bench) -> None:
    bench.cluster.topics = [
        {"metadata": {"name": name}, "spec": {"config": {"retention.ms": "604800000"}}}
        for name in TOPICS.values()
    ]
    report, status = bench.apply("--check-kafka-retention")
    assert status == 0
    assert report.to_json()["replay_feasibility"]["status"] == "source_replay_feasible"
    assert report.to_json()["kafka_retention"]["status"] == "ok"


def test_a_group_that_only_the_brokers_remember(bench: Bench) -> None:
    bench.brokers = MemoryBrokers(known={REPLAY})
    report, status = bench.apply()
    assert (status, report.blockers) == (1, ["replay_group_already_used:brokers"])
    assert bench.apply("--allow-existing-group-id")[1] == 0


def test_a_group_in_the_record_of_another_replay(bench: Bench) -> None:
    bench.apply()
    bench.record.rename(bench.directory / "ta-replay-other.json")
    bench.cluster.state = start()
    report, _ = bench.apply()
    assert report.blockers == [
        f"replay_group_already_used:record:{bench.directory}/ta-replay-other.json"
    ]


def test_a_replay_id_is_used_once(bench: Bench) -> None:
    bench.apply()
    bench.cluster.state = start()
    kept = bench.record.read_bytes()
    report, status = bench.apply("--allow-existing-group-id")
    assert (status, report.blockers) == (1, [f"replay_id_already_recorded:{bench.record}"])
    assert bench.record.read_bytes() == kept


def test_a_stateful_job_when_allowed(bench: Bench) -> None:
    bench.cluster.state = start(upgrade_mode="last-state")
    report, status = bench.apply("--allow-stateful", "--verify")
    assert status == 0
    assert report.checks is not None
    assert "started_without_state" not in report.checks


def test_a_job_that_does_not_stop_is_left_unconfigured(bench: Bench) -> None:
    bench.cluster.operator = lambda state: state
    with pytest.raises(RunnerError, match="waited 0 s for the job to stop") as caught:
        bench.apply()
    assert "nothing further was changed" in (caught.value.hint or "")
    assert [name for name, _ in bench.cluster.actions] == ["deployment", "unlock"]
    record = read_record(bench.record, "x1")
    assert record is not None
    assert [step.step for step in record.steps] == ["suspended"]


def test_a_job_that_fails_after_the_restart(bench: Bench) -> None:
    def breaks(state: Current) -> Current:
        after = quick(state)
        fails = after.nonce == 3 and after.job_state == "running"
        return replace(after, status_state="FAILED", error="no such topic") if fails else after

    bench.cluster.operator = breaks
    with pytest.raises(RunnerError, match="the job failed after the restart: no such topic"):
        bench.apply()
    assert bench.cluster.holder is None


def test_the_failure_of_the_job_before_is_no_failure_of_the_new_one(bench: Bench) -> None:
    bench.cluster.state = start(status_state="FAILED", job_state="suspended")
    looks = iter([False, False, False, False, True])

    def slow(state: Current) -> Current:
        return quick(state) if next(looks, True) else state

    bench.cluster.operator = slow
    change = Change(group=REPLAY, reset="earliest")
    Actuation(bench.cluster, change, bench.said.append, seconds=5, interval=0).run()
    assert bench.said[-1] == "the job runs"


@pytest.mark.parametrize("when", ["suspended", "running"])
def test_somebody_changes_it_back(bench: Bench, when: str) -> None:
    """Argo CD with self-heal: the patch does not hold."""

    def heals(state: Current) -> Current:
        changed = when == "suspended" and state.job_state == "suspended"
        changed |= state.group == REPLAY and state.nonce == 3
        return start() if changed else quick(state)

    bench.cluster.operator = heals
    with pytest.raises(RunnerError, match="somebody changed") as caught:
        bench.apply()
    assert "Argo CD" in (caught.value.hint or "")


def test_only_one_run_at_a_time(bench: Bench) -> None:
    bench.cluster.holder = "somebody"
    with pytest.raises(RunnerError, match="holds the lock: somebody"):
        bench.apply()
    assert (bench.cluster.actions, bench.cluster.holder) == ([], "somebody")
    assert not bench.record.exists()


def test_a_change_between_decision_and_lock(bench: Bench) -> None:
    looks = iter([start()])
    bench.cluster.operator = lambda _state: next(looks, start(group="another"))
    with pytest.raises(RunnerError, match="the configuration changed while the run began"):
        bench.apply()
    assert [name for name, _ in bench.cluster.actions] == ["unlock"]
    assert not bench.record.exists()


def test_a_first_patch_that_is_forbidden_frees_the_id(bench: Bench) -> None:
    bench.cluster.refuse = "deployment"
    with pytest.raises(RunnerError, match="deployment is forbidden"):
        bench.apply()
    assert not bench.record.exists()
    bench.cluster.refuse = ""
    assert bench.apply()[1] == 0


def test_a_later_patch_that_is_forbidden_keeps_the_record(bench: Bench) -> None:
    bench.cluster.refuse = "config"
    with pytest.raises(RunnerError, match="config is forbidden"):
        bench.apply()
    assert bench.record.exists()


def test_a_lock_that_stays_does_not_hide_the_error(bench: Bench) -> None:
    bench.cluster.refuse = "unlock"
    bench.apply()
    assert bench.said[-1] == "the lock could not be given back: unlock is forbidden"


def test_rollback_brings_the_configuration_back(bench: Bench) -> None:
    bench.cluster.state = start(reset=None)
    bench.apply()
    bench.cluster.actions.clear()
    report, status = bench.run("rollback", *CONFIRM, "--verify")
    assert status == 0
    assert bench.cluster.actions == [
        ("deployment", {"job": {"state": "suspended"}}),
        ("config", {"TA_GROUP_ID": LIVE, "TA_AUTO_OFFSET_RESET": None}),
        ("deployment", {"restartNonce": 4, "job": {"state": "running"}}),
        ("unlock", "x1"),
    ]
    assert report.warnings[0].startswith("only the configuration is rolled back")
    assert f"committed offsets of {LIVE}" in report.warnings[1]
    assert report.checks is not None
    assert "started_without_state" not in report.checks


def test_rollback_after_an_apply_that_broke_off(bench: Bench) -> None:
    bench.cluster.refuse = "config"
    with suppress(RunnerError):
        bench.apply()
    bench.cluster.refuse = ""
    assert bench.cluster.state.job_state == "suspended"
    assert bench.run("rollback", *CONFIRM)[1] == 0
    assert (bench.cluster.state.job_state, bench.cluster.state.group) == ("running", LIVE)


def test_rollback_of_a_job_that_was_suspended_before(bench: Bench) -> None:
    bench.cluster.state = start(job_state="suspended")
    bench.apply()
    bench.run("rollback", *CONFIRM)
    assert bench.cluster.state.job_state == "suspended"
    assert bench.cluster.state.group == LIVE


def test_rollback_of_a_stateful_job_says_where_it_resumes(bench: Bench) -> None:
    bench.cluster.state = start(upgrade_mode="last-state")
    bench.apply("--allow-stateful")
    report, _ = bench.run("rollback", *CONFIRM)
    assert "from its newest checkpoint, the replay's own" in report.warnings[1]


def test_rollback_without_a_record(bench: Bench) -> None:
    with pytest.raises(RunnerError, match="no record of what was before"):
        bench.run("rollback", *CONFIRM)


def test_rollback_leaves_somebody_elses_change_alone(bench: Bench) -> None:
    bench.apply()
    bench.cluster.state = replace(bench.cluster.state, group="third")
    bench.cluster.actions.clear()
    report, status = bench.run("rollback", *CONFIRM)
    assert (status, report.blockers) == (1, ["ta_group_id_changed_since_record:third"])
    assert bench.cluster.actions == []


def test_the_record_of_another_replay_is_refused(bench: Bench) -> None:
    bench.apply()
    with pytest.raises(RunnerError, match="the record is of the replay 'x1', not 'x2'"):
        bench.run("rollback", *CONFIRM, replay_id="x2")


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"schema": "another"}'])
def test_a_record_that_is_none(bench: Bench, text: str) -> None:
    bench.record.write_text(text)
    with pytest.raises(RunnerError, match="the record cannot be read"):
        bench.run("plan")


def test_a_record_that_cannot_be_written(bench: Bench) -> None:
    elsewhere = str(bench.directory / "missing" / "record.json")
    with pytest.raises(RunnerError, match="the record cannot be written"):
        bench.apply("--record", elsewhere)
    assert [name for name, _ in bench.cluster.actions] == ["unlock"]


def test_records_survive_a_round_trip(bench: Bench) -> None:
    bench.apply()
    record = Record.model_validate_json(bench.record.read_bytes())
    assert '"schema": "torghut.ta-replay-record.v1"' in bench.record.read_text()
    assert record.restoration == Change(group=LIVE, reset="earliest", job_state="running")


def test_verification_asks_brokers_and_flink(bench: Bench) -> None:
    bench.brokers = MemoryBrokers()
    bench.flink = lambda _url: Running(job_id="job-3", state="RUNNING", records_read=10)
    report, status = bench.apply("--verify", "--flink-rest-url", "http://f:8081", "--max-lag", "0")
    assert status == 0
    assert report.checks is not None
    for name in ("replay_group_committed", "replay_lag_within_limit", "flink_restored_nothing"):
        assert report.checks[name] is True
    assert report.to_json()["consumption"]["lag"] == 0
    assert report.not_asked == {}


def test_verification_sees_a_job_that_restored(bench: Bench) -> None:
    bench.flink = lambda _url: Running(
        job_id="job-3", state="RUNNING", restored_from="s3a://c/chk-9", records_read=1
    )
    report, status = bench.apply("--verify", "--flink-rest-url", "http://f:8081")
    assert status == 1
    assert report.to_json()["flink"]["restored_from"] == "s3a://c/chk-9"


def test_a_group_that_never_commits(bench: Bench) -> None:
    bench.brokers = MemoryBrokers(commits=[{}])
    report, status = bench.apply("--verify")
    assert status == 1
    assert report.checks is not None
    assert report.checks["replay_group_committed"] is False


def test_a_lag_that_falls_is_waited_for(bench: Bench) -> None:
    bench.brokers = MemoryBrokers(commits=[{}, {"t/0": 4}, {"t/0": 10}])
    bench.cluster.state = start()
    report, status = bench.apply("--verify", "--max-lag", "0", "--wait-seconds", "30")
    assert status == 0
    assert report.consumption is not None
    assert report.consumption.lag == 0


def test_services_that_do_not_answer_are_unknown(bench: Bench) -> None:
    bench.brokers = MemoryBrokers(silent=True)
    report, status = bench.apply("--verify", "--flink-rest-url", "http://f:8081")
    assert status == 1
    assert report.checks is not None
    assert report.checks["replay_group_committed"] is None
    assert report.checks["flink_job_running"] is None
    assert set(report.not_asked) == {"flink", "brokers"}
    text = as_text(report)
    assert "replay_group_committed: unknown" in text
    assert "not asked: brokers" in text


def test_the_text_of_a_blocked_run(bench: Bench) -> None:
    bench.cluster.state = start(upgrade_mode="last-state")
    report, _ = bench.apply("--check-kafka-retention")
    text = as_text(report)
    assert text.startswith("TA replay: apply: blocked\n")
    assert "  upgrade_mode_not_stateless:last-state\n" in text
    assert "replay feasibility: blocked_source_retention_or_missing_preflight\n" in text
    assert "  do: repair_or_replace_missing_source_retention\n" in text
