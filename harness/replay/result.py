"""What a rehearsal was, did, saw and concluded; the report is made from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.core.errors import HarnessError
from harness.core.verdicts import Verdict, combine
from harness.world.world import BrokenWorldError

if TYPE_CHECKING:
    from pathlib import Path

    from harness.checks.evidence import Sample
    from harness.checks.model import CheckResult
    from harness.replay.settings import Resolved
    from harness.runbook.running import StepRecord
    from harness.world.spec import WorldState

_TELLING = ("replay-group-fresh", "inputs-reread", "outputs-complete", "outputs-unique")
"""Checks whose failure says most about a replay; the verdict's reason comes from them first."""


class InterruptedRunError(HarnessError):
    """Somebody ended the run before it could be judged."""


@dataclass(slots=True)
class RehearsalResult:
    """One rehearsal.

    Attributes:
        run_id: identifier of the run.
        scenario: name of the scenario.
        started: RFC 3339, UTC.
        resolved: settings and their origins.
        all_settings: every setting with its value, by key.
        document: path of the document.
        document_sha256: digest of its text.
        bindings: path of its bindings.
        route: ``gitops`` or ``emergency``.
        seconds: how long the run took, wall clock.
        values: what the placeholders stood for.
        state: the world; None when it was not built.
        market: what was fed.
        phases: parts of the run and their seconds.
        records: steps that were begun.
        samples: looks at the replay while it ran.
        promises: what each check promises, by name.
        checks: results in order.
        rules: results of the referee's rules, in order.
        errors: why the run ended early, or what died.
        peak_memory: bytes.
    """

    run_id: str
    scenario: str
    started: str
    resolved: Resolved
    all_settings: dict[str, Any]
    document: Path
    document_sha256: str
    bindings: Path
    route: str
    seconds: float = 0.0
    values: dict[str, str] = field(default_factory=dict)
    state: WorldState | None = None
    market: dict[str, Any] = field(default_factory=dict)
    phases: dict[str, float] = field(default_factory=dict)
    records: list[StepRecord] = field(default_factory=list)
    samples: tuple[Sample, ...] = ()
    promises: dict[str, str] = field(default_factory=dict)
    checks: list[CheckResult] = field(default_factory=list)
    rules: list[CheckResult] = field(default_factory=list)
    errors: list[HarnessError] = field(default_factory=list)
    peak_memory: int | None = None

    @property
    def verdict(self) -> Verdict:
        """Verdict of the run; an error makes it unknown unless something failed for certain.

        Nothing is certain in a world of which a part died, nor in a run that was cut short.
        """
        if self._cut_short:
            return Verdict.UNKNOWN
        return combine(
            [
                *(check.verdict for check in self._findings),
                *(
                    _status_verdict(record.status)
                    for record in self.records
                    if record.status != "ok"
                ),
                *(_error_verdict(error) for error in self.errors),
            ]
        )

    @property
    def reason(self) -> str:
        """Why, in a sentence or two for the engineer on call."""
        if self._cut_short:
            return str(self._cut_short[0])
        verdict = self.verdict
        if verdict is Verdict.PASS:
            kept = f" and all {len(self.rules)} rules were kept" if self.rules else ""
            return f"all {len(self.checks)} checks passed{kept}"
        for candidate in (*self._check_reasons(verdict), *self._other_reasons(verdict)):
            return candidate
        return "nothing was checked"

    @property
    def _findings(self) -> list[CheckResult]:
        return [*self.checks, *self.rules]

    @property
    def _cut_short(self) -> list[HarnessError]:
        ends = (BrokenWorldError, InterruptedRunError)
        return [error for error in self.errors if isinstance(error, ends)]

    def _check_reasons(self, verdict: Verdict) -> list[str]:
        bad = [check for check in self._findings if check.verdict is verdict]
        telling = [check for check in bad if check.name in _TELLING]
        order = sorted(telling, key=lambda check: _TELLING.index(check.name))
        return [f"{c.name}: {c.reason}" for c in (*order, *(b for b in bad if b not in telling))]

    def _other_reasons(self, verdict: Verdict) -> list[str]:
        steps = [
            f"step {record.id} ({record.step.where}): {action.error or action.status}"
            for record in self.records
            for action in record.actions
            if action.status != "ok" and _status_verdict(action.status) is verdict
        ]
        return [*steps, *(str(e) for e in self.errors if _error_verdict(e) is verdict)]


def _status_verdict(status: str) -> Verdict:
    """A command of the document that failed is a failure; what could not be done is unknown."""
    return Verdict.FAIL if status == "failed" else Verdict.UNKNOWN


def _error_verdict(error: HarnessError) -> Verdict:
    return Verdict.FAIL if error.exit_status == Verdict.FAIL.exit_status else Verdict.UNKNOWN
