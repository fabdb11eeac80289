"""The job's variables: defaults, what is refused, and how the client says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fake_ta_job import __main__ as client
from fake_ta_job.config import SCHEMA_FILE, ConfigError, JobConfig
from fake_ta_job.ddl import statements
from fake_ta_job.rows import MICROBAR_COLUMNS, SIGNAL_COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

MINIMUM = {"TA_KAFKA_BOOTSTRAP": "127.61.1.11:9092"}
URL = "jdbc:clickhouse://ch:8123/torghut"
PRODUCTION = {
    **MINIMUM,
    "TA_KAFKA_SECURITY": "SASL_PLAINTEXT",
    "TA_KAFKA_SASL_MECH": "SCRAM-SHA-512",
    "TA_KAFKA_USERNAME": "torghut-ws",
    "TA_KAFKA_PASSWORD": 's"e\\cret',
    "TA_GROUP_ID": "torghut-ta-2025-12-23",
    "TA_CLIENT_ID": "torghut-ta",
    "TA_AUTO_OFFSET_RESET": "earliest",
    "TA_CHECKPOINT_DIR": "s3a://flink-checkpoints/torghut/technical-analysis",
    "TA_CHECKPOINT_INTERVAL_MS": "60000",
    "TA_CHECKPOINT_PAUSE_MS": "10000",
    "TA_PARALLELISM": "8",
    "TA_CLICKHOUSE_URL": URL,
    "TA_CLICKHOUSE_PASSWORD": "hidden",
    "TA_CLICKHOUSE_BATCH_SIZE": "500",
}


def test_the_defaults_of_the_code() -> None:
    config = JobConfig.from_environment(MINIMUM)
    assert config.kafka.group_id == config.kafka.client_id == "torghut-ta-flink"
    assert config.kafka.reset == "latest"
    assert config.kafka.guarantee == "AT_LEAST_ONCE"
    assert (config.checkpoint_interval_ms, config.out_of_order_ms) == (10_000, 2000)
    assert (config.parallelism, config.operator_parallelism) == (1, 1)
    assert (config.vwap_seconds, config.volatility_bars) == (300, 60)
    assert config.clickhouse is None


def test_the_config_map_of_production() -> None:
    config = JobConfig.from_environment(PRODUCTION)
    assert config.kafka.reset == "earliest"
    assert config.kafka.group_id == "torghut-ta-2025-12-23"
    assert (config.checkpoint_interval_ms, config.checkpoint_pause_ms) == (60_000, 10_000)
    assert config.parallelism == config.operator_parallelism == 8
    assert config.clickhouse is not None
    assert config.clickhouse.batch_size == 500
    assert config.clickhouse.ddl == SCHEMA_FILE


def test_no_secret_in_the_representation() -> None:
    text = repr(JobConfig.from_environment(PRODUCTION))
    assert "hidden" not in text
    assert "cret" not in text


@pytest.mark.parametrize(
    ("text", "reset"),
    [("earliest", "earliest"), ("NONE", "none"), ("Latest", "latest"), ("newest", "latest")],
)
def test_an_unknown_reset_policy_means_latest(text: str, reset: str) -> None:
    environment = {**MINIMUM, "TA_AUTO_OFFSET_RESET": text}
    assert JobConfig.from_environment(environment).kafka.reset == reset


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TA_KAFKA_BOOTSTRAP", " "),
        ("TA_KAFKA_SECURITY", "SSL"),
        ("TA_KAFKA_SECURITY", "SASL_PLAINTEXT"),
        ("TA_KAFKA_SASL_MECH", "GSSAPI"),
        ("TA_KAFKA_DELIVERY_GUARANTEE", "NONE"),
        ("TA_PARALLELISM", "0"),
        ("TA_PARALLELISM", "two"),
        ("TA_OPERATOR_PARALLELISM", "-1"),
        ("TA_CHECKPOINT_INTERVAL_MS", "1e4"),
        ("TA_MAX_OUT_OF_ORDER_MS", "2 s"),
        ("TA_VWAP_WINDOW_SECONDS", "٣"),
        ("TA_CLICKHOUSE_URL", "http://ch:8123"),
        ("TA_SCHEMA_REGISTRY_URL", "http://karapace.kafka:8081"),
        ("TA_STATUS_TOPIC", "torghut.ta.status.v1"),
    ],
)
def test_a_bad_value_is_refused_by_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = {**MINIMUM, name: value}
    with pytest.raises(ConfigError) as refused:
        JobConfig.from_environment(environment)
    at_fault = "TA_KAFKA_USERNAME" if value == "SASL_PLAINTEXT" else name
    assert refused.value.name == at_fault
    monkeypatch.setattr("os.environ", environment)
    assert client.main() == 2
    assert capsys.readouterr().err.startswith(f"fake_ta_job: {at_fault}: ")


def test_a_ddl_file_must_exist(tmp_path: Path) -> None:
    environment = {**MINIMUM, "TA_CLICKHOUSE_URL": URL}
    path = tmp_path / "schema.sql"
    with pytest.raises(ConfigError, match="TA_CLICKHOUSE_DDL_PATH: there is no file"):
        JobConfig.from_environment({**environment, "TA_CLICKHOUSE_DDL_PATH": str(path)})
    path.write_text("SELECT 1;")
    config = JobConfig.from_environment({**environment, "TA_CLICKHOUSE_DDL_PATH": str(path)})
    assert config.clickhouse is not None
    assert config.clickhouse.ddl == path


def test_the_client_wants_jars(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for value in ("", str(tmp_path), str(tmp_path / "missing.jar")):
        monkeypatch.setattr("os.environ", {**MINIMUM, "FLINK_TA_JARS": value})
        assert client.main() == 2
        assert "FLINK_TA_JARS: names no connector jars" in capsys.readouterr().err


def test_jars_may_be_named_one_by_one_or_by_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    jars = [tmp_path / name for name in ("a.jar", "b.jar")]
    for jar in jars:
        jar.touch()
    wanted = ":".join(map(str, jars))
    for value in (wanted, str(tmp_path)):
        environment = {"FLINK_TA_JARS": value}
        monkeypatch.setattr("os.environ", environment)
        client._prepare_gateway()
        assert environment["HADOOP_CLASSPATH"] == wanted


def test_the_tables_have_the_columns_of_the_rows() -> None:
    found = {}
    for statement in statements(SCHEMA_FILE.read_text()):
        if "CREATE TABLE" in statement:
            name = statement.split()[5].removeprefix("torghut.")
            body = statement.partition("\n(\n")[2].partition("\n)")[0]
            found[name] = tuple(line.split()[0] for line in body.splitlines())
            assert "ON CLUSTER default" in statement
            assert "ReplicatedReplacingMergeTree(" in statement
            assert statement.count("ingest_ts)") == 1
    assert found == {"ta_microbars": MICROBAR_COLUMNS, "ta_signals": SIGNAL_COLUMNS}


def test_statements_of_a_file() -> None:
    text = "-- one;\nSELECT 1;\n\n  -- two\nSELECT ';',\n 2 ;\nSELECT 3;"
    assert statements(text) == ["SELECT 1", "SELECT ';',\n 2", "SELECT 3"]
    assert statements("\n-- nothing\n") == []
