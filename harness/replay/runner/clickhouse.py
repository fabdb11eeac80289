"""ClickHouse over HTTP, for the coverage preflight: reads only."""

from __future__ import annotations

import base64
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from harness.replay.runner.coverage import (
    TABLES_SQL,
    TTL_SQL,
    gaps_sql,
    read_coverage,
    read_tsv,
)
from harness.replay.runner.names import RunnerError

if TYPE_CHECKING:
    from harness.replay.runner.coverage import Coverage


class ClickHouse:
    """A ClickHouse server, reached as the environment's proxies say."""

    def __init__(self, url: str, username: str, password: str, timeout: float) -> None:
        """Remember how to reach the server; nothing is sent.

        Args:
            url: ``http://HOST:PORT``.
            username: for Basic authentication.
            password: for Basic authentication; never shown.
            timeout: seconds for one answer.

        Raises:
            RunnerError: when the URL is not of HTTP.
        """
        if not url.startswith(("http://", "https://")):
            raise RunnerError(f"--clickhouse-http-url must begin with http:// or https://: {url}")
        self._url, self._timeout = url, timeout
        self._token = base64.b64encode(f"{username}:{password}".encode()).decode()

    def coverage(self, required: int, day_limit: int) -> Coverage:
        """Ask what the tables hold.

        Args:
            required: trading days wanted.
            day_limit: days to list, newest first.

        Raises:
            RunnerError: when the server does not answer or refuses.
        """
        tables, gaps = self._query(TABLES_SQL), self._query(gaps_sql(day_limit))
        return read_coverage(required, tables, gaps, self._definitions())

    def _definitions(self) -> list[dict[str, str]]:
        """Return the tables' definitions; none when the user may not see them."""
        try:
            return self._query(TTL_SQL)
        except RunnerError:
            return []

    def _query(self, sql: str) -> list[dict[str, str]]:
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            self._url,
            data=f"{sql} FORMAT TSVWithNames".encode(),
            headers={"Authorization": f"Basic {self._token}", "Content-Type": "text/plain"},
        )
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as response:  # noqa: S310
                text: str = response.read().decode()
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace").strip().partition("\n")[0]
            raise RunnerError(
                f"clickhouse_coverage_query_failed:{error.code} {said[:300]}", where=self._url
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise RunnerError(
                f"clickhouse_coverage_query_failed:{error}",
                where=self._url,
                hint="give --clickhouse-http-url an address that is reachable from here",
            ) from error
        return read_tsv(text)
