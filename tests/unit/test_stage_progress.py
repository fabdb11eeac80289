"""When a rehearsal stops waiting for the replay: once the replay itself has caught up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from harness.checks.evidence import JobRun, Sample
from harness.replay.stage import Stage
from tests.conftest import LIVE

OLD, NEW = JobRun("1" * 32, "FINISHED", None, {}, LIVE), JobRun("2" * 32, "RUNNING", None, {}, LIVE)
COMMITTED = {("trades", 0): 100}


def progress(runs: list[JobRun], checkpoints: int, lag: int | None) -> dict[str, Any]:
    stage = object.__new__(Stage)
    sample = Sample(1.0, runs[-1].state, lag, COMMITTED, COMMITTED)
    stage._live_run = OLD
    stage._monitor = SimpleNamespace(samples=[sample], job_down=lambda: False)  # type: ignore[assignment]
    stage._jobs = SimpleNamespace(  # type: ignore[assignment]
        runs=tuple(runs), completed_checkpoints={NEW.job_id: checkpoints}.get
    )
    return stage._progress_of_replay()


def test_commits_of_an_earlier_replay_are_no_progress() -> None:
    assert progress([OLD], 0, lag=0)["lag"] is None
    assert progress([OLD, NEW], 0, lag=0)["lag"] is None


def test_lag_counts_once_the_replay_has_completed_a_checkpoint() -> None:
    assert progress([OLD, NEW], 1, lag=40)["lag"] == 40
    assert progress([OLD, NEW], 2, lag=0)["lag"] == 0
