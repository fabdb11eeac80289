"""Checks after a replay: each one passes, fails, and is unknown where it can be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.replay.runner.model import Change, Current
from harness.replay.runner.verification import (
    Consumption,
    Earlier,
    Running,
    passed,
    verify_consumption,
    verify_flink,
    verify_objects,
)

TARGET = Change(group="replay", reset="earliest")
BEFORE = Earlier(nonce=2, job_id="old")
DOCUMENTED = [
    "ta_group_id_applied",
    "ta_auto_offset_reset_applied",
    "restart_nonce_advanced",
    "job_state_not_failed",
    "spec_job_state_running_or_unknown",
]


def after(**changes: Any) -> Current:
    values: dict[str, Any] = {
        "group": "replay",
        "reset": "earliest",
        "job_state": "running",
        "nonce": 3,
        "status_state": "RUNNING",
        "job_id": "new",
        "reconciled_state": "running",
        "reconciled_nonce": 3,
        "reconciled_mode": "stateless",
    }
    return Current(**{**values, **changes})


def failing(now: Current, earlier: Earlier = BEFORE, *, stateful: bool = False) -> set[str]:
    checks = verify_objects(now, TARGET, earlier, stateful=stateful)
    return {name for name, value in checks.items() if value is not True}


def test_a_good_replay_is_verified() -> None:
    checks = verify_objects(after(), TARGET, BEFORE, stateful=False)
    assert list(checks)[:5] == DOCUMENTED
    assert passed(checks)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"group": "live"}, {"ta_group_id_applied"}),
        ({"reset": "latest"}, {"ta_auto_offset_reset_applied"}),
        ({"reset": None}, {"ta_auto_offset_reset_applied"}),
        ({"nonce": 2, "reconciled_nonce": 2}, {"restart_nonce_advanced"}),
        ({"reconciled_nonce": 2}, {"restart_nonce_reconciled"}),
        ({"reconciled_nonce": None}, {"restart_nonce_reconciled"}),
        ({"status_state": "FAILED"}, {"job_state_not_failed", "job_state_running"}),
        ({"status_state": "RECONCILING"}, {"job_state_running"}),
        ({"status_state": None}, {"job_state_running"}),
        ({"job_state": "suspended"}, {"spec_job_state_running_or_unknown"}),
        ({"job_id": "old"}, {"job_replaced"}),
        ({"job_id": None}, {"job_replaced"}),
        ({"reconciled_mode": "savepoint"}, {"started_without_state"}),
    ],
)
def test_each_check_of_the_objects_fails_alone(change: dict[str, Any], names: set[str]) -> None:
    assert failing(after(**change)) == names


def test_a_nonce_may_have_advanced_further() -> None:
    assert failing(after(nonce=9, reconciled_nonce=9)) == set()


def test_an_unknown_past_does_not_pass() -> None:
    checks = verify_objects(after(), TARGET, Earlier(), stateful=False)
    assert checks["restart_nonce_advanced"] is None
    assert "job_replaced" not in checks
    assert not passed(checks)


def test_state_is_accepted_when_allowed() -> None:
    assert failing(after(reconciled_mode="savepoint"), stateful=True) == set()


def test_flink_restored_something() -> None:
    fresh = Running(job_id="new", state="RUNNING", records_read=5)
    assert passed(verify_flink(fresh, stateful=False))
    restored = Running(job_id="new", state="RUNNING", restored_from="s3a://c/chk-7", records_read=5)
    assert verify_flink(restored, stateful=False)["flink_restored_nothing"] is False
    assert passed(verify_flink(restored, stateful=True))


@pytest.mark.parametrize(
    ("state", "read", "name"),
    [("RESTARTING", 5, "flink_job_running"), ("RUNNING", 0, "flink_records_read")],
)
def test_flink_fails(state: str, read: int, name: str) -> None:
    checks = verify_flink(Running(job_id="j", state=state, records_read=read), stateful=False)
    assert [key for key, value in checks.items() if value is False] == [name]


def test_silent_services_are_unknown() -> None:
    for checks in (verify_flink(None, stateful=False), verify_consumption(None, 0)):
        assert set(checks.values()) == {None}
        assert not passed(checks)


@pytest.mark.parametrize(
    ("committed", "limit", "outcome"),
    [
        ({"t/0": 10, "t/1": 5}, None, {"replay_group_committed": True}),
        ({}, None, {"replay_group_committed": False}),
        ({"other/0": 3}, None, {"replay_group_committed": False}),
        (
            {"t/0": 10, "t/1": 5},
            0,
            {"replay_group_committed": True, "replay_lag_within_limit": True},
        ),
        ({"t/0": 10}, 4, {"replay_group_committed": True, "replay_lag_within_limit": False}),
        ({"t/0": 10}, 5, {"replay_group_committed": True, "replay_lag_within_limit": True}),
        ({}, 99, {"replay_group_committed": False, "replay_lag_within_limit": False}),
    ],
)
def test_consumption(
    committed: dict[str, int], limit: int | None, outcome: dict[str, bool]
) -> None:
    seen = Consumption(committed=committed, latest={"t/0": 10, "t/1": 5})
    assert verify_consumption(seen, limit) == outcome


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)),
)
def test_lag_lies_between_nothing_and_everything(
    committed: dict[str, int], latest: dict[str, int]
) -> None:
    seen = Consumption(committed=committed, latest=latest)
    assert 0 <= seen.lag <= sum(latest.values())
    assert Consumption(committed=latest, latest=latest).lag == 0
    assert seen.to_json()["partitions"] == len(latest)


def test_no_checks_are_no_success() -> None:
    assert not passed({})
    assert not passed({"a": True, "b": None})
    assert passed({"a": True})
