from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.checks.model import CheckResult
from harness.core.errors import DocumentError, HarnessError, ServiceError, UsageError
from harness.core.verdicts import Verdict
from harness.replay.result import InterruptedRunError, RehearsalResult
from harness.replay.settings import resolve
from harness.runbook.operations import Command, Route
from harness.runbook.planning import PlannedStep
from harness.runbook.running import ActionRecord, StepRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.runbook.running import Status

NOW = datetime(2025, 12, 24, tzinfo=UTC)


def check(name: str, verdict: str) -> CheckResult:
    return CheckResult(name, Verdict(verdict), None, None, f"why {name}")


def step(*statuses: Status) -> StepRecord:
    planned = PlannedStep("mode1.2", "Suspend", "doc.md", 60, "Mode 1", Route.GITOPS, ())
    record = StepRecord(planned, NOW)
    record.actions += [
        ActionRecord(61, Command("true"), s, NOW, 0.1, None, "" if s == "ok" else f"it {s}")
        for s in statuses
    ]
    return record


def result(
    checks: Sequence[CheckResult] = (),
    records: Sequence[StepRecord] = (),
    errors: Sequence[HarnessError] = (),
) -> RehearsalResult:
    return RehearsalResult(
        run_id="a1",
        scenario="mode1",
        started="2025-12-24T12:00:00.000Z",
        resolved=resolve([]),
        all_settings={},
        document=Path("doc.md"),
        document_sha256="",
        bindings=Path("b.yaml"),
        route="gitops",
        checks=list(checks),
        records=list(records),
        errors=list(errors),
    )


def judged(outcome: RehearsalResult) -> tuple[str, str]:
    return outcome.verdict.value, outcome.reason


def test_nothing_at_all_is_unknown() -> None:
    assert judged(result()) == ("unknown", "nothing was checked")


def test_steps_alone_prove_nothing() -> None:
    assert judged(result(records=[step("ok", "ok")])) == ("unknown", "nothing was checked")


def test_all_checks_passed() -> None:
    outcome = result([check("a", "pass"), check("b", "pass")], [step("ok")])
    assert judged(outcome) == ("pass", "all 2 checks passed")


def test_the_telling_check_gives_the_reason() -> None:
    checks = [check(n, "fail") for n in ("freshness", "outputs-unique", "inputs-reread")]
    assert judged(result(checks)) == ("fail", "inputs-reread: why inputs-reread")


def test_other_checks_give_the_reason_in_their_order() -> None:
    checks = [check("ok", "pass"), check("freshness", "fail"), check("lag-falls", "fail")]
    assert judged(result(checks)) == ("fail", "freshness: why freshness")


def test_the_reason_of_a_failure_is_a_failure_though_telling_checks_are_unknown() -> None:
    checks = [check("inputs-reread", "unknown"), check("trading-paused", "fail")]
    assert judged(result(checks)) == ("fail", "trading-paused: why trading-paused")


def test_an_unknown_check_among_passed_ones() -> None:
    checks = [check("a", "pass"), check("lag-falls", "unknown")]
    assert judged(result(checks)) == ("unknown", "lag-falls: why lag-falls")


def test_a_failed_command_fails_the_run_though_every_check_passed() -> None:
    outcome = result([check("a", "pass")], [step("ok", "failed")])
    assert judged(outcome) == ("fail", "step mode1.2 (doc.md:60): it failed")


def test_what_the_harness_could_not_do_is_unknown() -> None:
    outcome = result([check("a", "pass")], [step("error")])
    assert judged(outcome) == ("unknown", "step mode1.2 (doc.md:60): it error")


def test_an_error_is_unknown_though_every_check_passed() -> None:
    outcome = result([check("a", "pass")], errors=[ServiceError("kafka-1 died", where="k.log")])
    assert judged(outcome) == ("unknown", "k.log: kafka-1 died")


def test_an_interrupted_run_is_unknown() -> None:
    outcome = result(errors=[InterruptedRunError("the run was interrupted")])
    assert judged(outcome) == ("unknown", "the run was interrupted")


def test_a_document_that_cannot_be_run_fails() -> None:
    outcome = result(errors=[DocumentError("unbound", where="doc.md:3", hint="bind it")])
    assert judged(outcome) == ("fail", "doc.md:3: unbound (bind it)")


def test_a_failed_check_outweighs_errors() -> None:
    outcome = result([check("inputs-reread", "fail")], errors=[ServiceError("x")])
    assert judged(outcome) == ("fail", "inputs-reread: why inputs-reread")


@pytest.mark.parametrize("error", [HarnessError("x"), UsageError("x"), ServiceError("x")])
def test_errors_of_the_harness_never_count_as_failures_of_the_document(error: HarnessError) -> None:
    assert result(errors=[error]).verdict is Verdict.UNKNOWN
