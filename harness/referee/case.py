"""What a rule looks at, and what a rule is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeVar

from harness.core.results import CheckResult
from harness.referee.facts import (
    Changed,
    Fact,
    GroupMeddled,
    ObjectRemoved,
    ObjectsDeleted,
    RecordsDeleted,
    RowsDeleted,
    RunStarted,
    TopicAltered,
    TopicCreated,
    TopicDeleted,
    Unclear,
    seen,
)
from harness.referee.trail import AREAS, CONFIG, JOB

if TYPE_CHECKING:
    from harness.core.audit import AuditEvent
    from harness.referee.logic import Formula

Judge = Callable[["Case"], CheckResult]
F = TypeVar("F", bound=Fact)

OWN_PROMISE: Final = "(no section: the harness itself promises it)"
"""Stands for the section of a rule that does not come from the runbook."""

_STATE: Final = "s3://flink-checkpoints/torghut/technical-analysis"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectations:
    """What is known beside the trail.

    Attributes:
        live_group: consumer group before the replay.
        replay_group: consumer group that the document tells to use.
        inputs: topics that the job reads.
        derived: topics that the job writes.
        replay_id: REPLAY_ID of this replay; None: whatever was recorded.
        ticket: ticket or incident of this replay; None: whatever was recorded.
        state_prefixes: where Flink's checkpoints and savepoints are.
        derived_tables: tables that the job writes.
        known_groups: groups that the brokers had ever heard of before the replay; None: only
            the trail tells.
        used_replay_ids: identifiers of earlier replays; None: nobody kept them.
        secrets: values that must not be in the trail.
    """

    live_group: str
    replay_group: str
    inputs: frozenset[str]
    derived: frozenset[str]
    replay_id: str | None = None
    ticket: str | None = None
    state_prefixes: tuple[str, ...] = (f"{_STATE}/checkpoints", f"{_STATE}/savepoints")
    derived_tables: frozenset[str] = frozenset({"ta_microbars", "ta_signals"})
    known_groups: frozenset[str] | None = None
    used_replay_ids: frozenset[str] | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Case:
    """One trail and what is expected of it.

    Attributes:
        events: the trail's lines.
        facts: what they say.
        expectations: what is known beside it.
    """

    events: tuple[AuditEvent, ...]
    facts: tuple[Fact, ...]
    expectations: Expectations

    @cached_property
    def start(self) -> int | None:
        """Line at which the document began to be run; None: it never was."""
        return next((fact.line for fact in self.facts if isinstance(fact, RunStarted)), None)

    def running(self, formula: Formula[Fact]) -> Formula[Fact]:
        """Restrict a formula to facts of the run: what built the world is not judged."""
        start = self.start
        return formula & seen(Fact, lambda fact: start is not None and fact.line >= start)

    def where(self, formula: Formula[Fact]) -> list[Fact]:
        """Return the facts of the run at which a formula holds."""
        truths = self.running(formula).over(self.facts)
        return [fact for fact, truth in zip(self.facts, truths, strict=True) if truth]

    def all(self, kind: type[F]) -> list[F]:
        """Return the facts of one kind, of the run and before it."""
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def unclear(self, areas: frozenset[str]) -> Unclear | None:
        """Return the first thing in the run that may have touched one of ``areas`` unseen."""
        found = (fact for fact in self.all(Unclear) if fact.areas & areas)
        return next((fact for fact in found if fact.line >= (self.start or 0)), None)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule over the trail.

    Attributes:
        name: as in reports.
        promise: what holds when it passes, one sentence.
        section: section of the runbook (own edition) that asks for it, or ``OWN_PROMISE``.
        sentence: what that section asks, in short.
        judge: the pure function that decides.
        areas: what it needs to see; something unclear there makes a pass unknown.
    """

    name: str
    promise: str
    section: str
    sentence: str
    judge: Judge
    areas: frozenset[str] = frozenset()


DESTRUCTIVE: Final[Formula[Fact]] = (
    seen(TopicDeleted)
    | seen(RecordsDeleted)
    | seen(ObjectsDeleted)
    | seen(RowsDeleted)
    | seen(ObjectRemoved)
    | seen(GroupMeddled)
)
"""Acts that delete something."""

JOB_OR_KAFKA_CHANGED: Final[Formula[Fact]] = (
    seen(Changed, lambda fact: fact.object in {JOB, CONFIG} and not fact.created)
    | seen(TopicCreated)
    | seen(TopicAltered)
    | DESTRUCTIVE
)
"""Acts that touch the TA job, its settings, its state, Kafka or the tables."""

EVERYTHING: Final = frozenset({*AREAS.values(), "kafka", "s3", "tables"})
"""All areas that something unclear may concern."""


def first(facts: list[Fact]) -> str | None:
    """Return where the first of some facts stands, for reports."""
    return facts[0].where if facts else None
