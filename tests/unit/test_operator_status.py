from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.world.control_plane.flink_operator.spec import FlinkSpec
from harness.world.control_plane.flink_operator.status import (
    LAST_STATE_PLACEHOLDER,
    LOST_HA_METADATA,
    MISSING_JOB_MANAGER,
    JobManager,
    Lifecycle,
    Reconciled,
    Reconciliation,
    Status,
)

RUNNING = Reconciled(FlinkSpec({"job": {"state": "running", "upgradeMode": "stateless"}}), 1)
SUSPENDED = RUNNING.with_job(state="suspended")
DEPLOYED = Reconciliation.DEPLOYED


def status(**fields: Any) -> Status:
    return Status(**{"last_reconciled": RUNNING, "reconciliation": DEPLOYED, **fields})


@pytest.mark.parametrize(
    ("fields", "lifecycle"),
    [
        ({"last_reconciled": None}, Lifecycle.CREATED),
        ({"last_reconciled": None, "error": "bad"}, Lifecycle.FAILED),
        ({"reconciliation": Reconciliation.UPGRADING}, Lifecycle.UPGRADING),
        ({"reconciliation": Reconciliation.UPGRADING, "job_state": "FAILED"}, Lifecycle.UPGRADING),
        ({"last_reconciled": SUSPENDED}, Lifecycle.SUSPENDED),
        ({"job_state": "RECONCILING"}, Lifecycle.DEPLOYED),
        ({"job_state": "RUNNING", "last_stable": RUNNING}, Lifecycle.STABLE),
        ({"job_state": "FAILED", "last_stable": RUNNING}, Lifecycle.FAILED),
        ({"job_manager": JobManager.MISSING, "error": MISSING_JOB_MANAGER}, Lifecycle.FAILED),
        ({"job_manager": JobManager.ERROR, "error": LOST_HA_METADATA}, Lifecycle.FAILED),
        ({"job_manager": JobManager.READY, "error": MISSING_JOB_MANAGER}, Lifecycle.DEPLOYED),
        ({"job_manager": JobManager.MISSING, "error": "other"}, Lifecycle.DEPLOYED),
    ],
)
def test_lifecycle(fields: dict[str, Any], lifecycle: Lifecycle) -> None:
    assert status(**fields).lifecycle is lifecycle


def test_the_last_reconciled_spec_is_json_text_with_metadata() -> None:
    text = status().to_dict()["reconciliationStatus"]["lastReconciledSpec"]
    assert json.loads(text) == {
        "spec": {"job": {"state": "running", "upgradeMode": "stateless"}},
        "resource_metadata": {
            "apiVersion": "flink.apache.org/v1beta1",
            "metadata": {"generation": 1},
            "firstDeployment": False,
        },
    }


@pytest.mark.parametrize(
    ("path", "known"), [(None, False), ("", False), (LAST_STATE_PLACEHOLDER, False), ("s3a", True)]
)
def test_a_known_checkpoint(path: str | None, *, known: bool) -> None:
    assert status(upgrade_savepoint_path=path).checkpoint_known is known


def test_what_was_never_reconciled_cannot_be_asked_for() -> None:
    with pytest.raises(LookupError):
        _ = Status().carried_out


def test_a_first_deployment_that_failed_is_still_the_first() -> None:
    first = Reconciled(RUNNING.spec, 1, first_deployment=True)
    upgrading = Reconciliation.UPGRADING
    assert Status().before_first_deployment
    assert status(last_reconciled=first, reconciliation=upgrading).before_first_deployment
    assert not status(last_reconciled=first).before_first_deployment
    assert not status(reconciliation=upgrading).before_first_deployment


def test_a_changed_spec_is_no_longer_stable() -> None:
    one = status(job_state="RUNNING")
    one.mark_stable()
    assert one.stable
    one.adjust_last_reconciled(upgradeMode="savepoint")
    assert not one.stable
    assert one.restore_mode == "savepoint"


def test_a_copy_is_independent() -> None:
    one = status(cluster_info={"a": "b"})
    other = one.copy()
    other.cluster_info["a"] = "c"
    other.adjust_last_reconciled(state="suspended")
    assert one.cluster_info == {"a": "b"}
    assert not one.suspended


def test_an_empty_status_is_a_new_one() -> None:
    assert Status.from_dict("torghut-ta", None) == Status(name="torghut-ta")
    assert Status.from_dict("torghut-ta", {}) == Status(name="torghut-ta")


_TEXT = st.none() | st.text(min_size=1, max_size=5)
_RECONCILED = st.none() | st.builds(
    Reconciled,
    st.builds(FlinkSpec, st.fixed_dictionaries({"job": st.fixed_dictionaries({"x": _TEXT})})),
    st.integers(1, 9),
    st.booleans(),
)


@given(
    st.builds(
        Status,
        name=st.just("torghut-ta"),
        job_state=_TEXT,
        job_id=_TEXT,
        job_name=_TEXT,
        start_time=_TEXT,
        update_time=_TEXT,
        upgrade_savepoint_path=_TEXT,
        job_manager=st.sampled_from(JobManager),
        reconciliation=st.sampled_from(Reconciliation),
        last_reconciled=st.just(RUNNING) | _RECONCILED.filter(lambda one: one is None),
        last_stable=_RECONCILED,
        reconciliation_timestamp=st.integers(1, 10**13),
        error=_TEXT,
        observed_generation=st.none() | st.integers(1, 99),
        cluster_info=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
        task_managers=st.integers(0, 9),
    )
)
def test_nothing_is_forgotten_between_two_reconciliations(one: Status) -> None:
    stored = json.loads(json.dumps(one.to_dict()))
    assert Status.from_dict("torghut-ta", stored) == one


def test_fields_are_named_as_in_the_custom_resource() -> None:
    found = status(job_state="RUNNING", job_id="ab", task_managers=4, name="torghut-ta").to_dict()
    assert found["jobStatus"]["state"] == "RUNNING"
    assert found["jobManagerDeploymentStatus"] == "MISSING"
    assert found["reconciliationStatus"]["state"] == "DEPLOYED"
    assert found["lifecycleState"] == "DEPLOYED"
    assert found["taskManager"] == {
        "labelSelector": "component=taskmanager,app=torghut-ta",
        "replicas": 4,
    }
    assert "error" not in found
