"""ClickHouse of a world, in the local driver."""

from __future__ import annotations

from harness.world.services.clickhouse.ddl import LocalDdl, localise_ddl, statements
from harness.world.services.clickhouse.local import DATABASE, USER, LocalClickHouse
from harness.world.services.clickhouse.settings import PRODUCTION_MERGES, MergeBehaviour

__all__ = [
    "DATABASE",
    "PRODUCTION_MERGES",
    "USER",
    "LocalClickHouse",
    "LocalDdl",
    "MergeBehaviour",
    "localise_ddl",
    "statements",
]
