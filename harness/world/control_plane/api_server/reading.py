"""Get, list and watch."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web

from harness.world.control_plane.api_server import requests
from harness.world.control_plane.api_server.exchange import answer
from harness.world.control_plane.api_server.tables import table
from harness.world.control_plane.model.errors import ApiError, BadRequestError, GoneError

if TYPE_CHECKING:
    from harness.world.control_plane.api_server.exchange import Exchange
    from harness.world.control_plane.model.history import Watch
    from harness.world.control_plane.model.kinds import Object, WatchEvent

_WATCH_SECONDS: Final = 45 * 60
_BOOKMARK_SECONDS: Final = 10.0


async def get(exchange: Exchange) -> web.Response:
    """Answer with one object, as a table if the client prefers one."""
    item = exchange.store.get(exchange.kind.key, exchange.aim.namespace, exchange.name)
    return shown(exchange, item)


def shown(exchange: Exchange, item: Object, status: int = 200) -> web.Response:
    """Return the response that shows one object, in the version that was asked for."""
    item = exchange.kind.shown(item)
    if not requests.wants_table(exchange.request):
        return answer(item, status)
    version = item["metadata"].get("resourceVersion", "")
    include = requests.included(exchange.request)
    return answer(table(exchange.kind, [item], resource_version=version, include=include), status)


async def list_(exchange: Exchange) -> web.Response:
    """Answer with all objects that the selectors select."""
    found = exchange.store.list(
        exchange.kind.key,
        exchange.aim.namespace,
        labels=exchange.request.query.get("labelSelector"),
        fields=_field_selector(exchange),
    )
    version = str(found.resource_version)
    items = [exchange.kind.shown(item) for item in found.items]
    if requests.wants_table(exchange.request):
        include = requests.included(exchange.request)
        return answer(table(exchange.kind, items, resource_version=version, include=include))
    return answer(
        {
            "kind": f"{exchange.kind.kind}List",
            "apiVersion": exchange.kind.api_version,
            "metadata": {"resourceVersion": version},
            "items": items,
        }
    )


def _field_selector(exchange: Exchange) -> str | None:
    selector = exchange.request.query.get("fieldSelector")
    if exchange.aim.name is None:
        return selector
    by_name = f"metadata.name={exchange.aim.name}"
    return f"{selector},{by_name}" if selector else by_name


async def watch(exchange: Exchange) -> web.StreamResponse:
    """Stream changes, one JSON document a line, until the client or the time limit ends it."""
    since = _since(exchange)
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.enable_chunked_encoding()
    stream = _Stream(exchange, response)
    try:
        changes = exchange.store.watch(
            exchange.kind.key,
            exchange.aim.namespace,
            since=since,
            labels=exchange.request.query.get("labelSelector"),
            fields=_field_selector(exchange),
        )
    except GoneError as error:
        await response.prepare(exchange.request)
        await stream.send("ERROR", error.status())
        return response
    exchange.record(response.status)
    await response.prepare(exchange.request)
    await _follow(exchange, changes, stream)
    return response


def _since(exchange: Exchange) -> int | None:
    text = exchange.request.query.get("resourceVersion", "")
    if text in {"", "0"}:
        return None
    if not text.isdecimal():
        raise BadRequestError(f"invalid resource version: {text!r}")
    return int(text)


async def _follow(exchange: Exchange, changes: Watch, stream: _Stream) -> None:
    loop = asyncio.get_running_loop()
    limit = requests.number(exchange.request, "timeoutSeconds") or _WATCH_SECONDS
    end = loop.time() + limit
    bookmarks = requests.flag(exchange.request, "allowWatchBookmarks")
    if requests.flag(exchange.request, "sendInitialEvents"):
        await _send_initial(changes, stream)
    while (left := end - loop.time()) > 0:
        try:
            event = await asyncio.wait_for(anext(changes), min(left, _BOOKMARK_SECONDS))
        except TimeoutError:
            if bookmarks:
                await stream.bookmark(changes.position)
        except ApiError as error:
            await stream.send("ERROR", error.status())
            return
        else:
            await stream.change(event)


async def _send_initial(changes: Watch, stream: _Stream) -> None:
    while changes.pending:
        await stream.change(await anext(changes))
    await stream.bookmark(changes.position, {"k8s.io/initial-events-end": "true"})


class _Stream:
    """Writes the events of a watch, as objects or as tables of one row."""

    def __init__(self, exchange: Exchange, response: web.StreamResponse) -> None:
        self._exchange = exchange
        self._response = response
        self._tables = requests.wants_table(exchange.request)
        self._headed = True

    async def send(self, type_: str, item: Object) -> None:
        await self._response.write(orjson.dumps({"type": type_, "object": item}) + b"\n")

    async def change(self, event: WatchEvent) -> None:
        item = self._exchange.kind.shown(event.object)
        await self.send(event.type, self._form([item], str(event.resource_version)))

    async def bookmark(self, version: int, annotations: dict[str, str] | None = None) -> None:
        kind = self._exchange.kind
        metadata: dict[str, Any] = {"resourceVersion": str(version)}
        if annotations:
            metadata["annotations"] = annotations
        item = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
        await self.send("BOOKMARK", self._form([], str(version)) if self._tables else item)

    def _form(self, items: list[Object], version: str) -> Object:
        if not self._tables:
            return items[0]
        headed, self._headed = self._headed, False
        return table(
            self._exchange.kind,
            items,
            resource_version=version,
            include=requests.included(self._exchange.request),
            headed=headed,
        )
