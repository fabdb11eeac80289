"""Which consumer groups were used before: Git's history, records of replays, the brokers."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Final

from harness.replay.runner.names import CONFIG_MANIFEST, GROUP, RunnerError
from harness.replay.runner.planning import GroupHistory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_SECONDS: Final = 60.0
_COMMIT: Final = "commit "
_LINE: Final = re.compile(rf"""^[+-]\s*{GROUP}\s*:\s*(["']?)(?P<group>[^"'#\s]+)\1\s*(#.*)?$""")


class _UnknownError(Exception):
    """A source cannot be asked; its text says why."""


def find_group(
    group: str,
    current: str,
    manifests: Path,
    record: Path,
    groups: Callable[[], set[str]] | None,
) -> GroupHistory:
    """Look for a group wherever it can have left a trace.

    Args:
        group: consumer group of the replay.
        current: ``TA_GROUP_ID`` now.
        manifests: Git work tree of the manifests.
        record: file of this replay's record; others beside it are read.
        groups: asks the brokers; None when nobody said where they are.
    """
    sources: dict[str, Callable[[], Iterator[str]]] = {
        "configmap": lambda: iter(["configmap"] if group == current else []),
        "git": lambda: _in_git(group, manifests),
        "records": lambda: _in_records(group, record),
        "brokers": lambda: _on_brokers(group, groups),
    }
    asked, used, silent = [], [], []
    for name, look in sources.items():
        try:
            used += list(look())
            asked.append(name)
        except _UnknownError as error:
            silent.append((name, str(error)))
    return GroupHistory(asked=tuple(asked), used_in=tuple(used), not_asked=tuple(silent))


def _on_brokers(group: str, groups: Callable[[], set[str]] | None) -> Iterator[str]:
    if groups is None:
        raise _UnknownError("no --kafka-bootstrap was given")
    if group in groups():
        yield "brokers"


def _in_records(group: str, own: Path) -> Iterator[str]:
    for path in sorted(own.parent.glob("ta-replay-*.json")):
        if path.resolve() != own.resolve() and _recorded_group(path) == group:
            yield f"record:{path}"


def _recorded_group(path: Path) -> object:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value.get("replay_group_id") if isinstance(value, dict) else None


def _in_git(group: str, manifests: Path) -> Iterator[str]:
    done = _git_log(manifests)
    if done.returncode:
        raise _UnknownError(done.stderr.strip().partition("\n")[0] or "git failed")
    if not done.stdout:
        raise _UnknownError(f"{manifests} has no history of {CONFIG_MANIFEST}")
    commits = sorted({commit for commit, used in groups_in_log(done.stdout) if used == group})
    yield from (f"git:{commit}" for commit in commits)


def groups_in_log(text: str) -> Iterator[tuple[str, str]]:
    """Yield commit and group for each line of ``git log --patch`` that sets or drops a group."""
    commit = ""
    for line in text.splitlines():
        if line.startswith(_COMMIT):
            commit = line.removeprefix(_COMMIT)
        elif match := _LINE.match(line):
            yield commit, match["group"]


def _git_log(manifests: Path) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(manifests), "--no-pager", "log", "--all", "--no-color"]
    command += ["--no-ext-diff", "--no-textconv", "--patch", f"--format={_COMMIT}%h", "--"]
    try:
        return subprocess.run(
            [*command, f":(top){CONFIG_MANIFEST}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_SECONDS,
        )
    except FileNotFoundError as error:
        raise _UnknownError("git is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise RunnerError(f"git log did not end within {_SECONDS:g} s") from error
