"""The shipped editions: the project's own, and the upstream document where it is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.core.errors import DocumentError
from harness.runbook.bindings import load_bindings
from harness.runbook.editions import (
    OWN_BINDINGS,
    OWN_EDITION,
    UPSTREAM_BINDINGS,
    default_bindings,
)
from harness.runbook.lint import lint
from harness.runbook.operations import Command, Query, Route
from harness.runbook.parse import load_document, parse_document
from harness.runbook.planning import plan

if TYPE_CHECKING:
    from harness.runbook.bindings import Bindings
    from harness.runbook.model import Document
    from harness.runbook.planning import PlannedStep

UPSTREAM = Path(__file__).parents[3] / "shared" / "runbook" / "ta-replay.md"
needs_upstream = pytest.mark.skipif(
    not UPSTREAM.exists(), reason="the production repository's runbook is not beside this clone"
)
EDITIONS = [OWN_EDITION, pytest.param(UPSTREAM, marks=needs_upstream)]
VALUES = {"REPLAY_ID": "2026-02-09T0315Z-INC1234"}

SUSPEND = (
    "kubectl -n torghut patch flinkdeployment torghut-ta --type=merge "
    """-p '{"spec":{"job":{"state":"suspended"}}}'"""
)
BUMP = (
    "kubectl -n torghut patch flinkdeployment torghut-ta --type=merge "
    """-p '{"spec":{"restartNonce":<bump>}}'"""
)


def loaded(path: Path) -> tuple[Document, Bindings]:
    document = load_document(path)
    return document, load_bindings(default_bindings(document))


def planned(path: Path, scenario: str, route: Route) -> list[PlannedStep]:
    return plan(*loaded(path), scenario, route, VALUES)


def outline(steps: list[PlannedStep]) -> dict[str, list[str]]:
    """Ids of steps with the kinds of their actions."""
    return {step.id: [action.operation.kind for action in step.actions] for step in steps}


def commands(steps: list[PlannedStep]) -> list[str]:
    operations = [action.operation for step in steps for action in step.actions]
    return [o.text for o in operations if isinstance(o, Command)]


@pytest.mark.parametrize("path", EDITIONS)
def test_every_statement_is_bound(path: Path) -> None:
    assert [str(f) for f in lint(*loaded(path)) if f.severity == "error"] == []


@pytest.mark.parametrize("path", EDITIONS)
def test_steps_without_an_emergency_variant_are_pointed_out(path: Path) -> None:
    warnings = [f for f in lint(*loaded(path)) if f.severity == "warning"]
    assert {f.code for f in warnings} == {"no-emergency-variant"}
    assert len(warnings) == 6


def test_the_own_edition_gets_its_own_bindings() -> None:
    assert default_bindings(load_document(OWN_EDITION)) == OWN_BINDINGS
    assert default_bindings(parse_document("unknown", "r.md")) == OWN_BINDINGS


@needs_upstream
def test_the_upstream_document_gets_its_bindings() -> None:
    assert default_bindings(load_document(UPSTREAM)) == UPSTREAM_BINDINGS


@needs_upstream
def test_both_editions_have_the_same_structure_and_code() -> None:
    own, upstream = load_document(OWN_EDITION), load_document(UPSTREAM)
    shape = [
        [(u.kind, u.step, u.code) for u in d.units if u.states_something] for d in (own, upstream)
    ]
    assert shape[0] == shape[1]
    assert [s.level for s in own.sections] == [s.level for s in upstream.sections]


@needs_upstream
def test_no_sentence_is_copied_from_the_upstream_document() -> None:
    own, upstream = load_document(OWN_EDITION), load_document(UPSTREAM)
    prose = {u.text for u in upstream.units if u.states_something and u.code is None}
    assert prose & {u.text for u in own.units} == set()
    bound = {e.text for e in load_bindings(UPSTREAM_BINDINGS).entries if e.text}
    assert prose & bound == set()


@pytest.mark.parametrize("path", EDITIONS)
def test_mode1_by_git(path: Path) -> None:
    assert outline(planned(path, "mode1", Route.GITOPS)) == {
        "mode1.confirmations": ["confirm"] * 5,
        "mode1.inputs": ["confirm"] * 4,
        "mode1.1": ["edit", "commit", "sync"],
        "mode1.2": ["edit", "commit", "sync", "observe"],
        "mode1.3": ["edit", "edit", "confirm", "commit"],
        "mode1.4": ["edit", "edit", "commit", "sync"],
        "mode1.5": ["command", "query", "query", "observe"],
    }


@pytest.mark.parametrize("path", EDITIONS)
def test_mode1_in_an_emergency_does_what_the_document_says_and_no_more(path: Path) -> None:
    steps = planned(path, "mode1", Route.EMERGENCY)
    assert outline(steps) == {
        "mode1.confirmations": ["confirm"] * 5,
        "mode1.inputs": ["confirm"] * 4,
        "mode1.1": ["edit", "commit", "sync"],
        "mode1.2": ["command", "observe"],
        "mode1.3": ["edit", "edit", "confirm", "commit"],
        "mode1.4": ["command"],
        "mode1.5": ["command", "query", "query", "observe"],
    }
    assert commands(steps)[:2] == [SUSPEND, BUMP]
    # Nothing in the document sets the state to running on this route, or syncs the ConfigMap.
    assert not any("running" in text for text in commands(steps))
    assert [bool(step.remark) for step in steps] == [False, False, True, False, True, False, False]


@pytest.mark.parametrize("path", EDITIONS)
@pytest.mark.parametrize("route", list(Route))
def test_mode2_runs_the_documents_commands(path: Path, route: Route) -> None:
    steps = planned(path, "mode2", route)
    suspending = ["command"] if route is Route.EMERGENCY else ["edit", "commit", "sync"]
    suspended = [*suspending, "observe"]
    assert outline(steps) == {
        "mode2.confirmations": ["confirm"] * 6,
        "mode2.inputs": ["confirm"] * 4,
        "mode2.before": ["confirm", "confirm"],
        "mode2.0": ["edit", "commit", "sync"],
        "mode2.1": suspended,
        "mode2.2": ["command"] * 3,
        "mode2.3": ["command"] * 5,
        "mode2.4": ["command"] * 2,
        "mode2.5": ["edit", "confirm", "edit", "commit", "sync", "edit", "edit", "commit", "sync"],
        "mode2.6": ["command", "query"],
    }
    verbatim = [text for text in commands(steps) if "exec" in text]
    assert len(verbatim) == 8
    assert all(text.count("\\\n") >= 1 for text in verbatim)
    assert sum("backup/2026-02-09T0315Z-INC1234/" in text for text in verbatim) == 2


@pytest.mark.parametrize("path", EDITIONS)
def test_rollback_brings_back_the_recorded_values(path: Path) -> None:
    steps = planned(path, "rollback", Route.GITOPS)
    assert outline(steps) == {
        "rollback.1": ["edit", "commit", "sync"],
        "rollback.2": ["edit", "edit", "edit", "edit", "commit", "sync"],
        "rollback.3": [],
        "rollback.4": ["command", "query", "query", "observe"],
    }
    deferred = [d.name for step in steps for action in step.actions for d in action.deferred]
    assert deferred == ["PREV_TA_GROUP_ID", "PREV_TA_AUTO_OFFSET_RESET", "next-restart-nonce"]


@pytest.mark.parametrize("path", EDITIONS)
def test_rollback_after_mode2_restores_the_state_before_the_restart(path: Path) -> None:
    step = planned(path, "rollback-mode2", Route.EMERGENCY)[2]
    assert [action.operation.kind for action in step.actions] == [
        "command",
        "command",
        "edit",
        "commit",
        "sync",
    ]
    first = step.actions[0].operation
    assert isinstance(first, Command)
    assert not first.verbatim
    assert first.text.endswith(
        "backup/2026-02-09T0315Z-INC1234/checkpoints "
        "s3://flink-checkpoints/torghut/technical-analysis/checkpoints"
    )


@pytest.mark.parametrize("path", EDITIONS)
def test_the_runners_commands_are_the_documents(path: Path) -> None:
    texts = commands(planned(path, "runner", Route.GITOPS))
    assert [text.split()[-1] for text in texts] == ["plan", "REPLAY_TA_CANARY"]


@pytest.mark.parametrize("path", EDITIONS)
def test_commands_and_queries_stand_in_the_document_word_for_word(path: Path) -> None:
    text = path.read_text()
    lines = {line.strip() for line in text.splitlines()}
    for scenario in ("mode1", "mode2", "runner"):
        for step in plan(*loaded(path), scenario, Route.EMERGENCY, {"REPLAY_ID": "R"}):
            for action in step.actions:
                operation = action.operation
                if isinstance(operation, Query):
                    assert f"`{operation.sql}`" in text
                if isinstance(operation, Command):
                    written = operation.text.replace("/R/", "/<replay-id>/")
                    assert {line.strip() for line in written.split("\n")} <= lines | {
                        line.strip("-` ") for line in lines
                    }


@pytest.mark.parametrize("path", EDITIONS)
@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('{"state":"suspended"}', '{"state":"stopped"}', "changed-command"),
        ("--replication-factor 3", "--replication-factor 1", "changed-command"),
        ("symbol='NVDA'", "symbol='MU'", "changed-command"),
        ('"earliest"', '"latest"', "changed-command"),
        ("`TRADING_ENABLED=false`", "`TRADING_ENABLED=true`", "changed-statement"),
        ("### Mode 2", "### Mode II", "changed-heading"),
    ],
)
def test_a_change_stops_every_scenario_with_its_line(
    path: Path, old: str, new: str, code: str
) -> None:
    text = path.read_text()
    line = text[: text.index(old)].count("\n") + 1
    document = parse_document(text.replace(old, new, 1), "r.md")
    bindings = load_bindings(default_bindings(document))
    first = next(f for f in lint(document, bindings) if f.severity == "error")
    unit_lines = {
        n for u in document.units if u.first <= line <= u.last for n in range(u.first, u.last + 1)
    } or {line}
    assert first.code == code
    assert (first.file, first.line in unit_lines) == ("r.md", True)
    with pytest.raises(DocumentError):
        plan(document, bindings, "mode1", Route.GITOPS, VALUES)
