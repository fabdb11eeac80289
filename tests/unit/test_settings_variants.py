from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.core.errors import UsageError
from harness.replay.settings import Layer, resolve
from harness.replay.variants import Variants, interpret, texts
from harness.world.profiles.settings import ProfileSettings, parse_settings

if TYPE_CHECKING:
    from pathlib import Path


def interpreted(**values: object) -> tuple[ProfileSettings, Variants]:
    return interpret(resolve([Layer("here", {"set": values})]))


def test_keys_go_to_whom_they_belong() -> None:
    profile, variants = interpreted(upgradeMode="last-state", events="500", brokers=1)
    assert (profile.upgrade_mode, profile.brokers, variants.events) == ("last-state", 1, 500)


def test_no_key_belongs_to_both() -> None:
    assert not ProfileSettings.keys().keys() & Variants.keys().keys()


def test_every_key_is_explained() -> None:
    for key, meaning in {**ProfileSettings.keys(), **Variants.keys()}.items():
        assert meaning not in {"", "None"}, key


@pytest.mark.parametrize(
    ("key", "guess"),
    [
        ("upgrade_mode", "upgradeMode"),
        ("upgrademode", "upgradeMode"),
        ("event", "events"),
        ("tradesPerSec", "tradesPerSecond"),
    ],
)
def test_an_unknown_key_names_near_matches_and_its_origin(key: str, guess: str) -> None:
    with pytest.raises(UsageError, match=f"there is no setting '{key}'") as caught:
        interpreted(**{key: "1"})
    assert caught.value.where == "here"
    assert guess in str(caught.value.hint).partition("?")[0]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("upgradeMode", "sometimes"),
        ("brokers", "0"),
        ("events", "99"),
        ("events", "many"),
        ("late", "1.5"),
        ("damage", "all"),
        ("recorded", "/not/there.jsonl"),
        ("recorded", "/"),
        ("network", "10.0.0"),
        ("network", "127.1.2.3"),
        ("replayId", ""),
        ("patienceSeconds", "0"),
        ("skipBroken", "perhaps"),
    ],
)
def test_a_wrong_value_names_key_value_and_origin(key: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"set.{key}=.* does not fit") as caught:
        interpreted(**{key: value})
    assert caught.value.where == "here"


@pytest.mark.parametrize("value", ["$(rm -rf /)", "a;b", "a b", "-x", "a/b", "`id`", "a'b"])
def test_a_replay_id_cannot_reach_the_shell_as_anything_but_a_word(value: str) -> None:
    with pytest.raises(UsageError):
        interpreted(replayId=value)


def test_a_recording_that_is_there_is_taken(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    tape.touch()
    assert interpreted(recorded=str(tape))[1].recorded == tape


def test_profile_settings_survive_being_texts() -> None:
    profile, _ = interpreted(upgradeMode="savepoint", checkpointIntervalMs=900, groupId="x")
    assert parse_settings(texts(profile)) == profile
