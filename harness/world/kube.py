"""A small blocking client of the world's API server, for the harness's own looks and syncs."""

from __future__ import annotations

import contextlib
import ssl
import threading
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Final

import orjson

from harness.core.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.world.spec import WorldState

USER_AGENT: Final = "replay-harness"
_TIMEOUT: Final = 30.0
_PATHS: Final = {
    "ConfigMap": "/api/v1/namespaces/{namespace}/configmaps",
    "FlinkDeployment": "/apis/flink.apache.org/v1beta1/namespaces/{namespace}/flinkdeployments",
    "KnativeService": "/apis/serving.knative.dev/v1/namespaces/{namespace}/services",
    "Application": "/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications",
    "KafkaTopic": "/apis/kafka.strimzi.io/v1beta2/namespaces/{namespace}/kafkatopics",
    "Pod": "/api/v1/namespaces/{namespace}/pods",
}


class KubeClient:
    """Gets, patches and watches objects; every request shows in the audit trail."""

    def __init__(self, state: WorldState) -> None:
        """Use the API server of the world ``state``."""
        self._base = f"https://{state.addresses.api_server}"
        self._token = state.api_token
        self._tls = ssl.create_default_context(cafile=str(state.api_ca))

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        """Return one object.

        Raises:
            ServiceError: when there is no such object or the server does not answer.
        """
        return self._json("GET", f"{_path(kind, namespace)}/{name}")

    def list(self, kind: str, namespace: str) -> dict[str, Any]:
        """Return the list object of all objects of a kind in a namespace."""
        return self._json("GET", _path(kind, namespace))

    def merge_patch(
        self, kind: str, namespace: str, name: str, patch: dict[str, Any]
    ) -> dict[str, Any]:
        """Apply a JSON merge patch (RFC 7396) and return the object after it."""
        return self._json("PATCH", f"{_path(kind, namespace)}/{name}", patch)

    def watch(
        self, kind: str, namespace: str, *, since: str, stop: threading.Event
    ) -> Iterator[dict[str, Any]]:
        """Yield watch events of a kind until ``stop`` is set.

        Args:
            kind: resource kind.
            namespace: namespace.
            since: resourceVersion after which to begin.
            stop: looked at between events and once a second.
        """
        path = f"{_path(kind, namespace)}?watch=true&resourceVersion={since}"
        with self._open("GET", path, timeout=1.0) as response:
            for line in _lines(response, stop):
                yield orjson.loads(line)

    def _json(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        with self._open(method, path, body) as response:
            result: dict[str, Any] = orjson.loads(response.read())
        return result

    def _open(
        self, method: str, path: str, body: dict[str, Any] | None = None, timeout: float = _TIMEOUT
    ) -> Any:  # noqa: ANN401 - urllib's response has no public type
        request = urllib.request.Request(  # noqa: S310 - the scheme is fixed above
            self._base + path,
            method=method,
            data=None if body is None else orjson.dumps(body),
            headers={
                "Authorization": f"Bearer {self._token}",
                "User-Agent": USER_AGENT,
                "Content-Type": "application/merge-patch+json",
            },
        )
        # The world's own address: never through a proxy that the user's environment names.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._tls)
        )
        try:
            return opener.open(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            with contextlib.closing(error):
                reason = orjson.loads(error.read() or b"{}").get("message", error.reason)
            raise ServiceError(f"{method} {path}: {error.code} {reason}") from error
        except OSError as error:
            raise ServiceError(f"the API server does not answer: {error}", where=path) from error


def _path(kind: str, namespace: str) -> str:
    return _PATHS[kind].format(namespace=namespace)


def _lines(response: Any, stop: threading.Event) -> Iterator[bytes]:  # noqa: ANN401
    """Yield lines of a response that may be silent for long."""
    buffer = b""
    while not stop.is_set():
        try:
            chunk = response.read1(65536)
        except TimeoutError:
            continue
        if not chunk:
            return
        *lines, buffer = (buffer + chunk).split(b"\n")
        yield from filter(None, lines)


class Watcher:
    """Follows a kind in a thread of its own and hands every version to a callback."""

    def __init__(
        self,
        client: KubeClient,
        kind: str,
        namespace: str,
        on_version: Callable[[str, dict[str, Any], bool], None],
    ) -> None:
        """Prepare to follow ``kind``; ``on_version`` gets kind, object and whether it is gone."""
        self._client, self._kind, self._namespace = client, kind, namespace
        self._on_version = on_version
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"watch-{kind}", daemon=True)
        self.failure: ServiceError | None = None
        self._since = "0"

    def start(self) -> None:
        """Report what is there now, then follow."""
        listed = self._client.list(self._kind, self._namespace)
        for item in listed["items"]:
            self._on_version(self._kind, item, False)  # noqa: FBT003 - a callback's plain argument
        self._since = listed["metadata"]["resourceVersion"]
        self._thread.start()

    def _follow(self) -> None:
        while not self._stop.is_set():
            try:
                for event in self._client.watch(
                    self._kind, self._namespace, since=self._since, stop=self._stop
                ):
                    self._take(event)
            except ServiceError as error:
                self.failure = error
                return
            except OSError as error:
                self.failure = ServiceError(f"watch of {self._kind} broke: {error}")
                return

    def _take(self, event: dict[str, Any]) -> None:
        item = event["object"]
        if event["type"] == "ERROR":
            raise ServiceError(f"watch of {self._kind}: {item.get('message')}")
        self._since = item["metadata"]["resourceVersion"]
        if event["type"] != "BOOKMARK":
            self._on_version(self._kind, item, event["type"] == "DELETED")

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5.0)
