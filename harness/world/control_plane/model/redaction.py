"""What the audit trail may not learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness.world.control_plane.model.documents import copied

if TYPE_CHECKING:
    from harness.world.control_plane.model.kinds import ResourceKind, Value

REDACTED: Final = "(redacted)"
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


def redacted(kind: ResourceKind, body: Value) -> Value:
    """Return a copy of a request's body in which a Secret's values are replaced.

    Args:
        kind: kind that the request is about.
        body: an object, a merge patch, or the operations of a JSON patch.
    """
    if kind.key != "Secret":
        return copied(body)
    if isinstance(body, list):
        return [
            {**operation, "value": REDACTED}
            if isinstance(operation, dict) and "value" in operation
            else operation
            for operation in body
        ]
    return _without_values(body) if isinstance(body, dict) else body


def _without_values(body: dict[str, Value]) -> dict[str, Value]:
    result = copied(body)
    for part in ("data", "stringData"):
        if isinstance(result.get(part), dict):
            result[part] = dict.fromkeys(result[part], REDACTED)
    annotations = (result.get("metadata") or {}).get("annotations")
    if isinstance(annotations, dict) and _LAST_APPLIED in annotations:
        annotations[_LAST_APPLIED] = REDACTED
    return result  # type: ignore[no-any-return]
