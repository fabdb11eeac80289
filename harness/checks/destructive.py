"""Checks on a destructive replay: saved before, deleted as allowed, made alike."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from harness.checks.model import Check, decide, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.checks.evidence import Evidence, Objects, TopicState
    from harness.checks.model import CheckResult

STATE: Final = "torghut/technical-analysis/"
"""Prefix of everything that the job keeps in the bucket."""

FOLDERS: Final = ("checkpoints/", "savepoints/")
"""What the document backs up and removes, below ``STATE``."""

_SHOWN: Final = 5


def _state_objects(objects: Objects, prefix: str = STATE) -> dict[str, tuple[int, str]]:
    """Return size and digest of the objects in the two folders, by name below ``prefix``.

    Names that end in a slash are left out: they are empty marks of directories, which the S3
    file system makes anew and the ``aws`` command does not copy.
    """
    return {
        key.removeprefix(prefix): value
        for key, value in objects.items()
        if key.startswith(tuple(prefix + folder for folder in FOLDERS)) and key[-1] != "/"
    }


def _last_before_deletion(evidence: Evidence) -> Objects | None:
    """Return the bucket at the last look before objects of the state were gone."""
    looks = [look.objects for look in evidence.object_looks if look.job_down]
    for earlier, later in itertools.pairwise(looks):
        if _state_objects(earlier).keys() - _state_objects(later).keys():
            return earlier
    return None


def backup_complete(evidence: Evidence) -> CheckResult:
    """Every object of the state had an equal copy below the backup's prefix when it was deleted."""
    name = "backup-complete"
    objects = _last_before_deletion(evidence)
    if objects is None:
        return unknown(name, reason="no object of the state was seen to be deleted")
    there = _state_objects(objects)
    copies = _state_objects(objects, f"{STATE}backup/{evidence.replay_id}/")
    missing = sorted(key for key, value in there.items() if copies.get(key) != value)
    return decide(
        not missing,
        name,
        got={"copied": len(there) - len(missing), "missing or different": missing[:_SHOWN]},
        expected={"copied": len(there), "missing or different": []},
        good=f"all {len(there)} objects had an equal copy before the first was deleted",
        bad=f"{len(missing)} of {len(there)} objects had no equal copy: there is no way back",
    )


def state_gone(evidence: Evidence) -> CheckResult:
    """At some look after the deletion no object of the old state was left."""
    name = "state-gone"
    before = _last_before_deletion(evidence)
    if before is None:
        return unknown(name, reason="no object of the state was seen to be deleted")
    old = _state_objects(before).keys()
    left = sorted(old & _state_objects(evidence.object_looks[-1].objects).keys())
    return decide(
        not left,
        name,
        got={"left": left[:_SHOWN], "count": len(left)},
        expected={"left": [], "count": 0},
        good=f"all {len(old)} objects of the old state are gone",
        bad=f"{len(left)} objects of the old state are still there",
    )


def only_derived_deleted(evidence: Evidence) -> CheckResult:
    """The topics that are gone or are other ones now are exactly the derived ones."""
    name = "only-derived-topics-deleted"
    before, after = evidence.before.topics, evidence.after.topics
    deleted = {
        topic
        for topic, state in before.items()
        if topic not in after or after[topic].topic_id != state.topic_id
    }
    return decide(
        deleted == evidence.derived,
        name,
        got=sorted(deleted),
        expected=sorted(evidence.derived),
        good="the derived topics were deleted, and no others",
        bad=(
            f"deleted: {', '.join(sorted(deleted)) or 'none'}; the document allows "
            f"{', '.join(sorted(evidence.derived))}"
        ),
    )


def topics_recreated_alike(evidence: Evidence) -> CheckResult:
    """The derived topics have the partitions, replicas and settings that they had before."""
    name = "topics-recreated-alike"
    before, after = evidence.before.topics, evidence.after.topics
    pairs = {topic: (before.get(topic), after.get(topic)) for topic in sorted(evidence.derived)}
    lost = {topic: _lost(then, now) for topic, (then, now) in pairs.items()}
    changed = {topic: text for topic, text in lost.items() if text}
    return decide(
        not changed,
        name,
        got={topic: _shown(now) for topic, (_, now) in pairs.items()},
        expected={topic: _shown(then) for topic, (then, _) in pairs.items()},
        good="the derived topics are as they were",
        bad="; ".join(f"{topic}: {text}" for topic, text in changed.items()),
    )


def _shown(state: TopicState | None) -> Mapping[str, object] | None:
    if state is None:
        return None
    return {
        "partitions": state.partitions,
        "replication factor": state.replication_factor,
        **state.settings,
    }


def _lost(then: TopicState | None, now: TopicState | None) -> str:
    before, after = _shown(then), _shown(now)
    if before is None or after is None:
        return "" if before == after else "is gone" if after is None else "is new"
    return ", ".join(
        f"{key} was {before.get(key, 'not set')} and is {after.get(key, 'not set')}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    )


DESTRUCTIVE_CHECKS: Final = (
    Check(
        "backup-complete",
        "every object of the state had an equal copy before the first was deleted",
        backup_complete,
    ),
    Check("state-gone", "nothing of the old checkpoints and savepoints is left", state_gone),
    Check(
        "only-derived-topics-deleted",
        "the derived topics are deleted and no others",
        only_derived_deleted,
    ),
    Check(
        "topics-recreated-alike",
        "the derived topics have the partitions, replicas and settings that they had",
        topics_recreated_alike,
    ),
)
