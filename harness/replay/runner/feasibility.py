"""Whether a replay can bring a window back, from what the preflights say: a decision table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from harness.replay.runner.names import ASSUMED_TTL_DAYS, DERIVED_ROLES, RAW_ROLES

if TYPE_CHECKING:
    from harness.replay.runner.coverage import Coverage
    from harness.replay.runner.retention import Retention

SCHEMA: Final = "torghut.ta-replay-feasibility.v1"

COMPLETE: Final = "current_clickhouse_window_complete"
FEASIBLE: Final = "source_replay_feasible"
SHORT_TTL: Final = "source_replay_possible_but_clickhouse_ttl_blocks_durable_window"
NO_SOURCE: Final = "blocked_source_retention_or_missing_preflight"
INCOMPLETE: Final = "blocked_preflight_incomplete"

_STATUS_ACTIONS: Final = {
    COMPLETE: ("capture_exact_replay_runtime_ledger_artifacts",),
    FEASIBLE: ("run_non_destructive_ta_replay_in_bounded_window",),
    SHORT_TTL: ("capture_replay_artifacts_immediately_or_use_archive_before_clickhouse_ttl",),
    NO_SOURCE: (
        "do_not_start_ta_replay_until_preflight_passes",
        "wait_for_new_signal_days_or_restore_archive_source",
    ),
    INCOMPLETE: ("complete_replay_preflights_before_action",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What the decision table looks at.

    Attributes:
        days_wanted: whether any trading day is asked for.
        span_wanted: whether any calendar day is; trading days need some.
        coverage_run: whether ClickHouse was asked.
        window_full: whether the tables hold the days asked for.
        retention_run: whether the KafkaTopics were read.
        sources_fine: whether nothing is wrong with the input topics.
        ttl_enough: whether the tables keep rows as long as the days asked for.
    """

    days_wanted: bool
    span_wanted: bool
    coverage_run: bool
    window_full: bool
    retention_run: bool
    sources_fine: bool
    ttl_enough: bool

    @property
    def complete(self) -> bool:
        """Whether the current window is complete."""
        return self.coverage_run and self.window_full

    @property
    def source_possible(self) -> bool:
        """Whether the inputs of the days asked for can still be read."""
        return self.retention_run and self.sources_fine

    @property
    def nothing_speaks_against(self) -> bool:
        """Whether a replay is admitted when no trading day is asked for."""
        if not self.retention_run:
            return not self.span_wanted
        return self.sources_fine and self.ttl_enough


@dataclass(frozen=True, slots=True)
class Decision:
    """What the table says.

    Attributes:
        status: the first row that matches.
        capture_ready: whether the window can be captured as it is.
        admission: whether a replay may be started.
    """

    status: str
    capture_ready: bool
    admission: bool


def decide(conditions: Conditions) -> Decision:
    """Return the first row of the decision table that matches.

    A window of no day is always complete. The documented runner therefore never admitted a
    replay once coverage was asked for without a number of days; here that only informs.
    """
    if conditions.complete:
        admission = not conditions.days_wanted and conditions.nothing_speaks_against
        return Decision(COMPLETE, capture_ready=True, admission=admission)
    if conditions.source_possible:
        enough = conditions.ttl_enough
        return Decision(FEASIBLE if enough else SHORT_TTL, capture_ready=False, admission=enough)
    if conditions.retention_run or conditions.span_wanted:
        return Decision(NO_SOURCE, capture_ready=False, admission=False)
    return Decision(INCOMPLETE, capture_ready=False, admission=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feasibility:
    """The verdict of the preflights.

    Attributes:
        trading_days: trading days wanted.
        calendar_days: days of retention and TTL that they need.
        coverage: what ClickHouse holds; None when not asked.
        retention: what Kafka keeps; None when not asked.
    """

    trading_days: int
    calendar_days: int
    coverage: Coverage | None = None
    retention: Retention | None = None

    @property
    def ttl_days(self) -> dict[str, int]:
        """TTL of each table: what ClickHouse says, else what production had last."""
        told = self.coverage.ttl_days if self.coverage else ()
        return {**ASSUMED_TTL_DAYS, **dict(told)}

    @property
    def conditions(self) -> Conditions:
        """What the decision table looks at."""
        return Conditions(
            days_wanted=self.trading_days > 0,
            span_wanted=self.calendar_days > 0,
            coverage_run=self.coverage is not None,
            window_full=self.coverage is not None and not self.coverage.missing,
            retention_run=self.retention is not None,
            sources_fine=self.retention is not None and not self.retention.trouble(RAW_ROLES),
            ttl_enough=all(days >= self.calendar_days for days in self.ttl_days.values()),
        )

    @property
    def decision(self) -> Decision:
        """What the decision table says."""
        return decide(self.conditions)

    @property
    def status(self) -> str:
        """Status of the decision."""
        return self.decision.status

    @property
    def admission(self) -> bool:
        """Whether a replay may be started."""
        return self.decision.admission

    @property
    def derived_ok(self) -> bool:
        """Whether nothing is wrong with the output topics."""
        return self.retention is not None and not self.retention.trouble(DERIVED_ROLES)

    @property
    def blockers(self) -> list[str]:
        """Everything that is short or not known, whether it decides or not."""
        found = []
        if not self.admission:
            found += [f"{name}_preflight_missing" for name in self._missing()]
        if self.coverage is not None and self.coverage.missing:
            days = self.coverage.days("ta_signals")
            found.append(f"current_signal_window_shortfall:{days}<{self.trading_days}")
        found += [
            f"clickhouse_ttl_shortfall:{table}:{days}<{self.calendar_days}"
            for table, days in self.ttl_days.items()
            if days < self.calendar_days
        ]
        found += [f"coverage:{text}" for text in (self.coverage.blockers if self.coverage else ())]
        found += [f"kafka:{text}" for text in (self.retention.blockers if self.retention else ())]
        return found

    def _missing(self) -> list[str]:
        asked = {"coverage": self.coverage, "kafka_retention": self.retention}
        return [name for name, answer in asked.items() if answer is None]

    @property
    def actions(self) -> list[str]:
        """What to do, most important first."""
        conditions = self.conditions
        wanted = {
            "run_clickhouse_coverage_preflight": self.coverage is None,
            "run_kafka_retention_preflight": self.retention is None,
            "close_ta_signal_day_shortfall_before_profit_claim": bool(
                self.coverage and self.coverage.missing
            ),
            "repair_or_replace_missing_source_retention": conditions.retention_run
            and not conditions.sources_fine,
            "repair_derived_ta_topic_retention_or_readiness": conditions.retention_run
            and not self.derived_ok,
            "avoid_using_clickhouse_ttl_window_as_durable_proof": not conditions.ttl_enough,
            "continue_read_only_replay_feasibility_monitoring": not self.admission,
        }
        return [*_STATUS_ACTIONS[self.status], *(name for name, is_so in wanted.items() if is_so)]

    def to_json(self) -> dict[str, Any]:
        """Return the report's ``replay_feasibility``."""
        decision, conditions, coverage = self.decision, self.conditions, self.coverage
        return {
            "schema": SCHEMA,
            "status": decision.status,
            "ok": decision.admission or decision.capture_ready,
            "exact_replay_capture_ready": decision.capture_ready,
            "non_destructive_replay_admission": decision.admission,
            "current_window_complete": conditions.complete,
            "source_replay_possible": conditions.source_possible,
            "derived_topic_retention_ok": self.derived_ok,
            "clickhouse_ttl_sufficient": conditions.ttl_enough,
            "required_trading_days": self.trading_days,
            "required_calendar_days": self.calendar_days,
            "signal_days": coverage.days("ta_signals") if coverage else None,
            "microbar_days": coverage.days("ta_microbars") if coverage else None,
            "missing_signal_days_vs_required": coverage.missing if coverage else None,
            "clickhouse_ttl_days": self.ttl_days,
            "clickhouse_ttl_source": "tables" if coverage and coverage.ttl_days else "assumed",
            "blockers": self.blockers,
            "required_actions": self.actions,
        }
