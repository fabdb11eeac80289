"""A whole rehearsal as a user who is not root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from harness.world.artifacts import cache_root
from harness.world.locating import job_python
from tests.e2e.commands import HARNESS, journal, left_behind

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NOBODY = 65534
NETWORK = "127.142.4"


def as_nobody(*command: str | Path) -> list[str]:
    who = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return ["setpriv", *who, *map(str, command)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a directory of the ordinary user's, and see that it can reach what it needs."""
    if os.geteuid() != 0:
        pytest.skip("this is an ordinary user already: every other test is this test")
    if shutil.which("setpriv") is None:
        pytest.skip("there is no setpriv to become an ordinary user with")
    for needed in (sys.executable, job_python(), cache_root() / "artifacts"):
        if subprocess.run(as_nobody("test", "-r", needed), check=False).returncode:
            pytest.skip(f"an ordinary user cannot read {needed}")
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    for parent in tmp_path.parents[:3]:  # pytest keeps its directories to their owner
        if parent.stat().st_uid == os.getuid() and parent.name.startswith("pytest-"):
            parent.chmod(0o755)
    tmp_path.chmod(0o755)
    return home


def test_an_ordinary_user_rehearses(home: Path) -> None:
    scratch, out = home / "scratch", home / "out"
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    environment = kept | {
        "HOME": str(home),
        "TMPDIR": str(home),
        "TORGHUT_CACHE": str(cache_root()),
        "TORGHUT_JOB_PYTHON": str(job_python()),
    }
    command = as_nobody(HARNESS, "rehearse", "mode1", "--out", out)
    done = subprocess.run(
        [*command, "--set", "events=2000", "--set", f"network={NETWORK}"],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert journal(out)["verdict"] == "pass"
    assert {path.stat().st_uid for path in out.rglob("*")} == {NOBODY}
    scratch.mkdir()
    assert left_behind(scratch, [NETWORK], []) == []
    assert not list(home.glob("torghut-replay-harness-*/*"))
