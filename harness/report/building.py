"""Makes the journal of a result, and the files of a run from the journal."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import orjson

from harness.report.config import origin_of
from harness.report.html import write_html
from harness.report.journal import (
    ActionInfo,
    CheckInfo,
    DocumentInfo,
    ErrorInfo,
    Journal,
    Phase,
    RunInfo,
    SampleInfo,
    Setting,
    StepInfo,
    WorldInfo,
)
from harness.report.junit import write_junit
from harness.runbook.operations import Command, Query
from harness.runbook.shell import CommandOutcome

if TYPE_CHECKING:
    from pathlib import Path

    from harness.core.errors import HarnessError
    from harness.core.results import CheckResult
    from harness.replay.result import RehearsalResult
    from harness.runbook.running import ActionRecord, StepRecord

DISTRIBUTION: Final = "torghut-replay-harness"


def journal_of(result: RehearsalResult, out: Path) -> Journal:
    """Make the journal of a finished rehearsal.

    Args:
        result: what the rehearsal was and concluded.
        out: directory of the run.
    """
    return Journal(
        run=RunInfo(
            id=result.run_id,
            scenario=result.scenario,
            started=result.started,
            seconds=round(result.seconds, 3),
            harness_version=version(DISTRIBUTION),
            python=platform.python_version(),
            platform=platform.platform(),
            load=[round(value, 2) for value in os.getloadavg()],
            peak_memory_bytes=result.peak_memory,
        ),
        settings=_settings(result),
        document=DocumentInfo(
            path=str(result.document),
            sha256=result.document_sha256,
            bindings=str(result.bindings),
            route=result.route,
        ),
        world=_world(result),
        values=result.values,
        market=result.market,
        phases=[Phase(name=name, seconds=seconds) for name, seconds in result.phases.items()],
        steps=[_step(record) for record in result.records],
        samples=[
            SampleInfo(seconds=one.seconds, job_state=one.job_state, lag=one.lag)
            for one in result.samples
        ],
        checks=[_check(result, check) for check in result.checks],
        rules=[_check(result, rule) for rule in result.rules],
        errors=[_error(error) for error in result.errors],
        verdict=result.verdict,
        reason=result.reason,
        files=sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()),
    )


def _check(result: RehearsalResult, check: CheckResult) -> CheckInfo:
    return CheckInfo(
        name=check.name,
        promise=result.promises.get(check.name, ""),
        verdict=check.verdict,
        got=_json(check.got),
        expected=_json(check.expected),
        reason=check.reason,
    )


def _settings(result: RehearsalResult) -> list[Setting]:
    return [
        Setting(key=key, value=_json(value), origin=origin_of(result.resolved, key))
        for key, value in result.all_settings.items()
    ]


def _world(result: RehearsalResult) -> WorldInfo | None:
    state = result.state
    if state is None:
        return None
    return WorldInfo(
        id=state.world_id,
        network=state.network,
        driver=result.resolved.run.driver,
        profile=state.profile,
        differences=list(state.differences),
    )


def _step(record: StepRecord) -> StepInfo:
    return StepInfo(
        id=record.id,
        title=record.step.title,
        where=record.step.where,
        outcome=record.status,
        actions=[_action(action, record.step.file) for action in record.actions],
    )


def _action(action: ActionRecord, file: str) -> ActionInfo:
    outcome = action.result if isinstance(action.result, CommandOutcome) else None
    return ActionInfo(
        kind=action.operation.kind,
        where=f"{file}:{action.line}",
        text=_text(action),
        outcome=action.error or action.status,
        exit_status=outcome.exit_status if outcome else None,
        stdout=outcome.stdout if outcome else _result_text(action.result),
        stderr=outcome.stderr if outcome else "",
        seconds=round(action.seconds, 3),
    )


def _text(action: ActionRecord) -> str:
    match action.operation:
        case Command(text=text) | Query(sql=text):
            return text
        case operation:
            values = {k: v for k, v in _json(operation).items() if k != "kind"}
            return ", ".join(f"{key}: {value}" for key, value in values.items())


def _result_text(value: Any) -> str:  # noqa: ANN401 - of any action
    return "" if value is None else value if isinstance(value, str) else str(_json(value))


def _error(error: HarnessError) -> ErrorInfo:
    return ErrorInfo(type=type(error).__name__, what=error.what, where=error.where, hint=error.hint)


def _json(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    return orjson.loads(orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS))


def write_files(journal: Journal, out: Path) -> None:
    """Write ``journal.json``, ``report.html`` and ``junit.xml`` of a run."""
    journal.write(out / "journal.json")
    write_html(journal, out / "report.html")
    write_junit(journal, out / "junit.xml")
