"""What no recording shows: rules read in the operator's source, and failures in the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from harness.core.errors import ServiceError
from harness.world.control_plane.flink_operator.status import JobManager
from tests.conformance import operator_recordings as recordings
from tests.conformance.operator_simulation import Simulation

if TYPE_CHECKING:
    from harness.world.control_plane.flink_operator.clusters import ClusterRef, Submission
    from harness.world.control_plane.flink_operator.status import Status


def running(mode: str = "last-state", **job: Any) -> Simulation:
    simulation = Simulation()
    spec = recordings.spec(mode)
    spec["job"] |= job
    simulation.flink.files["savepoints/old"] = 3
    simulation.create(spec)
    simulation.run_until(30)
    assert columns(simulation) == ("RUNNING", "STABLE")
    return simulation


def status(simulation: Simulation) -> Status:
    assert simulation.status is not None
    return simulation.status


def columns(simulation: Simulation) -> tuple[str | None, str]:
    return status(simulation).job_state, status(simulation).lifecycle.value


def after(simulation: Simulation, seconds: float = 40, **spec: Any) -> Simulation:
    simulation.patch({"spec": spec})
    simulation.run_until(simulation.flink.now + seconds)
    return simulation


def test_a_first_deployment_may_start_from_a_savepoint() -> None:
    simulation = running(initialSavepointPath="savepoints/old")
    assert simulation.flink.starts[0].checkpoint == 3
    assert status(simulation).restore_mode == "savepoint"


def test_a_redeployment_starts_from_the_given_path_and_keeps_nothing() -> None:
    simulation = running()
    first = status(simulation).job_id
    after(simulation, job={"savepointRedeployNonce": 1, "initialSavepointPath": "savepoints/old"})
    assert columns(simulation) == ("RUNNING", "STABLE")
    assert simulation.flink.starts[-1].checkpoint == 3
    assert status(simulation).upgrade_savepoint_path == "savepoints/old"
    assert status(simulation).job_id != first
    assert simulation.flink.calls == ["deploy", "cancel", "delete_cluster", "deploy"]


def test_a_redeployment_leads_out_of_a_cancelled_suspension() -> None:
    simulation = after(running(), job={"state": "suspended"})
    assert columns(simulation) == ("CANCELED", "UPGRADING")
    after(
        simulation,
        job={
            "state": "running",
            "savepointRedeployNonce": 1,
            "initialSavepointPath": "savepoints/old",
        },
    )
    assert columns(simulation) == ("RUNNING", "STABLE")
    assert simulation.flink.starts[-1].checkpoint == 3


@pytest.mark.parametrize(
    ("suspended_by", "resumed_by", "restored"),
    [
        ("last-state", "last-state", True),
        ("last-state", "savepoint", True),
        ("last-state", "stateless", False),
        ("savepoint", "last-state", True),
        ("savepoint", "savepoint", True),
        ("savepoint", "stateless", False),
        ("stateless", "last-state", False),
        ("stateless", "savepoint", False),
        ("stateless", "stateless", False),
    ],
)
def test_a_resumption_inherits_the_mode_of_the_suspension_unless_stateless(
    *, suspended_by: str, resumed_by: str, restored: bool
) -> None:
    simulation = after(running(), job={"state": "suspended", "upgradeMode": suspended_by})
    assert simulation.flink.starts[1:] == []
    after(simulation, job={"state": "running", "upgradeMode": resumed_by})
    assert columns(simulation) == ("RUNNING", "STABLE")
    assert simulation.flink.starts[-1].restored is restored


@pytest.mark.parametrize("mode", ["last-state", "savepoint", "stateless"])
def test_a_nonce_alone_never_resumes(mode: str) -> None:
    simulation = after(running(), job={"state": "suspended", "upgradeMode": mode})
    before = columns(simulation)
    for nonce in (39, 40):
        after(simulation, restartNonce=nonce)
    assert columns(simulation) == before
    assert len(simulation.flink.starts) == 1


@pytest.mark.parametrize("mode", ["last-state", "savepoint", "stateless"])
def test_a_nonce_restarts_a_running_job(mode: str) -> None:
    simulation = after(running(mode), restartNonce=39)
    assert columns(simulation) == ("RUNNING", "STABLE")
    assert len(simulation.flink.starts) == 2
    assert simulation.flink.starts[-1].restored is (mode != "stateless")


def test_suspension_and_resumption_in_one_interval_are_one_upgrade() -> None:
    simulation = running()
    simulation.patch({"spec": {"job": {"state": "suspended"}}})
    simulation.patch({"spec": {"restartNonce": 39, "job": {"state": "running"}}})
    simulation.run_until(simulation.flink.now + 40)
    assert columns(simulation) == ("RUNNING", "STABLE")
    assert simulation.flink.calls.count("cancel") == 1


def test_a_validation_error_leaves_everything_else_alone() -> None:
    simulation = after(running(), job={"parallelism": 0, "state": "suspended"})
    assert columns(simulation) == ("RUNNING", "STABLE")
    assert status(simulation).error == "Job parallelism must be larger than 0"
    assert status(simulation).observed_generation == 1
    after(simulation, job={"parallelism": 1, "state": "running"})
    assert status(simulation).error is None


def test_a_bad_new_resource_is_failed_until_it_is_corrected() -> None:
    simulation = Simulation()
    spec = recordings.spec("last-state")
    spec["job"]["state"] = "suspended"
    simulation.create(spec)
    simulation.run_until(10)
    assert columns(simulation) == (None, "FAILED")
    after(simulation, job={"state": "running"})
    assert columns(simulation) == ("RUNNING", "STABLE")


def test_a_validation_error_during_an_upgrade_does_not_stop_it() -> None:
    """Read in the source: the desired state then counts as running, even after a suspension."""
    simulation = after(running(), job={"state": "suspended"})
    after(simulation, job={"parallelism": 0})
    assert status(simulation).job_state == "RUNNING"
    assert status(simulation).error == "Job parallelism must be larger than 0"


class Stubborn:
    """Refuses a call a number of times."""

    def __init__(self, simulation: Simulation, name: str, times: int) -> None:
        self._call = getattr(simulation.flink, name)
        self.left = times
        setattr(simulation.flink, name, self)

    async def __call__(self, cluster: ClusterRef, argument: Submission | str) -> object:
        if self.left:
            self.left -= 1
            raise ServiceError("refused", where="flink")
        return await self._call(cluster, argument)


@pytest.mark.parametrize("call", ["deploy", "cancel", "observe"])
def test_a_refused_call_shows_and_is_made_again(call: str) -> None:
    simulation = running()
    refusals = Stubborn(simulation, call, times=2)
    simulation.patch({"spec": {"restartNonce": 39}})
    simulation.run_until(simulation.flink.now + 6)
    assert status(simulation).error == "flink: refused"
    simulation.run_until(simulation.flink.now + 60)
    assert refusals.left == 0
    assert columns(simulation) == ("RUNNING", "STABLE")
    assert status(simulation).error is None
    assert simulation.flink.starts[-1].restored is True


def test_a_refused_first_deployment_stays_the_first() -> None:
    simulation = Simulation()
    refusals = Stubborn(simulation, "deploy", times=2)
    simulation.create(recordings.spec("last-state"))
    simulation.run_until(60)
    assert refusals.left == 0
    assert columns(simulation) == ("RUNNING", "STABLE")
    assert status(simulation).carried_out.spec.upgrade_mode == "stateless"


def test_errors_of_a_cancellation_do_not_stop_a_stateless_suspension() -> None:
    simulation = running("stateless")
    Stubborn(simulation, "cancel", times=99)
    after(simulation, job={"state": "suspended"})
    assert columns(simulation) == ("FINISHED", "SUSPENDED")
    assert status(simulation).job_manager is JobManager.MISSING


def test_the_spec_change_is_announced_with_what_changed() -> None:
    simulation = after(running(), job={"state": "suspended"})
    messages = [event.message for event in simulation.events if event.reason == "SpecChanged"]
    assert messages
    assert messages[0] == (
        "UPGRADE change(s) detected (Diff: FlinkDeploymentSpec[job.state : running -> suspended,"
        " job.upgradeMode : stateless -> last-state]), starting reconciliation."
    )
