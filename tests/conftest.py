"""Fixtures shared by all tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from harness.checks.evidence import Evidence, JobRun, KafkaState, ObjectVersion, Sample, TopicState

# No test depends on a clock: an example is not wrong for being slow on a busy machine.
settings.register_profile("clockless", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("clockless")

INPUTS = {
    "trades": "torghut.trades.v1",
    "quotes": "torghut.quotes.v1",
    "bars1m": "torghut.bars.1m.v1",
}
LIVE, REPLAY = "torghut-ta-2025-12-23", "torghut-ta-replay-test"


def kafka_state(**changes: Any) -> KafkaState:
    topics = {topic: TopicState(f"id-{topic}", 3, 3, {}) for topic in INPUTS.values()}
    partitions = [(topic, number) for topic in topics for number in range(3)]
    state = KafkaState(
        topics=topics,
        earliest=dict.fromkeys(partitions, 0),
        latest=dict.fromkeys(partitions, 100),
        groups=frozenset({LIVE}),
        committed={LIVE: dict.fromkeys(partitions, 100)},
    )
    return replace(state, **changes)


def trading(enabled: str, revision: int) -> ObjectVersion:
    container = {"env": [{"name": "TRADING_ENABLED", "value": enabled}]}
    content = {"spec": {"template": {"spec": {"containers": [container]}}}}
    return ObjectVersion("KnativeService", "torghut", revision, content)


def config(group: str, revision: int) -> ObjectVersion:
    return ObjectVersion(
        "ConfigMap", "torghut-ta-config", revision, {"data": {"TA_GROUP_ID": group}}
    )


def flink(spec_state: str, job_state: str, nonce: int, revision: int) -> ObjectVersion:
    content = {
        "spec": {"job": {"state": spec_state}, "restartNonce": nonce},
        "status": {"jobStatus": {"state": job_state}},
    }
    return ObjectVersion("FlinkDeployment", "torghut-ta", revision, content)


def good_history() -> tuple[ObjectVersion, ...]:
    return (
        trading("true", 1),
        config(LIVE, 2),
        flink("running", "RUNNING", 2, 3),
        trading("false", 4),
        flink("suspended", "RUNNING", 2, 5),
        flink("suspended", "FINISHED", 2, 6),
        config(REPLAY, 7),
        flink("running", "FINISHED", 3, 8),
        flink("running", "RUNNING", 3, 9),
    )


def good_evidence(**changes: Any) -> Evidence:
    """Evidence of a Mode 1 replay in which everything went right."""
    state = kafka_state()
    evidence = Evidence(
        replay_group=REPLAY,
        live_group=LIVE,
        inputs=INPUTS,
        before=state,
        stopped=state,
        after=state,
        history=good_history(),
        samples=tuple(
            Sample(float(second), "RUNNING", lag, {}, {})
            for second, lag in enumerate((900, 400, 0))
        ),
        live_run=JobRun("1" * 32, "CANCELED", None, dict.fromkeys(INPUTS, 300), LIVE),
        replay_run=JobRun("2" * 32, "RUNNING", None, dict.fromkeys(INPUTS, 300), REPLAY),
        first_commit={("torghut.trades.v1", 0): 40},
        tables=None,
        queries=(),
    )
    return replace(evidence, **changes)


@pytest.fixture(name="evidence")
def evidence_fixture() -> Evidence:
    return good_evidence()
