"""The preflights and the decision table, on production's figures and on every combination."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.replay.runner.coverage import (
    TABLES_SQL,
    Coverage,
    DayGap,
    TableDays,
    gaps_sql,
    read_coverage,
    read_tsv,
)
from harness.replay.runner.feasibility import (
    COMPLETE,
    FEASIBLE,
    INCOMPLETE,
    NO_SOURCE,
    SHORT_TTL,
    Conditions,
    Feasibility,
    decide,
)
from harness.replay.runner.model import Current
from harness.replay.runner.names import DAY_MS, RAW_ROLES, TOPICS, RunnerError
from harness.replay.runner.planning import GroupHistory, Permissions, blockers, calendar_days
from harness.replay.runner.retention import (
    Retention,
    TopicRetention,
    read_topics,
    roles_to_topics,
)

if TYPE_CHECKING:
    from collections.abc import Callable

TABLES = (
    TableDays("ta_microbars", 19, "2026-04-27", "2026-05-22", 1_281_193),
    TableDays("ta_signals", 9, "2026-05-12", "2026-05-22", 632_380),
)
GAPS = (
    DayGap("2026-05-22", 58_446, 58_446),
    DayGap("2026-05-08", 0, 68_396),
    DayGap("2026-05-07", 0, 66_008),
)


def coverage(required: int, **changes: Any) -> Coverage:
    return Coverage(**{"required": required, "tables": TABLES, "gaps": GAPS, **changes})


def topic(name: str, days: int | str, partitions: int, **changes: Any) -> dict[str, Any]:
    milliseconds = str(days) if isinstance(days, str) else days * DAY_MS
    return {
        "metadata": {"name": name},
        "spec": {
            "partitions": partitions,
            "replicas": 3,
            "config": {"retention.ms": milliseconds},
            **changes,
        },
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


def topics() -> dict[str, dict[str, Any]]:
    return {
        "trades": topic("torghut.trades.v1", 7, 3),
        "quotes": topic("torghut.quotes.v1", "604800000", 3),
        "bars1m": topic("torghut.bars.1m.v1", 30, 3),
        "ta_microbars": topic("torghut.ta.bars.1s.v1", 14, 1),
        "ta_signals": topic("torghut.ta.signals.v1", 14, 1),
    }


def retention(trading: int, resources: dict[str, dict[str, Any]] | None = None) -> Retention:
    found = topics() if resources is None else resources
    return Retention(
        trading_days=trading,
        calendar_days=calendar_days(trading, 0),
        topics=read_topics(TOPICS, found.values()),
    )


def plentiful(trading: int) -> Retention:
    resources = {role: topic(name, 90, 3) for role, name in TOPICS.items()}
    return retention(trading, resources)


def feasibility(trading: int, **parts: Any) -> Feasibility:
    return Feasibility(trading_days=trading, calendar_days=calendar_days(trading, 0), **parts)


# --- coverage


def test_coverage_of_production_in_may() -> None:
    report = coverage(25).to_json()
    assert report["schema"] == "torghut.ta-replay-coverage-preflight.v1"
    assert report["status"] == "insufficient_ta_signal_days"
    assert report["blockers"] == ["insufficient_ta_signal_days:9<25", "microbar_only_days:2"]
    assert report["summary"] == {
        "required_trading_days": 25,
        "ta_signals_days": 9,
        "ta_microbars_days": 19,
        "missing_signal_days_vs_required": 16,
        "microbar_only_day_count": 2,
        "microbar_only_days": ["2026-05-08", "2026-05-07"],
    }
    assert report["tables"][1] == {
        "table_name": "ta_signals",
        "days": 9,
        "first_day": "2026-05-12",
        "last_day": "2026-05-22",
        "rows": 632_380,
    }
    assert report["day_gaps"][1] == {
        "trading_day": "2026-05-08",
        "signal_rows": 0,
        "microbar_rows": 68_396,
    }


def test_coverage_that_suffices() -> None:
    assert coverage(9).status == "ok"
    assert coverage(9).blockers == ["microbar_only_days:2"]
    assert coverage(9, gaps=GAPS[:1]).blockers == []
    assert coverage(10).status == "insufficient_ta_signal_days"


def test_reading_clickhouses_answers() -> None:
    tables = read_tsv(
        "table_name\tdays\tfirst_day\tlast_day\trows\n"
        "ta_microbars\t19\t2026-04-27\t2026-05-22\t1281193\n"
        "ta_signals\t0\t1970-01-01\t1970-01-01\t0\n"
    )
    gaps = read_tsv("trading_day\tsignal_rows\tmicrobar_rows\n2026-05-08\t0\t68396\n")
    definitions = [
        {
            "name": "ta_signals",
            "create_table_query": "CREATE TABLE torghut.ta_signals (`seq` UInt64) ENGINE = "
            "ReplacingMergeTree ORDER BY seq TTL toDateTime(event_ts) + toIntervalDay(14) SETTINGS",
        },
        {
            "name": "ta_microbars",
            "create_table_query": "CREATE … TTL toDateTime(event_ts) + INTERVAL 30 DAY",
        },
        {"name": "other", "create_table_query": "CREATE TABLE x"},
    ]
    read = read_coverage(3, tables, gaps, definitions)
    assert read.tables[0] == TABLES[0]
    assert read.tables[1] == TableDays("ta_signals", 0, None, None, 0)
    assert read.gaps == (GAPS[1],)
    assert dict(read.ttl_days) == {"ta_signals": 14, "ta_microbars": 30}


@pytest.mark.parametrize("row", [{}, {"table_name": "x", "days": "many"}])
def test_an_answer_of_another_form(row: dict[str, str]) -> None:
    with pytest.raises(RunnerError, match="clickhouse_coverage_query_failed:"):
        read_coverage(0, [row], [])


def test_the_queries_look_at_the_jobs_own_rows_by_day() -> None:
    for sql in (TABLES_SQL, gaps_sql(40)):
        assert sql.count("source = 'ta' AND window_size = 'PT1S'") == 2
        assert "toDate(event_ts)" in sql
        assert "FINAL" not in sql
    assert gaps_sql(7).endswith("ORDER BY trading_day DESC LIMIT 7")


# --- retention


def test_retention_of_production_in_may() -> None:
    report = retention(25).to_json()
    assert report["schema"] == "torghut.kafka-retention-preflight.v1"
    assert report["status"] == "insufficient_source_retention"
    assert report["blockers"] == [
        "retention_shortfall:trades:7<35",
        "retention_shortfall:quotes:7<35",
        "retention_shortfall:bars1m:30<35",
        "retention_shortfall:ta_microbars:14<35",
        "retention_shortfall:ta_signals:14<35",
    ]
    assert report["summary"] == {
        "required_trading_days": 25,
        "required_calendar_days": 35,
        "raw_replay_source_roles": ["trades", "quotes", "bars1m"],
        "derived_ta_topic_roles": ["ta_microbars", "ta_signals"],
    }
    assert report["topics"][1] == {
        "role": "quotes",
        "topic": "torghut.quotes.v1",
        "retention_ms": 604_800_000,
        "retention_days": 7.0,
        "ready": "true",
        "partitions": 3,
        "replicas": 3,
    }


def test_no_days_no_shortfall() -> None:
    assert retention(0).status == "ok"
    assert retention(0).blockers == []


def test_derived_topics_alone() -> None:
    resources = topics() | {role: topic(TOPICS[role], 90, 3) for role in RAW_ROLES}
    assert retention(25, resources).status == "insufficient_derived_topic_retention"


def test_missing_and_unready_topics() -> None:
    resources = topics()
    del resources["trades"]
    resources["quotes"]["status"]["conditions"][0]["status"] = "False"
    resources["bars1m"]["status"] = {}
    found = retention(0, resources)
    assert found.status == "kafka_topic_preflight_blocked"
    assert found.blockers == [
        "kafka_topic_missing:trades:torghut.trades.v1",
        "kafka_topic_not_ready:quotes:torghut.quotes.v1:false",
    ]
    assert found.topics[2].ready == "unknown"


def test_a_topic_without_retention() -> None:
    resources = topics()
    resources["bars1m"]["spec"]["config"] = None
    found = retention(0, resources)
    assert found.blockers == ["retention_missing:bars1m:torghut.bars.1m.v1"]
    assert found.topics[2].to_json()["retention_days"] is None


def test_retention_for_ever() -> None:
    resources = topics()
    for one in resources.values():
        one["spec"]["config"]["retention.ms"] = "-1"
    assert retention(25, resources).status == "ok"


def test_a_topic_is_found_by_the_name_that_the_brokers_know() -> None:
    resources = topics()
    resources["trades"]["metadata"]["name"] = "trades-resource"
    resources["trades"]["spec"]["topicName"] = "torghut.trades.v1"
    assert retention(0, resources).status == "ok"
    resources["quotes"]["spec"]["topicName"] = "another"
    assert retention(0, resources).blockers == ["kafka_topic_missing:quotes:torghut.quotes.v1"]


def test_days_are_shown_with_two_places() -> None:
    assert TopicRetention(role="trades", topic="t", retention_ms=100_000_000).days == 1.16


def test_topics_of_roles() -> None:
    assert roles_to_topics([]) == TOPICS
    assert roles_to_topics(["trades = other.v2"])["trades"] == "other.v2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trades", "--kafka-retention-topic must be role=topic, got trades"),
        ("status=x", "unknown kafka retention topic role status"),
        ("trades=", "kafka retention topic for role trades cannot be empty"),
    ],
)
def test_roles_that_are_wrong(text: str, message: str) -> None:
    with pytest.raises(RunnerError) as caught:
        roles_to_topics([text])
    assert caught.value.what == message


# --- the decision table

FIELDS = [field.name for field in dataclasses.fields(Conditions)]
EVERY = [
    Conditions(**dict(zip(FIELDS, values, strict=True)))
    for values in itertools.product([True, False], repeat=len(FIELDS))
]

ROWS: tuple[tuple[str, Callable[[Conditions], bool]], ...] = (
    (COMPLETE, lambda c: c.coverage_run and c.window_full),
    (FEASIBLE, lambda c: c.retention_run and c.sources_fine and c.ttl_enough),
    (SHORT_TTL, lambda c: c.retention_run and c.sources_fine and not c.ttl_enough),
    (
        NO_SOURCE,
        lambda c: (
            (c.retention_run and not c.sources_fine) or (c.span_wanted and not c.retention_run)
        ),
    ),
    (INCOMPLETE, lambda _c: True),
)
"""The documented table, written down a second time: the first row that matches."""


@pytest.mark.parametrize("conditions", EVERY, ids=str)
def test_every_combination_is_the_first_row_that_matches(conditions: Conditions) -> None:
    status = next(name for name, matches in ROWS if matches(conditions))
    decision = decide(conditions)
    assert decision.status == status
    assert decision.capture_ready is (status == COMPLETE)
    if conditions.days_wanted:
        assert decision.admission is (status == FEASIBLE)


def test_every_row_is_reached() -> None:
    assert {decide(conditions).status for conditions in EVERY} == {name for name, _ in ROWS}


@pytest.mark.parametrize("conditions", EVERY, ids=str)
def test_without_days_the_coverage_only_informs(conditions: Conditions) -> None:
    """The mend: asking ClickHouse must not decide where no day is asked for."""
    if conditions.days_wanted or not conditions.window_full:
        return
    informed = decide(dataclasses.replace(conditions, coverage_run=True))
    blind = decide(dataclasses.replace(conditions, coverage_run=False))
    if conditions.retention_run:
        assert informed.admission is blind.admission
    else:
        assert informed.admission is not conditions.span_wanted


@st.composite
def verdicts(draw: st.DrawFn) -> Feasibility:
    trading = draw(st.integers(0, 40))
    days = draw(st.integers(0, 40))
    keeps = st.one_of(st.none(), st.integers(0, 60).map(lambda number: number * DAY_MS))
    asked = draw(st.tuples(st.booleans(), st.booleans()))
    calendar = calendar_days(trading, draw(st.sampled_from([0, 10, 50])))
    return Feasibility(
        trading_days=trading,
        calendar_days=calendar,
        coverage=coverage(trading, tables=(TableDays("ta_signals", days, None, None, days),))
        if asked[0]
        else None,
        retention=Retention(
            trading_days=trading,
            calendar_days=calendar,
            topics=tuple(
                TopicRetention(
                    role=role,
                    topic=name,
                    found=draw(st.booleans()),
                    retention_ms=draw(keeps),
                    ready=draw(st.sampled_from(["true", "false", "unknown"])),
                )
                for role, name in TOPICS.items()
            ),
        )
        if asked[1]
        else None,
    )


@given(verdicts())
def test_a_verdict_holds_together(verdict: Feasibility) -> None:
    report = verdict.to_json()
    assert report["status"] in {name for name, _ in ROWS}
    assert report["ok"] == (
        report["exact_replay_capture_ready"] or report["non_destructive_replay_admission"]
    )
    if report["non_destructive_replay_admission"]:
        assert report["clickhouse_ttl_sufficient"]
        assert not any(text.endswith("_preflight_missing") for text in report["blockers"])
        kafka = [text for text in report["blockers"] if text.startswith("kafka:")]
        assert not any(f":{role}:" in text for text in kafka for role in RAW_ROLES)
    actions = report["required_actions"]
    assert actions
    assert len(actions) == len(set(actions))


# --- verdicts on production's figures


def test_may_before_the_retention_was_raised() -> None:
    report = feasibility(25, coverage=coverage(25), retention=retention(25)).to_json()
    assert report["schema"] == "torghut.ta-replay-feasibility.v1"
    assert report["status"] == NO_SOURCE
    assert (report["required_trading_days"], report["required_calendar_days"]) == (25, 35)
    assert (report["signal_days"], report["microbar_days"]) == (9, 19)
    assert report["missing_signal_days_vs_required"] == 16
    assert report["clickhouse_ttl_days"] == {"ta_microbars": 35, "ta_signals": 35}
    assert report["clickhouse_ttl_source"] == "assumed"
    assert report["blockers"] == [
        "current_signal_window_shortfall:9<25",
        "coverage:insufficient_ta_signal_days:9<25",
        "coverage:microbar_only_days:2",
        "kafka:retention_shortfall:trades:7<35",
        "kafka:retention_shortfall:quotes:7<35",
        "kafka:retention_shortfall:bars1m:30<35",
        "kafka:retention_shortfall:ta_microbars:14<35",
        "kafka:retention_shortfall:ta_signals:14<35",
    ]
    assert report["required_actions"] == [
        "do_not_start_ta_replay_until_preflight_passes",
        "wait_for_new_signal_days_or_restore_archive_source",
        "close_ta_signal_day_shortfall_before_profit_claim",
        "repair_or_replace_missing_source_retention",
        "repair_derived_ta_topic_retention_or_readiness",
        "continue_read_only_replay_feasibility_monitoring",
    ]


def test_ttl_shorter_than_the_days() -> None:
    verdict = feasibility(32, coverage=coverage(32), retention=plentiful(32))
    assert verdict.status == SHORT_TTL
    assert "clickhouse_ttl_shortfall:ta_signals:35<45" in verdict.blockers
    assert verdict.actions[:1] == [
        "capture_replay_artifacts_immediately_or_use_archive_before_clickhouse_ttl"
    ]
    assert "avoid_using_clickhouse_ttl_window_as_durable_proof" in verdict.actions


def test_the_tables_own_ttl_counts() -> None:
    ttl = (("ta_microbars", 30), ("ta_signals", 14))
    verdict = feasibility(25, coverage=coverage(25, ttl_days=ttl), retention=plentiful(25))
    assert verdict.status == SHORT_TTL
    assert "clickhouse_ttl_shortfall:ta_signals:14<35" in verdict.blockers
    assert verdict.to_json()["clickhouse_ttl_source"] == "tables"


def test_feasible() -> None:
    verdict = feasibility(25, coverage=coverage(25), retention=plentiful(25))
    assert (verdict.status, verdict.admission) == (FEASIBLE, True)
    assert verdict.actions[0] == "run_non_destructive_ta_replay_in_bounded_window"


def test_a_complete_window_needs_no_replay() -> None:
    verdict = feasibility(9, coverage=coverage(9), retention=plentiful(9))
    assert (verdict.status, verdict.admission) == (COMPLETE, False)
    assert verdict.actions[0] == "capture_exact_replay_runtime_ledger_artifacts"


def test_a_missing_preflight() -> None:
    verdict = feasibility(25, coverage=coverage(25))
    assert verdict.status == NO_SOURCE
    assert "kafka_retention_preflight_missing" in verdict.blockers
    assert "run_kafka_retention_preflight" in verdict.actions


def test_no_preflight_at_all() -> None:
    verdict = feasibility(0)
    assert verdict.status == INCOMPLETE
    assert verdict.blockers == ["coverage_preflight_missing", "kafka_retention_preflight_missing"]
    assert verdict.actions[0] == "complete_replay_preflights_before_action"
    assert verdict.to_json()["signal_days"] is None


@pytest.mark.parametrize(("trading", "blocked"), [(0, False), (9, True), (25, True)])
def test_coverage_alone_blocks_only_when_days_are_asked_for(
    trading: int,
    blocked: bool,  # noqa: FBT001
) -> None:
    verdict = feasibility(trading, coverage=coverage(trading))
    found = blockers(Current(group="g"), GroupHistory(), verdict, Permissions(), None)
    assert bool(found) is blocked
    assert all(text == f"replay_not_admitted:{verdict.status}" for text in found)


def test_coverage_without_days_does_not_hide_a_missing_topic() -> None:
    resources = topics()
    del resources["trades"]
    verdict = feasibility(0, coverage=coverage(0), retention=retention(0, resources))
    assert (verdict.status, verdict.admission) == (COMPLETE, False)
    assert "kafka:kafka_topic_missing:trades:torghut.trades.v1" in verdict.blockers
