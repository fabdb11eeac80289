"""The pytest plug-in and the steps, as another repository uses them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from harness.testing import rehearse, rehearsing
from tests.unit import report_samples as samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.replay.settings import Resolved
    from harness.report.journal import Journal

pytest_plugins = ["pytester"]

GUIDE = Path(__file__).parents[2] / "docs" / "gherkin.md"
BINDING = """
from pytest_bdd import scenarios
pytest_plugins = ["harness.testing.steps"]
scenarios("x.feature")
"""
LISTS_MODULES = """
import json, sys
def test_modules():
    with open("modules.json", "w") as file:
        json.dump(sorted(sys.modules), file)
"""


class Rehearsals:
    """Stands for the rehearsals themselves: notes what was asked for, leaves a journal."""

    def __init__(self) -> None:
        self.journal: Journal = samples.journal()
        self.asked: list[tuple[str, Resolved]] = []

    def __call__(self, scenarios: Sequence[str], resolved: Resolved) -> int:
        self.asked.append((scenarios[0], resolved))
        assert resolved.run.out is not None
        self.journal.write(resolved.run.out / "journal.json")
        return self.journal.verdict.exit_status

    @property
    def last(self) -> Resolved:
        return self.asked[-1][1]


@pytest.fixture(name="rehearsals", autouse=True)
def rehearsals_fixture(monkeypatch: pytest.MonkeyPatch) -> Rehearsals:
    for name in [name for name in os.environ if name.startswith("REPLAY_HARNESS_")]:
        monkeypatch.delenv(name)
    rehearsals = Rehearsals()
    monkeypatch.setattr(rehearsing, "rehearse_all", rehearsals)
    return rehearsals


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run pytest without hypothesis, which would be imported anew at the end of each run."""
    return pytester.runpytest_inprocess("-p", "no:hypothesispytest", *options)


def modules(pytester: pytest.Pytester, *options: str, **environment: str) -> set[str]:
    """What is imported by the end of a pytest run in an empty project."""
    pytester.makepyfile(LISTS_MODULES)
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=pytester.path,
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
    )
    return set(orjson.loads((pytester.path / "modules.json").read_bytes()))


def test_plugin_is_an_entry_point() -> None:
    found = [point.value for point in entry_points(group="pytest11")]
    assert "harness.testing.plugin" in found


def test_plugin_imports_nothing_but_itself(pytester: pytest.Pytester) -> None:
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    without = modules(pytester, **alone)
    added = modules(pytester, "-p", "harness.testing.plugin", **alone) - without
    assert added == {"harness", "harness.testing", "harness.testing.plugin"}


def test_empty_project_with_the_plugin_installed_imports_no_client(
    pytester: pytest.Pytester,
) -> None:
    loaded = {name.partition(".")[0] for name in modules(pytester)}
    assert "harness" in loaded
    heavy = {"confluent_kafka", "polars", "aiohttp", "chdb", "pydantic", "rich", "orjson", "psutil"}
    assert not loaded & (heavy | {"clickhouse_connect", "boto3", "ruamel", "jinja2", "numpy"})


def test_options_are_documented(pytester: pytest.Pytester) -> None:
    shown = run(pytester, "--help").stdout.str()
    for option in ("runbook", "bindings", "profile", "set", "out", "keep"):
        assert f"--replay-{option}" in shown


def test_set_that_is_no_pair_is_refused_before_any_test(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--replay-set", "events")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*'events' is not KEY=VALUE, e.g. events=20000"])


USES_FIXTURE = """
def test_it(replay_rehearse, replay_out):
    run = replay_rehearse("mode1", {"set": {"events": 4000}, "runbook": "own.md"})
    assert run.directory == replay_out
    assert (replay_out / "journal.json").is_file()
    assert run.journal.run.scenario == "mode1"
"""


def test_what_a_test_says_goes_before_the_command_line(
    pytester: pytest.Pytester, rehearsals: Rehearsals, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(USES_FIXTURE)
    pytester.makepyprojecttoml(
        "[tool.replay-harness]\nseed = 7\nroute = 'emergency'\nset = {damage = 'none'}"
    )
    monkeypatch.setenv("REPLAY_HARNESS_ROUTE", "gitops")
    monkeypatch.setenv("REPLAY_HARNESS_PROFILE", "X")
    options = ["--replay-profile=S", "--replay-runbook=other.md", "--replay-bindings=its.yaml"]
    sets = ["--replay-set", "events=9", "--replay-set", "minutesAgo=2", "--replay-keep"]
    run(pytester, *options, *sets).assert_outcomes(passed=1)
    used = rehearsals.last.run
    assert (used.seed, used.route, used.profile, used.keep) == (7, "gitops", "S", True)
    assert used.runbook == pytester.path / "own.md"
    assert used.bindings == pytester.path / "its.yaml"
    assert rehearsals.last.sets == {"damage": "none", "events": "4000", "minutesAgo": "2"}
    assert rehearsals.last.origins["set.minutesAgo"] == "pytest's command line"


def test_files_of_a_run_are_in_the_tests_temporary_directory(
    pytester: pytest.Pytester, rehearsals: Rehearsals
) -> None:
    pytester.makepyfile(USES_FIXTURE)
    run(pytester, "--basetemp=tmp").assert_outcomes(passed=1)
    assert rehearsals.last.run.out == pytester.path / "tmp" / "test_it0" / "rehearsal"


def test_files_of_a_run_are_where_they_were_wanted(
    pytester: pytest.Pytester, rehearsals: Rehearsals
) -> None:
    name = pytester.makepyfile(USES_FIXTURE).name
    run(pytester, "--replay-out=kept").assert_outcomes(passed=1)
    assert rehearsals.last.run.out == pytester.path / "kept" / f"{name}-test_it"


FEATURE = """
Feature: x
  Scenario: x
    Given production has upgradeMode "last-state"
    When Mode 1 is rehearsed on the emergency route
    Then the verdict is pass
    And the checks come out as
      | check         | verdict |
      | inputs-reread | pass    |
    And every command of the document succeeded
"""


def run_feature(pytester: pytest.Pytester, text: str, *options: str) -> pytest.RunResult:
    pytester.makefile(".feature", x=text)
    pytester.makepyfile(test_x=BINDING)
    return run(pytester, *options)


def test_feature_holds(pytester: pytest.Pytester, rehearsals: Rehearsals) -> None:
    run_feature(pytester, FEATURE).assert_outcomes(passed=1)
    scenario, resolved = rehearsals.asked[0]
    assert (scenario, resolved.run.route) == ("mode1", "emergency")
    assert resolved.sets == {"upgradeMode": "last-state"}


def test_feature_that_does_not_hold_says_why_and_shows_no_traceback(
    pytester: pytest.Pytester, rehearsals: Rehearsals
) -> None:
    rehearsals.journal = samples.journal("fail")
    result = run_feature(pytester, FEATURE)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "the verdict is fail, expected: pass",
            "mode1 came out as fail: the reason for fail",
            "  fail: inputs-reread: because",
            f"  report: {rehearsals.last.run.out}/report.html",
        ]
    )
    result.stdout.no_fnmatch_line("*steps.py:*")


@pytest.mark.parametrize("number", ["2", "0"])
def test_table_in_a_feature_is_compared(
    pytester: pytest.Pytester, rehearsals: Rehearsals, number: str
) -> None:
    checks = [samples.check(f"check-{n}", "pass") for n in range(int(number))]
    rehearsals.journal = samples.journal(checks=checks)
    result = run_feature(pytester, FEATURE)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["inputs-reread: did not take place, expected: pass"])


def test_setting_that_does_not_exist_is_told_plainly(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml("[tool.replay-harness]\nrunbok = 'own.md'")
    result = run_feature(pytester, FEATURE)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["mode1 could not be rehearsed: *pyproject.toml*'runbok'*runbook*"])
    result.stdout.no_fnmatch_line("*steps.py:*")


def test_scenario_is_skipped_where_its_document_is_not_there(
    pytester: pytest.Pytester, rehearsals: Rehearsals
) -> None:
    given = 'Given the document "far/away.md", where it is there'
    text = FEATURE.replace('Given production has upgradeMode "last-state"', given)
    result = run_feature(pytester, text, "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*the document far/away.md is not there*"])
    assert not rehearsals.asked
    (pytester.path / "far").mkdir()
    (pytester.path / "far" / "away.md").touch()
    run(pytester).assert_outcomes(passed=1)
    assert rehearsals.last.run.runbook == pytester.path / "far" / "away.md"


def test_api_returns_the_journal(tmp_path: Path, rehearsals: Rehearsals) -> None:
    settings: dict[str, Any] = {"out": tmp_path / "run", "seed": 3, "set": {"events": 4000}}
    assert rehearse("mode1", settings=settings) == rehearsals.journal
    assert rehearsals.last.run.out == tmp_path / "run"
    assert rehearsals.last.run.seed == 3
    assert rehearsals.last.origins["set.events"] == "the caller"


def test_second_run_in_a_directory_leaves_the_first_alone(
    tmp_path: Path, rehearsals: Rehearsals
) -> None:
    for verdict in ("pass", "fail"):
        rehearsals.journal = samples.journal(verdict)
        assert rehearse("mode1", settings={"out": tmp_path}).verdict == verdict
    first, second = (resolved.run.out for _, resolved in rehearsals.asked)
    assert first == tmp_path
    assert second != first


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)


def test_guide_can_be_followed(pytester: pytest.Pytester) -> None:
    binding, function = blocks("python")
    (feature,) = blocks("gherkin")
    pytester.makefile(".feature", replay=feature)
    pytester.makepyfile(test_replay=binding, test_function=function)
    result = run(pytester, "--collect-only", "-q")
    result.stdout.fnmatch_lines(
        ["test_function.py::test_a_job_*", "test_replay.py::test_the_job_is_stateless"]
    )
    assert result.ret == pytest.ExitCode.OK


def test_guides_feature_finds_all_its_steps(
    pytester: pytest.Pytester, rehearsals: Rehearsals
) -> None:
    (feature,) = blocks("gherkin")
    run_feature(pytester, feature).assert_outcomes(passed=1)
    assert rehearsals.last.run.runbook == pytester.path / "docs" / "ta-replay.md"


def test_guides_function_runs(pytester: pytest.Pytester, rehearsals: Rehearsals) -> None:
    rehearsals.journal = samples.journal("fail")
    pytester.makepyfile(blocks("python")[1])
    run(pytester).assert_outcomes(passed=1)
    assert rehearsals.last.sets == {"upgradeMode": "last-state", "events": "4000"}
