"""The command line: defaults, refusals, and the words they are refused with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.replay.runner import main as runner
from harness.replay.runner.names import RunnerError
from harness.replay.runner.options import ClickHouseAccess, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.replay.runner.options import Options

REPLAY = ("--replay-id", "x1")
COVERAGE = "--check-clickhouse-coverage"


def options(*arguments: str, **environment: str) -> Options:
    return parse([*REPLAY, *arguments], environment)


def access(*arguments: str, environment: Mapping[str, str]) -> ClickHouseAccess:
    found = parse([*REPLAY, COVERAGE, *arguments], environment).clickhouse
    assert found is not None
    return found


def test_defaults() -> None:
    found = options()
    assert (found.mode, found.namespace, found.reset) == ("plan", "torghut", "earliest")
    assert found.group == "torghut-ta-replay-x1"
    assert found.record == Path("ta-replay-x1.json")
    assert not found.verify
    assert not found.json
    assert not found.permissions.existing_group
    assert not found.permissions.stateful
    assert (found.clickhouse, found.topic_namespace, found.kafka) == (None, None, {})
    assert (found.day_limit, found.trading_days, found.calendar_days) == (40, 0, 0)
    assert not found.preflight_asked


def test_the_mode_verify_verifies() -> None:
    assert options("--mode", "verify").verify
    assert options("--verify").verify


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--namespace", "kafka"),
            "unsupported namespace 'kafka'; only 'torghut' is allowed",
        ),
        (("--replay-id", "  "), "replay-id cannot be empty"),
        (("--group-prefix", "-"), "group-prefix cannot be empty"),
        (("--mode", "apply"), "--mode=apply requires --confirm REPLAY_TA_CANARY"),
        (
            ("--mode", "apply", "--confirm", "replay_ta_canary"),
            "--mode=apply requires --confirm REPLAY_TA_CANARY",
        ),
        (("--mode", "rollback"), "--mode=rollback requires --confirm REPLAY_TA_CANARY"),
        (
            (COVERAGE,),
            "--check-clickhouse-coverage requires --clickhouse-password or $TA_CLICKHOUSE_PASSWORD",
        ),
        (
            (COVERAGE, "--clickhouse-password-env", "SECRET"),
            "--check-clickhouse-coverage requires --clickhouse-password or $SECRET",
        ),
        (("--kafka-retention-topic", "x"), "--kafka-retention-topic must be role=topic, got x"),
        (
            ("--kafka-bootstrap", "k:9092", "--kafka-property", "x"),
            "--kafka-property must be key=value",
        ),
    ],
)
def test_refusals(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(RunnerError) as caught:
        options(*arguments)
    assert caught.value.what == message
    assert caught.value.exit_status == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--mode", "destroy", *REPLAY],
        ["--auto-offset-reset", "now", *REPLAY],
        ["--mode", "plan"],
        [*REPLAY, "--conf", "REPLAY_TA_CANARY"],
    ],
)
def test_usage_errors(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(arguments, {})
    assert caught.value.code == 2
    assert capsys.readouterr().out == ""


def test_clickhouse_by_default() -> None:
    found = access(environment={"TA_CLICKHOUSE_PASSWORD": "p"})
    assert found == ClickHouseAccess(
        url="http://torghut-clickhouse.torghut.svc.cluster.local:8123",
        username="torghut",
        password="p",
        timeout=30.0,
    )


def test_clickhouse_from_the_environment() -> None:
    general = {"CLICKHOUSE_HTTP_URL": "http://a:1", "CLICKHOUSE_USERNAME": "a", "SECRET": "s"}
    by_name = ("--clickhouse-password-env", "SECRET")
    found = access(*by_name, environment=general)
    assert (found.url, found.username, found.password) == ("http://a:1", "a", "s")
    special = general | {"TA_CLICKHOUSE_HTTP_URL": "http://b:2", "TA_CLICKHOUSE_USERNAME": "b"}
    found = access(*by_name, environment=special)
    assert (found.url, found.username) == ("http://b:2", "b")
    found = access("--clickhouse-http-url", "http://c:3", *by_name, environment=special)
    assert found.url == "http://c:3"


def test_a_password_on_the_command_line_goes_first() -> None:
    found = access("--clickhouse-password", "q", environment={"TA_CLICKHOUSE_PASSWORD": "p"})
    assert found.password == "q"


def test_least_values() -> None:
    environment = {"TA_CLICKHOUSE_PASSWORD": "p"}
    assert access("--clickhouse-timeout-seconds", "0", environment=environment).timeout == 1
    found = options("--coverage-day-limit", "-3", "--required-trading-days", "-1")
    assert (found.day_limit, found.trading_days) == (1, 0)


def test_days_and_topics() -> None:
    found = options(
        "--check-kafka-retention",
        *("--required-trading-days", "25", "--kafka-retention-topic", "trades=t.v2"),
    )
    assert (found.trading_days, found.calendar_days) == (25, 35)
    assert found.topics["trades"] == "t.v2"
    assert found.topic_namespace == "kafka"
    assert found.preflight_asked


def test_services_from_the_environment() -> None:
    found = options(
        "--kafka-property",
        "sasl.password=a=b",
        TA_REPLAY_KAFKA_BOOTSTRAP="k:9092",
        TA_REPLAY_FLINK_REST_URL="http://f:8081",
    )
    assert found.kafka == {"bootstrap.servers": "k:9092", "sasl.password": "a=b"}
    assert found.flink_url == "http://f:8081"


def test_a_message_instead_of_a_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert runner.main([*REPLAY, "--json"]) == 1
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err == "kubectl not found in PATH\n"


def test_a_refusal_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main([*REPLAY, "--mode", "apply"]) == 1
    assert capsys.readouterr().err == "--mode=apply requires --confirm REPLAY_TA_CANARY\n"
