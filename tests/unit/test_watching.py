from __future__ import annotations

import asyncio
import os
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from harness.core.errors import ServiceError
from harness.core.waiting import wait_until
from harness.world.processes import MARKER, ManagedProcess
from harness.world.watching import DeathWatch

if TYPE_CHECKING:
    from pathlib import Path

    from harness.world.services.base import Service


def process(tmp_path: Path, code: str = "import time; time.sleep(60)") -> ManagedProcess:
    return ManagedProcess(
        "broker-1",
        [sys.executable, "-c", code],
        log=tmp_path / "broker-1.log",
        environment={MARKER: "test-watching", "PATH": os.defpath},
    )


def ended(one: ManagedProcess) -> None:
    wait_until(lambda: not one.running, what="the end", timeout=20)


def killed_from_outside(one: ManagedProcess) -> None:
    assert one.pid is not None
    os.kill(one.pid, 9)
    ended(one)


def watch(*processes: ManagedProcess) -> tuple[DeathWatch, list[str]]:
    told: list[str] = []
    deaths = DeathWatch(told.append)
    deaths.add_service(cast("Service", SimpleNamespace(processes=processes)))
    return deaths, told


def test_a_process_killed_from_outside_is_reported_once(tmp_path: Path) -> None:
    one = process(tmp_path)
    one.start()
    deaths, told = watch(one)
    deaths.look()
    assert told == []
    killed_from_outside(one)
    deaths.look()
    deaths.look()
    assert told == [f"broker-1 ended by itself (SIGKILL); its log is {one.log}"]


def test_the_end_of_the_log_is_shown_where_there_was_time_for_words(tmp_path: Path) -> None:
    one = process(tmp_path, "import sys; sys.exit('no space left on device')")
    one.start()
    ended(one)
    deaths, told = watch(one)
    deaths.look()
    assert told == [
        (
            f"broker-1 ended by itself (exit status 1); its log is {one.log} and ends:\n"
            "no space left on device"
        )
    ]


def test_a_process_that_was_told_to_end_did_not_die(tmp_path: Path) -> None:
    stopped, killed = process(tmp_path), process(tmp_path)
    for one in (stopped, killed):
        one.start()
    stopped.stop()
    killed.kill()
    deaths, told = watch(stopped, killed)
    deaths.look()
    assert told == []
    assert stopped.own_ends == killed.own_ends == ()


def test_a_death_before_the_stop_or_a_new_start_is_not_forgotten(tmp_path: Path) -> None:
    one = process(tmp_path)
    one.start()
    killed_from_outside(one)
    one.start()
    killed_from_outside(one)
    one.stop()
    deaths, told = watch(one)
    deaths.look()
    assert one.own_ends == (-9, -9)
    assert [line.partition(";")[0] for line in told] == [
        "broker-1 ended by itself (SIGKILL)",
        "broker-1 ended by itself (SIGKILL, run 2)",
    ]


class Cluster:
    """A Flink cluster; its JobManager is there once it was started."""

    def __init__(self, job_manager: ManagedProcess | None) -> None:
        self._job_manager = job_manager
        self.task_managers: tuple[ManagedProcess, ...] = ()

    @property
    def job_manager(self) -> ManagedProcess:
        if self._job_manager is None:
            raise ServiceError("torghut-ta was not started")
        return self._job_manager


def test_clusters_are_looked_after_from_their_launch(tmp_path: Path) -> None:
    one = process(tmp_path)
    one.start()
    clusters = iter([Cluster(None), Cluster(one)])
    deaths, told = watch()
    launch = deaths.watching(cast("Any", lambda *_described: next(clusters)))
    launch("torghut-ta", {}, {})
    launch("torghut-ta", {}, {})
    killed_from_outside(one)
    deaths.look()
    assert len(told) == 1


def test_a_controller_that_fails_is_reported_and_one_that_is_cancelled_is_not() -> None:
    async def look_after() -> list[str]:
        async def fail() -> None:
            raise ValueError("no such kind")

        deaths, told = watch()
        tasks = [asyncio.create_task(work, name="ArgoCD") for work in (fail(), asyncio.sleep(60))]
        for task in tasks:
            deaths.add_controller(task)
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        deaths.look()
        return told

    assert asyncio.run(look_after()) == [
        "controller ArgoCD failed: ValueError('no such kind')",
    ]
