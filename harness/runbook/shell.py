"""Commands of a document through bash: nothing inherited, only known tools, nothing left over."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Literal

from harness.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

BUILTINS: Final = frozenset(
    {"cd", "echo", "export", "false", "printf", "pwd", "read", "set", "test", "true"}
    | {"[", "[[", ":", "local", "return", "shift", "unset", "wait"}
)
"""Builtins that a document's command may use; not those that start programs in another way
(``exec``, ``eval``, ``command``, ``source``, ``enable``)."""

BASIC_TOOLS: Final = frozenset(
    {"basename", "cat", "cut", "date", "dirname", "grep", "head", "ls", "mkdir", "mktemp", "sed"}
    | {"sleep", "sort", "tail", "tee", "tr", "uniq", "wc"}
)
"""Programs of every Linux machine that a document's command may use."""

SYSTEM_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
"""Where the basic tools and bash are looked for; never the caller's PATH."""

_OWNED: Final = frozenset({"HOME", "PATH", "BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS"})
_GRACE_SECONDS: Final = 2.0
_TIMEOUT_STATUS: Final = 124


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """What a command did.

    Attributes:
        exit_status: bash's exit status; 128 + signal when killed; 124 after the time-out.
        stdout: its standard output, complete.
        stderr: its standard error, complete.
        seconds: how long it took.
        timed_out: whether it was killed because its time was over.
    """

    exit_status: int
    stdout: str
    stderr: str
    seconds: float
    timed_out: bool = False


def run_bash(
    text: str,
    environment: Mapping[str, str],
    cwd: Path,
    timeout: float,
    on_line: Callable[[Literal["stdout", "stderr"], str], None] | None = None,
    *,
    launcher: Sequence[str] = (),
) -> CommandOutcome:
    """Run a command as ``bash --noprofile --norc -euo pipefail -c TEXT``.

    It gets exactly the environment given, a session of its own and an empty standard input.
    Whatever is left of its process group is killed when it ends, when its time is over, and when
    the caller is interrupted.

    Args:
        text: the command.
        environment: the whole environment, see ``scrubbed_environment``.
        cwd: working directory.
        timeout: seconds.
        on_line: called with each line as it comes, from other threads.
        launcher: program and arguments put before bash, such as a guard that ends the command
            with the harness.

    Raises:
        UsageError: bash is not there, or the working directory is not.
    """
    bash = _find("bash")
    arguments = [*launcher, str(bash), "--noprofile", "--norc", "-euo", "pipefail", "-c", text]
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=dict(environment),
            start_new_session=True,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise UsageError(f"bash cannot be started: {error}", where=str(cwd)) from error
    try:
        readers = [
            _Reader("stdout", process.stdout, on_line),
            _Reader("stderr", process.stderr, on_line),
        ]
        status, timed_out = _wait(process, timeout)
    finally:
        _kill_group(process)
    stdout, stderr = (reader.text() for reader in readers)
    return CommandOutcome(status, stdout, stderr, time.monotonic() - started, timed_out)


def _wait(process: subprocess.Popen[str], timeout: float) -> tuple[int, bool]:
    try:
        status = process.wait(timeout)
    except subprocess.TimeoutExpired:
        return _TIMEOUT_STATUS, True
    else:
        return status if status >= 0 else 128 - status, False


def _kill_group(process: subprocess.Popen[str]) -> None:
    """Kill what is left of the command's process group: it leads a session of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _Reader:
    """Collects one stream in a thread of its own."""

    def __init__(
        self,
        name: Literal["stdout", "stderr"],
        stream: IO[str] | None,
        on_line: Callable[[Literal["stdout", "stderr"], str], None] | None,
    ) -> None:
        self._name = name
        self._lines: list[str] = []
        self._stream = stream
        self._on_line = on_line
        self._thread = threading.Thread(target=self._read, name=f"command-{name}", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        if self._stream is None:
            return
        with self._stream as stream:
            for line in stream:
                self._lines.append(line)
                if self._on_line is not None:
                    self._on_line(self._name, line.rstrip("\n"))

    def text(self) -> str:
        # A process that left the group may hold the pipe open; it must not hold up the run.
        self._thread.join(_GRACE_SECONDS)
        return "".join(self._lines)


def scrubbed_environment(
    home: Path, path: Sequence[Path], extra: Mapping[str, str]
) -> dict[str, str]:
    """Return an environment of which nothing comes from the caller's.

    Args:
        home: the run's own HOME, so that no configuration or credential of the user is found.
        path: directories to look for programs in, see ``tool_directory``.
        extra: further variables, e.g. ``KUBECONFIG`` of the world.

    Raises:
        UsageError: ``extra`` sets a variable that decides where programs come from.
    """
    refused = sorted(_OWNED & extra.keys())
    if refused:
        raise UsageError(f"{', '.join(refused)} of a command cannot be set", hint="leave it out")
    return {
        "HOME": str(home),
        "PATH": ":".join(str(directory) for directory in path),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        **extra,
    }


def tool_directory(target: Path, tools: Mapping[str, Path]) -> Path:
    """Make a directory that holds the programs of a run and nothing else, for its PATH.

    A command that calls a program by its absolute path gets around this: on a plain machine only
    the linter stands against that, by refusing bound commands which begin with a path.

    Args:
        target: directory to make; what is in it already is replaced name by name.
        tools: name -> program, besides ``BASIC_TOOLS``.

    Returns:
        ``target``.

    Raises:
        UsageError: a program is missing.
    """
    target.mkdir(parents=True, exist_ok=True)
    programs = {name: _find(name) for name in sorted(BASIC_TOOLS)} | dict(tools)
    for name, program in programs.items():
        _place(target / name, program)
    return target


def _place(link: Path, program: Path) -> None:
    if not os.access(program, os.X_OK):
        raise UsageError(
            f"{link.name} is not an executable program",
            where=str(program),
            hint=f"install {link.name}, or say where it is",
        )
    link.unlink(missing_ok=True)
    if (program.parent.parent / "pyvenv.cfg").exists():
        # Through a link, a virtual environment's interpreter would not find its environment.
        link.write_text(f'#!{_find("bash")}\nexec {shlex.quote(str(program))} "$@"\n')
        link.chmod(0o755)
    else:
        link.symlink_to(program)


def _find(name: str) -> Path:
    found = shutil.which(name, path=SYSTEM_PATH)
    if found is None:
        raise UsageError(
            f"there is no {name} on this machine", where=SYSTEM_PATH, hint=f"install {name}"
        )
    return Path(found)
