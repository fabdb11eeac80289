"""Kubernetes' protobuf, as far as kubectl sends it: ``create configmap`` and its like, deletions.

From release 1.32 on kubectl's typed clients write protobuf. The field numbers are those of the
published ``generated.proto`` files; a kind that is not listed here is refused with 415, and
``kubectl create -f`` with JSON or YAML still works for it.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from harness.world.control_plane.model.errors import ApiError, BadRequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.world.control_plane.model.kinds import Object, Value

MEDIA_TYPE: Final = "application/vnd.kubernetes.protobuf"

_MAGIC: Final = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

_Shape: TypeAlias = Literal["text", "number", "flag"] | dict[int, "_Field"]


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    shape: _Shape = "text"
    form: Literal["one", "list", "texts", "bytes"] = "one"


_REFERENCE: Final = {
    1: _Field("kind"),
    3: _Field("name"),
    4: _Field("uid"),
    5: _Field("apiVersion"),
}
_META: Final = {
    1: _Field("name"),
    2: _Field("generateName"),
    3: _Field("namespace"),
    5: _Field("uid"),
    6: _Field("resourceVersion"),
    11: _Field("labels", form="texts"),
    12: _Field("annotations", form="texts"),
    13: _Field("ownerReferences", _REFERENCE, "list"),
    14: _Field("finalizers", form="list"),
}
_SHAPES: Final[Mapping[str, dict[int, _Field]]] = {
    "ConfigMap": {
        1: _Field("metadata", _META),
        2: _Field("data", form="texts"),
        3: _Field("binaryData", form="bytes"),
        4: _Field("immutable", "flag"),
    },
    "Secret": {
        1: _Field("metadata", _META),
        2: _Field("data", form="bytes"),
        3: _Field("type"),
        4: _Field("stringData", form="texts"),
        5: _Field("immutable", "flag"),
    },
    "Namespace": {1: _Field("metadata", _META)},
    "ServiceAccount": {1: _Field("metadata", _META)},
    "DeleteOptions": {
        1: _Field("gracePeriodSeconds", "number"),
        2: _Field("preconditions", {1: _Field("uid"), 2: _Field("resourceVersion")}),
        3: _Field("orphanDependents", "flag"),
        4: _Field("propagationPolicy"),
        5: _Field("dryRun", form="list"),
    },
}
_UNKNOWN: Final = {1: _Field("type", {1: _Field("apiVersion"), 2: _Field("kind")})}


def decode(content: bytes) -> Object:
    """Return the object that a protobuf body holds.

    Raises:
        BadRequestError: when it cannot be parsed.
        ApiError: 415, when its kind is not known here.
    """
    if not content.startswith(_MAGIC):
        raise BadRequestError("the object provided is unrecognized: no protobuf of Kubernetes")
    try:
        envelope = content[len(_MAGIC) :]
        kind = _message(envelope, _UNKNOWN).get("type", {})
        raw = b"".join(value for at, value in _fields(envelope) if at == 2)  # type: ignore[misc]  # noqa: PLR2004
        shape = _SHAPES.get(kind.get("kind", ""))
        if shape is None:
            raise ApiError(
                415,
                "UnsupportedMediaType",
                f"protobuf of kind {kind.get('kind')!r} is not understood; send JSON or YAML",
            )
        return {**kind, **_message(raw, shape)}
    except (IndexError, UnicodeDecodeError, TypeError) as error:
        raise BadRequestError(f"error decoding protobuf: {error}") from error


def _message(content: bytes, shape: Mapping[int, _Field]) -> Object:
    result: Object = {}
    for number, value in _fields(content):
        field = shape.get(number)
        if field is not None:
            _add(result, field, value)
    return result


def _add(result: Object, field: _Field, value: int | bytes) -> None:
    if field.form in {"texts", "bytes"}:
        entry = dict(_fields(_as_bytes(value)))
        content = _as_bytes(entry.get(2, b""))
        text = content.decode() if field.form == "texts" else base64.b64encode(content).decode()
        result.setdefault(field.name, {})[_as_bytes(entry.get(1, b"")).decode()] = text
    elif field.form == "list":
        result.setdefault(field.name, []).append(_value(field.shape, value))
    elif (single := _value(field.shape, value)) != "":
        result[field.name] = single


def _value(shape: _Shape, value: int | bytes) -> Value:
    if shape == "number":
        return value
    if shape == "flag":
        return bool(value)
    content = _as_bytes(value)
    return _message(content, shape) if isinstance(shape, dict) else content.decode()


def _as_bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise TypeError("a number where bytes belong")
    return value


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield field numbers and raw values of a message."""
    at = 0
    while at < len(content):
        tag, at = _varint(content, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _varint(content, at)
            yield tag >> 3, value
            continue
        length = {_FIXED64: 8, _FIXED32: 4}.get(kind)
        if kind == _BYTES:
            length, at = _varint(content, at)
        if length is None or at + length > len(content):
            raise IndexError("a field does not end inside of the message")
        yield tag >> 3, content[at : at + length]
        at += length


def _varint(content: bytes, at: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = content[at]
        at += 1
        result |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 - the last byte of a number
            return result, at
