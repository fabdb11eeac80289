from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import UsageError
from harness.world.control_plane.flink_operator.settings import OperatorSettings, parse_duration
from harness.world.control_plane.flink_operator.spec import (
    DiffType,
    FlinkSpec,
    JobState,
    UpgradeMode,
    classify,
    differences,
)
from harness.world.control_plane.flink_operator.status import (
    Reconciled,
    Reconciliation,
    Status,
)
from harness.world.control_plane.flink_operator.validation import validate


def spec(**job: Any) -> FlinkSpec:
    return FlinkSpec(
        {
            "restartNonce": 38,
            "flinkConfiguration": {
                "state.checkpoints.dir": "s3a://b/c",
                "state.savepoints.dir": "s3a://b/s",
                "taskmanager.numberOfTaskSlots": "2",
            },
            "job": {"state": "running", "upgradeMode": "last-state", "parallelism": 8, **job},
        }
    )


def changed(base: FlinkSpec, **fields: Any) -> FlinkSpec:
    return FlinkSpec({**base.to_dict(), **fields})


def diff(old: FlinkSpec, new: FlinkSpec) -> DiffType:
    return classify(differences(old, new))


def test_defaults_are_those_of_the_custom_resource() -> None:
    empty = FlinkSpec({})
    assert empty.state is JobState.RUNNING
    assert empty.upgrade_mode is UpgradeMode.STATELESS
    assert empty.parallelism == 1
    assert empty.task_managers == 1
    assert not empty.high_availability


def test_a_spec_is_a_value() -> None:
    source = {"job": {"state": "running"}}
    one = FlinkSpec(source)
    source["job"]["state"] = "suspended"
    one.to_dict()["job"]["state"] = "suspended"
    assert one.state is JobState.RUNNING
    assert one.with_job(state="suspended") != one
    assert hash(one) == hash(FlinkSpec({"job": {"state": "running"}}))


@pytest.mark.parametrize(
    ("job", "kind"),
    [
        ({"upgradeMode": "stateless"}, DiffType.IGNORE),
        ({"initialSavepointPath": "s3a://b/s/1"}, DiffType.IGNORE),
        ({"allowNonRestoredState": True}, DiffType.IGNORE),
        ({"savepointTriggerNonce": 5}, DiffType.IGNORE),
        ({"state": "suspended"}, DiffType.UPGRADE),
        ({"parallelism": 4}, DiffType.UPGRADE),
        ({"args": ["a"]}, DiffType.UPGRADE),
        ({"savepointRedeployNonce": 1}, DiffType.SAVEPOINT_REDEPLOY),
        ({"savepointRedeployNonce": 1, "state": "suspended"}, DiffType.SAVEPOINT_REDEPLOY),
    ],
)
def test_what_a_change_of_the_job_calls_for(job: dict[str, Any], kind: DiffType) -> None:
    assert diff(spec(), spec(**job)) is kind


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"restartNonce": 39}, DiffType.UPGRADE),
        ({"restartNonce": None}, DiffType.IGNORE),
        ({"image": "other"}, DiffType.UPGRADE),
        ({"podTemplate": {"spec": {"containers": [{"name": "x"}]}}}, DiffType.UPGRADE),
    ],
)
def test_what_a_change_of_the_spec_calls_for(fields: dict[str, Any], kind: DiffType) -> None:
    assert diff(spec(), changed(spec(), **fields)) is kind


def test_taking_a_redeploy_nonce_away_is_nothing() -> None:
    assert diff(spec(savepointRedeployNonce=1), spec()) is DiffType.IGNORE


def test_settings_of_the_operator_itself_do_not_restart_the_job() -> None:
    one = spec()
    more = one.to_dict()["flinkConfiguration"] | {"kubernetes.operator.periodic.x": "1 h"}
    assert diff(one, changed(one, flinkConfiguration=more)) is DiffType.IGNORE
    more = one.to_dict()["flinkConfiguration"] | {"state.backend.type": "rocksdb"}
    assert diff(one, changed(one, flinkConfiguration=more)) is DiffType.UPGRADE


@given(st.dictionaries(st.sampled_from(["state", "upgradeMode", "args"]), st.text(max_size=3)))
def test_nothing_differs_from_itself(job: dict[str, str]) -> None:
    one = FlinkSpec({"job": job})
    assert differences(one, one) == {}
    assert diff(one, one) is DiffType.IGNORE


def test_differences_name_old_and_new() -> None:
    assert differences(spec(), spec(state="suspended")) == {"job.state": ("running", "suspended")}


def test_configuration_may_be_nested() -> None:
    nested = FlinkSpec({"flinkConfiguration": {"s3": {"path": {"style": True}}, "a.b": 1}})
    assert nested.configuration == {"s3.path.style": "true", "a.b": "1"}


@pytest.mark.parametrize(
    ("key", "value", "on"),
    [
        ("high-availability.type", "kubernetes", True),
        ("high-availability", "ZOOKEEPER", True),
        ("high-availability.type", "none", False),
        ("high-availability.type", "NONE", False),
        ("other", "kubernetes", False),
    ],
)
def test_high_availability(key: str, value: str, *, on: bool) -> None:
    assert FlinkSpec({"flinkConfiguration": {key: value}}).high_availability is on


def test_task_managers_come_from_parallelism_unless_told() -> None:
    assert spec().task_managers == 4
    assert spec(parallelism=5).task_managers == 3
    assert changed(spec(), taskManager={"replicas": 7}).task_managers == 7


# Settings


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90 s", 90), ("5min", 300), ("500", 0.5), ("500 ms", 0.5), (" 2 h ", 7200), ("1d", 86400)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "5 weeks", "s", "-1 s", "1.5 s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match="no duration"):
        parse_duration(text)


def test_a_resource_may_overrule_the_operators_settings() -> None:
    prefix = "kubernetes.operator.job.upgrade."
    settings = OperatorSettings().for_resource(
        {
            prefix + "last-state-fallback.enabled": "false",
            prefix + "last-state.job-cancel.enabled": "TRUE",
            prefix + "last-state.max.allowed.checkpoint.age": "3 min",
        }
    )
    assert not settings.last_state_fallback
    assert settings.last_state_job_cancel
    assert settings.last_state_max_checkpoint_age == timedelta(minutes=3)
    assert settings.reconcile_interval == timedelta(seconds=15)
    assert OperatorSettings().for_resource({}) == OperatorSettings()


# Validation


def deployed(base: FlinkSpec) -> Status:
    return Status(last_reconciled=Reconciled(base, 1), reconciliation=Reconciliation.DEPLOYED)


def test_a_good_spec_has_nothing_wrong() -> None:
    assert validate(spec(), Status()) is None
    assert validate(spec(state="suspended"), deployed(spec())) is None


def test_parallelism_must_be_positive() -> None:
    assert validate(spec(parallelism=0), Status()) == "Job parallelism must be larger than 0"


def test_a_new_job_must_run() -> None:
    assert validate(spec(state="suspended"), Status()) == "Job must start in running state"


@pytest.mark.parametrize(
    ("mode", "missing", "message"),
    [
        ("last-state", "state.checkpoints.dir", "Checkpoint directory["),
        ("savepoint", "state.checkpoints.dir", "Checkpoint directory["),
        ("savepoint", "state.savepoints.dir", "Job could not be upgraded with savepoint"),
        ("last-state", "state.savepoints.dir", None),
        ("stateless", "state.checkpoints.dir", None),
    ],
)
def test_directories(mode: str, missing: str, message: str | None) -> None:
    base = spec(upgradeMode=mode)
    configuration = base.to_dict()["flinkConfiguration"]
    del configuration[missing]
    found = validate(changed(base, flinkConfiguration=configuration), Status())
    assert found is None if message is None else (found or "").startswith(message)


def test_a_redeployment_needs_a_path() -> None:
    message = "InitialSavepointPath must not be empty for savepoint redeployment"
    asked = spec(savepointRedeployNonce=1)
    assert validate(asked, deployed(spec())) == message
    assert validate(asked, deployed(asked)) is None
    assert validate(asked, Status()) is None
    with_path = spec(savepointRedeployNonce=1, initialSavepointPath="s3a://b/s/1")
    assert validate(with_path, deployed(spec())) is None
