"""ClickHouse as a local process: the server out of the chdb-core wheel, without replication."""

from __future__ import annotations

import socket
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError
from clickhouse_connect.driver.httputil import get_pool_manager

from harness.world.processes import ManagedProcess
from harness.world.services.clickhouse import settings
from harness.world.services.clickhouse.ddl import localise_ddl, statements
from harness.world.services.clickhouse.settings import HTTP_PORT, NATIVE_PORT, PRODUCTION_MERGES
from harness.world.services.starting import check_free, scrubbed_environment, wait_alive

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from harness.world.addresses import Addresses
    from harness.world.services.clickhouse.settings import MergeBehaviour

USER: Final = "torghut"
DATABASE: Final = "torghut"
_SERVER: Final = Path(__file__).with_name("server.py")


class LocalClickHouse:
    """ClickHouse of one world.

    Attributes:
        name: ``clickhouse``.
        host: its address.
        url: base URL of its HTTP interface.
        user: user of the TA job.
        password: the user's password.
        database: the TA database.
    """

    name = "clickhouse"

    def __init__(
        self,
        addresses: Addresses,
        *,
        directory: Path,
        logs: Path,
        world_id: str,
        password: str,
        merges: MergeBehaviour = PRODUCTION_MERGES,
    ) -> None:
        """Describe the server; ``start`` runs it.

        Args:
            addresses: the world's addresses.
            directory: where data and configuration live; kept between starts.
            logs: where its log goes.
            world_id: marks the process.
            password: of the user ``torghut``; never written to disk.
            merges: when background merges happen.
        """
        self.host = addresses.clickhouse_host
        self.url = f"http://{self.host}:{HTTP_PORT}"
        self.user = USER
        self.password = password
        self.database = DATABASE
        self._directory = directory
        self._logs = logs
        self._world_id = world_id
        self._merges = merges

    @cached_property
    def processes(self) -> tuple[ManagedProcess, ...]:
        """The one server process."""
        return (
            ManagedProcess(
                "clickhouse",
                [sys.executable, "-I", _SERVER, self._directory / "data"],
                log=self._logs / "clickhouse.log",
                environment=scrubbed_environment(self._world_id),
                directory=self._directory,
            ),
        )

    def start(self) -> None:
        """Start the server.

        Raises:
            ServiceError: when a port is taken or the process cannot be started.
        """
        check_free(self.name, [f"{self.host}:{port}" for port in (HTTP_PORT, NATIVE_PORT)])
        self._directory.mkdir(parents=True, exist_ok=True)
        config = settings.server_config(self.host, self._merges.settings())
        (self._directory / "config.xml").write_text(config)
        (self._directory / "users.xml").write_text(settings.users_config(self.user, self.password))
        self.processes[0].start()

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Wait until the user ``torghut`` is answered, and make sure of the database.

        Args:
            timeout: seconds.

        Raises:
            ServiceError: when the process died, with the end of its log.
            WaitTimeoutError: when it does not answer in time.
        """
        client = wait_alive(
            self.processes,
            self._greet,
            what=f"ClickHouse to answer at {self.url}",
            timeout=timeout,
            expected=(OSError, ClickHouseError),
        )
        client.command(f"CREATE DATABASE IF NOT EXISTS {self.database}")
        client.close()

    def _greet(self) -> Client:
        # Asked first without the client, which complains aloud where nothing listens yet.
        with socket.create_connection((self.host, HTTP_PORT), timeout=1):
            return self.client(database="default")

    def client(self, database: str = DATABASE) -> Client:
        """Return a new client, connected as the user ``torghut``.

        Raises:
            ClickHouseError: when the server does not answer.
        """
        return clickhouse_connect.get_client(
            host=self.host,
            port=HTTP_PORT,
            username=self.user,
            password=self.password,
            database=database,
            autogenerate_session_id=False,
            # With connections of its own it asks no proxy that the user's environment names.
            pool_mgr=get_pool_manager(),
        )

    def apply_ddl(self, sql: str) -> list[str]:
        """Run production's DDL in the form that a single server understands.

        Args:
            sql: statements, separated by semicolons.

        Returns:
            What was left out, one line each; empty when nothing was.

        Raises:
            ClickHouseError: when a statement is refused.
        """
        local = localise_ddl(sql)
        client = self.client()
        for statement in statements(local.sql):
            client.command(statement)
        client.close()
        return list(local.stripped)

    def query_log_since(self, since: str = "1970-01-01 00:00:00") -> list[dict[str, Any]]:
        """Return the statements that were finished since a time, oldest first.

        Args:
            since: UTC, ``YYYY-MM-DD HH:MM:SS[.ffffff]``.

        Returns:
            For each statement ``time`` (datetime, UTC), ``user``, ``agent``, ``kind``, ``sql``,
            ``tables``, ``written_rows`` and ``exception`` (empty: it succeeded).
        """
        client = self.client()
        client.command("SYSTEM FLUSH LOGS query_log")
        answer = client.query(_QUERY_LOG, parameters={"since": since})
        client.close()
        return list(answer.named_results())

    def stop(self) -> None:
        """End the server; what was acknowledged survives.

        Asked to end, it waits five seconds for clients that keep idle connections open, so it
        is killed after one: its tables stand a SIGKILL at any moment.
        """
        self.processes[0].stop(grace=1)


_QUERY_LOG: Final = """
SELECT query_start_time_microseconds AS time, user,
       if(http_user_agent != '', http_user_agent, client_name) AS agent,
       query_kind AS kind, query AS sql, tables, written_rows, exception
FROM system.query_log
WHERE type != 'QueryStart' AND is_initial_query
  AND query_start_time_microseconds >= toDateTime64({since:String}, 6, 'UTC')
ORDER BY time
"""
