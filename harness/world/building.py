"""Puts a world together: services side by side, the control plane, the first sync."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import orjson

from harness.core.audit import AuditEvent, AuditTrail
from harness.core.errors import HarnessError, ServiceError
from harness.world import network, registry, toolbox
from harness.world.addresses import Addresses
from harness.world.control_plane.api_server.server import ApiServer
from harness.world.control_plane.api_server.tls import Certificate
from harness.world.control_plane.argocd import ArgoCD, applications
from harness.world.control_plane.buckets import Buckets, bootstrap_secrets
from harness.world.control_plane.client import Client
from harness.world.control_plane.deployments import Deployments
from harness.world.control_plane.flink_operator.controller import FlinkOperator
from harness.world.control_plane.flink_operator.launching import ProcessLauncher
from harness.world.control_plane.flink_operator.process_clusters import ProcessClusters
from harness.world.control_plane.flink_operator.settings import OperatorSettings
from harness.world.control_plane.knative import Knative
from harness.world.control_plane.model.catalog import catalog
from harness.world.control_plane.pods.runtime import PodRuntime
from harness.world.control_plane.store import Store
from harness.world.control_plane.topic_admin import KafkaTopicAdmin
from harness.world.control_plane.topics import TopicOperator
from harness.world.kafka_pods import add_kafka_pods
from harness.world.locating import ROOT, job_python
from harness.world.pod_edge import LocalPodEdge
from harness.world.processes import MARKER
from harness.world.profiles.profile import load_profile
from harness.world.profiles.settings import parse_settings
from harness.world.proxy import serve
from harness.world.repository import ManifestRepository
from harness.world.services.clickhouse.ddl import localise_ddl
from harness.world.services.clickhouse.local import LocalClickHouse
from harness.world.services.flink import FlinkRuntime
from harness.world.services.kafka.local import LocalKafka
from harness.world.services.object_store.local import LocalObjectStore
from harness.world.spec import WorldState
from harness.world.toolbox import add_toolbox_pod
from harness.world.tools import find_kubectl
from harness.world.watching import DeathWatch

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from harness.world.proxy import ProxyRequest
    from harness.world.services.base import Service
    from harness.world.spec import WorldSpec

Emit = Callable[..., None]


RUNBOOK_IN_REPOSITORY: Final = "argocd/applications/torghut/README.md"
"""Where production keeps the document."""

_NAMESPACES: Final = ("argocd", "kafka", "torghut", "rook-ceph", "knative-serving")
_RECONCILE: Final = timedelta(seconds=1)
_TOPIC_SECONDS: Final = 60.0


class Building:
    """Builds and tears down one world, on one event loop.

    Attributes:
        deaths: notices what dies in it.
    """

    def __init__(self, spec: WorldSpec, emit: Emit) -> None:
        """Prepare; ``build`` does the work.

        Args:
            spec: what to build.
            emit: reports events, see ``harness.world.host``.
        """
        self._spec, self._emit = spec, emit
        self._profile = load_profile(spec.profile)
        self._settings = parse_settings(spec.settings)
        self.deaths = DeathWatch(lambda line: emit("died", what=line))
        self._ready: dict[str, float] = {}
        self._services: list[Service] = []
        self._undo = contextlib.AsyncExitStack()
        self._audit = AuditTrail(spec.audit)
        self._store = Store(catalog(self._profile.topic_api), namespaces=_NAMESPACES)
        self._pods = PodRuntime(self._audit, environment={MARKER: spec.world_id})
        self._clickhouse_password = secrets.token_urlsafe(16)

    async def build(self) -> None:
        """Build the world; returns when every service answers and the first sync is done.

        Raises:
            HarnessError: when a part cannot be started.
        """
        began = time.monotonic()
        self._runtime = FlinkRuntime.locate(job_python(), repository=ROOT)
        find_kubectl()  # nothing is started for a document whose commands cannot run
        self._claim_network()
        self._prepare_files()
        self._make_services()
        await _side_by_side(
            *(self._bring_up(service) for service in self._services),
            self._start_control_plane(),
        )
        await self._populate()
        self._ready["world"] = round(time.monotonic() - began, 3)
        self._write_state()

    def _claim_network(self) -> None:
        brokers = self._settings.brokers
        claim = network.claim(
            self._spec.network, lambda name: network.world_ports(Addresses(name, brokers))
        )
        self._undo.callback(claim.close)
        self._addresses = Addresses(claim.network, brokers)

    def _prepare_files(self) -> None:
        root = self._spec.root
        self._hosts_file = root / "hosts"
        self._hosts_file.write_text(self._addresses.hosts_file())
        self._ddl = root / "schema.sql"
        schema = f"schema_{self._profile.clickhouse_ddl}.sql"
        source = (ROOT / "fake_ta_job" / schema).read_text(encoding="utf-8")
        local = localise_ddl(source)
        self._ddl.write_text(local.sql, encoding="utf-8")
        self._stripped = local.stripped
        self._edge = LocalPodEdge(
            self._addresses, self._settings, self._ddl, self._profile.job_settings()
        )
        self._repository = ManifestRepository.create(
            root / "repository",
            self._profile,
            self._settings,
            self._audit,
            documents=self._documents(),
        )

    def _documents(self) -> dict[str, bytes]:
        runbook = self._spec.runbook
        return {} if runbook is None else {RUNBOOK_IN_REPOSITORY: runbook.read_bytes()}

    def _make_services(self) -> None:
        root, logs, world_id = self._spec.root, self._spec.logs, self._spec.world_id
        self._kafka = LocalKafka(
            self._addresses, directory=root / "kafka", logs=logs, world_id=world_id
        )
        self._clickhouse = LocalClickHouse(
            self._addresses,
            directory=root / "clickhouse",
            logs=logs,
            world_id=world_id,
            password=self._clickhouse_password,
        )
        self._objects = LocalObjectStore(self._addresses, logs=logs, world_id=world_id)
        self._services = [self._kafka, self._clickhouse, self._objects]

    async def _bring_up(self, service: Service) -> None:
        """Start a service and wait until it answers; its end is on the undo list first."""
        began = time.monotonic()
        starting = asyncio.ensure_future(asyncio.to_thread(service.start))
        self._undo.push_async_callback(self._stop_service, service, starting)
        # Not cancelled with this: the thread would go on and start what nobody ends.
        await asyncio.shield(starting)
        self.deaths.add_service(service)
        await asyncio.to_thread(service.wait_ready)
        self._ready[service.name] = round(time.monotonic() - began, 3)
        self._emit("service", name=service.name, seconds=self._ready[service.name])

    async def _stop_service(self, service: Service, starting: asyncio.Future[None]) -> None:
        await asyncio.wait([starting])
        await asyncio.to_thread(service.stop)

    async def _start_control_plane(self) -> None:
        host, _, port = self._addresses.api_server.rpartition(":")
        certificate = await asyncio.to_thread(Certificate.create, [host])
        self._token = secrets.token_urlsafe(24)
        self._api = ApiServer(
            self._store,
            self._audit,
            self._pods,
            host=host,
            port=int(port),
            token=self._token,
            certificate=certificate,
        )
        await self._api.start()
        self._undo.push_async_callback(self._api.stop)
        self._undo.push_async_callback(self._pods.stop)
        self._kubeconfig = self._spec.root / "kubeconfig"
        self._api.write_kubeconfig(self._kubeconfig)
        self._authority = self._spec.root / "api-ca.pem"
        self._authority.write_bytes(certificate.authority)
        await self._start_proxy()

    async def _start_proxy(self) -> None:
        host, _, port = self._addresses.proxy.rpartition(":")
        names = self._addresses.hosts()
        routes = {
            f"{name}:{port}": target
            for name in names
            for prefix, port, target in (
                ("rook-ceph-rgw", 80, self._addresses.object_store),
                ("torghut-clickhouse", 8123, f"{self._addresses.clickhouse_host}:8123"),
            )
            if name.startswith(prefix)
        }
        server = await serve(host, int(port), routes, self._on_proxy_request)
        self._undo.callback(server.close)

    def _on_proxy_request(self, request: ProxyRequest) -> None:
        source = "s3" if "rgw" in request.destination else "proxy"
        outcome = "forwarded" if request.address else "refused"
        self._audit.record(
            AuditEvent(
                source,
                request.user_agent or "unknown",
                request.method,
                f"{request.destination}{request.path}",
                None,
                outcome,
            )
        )

    def _client(self, actor: str) -> Client:
        return Client(self._store, self._audit, actor)

    async def _populate(self) -> None:
        """Start the controllers and bring the cluster to the state of the first commit."""
        await asyncio.to_thread(self._clickhouse.apply_ddl, self._ddl.read_text(encoding="utf-8"))
        bootstrap_secrets(
            self._client("sealed-secrets"),
            kafka_password=secrets.token_urlsafe(12),
            clickhouse_password=self._clickhouse_password,
        )
        self._start_reconcilers()
        for application in applications(self._profile, self._settings.argo_automation):
            self._client("argocd-applicationset-controller").create(application)
        await self._first_sync()
        add_toolbox_pod(
            self._client("torghut-operations"),
            self._pods,
            self._spec.root,
            self._addresses,
            self._objects.credentials,
        )
        add_kafka_pods(
            self._client("strimzi-cluster-operator"),
            self._pods,
            self._spec,
            self._addresses,
            self._profile.broker_pods,
        )

    def _start_reconcilers(self) -> None:
        keys = self._objects.credentials
        self._argocd = ArgoCD(
            self._client("argocd-controller"), self._repository, self._audit, resync=2.0
        )
        self._topics = TopicOperator(
            self._client("strimzi-topic-operator"),
            KafkaTopicAdmin(self._addresses.kafka_bootstrap),
            self._audit,
            resync=self._settings.topic_resync_ms / 1000,
        )
        buckets = Buckets(
            self._client("rook-ceph-operator"),
            self._audit,
            endpoint=f"http://{self._addresses.object_store}",
            access_key=keys.access_key,
            secret_key=keys.secret_key,
        )
        knative = Knative(self._client("knative-serving"), resync=5.0)
        deployments = Deployments(self._client("deployment-controller"), resync=5.0)
        for reconciler in (self._argocd, self._topics, buckets, knative, deployments):
            self._run(reconciler.run(), type(reconciler).__name__)

    def _run(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self.deaths.add_controller(task)
        self._undo.push_async_callback(_cancelled, task)

    async def _first_sync(self) -> None:
        """Sync infrastructure first, as sync waves do, then the job."""
        for name in sorted(self._profile.applications, key=lambda name: name == "torghut"):
            if name == "torghut":
                await self._topics_ready()
                self._start_operator()
            await self._argocd.sync(name, by="admin")

    async def _topics_ready(self) -> None:
        deadline = time.monotonic() + _TOPIC_SECONDS
        while waiting := [t["metadata"]["name"] for t in self._topic_objects() if not _ready(t)]:
            if time.monotonic() > deadline:
                raise ServiceError(f"topics are not ready: {', '.join(waiting)}")
            await asyncio.sleep(0.05)

    def _topic_objects(self) -> list[dict[str, Any]]:
        return self._store.list("KafkaTopic").items

    def _start_operator(self) -> None:
        client = self._client("flink-kubernetes-operator")
        launcher = ProcessLauncher(
            self._spec.world_id,
            self._addresses,
            self._runtime,
            self._spec.root / "flink",
            self._spec.logs,
            self._hosts_file,
        )
        launch = self.deaths.watching(launcher)
        clusters = ProcessClusters(client, self._pods, self._edge, launch)
        self._undo.push_async_callback(clusters.close)
        operator = FlinkOperator(client, clusters, OperatorSettings.every(_RECONCILE))
        self._run(operator.run(), "FlinkOperator")

    def state(self) -> WorldState:
        """Return how to reach the world; only after ``build``."""
        keys = self._objects.credentials
        return WorldState(
            world_id=self._spec.world_id,
            root=self._spec.root,
            logs=self._spec.logs,
            audit=self._spec.audit,
            profile=self._profile.name,
            pid=os.getpid(),
            network=self._addresses.network,
            brokers=self._addresses.brokers,
            kubeconfig=self._kubeconfig,
            repository=self._repository.path,
            api_token=self._token,
            api_ca=self._authority,
            clickhouse_user="torghut",
            clickhouse_password=self._clickhouse_password,
            s3_access_key=keys.access_key,
            s3_secret_key=keys.secret_key,
            differences=tuple(self.differences()),
            ready_seconds=self._ready,
        )

    def differences(self) -> list[str]:
        """Return where this world is not like production, one sentence each."""
        return [
            *self._profile.limits,
            toolbox.DIFFERENCE,
            *dict.fromkeys(f"ClickHouse's DDL is without {item}." for item in self._stripped),
            *self._topics.differences(),
            *self._edge.differences(),
        ]

    def _write_state(self) -> None:
        path = self._spec.root / registry.STATE_FILE
        path.touch(mode=0o600)
        path.write_bytes(orjson.dumps(self.state().to_json()))

    async def tear_down(self) -> None:
        """End everything that was started, the last first; every part is tried."""
        try:
            await self._undo.aclose()
        except HarnessError as error:
            print(f"tear-down: {error}", file=sys.stderr)  # noqa: T201 - the host's log


async def _side_by_side(*works: Coroutine[Any, Any, None]) -> None:
    """Do things side by side; the first error ends the others before it is raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _ready(topic: dict[str, Any]) -> bool:
    conditions = topic.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
