"""The rules of a write: what a client may set, what the server sets, what it refuses."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from harness.world.control_plane.model.apply import applied
from harness.world.control_plane.model.defaults import generated_name, with_defaults
from harness.world.control_plane.model.documents import copied
from harness.world.control_plane.model.errors import (
    AlreadyExistsError,
    BadRequestError,
    ConflictError,
    InvalidError,
    NotFoundError,
)
from harness.world.control_plane.model.ownership import (
    after_update,
    managed_fields,
)
from harness.world.control_plane.model.validation import validate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.world.control_plane.model.kinds import Object, ResourceKind
    from harness.world.control_plane.model.ownership import (
        Owner,
        Path,
    )
    from harness.world.control_plane.model.table import Table

_SERVER_FIELDS: Final = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "namespace",
    "name",
    "resourceVersion",
)
_OMITTED_WHEN_EMPTY: Final = (
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
    "managedFields",
    "creationTimestamp",
)


@dataclass(frozen=True, slots=True)
class Write:
    """How a write is made.

    Attributes:
        owner: who writes, with which operation, to which subresource.
        dry_run: check and answer, store nothing.
        patched: whether the object is the result of a patch.
        fields: owners of all fields, when server-side apply has worked them out.
    """

    owner: Owner
    dry_run: bool = False
    patched: bool = False
    fields: Mapping[Owner, set[Path]] | None = None


def create(
    table: Table, kind: ResourceKind, item: Object, write: Write, *, keep_status: bool
) -> Object:
    """Store ``item``, which the caller gives away, as a new object.

    Raises:
        AlreadyExistsError: when the name is taken.
        NotFoundError: when the namespace does not exist.
        InvalidError: when the object does not fit its schema.
    """
    metadata = _metadata(item)
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = generated_name(str(metadata["generateName"]))
    _place(table, kind, metadata)
    if metadata.get("resourceVersion"):
        raise BadRequestError("resourceVersion should not be set on objects to be created")
    for name in _SERVER_FIELDS[:5]:
        metadata.pop(name, None)
    if kind.has_status and not keep_status:
        item.pop("status", None)
    with_defaults(kind, item)
    validate(kind, item, patched=write.patched)
    if table.find(kind, metadata.get("namespace"), metadata["name"]):
        raise AlreadyExistsError(kind, metadata["name"])
    metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": table.clock()}
    if kind.generation:
        metadata["generation"] = 1
    _set_owners(table, kind, {"metadata": {}}, item, write)
    return item if write.dry_run else table.put(kind, item)


def _metadata(item: Object) -> Object:
    metadata = item.setdefault("metadata", {})
    if not isinstance(metadata, dict):
        raise BadRequestError("json: cannot unmarshal metadata: it is not an object")
    for name in _OMITTED_WHEN_EMPTY:
        if not metadata.get(name, True):
            del metadata[name]
    return metadata


def _place(table: Table, kind: ResourceKind, metadata: Object) -> None:
    if not kind.namespaced:
        metadata.pop("namespace", None)
        return
    namespace = metadata.setdefault("namespace", "default")
    space = table.kinds.get("Namespace")
    if space is None:
        return
    found = table.find(space, None, namespace)
    if found is None:
        raise NotFoundError.of(space, namespace)


def update(
    table: Table, kind: ResourceKind, current: Object, desired: Object, write: Write
) -> Object:
    """Put ``desired``, which the caller gives away, in the place of ``current``.

    Raises:
        ConflictError: when ``desired`` was made from another version, or is another object.
        InvalidError: when the result does not fit its schema.
    """
    _check_identity(kind, current, desired)
    item = _restricted(kind, current, desired, write.owner.subresource)
    with_defaults(kind, item)
    validate(kind, item, patched=write.patched)
    if kind.generation and _specified(kind, item) != _specified(kind, current):
        item["metadata"]["generation"] = current["metadata"]["generation"] + 1
    _set_owners(table, kind, current, item, write)
    if _content(item) == _content(current):
        return current
    if write.dry_run:
        return item
    stored = table.put(kind, item)
    metadata = stored["metadata"]
    if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
        table.remove(kind, stored)
    return stored


def _check_identity(kind: ResourceKind, current: Object, desired: Object) -> None:
    metadata, now = _metadata(desired), current["metadata"]
    name = now["name"]
    for field in ("name", "namespace"):
        if metadata.get(field) not in (None, "", now.get(field)):
            raise BadRequestError(
                f"the {field} of the object ({metadata[field]}) does not match the {field} on the "
                f"URL ({now.get(field)})"
            )
    if (desired.get("apiVersion"), desired.get("kind")) != (kind.api_version, kind.kind):
        raise BadRequestError("the object provided is unrecognized: apiVersion or kind differ")
    if metadata.get("resourceVersion") not in (None, "", now["resourceVersion"]):
        raise ConflictError.modified(kind, name)
    if metadata.get("uid") not in (None, "", now["uid"]):
        raise ConflictError.precondition(
            kind,
            name,
            f"Precondition failed: UID in precondition: {metadata['uid']}, "
            f"UID in object meta: {now['uid']}",
        )


def _restricted(kind: ResourceKind, current: Object, desired: Object, subresource: str) -> Object:
    """Return what becomes of ``desired``: status is written alone, server's fields never."""
    now = copied(current)
    if subresource == "status":
        status, fields = desired.get("status"), desired["metadata"].get("managedFields")
        item: Object = {key: value for key, value in now.items() if key != "status"}
        if status is not None:
            item["status"] = status
        item["metadata"]["managedFields"] = fields or now["metadata"].get("managedFields", [])
        return item
    if kind.has_status:
        desired.pop("status", None)
        if "status" in now:
            desired["status"] = now["status"]
    metadata = desired["metadata"]
    for field in _SERVER_FIELDS:
        metadata.pop(field, None)
        if field in now["metadata"]:
            metadata[field] = now["metadata"][field]
    metadata.setdefault("managedFields", now["metadata"].get("managedFields", []))
    return desired


def _specified(kind: ResourceKind, item: Object) -> dict[str, Any]:
    outside = {"metadata", "status"} if kind.has_status else {"metadata"}
    return {key: value for key, value in item.items() if key not in outside}


def _content(item: Object) -> dict[str, Any]:
    """Return all that a write can change, without the times of field ownership."""
    metadata = dict(item["metadata"])
    fields = metadata.pop("managedFields", None) or []
    timeless = [{key: part for key, part in entry.items() if key != "time"} for entry in fields]
    return {**item, "metadata": metadata, "fields": timeless}


def _set_owners(
    table: Table, kind: ResourceKind, before: Object, item: Object, write: Write
) -> None:
    fields = write.fields or after_update(before, item, write.owner, built_in=kind.built_in)
    item["metadata"]["managedFields"] = managed_fields(
        fields, before, api_version=kind.api_version, time=table.clock()
    )


def apply(
    table: Table,
    kind: ResourceKind,
    place: tuple[str | None, str],
    intent: Object,
    write: Write,
    *,
    force: bool,
) -> Object:
    """Apply a manager's intent; create the object when it is not there.

    Args:
        table: where objects are.
        kind: kind of the object.
        place: its namespace and name.
        intent: all fields that the manager wants to own; given away by the caller.
        write: how it is written.
        force: take over fields that others own.

    Raises:
        ConflictError: when another manager owns a field with a different value.
        InvalidError: when the result does not fit its schema.
    """
    namespace, name = place
    metadata = _metadata(intent)
    if metadata.pop("managedFields", None):
        raise BadRequestError("metadata.managedFields must be nil")
    metadata.setdefault("name", name)
    if kind.namespaced:
        metadata.setdefault("namespace", namespace or "default")
    current = table.find(kind, namespace, name)
    if current is None:
        if metadata.get("resourceVersion") or metadata.get("uid"):
            raise ConflictError.precondition(kind, name, "the object does not exist")
        return create(table, kind, intent, write, keep_status=False)
    _check_identity(kind, current, copied(intent))
    merged, fields = applied(kind, current, intent, write.owner, force=force)
    merged["metadata"].pop("resourceVersion", None)
    return update(
        table,
        kind,
        current,
        merged,
        Write(write.owner, write.dry_run, patched=True, fields=fields),
    )


def check_preconditions(
    kind: ResourceKind, current: Object, uid: str | None, resource_version: str | None
) -> None:
    """Refuse the deletion of another object, or of another version of it.

    Raises:
        ConflictError: when ``uid`` or ``resource_version`` is given and differs.
    """
    metadata = current["metadata"]
    for title, wanted, actual in (
        ("UID", uid, metadata["uid"]),
        ("ResourceVersion", resource_version, metadata["resourceVersion"]),
    ):
        if wanted and wanted != actual:
            raise ConflictError.precondition(
                kind,
                metadata["name"],
                f"Precondition failed: {title} in precondition: {wanted}, "
                f"{title} in object meta: {actual}",
            )


def require_version(kind: ResourceKind, name: str, metadata: Mapping[str, Any]) -> None:
    """Refuse the replacement of a custom resource that does not say which version it replaces.

    Raises:
        InvalidError: when ``resourceVersion`` is missing.
    """
    if not kind.built_in and not metadata.get("resourceVersion"):
        cause = {
            "reason": "FieldValueInvalid",
            "message": "Invalid value: 0x0: must be specified for an update",
            "field": "metadata.resourceVersion",
        }
        raise InvalidError(kind, name, [cause])
