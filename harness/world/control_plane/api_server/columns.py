"""Values in the columns of ``kubectl get``: ages, paths into objects."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from harness.world.control_plane.model.kinds import Column, Object, Value

_PART: Final = re.compile(r"((?:\\.|[^.\[\\])+)(?:\[(\w+)=(\w+)\])?")
_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_YEAR: Final = 365 * _DAY
# From which age (exclusive) which unit is shown, and with which smaller one.
_STEPS: Final = (
    (2 * _MINUTE, 1, "s", 0, ""),
    (10 * _MINUTE, _MINUTE, "m", 1, "s"),
    (3 * _HOUR, _MINUTE, "m", 0, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (2 * _DAY, _HOUR, "h", 0, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * _YEAR, _DAY, "d", 0, ""),
    (8 * _YEAR, _YEAR, "y", _DAY, "d"),
)


def human_duration(seconds: int) -> str:
    """Return a duration as kubectl writes ages: ``95s``, ``4m10s``, ``3h5m``, ``47h``, ``9d``."""
    seconds = max(seconds, 0)
    for limit, unit, name, smaller, small_name in _STEPS:
        if seconds < limit:
            rest = seconds % unit // smaller if smaller else 0
            return f"{seconds // unit}{name}" + (f"{rest}{small_name}" if rest else "")
    return f"{seconds // _YEAR}y"


def age(timestamp: str | None, now: datetime | None = None) -> str:
    """Return how long ago a timestamp is; ``<unknown>`` when there is none.

    Args:
        timestamp: RFC 3339.
        now: the present; None: the clock.
    """
    if not timestamp:
        return "<unknown>"
    try:
        then = datetime.fromisoformat(timestamp)
    except ValueError:
        return "<invalid>"
    return human_duration(int(((now or datetime.now(UTC)) - then).total_seconds()))


def cell(column: Column, item: Object) -> Value:
    """Return the value of a printer column; None when it is not there."""
    value = find(item, column.path)
    if column.type == "date":
        return age(value)
    if column.type == "integer":
        return value if isinstance(value, int) else None
    return None if value is None else str(value)


def find(item: Value, path: str) -> Value:
    """Return what is at a column's path, e.g. ``.status.conditions[type=Ready].status``."""
    for match in _PART.finditer(path.lstrip(".")):
        name, key, wanted = match.groups()
        item = item.get(re.sub(r"\\(.)", r"\1", name)) if isinstance(item, dict) else None
        if key:
            entries = item if isinstance(item, list) else []
            item = next((entry for entry in entries if entry.get(key) == wanted), None)
    return item
