from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from ruamel.yaml import YAML

from fake_ta_job.ddl import statements
from harness.core.audit import AuditTrail
from harness.world.addresses import Addresses
from harness.world.control_plane.flink_operator.settings import OperatorSettings
from harness.world.pod_edge import LocalPodEdge
from harness.world.profiles import ProfileSettings, load_profile, parse_settings
from harness.world.profiles.profile import BrokerPods, read_profile
from harness.world.repository import FLINK_DEPLOYMENT, TA_CONFIG, ManifestRepository
from harness.world.services.clickhouse.ddl import localise_ddl
from harness.world.yaml_path import read_value

DAY = 86_400_000
JOB = Path(__file__).parents[2] / "fake_ta_job"
S, H = load_profile("S"), load_profile("H")


def manifest(path: str) -> Any:
    return YAML(typ="safe").load(H.files()[f"argocd/applications/{path}"].decode())


def environment(container: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in container["env"]}


@pytest.mark.parametrize(
    ("name", "partitions", "days", "cleanup"),
    [
        ("torghut.trades.v1", 3, 35, "delete"),
        ("torghut.quotes.v1", 3, 35, "delete"),
        ("torghut.bars.1m.v1", 3, 35, "delete"),
        ("torghut.status.v1", 3, 7, "compact,delete"),
        ("torghut.trade-updates.v1", 3, 7, "delete"),
        ("torghut.trade-updates.v2", 3, 7, "delete"),
        ("torghut.ta.bars.1s.v1", 1, 35, "delete"),
        ("torghut.ta.signals.v1", 1, 35, "delete"),
        ("torghut.ta.status.v1", 1, 7, "compact,delete"),
    ],
)
def test_topics_of_h(name: str, partitions: int, days: int, cleanup: str) -> None:
    topic = {topic.name: topic for topic in H.topics()}[name]
    assert (topic.partitions, topic.replicas) == (partitions, 3)
    assert topic.retention_ms == days * DAY
    assert topic.config["cleanup.policy"] == cleanup
    assert topic.config["compression.type"] == "lz4"


@pytest.mark.parametrize("profile", [S, H], ids=lambda profile: profile.name)
def test_topics_are_written_in_the_version_that_is_stored(profile: Any) -> None:
    text = profile.files()["argocd/applications/kafka/torghut-topics.yaml"].decode()
    versions = {document["apiVersion"] for document in YAML(typ="safe").load_all(text)}
    assert versions == {f"kafka.strimzi.io/{profile.topic_api[0]}"}


def test_the_flink_deployment_of_h_keeps_its_state_without_high_availability() -> None:
    deployment = manifest("torghut/ta/flinkdeployment.yaml")
    spec, settings = deployment["spec"], deployment["spec"]["flinkConfiguration"]
    assert spec["restartNonce"] == 38
    assert spec["job"]["upgradeMode"] == H.upgrade_mode == "last-state"
    assert not [key for key in settings if key.startswith("high-availability")]
    assert settings["restart-strategy.type"] == "exponential-delay"
    assert not [key for key in settings if key.startswith("restart-strategy.fixed-delay")]
    assert settings["execution.checkpointing.mode"] == "EXACTLY_ONCE"
    retention = settings["execution.checkpointing.externalized-checkpoint-retention"]
    assert retention == "RETAIN_ON_CANCELLATION"
    assert deployment["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"] == "4"
    OperatorSettings().for_resource(settings)


def test_what_h_and_s_have_in_common_is_equal() -> None:
    old, new = S.job_settings(), H.job_settings()
    differing = {key for key in old.keys() & new.keys() if old[key] != new[key]}
    assert differing == {
        "TA_GROUP_ID",
        "TA_AUTO_OFFSET_RESET",
        "TA_CLICKHOUSE_BATCH_SIZE",
        "TA_CLICKHOUSE_FLUSH_MS",
        "TA_CLICKHOUSE_MAX_RETRIES",
        "restart-strategy.type",
    }
    assert {key for key in new.keys() - old.keys() if key.startswith("TA_")} == {
        "TA_STATUS_TOPIC",
        "TA_WATERMARK_IDLE_TIMEOUT_MS",
        "TA_QUOTE_STALE_AFTER_MS",
        "TA_SOURCE_LAG_DEGRADED_AFTER_MS",
        "TA_RESET_LEGACY_1S_SIGNAL_STATE",
        "TA_CLICKHOUSE_SINK_PARALLELISM",
        "TA_CLICKHOUSE_SCHEMA_INIT_MAX_RETRIES",
        "TA_CLICKHOUSE_SCHEMA_INIT_RETRY_DELAY_MS",
        "TA_CLICKHOUSE_SCHEMA_INIT_STRICT",
        "TA_CLICKHOUSE_REQUIRE_REPLICATED_TABLES",
    }


def test_the_configuration_of_h_is_productions() -> None:
    data = manifest("torghut/ta/configmap.yaml")["data"]
    expected = {
        "TA_GROUP_ID": "torghut-ta-live",
        "TA_AUTO_OFFSET_RESET": "latest",
        "TA_STATUS_TOPIC": "torghut.ta.status.v1",
        "TA_WATERMARK_IDLE_TIMEOUT_MS": "30000",
        "TA_QUOTE_STALE_AFTER_MS": "15000",
        "TA_SOURCE_LAG_DEGRADED_AFTER_MS": "300000",
        "TA_RESET_LEGACY_1S_SIGNAL_STATE": "true",
        "TA_CLICKHOUSE_BATCH_SIZE": "1000",
        "TA_CLICKHOUSE_FLUSH_MS": "5000",
        "TA_CLICKHOUSE_MAX_RETRIES": "2",
        "TA_CLICKHOUSE_SINK_PARALLELISM": "1",
        "TA_CLICKHOUSE_SCHEMA_INIT_MAX_RETRIES": "180",
        "TA_CLICKHOUSE_SCHEMA_INIT_RETRY_DELAY_MS": "2000",
        "TA_CLICKHOUSE_SCHEMA_INIT_STRICT": "true",
        "TA_CLICKHOUSE_REQUIRE_REPLICATED_TABLES": "true",
    }
    assert {key: data[key] for key in expected} == expected
    assert all(isinstance(value, str) for value in data.values())


def test_the_status_topic_of_the_configuration_is_a_declared_topic() -> None:
    declared = {topic.name for topic in H.topics()}
    data = manifest("torghut/ta/configmap.yaml")["data"]
    assert {value for key, value in data.items() if key.endswith("_TOPIC")} <= declared
    assert {*H.inputs, *H.outputs} <= declared


def test_the_knative_service_of_h_is_an_api_that_never_trades() -> None:
    template = manifest("torghut/knative-service.yaml")["spec"]["template"]
    env = environment(template["spec"]["containers"][0])
    assert env["TORGHUT_PROCESS_ROLE"] == "api"
    assert env["TRADING_ENABLED"] == "false"
    assert env["TRADING_MODE"] == "live"
    assert "TRADING_LIVE_ENABLED" not in env


def test_the_scheduler_of_h_trades_as_one_process() -> None:
    spec = manifest("torghut/scheduler-deployment.yaml")["spec"]
    env = environment(spec["template"]["spec"]["containers"][0])
    assert (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate")
    assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
    assert (env["TORGHUT_PROCESS_ROLE"], env["TRADING_ENABLED"]) == ("scheduler", "true")
    assert env["TRADING_KILL_SWITCH_ENABLED"] == "false"
    assert "TRADING_LIVE_ENABLED" not in env


@pytest.mark.parametrize("profile", [S, H], ids=lambda profile: profile.name)
def test_the_pause_points_at_a_switch_that_is_on_and_can_be_thrown(
    profile: Any, tmp_path: Path
) -> None:
    pause = profile.trading_pause
    text = profile.files()[pause.file].decode()
    before = read_value(text, pause.path, file=pause.file)
    assert before != pause.paused
    assert type(before) is type(pause.paused)
    document = YAML(typ="safe").load(text)
    assert document["metadata"]["name"] == pause.name
    assert pause.kind.endswith(document["kind"])
    audit = AuditTrail(tmp_path / "audit.jsonl")
    git = ManifestRepository.create(tmp_path / "m", profile, ProfileSettings(), audit)
    git.edit(pause.file, pause.path, pause.paused)
    git.commit("Pause trading")
    assert git.read(pause.file, pause.path) == pause.paused


def test_the_documents_pause_is_already_in_place_at_h_and_pauses_nothing() -> None:
    """The runbook names a switch that trades nothing any more: the pause of H is elsewhere."""
    file = "argocd/applications/torghut/knative-service.yaml"
    path = "spec.template.spec.containers[name=user-container].env[name=TRADING_ENABLED].value"
    assert read_value(H.files()[file].decode(), path, file=file) == S.trading_pause.paused
    assert H.trading_pause.file != file
    assert S.trading_pause.file == file


def test_profile_variants_change_the_manifests_of_h_too(tmp_path: Path) -> None:
    audit = AuditTrail(tmp_path / "audit.jsonl")
    chosen = parse_settings({"upgradeMode": "stateless", "autoOffsetReset": "earliest"})
    git = ManifestRepository.create(tmp_path / "m", H, chosen, audit)
    assert git.read(FLINK_DEPLOYMENT, "spec.job.upgradeMode") == "stateless"
    assert git.read(TA_CONFIG, "data.TA_AUTO_OFFSET_RESET") == "earliest"
    assert git.read(TA_CONFIG, "data.TA_GROUP_ID") == "torghut-ta-live"


def test_no_manifest_of_h_holds_a_secret_or_a_registry() -> None:
    for name, content in H.files().items():
        for line in content.decode().splitlines():
            assert not line.strip().startswith(("password:", "stringData:")), f"{name}: {line}"
            if line.strip().startswith("image:"):
                assert re.fullmatch(r"\s*image: lab/[a-z-]+", line), f"{name}: {line}"


def test_every_manifest_of_h_is_listed_by_a_kustomization() -> None:
    files = H.files()
    for folder in ("torghut", "torghut/ta", "kafka"):
        listed = set(manifest(f"{folder}/kustomization.yaml")["resources"])
        root = f"argocd/applications/{folder}/"
        present = {name.removeprefix(root).split("/")[0] for name in files if name.startswith(root)}
        assert listed == present - {"kustomization.yaml"}


# The tables


def ddl(name: str) -> str:
    return (JOB / f"schema_{name}.sql").read_text(encoding="utf-8")


@pytest.mark.parametrize("profile", [S, H], ids=lambda profile: profile.name)
def test_the_ddl_has_the_ttl_that_the_profile_promises(profile: Any) -> None:
    text = ddl(profile.clickhouse_ddl)
    for table, days in profile.ttl_days.items():
        [created] = [s for s in statements(text) if f"EXISTS torghut.{table} " in s]
        assert f"TTL toDateTime(event_ts) + INTERVAL {days} DAY" in created


def test_the_ddl_of_h_also_moves_the_ttl_of_tables_that_are_there() -> None:
    altered = [s for s in statements(ddl("h")) if s.startswith("ALTER")]
    assert [statement.split()[2] for statement in altered] == [
        "torghut.ta_microbars",
        "torghut.ta_signals",
    ]
    assert all(s.endswith("MODIFY TTL toDateTime(event_ts) + INTERVAL 35 DAY") for s in altered)


def columns(text: str, table: str) -> list[str]:
    [created] = [s for s in statements(text) if f"EXISTS torghut.{table} " in s]
    return re.findall(r"^    (\w+) ", created, re.MULTILINE)


def test_the_tables_of_h_have_one_column_more() -> None:
    assert columns(ddl("h"), "ta_microbars") == columns(ddl("s"), "ta_microbars")
    assert columns(ddl("h"), "ta_signals") == [
        *columns(ddl("s"), "ta_signals"),
        "microstructure_signal_v1",
    ]


def test_the_ddl_of_h_fits_one_server_without_replicas() -> None:
    local = localise_ddl(ddl("h"))
    assert "ON CLUSTER" not in local.sql
    assert "Replicated" not in local.sql
    assert len(statements(local.sql)) == len(statements(ddl("h"))) == 5


# The pod's edge


def edge(**values: str) -> LocalPodEdge:
    address = Addresses("127.66.2")
    return LocalPodEdge(address, parse_settings(values), Path("/ddl.sql"), H.job_settings())


def laid(**values: str) -> dict[str, str]:
    data = manifest("torghut/ta/configmap.yaml")["data"]
    settings = manifest("torghut/ta/flinkdeployment.yaml")["spec"]["flinkConfiguration"]
    environment_, configuration = edge(**values).overlay(data, settings)
    return {**environment_, **configuration}


def test_what_the_stand_in_cannot_do_is_taken_out_at_the_edge() -> None:
    settings = laid()
    assert "TA_STATUS_TOPIC" not in settings
    assert settings["TA_CLICKHOUSE_REQUIRE_REPLICATED_TABLES"] == "false"
    sentences = edge().differences()
    assert [line for line in sentences if "has no TA_STATUS_TOPIC" in line]
    assert [line for line in sentences if "REQUIRE_REPLICATED_TABLES=false" in line]


def test_settings_that_decide_what_a_replay_does_reach_the_job_of_h() -> None:
    settings = laid()
    for key in (
        "TA_GROUP_ID",
        "TA_AUTO_OFFSET_RESET",
        "TA_WATERMARK_IDLE_TIMEOUT_MS",
        "TA_QUOTE_STALE_AFTER_MS",
        "TA_RESET_LEGACY_1S_SIGNAL_STATE",
        "TA_CLICKHOUSE_BATCH_SIZE",
        "TA_CLICKHOUSE_SCHEMA_INIT_STRICT",
        "restart-strategy.type",
        "execution.checkpointing.externalized-checkpoint-retention",
    ):
        assert settings[key] == H.job_settings()[key]


def test_restarts_of_h_back_off_within_the_patience_of_a_rehearsal() -> None:
    settings = laid(restartDelayMs="200")
    assert settings["restart-strategy.exponential-delay.initial-backoff"] == "200 ms"
    assert settings["restart-strategy.exponential-delay.max-backoff"] == "2000 ms"
    assert "restart-strategy.fixed-delay.delay" not in settings


def test_settings_that_s_lacks_are_no_difference_of_s() -> None:
    production = S.job_settings()
    local = LocalPodEdge(Addresses("127.66.2"), ProfileSettings(), Path("/ddl.sql"), production)
    told = " ".join(local.differences())
    assert "TA_STATUS_TOPIC" not in told
    assert "REPLICATED" not in told
    assert "restart-strategy.fixed-delay.delay" in told
    assert "exponential" not in told


# The description itself


@pytest.mark.parametrize(
    ("profile", "pods"),
    [
        (S, ["kafka-kafka-0", "kafka-kafka-1", "kafka-kafka-2"]),
        (H, ["kafka-pool-b-3", "kafka-pool-b-4", "kafka-pool-b-5"]),
    ],
    ids=["S", "H"],
)
def test_brokers_have_the_pods_of_their_node_pool(profile: Any, pods: list[str]) -> None:
    assert [profile.broker_pods.name(number) for number in range(3)] == pods


@given(st.integers(0, 50), st.integers(0, 50))
def test_no_two_brokers_share_a_pod(one: int, other: int) -> None:
    pods = BrokerPods(prefix="kafka-pool-b-", first=3)
    assert (pods.name(one) == pods.name(other)) is (one == other)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("topicApi: [v1]", "topicApi: []"),
        ("topicApi: [v1]", "topicApi: [v1alpha1]"),
        ("kind: Deployment", "kind: ReplicaSet"),
        ("automation: auto", "automation: sometimes"),
        ("first: 3", "first: -1"),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused(tmp_path: Path, old: str, new: str) -> None:
    text = (H.manifests / "profile.yaml").read_text()
    assert old in text
    (tmp_path / "profile.yaml").write_text(text.replace(old, new))
    with pytest.raises(Exception, match=r"the profile cannot be read") as caught:
        read_profile(tmp_path)
    assert isinstance(caught.value.__cause__, ValidationError)
