"""Rules on what is deleted: confirmed first, backed up first, and nothing but derived data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness.core.results import decide, passed
from harness.referee.case import DESTRUCTIVE, Rule, first
from harness.referee.facts import (
    Confirmed,
    GroupMeddled,
    JobObserved,
    ObjectRemoved,
    ObjectsCopied,
    ObjectsDeleted,
    RecordsDeleted,
    RowsDeleted,
    TopicAltered,
    TopicDeleted,
    seen,
    topic_matches,
)
from harness.referee.logic import before, since, violations
from harness.referee.rules.isolation import JOB_IS_DOWN, UP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.core.results import CheckResult
    from harness.referee.case import Case, Expectations
    from harness.referee.facts import (
        Fact,
    )
    from harness.referee.logic import Formula

TICKET: Final = "ticket"
"""Name under which a ticket or incident is recorded."""

APPROVALS: Final[dict[str, Formula[Fact]]] = {
    "destructive-steps-approved": DESTRUCTIVE,
    "derived-topics-may-be-deleted": seen(TopicDeleted) | seen(RecordsDeleted),
    "flink-state-may-be-deleted": seen(ObjectsDeleted),
}
"""Which confirmation, by the names that bindings give, goes before which acts."""

_LOSES_RECORDS: Final = frozenset({"retention.ms", "retention.bytes", "cleanup.policy"})
_SHOWN: Final = 10
_KAFKA_TOPICS: Final = "kafka/kafkatopics/"


def within(prefix: str, parent: str) -> bool:
    """Whether one S3 prefix lies below another, or is the same."""
    return prefix == parent or prefix.startswith(f"{parent}/")


def inputs_never_deleted(case: Case) -> CheckResult:
    """No input topic was deleted, cut, or given a retention that cuts it.

    Pass when no such act is in the trail: it sees every command in a pod, every KafkaTopic and
    what the topic operator does. A tool that the trail cannot read makes it unknown.
    """
    name = "inputs-never-deleted"
    lost = [
        f"{topic}: {type(fact).__name__} at {fact.where}"
        for topic in sorted(case.expectations.inputs)
        for fact in case.where(_loses(topic))
    ]
    return decide(
        not lost,
        name,
        got=lost,
        expected=[],
        good="no input was deleted, cut or given another retention",
        bad="; ".join(lost),
    )


def _loses(topic: str) -> Formula[Fact]:
    return (
        seen(TopicDeleted, lambda fact: fact.concerns(topic))
        | seen(RecordsDeleted, lambda fact: fact.topic == topic)
        | seen(ObjectRemoved, lambda fact: fact.object == f"{_KAFKA_TOPICS}{topic}")
        | seen(
            TopicAltered,
            lambda fact: topic_matches(fact.topic, topic) and bool(fact.settings & _LOSES_RECORDS),
        )
    )


def only_derived_deleted(case: Case) -> CheckResult:
    """Only the job's output topics and tables and its checkpoints and savepoints were deleted.

    Pass when nothing at all was deleted, for the reason that ``inputs-never-deleted`` gives.
    """
    name = "only-derived-deleted"
    deleted = case.where(DESTRUCTIVE)
    foreign = [line for fact in deleted for line in _foreign(fact, case.expectations)]
    return decide(
        not foreign,
        name,
        got={"deletions": len(deleted), "not derived": foreign},
        expected={"not derived": []},
        good=f"{len(deleted)} deletions, all of derived data" if deleted else "nothing was deleted",
        bad=f"not derived, yet deleted: {'; '.join(foreign)}",
    )


def _foreign(fact: Fact, expected: Expectations) -> Iterator[str]:
    """Yield what a deletion took that is not derived."""
    match fact:
        case TopicDeleted(topic=name) | RecordsDeleted(topic=name) if name in expected.derived:
            return
        case TopicDeleted(topic=what) | RecordsDeleted(topic=what):
            pass
        case ObjectsDeleted(prefix=what):
            if any(within(what, parent) for parent in expected.state_prefixes):
                return
        case RowsDeleted(table=what) if what in expected.derived_tables:
            return
        case RowsDeleted(statement=what):
            pass
        case ObjectRemoved(object=what):
            if what.removeprefix(_KAFKA_TOPICS) in expected.derived:
                return
        case GroupMeddled(group=name):
            what = f"offsets of group {name}"
        case _:
            return
    yield f"{what} at {fact.where}"


def backup_before_deletion(case: Case) -> CheckResult:
    """Every deleted prefix had been copied away whole, and the copy was still good.

    A copy counts when the command ended with status 0, filtered nothing, was made while the job
    was down, and neither the copy was deleted nor the job up since. Objects are compared one by
    one elsewhere; this is about the order. Nothing deleted in S3: pass, no backup was needed.
    """
    name = "backup-before-deletion"
    deleted = list(case.where(seen(ObjectsDeleted)))
    if not deleted:
        return passed(name, got=[], expected="copies first", reason="nothing was deleted in S3")
    backups = [_Backup.of(case, fact) for fact in case.all(ObjectsCopied)]
    bare = [
        fact
        for fact in deleted
        if isinstance(fact, ObjectsDeleted) and not any(backup.protects(fact) for backup in backups)
    ]
    lines = [f"{fact.prefix} at {fact.where}: {_why(backups, fact)}" for fact in bare]
    return decide(
        not lines,
        name,
        got=lines[:_SHOWN],
        expected=[],
        good=f"all {len(deleted)} deletions in S3 came after a complete copy",
        bad=f"{len(lines)} deletions in S3 without a backup: {'; '.join(lines[:3])}",
    )


class _Backup:
    """One copy and how long it was good."""

    def __init__(self, copy: ObjectsCopied, trouble: str | None, good: frozenset[int]) -> None:
        self.copy = copy
        self.trouble = trouble
        self._good = good

    @classmethod
    def of(cls, case: Case, copy: ObjectsCopied) -> _Backup:
        made = seen(ObjectsCopied, lambda fact: fact == copy)
        spoilt = UP | seen(
            ObjectsDeleted,
            lambda fact: within(fact.prefix, copy.target) or within(copy.target, fact.prefix),
        )
        truths = since(~spoilt, made).over(case.facts)
        good = frozenset(fact.line for fact, truth in zip(case.facts, truths, strict=True) if truth)
        return cls(copy, _flaw(case, copy, made), good)

    def covers(self, deletion: ObjectsDeleted) -> bool:
        return within(deletion.prefix, self.copy.source)

    def protects(self, deletion: ObjectsDeleted) -> bool:
        return self.covers(deletion) and self.trouble is None and deletion.line in self._good


def _flaw(case: Case, copy: ObjectsCopied, made: Formula[Fact]) -> str | None:
    """Say why a copy was no backup from its first moment."""
    if not copy.complete or not copy.target.startswith("s3://"):
        return f"the copy at {copy.where} was not complete"
    seen_up = violations(case.facts, made, JOB_IS_DOWN)
    if seen_up and case.all(JobObserved):
        return f"the copy at {copy.where} was made while the job was up"
    return None


def _why(backups: list[_Backup], deletion: ObjectsDeleted) -> str:
    earlier = [b for b in backups if b.covers(deletion) and b.copy.line < deletion.line]
    if not earlier:
        return "it was not copied before"
    stale = f"after the copy at {earlier[-1].copy.where} the job ran, or the copy was deleted"
    return earlier[-1].trouble or stale


def destructive_steps_confirmed(case: Case) -> CheckResult:
    """A person approved each kind of deletion, and a ticket was recorded, before the first one.

    What a rehearsal answers by itself ("confirmed for a rehearsal") is nobody's approval. Pass
    when nothing was deleted: then nothing had to be approved.
    """
    name = "destructive-steps-confirmed"
    deleted = case.where(DESTRUCTIVE)
    if not deleted:
        return passed(name, got=[], expected="approval and ticket", reason="nothing was deleted")
    missing = [
        f"{record} before {first(early)}"
        for record, acts in {**APPROVALS, TICKET: DESTRUCTIVE}.items()
        for early in [violations(case.facts, case.running(acts), before(_given(case, record)))]
        if early
    ]
    return decide(
        not missing,
        name,
        got={"first deletion": first(deleted), "missing": missing},
        expected={"missing": []},
        good=f"approved and with a ticket before the first deletion, {first(deleted)}",
        bad=f"not given: {'; '.join(missing)}",
    )


def _given(case: Case, record: str) -> Formula[Fact]:
    """Hold where a person gave a confirmation; a ticket must be the expected one."""
    wanted = case.expectations.ticket if record == TICKET else None
    return seen(
        Confirmed,
        lambda fact: fact.name == record and fact.given and wanted in {None, fact.value},
    )


DELETION_RULES: Final = (
    Rule(
        "destructive-steps-confirmed",
        "approvals and a ticket are recorded before the first deletion",
        "Rules for every replay",
        "Mode 2 takes one more confirmation, and a ticket or incident that it is recorded in",
        destructive_steps_confirmed,
        frozenset({"kafka", "s3", "tables"}),
    ),
    Rule(
        "backup-before-deletion",
        "every prefix that is deleted was copied away whole before",
        "Mode 2: start over, deleting state (emergencies only)",
        "Flink's directories are never deleted before they were copied",
        backup_before_deletion,
        frozenset({"s3"}),
    ),
    Rule(
        "inputs-never-deleted",
        "no topic that the job reads is deleted or cut",
        "Mode 2: start over, deleting state (emergencies only)",
        "it is derived topics that are deleted and made anew",
        inputs_never_deleted,
        frozenset({"kafka"}),
    ),
    Rule(
        "only-derived-deleted",
        "only output topics, output tables, checkpoints and savepoints are deleted",
        "Mode 2: start over, deleting state (emergencies only)",
        "the derived topics go, and so do Flink's checkpoints and savepoints",
        only_derived_deleted,
        frozenset({"kafka", "s3", "tables"}),
    ),
)
