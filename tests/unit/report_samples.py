"""Journals to report on: what a rehearsal looks like when it passes, fails, or is cut short."""

from __future__ import annotations

from typing import Any

from harness.core.verdicts import Verdict
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

RUN = RunInfo(
    id="a1b2c3d4",
    scenario="mode1",
    started="2025-12-24T12:00:00.123Z",
    seconds=78.2,
    harness_version="0.1.0",
    python="3.11.9",
    platform="Linux",
    load=[1.25, 0.5, 0.25],
    peak_memory_bytes=3_212_345_678,
)


def check(name: str, verdict: str, reason: str = "because") -> CheckInfo:
    return CheckInfo(
        name=name,
        promise=f"the promise of {name}",
        verdict=Verdict(verdict),
        got={"records": 1},
        expected={"records": 2},
        reason=reason,
    )


def action(**changes: Any) -> ActionInfo:
    values = {"kind": "command", "where": "doc.md:44", "text": "kubectl get pods", "outcome": "ok"}
    return ActionInfo(**{**values, **changes})


def step(*actions: ActionInfo, outcome: str = "ok") -> StepInfo:
    return StepInfo(
        id="mode1.1",
        title="Pause trading",
        where="doc.md:41",
        outcome=outcome,
        actions=list(actions),
    )


def journal(verdict: str = "pass", **changes: Any) -> Journal:
    """A journal with one check of the verdict; ``changes`` replaces fields."""
    values: dict[str, Any] = {
        "run": RUN,
        "settings": [
            Setting(key="profile", value="S", origin="default"),
            Setting(key="events", value=500, origin="command line"),
        ],
        "document": DocumentInfo(
            path="doc.md", sha256="ab" * 32, bindings="bindings.yaml", route="gitops"
        ),
        "world": WorldInfo(
            id="deadbeef",
            network="127.77.3",
            driver="local",
            profile="S",
            differences=["Kafka is without TLS."],
        ),
        "values": {"REPLAY_ID": "2025-12-24T1200Z-ab12"},
        "market": {"records": 500, "settings": {"seed": 1}},
        "phases": [Phase(name="build the world", seconds=12.5)],
        "steps": [step(action(exit_status=0, stdout="NAME\npod", seconds=0.4))],
        "samples": [
            SampleInfo(seconds=0.4, job_state=None, lag=None),
            SampleInfo(seconds=0.8, job_state="RUNNING", lag=400),
            SampleInfo(seconds=1.2, job_state="RUNNING", lag=0),
        ],
        "checks": [check("inputs-reread", verdict)],
        "errors": [],
        "verdict": Verdict(verdict),
        "reason": f"the reason for {verdict}",
        "files": ["audit.jsonl", "logs/a b<c>.log"],
    }
    return Journal(**{**values, **changes})


def error(**changes: Any) -> ErrorInfo:
    values = {"type": "ServiceError", "what": "kafka-1 ended", "where": "k.log", "hint": "look"}
    return ErrorInfo(**{**values, **changes})
