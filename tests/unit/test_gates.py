from __future__ import annotations

from dataclasses import replace

import pytest

from harness.core.errors import UsageError
from harness.replay.gates import APPROVALS, PHRASE, UNJUDGED, approvals, check_judged
from harness.replay.settings import RunSettings
from harness.runbook.bindings import Scenario

HARMLESS = Scenario("mode1", "-", (), frozenset(), 1)
DESTRUCTIVE = Scenario("mode2", "-", (), frozenset({"destructive"}), 1)


def settings(confirm: str | None = None, ticket: str | None = None) -> RunSettings:
    return RunSettings.model_validate({"confirm": confirm, "ticket": ticket})


@pytest.mark.parametrize("name", sorted(UNJUDGED))
def test_what_nothing_judges_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="nothing judges it yet"):
        check_judged(replace(HARMLESS, name=name))
    check_judged(HARMLESS)


def test_what_deletes_nothing_needs_no_word() -> None:
    assert approvals(HARMLESS, settings()) == {}


@pytest.mark.parametrize(
    ("confirm", "ticket", "missing"),
    [
        (None, "INC1", "--confirm"),
        ("yes", "INC1", "--confirm"),
        (PHRASE, None, "--ticket"),
        (PHRASE, "  ", "--ticket"),
    ],
)
def test_a_missing_word_stops_before_anything_is_built(
    confirm: str | None, ticket: str | None, missing: str
) -> None:
    with pytest.raises(UsageError, match=missing):
        approvals(DESTRUCTIVE, settings(confirm, ticket))


def test_a_persons_word_answers_every_confirmation_that_needs_one() -> None:
    values = approvals(DESTRUCTIVE, settings(PHRASE, "INC1"))
    assert values.pop("ticket") == "INC1"
    assert set(values) == set(APPROVALS)
    assert all("INC1" in value for value in values.values())
