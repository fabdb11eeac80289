"""Checks on the replay itself: did it read its inputs again, did it catch up, is it fresh."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness.checks.model import Check, decide, failed, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.checks.evidence import Evidence, JobRun
    from harness.checks.model import CheckResult

CAUGHT_UP_SHARE: Final = 0.01
"""The lag counts as gone when at most this share of the highest lag seen is left."""


def inputs_reread(evidence: Evidence) -> CheckResult:
    """The replay job read every record that the brokers hold, by Flink's own counters."""
    name = "inputs-reread"
    expected = {
        role: evidence.before.records(topic) for role, topic in sorted(evidence.inputs.items())
    }
    run = evidence.replay_run
    if run is None:
        return failed(
            name,
            got=None,
            expected=expected,
            reason=f"no job ran after the replay was started: {_why_no_job(evidence)}",
        )
    if not sum(expected.values()):
        return unknown(name, reason="the input topics are empty: there was nothing to read again")
    got = {
        "records read": dict(sorted(run.records_read.items())),
        "restored from": run.restored_from,
        "first commit": {f"{t}-{p}": o for (t, p), o in sorted(evidence.first_commit.items())},
        "job": run.job_id,
    }
    short = [role for role, count in expected.items() if run.records_read.get(role, 0) < count]
    return decide(
        not short,
        name,
        got=got,
        expected={"records read": expected, "restored from": None},
        good="the replay job read every record of every input from the earliest offset on",
        bad=_why_not_reread(evidence, run, expected),
    )


def _why_no_job(evidence: Evidence) -> str:
    jobs = [v.content for v in evidence.history if v.kind == "FlinkDeployment" and v.content]
    if not jobs:
        return "the FlinkDeployment was never seen"
    last = jobs[-1]
    if last["spec"]["job"].get("state") == "suspended":
        return (
            "spec.job.state is still suspended at the end; bumping restartNonce does not resume a "
            "suspended job, spec.job.state has to be set to running"
        )
    error = last.get("status", {}).get("error")
    return f"the operator says: {error}" if error else "the operator had not deployed it in time"


def _why_not_reread(evidence: Evidence, run: JobRun, expected: Mapping[str, int]) -> str:
    read, there = sum(run.records_read.values()), sum(expected.values())
    counts = f"{read:,} of {there:,} records were read again"
    if run.restored_from:
        return (
            f"{counts}. The job resumed from {run.restored_from} (upgradeMode "
            f"{evidence.upgrade_mode}): a source restored from a checkpoint takes its offsets from "
            f"it and ignores TA_GROUP_ID={evidence.replay_group} and "
            f"TA_AUTO_OFFSET_RESET={evidence.reset_policy}. Whatever the commands said, this was a "
            "plain restart, not a replay; only a start with empty state (upgradeMode stateless) "
            "reads the inputs again"
        )
    if run.failure:
        return f"{counts}. The job failed: {run.failure}"
    if run.group != evidence.replay_group:
        return (
            f"{counts}. The job was started with group {run.group}, not {evidence.replay_group}: "
            "its pods were created before the ConfigMap changed"
        )
    return (
        f"{counts}. The job started with empty state under group {run.group} but did not begin at "
        "the earliest offsets, or had not finished when the rehearsal stopped waiting"
    )


def lag_falls(evidence: Evidence) -> CheckResult:
    """The replay group's lag was high at first and went down towards real time."""
    name = "lag-falls"
    lags = [sample.lag for sample in evidence.samples if sample.lag is not None]
    if not lags:
        return unknown(name, reason="the replay group never had a lag: no job read under it")
    highest, last = max(lags), lags[-1]
    there = sum(evidence.before.records(topic) for topic in evidence.inputs.values())
    got = {"first": lags[0], "highest": highest, "last": last, "samples": len(lags)}
    expected = {
        "highest": f"about {there}",
        "last": f"at most {CAUGHT_UP_SHARE:.0%} of the highest",
    }
    if not highest:
        return failed(
            name,
            got=got,
            expected=expected,
            reason=(
                "the lag was zero from the start; the document expects it to be high at first: "
                "the job had nothing to read"
            ),
        )
    return decide(
        last <= highest * CAUGHT_UP_SHARE,
        name,
        got=got,
        expected=expected,
        good=f"the lag fell from {highest:,} to {last:,}",
        bad=f"the lag is still {last:,} of {highest:,}",
    )


def freshness(evidence: Evidence) -> CheckResult:
    """The document's own queries return the newest event that the inputs can give."""
    name = "freshness"
    if not evidence.queries:
        return unknown(name, reason="the document's queries were not run")
    got = {query.text: query.value for query in evidence.queries}
    expected = {
        query.text: next(
            (event for table, event in evidence.newest_event.items() if table in query.text), None
        )
        for query in evidence.queries
    }
    if None in expected.values():
        return unknown(
            name, got=got, expected=expected, reason="the oracle expects no rows for this symbol"
        )
    stale = [q.where for q in evidence.queries if (q.value or "") < str(expected[q.text])]
    return decide(
        not stale,
        name,
        got=got,
        expected=expected,
        good="both tables are as fresh as the inputs allow",
        bad=f"older than the inputs allow: the queries at {', '.join(stale)}",
    )


REPLAY_CHECKS: Final = (
    Check(
        "inputs-reread",
        "the replay job reads every retained input record again, from the earliest offset",
        inputs_reread,
        needs_every_look=True,
    ),
    Check(
        "lag-falls",
        "the replay group's lag is high at first and falls to zero",
        lag_falls,
        needs_every_look=True,
    ),
    Check(
        "freshness",
        "the document's freshness queries return the newest event that the inputs can give",
        freshness,
    ),
)
