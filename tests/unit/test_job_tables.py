"""SQL of the job: what reaches the Kafka connector and ClickHouse."""

from __future__ import annotations

import pytest

from fake_ta_job import tables
from fake_ta_job.config import JobConfig

BASE = {
    "TA_KAFKA_BOOTSTRAP": "b1:9092,b2:9092",
    "TA_GROUP_ID": "replay",
    "TA_CLIENT_ID": "torghut-ta",
    "TA_AUTO_OFFSET_RESET": "none",
}
SASL = {
    "TA_KAFKA_SECURITY": "SASL_PLAINTEXT",
    "TA_KAFKA_USERNAME": "torghut-ws",
    "TA_KAFKA_PASSWORD": 'it\'s "hard" \\',
}


def config(**more: str) -> JobConfig:
    return JobConfig.from_environment({**BASE, **more})


def test_a_source_reads_from_the_groups_offsets() -> None:
    text = tables.source_table("bars1m", config())
    for option in (
        "'topic' = 'torghut.bars.1m.v1'",
        "'scan.startup.mode' = 'group-offsets'",
        "'properties.group.id' = 'replay'",
        "'properties.auto.offset.reset' = 'none'",
        "'properties.isolation.level' = 'read_committed'",
        "'properties.bootstrap.servers' = 'b1:9092,b2:9092'",
    ):
        assert option in text
    assert "CREATE TEMPORARY TABLE `ta-bars1m-source`" in text
    assert "sasl" not in text
    assert "enable.auto.commit" not in text


@pytest.mark.parametrize(
    ("milliseconds", "interval"),
    [
        ("2000", "'0 00:00:02.001'"),
        ("0", "'0 00:00:00.001'"),
        ("90061999", "'1 01:01:02.000'"),
    ],
)
def test_the_watermark_stays_behind_by_one_millisecond_more(
    milliseconds: str, interval: str
) -> None:
    text = tables.source_table("trades", config(TA_MAX_OUT_OF_ORDER_MS=milliseconds))
    assert f"`event_time` - INTERVAL {interval} DAY TO SECOND(3)" in text


def test_credentials_are_quoted_for_jaas_and_for_sql() -> None:
    text = tables.source_table("trades", config(**SASL))
    assert (
        "org.apache.flink.kafka.shaded.org.apache.kafka.common.security.scram.ScramLoginModule "
        'required username="torghut-ws" password="it\'\'s \\"hard\\" \\\\";'
    ) in text
    plain = tables.sink_table(tables.SIGNALS, config(**SASL, TA_KAFKA_SASL_MECH="plain"))
    assert "security.plain.PlainLoginModule required" in plain
    assert "'properties.sasl.mechanism' = 'PLAIN'" in plain


def test_sinks_are_idempotent_and_at_least_once() -> None:
    text = tables.sink_table(tables.MICROBARS, config())
    assert "'topic' = 'torghut.ta.bars.1s.v1'" in text
    assert "'sink.delivery-guarantee' = 'at-least-once'" in text
    assert "'properties.acks' = 'all'" in text
    assert "'properties.enable.idempotence' = 'true'" in text
    assert "transactional" not in text


def test_exactly_once_names_its_transactions_as_production_does() -> None:
    text = tables.sink_table(tables.SIGNALS, config(TA_KAFKA_DELIVERY_GUARANTEE="exactly_once"))
    assert "'sink.delivery-guarantee' = 'exactly-once'" in text
    assert "'sink.transactional-id-prefix' = 'torghut-ta-signals'" in text
    assert "'properties.transaction.timeout.ms' = '120000'" in text


def test_the_insert_has_a_mark_for_each_column() -> None:
    for name, columns in tables.COLUMNS.items():
        text = tables.insert_into_clickhouse(name)
        assert text.startswith(f"INSERT INTO {name} (symbol, event_ts, seq, ingest_ts,")
        assert text.count("?") == len(columns)


def test_quotes_are_packed_with_the_separator_of_the_decoder() -> None:
    assert r"LISTAGG(`value`, U&'\001E')" in tables.packed_quotes("Q")
