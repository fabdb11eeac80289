"""The harness's own client, against the world's API server."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.core.audit import AuditTrail
from harness.core.errors import ServiceError
from harness.core.waiting import wait_until
from harness.world.control_plane.api_server.server import ApiServer
from harness.world.control_plane.api_server.tls import Certificate
from harness.world.control_plane.client import Client
from harness.world.control_plane.loop_thread import LoopThread
from harness.world.control_plane.pods.runtime import PodRuntime
from harness.world.control_plane.store import Store
from harness.world.kube import USER_AGENT, KubeClient, Watcher

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.world.spec import WorldState

HOST, PORT = "127.203.17.2", 6443


class Server:
    """An API server on an event loop of its own thread."""

    def __init__(self, folder: Path) -> None:
        self.audit = AuditTrail(folder / "audit.jsonl")
        self._store = Store(namespaces=("torghut",))
        certificate = Certificate.create([HOST])
        self._api = ApiServer(
            self._store,
            self.audit,
            PodRuntime(self.audit, environment={}),
            host=HOST,
            port=PORT,
            token="t",
            certificate=certificate,
        )
        authority = folder / "ca.pem"
        authority.write_bytes(certificate.authority)
        addresses = SimpleNamespace(api_server=f"{HOST}:{PORT}")
        self.state = cast(
            "WorldState", SimpleNamespace(addresses=addresses, api_token="t", api_ca=authority)
        )
        self._loop = LoopThread()
        self._loop.start()
        self.run(self._api.start())

    def run(self, work: Any) -> Any:
        return self._loop.run(work)

    def create(self, name: str, **data: str) -> None:
        async def create() -> None:
            Client(self._store, self.audit, "test").create(
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {"name": name, "namespace": "torghut"},
                    "data": data,
                }
            )

        self.run(create())

    def stop(self) -> None:
        self.run(self._api.stop())
        self._loop.stop()


@pytest.fixture(name="server")
def server_fixture(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.stop()


def test_objects_are_got_listed_and_patched_and_it_shows_in_the_audit_trail(server: Server) -> None:
    server.create("one", key="old")
    client = KubeClient(server.state)
    client.merge_patch("ConfigMap", "torghut", "one", {"data": {"key": "new"}})
    assert client.get("ConfigMap", "torghut", "one")["data"] == {"key": "new"}
    assert len(client.list("ConfigMap", "torghut")["items"]) == 1
    verbs = [event.verb for event in server.audit.events() if USER_AGENT in event.actor]
    assert verbs == ["patch", "get", "list"]


def test_what_the_server_refuses_is_told_in_its_words(server: Server) -> None:
    with pytest.raises(ServiceError, match=r'404 configmaps "none" not found'):
        KubeClient(server.state).get("ConfigMap", "torghut", "none")


def test_no_server_is_an_error_that_names_what_was_asked(server: Server) -> None:
    client = KubeClient(server.state)
    client._base = f"https://{HOST}:6444"
    with pytest.raises(ServiceError, match="does not answer") as caught:
        client.get("ConfigMap", "torghut", "one")
    assert caught.value.where == "/api/v1/namespaces/torghut/configmaps/one"


def test_a_proxy_of_the_user_is_never_asked(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.203.17.3:1")
    assert KubeClient(server.state).list("ConfigMap", "torghut")["items"] == []


def test_a_watcher_sees_what_is_there_and_what_comes_and_outlives_a_silence(
    server: Server,
) -> None:
    server.create("before")
    seen: list[tuple[str, bool]] = []

    def take(_kind: str, item: dict[str, Any], gone: bool) -> None:  # noqa: FBT001
        seen.append((item["metadata"]["name"], gone))

    watcher = Watcher(KubeClient(server.state), "ConfigMap", "torghut", take)
    watcher.start()
    watcher._thread.join(1.5)  # a silence that a read timeout would not survive
    assert watcher._thread.is_alive()
    server.create("after")
    wait_until(lambda: len(seen) == 2, what="the second object", timeout=10)
    watcher.stop()
    assert seen == [("before", False), ("after", False)]
    assert watcher.failure is None
    assert not watcher._thread.is_alive()


def test_a_watch_that_breaks_is_not_silent_about_it(tmp_path: Path) -> None:
    server = Server(tmp_path)
    seen: list[Any] = []
    watcher = Watcher(
        KubeClient(server.state), "ConfigMap", "torghut", lambda _, item, __: seen.append(item)
    )
    watcher.start()
    server.create("one")
    wait_until(lambda: seen, what="the watch to stand", timeout=60)
    server.stop()
    wait_until(lambda: watcher.failure, what="the end of the watch", timeout=60)
