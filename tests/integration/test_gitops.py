"""A commit travels: Git, Argo CD, API objects, and from there topics, buckets and revisions."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from harness.core.audit import AuditTrail
from harness.core.waiting import wait_until
from harness.world.addresses import Addresses
from harness.world.control_plane.argocd import (
    ArgoCD,
    applications,
    finished_operation,
    sync_operation,
)
from harness.world.control_plane.buckets import Buckets, bootstrap_secrets
from harness.world.control_plane.client import Client
from harness.world.control_plane.knative import Knative
from harness.world.control_plane.store import Store
from harness.world.control_plane.topic_admin import KafkaTopicAdmin, NewTopicPlan, TopicError
from harness.world.control_plane.topics import TopicOperator
from harness.world.processes import sweep
from harness.world.profiles import ProfileSettings, load_profile
from harness.world.repository import FLINK_DEPLOYMENT, TA_CONFIG, ManifestRepository
from harness.world.services.kafka import LocalKafka

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

NETWORK = "127.66.1"
S3 = f"{NETWORK}.30"
KNATIVE_FILE = "argocd/applications/torghut/knative-service.yaml"
TRADING = "spec.template.spec.containers[0].env[name=TRADING_ENABLED].value"


@pytest.fixture(name="kafka", scope="module")
def kafka_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    root = tmp_path_factory.mktemp("kafka")
    world_id = f"gitops-{secrets.token_hex(4)}"
    kafka = LocalKafka(
        Addresses(NETWORK, brokers=1),
        directory=root / "data",
        logs=root / "logs",
        world_id=world_id,
    )
    try:
        kafka.start()
        kafka.wait_ready(60)
        yield kafka
    finally:
        kafka.stop()
        sweep(world_id)


@pytest.fixture(name="object_store", scope="module")
def object_store_fixture() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address=S3, port=5000, verbose=False)
    server.start()
    yield f"http://{S3}:5000"
    server.stop()


class Cluster:
    """A store with all controllers of this part, and somebody who uses it."""

    def __init__(self, root: Path) -> None:
        self.audit = AuditTrail(root / "audit.jsonl")
        self.profile = load_profile("S")
        self.repository = ManifestRepository.create(
            root / "manifests", self.profile, ProfileSettings(), self.audit
        )
        self.store = Store(namespaces=("argocd", "kafka", "torghut"))
        self.argocd = ArgoCD(self.client("argocd-controller"), self.repository, self.audit)
        self.knative = Knative(self.client("knative"), resync=1)
        self.user = self.client("user")
        for app in applications(self.profile):
            self.user.create(app)

    def client(self, actor: str) -> Client:
        return Client(self.store, self.audit, actor)

    def app(self, name: str = "torghut") -> dict[str, Any]:
        return self.store.get("Application", "argocd", name)


@pytest.fixture(name="cluster")
def cluster_fixture(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


async def eventually(holds: Callable[[], object]) -> None:
    await asyncio.to_thread(wait_until, holds, what="the cluster to settle", timeout=30)


def running(
    *controllers: Callable[[], Awaitable[None]], scenario: Callable[[], Awaitable[None]]
) -> None:
    """Run the controllers as a world does, beside a scenario, and end them with it."""

    async def main() -> None:
        tasks = [asyncio.ensure_future(controller()) for controller in controllers]
        try:
            await scenario()
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    asyncio.run(main())


def test_a_requested_sync_carries_a_commit_to_the_objects(cluster: Cluster) -> None:
    async def scenario() -> None:
        await cluster.argocd.sync("torghut")
        await eventually(lambda: cluster.store.list("Pod", "torghut").items)
        cluster.repository.edit(KNATIVE_FILE, TRADING, "false")
        cluster.repository.edit(FLINK_DEPLOYMENT, "spec.job.state", "suspended")
        revision = cluster.repository.commit("Pause trading, suspend TA")
        await eventually(lambda: cluster.app()["status"]["sync"]["status"] == "OutOfSync")
        job = cluster.store.get("FlinkDeployment", "torghut", "torghut-ta")["spec"]["job"]
        assert job["state"] == "running", "manual: a commit alone changes nothing"

        cluster.user.patch("Application", "argocd", "torghut", sync_operation("r1", by="oncall"))
        await eventually(lambda: finished_operation(cluster.app(), "r1"))
        state = finished_operation(cluster.app(), "r1")
        assert state is not None
        assert (state["phase"], state["syncResult"]["revision"]) == ("Succeeded", revision)
        await eventually(lambda: cluster.app()["status"]["sync"]["status"] == "Synced")
        job = cluster.store.get("FlinkDeployment", "torghut", "torghut-ta")["spec"]["job"]
        assert job["state"] == "suspended"
        await eventually(lambda: env_of_pod(cluster).get("TRADING_ENABLED") == "false")

    running(cluster.argocd.run, cluster.knative.run, scenario=scenario)
    syncs = [event for event in cluster.audit.events() if event.source == "argocd"]
    assert [event.actor for event in syncs] == ["admin", "oncall"]


def env_of_pod(cluster: Cluster) -> dict[str, str]:
    pods = cluster.store.list("Pod", "torghut").items
    if len(pods) != 1:
        return {}
    env = pods[0]["spec"]["containers"][0]["env"]
    return {entry["name"]: entry.get("value", "") for entry in env}


def test_self_heal_reverts_a_patch_that_git_does_not_know(cluster: Cluster) -> None:
    async def scenario() -> None:
        await cluster.argocd.sync("torghut")
        policy = {"automated": {"prune": True, "selfHeal": True}}
        cluster.user.patch("Application", "argocd", "torghut", {"spec": {"syncPolicy": policy}})
        cluster.user.patch(
            "ConfigMap", "torghut", "torghut-ta-config", {"data": {"TA_GROUP_ID": "mine"}}
        )
        await eventually(lambda: group_id(cluster) == "torghut-ta-2025-12-23")
        cluster.repository.edit(TA_CONFIG, "data.TA_GROUP_ID", "torghut-ta-replay-x")
        cluster.repository.commit("Replay group")
        await eventually(lambda: group_id(cluster) == "torghut-ta-replay-x")

    running(cluster.argocd.run, scenario=scenario)


def group_id(cluster: Cluster) -> str:
    config = cluster.store.get("ConfigMap", "torghut", "torghut-ta-config")
    return str(config["data"]["TA_GROUP_ID"])


def test_topics_follow_their_resources(cluster: Cluster, kafka: LocalKafka) -> None:
    admin = KafkaTopicAdmin(kafka.bootstrap)
    operator = TopicOperator(
        cluster.client("strimzi-topic-operator"), admin, cluster.audit, resync=0.2
    )
    names = {topic.name for topic in cluster.profile.topics()}

    def ready() -> bool:
        topics = cluster.store.list("KafkaTopic", "kafka").items
        states = [(t.get("status") or {}).get("conditions", [{}])[0].get("status") for t in topics]
        return len(states) == len(names) and set(states) == {"True"}

    async def scenario() -> None:
        await cluster.argocd.sync("kafka")
        await eventually(ready)
        live = admin.describe(names)
        for topic in cluster.profile.topics():
            assert live[topic.name].partitions == topic.partitions
            assert live[topic.name].config == topic.config
        signals = "torghut.ta.signals.v1"
        first = live[signals].topic_id
        admin.delete(signals)
        await eventually(lambda: topic_id(admin, signals) not in {first, None})
        await eventually(ready)
        again = admin.describe({signals})[signals]
        assert again.config == live[signals].config
        admin.configure(signals, {"retention.ms": "1000"}, ["compression.type"])
        await eventually(lambda: admin.describe({signals})[signals].config == again.config)
        cluster.user.patch("KafkaTopic", "kafka", signals, {"spec": {"partitions": 2}})
        await eventually(lambda: admin.describe({signals})[signals].partitions == 2)
        cluster.user.delete("KafkaTopic", "kafka", signals)
        await eventually(lambda: not admin.describe({signals}))

    running(operator.run, scenario=scenario)
    seen = [(e.verb, e.object) for e in cluster.audit.events() if e.source == "kafka"]
    assert ("delete", "topics/torghut.ta.signals.v1") in seen
    assert "replication factor of 1 instead of 3" in operator.differences()[0]
    refused = admin.create([NewTopicPlan("no good name", 1, 1, {})])
    assert "is invalid" in refused["no good name"].what
    with pytest.raises(TopicError, match="UNKNOWN_TOPIC_OR_PART"):
        admin.delete("never.was")


def topic_id(admin: KafkaTopicAdmin, name: str) -> str | None:
    found = admin.describe({name}).get(name)
    return found.topic_id if found else None


def test_a_settled_topic_is_left_alone(cluster: Cluster, kafka: LocalKafka) -> None:
    operator = TopicOperator(
        cluster.client("strimzi-topic-operator"), KafkaTopicAdmin(kafka.bootstrap), cluster.audit
    )

    async def main() -> None:
        await cluster.argocd.sync("kafka")
        await operator.reconcile()
        version = cluster.store.resource_version
        changes = [event for event in cluster.audit.events() if event.source == "kafka"]
        await operator.reconcile()
        assert cluster.store.resource_version == version
        assert [e for e in cluster.audit.events() if e.source == "kafka"] == changes

    asyncio.run(main())


def test_a_claim_becomes_bucket_keys_and_address(cluster: Cluster, object_store: str) -> None:
    buckets = Buckets(
        cluster.client("rook-ceph-operator"),
        cluster.audit,
        endpoint=object_store,
        access_key="key",
        secret_key="secret",
    )
    bootstrap_secrets(cluster.user, kafka_password="k", clickhouse_password="c")

    async def scenario() -> None:
        await cluster.argocd.sync("torghut")
        await eventually(lambda: (claim(cluster).get("status") or {}).get("phase") == "Bound")

    running(buckets.run, scenario=scenario)
    s3 = boto3.client(
        "s3",
        endpoint_url=object_store,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    assert s3.head_bucket(Bucket="flink-checkpoints")
    with pytest.raises(ClientError):
        s3.head_bucket(Bucket="another")
    secret = cluster.store.get("Secret", "torghut", "flink-checkpoints")
    assert set(secret["data"]) == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    address = cluster.store.get("ConfigMap", "torghut", "flink-checkpoints")["data"]
    assert address["BUCKET_HOST"] == "rook-ceph-rgw-objectstore.rook-ceph.svc"
    assert "'secret'" not in str([event.body for event in cluster.audit.events()])


def claim(cluster: Cluster) -> dict[str, Any]:
    return cluster.store.get("ObjectBucketClaim", "torghut", "flink-checkpoints")
