"""What the operator does where high availability is on, by the table measured with the real one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from harness.world.control_plane.flink_operator.status import (
    LAST_STATE_PLACEHOLDER,
    LOST_HA_METADATA,
    MISSING_JOB_MANAGER,
)
from tests.conformance import operator_recordings as recordings
from tests.conformance.fake_flink import JobStart
from tests.conformance.operator_simulation import Simulation

if TYPE_CHECKING:
    from harness.world.control_plane.flink_operator.status import (
        Status,
    )

SUSPEND = {"spec": {"job": {"state": "suspended"}}}
RESUME = {"spec": {"restartNonce": 53, "job": {"state": "running"}}}


def ha_spec(**configuration: str) -> dict[str, Any]:
    spec = recordings.spec("last-state")
    spec["flinkConfiguration"] |= {"high-availability.type": "kubernetes", **configuration}
    return spec


def running(**configuration: str) -> Simulation:
    simulation = Simulation()
    simulation.flink.newest = 9
    simulation.create(ha_spec(**configuration))
    simulation.run_until(30)
    assert columns(simulation) == ("RUNNING", "READY", "STABLE")
    return simulation


def status(simulation: Simulation) -> Status:
    assert simulation.status is not None
    return simulation.status


def columns(simulation: Simulation) -> tuple[str | None, str, str]:
    now = status(simulation)
    return now.job_state, now.job_manager.value, now.lifecycle.value


def after(simulation: Simulation, patch: dict[str, Any], seconds: float = 40) -> Simulation:
    simulation.patch(patch)
    simulation.run_until(simulation.flink.now + seconds)
    return simulation


def test_suspension_deletes_the_deployment_and_keeps_the_metadata() -> None:
    simulation = after(running(), SUSPEND)
    assert columns(simulation) == ("FINISHED", "MISSING", "SUSPENDED")
    assert simulation.flink.ha_metadata
    assert simulation.flink.pods() == []
    assert status(simulation).upgrade_savepoint_path == LAST_STATE_PLACEHOLDER
    assert status(simulation).restore_mode.value == "last-state"


def test_resumption_keeps_the_job_id_and_restores() -> None:
    simulation = after(running(), SUSPEND)
    job_id = status(simulation).job_id
    after(simulation, RESUME)
    assert columns(simulation) == ("RUNNING", "READY", "STABLE")
    assert status(simulation).job_id == job_id
    assert simulation.flink.starts[-1] == JobStart(restored=True, checkpoint=9, group=None)


def test_the_state_is_the_one_that_a_recording_begins_with() -> None:
    simulation = after(after(running(), SUSPEND), RESUME)
    recorded = recordings.load()["P0"][1]["status"]
    now = status(simulation)
    assert now.upgrade_savepoint_path == recorded["upgradeSavepointPath"]
    assert columns(simulation) == (
        recorded["jobState"],
        recorded["jobManagerDeploymentStatus"],
        recorded["lifecycleState"],
    )
    assert now.carried_out.spec.upgrade_mode == recorded["lastReconciledSpec"]["upgradeMode"]
    assert now.carried_out.spec.restart_nonce == recorded["lastReconciledSpec"]["restartNonce"]


def lost_metadata() -> Simulation:
    simulation = after(running(), SUSPEND)
    simulation.flink.ha_metadata = False
    return simulation


def test_resumption_without_metadata_fails_for_ever() -> None:
    simulation = after(lost_metadata(), RESUME, seconds=120)
    assert columns(simulation) == ("FINISHED", "MISSING", "UPGRADING")
    assert status(simulation).error == LOST_HA_METADATA
    assert simulation.flink.calls.count("deploy") > 5
    reasons = [event.reason for event in simulation.events if event.warning]
    assert set(reasons) == {"RestoreFailed"}


def test_a_stateless_resumption_without_metadata_fails_once() -> None:
    simulation = lost_metadata()
    after(simulation, {"spec": {"job": {"state": "running", "upgradeMode": "stateless"}}})
    assert columns(simulation) == ("RUNNING", "READY", "STABLE")
    assert status(simulation).error is None
    assert simulation.flink.starts[-1].restored is False
    assert [event.reason for event in simulation.events if event.warning] == ["RestoreFailed"]


def test_a_nonce_alone_restores_from_metadata() -> None:
    simulation = after(running(), {"spec": {"restartNonce": 39}})
    assert columns(simulation) == ("RUNNING", "READY", "STABLE")
    assert simulation.flink.starts[-1].restored is True
    assert "delete_cluster keeping HA data" in simulation.flink.calls


@pytest.mark.parametrize(
    ("configuration", "metadata"),
    [
        ({"kubernetes.operator.job.upgrade.last-state.job-cancel.enabled": "true"}, True),
        ({}, False),
    ],
    ids=["cancellation is asked for", "metadata is missing"],
)
def test_a_suspension_that_cancels_never_ends(
    *, configuration: dict[str, str], metadata: bool
) -> None:
    simulation = running(**configuration)
    simulation.flink.ha_metadata = metadata
    after(simulation, SUSPEND)
    assert columns(simulation) == ("CANCELED", "READY", "UPGRADING")
    assert status(simulation).restore_mode.value == "savepoint"


def test_stateless_suspension_deletes_the_metadata() -> None:
    simulation = running()
    after(simulation, {"spec": {"job": {"state": "suspended", "upgradeMode": "stateless"}}})
    assert columns(simulation) == ("FINISHED", "MISSING", "SUSPENDED")
    assert not simulation.flink.ha_metadata


def test_a_lost_job_manager_is_recovered() -> None:
    simulation = running()
    simulation.flink.cluster = None
    simulation.run_until(simulation.flink.now + 60)
    assert columns(simulation) == ("RUNNING", "READY", "STABLE")
    assert "RecoverDeployment" in {event.reason for event in simulation.events}
    assert simulation.flink.starts[-1].restored is True


def test_without_high_availability_a_lost_job_manager_stays_lost() -> None:
    simulation = Simulation()
    simulation.create(recordings.spec("last-state"))
    simulation.run_until(30)
    simulation.flink.cluster = None
    simulation.run_until(60)
    assert columns(simulation) == ("RECONCILING", "MISSING", "STABLE")
    after(simulation, {"spec": {"restartNonce": 39}})
    assert columns(simulation) == ("RECONCILING", "MISSING", "FAILED")
    assert status(simulation).error == MISSING_JOB_MANAGER
    assert "UpgradeFailed" in {event.reason for event in simulation.events}
    after(simulation, {"spec": {"restartNonce": 40, "job": {"upgradeMode": "stateless"}}})
    assert columns(simulation) == ("RUNNING", "READY", "STABLE")
