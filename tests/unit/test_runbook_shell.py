"""Commands through bash: scrubbed, bounded, nothing left over."""

from __future__ import annotations

import _thread
import shutil
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from harness.core.errors import UsageError
from harness.runbook.shell import (
    BASIC_TOOLS,
    run_bash,
    scrubbed_environment,
    tool_directory,
)

if TYPE_CHECKING:
    from harness.runbook.shell import (
        CommandOutcome,
    )

TIMEOUT = 30.0


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    return tool_directory(tmp_path / "bin", {})


@pytest.fixture
def environment(tmp_path: Path, tools: Path) -> dict[str, str]:
    home = tmp_path / "home"
    home.mkdir()
    return scrubbed_environment(home, [tools], {"KUBECONFIG": "/world/kubeconfig"})


def bash(text: str, environment: dict[str, str], cwd: Path, **options: Any) -> CommandOutcome:
    return run_bash(text, environment, cwd, options.pop("timeout", TIMEOUT), **options)


def test_output_and_status_are_kept(environment: dict[str, str], tmp_path: Path) -> None:
    outcome = bash("echo out; echo err >&2; test a = b", environment, tmp_path)
    assert (outcome.exit_status, outcome.stdout, outcome.stderr) == (1, "out\n", "err\n")
    assert not outcome.timed_out
    assert outcome.seconds >= 0


def test_lines_are_told_as_they_come(environment: dict[str, str], tmp_path: Path) -> None:
    lines: list[tuple[str, str]] = []
    bash("echo a; echo b >&2", environment, tmp_path, on_line=lambda *line: lines.append(line))
    assert sorted(lines) == [("stderr", "b"), ("stdout", "a")]


@pytest.mark.parametrize(
    ("command", "status"),
    [("false; echo on", 1), ("echo $unset_variable", 1), ("false | cat", 1), ("nosuch", 127)],
)
def test_bash_is_strict(
    command: str, status: int, environment: dict[str, str], tmp_path: Path
) -> None:
    outcome = bash(command, environment, tmp_path)
    assert outcome.exit_status == status
    assert outcome.stdout == ""


def test_nothing_of_the_users_environment_is_seen(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "HTTP_PROXY", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.setenv(name, "the user's")
    monkeypatch.setenv("KUBECONFIG", "/user/kubeconfig")
    monkeypatch.setenv("BASH_ENV", "/user/bash_env")
    outcome = bash("export -p", environment, tmp_path)
    names = {line.split()[2].split("=")[0] for line in outcome.stdout.splitlines()}
    assert names == {"HOME", "KUBECONFIG", "LANG", "OLDPWD", "PATH", "PWD", "SHLVL", "TZ"}
    assert "the user's" not in outcome.stdout
    assert "/user/" not in outcome.stdout
    assert 'KUBECONFIG="/world/kubeconfig"' in outcome.stdout


def test_start_up_files_are_not_read(environment: dict[str, str], tmp_path: Path) -> None:
    for name in (".bashrc", ".bash_profile", ".profile"):
        (tmp_path / "home" / name).write_text("echo read\n")
    assert bash("true", environment, tmp_path).stdout == ""


def test_standard_input_is_empty(environment: dict[str, str], tmp_path: Path) -> None:
    assert bash("cat", environment, tmp_path).exit_status == 0


def test_only_the_runs_tools_are_found(environment: dict[str, str], tmp_path: Path) -> None:
    assert shutil.which("env") is not None
    assert bash("env", environment, tmp_path).exit_status == 127
    assert bash("echo x | cat | grep x", environment, tmp_path).stdout == "x\n"


def test_a_command_runs_where_it_is_told(environment: dict[str, str], tmp_path: Path) -> None:
    assert bash("pwd", environment, tmp_path).stdout == f"{tmp_path}\n"


def test_text_that_is_not_utf8_does_not_hurt(environment: dict[str, str], tmp_path: Path) -> None:
    assert bash(r"printf 'a\xffb'", environment, tmp_path).stdout == "a\ufffdb"


def test_a_large_output_is_complete(environment: dict[str, str], tmp_path: Path) -> None:
    outcome = bash("printf '%0200000d' 0; printf '%0200000d' 0 >&2", environment, tmp_path)
    assert (len(outcome.stdout), len(outcome.stderr)) == (200_000, 200_000)


def processes_in(directory: Path) -> list[str]:
    return [
        " ".join(process.info["cmdline"] or [])
        for process in psutil.process_iter(["cwd", "cmdline", "status"])
        if process.info["cwd"] == str(directory) and process.info["status"] != "zombie"
    ]


def test_a_command_that_takes_too_long_is_killed_with_all_it_started(
    environment: dict[str, str], tmp_path: Path
) -> None:
    outcome = bash("sleep 300 & echo begun; sleep 300", environment, tmp_path, timeout=1.0)
    assert outcome.timed_out
    assert (outcome.exit_status, outcome.stdout) == (124, "begun\n")
    assert processes_in(tmp_path) == []


def test_what_a_command_leaves_in_the_background_is_killed(
    environment: dict[str, str], tmp_path: Path
) -> None:
    outcome = bash("sleep 300 & echo done", environment, tmp_path)
    assert (outcome.exit_status, outcome.stdout) == (0, "done\n")
    assert processes_in(tmp_path) == []


def test_an_interrupt_kills_the_command(environment: dict[str, str], tmp_path: Path) -> None:
    def interrupt(_: str, __: str) -> None:
        threading.Thread(target=_thread.interrupt_main).start()

    with pytest.raises(KeyboardInterrupt):
        bash("echo begun; sleep 300", environment, tmp_path, on_line=interrupt)
    assert processes_in(tmp_path) == []


def test_a_command_that_kills_itself_has_the_signals_status(
    environment: dict[str, str], tmp_path: Path
) -> None:
    assert bash("kill -KILL $$", environment, tmp_path).exit_status == 137


def test_a_launcher_is_put_before_bash(environment: dict[str, str], tmp_path: Path) -> None:
    launcher = [sys.executable, "-c", "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"]
    assert bash("echo x", environment, tmp_path, launcher=launcher).stdout == "x\n"


def test_a_working_directory_that_is_not_there(environment: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be started"):
        bash("true", environment, tmp_path / "none")


@pytest.mark.parametrize("name", ["PATH", "HOME", "BASH_ENV", "ENV"])
def test_extra_variables_cannot_change_where_programs_come_from(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{name} of a command cannot be set"):
        scrubbed_environment(tmp_path, [], {name: "x"})


def test_the_tool_directory_holds_the_basics_and_what_is_named(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho mine\n")
    program.chmod(0o755)
    directory = tool_directory(tmp_path / "bin", {"kubectl": program})
    assert {entry.name for entry in directory.iterdir()} == BASIC_TOOLS | {"kubectl"}
    again = tool_directory(tmp_path / "bin", {"kubectl": program})
    environment = scrubbed_environment(tmp_path, [again], {})
    assert bash("kubectl", environment, tmp_path).stdout == "mine\n"


def test_a_python_of_a_virtual_environment_keeps_its_packages(tmp_path: Path) -> None:
    directory = tool_directory(tmp_path / "bin", {"python3": Path(sys.executable)})
    environment = scrubbed_environment(tmp_path, [directory], {})
    outcome = bash("python3 -c 'import sys; print(sys.prefix)'", environment, tmp_path)
    assert outcome.stdout == f"{sys.prefix}\n"


@pytest.mark.parametrize("executable", [True, False])
def test_a_missing_tool_is_named(tmp_path: Path, *, executable: bool) -> None:
    program = tmp_path / "kubectl"
    if not executable:
        program.write_text("")
    with pytest.raises(UsageError, match="kubectl is not an executable program") as caught:
        tool_directory(tmp_path / "bin", {"kubectl": program})
    assert caught.value.where == str(program)


def test_a_machine_without_bash_is_told(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.runbook.shell.SYSTEM_PATH", str(tmp_path))
    with pytest.raises(UsageError, match="no bash on this machine"):
        bash("true", environment, tmp_path)
