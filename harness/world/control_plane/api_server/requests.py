"""What a request asks for: which resource, in which form, with which body, by whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import orjson
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from harness.world.control_plane.api_server import protobuf
from harness.world.control_plane.model.errors import ApiError, BadRequestError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp import web

    from harness.world.control_plane.model.kinds import Object, ResourceKind, Value

LIMIT: Final = 3 * 1024 * 1024
"""Largest body in bytes, as on a real server."""

_TABLE: Final = "as=Table"
_NO_RESOURCE: Final = "the server could not find the requested resource"
_JSON_TYPES: Final = frozenset({"", "application/json", "application/octet-stream"})


@dataclass(frozen=True, slots=True)
class Target:
    """The resource that a path names.

    Attributes:
        kind: its kind, in the version that the path names.
        namespace: its namespace; None for all, or for kinds without one.
        name: its name; None for a collection.
        subresource: ``status``, ``log``, ``exec``, or None.
    """

    kind: ResourceKind
    namespace: str | None
    name: str | None
    subresource: str | None


def parse_path(path: str, kinds: Mapping[str, ResourceKind]) -> Target:
    """Return what a path below ``/api`` or ``/apis`` names.

    Args:
        path: e.g. ``/apis/flink.apache.org/v1beta1/namespaces/torghut/flinkdeployments/x/status``.
        kinds: all kinds.

    Raises:
        NotFoundError: when there is no such resource.
    """
    parts = path.strip("/").split("/")
    if parts[0] == "api":
        group, version, rest = "", *_split(parts[1:], 1)
    else:
        group, version, rest = parts[1] if len(parts) > 1 else "", *_split(parts[2:], 1)
    namespace = None
    if len(rest) > 2 and rest[0] == "namespaces" and rest[2] not in {"status", "finalize"}:  # noqa: PLR2004
        namespace, rest = rest[1], rest[2:]
    kind = next(
        (
            seen
            for kind in kinds.values()
            for seen in kind.versions
            if (seen.group, seen.version, seen.plural) == (group, version, rest[0] if rest else "")
        ),
        None,
    )
    if kind is None:
        raise NotFoundError(_NO_RESOURCE)
    return _target(kind, namespace, rest[1:])


def _split(parts: Sequence[str], count: int) -> tuple[str, list[str]]:
    return (parts[0] if parts else ""), list(parts[count:])


def _target(kind: ResourceKind, namespace: str | None, rest: Sequence[str]) -> Target:
    name = rest[0] if rest else None
    subresource = "/".join(rest[1:]) or None
    if subresource is not None and subresource not in kind.subresources:
        raise NotFoundError(_NO_RESOURCE)
    if kind.namespaced and namespace is None and name is not None:
        raise NotFoundError(_NO_RESOURCE)
    return Target(kind, namespace if kind.namespaced else None, name, subresource)


def wants_table(request: web.Request) -> bool:
    """Whether the client prefers a table, as ``kubectl get`` does."""
    first = request.headers.get("Accept", "").split(",")[0]
    return _TABLE in first and "v=v1;" in f"{first};"


def included(request: web.Request) -> Literal["None", "Metadata", "Object"]:
    """Return what of each object belongs in a table."""
    asked = request.query.get("includeObject", "Metadata")
    return "Object" if asked == "Object" else "None" if asked == "None" else "Metadata"


def actor(request: web.Request) -> str:
    """Return who asks: the first word of the user agent."""
    return request.headers.get("User-Agent", "unknown").split(" ")[0] or "unknown"


def field_manager(request: web.Request) -> str:
    """Return who will own the fields that are written."""
    return request.query.get("fieldManager") or actor(request).split("/")[0]


def is_dry_run(request: web.Request) -> bool:
    """Whether nothing shall be stored.

    Raises:
        BadRequestError: when the value is not ``All``.
    """
    values = [value for value in request.query.getall("dryRun", []) if value]
    if any(value != "All" for value in values):
        raise BadRequestError(f'Invalid value: "{values[0]}": supported values: "All"')
    return bool(values)


def number(request: web.Request, name: str) -> int | None:
    """Return an integer of the query, None when it is not there.

    Raises:
        BadRequestError: when it is no integer.
    """
    text = request.query.get(name)
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise BadRequestError(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def flag(request: web.Request, name: str) -> bool:
    """Return a boolean of the query."""
    return request.query.get(name, "").lower() in {"1", "true"}


async def read_body(request: web.Request) -> Value:
    """Return the body, from JSON or YAML; None when it is empty.

    Raises:
        BadRequestError: when it cannot be parsed.
        ApiError: 413 when it is too large, 415 when it is in another format.
    """
    content = await request.content.read(LIMIT + 1)
    while len(content) <= LIMIT and (more := await request.content.read(LIMIT + 1 - len(content))):
        content += more
    if len(content) > LIMIT:
        message = f"Request entity too large: limit is {LIMIT}"
        raise ApiError(413, "RequestEntityTooLarge", message)
    if not content:
        return None
    media = request.content_type if "Content-Type" in request.headers else ""
    if media in _JSON_TYPES or media.endswith("+json"):
        return _json(content)
    if media == protobuf.MEDIA_TYPE:
        return protobuf.decode(content)
    if media.endswith("yaml"):
        return _yaml(content)
    raise ApiError(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json, application/yaml",
    )


def _json(content: bytes) -> Value:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise BadRequestError(
            "the object provided is unrecognized (must be of type JSON): couldn't get "
            f"version/kind; json parse error: {error}"
        ) from error


def _yaml(content: bytes) -> Value:
    try:
        loaded = YAML(typ="safe", pure=True).load(content)
        # Dates and the like become what JSON knows: text.
        return orjson.loads(orjson.dumps(loaded, default=str))
    except (YAMLError, UnicodeDecodeError, orjson.JSONEncodeError) as error:
        text = " ".join(str(error).split())
        raise BadRequestError(f"error decoding YAML: {text}") from error


def body_object(body: Value) -> Object:
    """Return the body as an object.

    Raises:
        BadRequestError: when it is something else.
    """
    if not isinstance(body, dict):
        raise BadRequestError("the object provided is unrecognized: it is not a JSON object")
    return body
