from __future__ import annotations

import asyncio
import ssl
import stat
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest

from harness.core.audit import AuditTrail
from harness.core.errors import ServiceError
from harness.world.control_plane.api_server import ApiServer
from harness.world.control_plane.pods.runtime import PodRuntime
from harness.world.control_plane.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

MAPS = "/api/v1/namespaces/torghut/configmaps"
MERGE = {"Content-Type": "application/merge-patch+json"}


class Api:
    """A server and a client of it."""

    def __init__(self, directory: Path, host: str = "127.64.1.10") -> None:
        self.audit = AuditTrail(directory / f"audit-{host}.jsonl")
        self.store = Store(namespaces=["torghut"])
        self.server = ApiServer(self.store, self.audit, PodRuntime(self.audit), host=host)
        self.session: aiohttp.ClientSession

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Api]:
        await self.server.start()
        tls = ssl.create_default_context(cadata=self.server.certificate.authority.decode())
        try:
            async with aiohttp.ClientSession(
                self.server.url,
                headers={
                    "Authorization": f"Bearer {self.server.token}",
                    "User-Agent": "kubectl/v1.32.4 (linux/amd64)",
                },
                connector=aiohttp.TCPConnector(ssl=tls),
            ) as self.session:
                yield self
        finally:
            await self.server.stop()

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with self.session.request(method, path, **options) as response:
            return response.status, await response.json(content_type=None)


def with_api(directory: Path, scenario: Callable[[Api], Awaitable[None]]) -> AuditTrail:
    api = Api(directory)

    async def run() -> None:
        async with api.running():
            await scenario(api)

    asyncio.run(run())
    return api.audit


def config_map(name: str = "c", **data: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_requests_without_the_token_are_unauthorised(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        for header in ("", "Bearer", "Bearer wrong", "Basic x", "Bearer \u00e9"):
            status, body = await api.call("GET", MAPS, headers={"Authorization": header})
            assert (status, body["reason"]) == (401, "Unauthorized")
        status, _ = await api.call("POST", MAPS, json=config_map(), headers={"Authorization": "x"})
        assert status == 401
        assert api.store.list("ConfigMap").items == []

    audit = with_api(tmp_path, scenario)
    assert {event.outcome for event in audit.events()} == {"401"}


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("POST", MAPS, {"data": b'{"apiVersion": "v1", '}, 400),
        ("POST", MAPS, {"data": b"[]"}, 400),
        ("POST", MAPS, {"data": b"\xff\xfe", "headers": {"Content-Type": "application/yaml"}}, 400),
        ("POST", MAPS, {"data": b"a: [", "headers": {"Content-Type": "application/yaml"}}, 400),
        ("POST", MAPS, {"json": {"metadata": {"name": "x"}}}, 400),
        ("POST", MAPS, {"json": {"apiVersion": "v1", "kind": "Secret"}}, 400),
        ("POST", MAPS, {"json": config_map() | {"metadata": []}}, 400),
        ("POST", MAPS, {"json": config_map() | {"metadata": {"namespace": "default"}}}, 400),
        ("POST", MAPS, {"data": b"x", "headers": {"Content-Type": "text/plain"}}, 415),
        ("POST", MAPS, {"data": b" " * (3 * 1024 * 1024 + 1)}, 413),
        ("POST", f"{MAPS}?dryRun=Some", {"json": config_map()}, 400),
        ("POST", "/api/v1/configmaps", {"json": config_map()}, 400),
        ("POST", f"{MAPS}/c", {"json": config_map()}, 405),
        ("PUT", MAPS, {"json": config_map()}, 405),
        ("OPTIONS", MAPS, {}, 405),
        ("PATCH", f"{MAPS}/c", {"json": {}}, 415),
        ("PATCH", f"{MAPS}/c", {"json": {}, "headers": MERGE}, 404),
        ("PUT", f"{MAPS}/d", {"json": config_map("c")}, 400),
        ("GET", f"{MAPS}/nope", {}, 404),
        ("GET", "/apis/foo.org/v1/foos", {}, 404),
        ("GET", "/apis/foo.org", {}, 404),
        ("GET", "/openapi/v3/apis/foo/v1", {}, 404),
        ("GET", "/nonsense", {}, 404),
        ("GET", f"{MAPS}?labelSelector=a%20b%20c", {}, 400),
        ("GET", f"{MAPS}?watch=1&resourceVersion=x", {}, 400),
        ("DELETE", f"{MAPS}/nope", {}, 404),
        ("DELETE", f"{MAPS}?propagationPolicy=Nope", {}, 200),
        ("GET", "/api/v1/namespaces/torghut/pods/nope/log", {}, 404),
        ("GET", "/api/v1/namespaces/torghut/pods/nope/exec?command=ls", {}, 404),
    ],
)
def test_bad_requests_get_a_status(
    tmp_path: Path, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    async def scenario(api: Api) -> None:
        answered, body = await api.call(method, path, **options)
        assert answered == status
        if status != 200:
            assert (body["kind"], body["status"], body["code"]) == ("Status", "Failure", status)
            assert body["message"]

    with_api(tmp_path, scenario)


def test_the_life_of_an_object_and_its_trail(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        status, created = await api.call("POST", MAPS, json=config_map(A="\u00fc\u2603"))
        assert (status, created["data"]) == (201, {"A": "\u00fc\u2603"})
        created["data"] = {"A": "2"}
        assert (await api.call("PUT", f"{MAPS}/c", json=created))[0] == 200
        status, body = await api.call("PUT", f"{MAPS}/c", json=created | {"data": {"A": "3"}})
        assert (status, body["reason"]) == (409, "Conflict")
        await api.call("PATCH", f"{MAPS}/c", json={"data": {"B": "1"}}, headers=MERGE)
        status, listed = await api.call("GET", MAPS)
        assert listed["kind"] == "ConfigMapList"
        assert [item["data"] for item in listed["items"]] == [{"A": "2", "B": "1"}]
        status, body = await api.call("DELETE", f"{MAPS}/c", json={"preconditions": {"uid": "x"}})
        assert status == 409
        assert (await api.call("DELETE", f"{MAPS}/c"))[1]["status"] == "Success"

    events = list(with_api(tmp_path, scenario).events())
    assert [(event.verb, event.object, event.outcome) for event in events] == [
        ("create", "torghut/configmaps/c", "201"),
        ("update", "torghut/configmaps/c", "200"),
        ("update", "torghut/configmaps/c", "409"),
        ("patch", "torghut/configmaps/c", "200"),
        ("list", "torghut/configmaps", "200"),
        ("delete", "torghut/configmaps/c", "409"),
        ("delete", "torghut/configmaps/c", "200"),
    ]
    assert events[3].body == {"data": {"B": "1"}}
    assert {event.actor for event in events} == {"kubectl/v1.32.4"}


def test_dry_runs_are_marked_in_the_trail(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        assert (await api.call("POST", f"{MAPS}?dryRun=All", json=config_map()))[0] == 201
        assert api.store.list("ConfigMap").items == []

    assert [event.outcome for event in with_api(tmp_path, scenario).events()] == ["201 dry-run"]


def test_secrets_do_not_reach_the_trail(tmp_path: Path) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}

    async def scenario(api: Api) -> None:
        path = "/api/v1/namespaces/torghut/secrets"
        await api.call("POST", path, json=secret | {"stringData": {"p": "geheim"}})
        await api.call("PATCH", f"{path}/s", json={"data": {"p": "geheim"}}, headers=MERGE)

    audit = with_api(tmp_path, scenario)
    assert len(list(audit.events())) == 2
    assert "geheim" not in audit.path.read_text()


def test_watches_deliver_bookmark_and_end(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        path = f"{MAPS}?watch=1&sendInitialEvents=true&timeoutSeconds=1"
        await api.call("POST", MAPS, json=config_map("a"))
        async with api.session.get(path) as response:
            lines = aiter(response.content)
            first, bookmark = orjson.loads(await anext(lines)), orjson.loads(await anext(lines))
            assert (first["type"], first["object"]["metadata"]["name"]) == ("ADDED", "a")
            assert bookmark["type"] == "BOOKMARK"
            annotations = bookmark["object"]["metadata"]["annotations"]
            assert annotations == {"k8s.io/initial-events-end": "true"}
            await api.call("DELETE", f"{MAPS}/a")
            assert orjson.loads(await anext(lines))["type"] == "DELETED"
            assert [line async for line in lines] == []

    with_api(tmp_path, scenario)


def test_a_watch_from_a_lost_version_gets_an_error_event(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        api.store._history._dropped = 5
        status, event = await api.call("GET", f"{MAPS}?watch=1&resourceVersion=1")
        assert (status, event["type"], event["object"]["code"]) == (200, "ERROR", 410)

    with_api(tmp_path, scenario)


def test_large_objects_pass(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        text = "\u20ac" * 300_000
        assert (await api.call("POST", MAPS, json=config_map(A=text)))[0] == 201
        assert (await api.call("GET", f"{MAPS}/c"))[1]["data"]["A"] == text

    with_api(tmp_path, scenario)


def test_discovery_in_both_forms(tmp_path: Path) -> None:
    async def scenario(api: Api) -> None:
        old = (await api.call("GET", "/apis/flink.apache.org/v1beta1"))[1]
        entry = old["resources"][0]
        assert (entry["name"], entry["shortNames"]) == ("flinkdeployments", ["flinkdep"])
        for version in ("v2", "v2beta1"):
            accept = f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
            new = (await api.call("GET", "/apis", headers={"Accept": accept}))[1]
            assert new["kind"] == "APIGroupDiscoveryList"
            names = [group["metadata"]["name"] for group in new["items"]]
            assert "flink.apache.org" in names
        assert (await api.call("GET", "/apis/apps"))[1]["kind"] == "APIGroup"
        assert (await api.call("GET", "/version"))[1]["major"] == "1"
        index = (await api.call("GET", "/openapi/v3"))[1]["paths"]
        for entry in index.values():
            document = (await api.call("GET", entry["serverRelativeURL"]))[1]
            assert document["openapi"] == "3.0.0"
        assert (await api.call("GET", "/openapi/v2"))[1]["swagger"] == "2.0"

    with_api(tmp_path, scenario)


def test_two_servers_side_by_side_know_nothing_of_each_other(tmp_path: Path) -> None:
    async def run() -> None:
        first, second = Api(tmp_path, "127.64.1.11"), Api(tmp_path, "127.64.1.12")
        async with first.running(), second.running():
            await first.call("POST", MAPS, json=config_map())
            assert (await second.call("GET", MAPS))[1]["items"] == []
            bearer = {"Authorization": f"Bearer {first.server.token}"}
            assert (await second.call("GET", MAPS, headers=bearer))[0] == 401

    asyncio.run(run())


def test_a_taken_address_is_a_clear_error(tmp_path: Path) -> None:
    async def run() -> None:
        async with Api(tmp_path).running():
            with pytest.raises(ServiceError, match=r"127\.64\.1\.10:6443.*another world"):
                await Api(tmp_path).server.start()

    asyncio.run(run())


def test_stopping_twice_is_fine_and_the_address_is_free_again(tmp_path: Path) -> None:
    async def run() -> None:
        for _ in range(2):
            server = Api(tmp_path).server
            await server.start()
            await server.stop()
            await server.stop()

    asyncio.run(run())


def test_kubeconfigs_are_private(tmp_path: Path) -> None:
    api = Api(tmp_path)
    path = tmp_path / "new" / "kubeconfig"
    api.server.write_kubeconfig(path, namespace="torghut")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert "namespace: torghut" in text
    assert api.server.token in text
    assert "PRIVATE" not in text
