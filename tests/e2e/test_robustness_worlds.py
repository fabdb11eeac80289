"""Worlds that stay: two side by side, reached as they say themselves, ended one by one."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from harness.core.waiting import wait_until
from harness.world.registry import read_state
from tests.e2e.commands import call, left_behind, plain_environment, worlds_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from harness.world.spec import WorldState

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass
class Two:
    """Two worlds that ``up`` left running, and what it said."""

    environment: Mapping[str, str]
    scratch: Path
    said: list[str]
    states: list[WorldState]

    def shell(self, number: int, command: str) -> str:
        """Run a command in a shell that has pasted what ``up`` said."""
        pasted = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{self.said[number]}\n{command}"],
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert pasted.returncode == 0, pasted.stderr
        return pasted.stdout


@pytest.fixture(scope="module", name="two")
def two_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    directory = tmp_path_factory.mktemp("worlds")
    scratch = directory / "scratch"
    environment = plain_environment(scratch)
    try:
        said, states = [], []
        for name in ("a", "b"):
            before = set(worlds_in(scratch))
            started = call("up", "--out", directory / name, environment=environment)
            assert started.process.returncode == 0, started.errors
            (root,) = set(worlds_in(scratch)) - before
            state = read_state(root)
            assert state is not None
            said.append(started.output)
            states.append(state)
        yield Two(environment, scratch, said, states)
    finally:
        call("down", "--all", environment=environment)


def test_each_has_a_network_of_its_own(two: Two) -> None:
    assert two.states[0].network != two.states[1].network


@pytest.mark.parametrize("number", [0, 1])
def test_what_up_prints_can_be_pasted(two: Two, number: int) -> None:
    row = wait_until(
        lambda: two.shell(number, "kubectl get flinkdeployment -n torghut --no-headers").split(),
        what="the job to run",
        timeout=300,
        holds=lambda columns: columns[1:] == ["RUNNING", "STABLE"],
        interval=1,
    )
    assert row[0] == "torghut-ta"


@pytest.mark.parametrize("number", [0, 1])
def test_each_answers_kafka_and_clickhouse(two: Two, number: int) -> None:
    tool = "kubectl -n kafka exec kafka-kafka-0 -- /opt/kafka/bin/kafka-topics.sh"
    topics = two.shell(number, f"{tool} --bootstrap-server kafka-kafka-bootstrap.kafka:9092 --list")
    assert "torghut.trades.v1" in topics.split()
    password = re.search(r"password +(kubectl .*)$", two.said[number], re.MULTILINE)
    assert password is not None
    tables = two.shell(
        number,
        f"python3 - \"$({password[1]})\" <<'END'\n"
        "import sys, urllib.request\n"
        f"url = 'http://{two.states[number].addresses.clickhouse_host}:8123/?query=SHOW+TABLES"
        "+FROM+torghut'\n"
        "headers = {'X-ClickHouse-User': 'torghut', 'X-ClickHouse-Key': sys.argv[1]}\n"
        "request = urllib.request.Request(url, headers=headers)\n"
        "opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))\n"
        "print(opener.open(request).read().decode())\nEND",
    )
    assert {"ta_microbars", "ta_signals"} <= set(tables.split())


def test_they_are_ended_one_by_one(two: Two) -> None:
    first, second = two.states
    unclear = call("down", environment=two.environment)
    assert unclear.process.returncode == 2
    assert first.world_id in unclear.errors
    assert second.world_id in unclear.errors
    one = call("down", first.world_id, environment=two.environment)
    assert one.process.returncode == 0, one.errors
    assert not first.root.exists()
    assert two.shell(1, "kubectl -n torghut get pods -o name")
    every = call("down", "--all", environment=two.environment)
    assert every.process.returncode == 0, every.errors
    worlds = [first.world_id, second.world_id]
    networks = [first.network, second.network]
    assert left_behind(two.scratch, networks, worlds) == []
