from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import uuid
from typing import TYPE_CHECKING

import psutil
import pytest

from harness.core.errors import ServiceError
from harness.core.waiting import wait_until
from harness.world.processes import MARKER, ManagedProcess, marked_processes, sweep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world_id() -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:8]}"
    yield name
    sweep(name)


def process(tmp_path: Path, code: str, world_id: str = "none") -> ManagedProcess:
    return ManagedProcess(
        "probe",
        [sys.executable, "-c", textwrap.dedent(code)],
        log=tmp_path / "probe.log",
        environment={MARKER: world_id, "PATH": os.defpath},
    )


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_output_is_kept_and_the_environment_is_only_what_was_given(tmp_path: Path) -> None:
    one = process(tmp_path, "import os; print(sorted(os.environ))")
    one.start()
    wait_until(lambda: one.exit_status, what="the end", timeout=20, holds=lambda s: s == 0)
    assert MARKER in one.tail()
    assert "HOME" not in one.tail()


def test_a_process_that_died_is_reported_with_status_and_log(tmp_path: Path) -> None:
    one = process(tmp_path, "import sys; print('no such bucket'); sys.exit(7)")
    one.start()
    wait_until(lambda: not one.running, what="the end", timeout=20)
    with pytest.raises(ServiceError, match=r"(?s)probe ended with status 7.*no such bucket"):
        one.check_running()


def test_a_program_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    one = ManagedProcess(
        "ghost", [tmp_path / "ghost"], log=tmp_path / "ghost.log", environment={"PATH": os.defpath}
    )
    one.start()
    wait_until(lambda: not one.running, what="the end", timeout=20)
    with pytest.raises(ServiceError, match="ghost"):
        one.check_running()


def test_a_process_that_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    one = process(
        tmp_path,
        """
        import signal, subprocess, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print(child.pid, flush=True)
        time.sleep(600)
        """,
    )
    one.start()
    child = int(wait_until(one.tail, what="the child's pid", timeout=20))
    one.stop(grace=0.1)
    assert one.exit_status == -signal.SIGKILL
    wait_until(lambda: gone(child), what="the child's end", timeout=20)


def test_stopping_twice_or_before_the_start_does_nothing(tmp_path: Path) -> None:
    one = process(tmp_path, "import time; time.sleep(600)")
    one.stop()
    one.start()
    one.stop()
    one.stop()
    assert not one.running


def test_a_process_dies_with_the_one_that_started_it(tmp_path: Path, world_id: str) -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(
                f"""
                import pathlib, sys, time
                from harness.world.processes import ManagedProcess
                one = ManagedProcess(
                    "child",
                    [sys.executable, "-c", "import time; time.sleep(600)"],
                    log=pathlib.Path({str(tmp_path / "c.log")!r}),
                    environment={{"{MARKER}": "{world_id}"}},
                )
                one.start()
                print(one.pid, flush=True)
                time.sleep(600)
                """
            ),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    wait_until(lambda: gone(child), what="the child's end", timeout=20)


def test_sweep_ends_what_a_world_left_and_nothing_else(tmp_path: Path, world_id: str) -> None:
    mine = process(tmp_path, "import time; time.sleep(600)", world_id)
    other = process(tmp_path, "import time; time.sleep(600)", f"{world_id}-other")
    mine.start()
    other.start()
    wait_until(lambda: marked_processes(world_id), what="the marker", timeout=20)
    try:
        assert len(sweep(world_id)) == 1
        wait_until(lambda: not mine.running, what="its end", timeout=20)
        assert other.running
        assert sweep(world_id) == []
    finally:
        other.kill()
