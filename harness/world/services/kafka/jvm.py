"""Command lines of Kafka's Java programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness.world.java import aot_options, class_path, java_binary

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BROKER_CLASS: Final = "kafka.Kafka"
STORAGE_CLASS: Final = "kafka.tools.StorageTool"
TOOL_CLASSES: Final = {
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
    "kafka-consumer-groups.sh": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-configs.sh": "kafka.admin.ConfigCommand",
    "kafka-get-offsets.sh": "org.apache.kafka.tools.GetOffsetShell",
}
"""The classes behind the scripts of a Kafka distribution's ``bin`` directory."""

_FRUGAL: Final = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:CICompilerCount=1",
    "-XX:-UsePerfData",
    "-Xss256k",
    "-XX:MaxDirectMemorySize=64m",
)


def command(
    main_class: str,
    jars: Sequence[Path],
    *,
    heap: str,
    log4j2: Path,
    options: Sequence[str] = (),
    purpose: str = "kafka",
) -> list[str]:
    """Return the command that runs one of Kafka's programs.

    Args:
        main_class: the program.
        jars: Kafka's archives.
        heap: largest heap, as Java writes it.
        log4j2: logging configuration.
        options: further options of the JVM.
        purpose: whose ahead-of-time cache to use, if there is one.
    """
    return [
        str(java_binary()),
        f"-Xmx{heap}",
        *_FRUGAL,
        *(options if _trains(options) else (*aot_options(purpose, jars), *options)),
        f"-Dlog4j2.configurationFile={log4j2}",
        "-Dlog4j2.disable.jmx=true",
        "-Djava.awt.headless=true",
        "-cp",
        class_path(jars),
        main_class,
    ]


def _trains(options: Sequence[str]) -> bool:
    return any(option.startswith("-XX:AOTCacheOutput=") for option in options)
