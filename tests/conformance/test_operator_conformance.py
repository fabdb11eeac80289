"""The model of the Flink operator against recordings of the real one.

A recording was made by watching: it may miss a state that was overwritten at once, but it cannot
show one that never was, nor miss one that lasted. So every recorded state must be shown by the
model, in the same order, and whatever the model shows beyond that must have lasted no (virtual)
time at all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from harness.world.control_plane.flink_operator.spec import UpgradeMode
from harness.world.control_plane.flink_operator.status import LAST_STATE_PLACEHOLDER
from harness.world.control_plane.flink_operator.upgrade import JobUpgrade, SuspendMode
from tests.conformance import operator_recordings as recordings
from tests.conformance.fake_flink import JobStart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.conformance.operator_simulation import Seen

State = tuple[object, ...]
RECORDED = recordings.load()
PLAYED = {
    name: played
    for series in recordings.SERIES
    for name, played in recordings.play(series, RECORDED).items()
}


class _Names:
    """Gives job ids numbers in order of appearance, so that two worlds can be compared."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def job(self, job_id: str | None) -> int | None:
        return None if job_id is None else self._numbers.setdefault(job_id[:6], len(self._numbers))

    def path(self, path: str | None) -> tuple[int | None, str] | None:
        if path is None:
            return None
        if match := re.match(r"savepoints/savepoint-(\w{6})", path):
            return self.job(match[1]), "savepoint"
        if path == LAST_STATE_PLACEHOLDER:
            return None, path
        _, job_id, name = path.split("/")
        return self.job(job_id), name


def _of_model(seen: Seen, names: _Names) -> State:
    status, last = seen.status, seen.status.last_reconciled
    return (
        (seen.spec.state, seen.spec.upgrade_mode, seen.spec.restart_nonce, seen.generation),
        (status.job_state, status.job_manager, status.reconciliation, status.lifecycle),
        last and (last.spec.state, last.spec.upgrade_mode, last.spec.restart_nonce),
        (status.observed_generation, status.error),
        names.job(status.job_id),
        names.path(status.upgrade_savepoint_path),
    )


def _of_recording(line: dict[str, Any], names: _Names) -> State:
    spec, status = line["spec"], line["status"]
    last = status["lastReconciledSpec"]
    return (
        (spec["state"], spec["upgradeMode"], spec["restartNonce"], spec["generation"]),
        (
            status["jobState"],
            status["jobManagerDeploymentStatus"],
            status["reconciliationState"],
            status["lifecycleState"],
        ),
        (last["state"], last["upgradeMode"], last["restartNonce"]),
        (status["observedGeneration"], status["error"]),
        names.job(status["jobId"]),
        names.path(status["upgradeSavepointPath"]),
    )


def _recorded_states(names: tuple[str, ...]) -> dict[str, list[State]]:
    numbering, states = _Names(), {}
    for name in names:
        lines = [line for line in RECORDED[name] if line["event"] == "status"]
        kept = [
            line
            for number, line in enumerate(lines)
            if (name, number) not in recordings.DIFFERENCES
        ]
        states[name] = [_of_recording(line, numbering) for line in kept]
    return states


def _distinct(states: list[tuple[float, State]]) -> list[tuple[float, State]]:
    """Drop repetitions; the time kept is that of the first of each run."""
    return [
        (at, state)
        for number, (at, state) in enumerate(states)
        if number == 0 or states[number - 1][1] != state
    ]


def _model_states(
    names: tuple[str, ...], played: Mapping[str, recordings.Played] = PLAYED
) -> dict[str, list[tuple[float, State]]]:
    numbering = _Names()
    return {
        name: _distinct([(seen.at, _of_model(seen, numbering)) for seen in played[name].seen])
        for name in names
    }


def unmatched(shown: list[tuple[float, State]], recorded: list[State]) -> list[str]:
    """Compare two sequences; return what cannot be explained by a watcher missing moments."""
    complaints, position = [], 0
    for number, (at, state) in enumerate(shown):
        if position < len(recorded) and state == recorded[position]:
            position += 1
            continue
        is_last = number + 1 == len(shown)
        if is_last or shown[number + 1][0] > at:
            complaints.append(f"at {at:.1f} the model shows {state}, which was not recorded")
    complaints += [f"recorded, not shown: {state}" for state in recorded[position:]]
    return complaints


SCENARIOS = [(series, name) for series in recordings.SERIES for name in series]
NAMES = [name for _, name in SCENARIOS]


@pytest.mark.parametrize(("series", "name"), SCENARIOS, ids=NAMES)
def test_the_model_shows_the_recorded_states_in_order(series: tuple[str, ...], name: str) -> None:
    recorded = _recorded_states(series)[name]
    shown = _model_states(series)[name]
    assert recorded
    assert unmatched(shown, recorded) == []


def test_every_recorded_scenario_is_played() -> None:
    assert set(NAMES) == set(RECORDED)
    assert set(recordings.OUTSIDE) <= set(NAMES)


@pytest.mark.parametrize(("name", "number"), recordings.DIFFERENCES, ids=str)
def test_no_difference_is_listed_in_vain(name: str, number: int) -> None:
    lines = [line for line in RECORDED[name] if line["event"] == "status"]
    (series,) = (series for series in recordings.SERIES if name in series)
    numbering = _Names()
    shown = [_of_model(seen, numbering) for seen in PLAYED[name].seen]
    assert _of_recording(lines[number], _Names()) not in shown
    assert unmatched(_model_states(series)[name], _recorded_states(series)[name]) == []


def test_the_resource_deleted_in_f0_is_the_one_of_p4() -> None:
    (line, *_) = (line for line in RECORDED["F0"] if line["event"] == "status")
    before = PLAYED["F0"].before
    assert before is not None
    recorded, shown = _of_recording(line, _Names()), _of_model(before, _Names())
    assert recorded[0] == (*shown[0][:3], before.generation + 1)  # type: ignore[index]
    assert recorded[1:4] == shown[1:4]


_POD_STATE = re.compile(r"^torghut-ta-(?!taskmanager)\S+ \d/\d (\S+) ")


@pytest.mark.parametrize("name", NAMES)
def test_kubectl_get_shows_what_was_recorded(name: str) -> None:
    recorded = [
        recordings.Glance(
            line["job_status"],
            line["lifecycle"],
            [match[1] for pod in line["pods"] if (match := _POD_STATE.match(pod))],
        )
        for line in RECORDED[name]
        if line["event"] == "kubectl-get"
    ]
    assert PLAYED[name].glances == recorded


@pytest.mark.parametrize("name", NAMES)
def test_jobs_start_from_the_recorded_checkpoint_under_the_recorded_group(name: str) -> None:
    recorded = [
        JobStart(line["restored"], line["checkpoint"], line["env"]["TA_GROUP_ID"])
        for line in RECORDED[name]
        if line["event"] == "job-start"
    ]
    assert PLAYED[name].starts == recorded


A, B, C = ("a",), ("b",), ("c",)


@pytest.mark.parametrize(
    ("shown", "recorded", "complaints"),
    [
        ([(0.0, A), (1.0, B)], [A, B], 0),
        ([(0.0, A), (0.0, B), (0.0, C)], [A, C], 0),
        ([(0.0, A), (0.0, B), (1.0, C)], [A, C], 1),
        ([(0.0, A), (1.0, C)], [A, B, C], 3),
        ([(0.0, A), (1.0, B)], [A], 1),
        ([(0.0, B), (0.0, A)], [A, B], 1),
        ([], [A], 1),
    ],
    ids=[
        "the same",
        "a moment was missed",
        "a state that lasted was missed",
        "a state never shown",
        "a last state too many",
        "another order",
        "nothing shown",
    ],
)
def test_the_comparison_itself(
    shown: list[tuple[float, State]], recorded: list[State], complaints: int
) -> None:
    assert len(unmatched(shown, recorded)) == complaints


def _play_with(monkeypatch: pytest.MonkeyPatch, changes: Mapping[str, object]) -> dict[str, int]:
    """Return the number of complaints by scenario for a model that has been changed."""
    for name, change in changes.items():
        monkeypatch.setattr(f"harness.world.control_plane.flink_operator.{name}", change)
    found: dict[str, int] = {}
    for series in recordings.SERIES:
        shown = _model_states(series, recordings.play(series, RECORDED))
        recorded = _recorded_states(series)
        found |= {name: len(unmatched(shown[name], recorded[name])) for name in series}
    return found


def test_a_model_that_leaves_out_the_cancelled_upgrade_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = JobUpgrade(SuspendMode.SAVEPOINT, UpgradeMode.SAVEPOINT)
    complaints = _play_with(monkeypatch, {"upgrade._BY_CANCEL": wrong})
    assert complaints["S2"]
    assert complaints["F3"]
    assert not complaints["P1"]


def test_a_model_without_validation_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    complaints = _play_with(monkeypatch, {"reconciler.validate": lambda _spec, _status: None})
    assert complaints["P3"]


def test_a_model_that_upgrades_for_the_upgrade_mode_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ignored = frozenset({"initialSavepointPath"})
    complaints = _play_with(monkeypatch, {"spec._IGNORED_JOB_FIELDS": ignored})
    assert complaints["F3"]
