"""Class data archives (AppCDS): JVMs that start in half the time.

An archive belongs to one build of the JVM and one class path. The JVM checks that itself and
ignores one that does not fit, so nothing here can make a start fail: without archives it is
only slower. The first clusters on a machine write them when they end, which also makes them
hold what a job at work needs; every writer has its own file, and a rename publishes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import subprocess
import uuid
from typing import TYPE_CHECKING, Final

from harness.core.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.world.services.flink.runtime import FlinkRuntime

GARBAGE_COLLECTOR: Final = "-XX:+UseSerialGC"
_QUIET: Final = ("-Xshare:auto", "-Xlog:disable", "-Xlog:all=error:stderr", "-Xlog:cds*=off")
_BASE_TIMEOUT: Final = 60.0


class ClassArchives:
    """The archives of one runtime, in the cache.

    Attributes:
        directory: where they are, named by what they are bound to.
    """

    def __init__(self, runtime: FlinkRuntime) -> None:
        """Look at the JVM and the class path; nothing is written yet.

        Raises:
            ServiceError: when the JRE or a jar is not there.
        """
        self._java = runtime.java
        try:
            self.directory = runtime.cache / "class-data" / fingerprint(runtime)
        except OSError as error:
            raise ServiceError(
                f"a part of Flink is missing: {error.strerror}",
                where=str(error.filename),
                hint="run the set-up again",
            ) from error
        self._writing: dict[str, Path] = {}

    def options(self, role: str) -> list[str]:
        """Return the JVM options with which a process of this role starts fastest.

        Args:
            role: kind of process; each loads other classes.

        Returns:
            Options that use the role's archive; or that write it at the end of the process;
            or none, where not even the JVM's own classes can be archived.
        """
        base = self._base()
        if base is None:
            return []
        archive = self.directory / f"{role}.jsa"
        if archive.exists():
            return [f"-XX:SharedArchiveFile={base}:{archive}", *_QUIET]
        if role in self._writing:  # one process of each role is enough
            return [f"-XX:SharedArchiveFile={base}", *_QUIET]
        draft = self._writing[role] = self._draft(archive)
        return [f"-XX:SharedArchiveFile={base}", f"-XX:ArchiveClassesAtExit={draft}", *_QUIET]

    def base_options(self) -> list[str]:
        """Return JVM options that use the archive of the JVM's own classes, and no other.

        For the client: with classes restored from an archive of its own, the compiler inside
        Flink's table planner fails (NullPointerException in janino).
        """
        base = self._base()
        return [] if base is None else [f"-XX:SharedArchiveFile={base}", *_QUIET]

    def writing(self, *roles: str) -> bool:
        """Whether a process was told to write an archive at its end, which takes seconds.

        Args:
            roles: kinds of process; all by default.
        """
        return any(not roles or role in roles for role in self._writing)

    def publish(self, *roles: str) -> None:
        """Put archives that were written into use; call it after the processes have ended.

        Args:
            roles: kinds of process; all by default.
        """
        for role, draft in self._taken(roles):
            with contextlib.suppress(OSError):  # killed before it could write: next time
                draft.replace(self.directory / f"{role}.jsa")

    def discard(self, *roles: str) -> None:
        """Delete archives that were written and are not worth keeping.

        Args:
            roles: kinds of process; all by default.
        """
        for _, draft in self._taken(roles):
            with contextlib.suppress(OSError):
                draft.unlink()

    def _taken(self, roles: tuple[str, ...]) -> list[tuple[str, Path]]:
        wanted = [role for role in self._writing if not roles or role in roles]
        return [(role, self._writing.pop(role)) for role in wanted]

    def _base(self) -> Path | None:
        base = self.directory / "base.jsa"
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            if not base.exists():
                self._write_base(base)
            return base
        return None

    def _write_base(self, base: Path) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        with _exclusive(self.directory / ".lock"):
            if base.exists():  # another world wrote it meanwhile
                return
            draft = self._draft(base)
            subprocess.run(
                # G1 while dumping: only then are objects archived too, which Serial can map.
                [self._java, "-XX:+UseG1GC", "-Xshare:dump", f"-XX:SharedArchiveFile={draft}"],
                check=True,
                timeout=_BASE_TIMEOUT,
                capture_output=True,
            )
            draft.replace(base)

    @staticmethod
    def _draft(archive: Path) -> Path:
        return archive.with_name(f"{archive.stem}.{os.getpid()}.{uuid.uuid4().hex[:8]}.draft")


def fingerprint(runtime: FlinkRuntime) -> str:
    """Return a name for everything that an archive is bound to.

    Raises:
        OSError: when the JRE or a jar is not there.
    """
    digest = hashlib.sha256((runtime.java_home / "release").read_bytes())
    digest.update(str(runtime.java_home).encode())
    for jar in runtime.class_path():
        status = jar.stat()
        digest.update(f"{jar}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:24]


@contextlib.contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
