from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from harness.core.errors import HarnessError, UsageError
from harness.world.profiles import load_profile, profile_names
from harness.world.profiles.profile import read_profile
from harness.world.yaml_path import read_value

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86_400_000


def manifest(path: str) -> Any:
    return YAML(typ="safe").load(load_profile("S").files()[f"argocd/applications/{path}"].decode())


def test_an_unknown_profile_names_those_that_exist() -> None:
    with pytest.raises(UsageError, match=r"'T'.*profiles: .*S"):
        load_profile("T")
    assert "S" in profile_names()


def test_profile_names_are_not_case_sensitive() -> None:
    assert load_profile("s") == load_profile("S")


@pytest.mark.parametrize(
    ("name", "partitions", "days", "cleanup"),
    [
        ("torghut.trades.v1", 3, 7, "delete"),
        ("torghut.quotes.v1", 3, 7, "delete"),
        ("torghut.bars.1m.v1", 3, 30, "delete"),
        ("torghut.status.v1", 3, 7, "compact,delete"),
        ("torghut.ta.bars.1s.v1", 1, 14, "delete"),
        ("torghut.ta.signals.v1", 1, 14, "delete"),
        ("torghut.ta.status.v1", 1, 7, "compact,delete"),
    ],
)
def test_topics_of_s(name: str, partitions: int, days: int, cleanup: str) -> None:
    topic = {topic.name: topic for topic in load_profile("S").topics()}[name]
    assert (topic.partitions, topic.replicas) == (partitions, 3)
    assert topic.retention_ms == days * DAY
    assert topic.config["cleanup.policy"] == cleanup
    assert topic.config["compression.type"] == "lz4"


def test_inputs_and_outputs_of_s_are_declared_topics() -> None:
    profile = load_profile("S")
    declared = {topic.name for topic in profile.topics()}
    assert {*profile.inputs, *profile.outputs} <= declared
    assert not {*profile.inputs} & {*profile.outputs}


def test_the_flink_deployment_of_s_is_productions() -> None:
    spec = manifest("torghut/ta/flinkdeployment.yaml")["spec"]
    assert spec["restartNonce"] == 2
    assert spec["job"]["upgradeMode"] == load_profile("S").upgrade_mode == "stateless"
    assert spec["job"]["parallelism"] == 8
    assert spec["taskManager"]["replicas"] == 4
    settings = spec["flinkConfiguration"]
    root = "s3a://flink-checkpoints/torghut/technical-analysis"
    assert settings["state.checkpoints.dir"] == f"{root}/checkpoints"
    assert settings["state.savepoints.dir"] == f"{root}/savepoints"
    assert "high-availability.type" not in settings
    assert "execution.checkpointing.mode" not in settings


def test_the_configuration_of_s_is_productions() -> None:
    data = manifest("torghut/ta/configmap.yaml")["data"]
    assert data["TA_GROUP_ID"] == "torghut-ta-2025-12-23"
    assert data["TA_AUTO_OFFSET_RESET"] == "earliest"
    assert data["TA_KAFKA_SECURITY"] == "SASL_PLAINTEXT"
    assert data["TA_CHECKPOINT_INTERVAL_MS"] == "60000"
    assert "TA_STATUS_TOPIC" not in data
    assert "TA_WATERMARK_IDLE_TIMEOUT_MS" not in data
    assert all(isinstance(value, str) for value in data.values())


def test_no_manifest_holds_a_secret() -> None:
    for name, content in load_profile("S").files().items():
        for line in content.decode().splitlines():
            assert not line.strip().startswith(("password:", "stringData:")), f"{name}: {line}"


def test_the_trading_pause_points_at_the_switch_and_it_is_on() -> None:
    profile = load_profile("S")
    pause = profile.trading_pause
    text = profile.files()[pause.file].decode()
    value = read_value(text, pause.path, file=pause.file)
    assert value == "true"
    assert pause.paused != value


def test_the_profile_itself_is_not_a_manifest() -> None:
    assert not [name for name in load_profile("S").files() if "profile.yaml" in name]


@pytest.mark.parametrize(
    "content",
    ["", "name: [", "name: X\nsurprise: 1\n", "- a\n"],
    ids=["empty", "no", "key", "list"],
)
def test_a_broken_profile_names_its_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "profile.yaml").write_text(content)
    with pytest.raises(HarnessError) as caught:
        read_profile(tmp_path)
    assert caught.value.where == str(tmp_path / "profile.yaml")


def test_a_missing_profile_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="cannot be read"):
        read_profile(tmp_path)
