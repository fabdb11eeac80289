from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.core.errors import ServiceError, UsageError
from harness.replay.settings import Layer, resolve
from harness.report import worlds
from harness.world import registry
from harness.world.spec import WorldSpec, WorldState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

HOST = """
import sys, time
from pathlib import Path
from harness.world import registry
with registry.hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _own_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.chdir(tmp_path)


def state_of(spec: WorldSpec) -> WorldState:
    return WorldState(
        world_id=spec.world_id,
        root=spec.root,
        logs=spec.logs,
        audit=spec.audit,
        profile=spec.profile,
        pid=os.getpid(),
        network="127.77.3",
        brokers=3,
        kubeconfig=spec.root / "kubeconfig",
        repository=spec.root / "repository",
        api_token="secret-token",
        api_ca=spec.root / "ca",
        clickhouse_user="torghut",
        clickhouse_password="secret-password",
        s3_access_key="key",
        s3_secret_key="secret-key",
        differences=(),
        ready_seconds={},
    )


class FakeWorld:
    """Stands in for a world: remembers what was asked of it."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.calls: list[str] = []
        self.failure = failure

    def __call__(self, spec: WorldSpec, on_event: Callable[[dict[str, Any]], None]) -> FakeWorld:
        self.spec, self.on_event = spec, on_event
        return self

    def start(self, _environment: Mapping[str, str]) -> None:
        self.calls.append("start")
        self.on_event({"event": "service", "name": "kafka", "seconds": 1.5})

    def wait_ready(self) -> WorldState:
        if self.failure is not None:
            raise self.failure
        return state_of(self.spec)

    def release(self) -> None:
        self.calls.append("release")

    def stop(self) -> list[str]:
        self.calls.append("stop")
        return []


def test_a_world_is_left_running_and_how_to_reach_it_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = FakeWorld()
    monkeypatch.setattr(worlds, "World", world)
    worlds.start_world(resolve([Layer("here", {"set": {"brokers": 1, "network": "127.9.9"}})]))
    assert world.calls == ["start", "release"]
    assert world.spec.detached
    assert world.spec.network == "127.9.9"
    assert world.spec.settings["brokers"] == "1"
    out, progress = capsys.readouterr()
    assert f"export KUBECONFIG={world.spec.root}/kubeconfig\n" in out
    assert f"replay-harness down {world.spec.world_id}" in out
    assert "127.77.3.11:9092,127.77.3.12:9092,127.77.3.13:9092" in out
    assert "secret-" not in out
    assert "kafka ready after 1.5 s" in progress


def test_what_is_printed_is_for_a_shell_to_read(tmp_path: Path) -> None:
    spec = WorldSpec(
        world_id="a0000001",
        root=tmp_path,
        logs=tmp_path,
        audit=tmp_path,
        profile="S",
        settings={},
    )
    text = worlds.describe_world(state_of(spec)) + '\necho "$KUBECONFIG"'
    answer = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True)
    assert answer.stdout == f"{tmp_path}/kubeconfig\n"


@pytest.mark.parametrize("failure", [ServiceError("kafka died"), KeyboardInterrupt()])
def test_a_world_that_does_not_come_up_is_ended(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    world = FakeWorld(failure)
    monkeypatch.setattr(worlds, "World", world)
    with pytest.raises(type(failure)):
        worlds.start_world(resolve([]))
    assert world.calls == ["start", "stop"]


def test_a_wrong_profile_makes_nothing() -> None:
    with pytest.raises(UsageError, match="no profile"):
        worlds.start_world(resolve([Layer("here", {"profile": "X"})]))
    assert list(registry.world_directories()) == []
    assert not Path("runs").exists()


@pytest.fixture(name="host")
def host_fixture() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts processes that hold the lock of a world, as its host does."""
    hosts: list[subprocess.Popen[bytes]] = []

    def start(world_id: str, *, keep: bool = False) -> subprocess.Popen[bytes]:
        root = registry.make_directory(world_id, keep=keep)
        command = [sys.executable, "-c", HOST, str(root)]
        host = subprocess.Popen(command, stdout=subprocess.PIPE)
        hosts.append(host)
        assert host.stdout is not None
        assert host.stdout.readline() == b"held\n"
        return host

    yield start
    for host in hosts:
        host.kill()
        host.communicate()


def test_a_world_is_ended_by_its_name(
    host: Callable[..., subprocess.Popen[bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    other, wanted = host("a0000001"), host("a0000002")
    worlds.end_worlds("a0000002", everything=False)
    assert wanted.wait(10) == -signal.SIGTERM
    assert other.poll() is None
    assert [root.name for root in registry.world_directories()] == ["a0000001"]
    assert capsys.readouterr().out == "world a0000002 has ended\n"


def test_a_kept_directory_stays_after_the_end(
    host: Callable[..., subprocess.Popen[bytes]],
) -> None:
    host("a0000001", keep=True)
    worlds.end_worlds(None, everything=False)
    assert [root.name for root in registry.world_directories()] == ["a0000001"]


def test_everything_goes_when_everything_is_asked_for(
    host: Callable[..., subprocess.Popen[bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    running, dead = host("a0000001"), host("a0000002", keep=True)
    dead.kill()
    dead.wait()
    worlds.end_worlds(None, everything=True)
    assert running.wait(10) == -signal.SIGTERM
    assert list(registry.world_directories()) == []
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "world a0000001 has ended"
    assert lines[1].startswith("removed directory ")
    assert lines[1].endswith("/a0000002")


def test_nothing_to_remove_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    worlds.end_worlds(None, everything=True)
    assert capsys.readouterr().out == "nothing was left behind\n"


def test_a_world_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="no world is running"):
        worlds.end_worlds(None, everything=False)
