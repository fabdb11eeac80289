"""ClickHouse through JDBC, from the client's JVM and from the sinks."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final

from py4j.protocol import Py4JJavaError
from pyflink.datastream.connectors.base import Sink
from pyflink.java_gateway import get_gateway

from fake_ta_job.ddl import statements
from fake_ta_job.functions import column_type
from fake_ta_job.jvm import call, load_class
from fake_ta_job.tables import COLUMNS, insert_into_clickhouse

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject

    from fake_ta_job.config import ClickHouseConfig

LOG: Final = logging.getLogger(__name__)
_DRIVER: Final = "com.clickhouse.jdbc.ClickHouseDriver"
_RETRY_DELAY: Final = 2.0
_ROW_FORMAT: Final = "org.apache.flink.connector.jdbc.internal.RowJdbcOutputFormat"


def create_tables(config: ClickHouseConfig) -> bool:
    """Run the DDL file; give up after some tries, as production does at profile S.

    Returns:
        Whether all statements ran. The job starts either way.
    """
    for attempt in range(config.max_retries + 1):
        if attempt:
            time.sleep(_RETRY_DELAY)
        try:
            _run_ddl(config)
        except Py4JJavaError as error:
            reason = error.java_exception.getMessage()
            LOG.warning("schema: attempt %d failed: %s", attempt + 1, reason)
        else:
            return True
    LOG.error("schema: given up; the job starts without knowing that its tables exist")
    return False


def _run_ddl(config: ClickHouseConfig) -> None:
    jvm: Any = get_gateway().jvm
    properties = jvm.java.util.Properties()
    properties.setProperty("user", config.username)
    properties.setProperty("password", config.password)
    connection = load_class(_DRIVER).newInstance().connect(_server_url(config.url), properties)
    try:
        statement = connection.createStatement()
        for text in statements(config.ddl.read_text()):
            statement.execute(text)
    finally:
        connection.close()


def _server_url(url: str) -> str:
    """Return the URL without its database, which the DDL may be about to create."""
    address, _, options = url.partition("?")
    scheme, _, rest = address.partition("//")
    host = rest.partition("/")[0]
    return f"{scheme}//{host}/default" + (f"?{options}" if options else "")


def jdbc_sink(name: str, config: ClickHouseConfig) -> Sink:
    """Return an at-least-once sink for one table.

    It flushes when a batch is full, when the interval is over, and at each checkpoint.
    """
    gateway: Any = get_gateway()
    jvm = gateway.jvm
    builder = jvm.org.apache.flink.connector.jdbc.core.datastream.sink.JdbcSink.builder()
    builder.withQueryStatement(insert_into_clickhouse(name), _statement_builder(name))
    builder.withExecutionOptions(_execution(config))
    return Sink(builder.buildAtLeastOnce(_connection(config)))


def _statement_builder(name: str) -> JavaObject:
    gateway: Any = get_gateway()
    jvm = gateway.jvm
    columns = COLUMNS[name]
    types = gateway.new_array(jvm.int, len(columns))
    for number, column in enumerate(columns):
        types[number] = _sql_type(column)
    return call(_ROW_FORMAT, "createRowJdbcStatementBuilder", None, (types.getClass(), types))


def _sql_type(column: str) -> int:
    types: Any = get_gateway().jvm.java.sql.Types
    kind = str(column_type(column))
    return int({"String": types.VARCHAR, "Long": types.BIGINT, "Double": types.DOUBLE}[kind])


def _execution(config: ClickHouseConfig) -> JavaObject:
    jvm: Any = get_gateway().jvm
    options = jvm.org.apache.flink.connector.jdbc.JdbcExecutionOptions.builder()
    options.withBatchSize(config.batch_size)
    options.withBatchIntervalMs(config.flush_ms)
    options.withMaxRetries(config.max_retries)
    return options.build()


def _connection(config: ClickHouseConfig) -> JavaObject:
    jvm: Any = get_gateway().jvm
    options = jvm.org.apache.flink.connector.jdbc.JdbcConnectionOptions
    builder = options.JdbcConnectionOptionsBuilder()
    builder.withUrl(config.url).withDriverName(_DRIVER)
    builder.withUsername(config.username).withPassword(config.password)
    builder.withConnectionCheckTimeoutSeconds(config.timeout_seconds)
    return builder.build()
