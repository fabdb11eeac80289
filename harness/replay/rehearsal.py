"""One rehearsal: a world, the document run on it, the evidence, the verdict."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from harness.checks.destructive import DESTRUCTIVE_CHECKS
from harness.checks.model import run_checks
from harness.checks.outputs import OUTPUT_CHECKS
from harness.checks.replay import REPLAY_CHECKS
from harness.checks.safety import DESTRUCTIVE_SAFETY_CHECKS, SAFETY_CHECKS
from harness.core.audit import AuditEvent, AuditTrail
from harness.core.errors import DocumentError, HarnessError, UsageError
from harness.core.verdicts import combine
from harness.referee.judging import RULES, judge
from harness.replay.executor import WorldExecutor
from harness.replay.gates import approvals, is_destructive
from harness.replay.result import InterruptedRunError
from harness.replay.stage import Stage
from harness.replay.variants import texts
from harness.runbook.operations import Route
from harness.runbook.planning import plan
from harness.runbook.running import run
from harness.world import registry
from harness.world.market.recording import Recording
from harness.world.processes import memory_of
from harness.world.spec import WorldSpec
from harness.world.world import BrokenWorldError, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.replay.progress import Progress
    from harness.replay.result import RehearsalResult
    from harness.replay.variants import Variants
    from harness.runbook.bindings import Bindings
    from harness.runbook.model import Document
    from harness.runbook.planning import PlannedStep
    from harness.runbook.running import RunEvent, StepRecord
    from harness.world.profiles.settings import ProfileSettings

_WORD_SECONDS: Final = 2.0
"""How long word of a death may take to come, after an error that it caused."""

CHECKS: Final = (*SAFETY_CHECKS, *REPLAY_CHECKS, *OUTPUT_CHECKS)
"""Checks of a Mode 1 replay, in the order of reports."""

MODE2_CHECKS: Final = (
    *DESTRUCTIVE_SAFETY_CHECKS,
    *DESTRUCTIVE_CHECKS,
    *REPLAY_CHECKS,
    *OUTPUT_CHECKS,
)
"""Checks of a Mode 2 replay."""


class Rehearsal:
    """Runs one scenario and fills a result; nothing it starts outlives it."""

    def __init__(
        self,
        result: RehearsalResult,
        *,
        document: Document,
        bindings: Bindings,
        settings: ProfileSettings,
        variants: Variants,
        out: Path,
        progress: Progress,
    ) -> None:
        """Prepare.

        Args:
            result: what is filled as the run goes.
            document: the parsed runbook.
            bindings: what its statements mean.
            settings: variants of the profile.
            variants: variants of the rehearsal.
            out: directory of the run.
            progress: told of what is happening.
        """
        self._result = result
        self._document, self._bindings = document, bindings
        self._settings, self._variants = settings, variants
        self._out, self._progress = out, progress
        self._scenario = bindings.scenario(result.scenario)
        self._destructive = is_destructive(self._scenario)

    def run(self) -> None:
        """Run; every error ends up in the result, and an interrupt is raised again after it.

        Raises:
            KeyboardInterrupt: when the run was interrupted; the result says so.
        """
        began = time.monotonic()
        try:
            steps = self._plan()
            self._rehearse(steps)
        except BrokenWorldError:
            self._progress.note("the run ends here")  # what died is among the errors already
        except HarnessError as error:
            self._result.errors.append(error)
        except KeyboardInterrupt:
            self._result.errors.append(InterruptedRunError("the run was interrupted"))
            raise
        except Exception as error:
            self._result.errors.append(
                HarnessError(f"internal error: {type(error).__name__}: {error}")
            )
            raise
        finally:
            self._result.seconds = time.monotonic() - began

    def _plan(self) -> list[PlannedStep]:
        """Resolve the whole scenario, and read the recording, before anything is built."""
        self._survey_recording()
        replay_id = self._variants.replay_id or _replay_id(self._result.run_id)
        self._result.values["REPLAY_ID"] = replay_id
        self._result.values |= approvals(self._scenario, self._result.resolved.run)
        return plan(
            self._document,
            self._bindings,
            self._result.scenario,
            Route(self._result.route),
            self._result.values,
        )

    def _survey_recording(self) -> None:
        """Refuse a recording with broken lines; its first batch comes after all were read."""
        if self._variants.recorded is None:
            return
        recording = Recording(self._variants.recorded, skip_broken=self._variants.skip_broken)
        try:
            next(iter(recording.batches()), None)
        except DocumentError as error:
            raise UsageError(error.what, where=error.where, hint=error.hint) from error

    def _rehearse(self, steps: list[PlannedStep]) -> None:
        world_id = registry.new_world_id()
        root = registry.make_directory(world_id, keep=self._result.resolved.run.keep)
        spec = WorldSpec(
            world_id=world_id,
            root=root,
            logs=self._out / "logs",
            audit=self._out / "audit.jsonl",
            profile=self._result.resolved.run.profile,
            settings=texts(self._settings),
            network=self._variants.network,
            keep=self._result.resolved.run.keep,
            runbook=self._result.document.absolute(),
        )
        world = World(spec, self._on_world_event)
        memory = _MemoryMeter(world_id)
        try:
            with self._phase("build the world"):
                world.start(os.environ)
                memory.start()
                self._result.state = world.wait_ready()
            self._on_living_stage(world, steps)
        finally:
            self._result.peak_memory = memory.stop()
            with self._phase("end the world"):
                for line in world.stop():
                    self._progress.note(f"had to be killed: {line}")
            self._result.errors += [BrokenWorldError(death) for death in world.deaths]

    def _on_world_event(self, event: dict[str, Any]) -> None:
        if event["event"] == "service":
            self._progress.note(f"{event['name']} ready after {event['seconds']:.1f} s")
        elif event["event"] == "died":
            self._progress.note(event["what"])

    def _on_living_stage(self, world: World, steps: list[PlannedStep]) -> None:
        """Run everything; where something died, that is the error and not what came of it."""
        try:
            self._on_stage(world, steps)
        except Exception:
            world.check(_WORD_SECONDS)
            raise

    def _on_stage(self, world: World, steps: list[PlannedStep]) -> None:
        stage = Stage(
            world.state,
            self._result,
            settings=self._settings,
            variants=self._variants,
            progress=self._progress,
            check=world.check,
        )
        try:
            with self._phase("feed the market"):
                stage.feed()
            with self._phase("reach steady state"):
                stage.reach_steady_state()
            with self._phase("take stock"):
                stage.take_stock()
            with self._phase("run the document"):
                self._run_document(world, stage, steps)
            with self._phase("judge"):
                self._judge(stage)
        finally:
            stage.close()

    def _run_document(self, world: World, stage: Stage, steps: list[PlannedStep]) -> None:
        executor = WorldExecutor(world.state, self._result.values, stage.observations())
        self._result.records.clear()
        if self._destructive:
            executor.confirm("ticket", "the ticket or incident that this replay is recorded in")
            stage.look_at_objects(after="")
        records = run(steps, executor, lambda event: self._on_run_event(event, stage))
        world.check(0 if all(record.status == "ok" for record in records) else _WORD_SECONDS)
        stage.after_the_document(executor, self._result.records)

    def _on_run_event(self, event: RunEvent, stage: Stage) -> None:
        if event.kind == "step-started":
            # Kept from its first moment, so that an interrupted step is in the journal too.
            self._result.records.append(event.step)
            self._progress.note(_step_line(event.step))
        elif event.kind == "step-finished" and self._destructive:
            stage.look_at_objects(after=event.step.id)
        elif event.kind == "action-finished" and event.record and event.record.error:
            self._progress.note(f"  {event.record.error}")

    def _judge(self, stage: Stage) -> None:
        evidence = stage.evidence()
        self._result.samples = evidence.samples
        checks = MODE2_CHECKS if self._destructive else CHECKS
        self._result.promises = {check.name: check.promise for check in checks}
        self._result.promises |= {rule.name: rule.promise for rule in RULES}
        self._result.checks = run_checks(checks, evidence)
        trail = AuditTrail(self._out / "audit.jsonl")
        verdict = combine(check.verdict for check in self._result.checks)
        trail.record(
            AuditEvent("harness", "rehearsal", "verify", self._result.scenario, None, verdict)
        )
        self._result.rules = judge(trail.events(), stage.expectations())

    @contextlib.contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            self._progress.phase(name)
            yield
        finally:
            self._result.phases[name] = round(time.monotonic() - began, 3)


class _MemoryMeter:
    """Watches the resident memory of a world and of this process."""

    def __init__(self, world_id: str) -> None:
        self._world_id = world_id
        self._highest: int | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _watch(self) -> None:
        while not self._end.wait(2.0):
            self._highest = max(self._highest or 0, memory_of(self._world_id))

    def stop(self) -> int | None:
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(5)
        return self._highest


def _replay_id(run_id: str) -> str:
    """Return an identifier of the form that the document gives as an example."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H%MZ}-{run_id}"


def _step_line(record: StepRecord) -> str:
    return f"{record.id} {record.step.title} ({record.step.where})"
