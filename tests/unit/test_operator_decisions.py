from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from harness.world.control_plane.flink_operator import observer
from harness.world.control_plane.flink_operator.clusters import (
    Checkpoints,
    Deployment,
    JobView,
    Observation,
)
from harness.world.control_plane.flink_operator.settings import OperatorSettings
from harness.world.control_plane.flink_operator.spec import FlinkSpec, UpgradeMode
from harness.world.control_plane.flink_operator.status import (
    MISSING_JOB_MANAGER,
    UNKNOWN_CHECKPOINT,
    JobManager,
    Reconciled,
    Reconciliation,
    Status,
)
from harness.world.control_plane.flink_operator.upgrade import (
    JobUpgrade,
    SuspendMode,
    UpgradeError,
    choose_upgrade,
)

NOW = datetime(2026, 7, 20, 14, 0, tzinfo=UTC)
HA = {"high-availability.type": "kubernetes"}
RUNNING_JOB = JobView("RUNNING")


def spec(mode: str, configuration: dict[str, str] | None = None) -> FlinkSpec:
    return FlinkSpec(
        {
            "flinkConfiguration": configuration or {},
            "job": {"state": "running", "upgradeMode": mode},
        }
    )


def status(job_state: str, base: FlinkSpec | None = None, **fields: Any) -> Status:
    one = Status(
        job_state=job_state,
        job_id="ab",
        job_manager=JobManager.READY,
        reconciliation=Reconciliation.DEPLOYED,
        last_reconciled=Reconciled(base or spec("last-state"), 1),
    )
    for name, value in fields.items():
        setattr(one, name, value)
    return one


def choose(
    mode: str,
    now: Status,
    seen: Observation | None = None,
    settings: OperatorSettings | None = None,
    configuration: dict[str, str] | None = None,
) -> JobUpgrade | None:
    return choose_upgrade(
        spec(mode, configuration), now, seen or Observation(), settings or OperatorSettings(), NOW
    )


# How a job is ended


@pytest.mark.parametrize(
    ("mode", "suspend", "restore"),
    [
        ("stateless", SuspendMode.STATELESS, UpgradeMode.STATELESS),
        ("savepoint", SuspendMode.SAVEPOINT, UpgradeMode.SAVEPOINT),
        ("last-state", SuspendMode.CANCEL, UpgradeMode.SAVEPOINT),
    ],
)
def test_a_running_job_without_high_availability(
    mode: str, suspend: SuspendMode, restore: UpgradeMode
) -> None:
    assert choose(mode, status("RUNNING")) == JobUpgrade(suspend, restore)


def test_a_running_job_with_metadata_is_ended_by_deleting_its_cluster() -> None:
    now = status("RUNNING", spec("last-state", HA))
    found = choose("last-state", now, Observation(ha_metadata=True), configuration=HA)
    assert found == JobUpgrade(SuspendMode.LAST_STATE, UpgradeMode.LAST_STATE)


@pytest.mark.parametrize(
    ("deployed", "wanted"), [({}, HA), (HA, {})], ids=["not before", "no longer"]
)
def test_metadata_counts_only_when_high_availability_was_and_is_on(
    deployed: dict[str, str], wanted: dict[str, str]
) -> None:
    now = status("RUNNING", spec("last-state", deployed))
    found = choose("last-state", now, Observation(ha_metadata=True), configuration=wanted)
    assert found is not None
    assert found.suspend is SuspendMode.CANCEL


@pytest.mark.parametrize("state", ["RECONCILING", "INITIALIZING", "CREATED", "RESTARTING"])
@pytest.mark.parametrize("mode", ["savepoint", "last-state"])
def test_a_job_that_does_not_run_is_waited_for(state: str, mode: str) -> None:
    assert choose(mode, status(state)) is None


@pytest.mark.parametrize("manager", [JobManager.MISSING, JobManager.ERROR])
def test_a_lost_job_manager_cannot_be_upgraded(manager: JobManager) -> None:
    with pytest.raises(UpgradeError) as caught:
        choose("last-state", status("RECONCILING", job_manager=manager))
    assert caught.value.what == MISSING_JOB_MANAGER
    assert caught.value.reason == "UpgradeFailed"


def test_a_savepoint_falls_back_to_the_last_state_unless_that_is_off() -> None:
    now = status("RECONCILING", spec("savepoint", HA))
    seen = Observation(ha_metadata=True)
    found = choose("savepoint", now, seen, configuration=HA)
    assert found == JobUpgrade(SuspendMode.LAST_STATE, UpgradeMode.LAST_STATE)
    strict = OperatorSettings(last_state_fallback=False)
    assert choose("savepoint", now, seen, strict, HA) is None


@pytest.mark.parametrize("state", ["CANCELED", "FAILED", "FINISHED"])
def test_an_ended_job_is_upgraded_from_its_known_checkpoint(state: str) -> None:
    now = status(state, upgrade_savepoint_path="s3a://b/chk-6")
    assert choose("last-state", now) == JobUpgrade(SuspendMode.NOOP, UpgradeMode.SAVEPOINT)


def test_an_ended_job_without_a_known_checkpoint_needs_somebody() -> None:
    with pytest.raises(UpgradeError) as caught:
        choose("savepoint", status("FAILED"))
    assert caught.value.what == UNKNOWN_CHECKPOINT


def test_an_ended_job_may_always_go_stateless() -> None:
    found = choose("stateless", status("FAILED"))
    assert found == JobUpgrade(SuspendMode.NOOP, UpgradeMode.STATELESS)


def test_a_cancellation_under_way_is_waited_for() -> None:
    assert choose("last-state", status("CANCELLING")) is None


@pytest.mark.parametrize(
    ("completed", "pending", "started", "expected"),
    [
        (2, None, 60, SuspendMode.CANCEL),
        (30, None, 60, SuspendMode.SAVEPOINT),
        (None, None, 60, SuspendMode.SAVEPOINT),
        (None, None, 2, SuspendMode.CANCEL),
        (30, 1, 60, None),
        (2, 1, 60, SuspendMode.CANCEL),
    ],
    ids=["young", "old", "none", "just started", "one under way", "young and one under way"],
)
def test_checkpoints_that_are_too_old(
    completed: int | None, pending: int | None, started: int, expected: SuspendMode | None
) -> None:
    def ago(minutes: int | None) -> datetime | None:
        return None if minutes is None else NOW - timedelta(minutes=minutes)

    start = NOW - timedelta(minutes=started)
    now = status("RUNNING", start_time=str(int(start.timestamp() * 1000)))
    checkpoints = Checkpoints(completed_at=ago(completed), pending_since=ago(pending))
    settings = OperatorSettings(last_state_max_checkpoint_age=timedelta(minutes=5))
    found = choose("last-state", now, Observation(checkpoints=checkpoints), settings)
    assert (found and found.suspend) is expected


# What is made of an observation


def observe(now: Status, seen: Observation) -> list[str]:
    return [event.reason.value for event in observer.observe(now, seen, now=1000)]


@pytest.mark.parametrize(
    ("before", "deployment", "after"),
    [
        (JobManager.DEPLOYING, Deployment.STARTING, JobManager.DEPLOYING),
        (JobManager.DEPLOYING, Deployment.AVAILABLE, JobManager.DEPLOYED_NOT_READY),
        (JobManager.DEPLOYED_NOT_READY, Deployment.AVAILABLE, JobManager.DEPLOYED_NOT_READY),
        (JobManager.DEPLOYED_NOT_READY, Deployment.STARTING, JobManager.DEPLOYING),
        (JobManager.READY, Deployment.STARTING, JobManager.DEPLOYING),
        (JobManager.READY, Deployment.AVAILABLE, JobManager.DEPLOYED_NOT_READY),
        (JobManager.READY, Deployment.ABSENT, JobManager.MISSING),
    ],
)
def test_the_job_manager_while_its_rest_api_is_silent(
    before: JobManager, deployment: Deployment, after: JobManager
) -> None:
    now = status("RECONCILING", job_manager=before)
    observe(now, Observation(deployment))
    assert now.job_manager is after


def test_a_silent_rest_api_makes_a_running_job_uncertain() -> None:
    now = status("RUNNING")
    observe(now, Observation(Deployment.AVAILABLE))
    assert now.job_state == "RECONCILING"
    now = status("INITIALIZING")
    observe(now, Observation(Deployment.AVAILABLE))
    assert now.job_state == "INITIALIZING"


def test_a_missing_deployment_is_reported_once() -> None:
    now = status("RUNNING")
    absent = Observation()
    assert observe(now, absent) == ["Missing"]
    assert now.error == observer.MISSING_DEPLOYMENT
    assert observe(now, absent) == []


def test_a_suspended_job_is_left_alone() -> None:
    now = status("FINISHED", job_manager=JobManager.MISSING)
    now.adjust_last_reconciled(state="suspended")
    assert observe(now, Observation()) == []
    assert (now.job_state, now.job_manager) == ("FINISHED", JobManager.MISSING)


def test_pods_that_cannot_be_made_are_an_error_once() -> None:
    now = status("RECONCILING", job_manager=JobManager.DEPLOYING)
    seen = Observation(Deployment.STARTING, deployment_error="quota exceeded")
    assert observe(now, seen) == ["ClusterDeploymentException"]
    assert (now.job_manager, now.error) == (JobManager.ERROR, "quota exceeded")
    assert observe(now, seen) == []


def test_a_running_job_proves_its_spec() -> None:
    now = status("CREATED", error="Job Not Found")
    seen = Observation(Deployment.AVAILABLE, reachable=True, job=RUNNING_JOB)
    assert observe(now, seen) == ["JobStatusChanged"]
    assert now.stable
    assert now.error is None
    assert now.update_time == "1000"
    assert observe(now, seen) == []


def test_a_job_that_the_rest_api_does_not_list() -> None:
    now = status("CANCELLING", reconciliation=Reconciliation.UPGRADING)
    assert observe(now, Observation(Deployment.AVAILABLE, reachable=True)) == ["Missing"]
    assert now.error == observer.JOB_NOT_FOUND
    assert now.job_state == "RECONCILING"
    assert now.reconciliation is Reconciliation.DEPLOYED


def ended(state: str, checkpoints: Checkpoints, error: str | None = None) -> Observation:
    job = JobView(state, error=error)
    return Observation(Deployment.AVAILABLE, reachable=True, job=job, checkpoints=checkpoints)


def test_a_cancelled_job_leaves_its_newest_checkpoint() -> None:
    now = status("CANCELLING", reconciliation=Reconciliation.UPGRADING)
    observe(now, ended("CANCELED", Checkpoints(latest="s3a://b/chk-6")))
    assert now.suspended
    assert now.upgrade_savepoint_path == "s3a://b/chk-6"
    assert now.reconciliation is Reconciliation.UPGRADING


def test_a_job_that_ends_while_being_cancelled_counts_as_cancelled() -> None:
    now = status("CANCELLING", reconciliation=Reconciliation.UPGRADING)
    observe(now, ended("FAILED", Checkpoints()))
    assert now.suspended


def test_a_failed_job_says_why() -> None:
    now = status("RUNNING", upgrade_savepoint_path="s3a://b/chk-5")
    observe(now, ended("FAILED", Checkpoints(), "java.lang.Exception: no"))
    assert now.error == "java.lang.Exception: no"
    assert now.upgrade_savepoint_path == "s3a://b/chk-5"
    assert not now.suspended


def test_a_job_manager_that_goes_away_in_between_is_an_error() -> None:
    with pytest.raises(observer.ObservationError, match="Could not observe latest savepoint"):
        observe(status("RUNNING"), ended("FAILED", Checkpoints(readable=False)))


@pytest.mark.parametrize(
    ("fields", "observed", "asked"),
    [
        ({}, True, True),
        ({"job_manager": JobManager.DEPLOYING}, True, False),
        ({"reconciliation": Reconciliation.UPGRADING}, False, False),
        ({"last_reconciled": None}, False, False),
    ],
)
def test_when_the_operator_looks(fields: dict[str, Any], *, observed: bool, asked: bool) -> None:
    now = status("RUNNING", **fields)
    assert observer.is_observed(now) is observed
    assert observer.asks_for_job(now) is asked


def test_the_operator_looks_at_a_cancellation_though_it_is_upgrading() -> None:
    now = status("CANCELLING", reconciliation=Reconciliation.UPGRADING)
    assert observer.asks_for_job(now)
