"""Where a run leaves its files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from harness.core.errors import UsageError

RUNS: Final = Path("runs")
"""Where runs go unless told otherwise, below the current directory."""

_PROBE: Final = ".probe"
_PROBE_BYTES: Final = 65536


def out_directory(wanted: Path | None, name: str) -> Path:
    """Make the directory of a run and see that it can be written to.

    Args:
        wanted: the directory asked for; None makes one below ``runs``.
        name: what the run is called; part of the directory's name.

    Returns:
        An absolute path. Where ``wanted`` holds a run already, a new directory in it.

    Raises:
        UsageError: when it cannot be made or written to.
    """
    stamped = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{name}"
    out = (wanted if wanted is not None else RUNS / stamped).absolute()
    try:
        out.mkdir(parents=True, exist_ok=True)
        if (out / "journal.json").exists() or (out / "logs").exists():
            out = out / stamped
            out.mkdir()
        _try_to_write(out)
    except OSError as error:
        raise UsageError(
            f"cannot be written to: {error.strerror}",
            where=str(out),
            hint="choose another directory with --out, or free some space",
        ) from error
    return out


def _try_to_write(directory: Path) -> None:
    probe = directory / _PROBE
    try:
        probe.write_bytes(b"\0" * _PROBE_BYTES)
    finally:
        probe.unlink(missing_ok=True)
