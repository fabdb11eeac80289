from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from typing import TYPE_CHECKING

import orjson
import pytest

from harness.core.errors import HarnessError, UsageError
from harness.core.waiting import WaitTimeoutError
from harness.world import registry
from harness.world.processes import MARKER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STATE = {
    "world_id": "a0000001",
    "root": "/r",
    "logs": "/l",
    "audit": "/a",
    "profile": "S",
    "pid": 1,
    "network": "127.77.3",
    "brokers": 3,
    "kubeconfig": "/k",
    "repository": "/g",
    "api_token": "t",
    "api_ca": "/c",
    "clickhouse_user": "torghut",
    "clickhouse_password": "p",
    "s3_access_key": "a",
    "s3_secret_key": "s",
    "differences": ["one"],
    "ready_seconds": {"world": 1.5},
}


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture(name="dead_pid")
def dead_pid_fixture() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def orphan(world_id: str, dead_pid: int, *, keep: bool = False) -> Path:
    """A world whose maker and host are gone."""
    root = registry.make_directory(world_id, keep=keep)
    (root / registry.MAKER_FILE).write_text(f"{dead_pid} 1.0")
    return root


def test_a_new_directory_is_for_its_owner_only(tmp_path: Path) -> None:
    root = registry.make_directory(registry.new_world_id())
    assert root.parent.parent == tmp_path
    assert (root.stat().st_mode & 0o777, root.parent.stat().st_mode & 0o777) == (0o700, 0o700)
    assert list(registry.world_directories()) == [root]


def test_a_link_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / f"torghut-replay-harness-{os.getuid()}").symlink_to(tmp_path)
    with pytest.raises(HarnessError, match="link or belongs to another user"):
        registry.worlds_directory()


def test_a_file_in_the_place_of_the_directory_is_an_error_with_its_place(tmp_path: Path) -> None:
    (tmp_path / f"torghut-replay-harness-{os.getuid()}").touch()
    with pytest.raises(HarnessError, match="no directory for worlds can be made"):
        registry.worlds_directory()


def test_a_world_is_alive_for_as_long_as_its_lock_is_held() -> None:
    root = registry.make_directory("a0000001")
    assert not registry.alive(root)
    with registry.hold(root):
        assert registry.alive(root)
        assert registry.host_pid(root) == os.getpid()
    assert not registry.alive(root)
    assert registry.host_pid(root) is None


def test_two_hosts_cannot_hold_one_world(monkeypatch: pytest.MonkeyPatch) -> None:
    root = registry.make_directory("a0000001")
    monkeypatch.setattr(registry, "_LOCK_SECONDS", 0)
    with (
        registry.hold(root),
        pytest.raises(WaitTimeoutError, match="another host runs"),
        registry.hold(root),
    ):
        pass


def test_looking_whether_a_world_is_alive_never_stops_its_host_from_starting() -> None:
    root = registry.make_directory("a0000001")
    (root / registry.LOCK_FILE).touch()
    end = threading.Event()

    def look() -> None:
        while not end.is_set():
            registry.alive(root)

    watchers = [threading.Thread(target=look) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    try:
        for _ in range(50):
            with registry.hold(root):
                pass
    finally:
        end.set()
        for watcher in watchers:
            watcher.join()


def test_a_world_that_is_being_born_is_left_alone() -> None:
    root = registry.make_directory("a0000001")
    assert registry.remove_stale() == []
    (root / registry.LOCK_FILE).touch()  # its host has opened the lock but does not hold it yet
    assert registry.remove_stale() == []
    assert root.exists()


def test_a_directory_whose_maker_died_before_the_host_came_is_removed(dead_pid: int) -> None:
    root = orphan("a0000001", dead_pid)
    assert registry.remove_stale() == [f"directory {root}"]
    assert not root.exists()


def test_a_process_that_got_the_makers_number_does_not_stand_for_it() -> None:
    root = registry.make_directory("a0000001")
    (root / registry.MAKER_FILE).write_text(f"{os.getpid()} 1.0")
    assert registry.remove_stale() == [f"directory {root}"]


def test_a_world_whose_host_died_is_removed_though_its_maker_lives() -> None:
    root = registry.make_directory("a0000001")
    with registry.hold(root):
        assert registry.remove_stale() == []
    assert registry.remove_stale() == [f"directory {root}"]


@pytest.mark.parametrize("content", [None, "", "nonsense", "-5 1.0"])
def test_a_directory_that_names_no_maker_is_removed(content: str | None) -> None:
    root = registry.make_directory("a0000001")
    (root / registry.MAKER_FILE).unlink()
    if content is not None:
        (root / registry.MAKER_FILE).write_text(content)
    assert registry.remove_stale() == [f"directory {root}"]


def test_what_is_to_be_kept_is_kept_until_it_is_asked_for(dead_pid: int) -> None:
    root = orphan("a0000001", dead_pid, keep=True)
    assert registry.remove_stale() == []
    assert root.exists()
    assert registry.remove_stale(kept=True) == [f"directory {root}"]


def test_directories_of_others_are_never_touched(dead_pid: int) -> None:
    other = registry.worlds_directory() / "notes"
    other.mkdir()
    orphan("a0000001", dead_pid)
    registry.remove_stale(kept=True)
    assert other.exists()


@pytest.fixture(name="leftover")
def leftover_fixture() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        ["sleep", "60"],
        env={MARKER: "a0000001", "PATH": os.environ["PATH"]},
    ) as process:
        yield process
        process.kill()


def test_processes_of_a_dead_world_are_killed_and_named(
    dead_pid: int, leftover: subprocess.Popen[bytes]
) -> None:
    root = orphan("a0000001", dead_pid, keep=True)
    assert registry.remove_stale() == [f"process {leftover.pid} sleep 60"]
    assert leftover.wait(10) == -9
    assert root.exists()


def test_a_state_is_read_once_it_is_whole() -> None:
    root = registry.make_directory("a0000001")
    assert registry.read_state(root) is None
    path = root / registry.STATE_FILE
    path.write_bytes(orjson.dumps(STATE)[:40])
    assert registry.read_state(root) is None
    path.write_bytes(orjson.dumps(STATE))
    state = registry.read_state(root)
    assert state is not None
    assert state.to_json() == {**STATE, "differences": ("one",)}


@pytest.mark.parametrize("state", [{**STATE, "new": 1}, {"world_id": "x"}])
def test_the_state_of_another_version_is_no_state(state: object) -> None:
    root = registry.make_directory("a0000001")
    (root / registry.STATE_FILE).write_bytes(orjson.dumps(state))
    assert registry.read_state(root) is None


def test_the_only_running_world_need_not_be_named() -> None:
    root = registry.make_directory("a0000001")
    with registry.hold(root):
        assert registry.find_root(None) == registry.find_root("a0000001") == root
        with pytest.raises(UsageError, match="not up yet"):
            registry.find(None)
        (root / registry.STATE_FILE).write_bytes(orjson.dumps(STATE))
        assert registry.find(None).network == "127.77.3"


def test_without_a_world_or_with_two_one_has_to_be_named() -> None:
    with pytest.raises(UsageError, match="no world is running"):
        registry.find(None)
    first, second = (registry.make_directory(name) for name in ("a0000001", "a0000002"))
    with registry.hold(first), registry.hold(second):
        with pytest.raises(UsageError, match=r"which world.*a0000001, a0000002"):
            registry.find_root(None)
        with pytest.raises(UsageError, match="no world a0000003 is running"):
            registry.find_root("a0000003")
