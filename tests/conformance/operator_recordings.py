"""Recordings of the real operator, and the outside events that were not recorded as such."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.conformance.fake_flink import FakeFlink, Phase
from tests.conformance.operator_simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.conformance.fake_flink import JobStart
    from tests.conformance.operator_simulation import Seen

Line = dict[str, Any]
FILE: Final = Path(__file__).parent / "data" / "operator-traces.jsonl"
SERIES: Final = (
    ("NOHA", "S2", "S3", "S4", "S5", "S6", "S6b"),
    ("P0", "P1", "P2", "P3", "P4", "F0", "F1", "F2", "F3"),
)
"""Scenarios that ran one after the other on one API server, each from where the last one ended."""

CREATIONS: Final = {"NOHA": "last-state", "P0": "savepoint", "F0": "last-state"}
"""Scenarios that begin with a new FlinkDeployment, and its upgradeMode."""

DIFFERENCES: Final = {
    ("P0", 0): "shows the resource of an earlier series, which was not recorded, before it is"
    " deleted",
    ("F0", 0): "deletion moves the generation of the resource of P4; deletion itself is the API"
    " server's work and is not simulated",
}
"""Status lines (scenario, number in it) that the model does not show, and why."""


def load() -> dict[str, list[Line]]:
    """Return the lines of each scenario, in order."""
    scenarios: dict[str, list[Line]] = {}
    for text in FILE.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        scenarios.setdefault(line["scenario"], []).append(line)
    return scenarios


def spec(upgrade_mode: str) -> dict[str, Any]:
    """Return the spec that the recordings began with."""
    return {
        "restartNonce": 38,
        "flinkConfiguration": {
            "execution.checkpointing.dir": "file:///state/checkpoints",
            "execution.checkpointing.savepoint-dir": "file:///state/savepoints",
        },
        "job": {"state": "running", "upgradeMode": upgrade_mode, "parallelism": 1},
    }


@dataclass(frozen=True)
class Outside:
    """Something that happened outside the operator.

    Attributes:
        at: seconds since the scenario began.
        what: does it to Flink.
    """

    at: float
    what: Callable[[FakeFlink], None]


def _group(name: str) -> Callable[[FakeFlink], None]:
    def tell(flink: FakeFlink) -> None:
        flink.environment["TA_GROUP_ID"] = name

    return tell


def _newest(number: int, *, subsumed: bool = False) -> Callable[[FakeFlink], None]:
    def tell(flink: FakeFlink) -> None:
        flink.newest, flink.subsumed = number, subsumed

    return tell


def _slots(*, at_once: bool) -> Callable[[FakeFlink], None]:
    def tell(flink: FakeFlink) -> None:
        flink.slots_at_once = at_once

    return tell


def _phase(phase: Phase) -> Callable[[FakeFlink], None]:
    def tell(flink: FakeFlink) -> None:
        if flink.cluster is not None:
            flink.cluster.phase = phase

    return tell


OUTSIDE: Final[dict[str, tuple[Outside, ...]]] = {
    "NOHA": (Outside(0, _group("torghut-ta-live")), Outside(0, _slots(at_once=False))),
    "S2": (Outside(0, _newest(6)),),
    "S4": (Outside(0, _slots(at_once=False)),),
    # The stale-checkpoint race: chk-11 was shown, chk-12 had taken its place.
    "S5": (
        Outside(3, _newest(11, subsumed=True)),
        Outside(11, _phase(Phase.PORT_OPEN)),
        Outside(36, _phase(Phase.FAILED_THEN_GONE)),
    ),
    "S6": (
        Outside(10, FakeFlink.delete_checkpoints),
        Outside(12.9, _phase(Phase.BACKOFF)),
        Outside(15, _phase(Phase.PORT_OPEN)),
        Outside(28, _phase(Phase.FAILED)),
        Outside(36, _phase(Phase.PORT_OPEN)),
        Outside(56, _phase(Phase.FAILED_THEN_GONE)),
        Outside(56.5, _phase(Phase.NO_JOB)),
    ),
    "S6b": (Outside(0, _phase(Phase.BACKOFF)), Outside(0, _slots(at_once=False))),
    "P0": (Outside(0, _group("ha-replay-1")), Outside(0, _slots(at_once=True))),
    "P1": (Outside(0, _newest(7)),),
    "P4": (Outside(0, _newest(25)), Outside(0, _slots(at_once=False))),
    "F0": (Outside(0, _slots(at_once=True)),),
    "F1": (
        Outside(0, _newest(6)),
        Outside(10, FakeFlink.delete_checkpoints),
        Outside(25, _phase(Phase.PORT_OPEN)),
        Outside(36, _phase(Phase.NO_JOB)),
        Outside(36.5, _phase(Phase.INITIALIZING)),
        # The operator is waiting for a silent REST API when the next scenario begins.
        Outside(38.5, _phase(Phase.BACKOFF)),
    ),
    "F2": (Outside(0, _slots(at_once=True)),),
    "F3": (Outside(0, _newest(8)), Outside(0, _slots(at_once=False))),
}
"""What happened without being recorded as an event, put where the recording shows it: how fast
slots came, which checkpoint was the newest, how far a crashing JobManager had come, which group
the ConfigMap named at first."""


@dataclass(frozen=True)
class Glance:
    """What ``kubectl get`` showed: printer columns and the JobManager pod's state."""

    job_status: str
    lifecycle: str
    pods: list[str]


@dataclass
class Played:
    """What the model did with the events of one scenario."""

    before: Seen | None = None
    seen: list[Seen] = field(default_factory=list)
    glances: list[Glance] = field(default_factory=list)
    starts: list[JobStart] = field(default_factory=list)


def play(series: Iterable[str], recordings: dict[str, list[Line]]) -> dict[str, Played]:
    """Feed the patches and outside events of scenarios to a model, one after the other.

    All of a series is put on the agenda first: a reconciliation that waits for a time-out may
    reach from one scenario into the next.
    """
    simulation, start = Simulation(), 0.0
    played = {name: Played() for name in series}
    for name, record in played.items():
        simulation.at(start, partial(_begin, simulation, record))
        _schedule_scenario(simulation, start, name, recordings[name], record)
        start += max(line.get("t", 0) for line in recordings[name])
    simulation.run_until(start)
    return played


def _begin(simulation: Simulation, record: Played) -> None:
    record.before = simulation.seen[-1] if simulation.seen else None
    simulation.seen, simulation.flink.starts = record.seen, record.starts


def _schedule_scenario(
    simulation: Simulation, start: float, name: str, lines: list[Line], record: Played
) -> None:
    if name in CREATIONS:
        simulation.at(start, lambda: simulation.create(spec(CREATIONS[name])))
    for event in OUTSIDE.get(name, ()):
        _schedule_outside(simulation, start, event)
    for line in lines:
        _schedule(simulation, start, line, record.glances)


def _schedule_outside(simulation: Simulation, start: float, event: Outside) -> None:
    def happen() -> None:
        event.what(simulation.flink)
        simulation.wake()

    simulation.at(start + event.at, happen)


def _schedule(simulation: Simulation, start: float, line: Line, glances: list[Glance]) -> None:
    actions: dict[str, Callable[[], None]] = {
        "patch": lambda: simulation.patch(line["patch"]),
        "configmap": lambda: simulation.flink.environment.update(line["data"]),
        "kubectl-get": lambda: glances.append(_glance(simulation)),
    }
    if line["event"] in actions:
        simulation.at(start + line["t"], actions[line["event"]])


def _glance(simulation: Simulation) -> Glance:
    assert simulation.status is not None
    status = simulation.status.to_dict()
    return Glance(status["jobStatus"]["state"], status["lifecycleState"], simulation.flink.pods())
