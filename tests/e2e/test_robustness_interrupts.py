"""Ctrl-C, SIGTERM and SIGKILL at several moments: a complete report, and nothing left behind."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from harness.core.waiting import wait_until
from tests.e2e.commands import (
    Command,
    call,
    command_lines,
    journal,
    left_behind,
    plain_environment,
    wait_nothing_left,
    worlds_in,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NETWORK = "127.142.1"
FED = "records in the input topics"


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def environment(scratch: Path) -> Mapping[str, str]:
    return plain_environment(scratch)


def rehearse(environment: Mapping[str, str], out: Path, *more: str) -> Command:
    sets = ("--set", f"network={NETWORK}", "--set", "events=2000", *more)
    return Command("rehearse", "mode1", "--out", out, *sets, environment=environment)


def the_world(scratch: Path) -> str:
    (world,) = wait_until(lambda: worlds_in(scratch), what="the world's directory", timeout=60)
    return world.name


def process_of(world: str, word: str) -> psutil.Process:
    """Return the first process of a world with a word in its command line, once it is there."""

    def found() -> list[str]:
        return [line for line in command_lines(world) if word in line]

    lines = wait_until(found, what=f"a process with {word}", timeout=120, interval=0.2)
    return psutil.Process(int(lines[0].partition(" ")[0]))


def assert_interrupted(command: Command, out: Path) -> dict[str, Any]:
    """See that the end was told and the report is complete; return the journal."""
    assert command.process.returncode == 3, command.errors
    assert "interrupted" in command.errors
    written = journal(out)
    assert written["verdict"] == "unknown"
    assert [error["what"] for error in written["errors"]] == ["the run was interrupted"]
    assert "end the world" in [phase["name"] for phase in written["phases"]]
    assert {"journal.json", "report.html", "junit.xml", "logs"} <= {
        path.name for path in out.iterdir()
    }
    assert (out / "logs" / "host.log").exists()
    return written


@pytest.mark.parametrize(
    ("moment", "number"),
    [("build the world", signal.SIGTERM), ("clickhouse ready", signal.SIGINT)],
)
def test_an_interrupt_while_services_start(
    environment: Mapping[str, str], scratch: Path, out: Path, moment: str, number: signal.Signals
) -> None:
    with rehearse(environment, out) as command:
        command.wait_for(moment)
        world = the_world(scratch)
        # The phase is told before the host is started; its log shows that it was.
        wait_until((out / "logs" / "host.log").exists, what="the host's log", timeout=60)
        command.signal_group(number)
        command.end()
    assert_interrupted(command, out)
    assert left_behind(scratch, [NETWORK], [world]) == []


def test_another_ctrl_c_does_not_cut_the_tear_down_short(
    environment: Mapping[str, str], scratch: Path, out: Path
) -> None:
    with rehearse(environment, out, "--set", "events=2000000") as command:
        command.wait_for("feed the market")
        world = the_world(scratch)
        command.signal_group(signal.SIGINT)
        command.wait_for("end the world")
        command.signal_group(signal.SIGINT)
        command.signal_group(signal.SIGTERM)
        command.end()
    written = assert_interrupted(command, out)
    assert written["phases"][-2]["name"] == "feed the market"
    assert "already ending the world" in command.errors
    assert left_behind(scratch, [NETWORK], [world]) == []


def test_ctrl_c_while_judging(environment: Mapping[str, str], scratch: Path, out: Path) -> None:
    with rehearse(environment, out) as command:
        command.wait_for(" judge")
        world = the_world(scratch)
        command.signal_group(signal.SIGINT)
        command.end()
    written = assert_interrupted(command, out)
    assert [step["outcome"] for step in written["steps"]]
    assert {step["outcome"] for step in written["steps"]} == {"ok"}
    assert left_behind(scratch, [NETWORK], [world]) == []


def test_sigkill_of_the_harness_ends_its_world(
    environment: Mapping[str, str], scratch: Path, out: Path
) -> None:
    with rehearse(environment, out) as command:
        command.wait_for("feed the market")
        world = the_world(scratch)
        command.process.kill()
        command.end()
        wait_nothing_left(scratch, [NETWORK], [world])


def test_a_world_that_up_never_got_to_print_ends_with_it(
    environment: Mapping[str, str], scratch: Path, out: Path
) -> None:
    sets = ("--set", f"network={NETWORK}")
    with Command("up", "--out", out, *sets, environment=environment) as command:
        command.wait_for("clickhouse ready")
        world = the_world(scratch)
        command.process.kill()
        command.end()
        wait_nothing_left(scratch, [NETWORK], [world])


def test_sigkill_of_the_host_is_reported(
    environment: Mapping[str, str], scratch: Path, out: Path
) -> None:
    with rehearse(environment, out) as command:
        command.wait_for(FED)
        world = the_world(scratch)
        process_of(world, "harness.world.host").kill()
        assert command.end() == 3, command.errors
    written = journal(out)
    assert written["verdict"] == "unknown"
    assert "the world's host ended by itself" in written["reason"]
    assert left_behind(scratch, [NETWORK], [world]) == []


def test_what_both_left_is_removed_by_down(
    environment: Mapping[str, str], scratch: Path, out: Path
) -> None:
    with rehearse(environment, out) as command:
        command.wait_for("feed the market")
        world = the_world(scratch)
        host = process_of(world, "harness.world.host")
        command.process.kill()
        host.kill()
        command.end()
    host.wait(10)
    assert [path.name for path in worlds_in(scratch)] == [world]
    ended = call("down", "--all", environment=environment)
    assert ended.process.returncode == 0, ended.errors
    assert f"/{world}" in ended.output
    assert left_behind(scratch, [NETWORK], [world]) == []


@pytest.mark.parametrize(
    ("victim", "named"),
    [
        ("broker-1.properties", "broker-1"),
        ("clickhouse/server.py", "clickhouse"),
        ("moto.server", "object-store"),
        ("StandaloneSessionClusterEntrypoint", "jobmanager"),
    ],
)
def test_a_service_that_dies_makes_the_run_unknown_and_is_named(
    environment: Mapping[str, str], scratch: Path, out: Path, victim: str, named: str
) -> None:
    with rehearse(environment, out) as command:
        command.wait_for(FED)
        world = the_world(scratch)
        process_of(world, victim).kill()
        assert command.end() == 3, command.errors
    written = journal(out)
    assert written["verdict"] == "unknown"
    assert named in written["reason"]
    assert "ended by itself (SIGKILL" in written["reason"]
    assert any(named in error["what"] for error in written["errors"])
    assert left_behind(scratch, [NETWORK], [world]) == []
