from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.checks.evidence import JobRun, Query, Sample
from harness.checks.replay import freshness, inputs_reread, lag_falls
from harness.core.verdicts import Verdict
from tests.conftest import INPUTS, LIVE, REPLAY, flink, kafka_state

if TYPE_CHECKING:
    from harness.checks.evidence import Evidence


def run(**changes: object) -> JobRun:
    base = JobRun("2" * 32, "RUNNING", None, dict.fromkeys(INPUTS, 300), REPLAY)
    return replace(base, **changes)  # type: ignore[arg-type]


def samples(*lags: int | None) -> tuple[Sample, ...]:
    return tuple(Sample(float(n), "RUNNING", lag, {}, {}) for n, lag in enumerate(lags))


def test_everything_read_again_passes(evidence: Evidence) -> None:
    result = inputs_reread(evidence)
    assert result.verdict is Verdict.PASS
    assert result.expected["records read"] == dict.fromkeys(sorted(INPUTS), 300)


def test_a_job_restored_from_a_checkpoint_fails_with_the_reason(evidence: Evidence) -> None:
    restored = run(
        restored_from="s3a://flink-checkpoints/chk-12", records_read=dict.fromkeys(INPUTS, 0)
    )
    result = inputs_reread(replace(evidence, replay_run=restored, upgrade_mode="last-state"))
    assert result.verdict is Verdict.FAIL
    for part in (
        "0 of 900",
        "chk-12",
        "last-state",
        "ignores TA_GROUP_ID",
        "Whatever the commands said",
    ):
        assert part in result.reason


def test_one_source_short_of_one_record_fails(evidence: Evidence) -> None:
    short = run(records_read={**dict.fromkeys(INPUTS, 300), "bars1m": 299})
    result = inputs_reread(replace(evidence, replay_run=short))
    assert result.verdict is Verdict.FAIL
    assert "899 of 900" in result.reason


def test_a_job_that_failed_is_explained_by_its_root_cause(evidence: Evidence) -> None:
    broken = run(records_read={}, failure="FileNotFoundException: chk-9")
    assert (
        "FileNotFoundException: chk-9" in inputs_reread(replace(evidence, replay_run=broken)).reason
    )


def test_a_job_under_the_old_group_is_explained(evidence: Evidence) -> None:
    old = run(records_read=dict.fromkeys(INPUTS, 1), group=LIVE)
    assert f"started with group {LIVE}" in inputs_reread(replace(evidence, replay_run=old)).reason


def test_a_job_still_suspended_is_explained(evidence: Evidence) -> None:
    history = (*evidence.history, flink("suspended", "FINISHED", 3, 99))
    result = inputs_reread(replace(evidence, replay_run=None, history=history))
    assert result.verdict is Verdict.FAIL
    assert "does not resume a suspended job" in result.reason


def test_empty_inputs_prove_nothing(evidence: Evidence) -> None:
    empty = kafka_state(latest=dict.fromkeys(evidence.before.latest, 0))
    assert inputs_reread(replace(evidence, before=empty)).verdict is Verdict.UNKNOWN


def test_a_falling_lag_passes(evidence: Evidence) -> None:
    assert lag_falls(replace(evidence, samples=samples(None, 900, 300, 0))).verdict is Verdict.PASS


def test_a_lag_that_stays_fails(evidence: Evidence) -> None:
    assert lag_falls(replace(evidence, samples=samples(900, 900))).verdict is Verdict.FAIL


def test_a_lag_that_was_never_high_fails(evidence: Evidence) -> None:
    result = lag_falls(replace(evidence, samples=samples(0, 0, 0)))
    assert result.verdict is Verdict.FAIL
    assert "nothing to read" in result.reason


def test_no_lag_seen_is_unknown(evidence: Evidence) -> None:
    assert lag_falls(replace(evidence, samples=samples(None))).verdict is Verdict.UNKNOWN


def query(value: str | None) -> Query:
    return Query("SELECT max(event_ts) FROM torghut.ta_signals", "doc.md:1", value)


NEWEST = {"ta_signals": "2026-01-02 15:00:00.000"}


def test_fresh_tables_pass(evidence: Evidence) -> None:
    fresh = replace(evidence, queries=(query(NEWEST["ta_signals"]),), newest_event=NEWEST)
    assert freshness(fresh).verdict is Verdict.PASS


def test_stale_and_empty_tables_fail_with_the_place(evidence: Evidence) -> None:
    for value in ("2026-01-02 14:59:59.000", None):
        stale = replace(evidence, queries=(query(value),), newest_event=NEWEST)
        result = freshness(stale)
        assert result.verdict is Verdict.FAIL
        assert "doc.md:1" in result.reason


def test_queries_that_did_not_run_are_unknown(evidence: Evidence) -> None:
    assert freshness(evidence).verdict is Verdict.UNKNOWN
    assert freshness(replace(evidence, queries=(query("x"),))).verdict is Verdict.UNKNOWN
