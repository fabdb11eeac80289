from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from harness.core.errors import ServiceError
from harness.world import proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from harness.world.proxy import ProxyRequest

HOST = "127.63.2.3"
UPSTREAM = "127.63.2.30"
NAME = "rook-ceph-rgw-objectstore.rook-ceph.svc"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Upstream:
    """A server of the world: answers everything with 200, and keeps what it was sent."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.body = b"answer"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        length = next(
            (int(x.split(":")[1]) for x in head.lower().split("\r\n") if "content-length" in x), 0
        )
        self.bodies.append(await reader.readexactly(length))
        size = str(len(self.body)).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: " + size + b"\r\n\r\n" + self.body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def running(
    upstream: Upstream, seen: Callable[[ProxyRequest], None] = lambda _request: None
) -> AsyncIterator[int]:
    server = await asyncio.start_server(upstream.handle, UPSTREAM, 0)
    port = server.sockets[0].getsockname()[1]
    routes = {f"{NAME}:80": f"{UPSTREAM}:{port}", "gone.torghut.svc:8123": f"{UPSTREAM}:1"}
    front = await proxy.serve(HOST, 0, routes, seen)
    try:
        yield front.sockets[0].getsockname()[1]
    finally:
        front.close()
        server.close()


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


def run(coroutine: Coroutine[None, None, None]) -> None:
    asyncio.run(coroutine)


def get(target: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {target} HTTP/1.1", *headers, "", ""]).encode()


def through(upstream: Upstream, request: bytes) -> bytes:
    async def scenario() -> bytes:
        async with running(upstream) as port:
            return await ask(port, request)

    return asyncio.run(scenario())


def test_a_name_of_the_world_is_reached_with_the_rest_of_the_request_untouched() -> None:
    upstream = Upstream()
    answer = through(
        upstream, get(f"http://{NAME}:80/bucket?list-type=2&x=%2F", f"Host: {NAME}", "X-A: b: c")
    )
    assert answer.endswith(b"answer")
    assert upstream.heads[0].startswith("GET /bucket?list-type=2&x=%2F HTTP/1.1\r\n")
    assert f"\r\nHost: {NAME}\r\nX-A: b: c\r\n" in upstream.heads[0]


@pytest.mark.parametrize("target", [f"http://{NAME}", f"http://{NAME.upper()}:80/"])
def test_port_80_and_the_root_are_what_is_meant_without_them(target: str) -> None:
    upstream = Upstream()
    assert b"200 OK" in through(upstream, get(target))
    assert upstream.heads[0].startswith("GET / HTTP/1.1\r\n")


def test_headers_meant_for_the_proxy_stay_with_it() -> None:
    upstream = Upstream()
    through(
        upstream,
        get(f"http://{NAME}/", "Proxy-Authorization: Basic c2VjcmV0", "Connection: keep-alive"),
    )
    assert "secret" not in upstream.heads[0]
    assert "c2VjcmV0" not in upstream.heads[0]
    assert upstream.heads[0].count("Connection:") == 1


def test_large_bodies_stream_both_ways() -> None:
    upstream = Upstream()
    upstream.body = b"d" * 3_000_000
    body = b"u" * 2_000_000
    request = f"PUT http://{NAME}/k HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    answer = through(upstream, request)
    assert upstream.bodies == [body]
    assert answer.endswith(upstream.body)


@pytest.mark.parametrize(
    "target",
    [
        "http://s3.amazonaws.com/bucket",
        f"http://{NAME}:8080/other-port",
        f"http://{NAME}.evil.example.com/",
        f"http://user@evil.example.com:80/@{NAME}:80/",
        "http://127.0.0.1:80/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
    ],
)
def test_no_other_host_is_reached(target: str) -> None:
    upstream = Upstream()
    answer = through(upstream, get(target, f"Host: {NAME}"))
    assert answer.startswith(b"HTTP/1.1 403 Forbidden")
    assert b"is not part of this world" in answer
    assert NAME.encode() in answer
    assert upstream.heads == []


def test_a_tunnel_to_another_host_is_refused() -> None:
    answer = through(Upstream(), b"CONNECT s3.amazonaws.com:443 HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 403 Forbidden")


def test_a_tunnel_into_the_world_carries_bytes_both_ways() -> None:
    upstream = Upstream()
    request = f"CONNECT {NAME}:80 HTTP/1.1\r\n\r\n".encode() + get("/through", "Host: x")
    answer = through(upstream, request)
    assert answer.startswith(b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200 OK")
    assert upstream.heads[0].startswith("GET /through")


def test_a_service_that_is_down_is_named() -> None:
    answer = through(Upstream(), get("http://gone.torghut.svc:8123/ping"))
    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway")
    assert b"gone.torghut.svc:8123" in answer


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /relative HTTP/1.1\r\n\r\n",
        b"GET https://secure.example.com/ HTTP/1.1\r\n\r\n",
        b"GET http://name:port/ HTTP/1.1\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET http://x/ HTTP/1.1\r\nno colon\r\n\r\n",
    ],
)
def test_what_is_no_request_to_a_proxy_is_refused(request_: bytes) -> None:
    assert through(Upstream(), request_).startswith(b"HTTP/1.1 400 Bad Request")


def test_each_request_is_told_with_where_it_went() -> None:
    seen: list[ProxyRequest] = []

    async def scenario() -> None:
        async with running(Upstream(), seen.append) as port:
            await ask(port, get(f"http://{NAME}/b/k", "User-Agent: aws-cli/1"))
            await ask(port, get("http://real.example.com/"))

    run(scenario())
    assert [(one.destination, one.path, one.user_agent) for one in seen] == [
        (f"{NAME}:80", "/b/k", "aws-cli/1"),
        ("real.example.com:80", "/", ""),
    ]
    assert (seen[0].address or "").startswith(UPSTREAM)
    assert seen[1].address is None


def test_clients_that_leave_at_any_moment_do_no_harm() -> None:
    async def leave(port: int, sent: bytes) -> None:
        _, writer = await asyncio.open_connection(HOST, port)
        writer.write(sent)
        await writer.drain()
        writer.transport.abort()

    async def scenario() -> None:
        async with running(Upstream()) as port:
            for sent in (b"", b"GET http", get(f"http://{NAME}/"), b"x" * 100_000):
                await leave(port, sent)
            assert b"200 OK" in await ask(port, get(f"http://{NAME}/"))

    run(scenario())


def test_a_taken_address_is_named() -> None:
    async def scenario() -> None:
        async with running(Upstream()) as port:
            with pytest.raises(ServiceError, match=rf"{HOST}:{port}"):
                await proxy.serve(HOST, port, {})

    run(scenario())


def test_many_clients_at_once() -> None:
    upstream = Upstream()

    async def scenario() -> None:
        async with running(upstream) as port:
            asks: list[Awaitable[bytes]] = [ask(port, get(f"http://{NAME}/{n}")) for n in range(50)]
            answers = await asyncio.gather(*asks)
            assert all(answer.endswith(b"answer") for answer in answers)

    run(scenario())
    assert len(upstream.heads) == 50
