"""SQL texts of the job: Kafka tables, projections and the ClickHouse inserts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fake_ta_job.records import PACK_SEPARATOR
from fake_ta_job.rows import MICROBAR_COLUMNS, SIGNAL_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fake_ta_job.config import JobConfig, KafkaConfig

MICROBARS: Final = "ta_microbars"
SIGNALS: Final = "ta_signals"
COLUMNS: Final = {MICROBARS: MICROBAR_COLUMNS, SIGNALS: SIGNAL_COLUMNS}

# The SQL connector carries a relocated Kafka client, login modules included.
_LOGIN_MODULES: Final = "org.apache.flink.kafka.shaded.org.apache.kafka.common.security"


def source_name(role: str) -> str:
    """Return the name of a source, as production calls it, e.g. ``ta-trades-source``."""
    return f"ta-{role}-source"


def source_table(role: str, config: JobConfig) -> str:
    """Return the statement that declares a raw topic.

    Offsets: the group's committed ones, else the reset policy. Watermark: bounded
    out-of-orderness on the envelope's event time without idleness, so that a subtask that stays
    silent holds it back, as in production.
    A record without event time or symbol cannot be placed; the projections below drop it.
    """
    delay = config.out_of_order_ms + 1  # the DataStream API's bounded watermark is 1 ms behind
    return f"""
CREATE TEMPORARY TABLE `{source_name(role)}` (
  `value` STRING,
  `symbol` AS JSON_VALUE(`value`, '$.symbol'),
  `event_time` AS CAST(TO_TIMESTAMP(REPLACE(REPLACE(
      JSON_VALUE(`value`, '$.eventTs'), 'T', ' '), 'Z', '')) AS TIMESTAMP_LTZ(3)),
  `arrived` AS PROCTIME(),
  WATERMARK FOR `event_time` AS `event_time` - {_interval(delay)}
) WITH ({_options(_source_options(role, config.kafka))})"""


def _interval(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"INTERVAL '{days} {hours:02d}:{minutes:02d}:{seconds:02d}.{rest:03d}' DAY TO SECOND(3)"


def _source_options(role: str, kafka: KafkaConfig) -> dict[str, str]:
    return {
        "connector": "kafka",
        "topic": {"trades": kafka.trades, "quotes": kafka.quotes, "bars1m": kafka.bars1m}[role],
        "format": "raw",
        "scan.startup.mode": "group-offsets",
        **_client(kafka),
        "properties.group.id": kafka.group_id,
        "properties.client.id.prefix": f"{kafka.client_id}-{role}",
        "properties.auto.offset.reset": kafka.reset,
        "properties.isolation.level": "read_committed",
    }


def packed_quotes(tag: str) -> str:
    """Return the query that packs the quotes of each symbol in every tenth of a second.

    Only the last quote before a bar counts, and how quotes and trades interleave is open: the
    two topics are read side by side. So the quotes of 0.1 s of processing time may as well have
    arrived together, which saves most of the way through Python. All of them are in the pack,
    since only the decoder knows which one is the last that counts.
    """
    return f"""
SELECT `symbol`, '{tag}' || LISTAGG(`value`, U&'\\{ord(PACK_SEPARATOR):04X}') AS `value`
FROM TABLE(TUMBLE(TABLE `{source_name("quotes")}`, DESCRIPTOR(`arrived`), INTERVAL '0.1' SECOND))
WHERE `symbol` IS NOT NULL AND `event_time` IS NOT NULL
GROUP BY `window_start`, `window_end`, `symbol`"""  # noqa: S608 - names are constants


def keyed_input(role: str, tag: str) -> str:
    """Return the query that turns raw records into key, value and event time.

    Args:
        role: trades, quotes or bars1m.
        tag: text put before each value.
    """
    return f"""
SELECT `symbol`, '{tag}' || `value` AS `value`, `event_time` AS `rowtime`
FROM `{source_name(role)}`
WHERE `symbol` IS NOT NULL AND `event_time` IS NOT NULL"""  # noqa: S608 - names are constants


def forwarded(name: str, column: str) -> str:
    """Return the query for one column of an operator's output, keyed again."""
    return f"SELECT `symbol`, `{column}` AS `value`, `rowtime` FROM `{name}`"  # noqa: S608 - constants


def sink_table(name: str, config: JobConfig) -> str:
    """Return the statement that declares a derived topic.

    Key is the symbol, the record's timestamp the event time of the element that caused it.
    """
    return f"""
CREATE TEMPORARY TABLE `{sink_name(name)}` (
  `symbol` STRING,
  `value` BYTES,
  `timestamp` TIMESTAMP_LTZ(3) METADATA
) WITH ({_options(_sink_options(name, config))})"""


def sink_name(name: str) -> str:
    """Return the name of the Kafka sink of a table."""
    return f"{name}-kafka"


def _sink_options(name: str, config: JobConfig) -> dict[str, str]:
    kafka = config.kafka
    short = name.removeprefix("ta_")
    options = {
        "connector": "kafka",
        "topic": kafka.microbars if name == MICROBARS else kafka.signals,
        "key.format": "raw",
        "key.fields": "symbol",
        "value.format": "raw",
        "value.fields-include": "EXCEPT_KEY",
        "sink.delivery-guarantee": kafka.guarantee.lower().replace("_", "-"),
        "sink.parallelism": str(config.operator_parallelism),
        **_client(kafka),
        "properties.client.id": f"{kafka.client_id}-{short}",
        "properties.acks": "all",
        "properties.enable.idempotence": "true",
    }
    if kafka.guarantee == "EXACTLY_ONCE":
        options["sink.transactional-id-prefix"] = f"{kafka.client_id}-{short}"
        options["properties.transaction.timeout.ms"] = str(kafka.transaction_timeout_ms)
    return options


def _client(kafka: KafkaConfig) -> dict[str, str]:
    options = {"properties.bootstrap.servers": kafka.bootstrap}
    if kafka.protocol != "PLAINTEXT":
        options |= {
            "properties.security.protocol": kafka.protocol,
            "properties.sasl.mechanism": kafka.mechanism,
            "properties.sasl.jaas.config": _login(kafka),
        }
    return options


def _login(kafka: KafkaConfig) -> str:
    plain = kafka.mechanism == "PLAIN"
    module = "plain.PlainLoginModule" if plain else "scram.ScramLoginModule"
    return (
        f"{_LOGIN_MODULES}.{module} required "
        f"username={_quoted(kafka.username)} password={_quoted(kafka.password)};"
    )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _options(options: Mapping[str, str]) -> str:
    return ", ".join(
        f"'{key}' = '{value.replace(chr(39), 2 * chr(39))}'" for key, value in options.items()
    )


def insert_into_kafka(name: str) -> str:
    """Return the statement that writes an operator's output to its topic."""
    return (
        f"INSERT INTO `{sink_name(name)}` "  # noqa: S608 - names are constants
        f"SELECT `symbol`, `avro`, `rowtime` FROM `{name}`"
    )


def table_rows(name: str) -> str:
    """Return the query for exactly the columns of a ClickHouse table."""
    columns = ", ".join(f"`{column}`" for column in COLUMNS[name])
    return f"SELECT {columns} FROM `{name}`"  # noqa: S608 - names are constants


def insert_into_clickhouse(name: str) -> str:
    """Return the prepared statement of a ClickHouse table, in the database of the URL."""
    columns = COLUMNS[name]
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - constants
