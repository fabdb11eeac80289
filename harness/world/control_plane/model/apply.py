"""Server-side apply: merge a manager's whole intent, report conflicts, drop what it gave up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from harness.world.control_plane.model.documents import copied
from harness.world.control_plane.model.errors import ConflictError
from harness.world.control_plane.model.keyed_lists import (
    entry_key,
    has_keys,
    is_keyed,
    is_set,
    same_entry,
)
from harness.world.control_plane.model.ownership import dotted, leaves, owners

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.world.control_plane.model.kinds import Object, ResourceKind, Value
    from harness.world.control_plane.model.ownership import Owner, Path
_KUBECTL: Final = "kubectl"
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


def applied(
    kind: ResourceKind, current: Object, intent: Object, owner: Owner, *, force: bool
) -> tuple[Object, dict[Owner, set[Path]]]:
    """Merge a manager's intent into an object.

    Args:
        kind: kind of the object.
        current: the object as it is.
        intent: all fields that the manager wants to own.
        owner: the manager.
        force: take over fields that others own.

    Returns:
        The merged object and the owners of its fields.

    Raises:
        ConflictError: when another manager owns a field with a different value.
    """
    wanted = leaves(intent, built_in=kind.built_in)
    now = leaves(current, built_in=kind.built_in)
    held = owners(current)
    contested = _contested(wanted, now, held, owner)
    allowed = _last_applied(kind, current, now) if owner.manager == _KUBECTL else set()
    refused = [(other, path) for other, path in contested if path not in allowed]
    if refused and not force:
        raise ConflictError.fields([(_shown(other, kind), dotted(path)) for other, path in refused])
    lost = {path for _, path in contested}
    fields = {other: paths - lost for other, paths in held.items() if other != owner}
    shared: set[Path] = set().union(*fields.values()) if fields else set()
    # A leaf that is no leaf any more, an empty map that others have filled, is left alone.
    given_up = (held.get(owner, set()) - wanted.keys() - shared) & now.keys()
    merged = _merged(copied(current), intent, "", built_in=kind.built_in)
    for path in sorted(given_up, key=_identifies):
        _remove(merged, path, only_alone=_identifies(path))
    fields[owner] = set(wanted)
    return merged, fields


def _last_applied(kind: ResourceKind, current: Object, now: Mapping[Path, Value]) -> set[Path]:
    """Return the fields that still are as the client-side ``kubectl apply`` left them.

    The real server lets kubectl's server-side apply take these over without a conflict.
    """
    annotations = current["metadata"].get("annotations") or {}
    try:
        applied_before = orjson.loads(annotations.get(_LAST_APPLIED, "{}"))
    except orjson.JSONDecodeError:
        return set()
    before = leaves(applied_before, built_in=kind.built_in)
    return {path for path, value in before.items() if path in now and now[path] == value}


def _contested(
    wanted: Mapping[Path, Any],
    now: Mapping[Path, Any],
    held: Mapping[Owner, Iterable[Path]],
    owner: Owner,
) -> list[tuple[Owner, Path]]:
    return [
        (other, path)
        for other, paths in held.items()
        if other != owner
        for path in sorted(paths)
        if path in wanted and path in now and wanted[path] != now[path]
    ]


def _shown(owner: Owner, kind: ResourceKind) -> str:
    name = f'"{owner.manager}"'
    if owner.subresource:
        name += f' with subresource "{owner.subresource}"'
    return name if owner.operation == "Apply" else f"{name} using {kind.api_version}"


def _merged(target: Value, intent: Value, name: str, *, built_in: bool) -> Value:
    if isinstance(intent, dict):
        result = dict(target) if isinstance(target, dict) else {}
        for key, value in intent.items():
            result[key] = _merged(result.get(key), value, key, built_in=built_in)
        return result
    if isinstance(target, list) and isinstance(intent, list):
        return _merged_list(target, intent, name, built_in=built_in)
    return copied(intent)


def _merged_list(
    target: Sequence[Value], intent: Sequence[Value], name: str, *, built_in: bool
) -> list[Value]:
    if is_set(name):
        return [*target, *(member for member in intent if member not in target)]
    if not intent and has_keys(name, built_in=built_in):
        return list(target)
    if not is_keyed(name, intent, built_in=built_in):
        return [copied(entry) for entry in intent]
    result = list(target)
    for entry in intent:
        key = str(entry_key(name, entry, built_in=built_in))
        at = next((at for at, old in enumerate(result) if same_entry(old, key, entry[key])), None)
        if at is None:
            result.append(copied(entry))
        else:
            result[at] = _merged(result[at], entry, "", built_in=built_in)
    return result


def _identifies(path: Path) -> bool:
    """Whether a leaf is the key of a list's entry: it goes last, and not while others remain."""
    entry = path[-2] if len(path) > 1 else ""
    return entry.startswith("k:") and path[-1].removeprefix("f:") in orjson.loads(entry[2:])


def _remove(document: Value, path: Path, *, only_alone: bool) -> None:
    """Remove a leaf, and the containers that it leaves empty.

    Args:
        document: where to remove it from.
        path: the way to it.
        only_alone: keep it while there is something beside it.
    """
    position = _position(document, path[0])
    if position is None or (only_alone and len(path) == 1 and len(document) > 1):
        return
    if len(path) > 1:
        _remove(document[position], path[1:], only_alone=only_alone)
    if len(path) == 1 or document[position] in ({}, []):
        del document[position]


def _position(document: Value, element: str) -> Any:  # noqa: ANN401 - a key or an index
    mark, _, rest = element.partition(":")
    if isinstance(document, dict):
        return rest if mark == "f" and rest in document else None
    if not isinstance(document, list):
        return None
    if mark == "v":
        member = orjson.loads(rest)
        return document.index(member) if member in document else None
    [(key, value)] = orjson.loads(rest).items()
    return next((at for at, entry in enumerate(document) if same_entry(entry, key, value)), None)
