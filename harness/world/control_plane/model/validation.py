"""What the API refuses: bad names, and values that a kind's schema does not allow."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import orjson

from harness.world.control_plane.model.errors import ApiError, BadRequestError, InvalidError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.world.control_plane.model.kinds import Object, ResourceKind, Value

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAME_LIMIT: Final = 253
_NAME_RULE: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    r"for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}
_GO_TYPES: Final = {
    str: "string",
    bool: "bool",
    int: "number",
    float: "number",
    dict: "object",
    list: "array",
}

Cause = dict[str, str]


def validate(kind: ResourceKind, item: Object, *, patched: bool) -> None:
    """Check an object before it is stored.

    Args:
        kind: its kind.
        item: the whole object.
        patched: whether a patch led to it: decides how built-in kinds word their refusal.

    Raises:
        InvalidError: 422, naming each field.
        BadRequestError: 400, when a built-in kind's field has another type.
    """
    name = str(item["metadata"].get("name", ""))
    faults = [*_name_faults(name), *_label_faults(item)]
    if not faults:
        faults = list(schema_faults(kind.schema, item, ""))
        if faults and kind.built_in:
            raise _cannot_decode(kind, faults[0], patched=patched)
    if faults:
        raise InvalidError(kind, name, faults)


def _name_faults(name: str) -> Iterator[Cause]:
    if not name:
        yield _cause(
            "metadata.name",
            "FieldValueRequired",
            "Required value: name or generateName is required",
        )
    elif len(name) > _NAME_LIMIT or not _NAME.fullmatch(name):
        text = f"Invalid value: {_json(name)}: {_NAME_RULE}"
        yield _cause("metadata.name", "FieldValueInvalid", text)


def _label_faults(item: Object) -> Iterator[Cause]:
    for part in ("labels", "annotations"):
        values = item["metadata"].get(part)
        for key, value in values.items() if isinstance(values, dict) else ():
            if not isinstance(value, str):
                raise BadRequestError(
                    f"{item['kind']} cannot be handled: json: cannot unmarshal "
                    f"{_go_type(value)} into Go struct field ObjectMeta.metadata.{part} of type "
                    "string"
                )
            if part == "labels" and len(value) > 63:  # noqa: PLR2004 - limit of a label's value
                yield _cause(
                    f"metadata.labels.{key}",
                    "FieldValueInvalid",
                    f"Invalid value: {_json(value)}: must be no more than 63 bytes",
                )


def schema_faults(schema: Mapping[str, Any], value: Value, path: str) -> Iterator[Cause]:
    """Yield what in ``value`` the schema does not allow; null and unknown fields pass.

    Args:
        schema: OpenAPI schema: type, enum, minimum, required, properties, items and
            additionalProperties are understood.
        value: the value.
        path: dotted path to it, empty for the document.
    """
    if value is None or not schema:
        return
    expected = schema.get("type")
    if expected and not _has_type(expected, value):
        yield _type_fault(path, expected, value)
    elif "enum" in schema and value not in schema["enum"]:
        listed = ", ".join(_json(option) for option in sorted(schema["enum"]))
        text = f"Unsupported value: {_json(value)}: supported values: {listed}"
        yield _cause(path, "FieldValueNotSupported", text)
    elif "minimum" in schema and value < schema["minimum"]:
        text = f"{path} in body should be greater than or equal to {schema['minimum']}"
        yield _cause(path, "FieldValueInvalid", f"Invalid value: {_json(value)}: {text}")
    elif isinstance(value, dict):
        yield from _map_faults(schema, value, path)
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from schema_faults(schema.get("items", {}), entry, f"{path}[{number}]")


def _map_faults(schema: Mapping[str, Any], value: Object, path: str) -> Iterator[Cause]:
    prefix = f"{path}." if path else ""
    for name in schema.get("required", ()):
        if value.get(name) is None:
            yield _cause(f"{prefix}{name}", "FieldValueRequired", "Required value")
    known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    for name, part in value.items():
        yield from schema_faults(known.get(name, others), part, f"{prefix}{name}")


def _has_type(expected: str, value: Value) -> bool:
    if isinstance(value, bool):
        return expected == "boolean"
    return isinstance(value, _TYPES[expected])


def _type_fault(path: str, expected: str, value: Value) -> Cause:
    actual = _go_type(value).replace("bool", "boolean")
    actual = "integer" if isinstance(value, int) and actual == "number" else actual
    text = f'Invalid value: "{actual}": {path} in body must be of type {expected}: "{actual}"'
    return _cause(path, "FieldValueTypeInvalid", text)


def _cause(field: str, reason: str, message: str) -> Cause:
    return {"reason": reason, "message": message, "field": field}


def _cannot_decode(kind: ResourceKind, fault: Cause, *, patched: bool) -> ApiError:
    message = fault["message"]
    actual = message.split('"')[1].replace("integer", "number").replace("boolean", "bool")
    wanted = message.rsplit("must be of type ", 1)[-1].split(":")[0]
    field = fault["field"].split("[")[0].split(".")[0]
    go = (
        f"json: cannot unmarshal {actual} into Go struct field {kind.kind}.{field} of type {wanted}"
    )
    if patched:
        cause = _cause("patch", "FieldValueInvalid", f"Invalid value: {go}")
        message = f'"" is invalid: patch: Invalid value: {go}'
        return ApiError(422, "Invalid", message, {"causes": [cause]})
    return BadRequestError(
        f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {go}'
    )


def _go_type(value: Value) -> str:
    return _GO_TYPES.get(type(value), "null")


def _json(value: Value) -> str:
    return orjson.dumps(value).decode()
