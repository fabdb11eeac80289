"""The lag of a replay as the monitor sees it: known only where it can be known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.checks.evidence import JobRun
from harness.replay.observe.monitor import Monitor
from tests.conftest import LIVE, REPLAY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.checks.evidence import Partition

TRADES, QUOTES, BARS = ("trades", 0), ("quotes", 0), ("bars1m", 0)
LATEST: dict[Partition, int] = {TRADES: 100, QUOTES: 200, BARS: 10, ("trades", 1): 0}


class Brokers:
    def latest(self, topics: Iterable[str]) -> dict[Partition, int]:
        assert list(topics) == ["bars1m", "quotes", "trades"]
        return LATEST


def lag(run: JobRun | None, committed: dict[Partition, int], *, fresh: bool = True) -> int | None:
    monitor = object.__new__(Monitor)
    monitor._brokers = Brokers()  # type: ignore[assignment]
    monitor._replay, monitor._topics = REPLAY, ["bars1m", "quotes", "trades"]
    monitor._fresh, monitor._earliest = fresh, 10
    return monitor._lag(run, committed)


def job(
    state: str = "RUNNING", restored: str | None = None, group: str = REPLAY, read: int = 0
) -> JobRun:
    return JobRun("2" * 32, state, restored, {"trades": read}, group)


def test_job_with_empty_state_and_a_fresh_group_is_where_its_counters_say() -> None:
    assert lag(job(), {}) == 300
    assert lag(job(read=100), {TRADES: 100}) == 200
    assert lag(job(read=300), {}) == 0


@pytest.mark.parametrize("run", [None, job(group=LIVE), job(restored="s3a://x/chk-5")])
def test_without_a_commit_there_is_no_lag_of_any_other_job(run: JobRun | None) -> None:
    assert lag(run, {}) is None


@pytest.mark.parametrize("state", ["CREATED", "INITIALIZING", "RESTARTING", "FAILED"])
def test_before_it_runs_a_job_may_still_restore_something(state: str) -> None:
    assert lag(job(state), {}) is None


def test_restored_job_has_a_lag_once_every_source_has_committed() -> None:
    restored = job(restored="s3a://x/chk-5")
    assert lag(restored, {BARS: 10}) is None
    assert lag(restored, {BARS: 10, TRADES: 100}) is None
    assert lag(restored, {BARS: 10, TRADES: 90, QUOTES: 200}) == 10


@pytest.mark.parametrize("run", [None, job()])
def test_group_that_was_used_before_has_the_lag_of_its_commits(run: JobRun | None) -> None:
    assert lag(run, {BARS: 10, TRADES: 100, QUOTES: 200}, fresh=False) == 0
