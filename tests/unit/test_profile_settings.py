from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import UsageError
from harness.world.profiles import ProfileSettings, parse_settings


def test_nothing_set_changes_no_manifest() -> None:
    settings = parse_settings({})
    assert settings == ProfileSettings()
    assert settings.upgrade_mode is None
    assert settings.group_id is None


def test_values_are_read_from_text() -> None:
    settings = parse_settings({"upgradeMode": "last-state", "brokers": "1", "parallelism": "2"})
    assert (settings.upgrade_mode, settings.brokers, settings.parallelism) == ("last-state", 1, 2)


@pytest.mark.parametrize("key", ["upgrademode", "upgrade-mode", "upgrade_mode", "upgradeMod"])
def test_an_unknown_key_suggests_the_near_one(key: str) -> None:
    with pytest.raises(UsageError, match=r"did you mean upgradeMode\?"):
        parse_settings({key: "stateless"})


def test_a_key_like_no_other_lists_all() -> None:
    with pytest.raises(UsageError) as caught:
        parse_settings({"zzzzzz": "1"}, where="pyproject.toml")
    assert caught.value.where == "pyproject.toml"
    assert caught.value.hint is not None
    known = ProfileSettings.keys()
    assert all(key in caught.value.hint for key in known)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("upgradeMode", "savepoints"),
        ("brokers", "0"),
        ("brokers", "three"),
        ("checkpointIntervalMs", "1"),
        ("autoOffsetReset", "middle"),
        ("groupId", ""),
    ],
)
def test_a_value_that_does_not_fit_names_key_and_value(key: str, value: str) -> None:
    with pytest.raises(UsageError, match=rf"{key}='{value}' does not fit"):
        parse_settings({key: value})


def test_every_key_has_a_description() -> None:
    assert all(len(text) > 10 for text in ProfileSettings.keys().values())


@given(st.sampled_from(["stateless", "savepoint", "last-state"]), st.integers(1, 9))
def test_settings_survive_their_own_text(mode: str, brokers: int) -> None:
    settings = parse_settings({"upgradeMode": mode, "brokers": str(brokers)})
    text = {key: str(value) for key, value in settings.model_dump(by_alias=True).items() if value}
    assert parse_settings(text) == settings
