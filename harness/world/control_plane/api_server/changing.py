"""Create, replace, patch and delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from harness.world.control_plane.api_server import requests
from harness.world.control_plane.api_server.exchange import answer
from harness.world.control_plane.api_server.reading import shown
from harness.world.control_plane.model.errors import ApiError, BadRequestError, NotFoundError
from harness.world.control_plane.store import PATCH_MEDIA_TYPES

if TYPE_CHECKING:
    from aiohttp import web

    from harness.world.control_plane.api_server.exchange import Exchange
    from harness.world.control_plane.model.kinds import Object
    from harness.world.control_plane.store import PatchType, Propagation

_PATCH_TYPES: Final[dict[str, PatchType]] = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}
_PROPAGATIONS: Final[dict[str, Propagation]] = {
    "Background": "Background",
    "Foreground": "Foreground",
    "Orphan": "Orphan",
}


async def create(exchange: Exchange) -> web.Response:
    """Store the object of the body."""
    item = _checked_body(exchange)
    stored = exchange.store.create(
        item,
        field_manager=requests.field_manager(exchange.request),
        dry_run=requests.is_dry_run(exchange.request),
    )
    return shown(exchange, stored, 201)


async def replace(exchange: Exchange) -> web.Response:
    """Put the object of the body in the place of the one that is there."""
    item = _checked_body(exchange)
    metadata = item.setdefault("metadata", {})
    if metadata.get("name") not in (None, exchange.name):
        raise BadRequestError(
            f"the name of the object ({metadata['name']}) does not match the name on the URL "
            f"({exchange.name})"
        )
    metadata["name"] = exchange.name
    stored = exchange.store.replace(
        item,
        subresource=exchange.aim.subresource,
        field_manager=requests.field_manager(exchange.request),
        dry_run=requests.is_dry_run(exchange.request),
    )
    return shown(exchange, stored)


def _checked_body(exchange: Exchange) -> Object:
    """Return the body, in the namespace of the path."""
    item = dict(requests.body_object(exchange.body))
    kind = exchange.kind
    if not item.get("kind") or not item.get("apiVersion"):
        raise BadRequestError("Object 'Kind' is missing: apiVersion and kind must be set")
    if (item["apiVersion"], item["kind"]) != (kind.api_version, kind.kind):
        raise BadRequestError(
            f"the API version and kind in the data ({item['apiVersion']}, {item['kind']}) do not "
            f"match the expected ones ({kind.api_version}, {kind.kind})"
        )
    metadata = {} if item.get("metadata") is None else item["metadata"]
    if not isinstance(metadata, dict):
        raise BadRequestError("json: cannot unmarshal metadata: it is not an object")
    item["metadata"] = metadata = dict(metadata)
    namespace = exchange.aim.namespace
    if kind.namespaced and metadata.get("namespace") not in (None, "", namespace):
        raise BadRequestError(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if kind.namespaced:
        metadata["namespace"] = namespace
    return item


async def patch(exchange: Exchange) -> web.Response:
    """Change parts of the object, by any of the four kinds of patch."""
    request = exchange.request
    patch_type = _PATCH_TYPES.get(request.content_type)
    if patch_type is None:
        raise ApiError(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: "
            + ", ".join(PATCH_MEDIA_TYPES.values()),
        )
    if patch_type == "apply" and not request.query.get("fieldManager"):
        message = "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value: is required"
        raise ApiError(422, "Invalid", f"{message} for apply patch")
    there = _exists(exchange)
    stored = exchange.store.patch(
        exchange.kind.key,
        exchange.aim.namespace,
        exchange.name,
        exchange.body,
        patch_type=patch_type,
        subresource=exchange.aim.subresource,
        field_manager=requests.field_manager(request),
        force=requests.flag(request, "force"),
        dry_run=requests.is_dry_run(request),
    )
    return shown(exchange, stored, 200 if there else 201)


def _exists(exchange: Exchange) -> bool:
    try:
        exchange.store.get(exchange.kind.key, exchange.aim.namespace, exchange.name)
    except NotFoundError:
        return False
    return True


async def delete(exchange: Exchange) -> web.Response:
    """Delete the object, or mark it while finalizers hold it."""
    options = _options(exchange)
    conditions = options.get("preconditions") or {}
    kind = exchange.kind
    last = exchange.store.delete(
        kind.key,
        exchange.aim.namespace,
        exchange.name,
        propagation=_propagation(exchange, options),
        uid=conditions.get("uid"),
        resource_version=conditions.get("resourceVersion"),
        dry_run=_dry_run(exchange, options),
    )
    if last["metadata"].get("deletionTimestamp") or kind.key == "Pod":
        return shown(exchange, last)
    details = {"name": exchange.name, "kind": kind.plural, "uid": last["metadata"]["uid"]}
    if kind.group:
        details["group"] = kind.group
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return answer({**status, "details": details})


async def delete_collection(exchange: Exchange) -> web.Response:
    """Delete all objects that the selectors select."""
    options = _options(exchange)
    kind, request = exchange.kind, exchange.request
    found = exchange.store.list(
        kind.key,
        exchange.aim.namespace,
        labels=request.query.get("labelSelector"),
        fields=request.query.get("fieldSelector"),
    )
    deleted = [
        exchange.store.delete(
            kind.key,
            item["metadata"].get("namespace"),
            item["metadata"]["name"],
            propagation=_propagation(exchange, options),
            dry_run=_dry_run(exchange, options),
        )
        for item in found.items
    ]
    version = str(exchange.store.resource_version)
    return answer(
        {
            "kind": f"{kind.kind}List",
            "apiVersion": kind.api_version,
            "metadata": {"resourceVersion": version},
            "items": [kind.shown(item) for item in deleted],
        }
    )


def _options(exchange: Exchange) -> dict[str, Any]:
    return {} if exchange.body is None else requests.body_object(exchange.body)


def _dry_run(exchange: Exchange, options: dict[str, Any]) -> bool:
    return requests.is_dry_run(exchange.request) or options.get("dryRun") == ["All"]


def _propagation(exchange: Exchange, options: dict[str, Any]) -> Propagation:
    wanted = options.get("propagationPolicy") or exchange.request.query.get("propagationPolicy")
    if options.get("orphanDependents") is True:
        return "Orphan"
    if wanted and wanted not in _PROPAGATIONS:
        raise ApiError(
            422,
            "Invalid",
            f'DeleteOptions.meta.k8s.io is invalid: propagationPolicy: Invalid value: "{wanted}": '
            "must be one of Foreground, Background, Orphan",
        )
    return _PROPAGATIONS.get(str(wanted), "Background")
