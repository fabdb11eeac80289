"""What each command does: settings in, files and an exit status out."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from harness.core.audit import now_rfc3339
from harness.core.errors import HarnessError
from harness.core.verdicts import combine
from harness.replay.gates import approvals, check_judged
from harness.replay.rehearsal import Rehearsal
from harness.replay.result import RehearsalResult
from harness.replay.variants import interpret
from harness.report.building import journal_of, write_files
from harness.report.config import all_settings
from harness.report.console import print_journal
from harness.report.directories import out_directory
from harness.report.progress import ConsoleProgress, console
from harness.runbook.bindings import load_bindings
from harness.runbook.editions import OWN_EDITION, default_bindings
from harness.runbook.parse import load_document
from harness.world import registry
from harness.world.profiles.profile import load_profile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.replay.settings import Resolved
    from harness.replay.variants import Variants
    from harness.report.journal import Journal
    from harness.runbook.bindings import Bindings
    from harness.runbook.model import Document
    from harness.world.profiles.settings import ProfileSettings


def rehearse_all(scenarios: Sequence[str], resolved: Resolved) -> int:
    """Rehearse scenarios one after the other.

    Args:
        scenarios: names of scenarios of the document.
        resolved: settings with their origins.

    Returns:
        Exit status of the verdict over all of them.

    Raises:
        UsageError: for a scenario, profile or key that does not exist.
        DocumentError: when the document or its bindings cannot be read.
    """
    document, bindings = read_inputs(resolved.run.runbook, resolved.run.bindings)
    for scenario in map(bindings.scenario, scenarios):
        check_judged(scenario)
        approvals(scenario, resolved.run)
    load_profile(resolved.run.profile)
    settings, variants = interpret(resolved)
    registry.remove_stale()
    journals = [
        _rehearse(scenario, resolved, document, bindings, (settings, variants))
        for scenario in scenarios
    ]
    return combine(journal.verdict for journal in journals).exit_status


def read_inputs(runbook: Path | None, bindings: Path | None) -> tuple[Document, Bindings]:
    """Read the document and the bindings that belong to it.

    Args:
        runbook: the document; None: the project's own edition.
        bindings: its bindings; None: the shipped ones that fit best.
    """
    document = load_document(runbook or OWN_EDITION)
    return document, load_bindings(bindings or default_bindings(document))


def _rehearse(
    scenario: str,
    resolved: Resolved,
    document: Document,
    bindings: Bindings,
    chosen: tuple[ProfileSettings, Variants],
) -> Journal:
    run_id = secrets.token_hex(4)
    out = out_directory(resolved.run.out, f"{scenario}-{run_id}")
    result = RehearsalResult(
        run_id=run_id,
        scenario=scenario,
        started=now_rfc3339(),
        resolved=resolved,
        all_settings=all_settings(resolved, chosen),
        document=Path(document.path),
        document_sha256=document.sha256,
        bindings=Path(bindings.path),
        route=resolved.run.route,
    )
    as_json = resolved.run.format == "json"
    try:
        with ConsoleProgress(console(quiet=as_json)) as progress:
            Rehearsal(
                result,
                document=document,
                bindings=bindings,
                settings=chosen[0],
                variants=chosen[1],
                out=out,
                progress=progress,
            ).run()
    finally:
        journal = journal_of(result, out)
        _leave(journal, out, as_json=as_json)
    return journal


def _leave(journal: Journal, out: Path, *, as_json: bool) -> None:
    """Write the run's files and print its verdict."""
    try:
        write_files(journal, out)
    except OSError as error:
        raise HarnessError(
            f"the report cannot be written: {error.strerror}",
            where=str(out),
            hint=f"the verdict was {journal.verdict}: {journal.reason}",
        ) from error
    if as_json:
        print(journal.model_dump_json(indent=2))  # noqa: T201 - the result, on standard output
        return
    terminal = Console(soft_wrap=True)
    print_journal(journal, terminal, report=str(out / "report.html"))


def lint_document(runbook: Path, bindings: Path | None, skeleton: Path | None) -> int:
    """Print what is wrong with a document; write a skeleton of bindings if asked to.

    Returns:
        0 when nothing is wrong, else 1.
    """
    from harness.runbook.lint import lint  # noqa: PLC0415 - only this command needs it
    from harness.runbook.skeleton import write_skeleton  # noqa: PLC0415 - the same

    document = load_document(runbook)
    if skeleton is not None:
        known = load_bindings(bindings) if bindings else None
        count = write_skeleton(document, skeleton, bindings=known)
        print(f"{skeleton}: {count} statements; give each of them a meaning")  # noqa: T201
        return 0
    findings = lint(document, load_bindings(bindings or default_bindings(document)))
    for finding in findings:
        print(finding)  # noqa: T201 - the result, on standard output
    errors = sum(finding.severity == "error" for finding in findings)
    print(f"{document.path}: {errors} errors, {len(findings) - errors} warnings")  # noqa: T201
    return 1 if errors else 0
