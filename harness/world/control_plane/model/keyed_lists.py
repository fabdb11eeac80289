"""Lists whose entries have an identity, and the strategic merge patch that relies on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from harness.world.control_plane.model.documents import copied

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.world.control_plane.model.kinds import Object, Value

_EVERYWHERE: Final[Mapping[str, tuple[str, ...]]] = {"ownerReferences": ("uid",)}
# Merge keys of the core types, by field name (patchMergeKey in the Go types).
_BUILT_IN: Final[Mapping[str, tuple[str, ...]]] = {
    **_EVERYWHERE,
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "ports": ("containerPort", "port"),
    "imagePullSecrets": ("name",),
    "conditions": ("type",),
    "secrets": ("name",),
    "hostAliases": ("ip",),
}
_SETS: Final = frozenset({"finalizers"})


def entry_key(name: str, entry: Value, *, built_in: bool) -> str | None:
    """Return which field identifies an entry of the list ``name``; None if it has no identity."""
    if not isinstance(entry, dict):
        return None
    keys = _keys(name, built_in=built_in)
    return next((key for key in keys if key in entry), None)


def has_keys(name: str, *, built_in: bool) -> bool:
    """Whether entries of the list ``name`` have an identity."""
    return bool(_keys(name, built_in=built_in))


def _keys(name: str, *, built_in: bool) -> tuple[str, ...]:
    return (_BUILT_IN if built_in else _EVERYWHERE).get(name, ())


def is_set(name: str) -> bool:
    """Whether the list ``name`` is a set of plain values."""
    return name in _SETS


def is_keyed(name: str, entries: Value, *, built_in: bool) -> bool:
    """Whether ``entries`` is a non-empty list all of whose entries have an identity."""
    return (
        isinstance(entries, list)
        and bool(entries)
        and all(entry_key(name, entry, built_in=built_in) for entry in entries)
    )


def same_entry(entry: Value, key: str, value: Value) -> bool:
    """Whether ``entry`` is the one that ``key`` and ``value`` identify."""
    return isinstance(entry, dict) and entry.get(key) == value


def strategic_patched(target: Value, patch: Value, name: str = "") -> Value:
    """Return ``target`` with a strategic merge patch of a built-in kind applied.

    Args:
        target: the document, or part of it.
        patch: the patch, with the directives ``$patch``, ``$retainKeys``,
            ``$setElementOrder/…`` and ``$deleteFromPrimitiveList/…``.
        name: field that holds this part.
    """
    if isinstance(patch, dict):
        return _patched_map(target if isinstance(target, dict) else {}, patch)
    if isinstance(patch, list):
        return _patched_list(target if isinstance(target, list) else [], patch, name)
    return patch


def _patched_map(target: Mapping[str, Any], patch: Mapping[str, Any]) -> Object:
    if patch.get("$patch") == "replace":
        return {key: copied(value) for key, value in patch.items() if key != "$patch"}
    if patch.get("$patch") == "delete":
        return {}
    kept = patch.get("$retainKeys")
    result = {key: value for key, value in target.items() if kept is None or key in kept}
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            field = key.split("/", 1)[1]
            result[field] = [item for item in result.get(field) or [] if item not in value]
        elif not key.startswith("$"):
            _patch_field(result, key, value)
    for key, order in patch.items():
        if key.startswith("$setElementOrder/"):
            _reorder(result, key.split("/", 1)[1], order)
    return result


def _patch_field(result: Object, key: str, value: Value) -> None:
    if value is None:
        result.pop(key, None)
    else:
        result[key] = strategic_patched(result.get(key), value, key)


def _patched_list(target: Sequence[Value], patch: Sequence[Value], name: str) -> list[Value]:
    if is_set(name):
        return [*target, *(value for value in patch if value not in target)]
    if any(isinstance(entry, dict) and entry.get("$patch") == "replace" for entry in patch):
        return [copied(entry) for entry in patch if "$patch" not in entry]
    result = list(target)
    for entry in patch:
        key = entry_key(name, entry, built_in=True)
        if key is None:
            return [copied(item) for item in patch]
        _patch_entry(result, entry, key)
    return result


def _patch_entry(result: list[Value], entry: Object, key: str) -> None:
    position = next((at for at, old in enumerate(result) if same_entry(old, key, entry[key])), None)
    if entry.get("$patch") == "delete":
        if position is not None:
            del result[position]
    elif position is None:
        result.append(strategic_patched({}, entry))
    else:
        result[position] = strategic_patched(result[position], entry)


def _reorder(result: Object, name: str, order: Sequence[Value]) -> None:
    entries = result.get(name)
    if not isinstance(entries, list):
        return
    place = {_identity(name, wanted): at for at, wanted in enumerate(order)}
    last = len(place)
    result[name] = sorted(entries, key=lambda entry: place.get(_identity(name, entry), last))


def _identity(name: str, entry: Value) -> str:
    key = entry_key(name, entry, built_in=True)
    return repr(entry[key]) if key else repr(entry)
