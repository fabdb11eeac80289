"""Kafka's command line tools, as a Strimzi pod has them: ``/opt/kafka/bin/kafka-topics.sh``."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from harness.world.artifacts import fetch
from harness.world.services.kafka import settings
from harness.world.services.kafka.jvm import TOOL_CLASSES, command

if TYPE_CHECKING:
    from pathlib import Path


def install_tools(root: Path, hosts_file: Path) -> list[Path]:
    """Write the tools into a directory that stands for a pod's root.

    Cluster names such as ``kafka-kafka-bootstrap.kafka`` are looked up in the hosts file and
    nowhere else, so no tool can reach a real broker by name.

    Args:
        root: the pod's root; scripts go to ``opt/kafka/bin`` below it.
        hosts_file: names and addresses of the world.

    Returns:
        The scripts.
    """
    jars = fetch("kafka")
    folder = root / "opt" / "kafka" / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    log4j2 = folder.parent / "tools-log4j2.properties"
    log4j2.write_text(settings.LOG4J2_TOOLS)
    scripts = []
    for name, main_class in TOOL_CLASSES.items():
        options = [f"-Djdk.net.hosts.file={hosts_file}"]
        arguments = command(main_class, jars, heap="64m", log4j2=log4j2, options=options)
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {shlex.join(arguments)} "$@"\n')
        script.chmod(0o755)
        scripts.append(script)
    return scripts
