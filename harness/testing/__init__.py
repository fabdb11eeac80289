"""For other repositories: a pytest plug-in and Gherkin steps.

Importing this package imports nothing but the standard library; see ``docs/gherkin.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.report.journal import Journal

__all__ = ["rehearse"]


def rehearse(scenario: str, *, settings: Mapping[str, object] | None = None) -> Journal:
    """Rehearse one scenario of the runbook and return what became of it.

    Progress goes to standard error and the verdict to standard output, as on the command line.

    Args:
        scenario: name of a scenario of the document, e.g. ``mode1``.
        settings: the keys of ``[tool.replay-harness]``, e.g. ``{"route": "emergency", "set":
            {"upgradeMode": "last-state", "events": 4000}}``. They are laid over that table of the
            nearest pyproject.toml and over ``REPLAY_HARNESS_*`` variables. With ``out``, the run's
            files are in that directory.

    Returns:
        The journal. A rehearsal that could not be finished is one whose verdict is not pass.

    Raises:
        UsageError: for a scenario, profile, key or value that does not exist or fit.
        DocumentError: when the document or its bindings cannot be read.
    """
    from harness.testing import rehearsing  # noqa: PLC0415 - the services' clients take a second

    return rehearsing.rehearse(scenario, settings=settings or {})
