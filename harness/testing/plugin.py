"""The pytest plug-in: wires fixtures, imports nothing heavy until one is used."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.replay.settings import Layer
    from harness.testing.rehearsed import Rehearsed


class Rehearse(Protocol):
    """Rehearses a scenario with the settings of this pytest run."""

    def __call__(self, scenario: str, settings: Mapping[str, object]) -> Rehearsed:
        """Rehearse ``scenario``; ``settings`` are as in ``[tool.replay-harness]``."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add options of the same names and meanings as those of ``replay-harness rehearse``."""
    group = parser.getgroup("replay-harness", "rehearsals of a replay runbook")
    group.addoption("--replay-runbook", metavar="PATH", help="the document to run")
    group.addoption("--replay-bindings", metavar="PATH", help="what the document's sentences mean")
    group.addoption("--replay-profile", metavar="NAME", help="what production looked like: S")
    group.addoption(
        "--replay-set",
        metavar="KEY=VALUE",
        action="append",
        type=_pair,
        help="a variant, repeatable; `replay-harness config` lists the keys",
    )
    group.addoption(
        "--replay-out",
        metavar="DIR",
        help="keep reports and logs below DIR; default: the test's temporary directory",
    )
    group.addoption(
        "--replay-keep",
        action="store_true",
        help="leave the data directories of the worlds in place",
    )


def _pair(text: str) -> str:
    """Refuse what is no pair before any test runs; what the keys mean is found out later."""
    if not text.partition("=")[0].strip() or "=" not in text:
        raise ArgumentTypeError(f"{text!r} is not KEY=VALUE, e.g. events=20000")
    return text


@pytest.fixture
def replay_layers(pytestconfig: pytest.Config) -> list[Layer]:
    """Settings from pyproject.toml, the environment and pytest's command line, in this order."""
    from harness.replay.settings import Layer  # noqa: PLC0415 - only where a test rehearses
    from harness.testing.rehearsing import surroundings  # noqa: PLC0415 - the same

    here = pytestconfig.invocation_params.dir
    options = Layer("pytest's command line", _options(pytestconfig), here)
    return [*surroundings(pytestconfig.rootpath), options]


def _options(config: pytest.Config) -> dict[str, Any]:
    """Return the options that were given, as settings."""
    from harness.replay.settings import parse_sets  # noqa: PLC0415 - only where a test rehearses

    names = ("runbook", "bindings", "profile", "keep")
    values = {name: config.getoption(f"replay_{name}") for name in names}
    values["set"] = parse_sets(config.getoption("replay_set") or ())
    return {name: value for name, value in values.items() if value}


@pytest.fixture
def replay_out(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where the rehearsal of this test leaves its report, journal and logs."""
    wanted: str | None = request.config.getoption("replay_out")
    if wanted is None:
        return tmp_path / "rehearsal"
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", request.node.nodeid).strip("-")
    here: Path = request.config.invocation_params.dir
    return here / wanted / name


@pytest.fixture
def replay_rehearse(
    pytestconfig: pytest.Config, replay_layers: list[Layer], replay_out: Path
) -> Rehearse:
    """Rehearse a scenario: what the test says goes before what the command line says."""
    from harness.replay.settings import Layer  # noqa: PLC0415 - only where a test rehearses
    from harness.testing.rehearsing import rehearse_with  # noqa: PLC0415 - the same

    def rehearse(scenario: str, settings: Mapping[str, object]) -> Rehearsed:
        test = Layer("the test", settings, pytestconfig.rootpath)
        out = Layer("pytest", {"out": str(replay_out)})
        return rehearse_with(scenario, [*replay_layers, test, out])

    return rehearse
