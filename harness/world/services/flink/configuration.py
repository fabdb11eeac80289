"""Flink's configuration files for one cluster."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.world.services.flink.spec import (
    BLOB_PORT,
    REST_PORT,
    RPC_PORT,
    TASK_MANAGER_DATA_PORT,
    TASK_MANAGER_RPC_PORT,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.world.services.flink.runtime import FlinkRuntime
    from harness.world.services.flink.spec import FlinkClusterSpec

_WORKER_GUARD: Final = Path(__file__).with_name("worker.py")
_EXPORTED: Final = (
    "java.base/sun.net.util",
    "java.rmi/sun.rmi.registry",
    "java.security.jgss/sun.security.krb5",
)
_OPENED: Final = (
    "java.lang",
    "java.net",
    "java.io",
    "java.nio",
    "sun.nio.ch",
    "java.lang.reflect",
    "java.text",
    "java.time",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "java.util.concurrent.locks",
)
MODULE_OPTIONS: Final = (
    *(f"--add-exports={package}=ALL-UNNAMED" for package in _EXPORTED),
    *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED),
)
"""What Flink reflects into on Java 17 and later, for cluster and client alike."""

_DEFAULTS: Final = {
    # Production's operator sets it when the manifest does not.
    "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
    # A TaskManager that starts first would otherwise wait 10 s before it tries again.
    "cluster.registration.error-delay": "200 ms",
    "cluster.registration.initial-timeout": "200 ms",
    "cluster.registration.max-timeout": "1 s",
    # The REST API shows cached values: keep them young.
    "web.refresh-interval": "200",
    "rest.cache.checkpoint-statistics.timeout": "200 ms",
    "metrics.fetcher.update-interval": "1000",
}
"""Settings of the miniature that a FlinkDeployment may overrule."""

LOG4J: Final = """\
monitorInterval = 0
rootLogger.level = WARN
rootLogger.appenderRef.stdout.ref = console
logger.flink.name = org.apache.flink
logger.flink.level = {level}
appender.console.name = console
appender.console.type = CONSOLE
appender.console.target = SYSTEM_OUT
appender.console.layout.type = PatternLayout
appender.console.layout.disableAnsi = true
appender.console.layout.pattern = %d{{yyyy-MM-dd HH:mm:ss.SSS}} %-5p %c{{1.}} [%t] %m%n%throwable
"""


def cluster_configuration(spec: FlinkClusterSpec, runtime: FlinkRuntime) -> dict[str, str]:
    """Return the settings that JobManager, TaskManagers and clients share.

    The FlinkDeployment's own settings overrule the miniature's defaults, and the driver's
    addresses, memory and paths overrule both.
    """
    merged = {
        **_DEFAULTS,
        **spec.configuration,
        **_addresses(spec),
        **_memory(spec),
        **_paths(spec, runtime),
    }
    return dict(sorted(merged.items()))


def _addresses(spec: FlinkClusterSpec) -> dict[str, str]:
    host = spec.job_manager_host
    return {
        "jobmanager.rpc.address": host,
        "jobmanager.bind-host": host,
        "jobmanager.rpc.port": str(RPC_PORT),
        "jobmanager.rpc.bind-port": str(RPC_PORT),
        "blob.server.port": str(BLOB_PORT),
        "rest.address": host,
        "rest.bind-address": host,
        "rest.port": str(REST_PORT),
        "rest.bind-port": str(REST_PORT),
        # Jobs come from the client alone: no jar is taken through the REST API.
        "web.submit.enable": "false",
    }


def _memory(spec: FlinkClusterSpec) -> dict[str, str]:
    memory = spec.memory
    network = f"{memory.network}m"
    return {
        "taskmanager.numberOfTaskSlots": str(spec.slots),
        "taskmanager.cpu.cores": str(float(spec.slots)),
        "taskmanager.memory.task.heap.size": f"{memory.task_heap}m",
        "taskmanager.memory.task.off-heap.size": "0m",
        "taskmanager.memory.framework.heap.size": f"{memory.framework_heap}m",
        "taskmanager.memory.framework.off-heap.size": f"{memory.off_heap}m",
        "taskmanager.memory.network.min": network,
        "taskmanager.memory.network.max": network,
        "taskmanager.memory.managed.size": f"{memory.managed}m",
        "taskmanager.memory.jvm-metaspace.size": f"{memory.metaspace}m",
        "taskmanager.memory.jvm-overhead.min": f"{memory.overhead}m",
        "taskmanager.memory.jvm-overhead.max": f"{memory.overhead}m",
        "jobmanager.memory.heap.size": f"{memory.job_manager_heap}m",
        "jobmanager.memory.jvm-metaspace.size": f"{memory.metaspace}m",
    }


def _paths(spec: FlinkClusterSpec, runtime: FlinkRuntime) -> dict[str, str]:
    return {
        "io.tmp.dirs": str(spec.directory / "tmp"),
        "fs.s3a.buffer.dir": str(spec.directory / "tmp"),  # else /tmp/hadoop-USER
        "env.java.opts.all": " ".join(MODULE_OPTIONS),
        "python.executable": str(worker_program(spec)),
        "python.client.executable": str(runtime.python),
    }


def worker_program(spec: FlinkClusterSpec) -> Path:
    """Return the program that TaskManagers start as the Python interpreter."""
    return spec.directory / "worker-python"


def write_worker_program(spec: FlinkClusterSpec, runtime: FlinkRuntime) -> None:
    """Write that program: workers run under ``worker.py``, everything else runs as it is.

    Raises:
        OSError: when the directory cannot be written.
    """
    python, guard = shlex.quote(str(runtime.python)), shlex.quote(str(_WORKER_GUARD))
    program = worker_program(spec)
    program.write_text(
        "#!/bin/sh\n"
        f'case "$1" in -m) exec {python} -P {guard} "$@" ;; *) exec {python} "$@" ;; esac\n'
    )
    program.chmod(0o755)


def task_manager_settings(spec: FlinkClusterSpec, number: int) -> dict[str, str]:
    """Return the settings in which one TaskManager differs, for ``-D`` arguments."""
    host = spec.task_manager_host(number)
    return {
        "taskmanager.host": host,
        "taskmanager.bind-host": host,
        "taskmanager.rpc.port": str(TASK_MANAGER_RPC_PORT),
        "taskmanager.data.port": str(TASK_MANAGER_DATA_PORT),
        "taskmanager.data.bind-port": str(TASK_MANAGER_DATA_PORT),
        # The name of the pod that it stands for, as native Kubernetes deployments number them.
        "taskmanager.resource-id": f"{spec.name}-taskmanager-1-{number + 1}",
    }


def submission_settings(
    *, restore_from: str | None, allow_non_restored: bool, job_id: str | None
) -> dict[str, str]:
    """Return the settings in which one submission differs.

    Args:
        restore_from: checkpoint or savepoint to start from.
        allow_non_restored: skip state that no operator of the job claims.
        job_id: job identifier to use, 32 hexadecimal digits; a random one by default.
    """
    settings = {"execution.target": "remote", "execution.attached": "false"}
    if restore_from is not None:
        settings["execution.state-recovery.path"] = restore_from
        settings["execution.state-recovery.ignore-unclaimed-state"] = str(
            allow_non_restored
        ).lower()
    if job_id is not None:
        settings["$internal.pipeline.job-id"] = job_id
    return settings


def write_configuration(directory: Path, settings: Mapping[str, str]) -> None:
    """Write ``config.yaml`` and the logging configurations into a new or existing directory.

    Raises:
        OSError: when the directory cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    lines = [f"{_quoted(key)}: {_quoted(value)}\n" for key, value in settings.items()]
    (directory / "config.yaml").write_text("".join(lines))
    (directory / "log4j-console.properties").write_text(LOG4J.format(level="INFO"))
    (directory / "log4j-cli.properties").write_text(LOG4J.format(level="WARN"))


def _quoted(text: str) -> str:
    """Return a double-quoted YAML string in plain ASCII."""
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    plain = character.isascii() and character.isprintable() and character not in '"\\'
    return character if plain else f"\\U{ord(character):08x}"
