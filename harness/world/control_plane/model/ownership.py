"""Who owns which field: ``metadata.managedFields`` and server-side apply.

A field is a leaf of the document; its path is written with the elements of ``FieldsV1``:
``f:name`` for a map's field, ``k:{"name":"x"}`` for a keyed list's entry, ``v:"x"`` for a set's
member. A list without keys is one leaf.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import orjson

from harness.world.control_plane.model.keyed_lists import entry_key, is_keyed, is_set

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from harness.world.control_plane.model.kinds import Object, Value

Path: TypeAlias = tuple[str, ...]

_UNOWNED: Final = frozenset(
    {
        ("f:apiVersion",),
        ("f:kind",),
        *(
            ("f:metadata", f"f:{name}")
            for name in (
                "name",
                "namespace",
                "uid",
                "resourceVersion",
                "generation",
                "creationTimestamp",
                "deletionTimestamp",
                "deletionGracePeriodSeconds",
                "managedFields",
                "selfLink",
            )
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Owner:
    """Who wrote fields, and how.

    Attributes:
        manager: name of the field manager.
        operation: ``Apply`` or ``Update``.
        subresource: empty for the object itself.
    """

    manager: str
    operation: str = "Update"
    subresource: str = ""


def leaves(document: Mapping[str, Any], *, built_in: bool) -> dict[Path, Value]:
    """Return the fields that can be owned, and their values."""
    return {
        path: value
        for path, value in _walk((), "", document, built_in)
        if path[:2] not in _UNOWNED and path not in _UNOWNED
    }


def _walk(path: Path, name: str, value: Value, built_in: bool) -> Iterator[tuple[Path, Value]]:  # noqa: FBT001 - passed down
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from _walk((*path, f"f:{key}"), key, part, built_in)
    elif is_keyed(name, value, built_in=built_in):
        for entry in value:
            key = str(entry_key(name, entry, built_in=built_in))
            yield from _walk((*path, _key_element(key, entry[key])), "", entry, built_in)
    elif isinstance(value, list) and is_set(name):
        for member in value:
            yield (*path, f"v:{orjson.dumps(member).decode()}"), member
    else:
        yield path, value


def _key_element(key: str, value: Value) -> str:
    return f"k:{orjson.dumps({key: value}).decode()}"


def owners(document: Mapping[str, Any]) -> dict[Owner, set[Path]]:
    """Read ``metadata.managedFields``."""
    found: dict[Owner, set[Path]] = {}
    for entry in document["metadata"].get("managedFields") or []:
        owner = Owner(
            entry.get("manager", ""), entry.get("operation", "Update"), entry.get("subresource", "")
        )
        found.setdefault(owner, set()).update(_decoded((), entry.get("fieldsV1") or {}))
    return found


def _decoded(path: Path, fields: Mapping[str, Any]) -> Iterator[Path]:
    if not fields and path:
        yield path
    for key, part in fields.items():
        if key != ".":
            yield from _decoded((*path, key), part)


def managed_fields(
    fields: Mapping[Owner, Iterable[Path]], before: Object, *, api_version: str, time: str
) -> list[Object]:
    """Write ``metadata.managedFields``.

    Args:
        fields: fields by owner; owners of nothing are left out.
        before: the object before the change: entries that did not change keep their time.
        api_version: version in which the fields are written.
        time: RFC 3339, of entries that changed.
    """
    old = {
        Owner(
            entry.get("manager", ""), entry.get("operation", "Update"), entry.get("subresource", "")
        ): entry
        for entry in before.get("metadata", {}).get("managedFields") or []
    }
    entries = []
    for owner, paths in fields.items():
        encoded = _encoded(paths)
        previous = old.get(owner, {})
        unchanged = previous.get("fieldsV1") == encoded
        if encoded:
            entries.append(
                _entry(owner, encoded, api_version, previous["time"] if unchanged else time)
            )
    return entries


def _entry(owner: Owner, fields: Object, api_version: str, time: str) -> Object:
    entry = {
        "manager": owner.manager,
        "operation": owner.operation,
        "apiVersion": api_version,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    return entry | {"subresource": owner.subresource} if owner.subresource else entry


def _encoded(paths: Iterable[Path]) -> Object:
    root: Object = {}
    for path in sorted(paths):
        node = root
        for element in path:
            node = node.setdefault(element, {})
    return root


def after_update(
    before: Mapping[str, Any], after: Mapping[str, Any], owner: Owner, *, built_in: bool
) -> dict[Owner, set[Path]]:
    """Return the owners after a write: what the write changed belongs to the writer alone."""
    old, new = leaves(before, built_in=built_in), leaves(after, built_in=built_in)
    changed = {path for path, value in new.items() if path not in old or old[path] != value}
    result = {
        other: {path for path in paths if path in new and path not in changed}
        for other, paths in owners(after).items()
    }
    result.setdefault(owner, set()).update(changed)
    return result


def dotted(path: Path) -> str:
    """Return a path as conflicts show it, e.g. ``.spec.containers[name="ta"].image``."""
    text = ""
    for element in path:
        mark, _, rest = element.partition(":")
        if mark == "f":
            text += f".{rest}"
        elif mark == "k":
            keys = orjson.loads(rest).items()
            text += (
                "[" + ",".join(f"{key}={orjson.dumps(value).decode()}" for key, value in keys) + "]"
            )
        else:
            text += f"[={rest}]"
    return text
