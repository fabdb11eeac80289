"""Configuration files of the ClickHouse server of a world."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Mapping

HTTP_PORT: Final = 8123
NATIVE_PORT: Final = 9000

Tree = dict[str, "str | list[str] | Tree"]


@dataclass(frozen=True, slots=True)
class MergeBehaviour:
    """When background merges fold duplicates and apply TTLs.

    Attributes:
        force_after_seconds: age of a part from which on a merge is forced; None, as in
            production, leaves it to ClickHouse whether and when parts are merged.
        whole_partition_only: force only merges of all parts of a partition.
    """

    force_after_seconds: int | None = None
    whole_partition_only: bool = True

    def settings(self) -> dict[str, str]:
        """Return the MergeTree settings that say so."""
        if self.force_after_seconds is None:
            return {}
        return {
            "min_age_to_force_merge_seconds": str(self.force_after_seconds),
            "min_age_to_force_merge_on_partition_only": str(int(self.whole_partition_only)),
        }


PRODUCTION_MERGES: Final = MergeBehaviour()
"""Production sets nothing, so merges come when ClickHouse sees fit."""


def server_config(host: str, merge_tree: Mapping[str, str]) -> str:
    """Return ``config.xml``.

    Args:
        host: address to listen on.
        merge_tree: settings of all MergeTree tables.
    """
    return _document(
        {
            "listen_host": host,
            "http_port": str(HTTP_PORT),
            "tcp_port": str(NATIVE_PORT),
            "users_config": "users.xml",
            "logger": {"level": "information", "console_log_level": "information", "console": "1"},
            # A laptop's share of memory and threads.
            "max_server_memory_usage": str(2 << 30),
            "mark_cache_size": str(64 << 20),
            "uncompressed_cache_size": "0",
            "max_thread_pool_size": "200",
            "background_pool_size": "4",
            "background_schedule_pool_size": "8",
            # Clients keep idle connections open; nothing is gained by waiting for them.
            "shutdown_wait_unfinished": "0",
            # No part_log: each flush of it makes a part, which is an entry to flush.
            "query_log": {"database": "system", "table": "query_log"},
            "merge_tree": dict(merge_tree),
        }
    )


def users_config(user: str, password: str) -> str:
    """Return ``users.xml``: one user, known by the digest of the password.

    Args:
        user: user name.
        password: its password; only the digest is written.
    """
    profile: Tree = {
        "log_queries": "1",
        "log_queries_min_type": "QUERY_START",
        # Older JDBC drivers do not understand the newer default.
        "network_compression_method": "LZ4",
    }
    account: Tree = {
        "password_sha256_hex": hashlib.sha256(password.encode()).hexdigest(),
        "networks": {"ip": "127.0.0.0/8"},
        "profile": "default",
        "quota": "default",
    }
    # The library itself connects as "default", without a password: that user may do what starts
    # the listeners and nothing else.
    grants = [
        "GRANT SYSTEM LISTEN ON *.*",
        "GRANT FILE ON *.*",
        "GRANT CREATE TEMPORARY TABLE ON *.*",
    ]
    library: Tree = {
        "password": "",
        "networks": {"ip": "127.0.0.0/8"},
        "profile": "default",
        "quota": "default",
        "grants": {"query": grants},
    }
    return _document(
        {
            "profiles": {"default": profile},
            "quotas": {"default": {}},
            "users": {user: account, "default": library},
        }
    )


def _document(content: Tree) -> str:
    root = ET.Element("clickhouse")
    _fill(root, content)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def _fill(parent: ET.Element, content: Tree) -> None:
    for name, value in content.items():
        if isinstance(value, dict):
            _fill(ET.SubElement(parent, name), value)
        else:
            for text in [value] if isinstance(value, str) else value:
                ET.SubElement(parent, name).text = text
