"""Rules on the job and its consumer group: down while it changes, never used, recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness.core.results import decide, failed, passed, unknown
from harness.referee.case import JOB_OR_KAFKA_CHANGED, Rule, first
from harness.referee.facts import (
    DOWN,
    Confirmed,
    GroupChanged,
    GroupSeen,
    GroupsListed,
    JobObserved,
    JobStateWanted,
    ObjectsCopied,
    seen,
)
from harness.referee.logic import before, never_before, since, violations

if TYPE_CHECKING:
    from harness.core.results import CheckResult
    from harness.referee.case import Case
    from harness.referee.facts import (
        Fact,
    )
    from harness.referee.logic import Formula

RECORDS: Final = (
    "REPLAY_ID",
    "PREV_TA_GROUP_ID",
    "PREV_TA_AUTO_OFFSET_RESET",
    "trading-paused",
    "replay-window-feasible",
)
"""What the ticket holds before anything is touched, by the names that bindings give."""

STOPPED: Final = seen(JobObserved, lambda fact: fact.state in DOWN)
UP: Final = seen(JobObserved, lambda fact: fact.state not in DOWN)
SUSPENDED: Final = seen(JobStateWanted, lambda fact: fact.new == "suspended")
TOLD_TO_RUN: Final = seen(JobStateWanted, lambda fact: fact.new != "suspended")
JOB_IS_DOWN: Final = since(~UP, STOPPED)
JOB_IS_SUSPENDED: Final = since(~TOLD_TO_RUN, SUSPENDED)
GROUP_CHANGED: Final = seen(GroupChanged, lambda fact: not fact.created)


def job_suspended_before_group_change(case: Case) -> CheckResult:
    """The job was suspended, and had stopped, whenever TA_GROUP_ID changed in the cluster.

    Pass without a change of the group: nothing had to be kept apart. Unknown when the job was
    suspended but the trail never shows it stop.
    """
    name = "job-suspended-before-group-change"
    changes = case.where(GROUP_CHANGED)
    if not changes:
        return passed(name, got="no change", expected="job down", reason="the group never changed")
    changed = case.running(GROUP_CHANGED)
    running = violations(case.facts, changed, JOB_IS_SUSPENDED)
    if not running and not case.all(JobObserved):
        return unknown(name, reason="the job was suspended, but the trail never shows its state")
    wrong = running or violations(case.facts, changed, JOB_IS_DOWN)
    return decide(
        not wrong,
        name,
        got={"group changed": [fact.where for fact in changes], "too early": first(wrong)},
        expected="job suspended and stopped",
        good="the job was suspended and had stopped whenever its group changed",
        bad=(
            f"the group changed at {first(wrong)} while the job was "
            f"{'not suspended' if running else 'told to stop but still up'}"
        ),
    )


def group_never_used_before(case: Case) -> CheckResult:
    """Whatever TA_GROUP_ID changes to was never used before; going back to PREV is no replay.

    Use is proved by one sighting: an earlier setting, a commit, a listing. Absence is proved by a
    listing of all groups only; without one the rule is unknown. No change of the group passes.
    """
    name = "group-never-used-before"
    new = _replay_groups(case)
    if not new:
        return passed(
            name, got="no new group", expected="unused", reason="no new group was set in the run"
        )
    used = [line for fact in new for line in _earlier_use(case, fact)]
    if used:
        return failed(name, got=used, expected="unused", reason="; ".join(used))
    unproved = [fact.new for fact in new if not _listed_before(case, fact)]
    if unproved:
        return unknown(name, reason=f"nobody listed the brokers' groups before {unproved[0]}")
    groups = [fact.new for fact in new]
    return passed(
        name, got=groups, expected="unused", reason=f"never used before: {', '.join(groups)}"
    )


def _replay_groups(case: Case) -> list[GroupChanged]:
    live = case.expectations.live_group
    return [
        fact
        for fact in case.where(GROUP_CHANGED)
        if isinstance(fact, GroupChanged) and fact.new not in {live, None}
    ]


def _earlier_use(case: Case, change: GroupChanged) -> list[str]:
    group = change.new
    uses: Formula[Fact] = (
        seen(GroupSeen, lambda fact: fact.group == group)
        | seen(GroupsListed, lambda fact: group in fact.groups)
        | seen(GroupChanged, lambda fact: group in {fact.new, fact.old})
    )
    this = seen(GroupChanged, lambda fact: fact.line == change.line)
    found = violations(case.facts, this, never_before(uses))
    lines = [f"{group} was in use before {fact.where}" for fact in found]
    if group in (case.expectations.known_groups or ()):
        lines.append(f"{group} was known to the brokers before the replay")
    return lines


def _listed_before(case: Case, change: GroupChanged) -> bool:
    listed = any(fact.line < change.line for fact in case.all(GroupsListed))
    return listed or case.expectations.known_groups is not None


def no_reused_replay_id(case: Case) -> CheckResult:
    """One REPLAY_ID, new, and part of the names of the group and of every backup.

    Unknown when nobody kept the identifiers of earlier replays: then only a contradiction within
    this trail can be told. Without a REPLAY_ID it fails: the document wants one recorded.
    """
    name = "no-reused-replay-id"
    identifiers = _replay_ids(case)
    if not identifiers:
        return failed(name, got=None, expected="a REPLAY_ID", reason="no REPLAY_ID was recorded")
    expected = {"one identifier": True, "used before": False}
    trouble = [*_reuse(case, identifiers), *_misnamed(case, identifiers)]
    if trouble:
        return failed(name, got=trouble, expected=expected, reason="; ".join(trouble))
    if case.expectations.used_replay_ids is None:
        return unknown(
            name, got=identifiers, reason="nobody kept the REPLAY_IDs of earlier replays"
        )
    return passed(name, got=identifiers, expected=expected, reason=f"{identifiers[0]} is new")


def _replay_ids(case: Case) -> list[str]:
    recorded = [fact.value for fact in case.all(Confirmed) if fact.name == "REPLAY_ID"]
    known = case.expectations.replay_id
    return list(dict.fromkeys([*([known] if known else []), *filter(None, recorded)]))


def _reuse(case: Case, identifiers: list[str]) -> list[str]:
    trouble = []
    if len(identifiers) > 1:
        trouble.append(f"more than one REPLAY_ID in a run: {', '.join(identifiers)}")
    used = (case.expectations.used_replay_ids or frozenset()) & set(identifiers)
    earlier = [
        fact.target
        for fact in case.all(ObjectsCopied)
        if fact.line < (case.start or 0) and identifiers[0] in fact.target.split("/")
    ]
    trouble += [f"{identifier} was used by an earlier replay" for identifier in sorted(used)]
    return trouble + [f"a backup of that name was there before: {target}" for target in earlier]


def _misnamed(case: Case, identifiers: list[str]) -> list[str]:
    expected = case.expectations.replay_group
    groups = [fact.new for fact in _replay_groups(case)]
    backups = [
        fact.target
        for fact in case.where(seen(ObjectsCopied))
        if isinstance(fact, ObjectsCopied) and fact.source in case.expectations.state_prefixes
    ]
    return [
        *(
            f"the group became {group} instead of {expected}"
            for group in groups
            if group != expected
        ),
        *(
            f"{named} does not carry the REPLAY_ID {identifiers[0]}"
            for named in (*groups, *backups)
            if identifiers[0] not in named
        ),
    ]


def records_before_first_change(case: Case) -> CheckResult:
    """Everything that the ticket must hold was recorded before the first change.

    Pass without a change. PREV_TA_GROUP_ID must also be the group that really was in use.
    """
    name = "records-before-first-change"
    changed = case.running(JOB_OR_KAFKA_CHANGED)
    first_change = changed & never_before(changed)
    if not case.where(first_change):
        return passed(name, got="no change", expected=RECORDS, reason="nothing was changed")
    missing = [
        record
        for record in RECORDS
        if violations(case.facts, first_change, before(_recorded(record)))
    ]
    wrong = {
        fact.value
        for fact in case.all(Confirmed)
        if fact.name == "PREV_TA_GROUP_ID" and fact.value != case.expectations.live_group
    }
    return decide(
        not missing and not wrong,
        name,
        got={"missing": missing, "wrong PREV_TA_GROUP_ID": sorted(wrong)},
        expected={"missing": [], "PREV_TA_GROUP_ID": case.expectations.live_group},
        good="everything was recorded before the first change",
        bad=f"not recorded before {first(case.where(first_change))}: {', '.join(missing)}"
        if missing
        else f"recorded as PREV_TA_GROUP_ID: {', '.join(wrong)}",
    )


def _recorded(name: str) -> Formula[Fact]:
    return seen(Confirmed, lambda fact: fact.name == name and fact.value != "")


ISOLATION_RULES: Final = (
    Rule(
        "records-before-first-change",
        "the ticket holds everything before the job or Kafka is touched",
        "To record before the start",
        "nothing is touched until the ticket or incident holds these values",
        records_before_first_change,
        frozenset({"job", "config", "kafka"}),
    ),
    Rule(
        "job-suspended-before-group-change",
        "the job is suspended and has stopped whenever TA_GROUP_ID changes",
        "Mode 1: replay with a new consumer group, nothing deleted",
        "the job is suspended so that nothing is written while the group changes",
        job_suspended_before_group_change,
        frozenset({"job", "config"}),
    ),
    Rule(
        "group-never-used-before",
        "a replay's TA_GROUP_ID was never used by anybody before",
        "Rules for every replay",
        "each replay gets a group that nobody has used, never that of an earlier replay",
        group_never_used_before,
        frozenset({"config"}),
    ),
    Rule(
        "no-reused-replay-id",
        "the REPLAY_ID is new and names the group and every backup",
        "To record before the start",
        "REPLAY_ID is new for each replay, part of the group id and of every backup's name",
        no_reused_replay_id,
        frozenset({"config", "s3"}),
    ),
)
