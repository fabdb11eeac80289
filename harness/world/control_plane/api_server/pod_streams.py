"""Logs of pods, and commands in pods over the channel protocol of ``kubectl exec``."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

import orjson
from aiohttp import WSMsgType, web

from harness.world.control_plane.api_server import requests
from harness.world.control_plane.model.errors import ApiError, BadRequestError
from harness.world.control_plane.pods.logs import read_log

if TYPE_CHECKING:
    from harness.world.control_plane.api_server.exchange import Exchange
    from harness.world.control_plane.model.kinds import Object
    from harness.world.control_plane.pods.execution import Execution

_PROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDIN: Final = 0
_ERROR: Final = 3
_CLOSE: Final = 255
_HEARTBEAT_SECONDS: Final = 30.0
_MESSAGE_LIMIT: Final = 32 * 1024 * 1024


def _container(exchange: Exchange) -> str:
    """Return the container that is asked for; the only one by default."""
    pod = exchange.store.get("Pod", exchange.aim.namespace, exchange.name)
    names = [container["name"] for container in (pod.get("spec") or {}).get("containers") or ()]
    wanted = exchange.request.query.get("container")
    if wanted:
        if wanted not in names:
            raise BadRequestError(f"container {wanted} is not valid for pod {exchange.name}")
        return wanted
    if len(names) != 1:
        raise BadRequestError(
            f"a container name must be specified for pod {exchange.name}, choose one of: "
            f"[{' '.join(names)}]"
        )
    return str(names[0])


async def log(exchange: Exchange) -> web.StreamResponse:
    """Stream the log of a container."""
    request, container = exchange.request, _container(exchange)
    namespace = exchange.aim.namespace or ""
    backing = exchange.pods.backing(namespace, exchange.name, container)
    path = backing.log
    if requests.flag(request, "previous"):
        path = backing.previous_log
        if path is None or not path.exists():
            raise BadRequestError(
                f'previous terminated container "{container}" in pod "{exchange.name}" not found'
            )
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    exchange.record(response.status)
    await response.prepare(request)
    pieces = read_log(
        path,
        tail=requests.number(request, "tailLines"),
        limit=requests.number(request, "limitBytes"),
        follow=requests.flag(request, "follow"),
        alive=lambda: container in exchange.pods.containers(namespace, exchange.name),
    )
    async for piece in pieces:
        await response.write(piece)
    return response


async def execute(exchange: Exchange) -> web.StreamResponse:
    """Run a command in a container, its streams as channels of a WebSocket."""
    request, container = exchange.request, _container(exchange)
    command = request.query.getall("command", [])
    if not command:
        raise BadRequestError("you must specify at least one command for the container")
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise BadRequestError(
            "Upgrade request required: this server speaks WebSocket only (kubectl 1.31 or newer)"
        )
    exchange.pods.backing(exchange.aim.namespace or "", exchange.name, container)
    exchange.body = {"command": command, "container": container}
    exchange.record(101)
    socket = web.WebSocketResponse(
        protocols=_PROTOCOLS, heartbeat=_HEARTBEAT_SECONDS, max_msg_size=_MESSAGE_LIMIT
    )
    await socket.prepare(request)
    await _send(socket, _ERROR, orjson.dumps(await _outcome(exchange, socket, container, command)))
    await socket.close()
    return socket


async def _outcome(
    exchange: Exchange, socket: web.WebSocketResponse, container: str, command: list[str]
) -> Object:
    request = exchange.request
    try:
        execution = await exchange.pods.execute(
            exchange.aim.namespace or "",
            exchange.name,
            container,
            command,
            stdin=requests.flag(request, "stdin"),
            merged=requests.flag(request, "tty"),
            actor=requests.actor(request),
        )
    except ApiError as error:
        return error.status()
    return _status(command, await _attached(execution, socket))


async def _attached(execution: Execution, socket: web.WebSocketResponse) -> int:
    """Join the command's streams to the socket; a client that leaves kills the command."""
    reader = asyncio.ensure_future(_feed(execution, socket))
    try:
        return await execution.finish(lambda channel, data: _send(socket, channel, data))
    finally:
        reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reader
        await execution.kill()


async def _feed(execution: Execution, socket: web.WebSocketResponse) -> None:
    async for message in socket:
        if message.type is not WSMsgType.BINARY or not message.data:
            continue
        channel, data = message.data[0], message.data[1:]
        if channel == _STDIN:
            await execution.write(data)
        elif channel == _CLOSE and data[:1] == bytes([_STDIN]):
            execution.close_input()
    await execution.kill()


async def _send(socket: web.WebSocketResponse, channel: int, data: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        await socket.send_bytes(bytes([channel]) + data)


def _status(command: list[str], exit_status: int) -> Object:
    if exit_status == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": "command terminated with non-zero exit code: error executing command "
        f"[{' '.join(command)}], exit code {exit_status}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(exit_status)}]},
    }
