from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from harness.world.addresses import Addresses
from harness.world.pod_edge import LocalPodEdge
from harness.world.profiles import load_profile, parse_settings

DDL = Path("/world/ta-schema.sql")
SECRETS = {
    "TA_KAFKA_PASSWORD": "kafka-secret",
    "TA_CLICKHOUSE_PASSWORD": "clickhouse-secret",
    "AWS_SECRET_ACCESS_KEY": "s3-secret",
}


def production() -> tuple[dict[str, str], dict[str, str]]:
    """Environment and configuration as profile S's manifests resolve to."""
    files = load_profile("S").files()

    def load(name: str) -> Any:
        return YAML(typ="safe").load(files[f"argocd/applications/torghut/ta/{name}.yaml"].decode())

    spec = load("flinkdeployment")["spec"]
    container = spec["podTemplate"]["spec"]["containers"][0]
    plain = {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}
    return {**load("configmap")["data"], **plain, **SECRETS}, dict(spec["flinkConfiguration"])


def edge(**values: str) -> LocalPodEdge:
    return LocalPodEdge(Addresses("127.66.1"), parse_settings(values), DDL)


def test_what_the_local_services_cannot_do_is_replaced() -> None:
    environment, configuration = edge().overlay(*production())
    assert environment["TA_KAFKA_SECURITY"] == "PLAINTEXT"
    assert environment["TA_S3_ENDPOINT"] == "http://127.66.1.30:5000"
    assert configuration["fs.s3a.endpoint"] == "http://127.66.1.30:5000"
    assert environment["TA_CLICKHOUSE_DDL_PATH"] == str(DDL)
    gone = {
        "TA_KAFKA_SASL_MECH",
        "TA_KAFKA_USERNAME",
        "TA_KAFKA_PASSWORD",
        "TA_SCHEMA_REGISTRY_URL",
    }
    assert not gone & environment.keys()
    assert not [key for key in configuration if key.startswith("metrics.")]


def test_what_a_replay_depends_on_is_not_touched() -> None:
    before, configured = production()
    environment, configuration = edge().overlay(before, configured)
    for key in (
        "TA_GROUP_ID",
        "TA_AUTO_OFFSET_RESET",
        "TA_KAFKA_BOOTSTRAP",
        "TA_CLICKHOUSE_URL",
        "TA_CLICKHOUSE_PASSWORD",
        "TA_TRADES_TOPIC",
        "TA_SIGNALS_TOPIC",
        "TA_MAX_OUT_OF_ORDER_MS",
        "TA_KAFKA_DELIVERY_GUARANTEE",
    ):
        assert environment[key] == before[key]
    for key in (
        "state.checkpoints.dir",
        "state.savepoints.dir",
        "restart-strategy.type",
        "restart-strategy.fixed-delay.attempts",
        "execution.checkpointing.unaligned",
    ):
        assert configuration[key] == configured[key]


def test_the_input_is_not_changed() -> None:
    environment, configuration = production()
    edge().overlay(environment, configuration)
    assert (environment, configuration) == production()


def test_sizes_come_from_the_settings() -> None:
    small = edge(checkpointIntervalMs="3000", checkpointPauseMs="0", parallelism="2")
    environment, configuration = small.overlay(*production())
    assert environment["TA_CHECKPOINT_INTERVAL_MS"] == "3000"
    assert environment["TA_CHECKPOINT_PAUSE_MS"] == "0"
    assert environment["TA_OPERATOR_PARALLELISM"] == "2"
    # More source subtasks than partitions, as in production: idle ones hold back the watermark.
    assert environment["TA_PARALLELISM"] == configuration["parallelism.default"] == "4"
    assert configuration["taskmanager.numberOfTaskSlots"] == "4"
    assert (small.parallelism, small.slots, small.task_managers) == (4, 4, 1)


def test_every_change_is_a_sentence_with_both_values() -> None:
    local = edge()
    before = production()
    after = local.overlay(*before)
    changed = {
        key
        for old, new in zip(before, after, strict=True)
        for key in old.keys() | new.keys()
        if old.get(key) != new.get(key)
    }
    sentences = local.differences()
    for key in changed:
        assert [line for line in sentences if key in line], key
    assert len(sentences) == len(changed) + 1, "one more for the TaskManagers"
    [interval] = [line for line in sentences if "TA_CHECKPOINT_INTERVAL_MS" in line]
    assert "=3000 (production: 60000)" in interval


def test_what_equals_production_is_no_difference() -> None:
    local = edge(checkpointIntervalMs="60000")
    local.overlay(*production())
    assert not [line for line in local.differences() if "TA_CHECKPOINT_INTERVAL_MS" in line]


def test_before_any_pod_was_seen_the_differences_are_known_but_not_productions_values() -> None:
    local = edge()
    early = local.differences()
    assert not [line for line in early if "production:" in line]
    local.overlay(*production())
    assert len(local.differences()) == len(early)


@pytest.mark.parametrize("secret", SECRETS.values())
def test_no_sentence_tells_a_secret(secret: str) -> None:
    local = edge()
    local.overlay(*production())
    assert secret not in " ".join(local.differences())


def test_a_change_seen_twice_is_told_once() -> None:
    local = edge()
    local.overlay(*production())
    once = local.differences()
    local.overlay(*production())
    assert local.differences() == once
