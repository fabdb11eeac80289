"""One node of Kafka: its formatted directory, its property file, its process."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import ServiceError
from harness.world.addresses import Addresses
from harness.world.artifacts import cache_root
from harness.world.processes import ManagedProcess
from harness.world.services.kafka import settings
from harness.world.services.kafka.jvm import BROKER_CLASS, STORAGE_CLASS, command
from harness.world.services.starting import scrubbed_environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def write_node(directory: Path, name: str, properties: Mapping[str, str], checkpoint: Path) -> None:
    """Write a node's configuration, and format its log directory if it is new.

    Args:
        directory: holds ``NAME.properties`` and the log directory.
        name: the node's name.
        properties: its settings; ``node.id`` and ``log.dirs`` say what to format.
        checkpoint: feature levels, see ``bootstrap_checkpoint``.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "log4j2.properties").write_text(settings.LOG4J2)
    (directory / f"{name}.properties").write_text(settings.render(properties))
    meta = Path(properties["log.dirs"]) / "meta.properties"
    if not meta.exists():
        meta.parent.mkdir(exist_ok=True)
        shutil.copyfile(checkpoint, meta.with_name("bootstrap.checkpoint"))
        meta.write_text(settings.meta_properties(properties["node.id"]))


def node_process(
    name: str,
    *,
    directory: Path,
    logs: Path,
    jars: Sequence[Path],
    world_id: str,
    heap: str,
    options: Sequence[str] = (),
) -> ManagedProcess:
    """Describe the process of a node that ``write_node`` has written.

    Args:
        name: the node's name.
        directory: where ``write_node`` wrote.
        logs: where its log goes.
        jars: Kafka's archives.
        world_id: marks the process.
        heap: largest heap, as Java writes it.
        options: further options of the JVM.
    """
    log4j2 = directory / "log4j2.properties"
    # The compression library unpacks itself into the JVM's temporary directory; a killed JVM
    # would leave that in the machine's.
    options = [*options, f"-Djava.io.tmpdir={directory}"]
    arguments = command(BROKER_CLASS, jars, heap=heap, log4j2=log4j2, options=options)
    return ManagedProcess(
        f"kafka-{name}",
        [*arguments, directory / f"{name}.properties"],
        log=logs / f"kafka-{name}.log",
        # One allocation arena instead of eight per core: 20 MB less for each JVM.
        environment={**scrubbed_environment(world_id), "MALLOC_ARENA_MAX": "1"},
        directory=directory,
    )


def bootstrap_checkpoint(jars: Sequence[Path]) -> Path:
    """Return the feature levels that formatting writes, made once per Kafka version.

    Without this file all feature levels are 0 and consumers of the new protocol fail; with it,
    formatting a node is copying two files instead of a second of Java.

    Args:
        jars: Kafka's archives.

    Raises:
        ServiceError: when Kafka's storage tool fails, with what it said.
    """
    version = next(jar.stem for jar in jars if jar.stem.startswith("kafka-metadata-"))
    kept = cache_root() / "kafka" / f"{version}.bootstrap.checkpoint"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".format-", dir=kept.parent) as scratch:
            _run_storage_tool(Path(scratch), jars)
            (Path(scratch) / "data" / "bootstrap.checkpoint").replace(kept)
    return kept


def _run_storage_tool(scratch: Path, jars: Sequence[Path]) -> None:
    configuration, log4j2 = scratch / "controller.properties", scratch / "log4j2.properties"
    log4j2.write_text(settings.LOG4J2)
    properties = settings.controller_properties(Addresses("127.0.0"), scratch / "data")
    configuration.write_text(settings.render(properties))
    arguments = command(STORAGE_CLASS, jars, heap="64m", log4j2=log4j2)
    answer = subprocess.run(
        [*arguments, "format", "--cluster-id", settings.CLUSTER_ID, "--config", configuration],
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise ServiceError(f"Kafka's storage tool failed:\n{answer.stdout}{answer.stderr}")
