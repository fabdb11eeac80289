"""Group naming, days, reading of the objects, and what stands against a replay."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.replay.runner.model import Change, Current, as_nonce, read_current
from harness.replay.runner.names import RunnerError
from harness.replay.runner.planning import (
    GroupHistory,
    Permissions,
    blockers,
    calendar_days,
    replay_group,
    rollback_blockers,
    warnings,
)
from harness.replay.runner.record import default_path

LIVE = "torghut-ta-2025-12-23"
REPLAY = "torghut-ta-replay-x1"
FRESH = GroupHistory(asked=("configmap",))
TEXTS = st.text(alphabet=st.sampled_from("ab-_ 9:"), max_size=12)


def current(**changes: object) -> Current:
    values: dict[str, object] = {"group": LIVE, "reset": "latest", "job_state": "running"}
    return Current(**{**values, **changes})  # type: ignore[arg-type]


def test_the_documented_example() -> None:
    group = replay_group("torghut-ta-replay", "2026-02-13-torghut-ops")
    assert group == "torghut-ta-replay-2026-02-13-torghut-ops"


@pytest.mark.parametrize(
    ("prefix", "replay_id", "group"),
    [
        (" torghut-ta-replay- ", " a ", "torghut-ta-replay-a"),
        ("p", "a__b", "p-a-b"),
        ("p", "__a__", "p-a"),
        ("p", "2026-02-09T0315Z-INC1234", "p-2026-02-09T0315Z-INC1234"),
        ("p", "a_b", "p-a_b"),
        ("p", "- a - -", "p-a"),
    ],
)
def test_group_names(prefix: str, replay_id: str, group: str) -> None:
    assert replay_group(prefix, replay_id) == group


@pytest.mark.parametrize("empty", ["", "  ", "-", "__", " -- ", "- -"])
def test_nothing_left_of_a_name(empty: str) -> None:
    with pytest.raises(RunnerError, match="replay-id cannot be empty"):
        replay_group("p", empty)
    with pytest.raises(RunnerError, match="group-prefix cannot be empty"):
        replay_group(empty, "x")


@given(TEXTS, TEXTS)
def test_a_group_has_both_parts_and_clean_ends(prefix: str, replay_id: str) -> None:
    try:
        group = replay_group(prefix, replay_id)
    except RunnerError:
        return
    assert group == group.strip(" -")
    assert "__" not in group
    head, _, tail = group.partition("-")
    assert head
    assert tail


@given(TEXTS, TEXTS)
def test_naming_is_stable_and_blind_to_blanks_around(prefix: str, replay_id: str) -> None:
    try:
        group = replay_group(prefix, replay_id)
    except RunnerError:
        return
    assert replay_group(f" {prefix} ", f"\t{replay_id}\n") == group
    assert replay_group(prefix, replay_id) == group


@given(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True).map(str.strip))
def test_a_clean_id_is_kept_as_it_is(replay_id: str) -> None:
    assert replay_group("p", replay_id) == f"p-{replay_id}"


@pytest.mark.parametrize(
    ("trading", "asked", "days"), [(25, 0, 35), (32, 0, 45), (0, 0, 0), (1, 0, 2), (25, 7, 7)]
)
def test_calendar_days(trading: int, asked: int, days: int) -> None:
    assert calendar_days(trading, asked) == days


@given(st.integers(0, 500))
def test_calendar_days_hold_the_trading_days(trading: int) -> None:
    days = calendar_days(trading, 0)
    assert days * 5 >= trading * 7 > (days - 1) * 5 or trading == days == 0


@pytest.mark.parametrize(
    ("value", "nonce"),
    [(3, 3), ("38", 38), (" 7 ", 7), (None, 0), ("x", 0), ("", 0), (True, 0), (1.5, 0), ("²", 0)],
)
def test_nonces(value: object, nonce: int) -> None:
    assert as_nonce(value) == nonce


CONFIG = {"data": {"TA_GROUP_ID": LIVE, "TA_AUTO_OFFSET_RESET": "earliest"}}
DEPLOYMENT = {
    "spec": {"restartNonce": "2", "job": {"state": "running", "upgradeMode": "last-state"}},
    "status": {
        "jobStatus": {"state": "RUNNING", "jobId": "7" * 32},
        "error": "Job Not Found",
        "reconciliationStatus": {
            "lastReconciledSpec": json.dumps(
                {
                    "spec": {
                        "restartNonce": 2,
                        "job": {"state": "running", "upgradeMode": "savepoint"},
                    }
                }
            )
        },
    },
}


def test_reading_the_objects() -> None:
    assert read_current(CONFIG, DEPLOYMENT) == Current(
        group=LIVE,
        reset="earliest",
        job_state="running",
        nonce=2,
        status_state="RUNNING",
        job_id="7" * 32,
        upgrade_mode="last-state",
        reconciled_state="running",
        reconciled_nonce=2,
        reconciled_mode="savepoint",
        error="Job Not Found",
    )


def test_reading_the_least() -> None:
    least = read_current({"data": {"TA_GROUP_ID": "g"}}, {"spec": {}})
    assert least == Current(group="g")
    assert least.policy == "latest"
    assert least.upgrade_mode == "stateless"
    assert least.to_json()["ta_auto_offset_reset"] == "latest"


@pytest.mark.parametrize("text", [None, "", "no json", "[]", '{"spec": 3}', 7])
def test_an_unreadable_reconciled_spec_is_none(text: object) -> None:
    status = {"reconciliationStatus": {"lastReconciledSpec": text}}
    seen = read_current(CONFIG, {"spec": {}, "status": status})
    assert (seen.reconciled_state, seen.reconciled_nonce) == (None, None)


@pytest.mark.parametrize(
    ("config", "deployment", "message"),
    [
        ({}, DEPLOYMENT, "configmap data is not parseable"),
        ({"data": []}, DEPLOYMENT, "configmap data is not parseable"),
        ({"data": {}}, DEPLOYMENT, "TA_GROUP_ID missing in torghut-ta-config"),
        ({"data": {"TA_GROUP_ID": ""}}, DEPLOYMENT, "TA_GROUP_ID missing in torghut-ta-config"),
        (CONFIG, {}, "flinkdeployment spec is missing"),
    ],
)
def test_what_cannot_be_read(config: dict, deployment: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(RunnerError, match=message):
        read_current(config, deployment)


@pytest.mark.parametrize(
    ("seen", "down"),
    [
        (
            {"job_state": "suspended", "status_state": "FINISHED", "reconciled_state": "suspended"},
            1,
        ),
        # last-state without HA: never SUSPENDED, but down
        (
            {"job_state": "suspended", "status_state": "CANCELED", "reconciled_state": "suspended"},
            1,
        ),
        ({"job_state": "suspended"}, 1),
        ({"job_state": "suspended", "status_state": "FAILED", "reconciled_state": "running"}, 1),
        (
            {"job_state": "suspended", "status_state": "CANCELLING", "reconciled_state": "running"},
            0,
        ),
        ({"job_state": "suspended", "status_state": "RUNNING", "reconciled_state": "running"}, 0),
        # the operator has not seen the suspension yet; the job had ended by itself
        ({"job_state": "suspended", "status_state": "FINISHED", "reconciled_state": "running"}, 0),
        ({"job_state": "running", "status_state": "FINISHED", "reconciled_state": "suspended"}, 0),
    ],
)
def test_when_a_job_is_down(seen: dict[str, str], down: int) -> None:
    assert current(**seen).is_down is bool(down)


@pytest.mark.parametrize(
    ("state", "reconciled", "runs"),
    [("RUNNING", 3, True), ("RUNNING", 2, False), ("FAILED", 3, False)],
)
def test_running_with_a_nonce(state: str, reconciled: int, runs: bool) -> None:  # noqa: FBT001
    assert current(status_state=state, reconciled_nonce=reconciled).runs_with(3) is runs


def test_the_commands_come_in_the_documents_order() -> None:
    commands = Change(group=REPLAY, reset="earliest").commands("torghut", current(nonce=2))
    patch = "kubectl -n torghut patch"
    data = json.dumps({"data": {"TA_GROUP_ID": REPLAY, "TA_AUTO_OFFSET_RESET": "earliest"}})
    deployment = f"{patch} flinkdeployment torghut-ta --type merge -p"
    assert commands == [
        f"""{deployment} '{{"spec": {{"job": {{"state": "suspended"}}}}}}'""",
        f"{patch} configmap torghut-ta-config --type merge -p '{data}'",
        f"""{deployment} '{{"spec": {{"restartNonce": 3, "job": {{"state": "running"}}}}}}'""",
    ]


def test_a_suspended_job_is_not_suspended_again() -> None:
    commands = Change(group=REPLAY, reset=None).commands("torghut", current(job_state="suspended"))
    assert len(commands) == 2
    assert '"TA_AUTO_OFFSET_RESET": null' in commands[0]


def said(now: Current, change: Change, **allowed: bool) -> list[str]:
    return warnings(now, change, Permissions(**{"existing_group": False, **allowed}))


def test_no_warning_for_a_good_plan() -> None:
    assert said(current(), Change(group=REPLAY, reset="earliest")) == []


def test_warnings() -> None:
    same = Change(group=LIVE, reset="latest")
    texts = said(current(upgrade_mode="last-state"), same)
    assert texts[0] == f"replay group id equals current TA_GROUP_ID: {LIVE}"
    assert texts[1] == "TA_AUTO_OFFSET_RESET already equals target: latest"
    assert "reads nothing that is retained" in texts[2]
    assert "upgradeMode is last-state" in texts[3]
    assert "equals current" not in said(current(), same, existing_group=True)[0]


def test_nothing_stands_against_a_fresh_stateless_replay() -> None:
    assert blockers(current(), FRESH, None, Permissions(), None) == []


def test_each_blocker() -> None:
    used = GroupHistory(used_in=("git:1a2b", "brokers"))
    found = blockers(
        current(upgrade_mode="savepoint"), used, None, Permissions(), "ta-replay-x1.json"
    )
    assert found == [
        "replay_group_already_used:git:1a2b",
        "replay_group_already_used:brokers",
        "upgrade_mode_not_stateless:savepoint",
        "replay_id_already_recorded:ta-replay-x1.json",
    ]


@pytest.mark.parametrize(("group", "stateful"), list(itertools.product([True, False], repeat=2)))
def test_permissions_lift_their_own_blocker_only(group: bool, stateful: bool) -> None:  # noqa: FBT001
    used = GroupHistory(used_in=("brokers",))
    allowed = Permissions(existing_group=group, stateful=stateful)
    found = blockers(current(upgrade_mode="last-state"), used, None, allowed, "record")
    kinds = {text.partition(":")[0] for text in found}
    assert ("replay_group_already_used" in kinds) is not group
    assert ("upgrade_mode_not_stateless" in kinds) is not stateful
    assert "replay_id_already_recorded" in kinds


def test_a_rollback_leaves_somebody_elses_change_alone() -> None:
    assert rollback_blockers(current(group=REPLAY), (REPLAY, LIVE)) == []
    assert rollback_blockers(current(group=LIVE), (REPLAY, LIVE)) == []
    found = rollback_blockers(current(group="third"), (REPLAY, LIVE))
    assert found == ["ta_group_id_changed_since_record:third"]


@pytest.mark.parametrize(
    ("replay_id", "name"),
    [
        ("2026-02-13-torghut-ops", "ta-replay-2026-02-13-torghut-ops.json"),
        ("../../etc/x", "ta-replay-.._.._etc_x.json"),
        (" a b ", "ta-replay-a_b.json"),
    ],
)
def test_the_records_name_stays_in_its_directory(replay_id: str, name: str) -> None:
    assert str(default_path(replay_id)) == name
