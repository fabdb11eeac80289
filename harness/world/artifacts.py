"""Java archives of a world: pinned by version and sha256, fetched once, offline afterwards."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import platformdirs

from harness.core.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CACHE_VARIABLE: Final = "TORGHUT_CACHE"
"""Environment variable that moves the cache."""

LOCK_FILE: Final = Path(__file__).with_name("artifacts.lock")
_ATTEMPTS: Final = 3
_TIMEOUT: Final = 30
_SHA256_DIGITS: Final = 64


class ArtifactError(HarnessError):
    """An archive is not in the cache and cannot be fetched, or the lock file is broken."""


class DownloadError(Exception):
    """One try to get an archive failed."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One archive of the lock file.

    Attributes:
        group: Maven group.
        name: Maven artifact.
        version: exact version.
        classifier: Maven classifier; empty for the main archive.
        sha256: digest of the file, hexadecimal.
    """

    group: str
    name: str
    version: str
    classifier: str
    sha256: str

    @property
    def coordinate(self) -> str:
        """``group:artifact:version[:classifier]``, as in the lock file."""
        return ":".join(filter(None, (self.group, self.name, self.version, self.classifier)))

    @property
    def path(self) -> Path:
        """Place below the cache, in the layout of a Maven repository."""
        suffix = f"-{self.classifier}" if self.classifier else ""
        folder = Path(*self.group.split("."), self.name, self.version)
        return folder / f"{self.name}-{self.version}{suffix}.jar"


Download = Callable[[Artifact, Path], Path]
"""Gets one artifact into a directory and returns the file, or raises DownloadError."""


def cache_root() -> Path:
    """Return the directory that keeps what is expensive to get or make.

    It is the user's cache directory, or what ``TORGHUT_CACHE`` says.
    """
    moved = os.environ.get(CACHE_VARIABLE)
    if moved:
        return Path(moved).expanduser().absolute()
    return Path(platformdirs.user_cache_dir("torghut-replay-harness"))


def read_lock(path: Path = LOCK_FILE) -> dict[str, tuple[Artifact, ...]]:
    """Read a lock file.

    Args:
        path: a text file of ``[group]`` headers, ``coordinate sha256`` lines, ``#`` comments.

    Returns:
        The artifacts of each group, in the file's order.

    Raises:
        ArtifactError: naming the line that is not understood.
    """
    groups: dict[str, list[Artifact]] = {}
    current: list[Artifact] | None = None
    for number, raw in enumerate(path.read_text().splitlines(), start=1):
        line = raw.strip()
        if line.startswith("[") and line.endswith("]"):
            current = groups.setdefault(line[1:-1], [])
        elif line and not line.startswith("#"):
            artifact = _parse(line)
            if current is None or artifact is None:
                raise ArtifactError(
                    f"not understood: {line!r}",
                    where=f"{path}:{number}",
                    hint="expected [group] or 'group:artifact:version[:classifier] sha256'",
                )
            current.append(artifact)
    return {name: tuple(artifacts) for name, artifacts in groups.items()}


def _parse(line: str) -> Artifact | None:
    coordinate, _, digest = line.partition(" ")
    parts = coordinate.split(":")
    well_formed = len(parts) in (3, 4) and all(parts)
    digest = digest.strip().lower()
    if not well_formed or len(digest) != _SHA256_DIGITS or set(digest) - set("0123456789abcdef"):
        return None
    classifier = parts[3] if parts[3:] else ""
    return Artifact(parts[0], parts[1], parts[2], classifier, digest)


def fetch(group: str, *, lock: Path = LOCK_FILE, download: Download | None = None) -> list[Path]:
    """Return the archives of a group, fetching those that the cache lacks.

    Every file is compared with its sha256 each time, so that a file that was cut or changed in
    the cache is fetched again instead of failing inside a JVM. Several processes may call this
    at once. When all is there, nothing is locked and the network is not touched.

    Args:
        group: a section of the lock file, e.g. ``kafka``.
        lock: the lock file.
        download: gets one artifact into a directory and returns the file; by default jgo.

    Raises:
        UsageError: when there is no such group.
        ArtifactError: when something is missing and cannot be fetched.
    """
    groups = read_lock(lock)
    if group not in groups:
        raise UsageError(f"no artifacts named {group!r}", hint=f"known: {', '.join(groups)}")
    wanted, store = groups[group], cache_root() / "artifacts"
    if _missing(wanted, store):
        _fill(wanted, store, group, download or download_with_jgo)
    return [store / artifact.path for artifact in wanted]


def _missing(wanted: Sequence[Artifact], store: Path) -> list[Artifact]:
    return [one for one in wanted if not _matches(store / one.path, one.sha256)]


def _matches(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:  # not there, or not to be read: fetching it again tells which
        return False


def _fill(wanted: Sequence[Artifact], store: Path, group: str, download: Download) -> None:
    try:
        store.mkdir(parents=True, exist_ok=True)
        with _exclusive(store / ".lock"):
            missing = _missing(wanted, store)  # another process may have fetched them meanwhile
            for position, artifact in enumerate(missing):
                _fetch_one(artifact, store, download, f"{len(missing) - position} of {group!r}")
    except OSError as error:
        raise ArtifactError(
            f"the cache cannot be written: {error}",
            where=str(store),
            hint=f"make room or give rights there, or move the cache with {CACHE_VARIABLE}=DIR",
        ) from error


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch_one(artifact: Artifact, store: Path, download: Download, missing: str) -> None:
    last: DownloadError | None = None
    for attempt in range(_ATTEMPTS):
        time.sleep(attempt / 2)
        try:
            with tempfile.TemporaryDirectory(prefix=".incoming-", dir=store) as incoming:
                _install(download(artifact, Path(incoming)), artifact, store)
        except DownloadError as error:
            last = error
        else:
            return
    raise ArtifactError(
        f"{artifact.coordinate} cannot be fetched: {last}; {missing} archives are missing",
        where=str(store),
        hint="run once with a network that reaches Maven's central repository, "
        f"or point {CACHE_VARIABLE} at a cache that was filled elsewhere",
    ) from last


def _install(download: Path, artifact: Artifact, store: Path) -> None:
    if not _matches(download, artifact.sha256):
        raise DownloadError(
            f"the {download.stat().st_size} bytes that came do not have the sha256 of the lock file"
        )
    final = store / artifact.path
    final.parent.mkdir(parents=True, exist_ok=True)
    download.replace(final)


def download_with_jgo(artifact: Artifact, into: Path) -> Path:
    """Download one artifact.

    One at a time: jgo's own resolving of several end points picks other versions. It leaves cut
    files behind and only warns of wrong ones, so the caller checks what comes.

    Args:
        artifact: what to get.
        into: an empty directory.

    Returns:
        The file, somewhere below ``into``.

    Raises:
        DownloadError: when it did not come.
    """
    import requests  # noqa: PLC0415 - 0.2 s that a warm cache does not need
    from jgo.maven import MavenContext  # noqa: PLC0415 - the same

    context = MavenContext(repo_cache=into, local_repos=[], timeout=_TIMEOUT)
    component = context.project(artifact.group, artifact.name).at_version(artifact.version)
    try:
        return Path(component.artifact(classifier=artifact.classifier).resolve())
    except requests.RequestException as error:
        raise DownloadError(f"no answer ({type(error).__name__})") from error
    except RuntimeError as error:  # jgo's word for "in none of the repositories"
        raise DownloadError("the repository does not have it") from error
