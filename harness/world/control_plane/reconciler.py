"""What the small controllers have in common: one pass over everything, again after each change."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Final

from harness.core.audit import now_rfc3339
from harness.core.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.world.control_plane.client import Client
    from harness.world.control_plane.model.kinds import Object

_RETRY: Final = 1.0
"""Seconds until a failed pass is tried again, unless something changes before."""


class Reconciler(ABC):
    """A level-triggered controller: every pass looks at all objects, so no event can be lost.

    Attributes:
        kinds: kinds whose changes call for a pass.
        retriable: errors of a pass that are reported and tried again; others end the controller.
    """

    kinds: ClassVar[tuple[str, ...]] = ()
    retriable: ClassVar[tuple[type[Exception], ...]] = (HarnessError, OSError)

    def __init__(self, client: Client, *, resync: float) -> None:
        """Prepare the controller.

        Args:
            client: acts under the controller's name.
            resync: seconds after which a pass is made although nothing changed.
        """
        self.client = client
        self._resync = resync

    @abstractmethod
    async def reconcile(self) -> None:
        """Make one pass.

        Raises:
            HarnessError: when an object cannot be brought to its wanted state now.
        """

    async def run(self) -> None:
        """Reconcile at the start, after each change, and after each resync, until cancelled.

        A pass that finds everything as it should be writes nothing, so a controller that is
        woken by its own writes comes to rest after one more pass.
        """
        changed = asyncio.Event()
        since = self.client.store.resource_version
        async with asyncio.TaskGroup() as tasks:
            for kind in self.kinds:
                tasks.create_task(self._follow(kind, since, changed))
            tasks.create_task(self._loop(changed))

    async def _loop(self, changed: asyncio.Event) -> None:
        while True:
            changed.clear()
            pause = self._resync if await self._attempt() else min(self._resync, _RETRY)
            # Not wait_for: in Python 3.11 it can swallow a cancellation.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await changed.wait()

    async def _follow(self, kind: str, since: int, changed: asyncio.Event) -> None:
        async for _ in self.client.watch(kind, since=since):
            changed.set()

    async def _attempt(self) -> bool:
        try:
            await self.reconcile()
        except self.retriable as error:
            self.report(None, "ReconcileFailed", str(error), warning=True)
            return False
        return True

    def report(
        self, about: Object | None, reason: str, message: str, *, warning: bool = False
    ) -> None:
        """Record a Kubernetes Event; a repeated one is counted instead.

        Args:
            about: the object that it is about; None for the controller itself.
            reason: one word in CamelCase.
            message: one sentence.
            warning: something went wrong.
        """
        metadata = (about or {}).get("metadata", {})
        namespace = metadata.get("namespace", "default")
        name = f"{metadata.get('name', self.client.actor)}.{reason.lower()}"
        count = 1
        if known := self.client.find("Event", namespace, name):
            count = known["count"] + 1 if known["message"] == message else 1
            self.client.patch(
                "Event",
                namespace,
                name,
                {"message": message, "count": count, "lastTimestamp": now_rfc3339()},
            )
            return
        self.client.create(
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"namespace": namespace, "name": name},
                "type": "Warning" if warning else "Normal",
                "reason": reason,
                "message": message,
                "count": count,
                "firstTimestamp": now_rfc3339(),
                "lastTimestamp": now_rfc3339(),
                "source": {"component": self.client.actor},
                "involvedObject": {
                    "apiVersion": (about or {}).get("apiVersion", ""),
                    "kind": (about or {}).get("kind", ""),
                    "namespace": namespace,
                    "name": metadata.get("name", self.client.actor),
                    "uid": metadata.get("uid", ""),
                },
            }
        )


def condition(kind: str, status: bool, reason: str = "", message: str = "") -> dict[str, str]:  # noqa: FBT001
    """Return a condition as it stands in ``status.conditions``, without its time."""
    parts = {"type": kind, "status": str(status), "reason": reason, "message": message}
    return {key: value for key, value in parts.items() if value}


def set_status(client: Client, kind: str, obj: Object, status: Mapping[str, Any]) -> None:
    """Write a status where it differs from what is there.

    Conditions that did not change keep their ``lastTransitionTime``.

    Args:
        client: acts under the controller's name.
        kind: key of the kind.
        obj: the object.
        status: the whole status; conditions without times.
    """
    before = obj.get("status") or {}
    known = {entry["type"]: entry for entry in before.get("conditions") or []}
    conditions = [_timed(entry, known.get(entry["type"])) for entry in status.get("conditions", [])]
    wanted = {**status, **({"conditions": conditions} if conditions else {})}
    if wanted == before:
        return
    metadata = obj["metadata"]
    subresource = "status" if client.store.kind(kind).has_status else None
    client.patch(
        kind,
        metadata.get("namespace"),
        metadata["name"],
        {"status": _merge_patch(before, wanted)},
        subresource=subresource,
    )


def _timed(entry: dict[str, str], before: dict[str, str] | None) -> dict[str, str]:
    if before is not None and {**before, "lastTransitionTime": ""} == {
        **entry,
        "lastTransitionTime": "",
    }:
        return before
    return {**entry, "lastTransitionTime": now_rfc3339()}


def _merge_patch(before: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON merge patch that turns ``before`` into ``wanted``."""
    patch: dict[str, Any] = dict.fromkeys(before.keys() - wanted.keys())
    for key, value in wanted.items():
        old = before.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            patch[key] = _merge_patch(old, value)
        elif old != value:
            patch[key] = value
    return patch
