"""The log of a container as ``kubectl logs`` reads it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

_CHUNK: Final = 64 * 1024
_POLL_SECONDS: Final = 0.1


async def read_log(
    path: Path | None,
    *,
    tail: int | None = None,
    limit: int | None = None,
    follow: bool = False,
    alive: Callable[[], bool] = lambda: True,
) -> AsyncIterator[bytes]:
    """Yield the content of a log.

    Args:
        path: the file; one that is not there (yet) is empty.
        tail: number of last lines; None for all.
        limit: number of bytes at most.
        follow: go on with what is written later.
        alive: tells whether following still makes sense.
    """
    position = _tail_position(path, tail)
    left = limit
    while True:
        data = _read(path, position, _CHUNK if left is None else min(left, _CHUNK))
        if data:
            position += len(data)
            left = None if left is None else left - len(data)
            yield data
        elif not follow or left == 0 or not alive():
            return
        else:
            await asyncio.sleep(_POLL_SECONDS)


def _read(path: Path | None, position: int, size: int) -> bytes:
    if path is None or not path.exists():
        return b""
    with path.open("rb") as file:
        file.seek(position)
        return file.read(size)


def _tail_position(path: Path | None, tail: int | None) -> int:
    """Return where the last ``tail`` lines begin, reading from the end."""
    if path is None or tail is None or not path.exists():
        return 0
    position, found = path.stat().st_size, 0
    if tail == 0:
        return position
    wanted = tail + (_read(path, max(position - 1, 0), 1) == b"\n")
    while position > 0:
        start = max(position - _CHUNK, 0)
        block = _read(path, start, position - start)
        at = len(block)
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            found += 1
            if found == wanted:
                return start + at + 1
        position = start
    return 0
