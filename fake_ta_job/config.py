"""Configuration of the job: the ``TA_*`` variables of the ConfigMap, nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

Reset = Literal["earliest", "latest", "none"]
Guarantee = Literal["AT_LEAST_ONCE", "EXACTLY_ONCE"]

_RESETS: Final = ("earliest", "latest", "none")
_GUARANTEES: Final = ("AT_LEAST_ONCE", "EXACTLY_ONCE")
_PROTOCOLS: Final = ("PLAINTEXT", "SASL_PLAINTEXT")
_MECHANISMS: Final = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
_MUST_BE_UNSET: Final = {
    "TA_SCHEMA_REGISTRY_URL": "records are written as bare Avro",
    "TA_STATUS_TOPIC": "no status records are written",
}
SCHEMA_FILE: Final = Path(__file__).with_name("schema_s.sql")


class ConfigError(ValueError):
    """A variable is missing or wrong; the message begins with its name."""

    def __init__(self, name: str, problem: str) -> None:
        """Name the variable and say what is wrong with it."""
        super().__init__(f"{name}: {problem}")
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConfig:
    """Kafka side of the job; see README.md for the variables.

    Attributes:
        bootstrap: bootstrap servers.
        group_id: consumer group of the three sources.
        client_id: prefix of client and transaction identifiers.
        reset: where to start without a committed offset.
        trades: topic of trades.
        quotes: topic of quotes.
        bars1m: topic of 1-minute bars.
        microbars: topic that microbars are written to.
        signals: topic that signals are written to.
        guarantee: delivery guarantee of the two sinks.
        transaction_timeout_ms: for EXACTLY_ONCE, milliseconds.
        protocol: PLAINTEXT or SASL_PLAINTEXT.
        mechanism: SASL mechanism.
        username: SASL user.
        password: SASL password.
    """

    bootstrap: str
    group_id: str
    client_id: str
    reset: Reset
    trades: str
    quotes: str
    bars1m: str
    microbars: str
    signals: str
    guarantee: Guarantee
    transaction_timeout_ms: int
    protocol: str
    mechanism: str
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickHouseConfig:
    """ClickHouse side of the job.

    Attributes:
        url: JDBC URL.
        username: user.
        password: its password.
        batch_size: rows of one insert.
        flush_ms: longest time a row waits for its batch, milliseconds.
        max_retries: how often a failed insert is tried again before the task fails.
        timeout_seconds: connection timeout.
        ddl: file of statements to run at the start.
    """

    url: str
    username: str
    password: str = field(repr=False)
    batch_size: int
    flush_ms: int
    max_retries: int
    timeout_seconds: int
    ddl: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class JobConfig:
    """The whole configuration.

    Attributes:
        kafka: Kafka side.
        clickhouse: ClickHouse side; None writes to Kafka only.
        checkpoint_interval_ms: milliseconds between checkpoints.
        checkpoint_timeout_ms: milliseconds until a checkpoint is given up.
        checkpoint_pause_ms: least milliseconds between two checkpoints.
        out_of_order_ms: how far the watermark stays behind the highest event time.
        parallelism: subtasks of each source.
        operator_parallelism: subtasks of operators and sinks.
        vwap_seconds: span of the windowed vwap.
        volatility_bars: returns in the realized volatility.
    """

    kafka: KafkaConfig
    clickhouse: ClickHouseConfig | None
    checkpoint_interval_ms: int
    checkpoint_timeout_ms: int
    checkpoint_pause_ms: int
    out_of_order_ms: int
    parallelism: int
    operator_parallelism: int
    vwap_seconds: int
    volatility_bars: int

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> JobConfig:
        """Read the variables; an empty one counts as unset.

        Raises:
            ConfigError: naming the variable that is missing or wrong.
        """
        read = _Reader(environment)
        read.refuse_unsupported()
        parallelism = read.whole("TA_PARALLELISM", 1, least=1)
        return cls(
            kafka=_kafka(read),
            clickhouse=_clickhouse(read),
            checkpoint_interval_ms=read.whole("TA_CHECKPOINT_INTERVAL_MS", 10_000, least=10),
            checkpoint_timeout_ms=read.whole("TA_CHECKPOINT_TIMEOUT_MS", 300_000, least=10),
            checkpoint_pause_ms=read.whole("TA_CHECKPOINT_PAUSE_MS", 0),
            out_of_order_ms=read.whole("TA_MAX_OUT_OF_ORDER_MS", 2000),
            parallelism=parallelism,
            operator_parallelism=read.whole("TA_OPERATOR_PARALLELISM", parallelism, least=1),
            vwap_seconds=read.whole("TA_VWAP_WINDOW_SECONDS", 300, least=1),
            volatility_bars=read.whole("TA_REALIZED_VOL_WINDOW", 60, least=1),
        )


def _kafka(read: _Reader) -> KafkaConfig:
    protocol = read.choice("TA_KAFKA_SECURITY", "PLAINTEXT", _PROTOCOLS)
    secured = protocol != "PLAINTEXT"
    reset = read.text("TA_AUTO_OFFSET_RESET", "latest").lower()
    return KafkaConfig(
        bootstrap=read.required("TA_KAFKA_BOOTSTRAP"),
        group_id=read.text("TA_GROUP_ID", "torghut-ta-flink"),
        client_id=read.text("TA_CLIENT_ID", "torghut-ta-flink"),
        # Production falls back to latest for any text it does not know.
        reset=cast("Reset", reset if reset in _RESETS else "latest"),
        trades=read.text("TA_TRADES_TOPIC", "torghut.trades.v1"),
        quotes=read.text("TA_QUOTES_TOPIC", "torghut.quotes.v1"),
        bars1m=read.text("TA_BARS1M_TOPIC", "torghut.bars.1m.v1"),
        microbars=read.text("TA_MICROBARS_TOPIC", "torghut.ta.bars.1s.v1"),
        signals=read.text("TA_SIGNALS_TOPIC", "torghut.ta.signals.v1"),
        guarantee=cast(
            "Guarantee", read.choice("TA_KAFKA_DELIVERY_GUARANTEE", "AT_LEAST_ONCE", _GUARANTEES)
        ),
        transaction_timeout_ms=read.whole("TA_KAFKA_TRANSACTION_TIMEOUT_MS", 120_000, least=1),
        protocol=protocol,
        mechanism=read.choice("TA_KAFKA_SASL_MECH", "SCRAM-SHA-512", _MECHANISMS),
        username=read.required("TA_KAFKA_USERNAME") if secured else "",
        password=read.required("TA_KAFKA_PASSWORD") if secured else "",
    )


def _clickhouse(read: _Reader) -> ClickHouseConfig | None:
    url = read.text("TA_CLICKHOUSE_URL", "")
    if not url:
        return None
    if not url.startswith("jdbc:clickhouse:"):
        raise ConfigError("TA_CLICKHOUSE_URL", f"{url!r} does not begin with jdbc:clickhouse:")
    ddl = Path(read.text("TA_CLICKHOUSE_DDL_PATH", str(SCHEMA_FILE)))
    if not ddl.is_file():
        raise ConfigError("TA_CLICKHOUSE_DDL_PATH", f"there is no file {ddl}")
    return ClickHouseConfig(
        url=url,
        username=read.text("TA_CLICKHOUSE_USERNAME", "torghut"),
        password=read.text("TA_CLICKHOUSE_PASSWORD", ""),
        batch_size=read.whole("TA_CLICKHOUSE_BATCH_SIZE", 500, least=1),
        flush_ms=read.whole("TA_CLICKHOUSE_FLUSH_MS", 1000, least=1),
        max_retries=read.whole("TA_CLICKHOUSE_MAX_RETRIES", 3),
        timeout_seconds=read.whole("TA_CLICKHOUSE_CONN_TIMEOUT_SECONDS", 30, least=1),
        ddl=ddl,
    )


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str, default: str) -> str:
        return self._environment.get(name, "").strip() or default

    def required(self, name: str) -> str:
        value = self.text(name, "")
        if not value:
            raise ConfigError(name, "must be set")
        return value

    def whole(self, name: str, default: int, *, least: int = 0) -> int:
        text = self.text(name, str(default))
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise ConfigError(name, f"{text!r} is not a whole number of at least {least}")
        return int(text)

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, default).upper()
        if value not in choices:
            raise ConfigError(name, f"{value!r} is none of {', '.join(choices)}")
        return value

    def refuse_unsupported(self) -> None:
        for name, reason in _MUST_BE_UNSET.items():
            if self.text(name, ""):
                raise ConfigError(name, f"must be unset: {reason}")
