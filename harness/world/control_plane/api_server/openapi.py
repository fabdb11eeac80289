"""OpenAPI documents: enough for ``kubectl apply`` to trust the server and ``explain`` to talk.

Strategic merge patches are not announced on purpose: kubectl then computes them from its own Go
types, which know every merge key.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import orjson

from harness.world.control_plane.api_server.discovery import VERSION, groups

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.world.control_plane.model.kinds import Object, ResourceKind

_PARAMETERS: Final = [
    {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
    for name in ("dryRun", "fieldManager", "fieldValidation")
]
_METADATA: Final = {
    "type": "object",
    "description": "Standard object metadata.",
    "properties": {
        "name": {"type": "string", "description": "Name must be unique within a namespace."},
        "namespace": {"type": "string", "description": "Space within which a name is unique."},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
        "finalizers": {"type": "array", "items": {"type": "string"}},
    },
    "x-kubernetes-preserve-unknown-fields": True,
}
SWAGGER_PROTOBUF: Final = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
"""Media type in which kubectl wants the OpenAPI 2 document."""


def index(kinds: Iterable[ResourceKind]) -> Object:
    """Return the answer to ``/openapi/v3``: the address of each group's document."""
    paths = {}
    for versions in groups(kinds).values():
        for found in versions.values():
            path = _prefix(found[0])
            content = orjson.dumps(document(found))
            digest = hashlib.sha256(content).hexdigest().upper()
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
    return {"paths": paths}


def document(kinds: Sequence[ResourceKind]) -> Object:
    """Return the OpenAPI 3 document of one group and version."""
    paths: Object = {}
    for kind in kinds:
        paths |= _paths(kind)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": paths,
        "components": {"schemas": {_name(kind): _schema(kind) for kind in kinds}},
    }


def swagger(kinds: Iterable[ResourceKind]) -> Object:
    """Return the OpenAPI 2 document of all groups."""
    every = [seen for kind in kinds for seen in kind.versions]
    paths: Object = {}
    for kind in every:
        paths |= _paths(kind, reference="#/definitions/")
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": paths,
        "definitions": {_name(kind): _schema(kind) for kind in every},
    }


def swagger_protobuf() -> bytes:
    """Return an OpenAPI 2 document without definitions, in protobuf (gnostic's ``Document``).

    kubectl asks for it when it meets a kind that the other document lacks, and only needs it to
    be readable.
    """
    title, version = b"Kubernetes", str(VERSION["gitVersion"]).encode()
    info = _bytes_field(1, title) + _bytes_field(2, version)
    return _bytes_field(1, b"2.0") + _bytes_field(2, info) + _bytes_field(8, b"")


def _bytes_field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


def _prefix(kind: ResourceKind) -> str:
    return f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"


def _name(kind: ResourceKind) -> str:
    return ".".join((*reversed(kind.group.split(".")), kind.version, kind.kind)).lstrip(".")


def _identity(kind: ResourceKind) -> dict[str, str]:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _paths(kind: ResourceKind, reference: str = "#/components/schemas/") -> Object:
    space = "/namespaces/{namespace}" if kind.namespaced else ""
    collection = f"/{_prefix(kind)}{space}/{kind.plural}"
    return {
        collection: {
            "get": _operation(kind, "list", reference),
            "post": _operation(kind, "post", reference),
        },
        f"{collection}/{{name}}": {
            "get": _operation(kind, "get", reference),
            "put": _operation(kind, "put", reference),
            "patch": _operation(kind, "patch", reference),
            "delete": _operation(kind, "delete", reference),
        },
    }


def _operation(kind: ResourceKind, action: str, reference: str) -> Object:
    schema = {"$ref": f"{reference}{_name(kind)}"}
    answer: dict[str, Any] = {"description": "OK"}
    if reference.startswith("#/components"):
        answer["content"] = {"application/json": {"schema": schema}}
    else:
        answer["schema"] = schema
    return {
        "operationId": f"{action}{kind.key}",
        "parameters": _PARAMETERS,
        "responses": {"200": answer},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _identity(kind),
    }


def _schema(kind: ResourceKind) -> Object:
    properties = kind.schema.get("properties", {})
    return {
        "type": "object",
        "description": kind.schema.get("description") or f"{kind.kind} of {kind.api_version}.",
        "properties": {
            "apiVersion": {"type": "string", "description": "Version of this representation."},
            "kind": {"type": "string", "description": "Kind of the object."},
            "metadata": _METADATA,
            **properties,
        },
        "x-kubernetes-group-version-kind": [_identity(kind)],
        "x-kubernetes-preserve-unknown-fields": True,
    }
