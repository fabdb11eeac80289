"""Where worlds live on disk, which of them are alive, and the removal of those that are not.

Each world has a directory of its own below one per-user directory. Its host holds a lock on a
file in it for as long as it lives, so a directory whose lock is free belongs to nobody.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from harness.core.errors import HarnessError, UsageError
from harness.world.processes import sweep
from harness.world.spec import WorldState

if TYPE_CHECKING:
    from collections.abc import Iterator

STATE_FILE: Final = "world.json"
LOCK_FILE: Final = "host.lock"
_WORLD_ID: Final = re.compile(r"[a-z0-9]{8}")


def worlds_directory() -> Path:
    """Return the directory that holds all worlds of this user, made if need be.

    Raises:
        HarnessError: when it cannot be made or belongs to somebody else.
    """
    path = Path(tempfile.gettempdir()) / f"torghut-replay-harness-{os.getuid()}"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise HarnessError(
            f"no directory for worlds can be made: {error.strerror}",
            where=str(path),
            hint="free some space, or set TMPDIR to a directory that can be written to",
        ) from error
    if path.stat().st_uid != os.getuid():
        raise HarnessError("belongs to another user", where=str(path), hint="set TMPDIR")
    return path


def new_world_id() -> str:
    """Return a fresh identifier: eight characters, fit for file and process names."""
    return secrets.token_hex(4)


def world_directories() -> Iterator[Path]:
    """Yield the directory of every world, alive or not."""
    for path in sorted(worlds_directory().iterdir()):
        if path.is_dir() and _WORLD_ID.fullmatch(path.name):
            yield path


@contextlib.contextmanager
def hold(root: Path) -> Iterator[None]:
    """Hold the lock of a world's directory; called by its host for as long as it lives."""
    with (root / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def alive(root: Path) -> bool:
    """Whether some host holds the world in ``root``."""
    try:
        with (root / LOCK_FILE).open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def read_state(root: Path) -> WorldState | None:
    """Return what the world in ``root`` says of itself, or None before it is up."""
    try:
        return WorldState.from_json(orjson.loads((root / STATE_FILE).read_bytes()))
    except (FileNotFoundError, orjson.JSONDecodeError):
        return None


def remove_stale() -> list[str]:
    """Remove what worlds without a host left behind.

    Returns:
        One line for each process killed and each directory removed.
    """
    removed = []
    for root in world_directories():
        if not alive(root) and not _being_born(root):
            removed += [f"process {line}" for line in sweep(root.name)]
            shutil.rmtree(root, ignore_errors=True)
            removed.append(f"directory {root}")
    return removed


def _being_born(root: Path) -> bool:
    """Whether the process that made the directory is still there to start its host."""
    try:
        maker = int((root / "maker.pid").read_text())
        os.kill(maker, 0)
    except (OSError, ValueError):
        return False
    return not (root / LOCK_FILE).exists()


def make_directory(world_id: str) -> Path:
    """Make the directory of a new world."""
    root = worlds_directory() / world_id
    root.mkdir(mode=0o700)
    (root / "maker.pid").write_text(str(os.getpid()))
    return root


def find(world_id: str | None) -> WorldState:
    """Return a running world.

    Args:
        world_id: its identifier; None when there is only one.

    Raises:
        UsageError: when there is none, no such one, or more than one to choose from.
    """
    running = {root.name: root for root in world_directories() if alive(root)}
    if world_id is None and len(running) == 1:
        world_id = next(iter(running))
    if world_id is None or world_id not in running:
        names = ", ".join(running) or "none"
        raise UsageError(
            f"no world {world_id} is running" if world_id else "which world?",
            hint=f"running: {names}",
        )
    state = read_state(running[world_id])
    if state is None:
        raise UsageError(f"world {world_id} is not up yet", hint="try again in a moment")
    return state
