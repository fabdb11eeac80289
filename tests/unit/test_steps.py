"""Gherkin steps against journals made by hand: each Then is seen to hold and to fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from harness.core.errors import UsageError
from harness.runbook.editions import OWN_EDITION
from harness.testing import steps
from harness.testing.rehearsed import Rehearsed
from tests.unit import report_samples as samples

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.fixture(name="directory")
def directory_fixture(tmp_path: Path) -> Path:
    return tmp_path


def rehearsed(directory: Path, verdict: str = "pass", **changes: Any) -> Rehearsed:
    return Rehearsed(samples.journal(verdict, **changes), directory)


def complaint(step: Any, *args: Any) -> str:
    """What a Then step says when it fails."""
    with pytest.raises(pytest.fail.Exception) as failure:
        step(*args)
    assert not failure.value.pytrace
    return str(failure.value)


@pytest.mark.parametrize("verdict", ["pass", "fail", "unknown"])
def test_verdict_holds_only_for_itself(directory: Path, verdict: str) -> None:
    steps.verdict_is(rehearsed(directory, verdict), verdict)
    for other in {"pass", "fail", "unknown"} - {verdict}:
        text = complaint(steps.verdict_is, rehearsed(directory, verdict), other)
        assert text.startswith(f"the verdict is {verdict}, expected: {other}\n")


def test_failure_shows_verdict_reasons_mishaps_errors_and_where_the_report_is(
    directory: Path,
) -> None:
    run = rehearsed(
        directory,
        "fail",
        checks=[
            samples.check("inputs-reread", "fail", "0 of 10 records were read again"),
            samples.check("lag-falls", "unknown", "no lag was seen"),
            samples.check("freshness", "pass", "as fresh as can be"),
        ],
        steps=[samples.step(samples.action(outcome="exit status 1", exit_status=1))],
        errors=[samples.error()],
    )
    text = complaint(steps.verdict_is, run, "pass")
    assert text.splitlines() == [
        "the verdict is fail, expected: pass",
        "mode1 came out as fail: the reason for fail",
        "  fail: inputs-reread: 0 of 10 records were read again",
        "  unknown: lag-falls: no lag was seen",
        "  in the document: doc.md:44: kubectl get pods: exit status 1",
        "  error: k.log: kafka-1 ended (look)",
        f"  report: {directory / 'report.html'}",
        f"  logs: {directory / 'logs'}",
    ]


def test_reason_of_the_verdict(directory: Path) -> None:
    run = rehearsed(directory, "fail")
    steps.verdict_reason_says(run, "reason for fail")
    assert "does not say 'a replay'" in complaint(steps.verdict_reason_says, run, "a replay")


@pytest.mark.parametrize(
    ("words", "verdict"), [("passes", "pass"), ("fails", "fail"), ("is unknown", "unknown")]
)
def test_check_holds_only_for_its_verdict(directory: Path, words: str, verdict: str) -> None:
    run = rehearsed(directory, verdict)
    steps.check_comes_out(run, "inputs-reread", words)
    for other in {"passes", "fails", "is unknown"} - {words}:
        text = complaint(steps.check_comes_out, run, "inputs-reread", other)
        assert text.startswith(f"the check inputs-reread came out as {verdict}, expected: ")


@pytest.mark.parametrize("words", ["passes", "fails", "is unknown"])
def test_check_that_did_not_take_place_is_nothing_at_all(directory: Path, words: str) -> None:
    text = complaint(steps.check_comes_out, rehearsed(directory), "inputs-read", words)
    assert text.startswith("the check inputs-read did not take place, expected: ")


def test_reason_of_a_check(directory: Path) -> None:
    run = rehearsed(directory, checks=[samples.check("freshness", "fail", "an hour old")])
    steps.reason_says(run, "freshness", "hour")
    assert "does not say 'day': 'an hour old'" in complaint(
        steps.reason_says, run, "freshness", "day"
    )
    assert "does not say 'hour': ''" in complaint(steps.reason_says, run, "lag-falls", "hour")


def table(*rows: tuple[str, str]) -> list[list[str]]:
    return [["check", "verdict"], *(list(row) for row in rows)]


def test_table_of_checks_names_all_of_them(directory: Path) -> None:
    checks = [samples.check("freshness", "pass"), samples.check("lag-falls", "unknown")]
    run = rehearsed(directory, "unknown", checks=checks)
    steps.checks_come_out(run, table(("lag-falls", "unknown"), ("freshness", "pass")))


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        ([("freshness", "fail")], "freshness: pass, expected: fail"),
        ([("freshness", "pass"), ("new", "pass")], "new: did not take place, expected: pass"),
        ([], "freshness: pass, expected: no check"),
    ],
)
def test_table_of_checks_that_is_not_what_came_out(
    directory: Path, rows: list[tuple[str, str]], wrong: str
) -> None:
    run = rehearsed(directory, checks=[samples.check("freshness", "pass")])
    assert complaint(steps.checks_come_out, run, table(*rows)).splitlines()[0] == wrong


def test_table_with_other_columns(directory: Path) -> None:
    text = complaint(steps.checks_come_out, rehearsed(directory), [["name"], ["freshness"]])
    assert text == "the table's columns are ['name'], expected: ['check', 'verdict']"


def test_commands_succeeded(directory: Path) -> None:
    edit = samples.action(kind="edit", text="file: ta.yaml")
    run = rehearsed(directory, steps=[samples.step(edit, samples.action(exit_status=0))])
    steps.commands_succeeded(run)


@pytest.mark.parametrize(
    "bad",
    [
        samples.action(exit_status=1, outcome="exit status 1"),
        samples.action(exit_status=1),
        samples.action(kind="sync", outcome="the sync of torghut failed"),
    ],
)
def test_one_action_that_went_wrong_is_enough(directory: Path, bad: Any) -> None:
    run = rehearsed(directory, steps=[samples.step(samples.action(exit_status=0), bad)])
    text = complaint(steps.commands_succeeded, run)
    assert text.startswith("1 of the document's actions went wrong\n")
    assert "in the document: doc.md:44" in text


def test_document_without_commands_has_not_succeeded(directory: Path) -> None:
    run = rehearsed(directory, steps=[samples.step(samples.action(kind="edit"))])
    assert complaint(steps.commands_succeeded, run).startswith("no command of the document was run")


class Process:
    pid = 4711

    def name(self) -> str:
        return "java"


def test_nothing_is_left_running(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left: dict[str, list[Process]] = {"deadbeef": []}
    monkeypatch.setattr(steps, "marked_processes", left.__getitem__)
    steps.nothing_left(rehearsed(directory))
    left["deadbeef"].append(Process())
    text = complaint(steps.nothing_left, rehearsed(directory))
    assert text.startswith("still running: 4711 java\n")


def test_run_without_a_world_says_nothing_about_what_is_left(directory: Path) -> None:
    assert "no world was built" in complaint(steps.nothing_left, rehearsed(directory, world=None))


def test_premises_become_settings() -> None:
    premises = steps.Premises()
    assert premises.settings() == {}
    steps.production(premises, "S")
    steps.variant(premises, "upgradeMode", "last-state")
    steps.market(premises, 4000)
    steps.recorded_market(premises, "tape.jsonl.gz")
    steps.document(premises, "runbook.md")
    steps.bindings(premises, "bindings.yaml")
    assert premises.settings() == {
        "profile": "S",
        "runbook": "runbook.md",
        "bindings": "bindings.yaml",
        "set": {"upgradeMode": "last-state", "events": "4000", "recorded": "tape.jsonl.gz"},
    }
    steps.own_edition(premises)
    assert premises.settings()["runbook"] == str(OWN_EDITION)


@pytest.mark.parametrize(
    ("route", "expected"), [("GitOps", "gitops"), ("emergency", "emergency"), (None, None)]
)
def test_when_rehearses_the_mode_on_the_route(
    directory: Path, route: str | None, expected: str | None
) -> None:
    asked: list[tuple[str, Mapping[str, object]]] = []
    run = rehearsed(directory)

    def rehearse(scenario: str, settings: Mapping[str, object]) -> Rehearsed:
        asked.append((scenario, settings))
        return run

    assert steps.rehearse_mode(rehearse, steps.Premises(), "1", route) is run
    assert asked == [("mode1", {} if expected is None else {"route": expected})]


def test_when_tells_a_mistake_without_a_traceback() -> None:
    def rehearse(scenario: str, _settings: Mapping[str, object]) -> Rehearsed:
        raise UsageError(f"there is no scenario {scenario!r}", hint="known: mode1")

    text = complaint(steps.rehearse_scenario, rehearse, steps.Premises(), "mode9", None)
    assert text == ("mode9 could not be rehearsed: there is no scenario 'mode9' (known: mode1)")
