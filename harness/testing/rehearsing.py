"""Rehearses for a test: the command line's own way, with the journal as the answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.replay.settings import Layer, environment_layer, file_layer, resolve
from harness.report.commands import rehearse_all
from harness.report.directories import out_directory
from harness.report.journal import Journal
from harness.testing.rehearsed import Rehearsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def rehearse(scenario: str, *, settings: Mapping[str, object]) -> Journal:
    """Rehearse with ``settings`` over those of pyproject.toml and the environment.

    See ``harness.testing.rehearse``, which is this without the import.
    """
    layers = [*surroundings(Path.cwd()), Layer("the caller", settings)]
    return rehearse_with(scenario, layers).journal


def surroundings(directory: Path) -> list[Layer]:
    """Return the settings of the nearest pyproject.toml and of the environment.

    Raises:
        UsageError: when that file is not TOML or its table is not a table.
    """
    return [*file_layer(directory), *environment_layer()]


def rehearse_with(scenario: str, layers: Iterable[Layer]) -> Rehearsed:
    """Rehearse with layers of settings, the last one on top.

    The journal is read back from the run's directory: a test sees what everybody else gets.

    Raises:
        UsageError: for a scenario, profile, key or value that does not exist or fit.
        DocumentError: when the document or its bindings cannot be read.
    """
    given = list(layers)
    directory = out_directory(resolve(given).run.out, scenario)
    rehearse_all([scenario], resolve([*given, Layer("the test", {"out": directory})]))
    return Rehearsed(Journal.read(directory / "journal.json"), directory)
