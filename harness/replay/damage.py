"""What is wrong with the tables before a replay, so that there is something to bring back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.errors import ServiceError
from harness.replay.executor import clickhouse_client
from harness.replay.observe.tables import open_gap

if TYPE_CHECKING:
    from harness.world.spec import WorldState


def damage_tables(state: WorldState) -> dict[str, int]:
    """Delete a third of the time from both tables.

    Args:
        state: the world.

    Returns:
        Number of rows deleted, by table.

    Raises:
        ServiceError: when a table lost nothing: a damage that is not proved proves no repair.
    """
    client = clickhouse_client(state)
    try:
        deleted = open_gap(client)
    finally:
        client.close()
    if not all(deleted.values()):
        raise ServiceError(
            f"the tables could not be damaged: {deleted}", hint="--set damage=none goes without"
        )
    return deleted
