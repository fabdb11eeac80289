"""The audit trail: one ordered file of everything that was done to a world."""

from __future__ import annotations

import fcntl
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def now_rfc3339() -> str:
    """Return the current time, UTC, with milliseconds, as Kubernetes writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One thing that was done.

    Attributes:
        source: where it was seen: ``api``, ``exec``, ``kafka``, ``sql``, ``s3``, ``git``,
            ``argocd``, ``operator``, ``runbook``, ``process`` or ``harness``.
        actor: who did it (user agent, program, controller).
        verb: what was done (``patch``, ``create``, ``delete``, ``commit``, ``sync``, ...).
        object: what it was done to, e.g. ``torghut/flinkdeployments/torghut-ta``.
        body: the request's own content, JSON-like; secrets are left out by the writer.
        outcome: HTTP status, ``exit N`` or a word.
        time: RFC 3339, UTC.
    """

    source: str
    actor: str
    verb: str
    object: str
    body: Any = None
    outcome: str = "ok"
    time: str = field(default_factory=now_rfc3339)


class AuditTrail:
    """Append-only file shared by the processes of one world; a lock keeps lines in order."""

    def __init__(self, path: Path) -> None:
        """Use the file at ``path``; it is created by the first event."""
        self.path = path

    def record(self, event: AuditEvent) -> None:
        """Append one event; order in the file is order in time."""
        line = orjson.dumps(asdict(event), default=str) + b"\n"
        with self.path.open("ab", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(line)

    def events(self) -> Iterator[AuditEvent]:
        """Yield all events written so far, oldest first."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for line in file:
                yield AuditEvent(**orjson.loads(line))
