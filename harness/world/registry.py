"""Where worlds live on disk, which of them are alive, and the removal of those that are not.

Each world has a directory of its own below one per-user directory. Its host holds a lock on a
file in it for as long as it lives, so a directory whose lock is free belongs to nobody. Until
the host has taken the lock for the first time (its process id is in the file from then on), the
process that made the directory stands for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import orjson
import psutil

from harness.core.errors import HarnessError, UsageError
from harness.core.waiting import wait_until
from harness.world.processes import sweep
from harness.world.spec import WorldState

if TYPE_CHECKING:
    from collections.abc import Iterator

STATE_FILE: Final = "world.json"
LOCK_FILE: Final = "host.lock"
MAKER_FILE: Final = "maker"
KEEP_FILE: Final = "keep"
_ROOM: Final = 256 << 20
"""Bytes that a world needs: it is up with far less, but dies somewhere in the middle."""

_LOCK_SECONDS: Final = 5.0
_REMOVE_SECONDS: Final = 3.0
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
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise HarnessError(
            "is a link or belongs to another user",
            where=str(path),
            hint="remove it, or set TMPDIR to a directory of your own",
        )
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
    """Hold the lock of a world's directory; called by its host for as long as it lives.

    Raises:
        WaitTimeoutError: when another host holds it.
    """
    with (root / LOCK_FILE).open("a") as lock:
        # Whoever asks `alive` holds the lock for a moment, so one refusal means nothing.
        wait_until(
            lambda: _locked(lock, fcntl.LOCK_EX),
            what=f"the lock of {root}",
            timeout=_LOCK_SECONDS,
            interval=0.01,
            hint="another host runs this world",
        )
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _locked(lock: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def alive(root: Path) -> bool:
    """Whether some host holds the world in ``root``."""
    try:
        with (root / LOCK_FILE).open() as lock:
            return not _locked(lock, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def host_pid(root: Path) -> int | None:
    """Return the process id of the host that holds the world in ``root``; None when none does."""
    try:
        pid = int((root / LOCK_FILE).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return pid if alive(root) else None


def read_state(root: Path) -> WorldState | None:
    """Return what the world in ``root`` says of itself; None before it is up.

    Also None for a world of another version of the harness, which says other things.
    """
    try:
        return WorldState.from_json(orjson.loads((root / STATE_FILE).read_bytes()))
    except (FileNotFoundError, orjson.JSONDecodeError, TypeError, KeyError):
        return None


def remove_stale(*, kept: bool = False) -> list[str]:
    """Remove what worlds without a host left behind.

    Args:
        kept: also remove directories that were to be kept.

    Returns:
        One line for each process killed and each directory removed.
    """
    removed = []
    for root in world_directories():
        if not alive(root) and not _being_born(root):
            removed += [f"process {line}" for line in sweep(root.name)]
            if kept or not (root / KEEP_FILE).exists():
                remove_directory(root)
                removed.append(f"directory {root}")
    return removed


def remove_directory(path: Path) -> bool:
    """Remove a directory and all in it; say whether it is gone.

    Tried for a while: a process that was just killed may still write a last file.
    """
    deadline = time.monotonic() + _REMOVE_SECONDS
    while True:
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            with contextlib.suppress(OSError):  # the last world takes the common directory along
                path.parent.rmdir()
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)


def _being_born(root: Path) -> bool:
    """Whether no host has held the directory yet and its maker is there to start one."""
    try:
        maker = (root / MAKER_FILE).read_text()
        there = maker == _identity(int(maker.partition(" ")[0]))
    except (OSError, ValueError, psutil.Error):
        return False
    lock = root / LOCK_FILE
    return there and not (lock.exists() and lock.stat().st_size)


def make_directory(world_id: str, *, keep: bool = False) -> Path:
    """Make the directory of a new world.

    Args:
        world_id: a fresh identifier.
        keep: whether ``remove_stale`` leaves it in place after the world's end.

    Raises:
        HarnessError: when there is no room for a world.
    """
    while True:
        try:
            return _make(worlds_directory() / world_id, keep=keep)
        except FileNotFoundError:  # another world has just ended and took the directory along
            continue


def _make(root: Path, *, keep: bool) -> Path:
    free = shutil.disk_usage(root.parent).free
    if free < _ROOM:
        raise HarnessError(
            f"no space for a world: {free >> 20} MB are free, {_ROOM >> 20} MB are needed",
            where=str(root.parent),
            hint="free some space, or set TMPDIR to a directory with more",
        )
    draft = root.with_name(f".{root.name}")
    draft.mkdir(mode=0o700)
    (draft / MAKER_FILE).write_text(_identity(os.getpid()))
    if keep:
        (draft / KEEP_FILE).touch()
    return draft.rename(root)  # whoever looks finds a maker in it from the first moment on


def _identity(pid: int) -> str:
    """Return what names a process even after its number was given to another one."""
    return f"{pid} {psutil.Process(pid).create_time()}"


def find_root(world_id: str | None) -> Path:
    """Return the directory of a world that has a host, be it up already or not.

    Args:
        world_id: its identifier; None when there is only one.

    Raises:
        UsageError: when there is none, no such one, or more than one to choose from.
    """
    running = {root.name: root for root in world_directories() if alive(root)}
    if world_id is None and len(running) == 1:
        return next(iter(running.values()))
    if world_id is None or world_id not in running:
        names = ", ".join(running) or "none"
        nothing = "which world?" if running else "no world is running"
        raise UsageError(
            f"no world {world_id} is running" if world_id else nothing, hint=f"running: {names}"
        )
    return running[world_id]


def find(world_id: str | None) -> WorldState:
    """Return a running world.

    Args:
        world_id: its identifier; None when there is only one.

    Raises:
        UsageError: when there is none, no such one, more than one to choose from, or it is not
            up yet.
    """
    root = find_root(world_id)
    state = read_state(root)
    if state is None:
        raise UsageError(f"world {root.name} is not up yet", hint="try again in a moment")
    return state
