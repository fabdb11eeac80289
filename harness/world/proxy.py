"""HTTP proxy that knows the names of a cluster, and nothing else.

Programs that honour ``HTTP_PROXY`` (the aws command, curl) reach production's names through it.
A name that is not of the world is refused: whatever a document says, no real host is reached.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from harness.core.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEAD_LIMIT: Final = 64 * 1024
_CHUNK: Final = 64 * 1024
_CONNECT_SECONDS: Final = 5.0
_DROPPED: Final = {"proxy-connection", "proxy-authorization", "connection", "keep-alive"}


@dataclass(frozen=True, slots=True)
class _Head:
    """Request line and headers, as they came."""

    method: str
    target: str
    version: str
    headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")


@dataclass(frozen=True, slots=True)
class ProxyRequest:
    """One request that came to the proxy.

    Attributes:
        method: HTTP method.
        destination: ``name:port`` asked for.
        path: path and query; empty for CONNECT.
        user_agent: what the client calls itself.
        address: where it was sent; None: refused, the name is not of the world.
    """

    method: str
    destination: str
    path: str
    user_agent: str
    address: str | None


OnRequest = Callable[[ProxyRequest], None]


class _BadRequestError(Exception):
    """What came is not a request to a proxy."""


async def serve(
    host: str,
    port: int,
    routes: Mapping[str, str],
    on_request: OnRequest = lambda _request: None,
) -> asyncio.Server:
    """Start the proxy.

    Args:
        host: address to listen on.
        port: port to listen on; 0 picks one.
        routes: address (``host:port``) behind each ``name:port`` of the cluster.
        on_request: told of each request before it is answered.

    Returns:
        The server, which already listens; closing it ends the proxy.

    Raises:
        ServiceError: when the address is taken.
    """
    known = {name.lower(): address for name, address in routes.items()}

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _handle(reader, writer, known, on_request)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # one of the two sides went away: nobody is left to be told
        finally:
            writer.close()

    try:
        return await asyncio.start_server(handle, host, port, limit=_HEAD_LIMIT)
    except OSError as error:
        raise ServiceError(
            f"the proxy cannot listen on {host}:{port}: {error.strerror}",
            hint="end the other world or program there, or choose another network",
        ) from error


async def _handle(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    routes: Mapping[str, str],
    on_request: OnRequest,
) -> None:
    """Serve the one request of a connection: each client opens a new one for the next."""
    raw = await reader.readuntil(b"\r\n\r\n")
    try:
        head = _parse(raw)
        name, path = _destination(head)
    except _BadRequestError as error:
        await _refuse(writer, 400, "Bad Request", str(error))
        return
    address = routes.get(name)
    on_request(ProxyRequest(head.method, name, path, head.header("user-agent"), address))
    if address is None:
        known = ", ".join(sorted(routes)) or "none"
        text = f"{name} is not part of this world, so it is not reached. Known names: {known}."
        await _refuse(writer, 403, "Forbidden", text)
        return
    try:
        upstream = await _connect(address)
    except OSError as error:
        text = f"{name} is at {address} in this world, which does not answer: {error}."
        await _refuse(writer, 502, "Bad Gateway", text)
        return
    await _relay(head, path, (reader, writer), upstream)


def _parse(raw: bytes) -> _Head:
    line, *rest = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
    parts = line.split(" ")
    pairs = [header.partition(":") for header in rest]
    if len(parts) != 3 or not all(colon for _, colon, _ in pairs):  # noqa: PLR2004 - RFC 9112
        raise _BadRequestError(f"not an HTTP request: {line[:200]!r}")
    headers = tuple((name.strip(), value.strip()) for name, _, value in pairs)
    return _Head(parts[0].upper(), parts[1], parts[2], headers)


def _destination(head: _Head) -> tuple[str, str]:
    """Return the ``name:port`` asked for, and the path to ask it for."""
    if head.method == "CONNECT":
        return head.target.lower(), ""
    url = urlsplit(head.target)
    try:
        port = url.port or 80
    except ValueError:
        port = 0
    if url.scheme != "http" or not url.hostname or not port:
        raise _BadRequestError(f"this is a proxy; it wants http://NAME/..., not {head.target!r}")
    path = url._replace(scheme="", netloc="").geturl() or "/"
    return f"{url.hostname.lower()}:{port}", path


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = address.rpartition(":")
    try:
        return await asyncio.wait_for(asyncio.open_connection(host, int(port)), _CONNECT_SECONDS)
    except TimeoutError as error:
        raise OSError(f"no connection within {_CONNECT_SECONDS:g} s") from error


async def _relay(
    head: _Head,
    path: str,
    client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    try:
        if head.method == "CONNECT":
            client[1].write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            upstream[1].write(_forwarded(head, path))
        requests = asyncio.create_task(_pump(client[0], upstream[1]))
        await _pump(upstream[0], client[1])  # ends with the answer: the connection is not kept
        requests.cancel()
        with suppress(asyncio.CancelledError, OSError):
            await requests
    finally:
        upstream[1].close()


def _forwarded(head: _Head, path: str) -> bytes:
    """Return the request's head for the server, asking it to close after its answer."""
    kept = [f"{name}: {value}" for name, value in head.headers if name.lower() not in _DROPPED]
    lines = [f"{head.method} {path} {head.version}", *kept, "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1")


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        with suppress(OSError):
            writer.write_eof()


async def _refuse(writer: asyncio.StreamWriter, status: int, reason: str, text: str) -> None:
    body = f"torghut replay harness: {text}\n".encode()
    writer.write(
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        + body
    )
    await writer.drain()
