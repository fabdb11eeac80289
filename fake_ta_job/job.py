"""The job's topology, and its submission to the cluster that FLINK_CONF_DIR describes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pyflink.common import Duration, Types, WatermarkStrategy
from pyflink.datastream import KeyedStream, StreamExecutionEnvironment
from pyflink.java_gateway import get_gateway
from pyflink.table import ChangelogMode, Schema, StreamTableEnvironment

from fake_ta_job import tables
from fake_ta_job.clickhouse import create_tables, jdbc_sink
from fake_ta_job.functions import (
    BAR_TAG,
    FORWARD_COLUMN,
    QUOTE_TAG,
    Microbars,
    Signals,
    microbar_type,
    signal_type,
)
from fake_ta_job.indicators import Settings
from fake_ta_job.jvm import call, load_class

if TYPE_CHECKING:
    from pyflink.common.typeinfo import TypeInformation
    from pyflink.datastream import DataStream, KeyedProcessFunction
    from pyflink.table import Table

    from fake_ta_job.config import JobConfig

JOB_NAME: Final = "torghut-technical-analysis-flink"
_TYPE: Final = "org.apache.flink.api.common.typeinfo.TypeInformation"
_TRANSFORMATION: Final = "org.apache.flink.api.dag.Transformation"
_WATERMARK_EVERY_MS: Final = 1000


def submit(config: JobConfig) -> str:
    """Create the tables in ClickHouse, build the job and submit it, detached.

    Returns:
        The job's identifier, 32 hexadecimal digits.
    """
    environment = _environment(config)
    if config.clickhouse is not None:
        create_tables(config.clickhouse)
    _build(environment, config)
    return str(environment.execute_async(JOB_NAME).get_job_id())


def _environment(config: JobConfig) -> StreamExecutionEnvironment:
    """Return an environment for the cluster of the configuration directory.

    Outside of ``flink run`` the plain constructor would ignore that directory.
    """
    jvm: Any = get_gateway().jvm
    loaded = jvm.org.apache.flink.configuration.GlobalConfiguration.loadConfiguration()
    java = jvm.org.apache.flink.streaming.api.environment.StreamExecutionEnvironment
    environment = StreamExecutionEnvironment(java(loaded))
    environment.enable_checkpointing(config.checkpoint_interval_ms)
    checkpoints = environment.get_checkpoint_config()
    checkpoints.set_checkpoint_timeout(config.checkpoint_timeout_ms)
    checkpoints.set_min_pause_between_checkpoints(config.checkpoint_pause_ms)
    environment.get_config().set_auto_watermark_interval(_WATERMARK_EVERY_MS)
    environment.set_parallelism(config.parallelism)
    return environment


def _build(environment: StreamExecutionEnvironment, config: JobConfig) -> None:
    table_environment = StreamTableEnvironment.create(environment)
    table_environment.get_config().set_local_timezone("UTC")
    builder = _Builder(table_environment, config)
    trades = _with_one_watermark(builder.source("trades", ""), config.out_of_order_ms)
    microbars = builder.operator(
        _key_by(trades), Microbars(), microbar_type(), uid="ta-microbars", name=tables.MICROBARS
    )
    inputs = builder.quotes().union(builder.source("bars1m", BAR_TAG), builder.forward(microbars))
    settings = Settings(config.vwap_seconds, config.volatility_bars)
    builder.operator(
        _key_by(inputs), Signals(settings), signal_type(), uid="ta-signals", name=tables.SIGNALS
    )
    builder.finish()


class _Builder:
    """Puts streams and tables together."""

    def __init__(self, table_environment: StreamTableEnvironment, config: JobConfig) -> None:
        self._tables = table_environment
        self._config = config
        self._inserts = table_environment.create_statement_set()

    def quotes(self) -> DataStream:
        """Return key and tagged pack of quotes."""
        self._tables.execute_sql(tables.source_table("quotes", self._config))
        return self._keyed(self._tables.sql_query(tables.packed_quotes(QUOTE_TAG)), timed=False)

    def source(self, role: str, tag: str) -> DataStream:
        """Return key and tagged value of each record of a raw topic, with its event time."""
        self._tables.execute_sql(tables.source_table(role, self._config))
        return self._keyed(self._tables.sql_query(tables.keyed_input(role, tag)))

    def forward(self, microbars: str) -> DataStream:
        """Return microbars as the signals operator takes them."""
        return self._keyed(self._tables.sql_query(tables.forwarded(microbars, FORWARD_COLUMN)))

    def _keyed(self, table: Table, *, timed: bool = True) -> DataStream:
        schema = Schema.new_builder().column("symbol", "STRING").column("value", "STRING")
        if timed:
            schema = schema.column_by_metadata("rowtime", "TIMESTAMP_LTZ(3)")
        stream = self._tables.to_changelog_stream(
            table, schema.build(), ChangelogMode.insert_only()
        )
        kind = Types.ROW_NAMED(["symbol", "value"], [Types.STRING(), Types.STRING()])
        _declare_type(stream, kind)
        return stream

    def operator(
        self,
        stream: KeyedStream,
        function: KeyedProcessFunction,
        kind: TypeInformation,
        *,
        uid: str,
        name: str,
    ) -> str:
        """Add a keyed operator and its two sinks; return the name of its output's view."""
        output = stream.process(function, kind).name(uid).uid(uid)
        output.set_parallelism(self._config.operator_parallelism)
        schema = Schema.new_builder().column_by_metadata("rowtime", "TIMESTAMP_LTZ(3)").build()
        self._tables.create_temporary_view(name, output, schema)
        self._tables.execute_sql(tables.sink_table(name, self._config))
        self._inserts.add_insert_sql(tables.insert_into_kafka(name))
        if self._config.clickhouse is not None:
            rows = self._tables.to_data_stream(self._tables.sql_query(tables.table_rows(name)))
            sink = rows.sink_to(jdbc_sink(name, self._config.clickhouse))
            sink.name(f"{name}-clickhouse").uid(f"{name}-clickhouse")
            sink.set_parallelism(self._config.operator_parallelism)
        return name

    def finish(self) -> None:
        """Attach the Kafka sinks."""
        self._inserts.attach_as_datastream()


def _with_one_watermark(stream: DataStream, out_of_order_ms: int) -> DataStream:
    """Replace the source's watermarks, one a partition, by one a subtask over all it reads.

    So it is in production's job, by the last seconds that its recorded rows hold: a partition
    that is read ahead of others may close their open buckets.
    """
    bounded = WatermarkStrategy.for_bounded_out_of_orderness(Duration.of_millis(out_of_order_ms))
    return stream.assign_timestamps_and_watermarks(bounded)


def _declare_type(stream: DataStream, kind: TypeInformation) -> None:
    """Say that the rows of a table's stream are plain rows; Python operators take no others."""
    argument = (load_class(_TYPE), kind.get_java_type_info())
    transformation = stream._j_data_stream.getTransformation()  # noqa: SLF001 - no public way
    call(_TRANSFORMATION, "setOutputType", transformation, argument)


def _key_by(stream: DataStream) -> KeyedStream:
    """Key rows of (key, value) in the JVM.

    ``key_by`` would send each record through Python just to build such a row.
    """
    jvm: Any = get_gateway().jvm
    key_type = Types.ROW([Types.STRING()]).get_java_type_info()
    keyed = stream._j_data_stream.keyBy(jvm.KeyByKeySelector(), key_type)  # noqa: SLF001 - no public way
    return KeyedStream(keyed, Types.STRING(), stream)
