"""Python workers end with the TaskManager that they belong to."""

from __future__ import annotations

import os
import sys
import textwrap
import uuid
from typing import TYPE_CHECKING

import psutil
import pytest

from harness.core.waiting import wait_until
from harness.world.addresses import Addresses
from harness.world.processes import MARKER, ManagedProcess, sweep
from harness.world.services.flink import FlinkClusterSpec, FlinkRuntime
from harness.world.services.flink.configuration import worker_program, write_worker_program
from harness.world.services.flink.worker import parent_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SLEEPER = """
import os, pathlib, sys, time
pathlib.Path(sys.argv[1]).write_text(f"{os.getpid()} {sys.argv[2:]} {__name__}")
time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def world_id() -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:8]}"
    yield name
    sweep(name)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The program that a TaskManager takes for Python, in a place with an awkward name."""
    directory = tmp_path / "it's a directory"
    directory.mkdir()
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    runtime = FlinkRuntime(
        python=directory / "python",
        java_home=tmp_path,
        flink_home=tmp_path,
        connectors=(),
        s3_plugin=tmp_path,
        repository=tmp_path,
        cache=tmp_path,
    )
    runtime.python.symlink_to(sys.executable)
    spec = FlinkClusterSpec(
        name="torghut-ta",
        world_id="w",
        addresses=Addresses("127.62.1"),
        configuration={},
        environment={},
        directory=directory,
        logs=tmp_path,
        hosts_file=tmp_path / "hosts",
    )
    write_worker_program(spec, runtime)
    return worker_program(spec)


def task_manager(
    tmp_path: Path, program: Path, world_id: str, seconds: float, *, stays: bool = True
) -> ManagedProcess:
    """A process that starts a worker the way a TaskManager does: through a shell with a pipe."""
    script = tmp_path / "runner.sh"
    script.write_text('"$PROGRAM" -m sleeper "$@" 2>&1 | tee /dev/null\n')
    code = f"""
        import subprocess, sys, time
        shell = subprocess.Popen(["bash", {str(script)!r}, {str(tmp_path / "out")!r}, "{seconds}"])
        {"time.sleep(600)" if stays else "sys.exit(shell.wait())"}
    """
    return ManagedProcess(
        "task-manager",
        [sys.executable, "-c", textwrap.dedent(code)],
        log=tmp_path / "task-manager.log",
        environment={
            MARKER: world_id,
            "PATH": os.defpath,
            "PROGRAM": str(program),
            "PYTHONPATH": str(tmp_path),
        },
    )


def worker_pid(tmp_path: Path) -> int:
    out = tmp_path / "out"
    text = wait_until(
        lambda: out.read_text() if out.exists() else "", what="the worker's start", timeout=30
    )
    return int(text.split()[0])


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_worker_ends_when_its_task_manager_was_killed(
    tmp_path: Path, program: Path, world_id: str
) -> None:
    parent = task_manager(tmp_path, program, world_id, 600)
    parent.start()
    pid = worker_pid(tmp_path)
    assert not gone(pid)
    psutil.Process(parent.pid).kill()  # it alone, not its session
    wait_until(lambda: gone(pid), what="the worker's end", timeout=30)
    parent.kill()


def test_a_worker_is_the_module_with_its_arguments_and_ends_by_itself(
    tmp_path: Path, program: Path, world_id: str
) -> None:
    parent = task_manager(tmp_path, program, world_id, 0, stays=False)
    parent.start()
    wait_until(lambda: not parent.running, what="the end", timeout=30)
    assert parent.exit_status == 0, parent.tail()
    assert (tmp_path / "out").read_text().endswith("['0'] __main__")


def test_what_is_no_worker_runs_as_it_is(tmp_path: Path, program: Path, world_id: str) -> None:
    code = "import sys; print(sys.argv, 'runpy' in sys.modules)"
    one = ManagedProcess(
        "python",
        [program, "-c", code, "a b"],
        log=tmp_path / "python.log",
        environment={MARKER: world_id, "PATH": os.defpath},
    )
    one.start()
    wait_until(lambda: not one.running, what="the end", timeout=30)
    assert one.tail() == "['-c', 'a b'] False"


def test_the_parent_is_read_from_the_kernel() -> None:
    assert parent_of(os.getpid()) == os.getppid()
    assert parent_of(2**22 + 1) is None
