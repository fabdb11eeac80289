"""Command lines and environments of JobManager, TaskManager and client."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from harness.world.processes import MARKER
from harness.world.services.flink.archives import GARBAGE_COLLECTOR
from harness.world.services.flink.configuration import MODULE_OPTIONS, task_manager_settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.world.services.flink.runtime import FlinkRuntime
    from harness.world.services.flink.spec import FlinkClusterSpec

CLUSTER_MARKER: Final = "TORGHUT_FLINK_CLUSTER"
"""Environment variable that every process of one cluster carries, Python workers included."""

_JOB_MANAGER: Final = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER: Final = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_NOT_FROM_THE_CALLER: Final = "PYTHONDONTWRITEBYTECODE"


class Layout:
    """Files of a cluster below its directory."""

    def __init__(self, spec: FlinkClusterSpec) -> None:
        """Name the files; ``prepare`` in the cluster makes them."""
        self.root = spec.directory
        self.configuration = spec.directory / "conf"
        self.temporary = spec.directory / "tmp"
        self.plugins = spec.directory / "plugins"
        self.hosts = spec.directory / "hosts"


def job_manager_command(
    spec: FlinkClusterSpec, runtime: FlinkRuntime, archive_options: Sequence[str]
) -> list[str]:
    """Return program and arguments of the JobManager (a session cluster without jobs)."""
    memory = spec.memory
    return [
        *_java(spec, runtime, archive_options),
        f"-Xmx{memory.job_manager_heap}m",
        f"-XX:MaxMetaspaceSize={memory.metaspace}m",
        _JOB_MANAGER,
        "--configDir",
        str(Layout(spec).configuration),
        "--executionMode",
        "cluster",
    ]


def task_manager_command(
    spec: FlinkClusterSpec, runtime: FlinkRuntime, archive_options: Sequence[str], number: int
) -> list[str]:
    """Return program and arguments of a TaskManager, counted from 0."""
    memory = spec.memory
    settings = task_manager_settings(spec, number)
    return [
        *_java(spec, runtime, archive_options),
        f"-Xmx{memory.task_heap + memory.framework_heap}m",
        f"-XX:MaxDirectMemorySize={memory.off_heap + memory.network}m",
        f"-XX:MaxMetaspaceSize={memory.metaspace}m",
        _TASK_MANAGER,
        "--configDir",
        str(Layout(spec).configuration),
        *(f"-D{key}={value}" for key, value in settings.items()),
    ]


def _java(
    spec: FlinkClusterSpec, runtime: FlinkRuntime, archive_options: Sequence[str]
) -> list[str]:
    logging = Layout(spec).configuration / "log4j-console.properties"
    return [
        str(runtime.java),
        *archive_options,
        *common_options(spec),
        f"-Dlog4j.configurationFile={logging}",
        *MODULE_OPTIONS,
        "-cp",
        os.pathsep.join(map(str, runtime.class_path())),
    ]


def common_options(spec: FlinkClusterSpec) -> list[str]:
    """Return the JVM options that cluster and client share."""
    layout = Layout(spec)
    return [
        GARBAGE_COLLECTOR,
        "-XX:TieredStopAtLevel=1",
        "-XX:-UsePerfData",
        f"-Djdk.net.hosts.file={layout.hosts}",
        f"-Djava.io.tmpdir={layout.temporary}",
    ]


def environment(spec: FlinkClusterSpec, runtime: FlinkRuntime, token: str) -> dict[str, str]:
    """Return the whole environment of the cluster's processes.

    Args:
        spec: the cluster.
        runtime: its programs.
        token: value of ``CLUSTER_MARKER``.
    """
    layout = Layout(spec)
    given = {key: value for key, value in spec.environment.items() if key != _NOT_FROM_THE_CALLER}
    return {
        "PATH": f"{runtime.python.parent}:{os.defpath}",
        "HOME": str(layout.root),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "TMPDIR": str(layout.temporary),
        "JAVA_HOME": str(runtime.java_home),
        "FLINK_CONF_DIR": str(layout.configuration),
        "FLINK_OPT_DIR": str(runtime.flink_home / "opt"),
        "FLINK_PLUGINS_DIR": str(layout.plugins),
        "FLINK_LOG_DIR": str(spec.logs),
        "PYTHONPATH": str(runtime.repository),
        # Workers start in 1.1 s rather than 3.7 s when apache_beam is compiled already.
        "PYTHONPYCACHEPREFIX": str(runtime.cache / "pycache"),
        "PYTHONUNBUFFERED": "1",
        **given,
        MARKER: spec.world_id,
        CLUSTER_MARKER: token,
    }


def client_environment(
    spec: FlinkClusterSpec,
    runtime: FlinkRuntime,
    token: str,
    *,
    configuration: Path,
    archive_options: Sequence[str] = (),
) -> dict[str, str]:
    """Return the environment of a program that submits the job.

    Args:
        spec: the cluster.
        runtime: its programs.
        token: value of ``CLUSTER_MARKER``.
        configuration: directory of the submission's own configuration.
        archive_options: options that make its JVM start faster.
    """
    return {
        **environment(spec, runtime, token),
        "FLINK_CONF_DIR": str(configuration),
        "FLINK_TA_JARS": os.pathsep.join(map(str, runtime.connectors)),
        "FLINK_IDENT_STRING": spec.name,
        "JVM_ARGS": " ".join([*archive_options, *common_options(spec)]),
    }
