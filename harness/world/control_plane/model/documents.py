"""Operations on JSON documents: copy, merge patch (RFC 7386), JSON patch (RFC 6902)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.world.control_plane.model.errors import ApiError, BadRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.world.control_plane.model.kinds import Object, Value


def copied(value: Value) -> Value:
    """Return a deep copy of a JSON value (three times as fast as ``copy.deepcopy``)."""
    if isinstance(value, dict):
        return {key: copied(part) for key, part in value.items()}
    if isinstance(value, list):
        return [copied(part) for part in value]
    return value


def merge_patched(target: Value, patch: Value) -> Value:
    """Return ``target`` with a JSON merge patch applied: null deletes, lists are replaced."""
    if not isinstance(patch, dict):
        return copied(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patched(result.get(key), value)
    return result


def json_patched(target: Object, operations: Sequence[Object]) -> Object:
    """Return ``target`` with a JSON patch applied; all operations or none.

    Raises:
        BadRequestError: when the patch itself is malformed.
        ApiError: 422, when an operation does not fit the document or a test fails.
    """
    result = copied(target)
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise BadRequestError("error decoding patch: an operation needs op and path")
        result = _operate(result, operation)
    if not isinstance(result, dict):
        raise _unfit("the result is not an object")
    return result


def _unfit(why: str) -> ApiError:
    return ApiError(
        422,
        "Invalid",
        f"the server rejected our request due to an error in our request: {why}",
    )


def _operate(document: Value, operation: Object) -> Value:
    name, path = operation.get("op"), _pointer(operation["path"])
    if name in {"add", "replace", "test"}:
        if "value" not in operation:
            raise _unfit(f"operation {name} needs a value")
        return _write(document, str(name), path, copied(operation["value"]))
    if name == "remove":
        _take(document, path)
        return document
    if name in {"move", "copy"}:
        source = _pointer(str(operation.get("from", "")))
        value = _take(document, source) if name == "move" else copied(_find(document, source))
        return _write(document, "add", path, value)
    raise _unfit(f"unknown operation {name!r}")


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise _unfit(f"path {text!r} does not begin with /")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _find(document: Value, path: Sequence[str]) -> Value:
    for part in path:
        document = _child(document, part)
    return document


def _child(parent: Value, part: str) -> Value:
    if isinstance(parent, dict) and part in parent:
        return parent[part]
    if isinstance(parent, list) and part != "-":
        return parent[_index(parent, part, len(parent) - 1)]
    raise _unfit(f"path element {part!r} does not exist")


def _index(parent: Sequence[Value], part: str, last: int) -> int:
    if part == "-":
        return len(parent)
    if not part.isdecimal() or int(part) > last:
        raise _unfit(f"list index {part!r} is out of bounds")
    return int(part)


def _take(document: Value, path: Sequence[str]) -> Value:
    if not path:
        raise _unfit("the whole document cannot be removed")
    parent = _find(document, path[:-1])
    value = _child(parent, path[-1])
    del parent[path[-1] if isinstance(parent, dict) else int(path[-1])]
    return value


def _write(document: Value, name: str, path: Sequence[str], value: Value) -> Value:
    if name == "test":
        if _find(document, path) != value:
            raise _unfit(f"testing path /{'/'.join(path)} failed: the value differs")
        return document
    if not path:
        return value
    parent = _find(document, path[:-1])
    if name == "replace":
        _child(parent, path[-1])
    _set(parent, path[-1], value, insert=name == "add")
    return document


def _set(parent: Value, part: str, value: Value, *, insert: bool) -> None:
    if isinstance(parent, dict):
        parent[part] = value
    elif isinstance(parent, list):
        index = _index(parent, part, len(parent))
        parent[index : index + (not insert)] = [value]
    else:
        raise _unfit(f"path element {part!r} is inside of a plain value")
