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

from tests.conformance import operator_recordings as recordings

if TYPE_CHECKING:
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


def _model_states(names: tuple[str, ...]) -> dict[str, list[tuple[float, State]]]:
    numbering = _Names()
    return {
        name: _distinct([(seen.at, _of_model(seen, numbering)) for seen in PLAYED[name].seen])
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
    assert unmatched(shown, recorded) == []
