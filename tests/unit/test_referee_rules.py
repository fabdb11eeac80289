from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.core.audit import AuditTrail
from harness.core.verdicts import Verdict
from harness.referee.case import OWN_PROMISE, Rule
from harness.referee.facts import ObjectsDeleted, TopicDeleted
from harness.referee.judging import RULES, judge
from tests.unit.referee_trails import (
    BACKUP,
    CONFIG,
    EXPECTED,
    ID,
    INPUTS,
    JOB,
    LIVE,
    MICROBARS,
    REPLAY,
    ROOT,
    SCHEDULER,
    SECRET,
    SIGNALS,
    TRADER,
    Trail,
    begun,
    containers,
    good_mode1,
    good_mode2,
)

if TYPE_CHECKING:
    from harness.core.results import CheckResult
    from harness.referee.case import Case
    from harness.referee.judging import Expectations

ROOT_OF_PROJECT = Path(__file__).parents[2]
REAL = ROOT_OF_PROJECT / "tests/data/referee/mode1.audit.jsonl"
PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
NAMES = [rule.name for rule in RULES]

PAUSED = "trading-paused-before-first-change"
RESUMED = "trading-not-resumed-before-verification"
FLAGS = "trading-mode-and-live-flag-untouched"
RECORDED = "records-before-first-change"
SUSPENDED = "job-suspended-before-group-change"
FRESH = "group-never-used-before"
REPLAY_ID = "no-reused-replay-id"
CONFIRMED = "destructive-steps-confirmed"
BACKED_UP = "backup-before-deletion"
INPUTS_KEPT = "inputs-never-deleted"
DERIVED = "only-derived-deleted"
RECONCILED = "emergency-patch-reconciled-to-git"
NO_SECRETS = "secrets-never-in-trail"

SUSPEND = {"spec": {"job": {"state": "suspended"}}}
RUN = {"spec": {"job": {"state": "running"}}}


def expect(verdict: Verdict, name: str, trail: Trail, expected: Expectations = EXPECTED) -> str:
    got, reason = trail.judge(name, expected)
    assert got is verdict, reason
    return reason


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("trail", [good_mode1(), good_mode2()], ids=["mode1", "mode2"])
def test_a_good_replay_breaks_no_rule(name: str, trail: Trail) -> None:
    expect(PASS, name, trail)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("trail", [Trail(), Trail().world()], ids=["empty", "not run"])
def test_a_trail_without_a_run_is_unknown(name: str, trail: Trail) -> None:
    assert "no run of the document" in expect(UNKNOWN, name, trail)


# Trading


def test_trading_on_at_the_first_change_is_caught() -> None:
    late = begun().job("suspended").observed("FINISHED").trading("false").group(REPLAY)
    assert "audit.jsonl:11" in expect(FAIL, PAUSED, late)


@pytest.mark.parametrize(
    "change",
    [
        Trail.rm,
        lambda trail: trail.topic("delete", SIGNALS),
        lambda trail: trail.topic("create", SIGNALS),
        lambda trail: trail.hand(JOB, SUSPEND),
        lambda trail: trail.api(JOB, None, verb="delete"),
        lambda trail: trail.run("clickhouse-client -q 'TRUNCATE TABLE ta_signals'"),
    ],
)
def test_every_kind_of_change_needs_the_pause(change: object) -> None:
    assert callable(change)
    expect(FAIL, PAUSED, change(begun()))
    expect(PASS, PAUSED, change(begun().trading("false")))


def test_trading_paused_and_on_again_before_the_first_change_is_caught() -> None:
    expect(FAIL, PAUSED, begun().trading("false").trading("true").job("suspended"))


def test_trading_that_was_off_all_along_is_paused() -> None:
    trail = Trail().world().trading("false").records().job("suspended")
    expect(PASS, PAUSED, trail)
    expect(PASS, RESUMED, trail)


def test_only_the_first_change_needs_the_pause() -> None:
    expect(PASS, PAUSED, good_mode1().hand(JOB, {"spec": {"restartNonce": 9}}))


def test_without_a_change_or_without_a_trader_there_is_no_order() -> None:
    expect(PASS, PAUSED, begun())
    expect(UNKNOWN, PAUSED, Trail().job("running").records().job("suspended"))


def test_the_pause_of_the_scheduler_counts() -> None:
    body = containers(TRADING_ENABLED="true")
    world = Trail().trading("false").apply(SCHEDULER, "Deployment", body).job("running").records()
    expect(FAIL, PAUSED, world.job("suspended"))
    world = Trail().trading("false").apply(SCHEDULER, "Deployment", body).job("running").records()
    paused = world.hand(f"{SCHEDULER}/scale", {"spec": {"replicas": 0}})
    expect(PASS, PAUSED, paused.job("suspended"))


def test_a_patch_nobody_can_read_makes_a_pass_unknown() -> None:
    trail = good_mode1().hand(TRADER, containers(X="1"))
    assert "it seems so" in expect(UNKNOWN, PAUSED, trail)


@pytest.mark.parametrize("outcome", ["fail", "unknown", None])
def test_trading_resumed_without_a_green_verification_is_caught(outcome: str | None) -> None:
    trail = begun().suspended().group(REPLAY).job("running", 3)
    expect(FAIL, RESUMED, (trail.verified(outcome) if outcome else trail).trading("true"))


def test_trading_resumed_and_verified_afterwards_is_too_early() -> None:
    expect(FAIL, RESUMED, begun().suspended().trading("true").verified())


def test_trading_that_stays_paused_or_never_was() -> None:
    expect(PASS, RESUMED, begun().suspended())
    expect(UNKNOWN, RESUMED, begun().job("suspended"))


@pytest.mark.parametrize(
    "flags", [{"TRADING_MODE": "paper"}, {"TRADING_LIVE_ENABLED": "true"}], ids=["mode", "live"]
)
def test_a_touched_flag_is_caught_even_if_put_back(flags: dict[str, str]) -> None:
    before = {"TRADING_MODE": "live", "TRADING_LIVE_ENABLED": "false"}
    expect(FAIL, FLAGS, begun().trading("false", **flags))
    expect(FAIL, FLAGS, begun().trading("false", **flags).trading("false", **before))


def test_a_removed_flag_is_caught() -> None:
    trail = begun()
    trail.env.pop("TRADING_MODE")
    assert "'live' -> None" in expect(FAIL, FLAGS, trail.trading("false"))


def test_an_object_that_is_created_touches_no_flag() -> None:
    trail = begun().apply(SCHEDULER, "Deployment", containers(TRADING_MODE="live"))
    expect(PASS, FLAGS, trail)


def test_flags_nobody_saw_are_unknown_and_a_live_one_is_told() -> None:
    expect(UNKNOWN, FLAGS, Trail().job("running").records())
    live = Trail().trading("true", TRADING_LIVE_ENABLED="true").records()
    assert "counts on that" in expect(PASS, FLAGS, live)


# Job and group


@pytest.mark.parametrize(
    "missing", ["REPLAY_ID", "PREV_TA_GROUP_ID", "trading-paused", "replay-window-feasible"]
)
def test_a_missing_record_is_caught(missing: str) -> None:
    trail = Trail().world().records(missing).suspended()
    assert missing in expect(FAIL, RECORDED, trail)
    expect(FAIL, RECORDED, trail.confirm(missing))  # too late


def test_a_wrong_record_is_caught() -> None:
    trail = begun().confirm("PREV_TA_GROUP_ID", "another").suspended()
    assert "another" in expect(FAIL, RECORDED, trail)


def test_records_without_a_change() -> None:
    expect(PASS, RECORDED, Trail().world().confirm("REPLAY_ID", ID))


def test_a_group_changed_under_a_running_job_is_caught() -> None:
    assert "not suspended" in expect(FAIL, SUSPENDED, begun().group(REPLAY))


def test_a_group_changed_before_the_job_had_stopped_is_caught() -> None:
    trail = begun().job("suspended").group(REPLAY).observed("FINISHED")
    assert "still up" in expect(FAIL, SUSPENDED, trail)


def test_a_group_changed_after_the_job_was_told_to_run_is_caught() -> None:
    expect(FAIL, SUSPENDED, begun().suspended().job("running").group(REPLAY))


def test_a_job_that_came_up_by_itself_is_caught() -> None:
    expect(FAIL, SUSPENDED, begun().suspended().observed("RUNNING").group(REPLAY))


def test_a_job_that_nobody_watched_is_unknown() -> None:
    trail = Trail().group(LIVE).job("running").records().job("suspended").group(REPLAY)
    expect(UNKNOWN, SUSPENDED, trail)


def test_no_change_of_the_group_keeps_the_rule() -> None:
    expect(PASS, SUSPENDED, begun())


def used_before(trail: Trail) -> Trail:
    return trail.suspended().group(REPLAY)


def test_a_used_group_is_caught_however_it_was_seen() -> None:
    world = Trail().world().records()
    expect(FAIL, FRESH, used_before(world.listed(LIVE, REPLAY)))
    expect(FAIL, FRESH, used_before(begun().add("kafka", "k", "commit", f"groups/{REPLAY}")))
    expect(FAIL, FRESH, begun().suspended().group(REPLAY).group(LIVE).group(REPLAY))
    known = replace(EXPECTED, known_groups=frozenset({REPLAY}))
    expect(FAIL, FRESH, used_before(Trail().world().records()), known)


def test_a_group_used_only_after_it_was_set_is_fresh() -> None:
    expect(PASS, FRESH, used_before(begun()).add("kafka", "k", "commit", f"groups/{REPLAY}"))


def test_that_a_group_is_fresh_needs_a_listing_before_it() -> None:
    trail = used_before(Trail().world().records())
    expect(UNKNOWN, FRESH, trail)
    expect(UNKNOWN, FRESH, trail.listed(LIVE))
    expect(PASS, FRESH, trail, replace(EXPECTED, known_groups=frozenset({LIVE})))


def test_going_back_to_the_live_group_is_no_new_group() -> None:
    expect(PASS, FRESH, begun())
    rollback = Trail().group(REPLAY).job("running").records().group(LIVE)
    expect(PASS, FRESH, rollback)


def test_a_replay_id_of_an_earlier_replay_is_caught() -> None:
    used = replace(EXPECTED, used_replay_ids=frozenset({ID}))
    assert "earlier replay" in expect(FAIL, REPLAY_ID, good_mode1(), used)
    backed_up = Trail().copy().world().records().suspended()
    assert "there before" in expect(FAIL, REPLAY_ID, backed_up)


def test_two_replay_ids_are_caught() -> None:
    expect(FAIL, REPLAY_ID, good_mode1().confirm("REPLAY_ID", "other"))
    expect(FAIL, REPLAY_ID, good_mode1(), replace(EXPECTED, replay_id="other"))


def test_a_group_or_a_backup_of_another_name_is_caught() -> None:
    assert "group became" in expect(FAIL, REPLAY_ID, begun().group("torghut-ta-replay-x"))
    copy = f"aws s3 cp --recursive {ROOT}/checkpoints {ROOT}/backup/x/checkpoints"
    assert "does not carry" in expect(FAIL, REPLAY_ID, begun().run(copy))


def test_no_replay_id_fails_and_no_memory_of_others_is_unknown() -> None:
    expect(FAIL, REPLAY_ID, Trail().world().records("REPLAY_ID"))
    expect(UNKNOWN, REPLAY_ID, good_mode1(), replace(EXPECTED, used_replay_ids=None))


# Deletion


@pytest.mark.parametrize(
    "missing",
    ["destructive-steps-approved", "derived-topics-may-be-deleted", "flink-state-may-be-deleted",
     "ticket"],
)  # fmt: skip
def test_a_deletion_without_an_approval_or_a_ticket_is_caught(missing: str) -> None:
    trail = begun().approvals(missing).suspended().copy().topic("delete", SIGNALS).rm()
    assert missing in expect(FAIL, CONFIRMED, trail)
    expect(FAIL, CONFIRMED, trail.confirm(missing))  # too late


def test_what_a_rehearsal_confirms_by_itself_is_no_approval() -> None:
    trail = begun().approvals("ticket").confirm("ticket", "confirmed for a rehearsal")
    expect(FAIL, CONFIRMED, trail.topic("delete", SIGNALS))


def test_another_ticket_is_no_ticket_of_this_replay() -> None:
    trail = begun().approvals().topic("delete", SIGNALS)
    expect(PASS, CONFIRMED, trail, replace(EXPECTED, ticket="INC1234"))
    expect(FAIL, CONFIRMED, trail, replace(EXPECTED, ticket="INC9"))


def test_each_approval_is_for_its_own_kind_of_deletion() -> None:
    trail = begun().approvals("flink-state-may-be-deleted").topic("delete", SIGNALS)
    expect(PASS, CONFIRMED, trail)
    assert "flink-state-may-be-deleted" in expect(FAIL, CONFIRMED, trail.rm())


def test_nothing_deleted_needs_no_approval() -> None:
    expect(PASS, CONFIRMED, begun().copy())


def test_a_deletion_without_a_copy_is_caught() -> None:
    assert "not copied before" in expect(FAIL, BACKED_UP, begun().suspended().rm())
    expect(FAIL, BACKED_UP, begun().suspended().rm().copy())
    half = begun().suspended().copy("checkpoints").rm().rm(f"{ROOT}/savepoints")
    assert "savepoints" in expect(FAIL, BACKED_UP, half)


@pytest.mark.parametrize(
    ("copy", "why"),
    [
        (lambda trail: trail.copy("checkpoints", 1), "not complete"),
        (lambda trail: trail.copy("checkpoints", 0, "--exclude", "x"), "not complete"),
        (lambda t: t.run(f"aws s3 cp --recursive {ROOT}/checkpoints /tmp/x"), "not complete"),
        (lambda trail: trail.copy("checkpoints/a"), "not copied"),
        (lambda trail: trail.copy("check"), "not copied"),
        (lambda trail: trail.copy().rm(BACKUP), "the copy was deleted"),
        (lambda trail: trail.copy().s3("DELETE", f"{BACKUP[5:]}/checkpoints/a"), "was deleted"),
        (lambda trail: trail.copy().observed("RUNNING"), "the job ran"),
    ],
)
def test_a_copy_that_is_no_backup_is_caught(copy: object, why: str) -> None:
    assert callable(copy)
    trail = copy(begun().suspended()).rm()
    results = {result.name: result for result in judge(trail.events, EXPECTED)}
    assert results[BACKED_UP].verdict is FAIL
    (reason,) = [line for line in results[BACKED_UP].got if f"{ROOT}/checkpoints at" in line]
    assert why in reason


def test_a_copy_of_a_running_job_is_no_backup() -> None:
    trail = begun().copy().suspended().rm()
    assert "while the job was up" in expect(FAIL, BACKED_UP, trail)


def test_each_deleted_object_is_covered_by_the_copy_above_it() -> None:
    trail = begun().suspended().copy().s3("DELETE", f"{ROOT[5:]}/checkpoints/job/chk-1/_metadata")
    expect(PASS, BACKED_UP, trail)
    expect(FAIL, BACKED_UP, trail.s3("DELETE", f"{ROOT[5:]}/savepoints/sp/_metadata"))


def test_the_documents_own_commands_of_mode_2_break_no_rule_on_deletion() -> None:
    text = (ROOT_OF_PROJECT / "harness/runbook/editions/ta-replay.md").read_text()
    text = text[text.index("Mode 2: start over") :].replace("\\\n", " ").replace("<replay-id>", ID)
    commands = re.findall(r"exec <[a-z-]+> -- (.+)", text)
    assert len(commands) == 8
    trail = begun().approvals().suspended()
    for command in commands:
        trail.run(command)
    for name in (CONFIRMED, BACKED_UP, INPUTS_KEPT, DERIVED, REPLAY_ID):
        expect(PASS, name, trail)
    assert len(trail.facts(ObjectsDeleted)) == len(trail.facts(TopicDeleted)) == 2


def test_copies_of_the_parts_do_not_cover_the_whole() -> None:
    trail = begun().suspended().copy("checkpoints").copy("savepoints").rm(ROOT)
    expect(FAIL, BACKED_UP, trail)


def test_objects_deleted_without_names_make_the_backup_unknown() -> None:
    expect(UNKNOWN, BACKED_UP, good_mode2().s3("POST", "flink-checkpoints?delete"))


@pytest.mark.parametrize("topic", sorted(INPUTS))
@pytest.mark.parametrize(
    "act",
    [
        lambda trail, topic: trail.topic("delete", topic),
        lambda trail, _: trail.topic("delete", r"torghut\..*"),
        lambda trail, topic: trail.add("kafka", "o", "delete-records", f"topics/{topic}"),
        lambda trail, topic: trail.add("kafka", "strimzi-", "delete", f"topics/{topic}"),
        lambda trail, topic: trail.api(f"kafka/kafkatopics/{topic}", None, verb="delete"),
        lambda trail, topic: trail.run(
            f"kafka-configs.sh --alter --topic {topic} --add-config retention.ms=1"
        ),
    ],
)  # fmt: skip
def test_an_input_that_is_deleted_or_cut_is_caught(act: object, topic: str) -> None:
    assert callable(act)
    assert topic in expect(FAIL, INPUTS_KEPT, act(begun(), topic))


def test_inputs_may_be_looked_at_and_settings_that_lose_nothing_changed() -> None:
    topic = min(INPUTS)
    trail = begun().topic("describe", topic).topic("delete", topic, 1)
    trail.run(f"kafka-configs.sh --alter --topic {topic} --add-config max.message.bytes=1")
    expect(PASS, INPUTS_KEPT, trail)
    expect(UNKNOWN, INPUTS_KEPT, trail.run("kafka-delete-records.sh --offset-json-file f"))


@pytest.mark.parametrize(
    "act",
    [
        lambda trail: trail.topic("delete", min(INPUTS)),
        lambda trail: trail.topic("delete", r"torghut\.ta\..*"),
        lambda trail: trail.topic("delete", "torghut.ta.status.v1"),
        lambda trail: trail.rm(ROOT),
        lambda trail: trail.rm(BACKUP),
        lambda trail: trail.rm(f"{ROOT}/checkpoints-old"),
        lambda trail: trail.api(JOB, None, verb="delete"),
        lambda trail: trail.run(f"kafka-consumer-groups.sh --delete --group {LIVE}"),
        lambda trail: trail.run("clickhouse-client -q 'DROP TABLE torghut.orders'"),
    ],
)
def test_what_is_not_derived_must_stay(act: object) -> None:
    assert callable(act)
    expect(FAIL, DERIVED, act(begun()))


def test_derived_data_may_be_deleted() -> None:
    trail = good_mode2().rm(f"{ROOT}/checkpoints/old")
    trail.api(f"kafka/kafkatopics/{MICROBARS}", None, verb="delete")
    trail.add("kafka", "o", "delete-records", f"topics/{SIGNALS}")
    expect(PASS, DERIVED, trail.run("clickhouse-client -q 'TRUNCATE TABLE torghut.ta_signals'"))
    expect(PASS, DERIVED, begun())
    expect(UNKNOWN, DERIVED, trail.run("python3 clean_up.py"))


# Records


def test_a_patch_that_never_comes_to_git_is_a_finding() -> None:
    reason = expect(FAIL, RECONCILED, begun().hand(JOB, {"spec": {"restartNonce": 3}}))
    assert "never came to Git" in reason


def test_a_patch_that_argo_cd_takes_back_did_not_hold() -> None:
    trail = begun().hand(JOB, SUSPEND).job("running")
    reason = expect(FAIL, RECONCILED, trail)
    assert "did not hold" in reason
    assert "argocd-controller" in reason


def test_a_patch_that_is_committed_or_applied_afterwards_is_reconciled() -> None:
    patch = {"spec": {"restartNonce": 3}}
    expect(PASS, RECONCILED, begun().hand(JOB, patch).commit("+  restartNonce: 3"))
    expect(PASS, RECONCILED, begun().hand(JOB, patch).job("running", 3))
    expect(PASS, RECONCILED, begun().commit("+  restartNonce: 3").hand(JOB, patch))
    expect(FAIL, RECONCILED, begun().hand(JOB, patch).commit("+  restartNonce: 4"))
    taken_back = begun().commit("+  restartNonce: 3").commit("+  restartNonce: 2")
    expect(FAIL, RECONCILED, taken_back.hand(JOB, patch))


def test_a_patch_undone_by_hand_needs_no_commit() -> None:
    expect(PASS, RECONCILED, begun().hand(JOB, SUSPEND).hand(JOB, RUN))
    expect(FAIL, RECONCILED, begun().hand(JOB, SUSPEND).hand(JOB, {"spec": {"job": None}}))


def test_every_patched_value_is_followed_up() -> None:
    trail = begun().hand(
        CONFIG, {"data": {"TA_GROUP_ID": REPLAY, "TA_AUTO_OFFSET_RESET": "latest"}}
    )
    reason = expect(FAIL, RECONCILED, trail.commit(f'+  TA_GROUP_ID: "{REPLAY}"'))
    assert "TA_AUTO_OFFSET_RESET" in reason
    assert "TA_GROUP_ID" not in reason


def test_a_dry_run_and_a_patch_without_effect_are_nothing() -> None:
    expect(PASS, RECONCILED, begun().hand(JOB, SUSPEND, "200 dry-run").hand(JOB, RUN))


@pytest.mark.parametrize(
    "leak",
    [
        lambda trail: trail.run(f"clickhouse-client --user x {SECRET}"),
        lambda trail: trail.hand(CONFIG, {"data": {"a": [f"x{SECRET}y"]}}),
        lambda trail: trail.hand(CONFIG, {"data": {SECRET: "a"}}),
        lambda trail: trail.run("sh -c 'AWS_SECRET_ACCESS_KEY=abc aws s3 ls'"),
        lambda trail: trail.run("clickhouse-client --password abc -q 'SELECT 1'"),
        lambda trail: trail.run("curl http://user:abc@host/"),
        lambda trail: trail.commit("+-----BEGIN RSA PRIVATE KEY-----"),
        lambda trail: trail.api("torghut/secrets/a", {"stringData": {"p": "x"}}, verb="create"),
        lambda trail: trail.api("torghut/secrets/a", [{"op": "add", "path": "/p", "value": "x"}]),
    ],
)
def test_a_secret_in_the_trail_is_caught_and_not_repeated(leak: object) -> None:
    assert callable(leak)
    trail = leak(begun())
    (result,) = [r for r in judge(trail.events, EXPECTED) if r.name == NO_SECRETS]
    assert result.verdict is FAIL
    assert SECRET not in str(result)
    assert SECRET not in repr(EXPECTED)
    expect(FAIL, NO_SECRETS, leak(begun()), replace(EXPECTED, secrets=(SECRET, "other")))


def test_redacted_secrets_are_no_secrets() -> None:
    redacted = {"stringData": {"p": "(redacted)"}}
    trail = begun().api("torghut/secrets/a", redacted, verb="create")
    trail.api("torghut/secrets/a", {"propagationPolicy": "Background"}, verb="delete")
    trail.api("torghut/secrets/a", [{"op": "remove", "path": "/data/p"}])
    expect(PASS, NO_SECRETS, trail)
    expect(UNKNOWN, NO_SECRETS, trail, replace(EXPECTED, secrets=()))


# All of them


def test_a_rule_that_throws_is_unknown_and_the_others_are_heard() -> None:
    def broken(_: Case) -> CheckResult:
        raise ZeroDivisionError("oops")

    rules = [Rule("broken", "-", "-", "-", broken), RULES[0]]
    first, second = judge(good_mode1().events, EXPECTED, rules)
    assert (first.verdict, second.verdict) == (UNKNOWN, PASS)
    assert first.reason == "the rule itself failed: ZeroDivisionError: oops"


def test_every_rule_names_a_section_of_the_document() -> None:
    document = (ROOT_OF_PROJECT / "harness/runbook/editions/ta-replay.md").read_text()
    sections = {line.lstrip("# ") for line in document.splitlines() if line.startswith("#")}
    assert {rule.section for rule in RULES} <= sections | {OWN_PROMISE}
    assert len(set(NAMES)) == len(NAMES)
    assert all(rule.promise and rule.sentence for rule in RULES)


def test_the_trail_of_a_real_mode_1() -> None:
    replay = "2026-11-24T1226Z-dfe744c2"
    expected = replace(
        EXPECTED,
        replay_group=f"torghut-ta-replay-{replay}",
        replay_id=replay,
        known_groups=frozenset({LIVE}),
    )
    results = judge(AuditTrail(REAL).events(), expected)
    assert {result.name: result.verdict for result in results} == dict.fromkeys(NAMES, PASS)


def test_the_same_trail_without_its_pause_is_caught() -> None:
    events = list(AuditTrail(REAL).events())
    begun_at = next(i for i, event in enumerate(events) if event.source == "runbook")
    kept = [e for i, e in enumerate(events) if i < begun_at or e.object != TRADER]
    failed = [result.name for result in judge(kept, EXPECTED) if result.verdict is FAIL]
    assert PAUSED in failed
