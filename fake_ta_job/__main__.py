"""Submits the job: ``python -m fake_ta_job``; the last line of output is ``job-id: …``."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Final

from fake_ta_job.config import ConfigError, JobConfig

_USAGE: Final = 2


def main() -> int:
    """Read the configuration, submit the job and say its identifier.

    Returns:
        Exit status: 0 submitted, 2 wrong configuration.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    try:
        config = JobConfig.from_environment(os.environ)
        _prepare_gateway()
    except ConfigError as error:
        sys.stderr.write(f"fake_ta_job: {error}\n")
        return _USAGE
    from fake_ta_job.job import submit  # noqa: PLC0415 - wrong configuration is told at once

    sys.stdout.write(f"job-id: {submit(config)}\n")
    return 0


def _prepare_gateway() -> None:
    """Give the client's JVM the connectors; the cluster has them on its class path already."""
    jars: list[Path] = []
    for entry in filter(None, os.environ.get("FLINK_TA_JARS", "").split(os.pathsep)):
        path = Path(entry)
        jars.extend(sorted(path.glob("*.jar")) if path.is_dir() else [path])
    missing = [str(jar) for jar in jars if not jar.is_file()]
    if missing or not jars:
        raise ConfigError("FLINK_TA_JARS", f"names no connector jars: {missing or 'empty'}")
    given = os.environ.get("HADOOP_CLASSPATH")
    class_path = [*map(str, jars), *([given] if given else [])]
    os.environ["HADOOP_CLASSPATH"] = os.pathsep.join(class_path)


if __name__ == "__main__":
    sys.exit(main())
