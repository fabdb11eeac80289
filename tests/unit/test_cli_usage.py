"""The command line as a person meets it: exit statuses and messages, never a traceback."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

import harness.report.config
from harness.cli import main
from harness.cli.main import COMMANDS, app
from harness.core.errors import DocumentError, HarnessError, UsageError
from harness.runbook.editions import OWN_BINDINGS, OWN_EDITION

PROGRAM = Path(sys.executable).with_name("replay-harness")
NAMES = tuple(command.__name__ for command in COMMANDS)


@dataclass(frozen=True)
class Answer:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Answer]


@pytest.fixture(name="run")
def run_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command line in this process, away from the user's files and variables."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("REPLAY_HARNESS_")]:
        monkeypatch.delenv(name)

    def run(*arguments: str | Path, **extra: str) -> Answer:
        answer = CliRunner().invoke(app, [str(one) for one in arguments], env=extra)
        assert answer.exception is None or isinstance(answer.exception, SystemExit)
        assert "Traceback" not in answer.stderr
        assert not (tmp_path / "runs").exists(), "nothing may be made before the usage is right"
        return Answer(answer.exit_code, answer.stdout, answer.stderr)

    return run


@pytest.mark.parametrize("command", NAMES)
def test_every_command_explains_itself(command: str) -> None:
    answer = CliRunner().invoke(app, [command, "--help"])
    assert answer.exit_code == 0
    assert f"Usage: replay-harness {command}" in answer.output or f"{command} [" in answer.output


def test_help_names_every_command_and_the_exit_statuses() -> None:
    answer = CliRunner().invoke(app, ["--help"])
    assert answer.exit_code == 0
    assert all(name in answer.output for name in NAMES)
    assert "0 pass, 1 fail, 2 usage, 3 unknown" in answer.output


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; import harness.cli.main; "
        "print([m for m in ('polars', 'pydantic', 'aiohttp', 'confluent_kafka', 'rich.console') "
        "if m in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rehearse", "mode9"], "there is no scenario 'mode9'"),
        (["rehearse", "mode1", "--profile", "X"], "there is no profile 'X'"),
        (["rehearse", "mode1", "--route", "both"], "route='both' does not fit"),
        (["rehearse", "mode1", "--format", "xml"], "format='xml' does not fit"),
        (["rehearse", "mode1", "--driver", "podman"], "driver='podman' does not fit"),
        (["rehearse", "mode1", "--set", "event=1"], "did you mean events"),
        (["rehearse", "mode1", "--set", "events"], "is not KEY=VALUE"),
        (["rehearse", "mode1", "--set", "upgradeMode=x"], "upgradeMode='x' does not fit"),
        (["rehearse", "mode1", "--set", "recorded=gone.jsonl"], "recorded='gone.jsonl'"),
        (["rehearse", "mode1", "--runbook", "gone.md"], "gone.md"),
        (["rehearse", "mode1", "--bindings", "gone.yaml"], "gone.yaml"),
        (["rehearse", "mode1", "--out", "/dev/full/x"], "/dev/full/x: cannot be written to"),
        (["up", "--profile", "X"], "there is no profile 'X'"),
        (["up", "--set", "brokers=0"], "brokers='0' does not fit"),
        (["down", "a0000009"], "no world a0000009 is running"),
        (["down"], "no world is running"),
        (["config", "--profile", "X"], "there is no profile 'X'"),
        (["lint", "gone.md"], "gone.md"),
    ],
)
def test_wrong_usage_is_one_clear_message_and_status_2(
    run: Run, arguments: list[str], message: str
) -> None:
    answer = run(*arguments)
    assert answer.returncode == 2, answer.stderr
    assert answer.stdout == ""
    assert message in answer.stderr
    assert answer.stderr.startswith("replay-harness: ")
    assert len(answer.stderr.splitlines()) <= 2


@pytest.mark.parametrize("arguments", [["rehearse"], ["nonsense"], ["rehearse", "mode1", "--x"]])
def test_what_the_parser_refuses_has_status_2(run: Run, arguments: list[str]) -> None:
    assert run(*arguments).returncode == 2


def test_a_wrong_environment_variable_is_named(
    run: Run,
) -> None:
    answer = run("config", REPLAY_HARNESS_SEED="minus one")
    assert answer.returncode == 2
    assert "environment variable REPLAY_HARNESS_SEED: seed='minus one'" in answer.stderr


def test_a_project_file_is_read_and_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.replay-harness]\nseed = 7\n")
    answer = run("config")
    assert answer.returncode == 0
    assert f"seed\t7\t{tmp_path / 'pyproject.toml'} [tool.replay-harness]" in answer.stdout


def edition(tmp_path: Path, change: Callable[[str], str]) -> Path:
    path = tmp_path / "ta-replay.md"
    text = OWN_EDITION.read_text()
    changed = change(text)
    assert changed != text
    path.write_bytes(changed.encode())
    return path


def unclosed(text: str) -> str:
    before, fence, after = text.rpartition("```")
    assert fence
    return before + after


def changed_command(text: str) -> str:
    """Change the first command in a fence, and nothing else."""
    before, fence, after = text.partition("\n```bash\n")
    assert fence
    return before + fence + after.replace("kubectl ", "kubectl --now ", 1)


def tab_in_a_command(text: str) -> str:
    return changed_command(text).replace("kubectl --now ", "kubectl\t", 1)


@pytest.mark.parametrize(
    "change",
    [unclosed, changed_command, lambda text: text + "\nAlso delete everything.\n"],
    ids=["unclosed-fence", "changed-command", "added-sentence"],
)
@pytest.mark.parametrize("command", [["lint"], ["rehearse", "mode1", "--out", "out", "--runbook"]])
def test_a_changed_document_stops_with_its_line_before_anything_is_done(
    run: Run,
    tmp_path: Path,
    change: Callable[[str], str],
    command: list[str],
) -> None:
    path = edition(tmp_path, change)
    answer = run(*command, path, "--bindings", OWN_BINDINGS)
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert re.search(rf"{re.escape(str(path))}:\d+: ", answer.stdout + answer.stderr)
    assert not (tmp_path / "out" / "audit.jsonl").exists()
    assert not (tmp_path / "out" / "logs").exists()


def test_a_tab_between_the_words_of_a_command_is_a_blank_to_a_shell_and_to_us(
    run: Run, tmp_path: Path
) -> None:
    path = edition(tmp_path, tab_in_a_command)
    answer = run("lint", path, "--bindings", OWN_BINDINGS)
    assert answer.returncode == 0, answer.stdout


def test_line_ends_of_another_system_change_nothing(run: Run, tmp_path: Path) -> None:
    path = edition(tmp_path, lambda text: text.replace("\n", "\r\n"))
    answer = run("lint", path, "--bindings", OWN_BINDINGS)
    assert answer.returncode == 0, answer.stdout


def test_the_own_edition_passes(run: Run) -> None:
    for extra in ([], ["--bindings", OWN_BINDINGS]):
        answer = run("lint", OWN_EDITION, *extra)
        assert answer.returncode == 0, answer.stdout
        assert "0 errors" in answer.stdout.splitlines()[-1]


def test_a_skeleton_lists_what_is_to_be_bound(run: Run, tmp_path: Path) -> None:
    skeleton = tmp_path / "bindings.yaml"
    answer = run("lint", OWN_EDITION, "--skeleton", skeleton)
    assert answer.returncode == 0
    assert "do: []" in skeleton.read_text()
    assert run("lint", OWN_EDITION, "--skeleton", skeleton).returncode == 2, "never overwritten"


def test_a_skeleton_leaves_out_what_given_bindings_bind(run: Run, tmp_path: Path) -> None:
    path = edition(tmp_path, lambda text: text + "\nAlso delete everything.\n")
    skeleton = tmp_path / "more.yaml"
    answer = run("lint", path, "--bindings", OWN_BINDINGS, "--skeleton", skeleton)
    assert answer.returncode == 0
    assert "1 statements" in answer.stdout
    assert "Also delete everything." in skeleton.read_text()


def test_the_installed_program_ends_with_the_status_and_one_message(tmp_path: Path) -> None:
    answer = subprocess.run(
        [PROGRAM, "rehearse", "mode9"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr == (
        f"replay-harness: {OWN_BINDINGS}: there is no scenario 'mode9'\n"
        "  there are: mode1, mode2, rollback, rollback-mode2, runner\n"
    )


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> tuple[int, str]:
    def fail(_resolved: object) -> None:
        raise error

    monkeypatch.setattr(harness.report.config, "print_config", fail)
    answer = CliRunner().invoke(app, ["config"])
    return answer.exit_code, answer.stderr


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (HarnessError("x", where="here", hint="do y"), 3),
        (UsageError("x", where="here", hint="do y"), 2),
        (DocumentError("x", where="here", hint="do y"), 1),
    ],
)
def test_errors_end_with_their_status_and_all_three_parts(
    monkeypatch: pytest.MonkeyPatch, error: HarnessError, status: int
) -> None:
    assert raising(monkeypatch, error) == (status, "replay-harness: here: x\n  do y\n")


def test_an_interrupt_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    status, text = raising(monkeypatch, KeyboardInterrupt())
    assert status == 3
    assert text == "replay-harness: interrupted; everything that was started has been ended\n"


def test_a_fault_of_the_harness_is_unknown_and_never_a_failed_replay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    status, text = raising(monkeypatch, ZeroDivisionError("oops"))
    assert status == 3
    assert "ZeroDivisionError: oops" in text
    assert "internal error" in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_a_command_in_an_orderly_way(number: signal.Signals) -> None:
    code = (
        "import os, sys, harness.report.config as c; from harness.cli.main import run\n"
        "def wait(_):\n"
        "    try:\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "        import time; time.sleep(30)\n"
        "    finally:\n"
        "        print('cleaned up')\n"
        "c.print_config = wait; sys.argv = ['replay-harness', 'config']; run()"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30
    )
    assert (answer.returncode, answer.stdout) == (3, "cleaned up\n")
    assert answer.stderr == (
        "replay-harness: interrupted; everything that was started has been ended\n"
    )


def test_a_reader_that_went_away_gets_no_traceback(tmp_path: Path) -> None:
    with subprocess.Popen(
        [PROGRAM, "config", "--format", "json"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == main.UNKNOWN
