"""The server itself: TLS, tokens, and the way from a request to its handler."""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING, Final

from aiohttp import web

from harness.core.errors import ServiceError
from harness.world.control_plane.api_server import (
    changing,
    discovery,
    openapi,
    pod_streams,
    reading,
    requests,
)
from harness.world.control_plane.api_server.exchange import Exchange, answer
from harness.world.control_plane.api_server.kubeconfig import write_kubeconfig
from harness.world.control_plane.api_server.tls import Certificate
from harness.world.control_plane.model.errors import ApiError, BadRequestError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from harness.core.audit import AuditTrail
    from harness.world.control_plane.pods.runtime import PodRuntime
    from harness.world.control_plane.store import Store

    Handler = Callable[[Exchange], Awaitable[web.StreamResponse]]

_STOP_SECONDS: Final = 0.5
_VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch", "GET": "get"}
_HANDLERS: Final[dict[str, Handler]] = {
    "get": reading.get,
    "list": reading.list_,
    "watch": reading.watch,
    "create": changing.create,
    "update": changing.replace,
    "patch": changing.patch,
    "delete": changing.delete,
    "deletecollection": changing.delete_collection,
    "log": pod_streams.log,
    "exec": pod_streams.execute,
}


class ApiServer:
    """A Kubernetes API on one address.

    Attributes:
        token: bearer token that every request must bring.
        certificate: certificate, and the authority that signed it.
        url: ``https://host:port``.
    """

    def __init__(
        self,
        store: Store,
        audit: AuditTrail,
        pods: PodRuntime,
        *,
        host: str,
        port: int = 6443,
        token: str | None = None,
        certificate: Certificate | None = None,
    ) -> None:
        """Prepare; ``start`` listens.

        Args:
            store: the objects.
            audit: where every request is recorded.
            pods: what stands behind the pods.
            host: address to listen on.
            port: port to listen on.
            token: bearer token; None: a random one.
            certificate: certificate for ``host``; None: a new one.
        """
        self.token = token or secrets.token_urlsafe(32)
        self.certificate = certificate or Certificate.create([host, "localhost"])
        self.url = f"https://{host}:{port}"
        self._store = store
        self._audit = audit
        self._pods = pods
        self._address = (host, port)
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            ServiceError: when the address is taken or is not this machine's.
        """
        application = web.Application(client_max_size=requests.LIMIT)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(
            application,
            handler_cancellation=True,
            access_log=None,
            shutdown_timeout=_STOP_SECONDS,
        )
        await self._runner.setup()
        host, port = self._address
        site = web.TCPSite(self._runner, host, port, ssl_context=self.certificate.server_context())
        try:
            await site.start()
        except OSError as error:
            await self.stop()
            raise ServiceError(
                f"the API server cannot listen: {error.strerror or error}",
                where=f"{host}:{port}",
                hint="another world may use this address",
            ) from error

    async def stop(self) -> None:
        """End all commands and streams and stop listening; may be called more than once."""
        await self._pods.stop()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def write_kubeconfig(self, path: Path, *, namespace: str = "default") -> None:
        """Write a kubeconfig for this server, readable by its owner alone."""
        write_kubeconfig(
            path,
            server=self.url,
            authority=self.certificate.authority,
            token=self.token,
            namespace=namespace,
        )

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        exchange = Exchange(request, self._store, self._audit, self._pods)
        try:
            self._authenticate(request)
            response = await self._dispatch(exchange)
        except ApiError as error:
            exchange.record(error.code)
            return answer(error.status(), error.code)
        exchange.record(response.status)
        return response

    def _authenticate(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {self.token}".encode()):
            raise ApiError(401, "Unauthorized", "Unauthorized")

    async def _dispatch(self, exchange: Exchange) -> web.StreamResponse:
        request = exchange.request
        general = self._general(request)
        if general is not None:
            return general
        if not request.path.startswith(("/api/", "/apis/")):
            raise NotFoundError("the server could not find the requested resource")
        exchange.target = requests.parse_path(request.path, self._store.kinds)
        exchange.verb = _verb(exchange)
        if exchange.verb not in {"get", "list", "watch", "log", "exec"}:
            exchange.body = await requests.read_body(request)
        return await _HANDLERS[exchange.verb](exchange)

    def _general(self, request: web.Request) -> web.Response | None:
        """Answer what is not about one resource: health, version, discovery, OpenAPI."""
        parts = request.path.strip("/").split("/")
        match parts:
            case ["healthz" | "livez" | "readyz"]:
                return web.Response(text="ok")
            case ["version"]:
                return answer(discovery.VERSION)
            case ["openapi", *rest]:
                return self._openapi(request, rest)
            case ["api"] | ["apis"]:
                return self._groups(request, core=parts == ["api"])
        return self._resources(parts)

    def _resources(self, parts: list[str]) -> web.Response | None:
        kinds = self._store.kinds.values()
        match parts:
            case ["api", version]:
                found = discovery.resource_list(kinds, "", version)
            case ["apis", group]:
                found = discovery.one_group(kinds, group)
            case ["apis", group, version]:
                found = discovery.resource_list(kinds, group, version)
            case _:
                found = None
        return answer(found) if found else None

    def _openapi(self, request: web.Request, rest: list[str]) -> web.Response | None:
        kinds = self._store.kinds.values()
        match rest:
            case ["v2"] if openapi.SWAGGER_PROTOBUF in request.headers.get("Accept", ""):
                # An @ is no part of a media type that clients can parse.
                headers = {"Content-Type": openapi.SWAGGER_PROTOBUF.replace("@", ".")}
                return web.Response(body=openapi.swagger_protobuf(), headers=headers)
            case ["v2"]:
                return answer(openapi.swagger(kinds))
            case ["v3"]:
                return answer(openapi.index(kinds))
            case ["v3", "api", version]:
                found = discovery.groups(kinds)[""].get(version)
            case ["v3", "apis", group, version]:
                found = discovery.groups(kinds).get(group, {}).get(version)
            case _:
                found = None
        return answer(openapi.document(found)) if found else None

    def _groups(self, request: web.Request, *, core: bool) -> web.Response:
        kinds = self._store.kinds.values()
        for version in ("v2", "v2beta1"):
            form = f"g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
            if form in request.headers.get("Accept", ""):
                api_version = f"apidiscovery.k8s.io/{version}"
                found = discovery.aggregated(kinds, core=core, api_version=api_version)
                return answer(found, content_type=f"application/json;{form}")
        address = ":".join(map(str, self._address))
        return answer(discovery.api_versions(address) if core else discovery.group_list(kinds))


def _verb(exchange: Exchange) -> str:
    """Return what a request does, in the words of the audit trail."""
    request, target = exchange.request, exchange.aim
    if target.subresource in {"log", "exec"}:
        return target.subresource
    if request.method == "GET":
        if requests.flag(request, "watch"):
            return "watch"
        return "get" if target.name else "list"
    if request.method == "DELETE":
        return "delete" if target.name else "deletecollection"
    verb = _VERBS.get(request.method)
    if verb is None or (verb == "create") is (target.name is not None):
        raise ApiError(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )
    if target.kind.namespaced and target.namespace is None:
        raise BadRequestError("an empty namespace may not be set during creation")
    return verb
