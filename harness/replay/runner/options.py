"""The runner's command line."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.replay.runner.brokers import client_properties
from harness.replay.runner.names import NAMESPACE, PHRASE, RunnerError
from harness.replay.runner.planning import Permissions, calendar_days, replay_group
from harness.replay.runner.record import default_path
from harness.replay.runner.retention import roles_to_topics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CLICKHOUSE: Final = "http://torghut-clickhouse.torghut.svc.cluster.local:8123"
_CHANGING: Final = frozenset({"apply", "rollback"})
_EPILOG: Final = "Exit status: 0 done, or verified; 1 blocked, failed or not verified; 2 usage."


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickHouseAccess:
    """How to reach ClickHouse.

    Attributes:
        url: ``http://HOST:PORT``.
        username: user.
        password: its password.
        timeout: seconds for one answer.
    """

    url: str
    username: str
    password: str
    timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user asks for, checked.

    Attributes:
        mode: ``plan``, ``apply``, ``verify`` or ``rollback``.
        namespace: Kubernetes namespace.
        replay_id: REPLAY_ID as given.
        group: consumer group of the replay.
        reset: reset policy of the replay.
        permissions: what is allowed beyond the rules.
        verify: whether to verify after ``plan``, ``apply`` or ``rollback``.
        json: whether standard output is to be JSON.
        record: file that keeps what was before.
        previous_nonce: nonce before the replay, where there is no record.
        manifests: Git work tree whose history is searched for the group.
        wait_seconds: how long each wait may take.
        clickhouse: how to reach ClickHouse; None leaves the coverage preflight out.
        day_limit: days that the coverage preflight lists.
        topics: topic of each role.
        topic_namespace: namespace of the KafkaTopics; None leaves the retention preflight out.
        trading_days: trading days wanted.
        calendar_days: days of retention that they need.
        kafka: properties of a Kafka client; empty leaves the brokers out.
        flink_url: base URL of Flink's REST API; empty leaves it out.
        max_lag: lag that the verification waits for; None leaves the lag out.
    """

    mode: str
    namespace: str
    replay_id: str
    group: str
    reset: str
    permissions: Permissions
    verify: bool
    json: bool
    record: Path
    previous_nonce: int | None
    manifests: Path
    wait_seconds: float
    clickhouse: ClickHouseAccess | None
    day_limit: int
    topics: Mapping[str, str]
    topic_namespace: str | None
    trading_days: int
    calendar_days: int
    kafka: Mapping[str, str]
    flink_url: str
    max_lag: int | None

    @property
    def preflight_asked(self) -> bool:
        """Whether any preflight was asked for."""
        return self.clickhouse is not None or self.topic_namespace is not None


def parse(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Options:
    """Read the command line.

    Args:
        arguments: without the program's name.
        environment: where defaults and the password come from.

    Raises:
        RunnerError: when the arguments do not go together.
        SystemExit: status 2 when argparse refuses them, 0 for ``--help``.
    """
    given = _parser(environment).parse_args(arguments)
    if given.namespace != NAMESPACE:
        raise RunnerError(
            f"unsupported namespace '{given.namespace}'; only '{NAMESPACE}' is allowed"
        )
    group = replay_group(given.group_prefix, given.replay_id)
    if given.mode in _CHANGING and given.confirm != PHRASE:
        raise RunnerError(f"--mode={given.mode} requires --confirm {PHRASE}")
    return Options(
        mode=given.mode,
        namespace=given.namespace,
        replay_id=given.replay_id,
        group=group,
        reset=given.auto_offset_reset,
        permissions=Permissions(
            existing_group=given.allow_existing_group_id, stateful=given.allow_stateful
        ),
        verify=given.verify or given.mode == "verify",
        json=given.json,
        record=given.record or default_path(given.replay_id),
        previous_nonce=given.previous_nonce,
        manifests=given.manifests,
        wait_seconds=given.wait_seconds,
        clickhouse=_clickhouse(given, environment),
        day_limit=max(1, given.coverage_day_limit),
        topics=roles_to_topics(given.kafka_retention_topic),
        topic_namespace=given.kafka_topic_namespace if given.check_kafka_retention else None,
        trading_days=max(0, given.required_trading_days),
        calendar_days=calendar_days(
            max(0, given.required_trading_days), max(0, given.required_calendar_days)
        ),
        kafka=_kafka(given),
        flink_url=given.flink_rest_url,
        max_lag=given.max_lag,
    )


def _kafka(given: argparse.Namespace) -> dict[str, str]:
    if not given.kafka_bootstrap:
        return {}
    return client_properties(given.kafka_bootstrap, given.kafka_property)


def _clickhouse(
    given: argparse.Namespace, environment: Mapping[str, str]
) -> ClickHouseAccess | None:
    if not given.check_clickhouse_coverage:
        return None
    password = given.clickhouse_password or environment.get(given.clickhouse_password_env, "")
    if not password:
        raise RunnerError(
            "--check-clickhouse-coverage requires --clickhouse-password or "
            f"${given.clickhouse_password_env}"
        )
    return ClickHouseAccess(
        url=given.clickhouse_http_url,
        username=given.clickhouse_username,
        password=password,
        timeout=float(max(1, given.clickhouse_timeout_seconds)),
    )


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ta-replay-runner",
        description="Plan, apply, verify and roll back a non-destructive replay of the TA job.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    _add_replay(parser)
    _add_outcome(parser)
    _add_preflights(parser, environment)
    _add_services(parser, environment)
    return parser


def _add_replay(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the replay")
    group.add_argument("--replay-id", required=True, help="unique id of the replay")
    group.add_argument("--mode", choices=["plan", "apply", "verify", "rollback"], default="plan")
    group.add_argument("--confirm", default="", help=f"{PHRASE} for apply and rollback")
    group.add_argument("--namespace", default=NAMESPACE)
    group.add_argument("--group-prefix", default="torghut-ta-replay")
    group.add_argument(
        "--auto-offset-reset", choices=["earliest", "latest", "none"], default="earliest"
    )
    group.add_argument(
        "--allow-existing-group-id",
        action="store_true",
        help="apply although the consumer group was used before",
    )
    group.add_argument(
        "--allow-stateful",
        action="store_true",
        help="apply although upgradeMode is not stateless: the group then decides nothing",
    )
    group.add_argument(
        "--wait-seconds", type=float, default=180.0, help="for each wait (default: %(default)s)"
    )


def _add_outcome(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("verification and records")
    group.add_argument("--verify", action="store_true", help="verify after plan, apply, rollback")
    group.add_argument("--json", action="store_true", help="print the report as JSON, only that")
    group.add_argument(
        "--record", type=Path, help="file with the values before (default: ta-replay-<id>.json)"
    )
    group.add_argument(
        "--previous-nonce", type=int, help="restartNonce before, for verify without a record"
    )
    group.add_argument(
        "--manifests",
        type=Path,
        default=Path(),
        help="Git work tree whose history is searched for the group (default: here)",
    )


def _add_preflights(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    group = parser.add_argument_group("preflights")
    group.add_argument("--check-clickhouse-coverage", action="store_true")
    group.add_argument("--check-kafka-retention", action="store_true")
    group.add_argument("--required-trading-days", type=int, default=0)
    group.add_argument("--required-calendar-days", type=int, default=0)
    group.add_argument("--coverage-day-limit", type=int, default=40)
    group.add_argument("--kafka-topic-namespace", default="kafka")
    group.add_argument("--kafka-retention-topic", action="append", default=[], metavar="ROLE=TOPIC")
    url = environment.get("TA_CLICKHOUSE_HTTP_URL") or environment.get("CLICKHOUSE_HTTP_URL")
    user = environment.get("TA_CLICKHOUSE_USERNAME") or environment.get("CLICKHOUSE_USERNAME")
    group.add_argument("--clickhouse-http-url", default=url or _CLICKHOUSE)
    group.add_argument("--clickhouse-username", default=user or "torghut")
    group.add_argument("--clickhouse-password", default="")
    group.add_argument("--clickhouse-password-env", default="TA_CLICKHOUSE_PASSWORD")
    group.add_argument("--clickhouse-timeout-seconds", type=int, default=30)


def _add_services(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    group = parser.add_argument_group("services to ask what really happens")
    group.add_argument(
        "--kafka-bootstrap",
        default=environment.get("TA_REPLAY_KAFKA_BOOTSTRAP", ""),
        help="brokers, for groups, commits and lag (env TA_REPLAY_KAFKA_BOOTSTRAP)",
    )
    group.add_argument(
        "--kafka-property",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="property of the Kafka client, e.g. for SASL",
    )
    group.add_argument("--max-lag", type=int, help="verify: wait for this lag, in records")
    group.add_argument(
        "--flink-rest-url",
        default=environment.get("TA_REPLAY_FLINK_REST_URL", ""),
        help="JobManager's REST API (env TA_REPLAY_FLINK_REST_URL)",
    )
