from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from harness.world.addresses import Addresses
from harness.world.services.kafka import client_settings, install_tools, settings, tools
from harness.world.services.kafka.jvm import TOOL_CLASSES, command
from harness.world.services.kafka.nodes import write_node

if TYPE_CHECKING:
    import pytest

ADDRESSES = Addresses("127.63.2")
DATA = Path("/data")


def parse(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


def test_each_broker_listens_on_its_own_address_at_the_native_port() -> None:
    listeners = [
        settings.broker_properties(ADDRESSES, number, DATA, {})["advertised.listeners"]
        for number in range(3)
    ]
    assert listeners == [f"PLAINTEXT://127.63.2.{last}:9092" for last in (11, 12, 13)]


def test_the_brokers_have_productions_replication() -> None:
    broker = settings.broker_properties(ADDRESSES, 0, DATA, {})
    assert broker["default.replication.factor"] == "3"
    assert broker["offsets.topic.replication.factor"] == "3"
    assert broker["min.insync.replicas"] == "2"
    assert "offsets.retention.minutes" not in broker


def test_the_controller_knows_the_min_isr_that_it_makes_the_cluster_default() -> None:
    assert settings.controller_properties(ADDRESSES, DATA)["min.insync.replicas"] == "2"


def test_a_single_broker_is_not_asked_for_three_replicas() -> None:
    broker = settings.broker_properties(Addresses("127.63.2", brokers=1), 0, DATA, {})
    assert broker["default.replication.factor"] == "1"
    assert broker["min.insync.replicas"] == "1"


def test_a_scenario_may_change_any_setting() -> None:
    broker = settings.broker_properties(ADDRESSES, 0, DATA, {"log.retention.ms": "1000"})
    assert broker["log.retention.ms"] == "1000"


def test_the_training_node_has_both_roles_and_both_listeners() -> None:
    node = settings.combined_properties(Addresses("127.63.2", brokers=1), DATA)
    assert node["process.roles"] == "broker,controller"
    assert node["listeners"] == "CONTROLLER://127.63.2.10:9090,PLAINTEXT://127.63.2.11:9092"
    assert node["controller.quorum.voters"].startswith(node["node.id"] + "@")


def test_rendered_properties_read_back() -> None:
    properties = settings.broker_properties(ADDRESSES, 2, DATA, {})
    assert parse(settings.render(properties)) == properties


def test_a_new_node_is_formatted_and_an_old_one_left_alone(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    checkpoint.write_bytes(b"levels")
    folder = tmp_path / "kafka"
    properties = settings.broker_properties(ADDRESSES, 1, folder / "broker-1", {})
    write_node(folder, "broker-1", properties, checkpoint)
    data = folder / "broker-1"
    assert parse((data / "meta.properties").read_text())["node.id"] == "1"
    (data / "bootstrap.checkpoint").write_bytes(b"moved on")
    write_node(folder, "broker-1", {**properties, "log.retention.ms": "5"}, checkpoint)
    assert (data / "bootstrap.checkpoint").read_bytes() == b"moved on"
    assert "log.retention.ms=5" in (folder / "broker-1.properties").read_text()


def test_tools_log_warnings_to_standard_error_and_brokers_to_standard_output() -> None:
    assert "SYSTEM_ERR" in settings.LOG4J2_TOOLS
    assert "rootLogger.level = warn" in settings.LOG4J2_TOOLS
    assert "SYSTEM_ERR" not in settings.LOG4J2
    assert "rootLogger.level = info" in settings.LOG4J2


def test_clients_look_for_a_restarted_broker_often() -> None:
    assert client_settings("127.63.2.11:9092")["reconnect.backoff.max.ms"] == 200


def test_a_training_jvm_gets_no_cache_to_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        "harness.world.services.kafka.jvm.aot_options", lambda *_args: ["-XX:AOTCache=old"]
    )
    plain = command("kafka.Kafka", [], heap="96m", log4j2=tmp_path)
    training = command(
        "kafka.Kafka", [], heap="96m", log4j2=tmp_path, options=["-XX:AOTCacheOutput=new"]
    )
    assert "-XX:AOTCache=old" in plain
    assert "-XX:AOTCache=old" not in training
    assert "-XX:AOTCacheOutput=new" in training


def test_the_tools_are_where_a_strimzi_pod_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jar = Path("/with blank/kafka-metadata-4.3.1.jar")
    monkeypatch.setattr(tools, "fetch", lambda _group: [jar])
    scripts = install_tools(tmp_path, tmp_path / "hosts")
    assert [script.relative_to(tmp_path).as_posix() for script in scripts] == [
        f"opt/kafka/bin/{name}" for name in TOOL_CLASSES
    ]
    arguments = shlex.split(scripts[0].read_text().splitlines()[1])
    assert arguments[0] == "exec"
    assert str(jar) in arguments
    assert arguments[-2:] == ["org.apache.kafka.tools.TopicCommand", "$@"]
    assert f"-Djdk.net.hosts.file={tmp_path / 'hosts'}" in arguments
    assert all(os.access(script, os.X_OK) for script in scripts)
