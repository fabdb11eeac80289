from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from harness.checks.destructive import (
    STATE,
    backup_complete,
    only_derived_deleted,
    state_gone,
    topics_recreated_alike,
)
from harness.checks.evidence import ObjectLook, TopicState
from harness.checks.safety import inputs_intact
from harness.core.verdicts import Verdict
from tests.conftest import INPUTS, kafka_state

if TYPE_CHECKING:
    from harness.checks.evidence import Evidence, Objects

DERIVED = frozenset({"torghut.ta.bars.1s.v1", "torghut.ta.signals.v1"})
STATES: Objects = {
    f"{STATE}checkpoints/job/chk-5/_metadata": (100, "a"),
    f"{STATE}checkpoints/job/shared/": (0, "mark"),
    f"{STATE}savepoints/savepoint-1/_metadata": (50, "b"),
}
BACKUP: Objects = {
    f"{STATE}backup/INC1/checkpoints/job/chk-5/_metadata": (100, "a"),
    f"{STATE}backup/INC1/savepoints/savepoint-1/_metadata": (50, "b"),
}


def looks(*objects: Objects, running: int = 0) -> tuple[ObjectLook, ...]:
    """Looks of which the first ``running`` were taken while the job still ran."""
    return tuple(
        ObjectLook(f"step {number}", found, number >= running)
        for number, found in enumerate(objects)
    )


def topics(suffix: str, **settings: str) -> dict[str, TopicState]:
    derived = {t: TopicState(f"{t}-{suffix}", 1, 3, settings) for t in DERIVED}
    return {**kafka_state().topics, **derived}


@pytest.fixture(name="mode2")
def mode2_fixture(evidence: Evidence) -> Evidence:
    settings = {"compression.type": "lz4"}
    return replace(
        evidence,
        replay_id="INC1",
        derived=DERIVED,
        before=kafka_state(topics=topics("old", **settings)),
        after=kafka_state(topics=topics("new", **settings)),
        object_looks=looks(STATES, {**STATES, **BACKUP}, BACKUP),
    )


def test_a_careful_deletion_passes(mode2: Evidence) -> None:
    for check in (
        *(backup_complete, state_gone, only_derived_deleted),
        *(topics_recreated_alike, inputs_intact),
    ):
        assert check(mode2).verdict is Verdict.PASS, check


def test_an_object_without_an_equal_copy_fails_and_is_named(mode2: Evidence) -> None:
    key = f"{STATE}backup/INC1/savepoints/savepoint-1/_metadata"
    for copies in ({k: v for k, v in BACKUP.items() if k != key}, {**BACKUP, key: (50, "other")}):
        result = backup_complete(replace(mode2, object_looks=looks({**STATES, **copies}, copies)))
        assert result.verdict is Verdict.FAIL
        assert result.got["missing or different"] == ["savepoints/savepoint-1/_metadata"]


def test_a_backup_of_another_replay_does_not_count(mode2: Evidence) -> None:
    assert backup_complete(replace(mode2, replay_id="INC2")).verdict is Verdict.FAIL


def test_a_backup_made_after_the_deletion_does_not_count(mode2: Evidence) -> None:
    late = replace(mode2, object_looks=looks(STATES, {}, BACKUP))
    assert backup_complete(late).verdict is Verdict.FAIL


def test_checkpoints_that_a_running_job_replaces_are_no_deletion(mode2: Evidence) -> None:
    older: Objects = {f"{STATE}checkpoints/job/chk-4/_metadata": (90, "z")}
    turning = looks(older, STATES, {**STATES, **BACKUP}, BACKUP, running=1)
    assert backup_complete(replace(mode2, object_looks=turning)).verdict is Verdict.PASS


def test_state_that_was_left_fails(mode2: Evidence) -> None:
    left = {f"{STATE}savepoints/savepoint-1/_metadata": (50, "b")}
    result = state_gone(
        replace(mode2, object_looks=looks({**STATES, **BACKUP}, {**BACKUP, **left}))
    )
    assert result.verdict is Verdict.FAIL
    assert result.got["left"] == ["savepoints/savepoint-1/_metadata"]


def test_nothing_deleted_proves_neither_backup_nor_deletion(mode2: Evidence) -> None:
    still = replace(mode2, object_looks=looks(STATES, STATES))
    assert backup_complete(still).verdict is Verdict.UNKNOWN
    assert state_gone(still).verdict is Verdict.UNKNOWN


def test_an_input_deleted_or_a_derived_topic_kept_fails(mode2: Evidence) -> None:
    gone = {t: s for t, s in mode2.after.topics.items() if t != INPUTS["trades"]}
    for after in (kafka_state(topics=gone), mode2.before):
        assert only_derived_deleted(replace(mode2, after=after)).verdict is Verdict.FAIL
    result = inputs_intact(replace(mode2, after=kafka_state(topics=gone)))
    assert result.verdict is Verdict.FAIL
    assert "torghut.trades.v1 is gone" in result.reason


def test_a_setting_lost_on_the_way_fails_and_is_named(mode2: Evidence) -> None:
    result = topics_recreated_alike(replace(mode2, after=kafka_state(topics=topics("new"))))
    assert result.verdict is Verdict.FAIL
    assert "compression.type was lz4 and is not set" in result.reason


def test_a_derived_topic_not_created_again_fails(mode2: Evidence) -> None:
    result = topics_recreated_alike(replace(mode2, after=kafka_state()))
    assert result.verdict is Verdict.FAIL
    assert "is gone" in result.reason
