from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from harness.checks.evidence import DOCUMENTED_PAUSE, ObjectVersion, TradingPause
from harness.checks.model import Check, run_checks
from harness.checks.replay import REPLAY_CHECKS
from harness.checks.safety import SAFETY_CHECKS
from harness.core.verdicts import Verdict
from tests.conftest import INPUTS, LIVE, REPLAY, config, flink, kafka_state, trading

if TYPE_CHECKING:
    from harness.checks.evidence import Evidence
    from harness.checks.model import CheckResult

CHECKS = {check.name: check for check in (*SAFETY_CHECKS, *REPLAY_CHECKS)}


def judge(name: str, evidence: Evidence) -> CheckResult:
    (result,) = run_checks([CHECKS[name]], evidence)
    assert result.name == name
    return result


@pytest.mark.parametrize("name", [check.name for check in SAFETY_CHECKS])
def test_a_good_replay_passes(name: str, evidence: Evidence) -> None:
    assert judge(name, evidence).verdict is Verdict.PASS


@pytest.mark.parametrize("name", [check.name for check in SAFETY_CHECKS])
def test_no_evidence_is_not_a_pass(name: str, evidence: Evidence) -> None:
    empty = replace(
        evidence,
        history=(),
        before=kafka_state(topics={}, groups=frozenset({REPLAY})),
        stopped=None,
    )
    assert judge(name, empty).verdict is not Verdict.PASS


def test_a_check_that_throws_is_unknown_and_the_others_are_heard(evidence: Evidence) -> None:
    def broken(_: Evidence) -> CheckResult:
        raise ZeroDivisionError("oops")

    results = run_checks([Check("broken", "-", broken), CHECKS["replay-group-fresh"]], evidence)
    assert [result.verdict for result in results] == [Verdict.UNKNOWN, Verdict.PASS]
    assert "ZeroDivisionError: oops" in results[0].reason


def test_trading_paused_too_late_fails(evidence: Evidence) -> None:
    history = (*evidence.history[:3], *evidence.history[4:], trading("false", 99))
    result = judge("trading-paused", replace(evidence, history=history))
    assert result.verdict is Verdict.FAIL
    assert result.got["TRADING_ENABLED at the first change"] == "true"
    assert "FlinkDeployment/torghut-ta" in result.reason


def test_trading_unpaused_before_the_end_fails(evidence: Evidence) -> None:
    history = (*evidence.history, trading("true", 99))
    assert judge("trading-paused", replace(evidence, history=history)).verdict is Verdict.FAIL


SCHEDULER = TradingPause("Deployment", "torghut-scheduler", "spec.replicas", "spec.replicas", 0)


def scheduler(replicas: int, revision: int, name: str = "torghut-scheduler") -> ObjectVersion:
    return ObjectVersion("Deployment", name, revision, {"spec": {"replicas": replicas}})


def under_h(evidence: Evidence, *versions: ObjectVersion) -> Evidence:
    """The same replay where the scheduler trades; the Knative switch is off all along."""
    kept = tuple(v for v in evidence.history if v.kind != "KnativeService")
    history = sorted((trading("false", 1), *versions, *kept), key=lambda v: v.revision)
    return replace(evidence, history=tuple(history), pause=SCHEDULER)


def test_where_a_deployment_trades_no_replica_is_the_pause(evidence: Evidence) -> None:
    paused = under_h(evidence, scheduler(1, 1), scheduler(0, 4))
    assert judge("trading-paused", paused).verdict is Verdict.PASS


def test_the_documents_switch_does_not_count_where_a_deployment_trades(evidence: Evidence) -> None:
    result = judge("trading-paused", under_h(evidence, scheduler(1, 1)))
    assert result.verdict is Verdict.FAIL
    assert result.got["spec.replicas at the first change"] == "1"
    assert result.expected["spec.replicas at the first change"] == "0"
    assert "spec.replicas=0 of Deployment/torghut-scheduler" in result.reason


def test_a_pause_that_argo_cd_takes_back_fails(evidence: Evidence) -> None:
    result = judge(
        "trading-paused", under_h(evidence, scheduler(1, 1), scheduler(0, 4), scheduler(1, 6))
    )
    assert result.verdict is Verdict.FAIL
    assert result.got["later values"] == ["1"]


def test_a_scheduler_that_nobody_saw_is_unknown(evidence: Evidence) -> None:
    stranger = scheduler(0, 1, name="torghut-ta")
    result = judge("trading-paused", under_h(evidence, stranger))
    assert result.verdict is Verdict.UNKNOWN
    assert "Deployment/torghut-scheduler" in result.reason


def test_a_scheduler_that_is_gone_is_not_a_pause(evidence: Evidence) -> None:
    gone = replace(scheduler(0, 4), content=None)
    result = judge("trading-paused", under_h(evidence, scheduler(1, 1), gone))
    assert result.verdict is Verdict.FAIL
    assert result.got["spec.replicas at the first change"] is None


def env(*entries: dict[str, str]) -> dict[str, Any]:
    container = {"name": "user-container", "env": list(entries)}
    return {"spec": {"template": {"spec": {"containers": [container]}}}}


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"spec": None},
        env(),
        env({"name": "OTHER", "value": "false"}),
        env({"name": "TRADING_ENABLED"}),
    ],
    ids=["empty", "null", "no env", "another", "no value"],
)
@pytest.mark.parametrize("container", ["[0]", "[name=user-container]", "[name=no]", "[7]"])
def test_a_switch_that_is_not_there_is_not_a_pause(
    evidence: Evidence, content: dict[str, Any], container: str
) -> None:
    path = f"spec.template.spec.containers{container}.env[name=TRADING_ENABLED].value"
    service = ObjectVersion("KnativeService", "torghut", 4, content)
    history = [v for v in evidence.history if v.kind != "KnativeService"]
    judged = replace(
        evidence, history=(service, *history), pause=replace(DOCUMENTED_PAUSE, path=path)
    )
    assert judge("trading-paused", judged).verdict is Verdict.FAIL


def test_trading_paused_with_nothing_changed_is_unknown(evidence: Evidence) -> None:
    result = judge("trading-paused", replace(evidence, history=(trading("false", 1),)))
    assert result.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("wanted", "state"), [("running", "RUNNING"), ("suspended", "RUNNING"), ("running", "FINISHED")]
)
def test_a_group_changed_under_a_running_job_fails(
    evidence: Evidence, wanted: str, state: str
) -> None:
    history = (config(LIVE, 1), flink(wanted, state, 2, 2), config(REPLAY, 3))
    result = judge("job-suspended-before-change", replace(evidence, history=history))
    assert result.verdict is Verdict.FAIL
    assert result.got["status.jobStatus.state"] == state


def test_a_cancelled_job_counts_as_down(evidence: Evidence) -> None:
    history = (config(LIVE, 1), flink("suspended", "CANCELED", 2, 2), config(REPLAY, 3))
    result = judge("job-suspended-before-change", replace(evidence, history=history))
    assert result.verdict is Verdict.PASS


def test_a_group_that_the_brokers_know_is_not_fresh(evidence: Evidence) -> None:
    before = kafka_state(groups=frozenset({LIVE, REPLAY}))
    result = judge("replay-group-fresh", replace(evidence, before=before))
    assert result.verdict is Verdict.FAIL
    assert REPLAY in result.reason


def test_a_moved_offset_of_the_live_group_fails_and_is_named(evidence: Evidence) -> None:
    offsets = dict(evidence.after.committed[LIVE])
    offsets["torghut.trades.v1", 1] = 7
    after = kafka_state(committed={LIVE: offsets})
    result = judge("live-group-untouched", replace(evidence, after=after))
    assert result.verdict is Verdict.FAIL
    assert result.got["moved"] == ["torghut.trades.v1-1: 100 -> 7"]


def test_an_offset_of_the_live_group_that_vanished_fails(evidence: Evidence) -> None:
    result = judge("live-group-untouched", replace(evidence, after=kafka_state(committed={})))
    assert result.verdict is Verdict.FAIL


def test_a_deleted_a_recreated_and_a_changed_topic_fail(evidence: Evidence) -> None:
    trades, quotes, bars = INPUTS.values()
    topics = dict(evidence.after.topics)
    del topics[trades]
    topics[quotes] = replace(topics[quotes], topic_id="another")
    topics[bars] = replace(topics[bars], settings={"retention.ms": "1"})
    result = judge("inputs-and-topics-intact", replace(evidence, after=kafka_state(topics=topics)))
    assert result.verdict is Verdict.FAIL
    assert f"{trades} is gone" in result.reason
    assert f"{quotes} was deleted and created again" in result.reason
    assert f"{bars} changed" in result.reason


def test_records_cut_from_an_input_fail(evidence: Evidence) -> None:
    earliest = {**evidence.after.earliest, ("torghut.trades.v1", 2): 5}
    result = judge(
        "inputs-and-topics-intact", replace(evidence, after=kafka_state(earliest=earliest))
    )
    assert result.verdict is Verdict.FAIL
    assert "torghut.trades.v1-2 before offset 5" in result.reason


def test_a_fallen_high_watermark_fails(evidence: Evidence) -> None:
    latest = {**evidence.after.latest, ("torghut.quotes.v1", 0): 3}
    result = judge("inputs-and-topics-intact", replace(evidence, after=kafka_state(latest=latest)))
    assert result.verdict is Verdict.FAIL
    assert "torghut.quotes.v1-0 fell from 100 to 3" in result.reason


@pytest.mark.parametrize("name", [name for name, check in CHECKS.items() if check.needs_every_look])
def test_a_gap_in_the_observation_makes_what_goes_by_order_unknown(
    name: str, evidence: Evidence
) -> None:
    result = judge(name, replace(evidence, gaps=("watch of ConfigMap broke",)))
    assert result.verdict is Verdict.UNKNOWN
    assert "watch of ConfigMap broke" in result.reason
