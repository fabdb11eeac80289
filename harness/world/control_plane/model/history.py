"""The changes of a store, in order, and the watches that follow them."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from harness.world.control_plane.model.documents import copied
from harness.world.control_plane.model.errors import ApiError, GoneError
from harness.world.control_plane.model.kinds import WatchEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from harness.world.control_plane.model.kinds import Object

_GATEWAY_TIMEOUT: Final = 504


@dataclass(frozen=True, slots=True)
class Change:
    """One change as the store keeps it; objects are never altered once they are here.

    Attributes:
        version: resourceVersion of the change.
        kind: key of the kind.
        type: ``ADDED``, ``MODIFIED`` or ``DELETED``.
        object: the object after the change; its last state, for ``DELETED``.
        previous: the object before the change, None for ``ADDED``.
    """

    version: int
    kind: str
    type: str
    object: Object
    previous: Object | None


class History:
    """The latest changes, and who waits for the next one."""

    def __init__(self, limit: int) -> None:
        """Keep at least ``limit`` changes."""
        self._limit = limit
        self._changes: list[Change] = []
        self._dropped = 0
        self._waiting: set[asyncio.Event] = set()

    def append(self, change: Change) -> None:
        """Add a change and wake all watches."""
        self._changes.append(change)
        if len(self._changes) > 2 * self._limit:
            self._dropped = self._changes[-self._limit - 1].version
            del self._changes[: -self._limit]
        for event in self._waiting:
            event.set()

    def since(self, version: int) -> list[Change]:
        """Return the changes after ``version``.

        Raises:
            GoneError: when some of them are no longer kept.
        """
        if version < self._dropped:
            raise GoneError(version, self._dropped)
        start = bisect_right(self._changes, version, key=lambda change: change.version)
        return self._changes[start:]

    @property
    def version(self) -> int:
        """Version of the latest change, 0 before the first."""
        return self._changes[-1].version if self._changes else self._dropped

    async def changed(self, since: int) -> None:
        """Wait until there is a change after ``since``."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            while self.version <= since:
                event.clear()
                await event.wait()
        finally:
            self._waiting.discard(event)


class Watch:
    """Changes of one kind that a selection sees, as an asynchronous iterator.

    An object that leaves the selection is seen as ``DELETED``, one that enters it as ``ADDED``.
    Cancelling a wait loses nothing.
    """

    def __init__(
        self,
        history: History,
        kind: str,
        selected: Callable[[Object], bool],
        *,
        since: int | None,
        current: Iterable[Object],
    ) -> None:
        """Watch from now on.

        Args:
            history: where changes come from.
            kind: key of the kind.
            selected: tells which objects are watched.
            since: version after which to begin; None: tell the current objects first.
            current: selected objects as they are.

        Raises:
            GoneError: when changes since then are no longer kept.
            ApiError: 504, when that version does not exist yet.
        """
        self._history = history
        self._kind = kind
        self._selected = selected
        self._position = history.version if since is None else since
        if self._position > history.version:
            raise ApiError(
                _GATEWAY_TIMEOUT,
                "Timeout",
                f"Too large resource version: {since}, current: {history.version}",
            )
        self._ready: deque[WatchEvent] = deque()
        if since is None:
            self._ready.extend(
                WatchEvent("ADDED", item, int(item["metadata"]["resourceVersion"]))
                for item in current
            )
        history.since(self._position)

    @property
    def position(self) -> int:
        """Version up to which everything was delivered; good for a bookmark."""
        return self._position

    @property
    def pending(self) -> bool:
        """Whether the next event can be had without waiting."""
        if not self._ready:
            self._collect()
        return bool(self._ready)

    def __aiter__(self) -> Watch:
        """Return itself."""
        return self

    async def __anext__(self) -> WatchEvent:
        """Return the next change.

        Raises:
            GoneError: when this watch was so slow that changes were dropped.
        """
        while not self.pending:
            await self._history.changed(self._position)
        event = self._ready.popleft()
        return WatchEvent(event.type, copied(event.object), event.resource_version)

    def _collect(self) -> None:
        for change in self._history.since(self._position):
            self._position = change.version
            event = self._seen(change) if change.kind == self._kind else None
            if event is not None:
                self._ready.append(event)

    def _seen(self, change: Change) -> WatchEvent | None:
        before = change.previous is not None and self._selected(change.previous)
        after = change.type != "DELETED" and self._selected(change.object)
        if not before and not after:
            return None
        type_ = "MODIFIED" if before and after else "ADDED" if after else "DELETED"
        return WatchEvent(type_, change.object, change.version)
