"""A small blocking client of the world's API server, for the harness's own looks and syncs."""

from __future__ import annotations

import contextlib
import http.client
import socket
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
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments",
    "KafkaTopic": "/apis/kafka.strimzi.io/v1/namespaces/{namespace}/kafkatopics",
    "Pod": "/api/v1/namespaces/{namespace}/pods",
}


class KubeClient:
    """Gets, patches and watches objects; every request shows in the audit trail."""

    def __init__(self, state: WorldState) -> None:
        """Use the API server of the world ``state``."""
        self._authority = state.addresses.api_server
        self._base = f"https://{self._authority}"
        self._headers = {
            "Authorization": f"Bearer {state.api_token}",
            "User-Agent": USER_AGENT,
            "Content-Type": "application/merge-patch+json",
        }
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

    def watch(self, kind: str, namespace: str, *, since: str) -> WatchStream:
        """Follow a kind from after a resourceVersion.

        Args:
            kind: resource kind.
            namespace: namespace.
            since: resourceVersion after which to begin.

        Raises:
            ServiceError: when the server does not answer or refuses.
        """
        path = f"{_path(kind, namespace)}?watch=true&resourceVersion={since}"
        connection = http.client.HTTPSConnection(
            self._authority, context=self._tls, timeout=_TIMEOUT
        )
        try:
            connection.request("GET", path, headers=self._headers)
            # Kept before the response takes the connection over: closing it ends a read.
            stream = connection.sock
            response = connection.getresponse()
            stream.settimeout(None)  # events may be long in coming; the answer may not
        except OSError as error:
            raise ServiceError(f"the API server does not answer: {error}", where=path) from error
        if response.status != http.HTTPStatus.OK:
            raise ServiceError(f"GET {path}: {response.status} {response.reason}")
        return WatchStream(stream, response)

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
            headers=self._headers,
        )
        # The world's own address: never through a proxy that the user's environment names.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._tls)
        )
        try:
            return opener.open(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            with contextlib.closing(error):
                reason = _message(error)
            raise ServiceError(f"{method} {path}: {error.code} {reason}") from error
        except OSError as error:
            raise ServiceError(f"the API server does not answer: {error}", where=path) from error


def _path(kind: str, namespace: str) -> str:
    return _PATHS[kind].format(namespace=namespace)


def _message(error: urllib.error.HTTPError) -> str:
    """Return what a Status object says, or the answer's plain text, or the bare reason."""
    text = error.read()
    try:
        return str(orjson.loads(text)["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return text.decode(errors="replace").strip() or str(error.reason)


class WatchStream:
    """Watch events as they come; ``close`` ends a reader in another thread."""

    def __init__(self, stream: socket.socket, response: http.client.HTTPResponse) -> None:
        """Read ``response``, which comes over ``stream``."""
        self._stream, self._response = stream, response

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield events until the server or ``close`` ends the stream."""
        while line := self._response.readline():
            if line.strip():
                yield orjson.loads(line)

    def close(self) -> None:
        """End the stream; a read under way sees its end."""
        with contextlib.suppress(OSError):
            self._stream.shutdown(socket.SHUT_RDWR)
        self._stream.close()


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
        self._stream: WatchStream | None = None

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
                self._stream = self._client.watch(self._kind, self._namespace, since=self._since)
                for event in self._stream:
                    self._take(event)
            except (ServiceError, OSError, ValueError, http.client.HTTPException) as error:
                if not self._stop.is_set():
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
        if self._stream is not None:
            self._stream.close()
        if self._thread.is_alive():
            self._thread.join(5.0)
