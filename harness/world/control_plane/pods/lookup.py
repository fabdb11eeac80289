"""How a program's name becomes a file of the machine: under the pod's root first."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.world.control_plane.model.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PATH_IN_POD: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Search path of a container whose image sets none."""

_MACHINE: Final = (Path("/usr/bin"), Path("/bin"))


class CommandNotFoundError(ApiError):
    """The program is not in the container, or is no program; worded as containerd words it."""

    def __init__(self, program: str, why: str) -> None:
        """Name the program as it was asked for."""
        super().__init__(
            500,
            "InternalError",
            "Internal error occurred: error executing command in container: failed to exec in "
            "container: failed to start exec: OCI runtime exec failed: exec failed: unable to "
            f'start container process: exec: "{program}": {why}: unknown',
        )


def find_program(command: Sequence[str], root: Path | None, path: str) -> list[str]:
    """Return ``command`` with its program as a file of the machine.

    Args:
        command: program and arguments.
        root: directory that plays the container's root.
        path: the container's search path.

    Raises:
        CommandNotFoundError: when it is neither under the root nor in the machine's ``/usr/bin``
            or ``/bin``.
    """
    name = command[0] if command else ""
    candidates = [Path(name)] if "/" in name else [Path(entry) / name for entry in path.split(":")]
    why = "executable file not found in $PATH"
    for candidate in _files(candidates, root):
        if os.access(candidate, os.X_OK):
            return [str(candidate), *command[1:]]
        why = "permission denied"
    if "/" in name and why != "permission denied":
        why = f"stat {name}: no such file or directory"
    raise CommandNotFoundError(name, why)


def path_variable(root: Path | None, path: str) -> str:
    """Return the ``PATH`` for a command: the container's under ``root``, then the machine's."""
    under = [f"{root}{entry}" for entry in path.split(":") if entry] if root else []
    return ":".join([*under, *map(str, _MACHINE)])


def _files(candidates: Sequence[Path], root: Path | None) -> Iterable[Path]:
    """Yield the regular files that the candidates may mean, best first."""
    inside = [root / str(path).lstrip("/") for path in candidates] if root else []
    machine = [path for path in candidates if path.parent in _MACHINE]
    return (path for path in (*inside, *machine) if path.is_file())
