from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

import pytest

from harness.core.errors import ServiceError
from harness.core.waiting import WaitTimeoutError
from harness.world.processes import MARKER, ManagedProcess
from harness.world.services.starting import check_free, scrubbed_environment, wait_alive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "127.63.2.1"


@pytest.fixture
def taken() -> Iterator[str]:
    with socket.create_server((HOST, 0)) as server:
        yield f"{HOST}:{server.getsockname()[1]}"


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[ManagedProcess]:
    process = ManagedProcess(
        "sleeper", ["sleep", "60"], log=tmp_path / "log", environment={"PATH": "/usr/bin:/bin"}
    )
    process.start()
    yield process
    process.stop()


def test_free_ports_pass_and_stay_free(taken: str) -> None:
    host, port = taken.split(":")
    free = f"127.63.2.2:{port}"
    check_free("kafka", [free, free])
    assert host != "127.63.2.2"


def test_a_taken_port_is_named_with_what_to_do(taken: str) -> None:
    with pytest.raises(ServiceError) as caught:
        check_free("kafka", [taken])
    assert f"kafka cannot listen on {taken}: the port is taken" in str(caught.value)
    assert "ss -ltnp" in str(caught.value)


def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(ServiceError, match=r"192\.0\.2\.1:9092.*127\.x\.y"):
        check_free("kafka", ["192.0.2.1:9092"])


def test_waiting_returns_the_value_that_holds(sleeper: ManagedProcess) -> None:
    values = iter([0, 0, 3])
    assert wait_alive([sleeper], lambda: next(values), what="three", timeout=5) == 3


def test_waiting_ends_when_a_process_dies(tmp_path: Path, sleeper: ManagedProcess) -> None:
    dead = ManagedProcess(
        "dead",
        [sys.executable, "-c", "import sys; sys.exit('no license')"],
        log=tmp_path / "dead.log",
        environment={},
    )
    dead.start()
    with pytest.raises(ServiceError, match="dead ended with status 1") as caught:
        wait_alive([sleeper, dead], lambda: False, what="nothing", timeout=30)
    assert "no license" in str(caught.value)
    assert caught.value.where == str(tmp_path / "dead.log")


def test_waiting_in_vain_points_at_the_logs(tmp_path: Path, sleeper: ManagedProcess) -> None:
    with pytest.raises(WaitTimeoutError, match="an answer") as caught:
        wait_alive([sleeper], lambda: False, what="an answer", timeout=0)
    assert str(tmp_path / "log") in str(caught.value)


def test_nothing_of_the_users_environment_gets_into_a_world(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("KUBECONFIG", "/home/user/.kube/config")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy")
    environment = scrubbed_environment("world-1")
    assert environment[MARKER] == "world-1"
    assert set(environment) == {MARKER, "PATH", "LANG"}
