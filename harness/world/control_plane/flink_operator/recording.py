"""Status and events of a FlinkDeployment, as objects of the API."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from harness.world.control_plane.flink_operator.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from harness.world.control_plane.client import Client
    from harness.world.control_plane.flink_operator.events import OperatorEvent

KIND: Final = "FlinkDeployment"
ACTOR: Final = "flink-kubernetes-operator"


class ApiSink:
    """Writes what a reconciliation found to the API; a ``StatusSink``."""

    def __init__(
        self, client: Client, resource: dict[str, Any], clock: Callable[[], datetime]
    ) -> None:
        """Write for ``resource``.

        Args:
            client: acts as the operator.
            resource: the FlinkDeployment.
            clock: the time.
        """
        self._client = client
        self._namespace: str = resource["metadata"]["namespace"]
        self._name: str = resource["metadata"]["name"]
        self._reference = {
            "apiVersion": resource["apiVersion"],
            "kind": resource["kind"],
            "namespace": self._namespace,
            "name": self._name,
            "uid": resource["metadata"]["uid"],
        }
        self._clock = clock

    async def write(self, status: Status) -> None:
        """Replace the status if it changed; whatever else changed meanwhile stays.

        Raises:
            ApiError: when the resource is gone.
        """
        current = self._client.get(KIND, self._namespace, self._name)
        wanted = status.to_dict()
        if current.get("status") != wanted:
            self._client.replace({**current, "status": wanted}, subresource="status")

    async def event(self, event: OperatorEvent) -> None:
        """Record an event, or count it once more."""
        now = self._clock().strftime("%Y-%m-%dT%H:%M:%SZ")
        identity = f"{self._reference['uid']}/{event.component}/{event.reason}/{event.message}"
        name = f"{self._name}.{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
        known = self._client.find("Event", self._namespace, name)
        if known is not None:
            again = {"count": known.get("count", 1) + 1, "lastTimestamp": now}
            self._client.patch("Event", self._namespace, name, again)
            return
        self._client.create(
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": name, "namespace": self._namespace},
                "involvedObject": self._reference,
                "reason": event.reason.value,
                "message": event.message,
                "type": "Warning" if event.warning else "Normal",
                "source": {"component": event.component.value},
                "reportingComponent": ACTOR,
                "firstTimestamp": now,
                "lastTimestamp": now,
                "count": 1,
            }
        )

    async def fail(self, message: str) -> None:
        """Show an error without touching the rest of the status."""
        current = self._client.get(KIND, self._namespace, self._name)
        status = Status.from_dict(self._name, current.get("status"))
        status.error = message
        await self.write(status)
