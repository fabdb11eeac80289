"""One request on its way through the server, and the line it leaves in the audit trail."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from harness.core.audit import AuditEvent
from harness.world.control_plane.api_server import requests
from harness.world.control_plane.client import object_path
from harness.world.control_plane.model.redaction import redacted

if TYPE_CHECKING:
    from harness.core.audit import AuditTrail
    from harness.world.control_plane.api_server.requests import Target
    from harness.world.control_plane.model.kinds import ResourceKind, Value
    from harness.world.control_plane.pods.runtime import PodRuntime
    from harness.world.control_plane.store import Store


@dataclass(slots=True)
class Exchange:
    """What a handler needs.

    Attributes:
        request: the HTTP request.
        store: the objects.
        audit: the audit trail.
        pods: what stands behind the pods.
        verb: what is done, for the audit trail.
        target: what it is done to; None for discovery and the like.
        body: the parsed body.
        recorded: whether the line is written already, as for streams, which end much later.
    """

    request: web.Request
    store: Store
    audit: AuditTrail
    pods: PodRuntime
    verb: str = "get"
    target: Target | None = None
    body: Value = None
    recorded: bool = field(default=False, init=False)

    @property
    def aim(self) -> Target:
        """The target, of handlers that have one."""
        assert self.target is not None  # noqa: S101 - the dispatcher sets it before
        return self.target

    @property
    def kind(self) -> ResourceKind:
        """Kind of the target."""
        return self.aim.kind

    @property
    def name(self) -> str:
        """Name of the target."""
        return self.aim.name or ""

    def record(self, outcome: int) -> None:
        """Write the line, once.

        Args:
            outcome: HTTP status.
        """
        if self.recorded:
            return
        self.recorded = True
        dry = " dry-run" if self.verb != "get" and "dryRun" in self.request.query else ""
        self.audit.record(
            AuditEvent(
                source="api",
                actor=requests.actor(self.request),
                verb=self.verb,
                object=self._object(),
                body=None if self.target is None else redacted(self.target.kind, self.body),
                outcome=f"{outcome}{dry}",
            )
        )

    def _object(self) -> str:
        if self.target is None:
            return self.request.path
        name = self.target.name
        if name is None and isinstance(self.body, dict) and self.verb == "create":
            name = str((self.body.get("metadata") or {}).get("name", ""))
        return object_path(
            self.target.kind, self.target.namespace, name or "", self.target.subresource
        )


def answer(value: Value, status: int = 200, content_type: str = "application/json") -> web.Response:
    """Return a JSON response."""
    return web.Response(
        body=orjson.dumps(value) + b"\n", status=status, headers={"Content-Type": content_type}
    )
