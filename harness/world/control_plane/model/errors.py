"""Errors of the Kubernetes API, worded as the real server words them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.core.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.world.control_plane.model.kinds import ResourceKind


class ApiError(HarnessError):
    """A request that the API refuses; rendered as a Kubernetes ``Status``.

    Attributes:
        code: HTTP status.
        reason: machine-readable word, e.g. ``NotFound``.
        message: the sentence that kubectl prints.
        details: ``name``, ``group``, ``kind``, ``causes``, as far as known.
    """

    def __init__(
        self, code: int, reason: str, message: str, details: Mapping[str, Any] | None = None
    ) -> None:
        """Keep the parts of the ``Status``."""
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = dict(details or {})

    def status(self) -> dict[str, Any]:
        """Return the ``Status`` object that goes over the wire."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        if self.details:
            status["details"] = self.details
        return status


def _details(kind: ResourceKind, name: str) -> dict[str, Any]:
    details = {"name": name, "kind": kind.plural}
    return details | {"group": kind.group} if kind.group else details


class NotFoundError(ApiError):
    """404: no such object, or no such resource."""

    def __init__(self, message: str, details: Mapping[str, Any] | None = None) -> None:
        """Say what was not found."""
        super().__init__(404, "NotFound", message, details)

    @classmethod
    def of(cls, kind: ResourceKind, name: str) -> NotFoundError:
        """Return the error for an object that is not there."""
        return cls(f'{kind.resource} "{name}" not found', _details(kind, name))


class AlreadyExistsError(ApiError):
    """409: the name is taken."""

    def __init__(self, kind: ResourceKind, name: str) -> None:
        """Name the object."""
        message = f'{kind.resource} "{name}" already exists'
        super().__init__(409, "AlreadyExists", message, _details(kind, name))


class ConflictError(ApiError):
    """409: stale resourceVersion or uid, or fields that another manager owns."""

    def __init__(self, message: str, details: Mapping[str, Any] | None = None) -> None:
        """Say what is in conflict."""
        super().__init__(409, "Conflict", message, details)

    @classmethod
    def modified(cls, kind: ResourceKind, name: str) -> ConflictError:
        """Return the error for a write that was made against an older version."""
        return cls(
            f'Operation cannot be fulfilled on {kind.resource} "{name}": the object has been '
            "modified; please apply your changes to the latest version and try again",
            _details(kind, name),
        )

    @classmethod
    def precondition(cls, kind: ResourceKind, name: str, what: str) -> ConflictError:
        """Return the error for a precondition of a deletion that does not hold."""
        return cls(
            f'Operation cannot be fulfilled on {kind.resource} "{name}": {what}',
            _details(kind, name),
        )

    @classmethod
    def fields(cls, conflicts: Sequence[tuple[str, str]]) -> ConflictError:
        """Return the error of a server-side apply.

        Args:
            conflicts: pairs of the manager (with its API version) and the field it owns.
        """
        count = f"{len(conflicts)} conflict" + ("s" if len(conflicts) > 1 else "")
        managers = {manager for manager, _ in conflicts}
        if len(managers) == 1 and len(conflicts) == 1:
            text = f"conflict with {conflicts[0][0]}: {conflicts[0][1]}"
        else:
            text = "conflicts" + "".join(
                f" with {manager}:\n"
                + "\n".join(f"- {field}" for owner, field in conflicts if owner == manager)
                for manager in sorted(managers)
            )
        causes = [
            {
                "reason": "FieldManagerConflict",
                "message": f"conflict with {manager}",
                "field": field,
            }
            for manager, field in conflicts
        ]
        return cls(f"Apply failed with {count}: {text}", {"causes": causes})


class InvalidError(ApiError):
    """422: the object does not fit its schema."""

    def __init__(self, kind: ResourceKind, name: str, causes: Sequence[Mapping[str, str]]) -> None:
        """Join the causes into one sentence.

        Args:
            kind: kind of the object.
            name: its name.
            causes: ``reason``, ``message`` and ``field`` of each fault.
        """
        faults = [f"{cause['field']}: {cause['message']}" for cause in causes]
        listed = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
        shown = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
        details = _details(kind, name) | {"kind": kind.kind, "causes": list(causes)}
        super().__init__(422, "Invalid", f'{shown} "{name}" is invalid: {listed}', details)


class BadRequestError(ApiError):
    """400: the request cannot be understood."""

    def __init__(self, message: str) -> None:
        """Say what cannot be understood."""
        super().__init__(400, "BadRequest", message)


class GoneError(ApiError):
    """410: the resourceVersion is older than the history that is kept."""

    def __init__(self, since: int, oldest: int) -> None:
        """Name both versions."""
        super().__init__(410, "Expired", f"too old resource version: {since} ({oldest})")


class UnsupportedMediaTypeError(ApiError):
    """415: a patch type that does not exist, or that the kind does not support."""

    def __init__(self, accepted: Sequence[str]) -> None:
        """List what is accepted."""
        super().__init__(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: "
            + ", ".join(accepted),
        )
