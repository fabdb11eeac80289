from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from harness.core.audit import AuditTrail
from harness.world.control_plane.api_server.pod_rows import pod_row
from harness.world.control_plane.api_server.tables import table
from harness.world.control_plane.client import Client
from harness.world.control_plane.deployments import HASH_LABEL, Deployments, template_hash
from harness.world.control_plane.pods.objects import owner_reference
from harness.world.control_plane.store import Store
from harness.world.profiles import load_profile

if TYPE_CHECKING:
    from pathlib import Path

NAME = "torghut-scheduler"
MANIFEST = "argocd/applications/torghut/scheduler-deployment.yaml"


class Cluster:
    def __init__(self, root: Path) -> None:
        audit = AuditTrail(root / "audit.jsonl")
        self.store = Store(namespaces=("torghut",))
        self.user = Client(self.store, audit, "user")
        self.controller = Deployments(Client(self.store, audit, "deployments"), resync=1)
        text = load_profile("H").files()[MANIFEST].decode()
        self.manifest: dict[str, Any] = YAML(typ="safe").load(text)
        self.user.create(self.manifest)

    def reconcile(self) -> None:
        asyncio.run(self.controller.reconcile())

    @property
    def deployment(self) -> dict[str, Any]:
        return self.store.get("Deployment", "torghut", NAME)

    def pods(self) -> list[dict[str, Any]]:
        return self.store.list("Pod", "torghut").items

    def scale(self, replicas: int) -> None:
        self.user.patch("Deployment", "torghut", NAME, {"spec": {"replicas": replicas}})
        self.reconcile()

    def row(self) -> list[Any]:
        kind = self.store.kind("Deployment")
        shown = table(kind, [self.deployment], resource_version="1")
        cells: list[Any] = shown["rows"][0]["cells"]
        return cells


@pytest.fixture(name="cluster")
def cluster_fixture(tmp_path: Path) -> Cluster:
    cluster = Cluster(tmp_path)
    cluster.reconcile()
    return cluster


def test_a_deployment_has_a_pod_for_each_replica(cluster: Cluster) -> None:
    [pod] = cluster.pods()
    assert pod["metadata"]["name"].startswith(f"{NAME}-")
    assert pod["metadata"]["labels"]["app.kubernetes.io/component"] == "trading-scheduler"
    assert pod["metadata"]["ownerReferences"][0]["uid"] == cluster.deployment["metadata"]["uid"]
    assert pod_row(pod)[1:4] == ["1/1", "Running", "0"]
    env = {e["name"]: e.get("value") for e in pod["spec"]["containers"][0]["env"]}
    assert env["TRADING_ENABLED"] == "true"


def test_kubectl_get_shows_it_ready(cluster: Cluster) -> None:
    assert cluster.row()[:4] == [NAME, "1/1", "1", "1"]


def test_no_replica_is_the_pause_and_shows_as_such(cluster: Cluster) -> None:
    cluster.scale(0)
    assert cluster.pods() == []
    assert cluster.row()[:4] == [NAME, "0/0", "0", "0"]
    assert "readyReplicas" not in cluster.deployment["status"]
    cluster.scale(1)
    assert len(cluster.pods()) == 1
    assert cluster.row()[1] == "1/1"


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(0, 5), max_size=6))
def test_pods_follow_the_replicas_wherever_they_go(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int]
) -> None:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    for count in counts:
        cluster.scale(count)
        assert len(cluster.pods()) == count
        assert cluster.deployment["status"].get("availableReplicas", 0) == count


def test_pods_that_are_enough_stay_the_same_ones(cluster: Cluster) -> None:
    cluster.scale(3)
    before = {pod["metadata"]["uid"] for pod in cluster.pods()}
    cluster.scale(2)
    assert {pod["metadata"]["uid"] for pod in cluster.pods()} < before


def test_a_new_template_has_new_pods_and_the_old_ones_go(cluster: Cluster) -> None:
    [old] = cluster.pods()
    template = cluster.deployment["spec"]["template"]
    template["spec"]["containers"][0]["env"].append({"name": "NEW", "value": "1"})
    cluster.user.patch("Deployment", "torghut", NAME, {"spec": {"template": template}})
    cluster.reconcile()
    [new] = cluster.pods()
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    assert new["metadata"]["labels"][HASH_LABEL] != old["metadata"]["labels"][HASH_LABEL]


def test_the_name_of_a_template_depends_on_its_content_alone() -> None:
    one = {"spec": {"a": 1, "b": [1, 2]}}
    assert template_hash(one) == template_hash({"spec": {"b": [1, 2], "a": 1}})
    assert template_hash(one) != template_hash({"spec": {"a": 1, "b": [2, 1]}})


def test_a_pass_without_news_writes_nothing(cluster: Cluster) -> None:
    version = cluster.store.resource_version
    cluster.reconcile()
    assert cluster.store.resource_version == version


def test_a_deleted_pod_comes_back(cluster: Cluster) -> None:
    [pod] = cluster.pods()
    cluster.user.delete("Pod", "torghut", pod["metadata"]["name"])
    cluster.reconcile()
    [again] = cluster.pods()
    assert again["metadata"]["uid"] != pod["metadata"]["uid"]


def test_pods_go_with_their_deployment(cluster: Cluster) -> None:
    cluster.user.delete("Deployment", "torghut", NAME)
    cluster.reconcile()
    assert cluster.pods() == []


def test_observed_generation_follows(cluster: Cluster) -> None:
    cluster.scale(2)
    assert (
        cluster.deployment["status"]["observedGeneration"]
        == cluster.deployment["metadata"]["generation"]
        == 2
    )


def test_a_deployment_that_somebody_controls_is_left_to_them(cluster: Cluster) -> None:
    job = cluster.user.create(
        {
            "apiVersion": "flink.apache.org/v1beta1",
            "kind": "FlinkDeployment",
            "metadata": {"name": "torghut-ta", "namespace": "torghut"},
            "spec": {"job": {"state": "running"}},
        }
    )
    manager = {
        **cluster.manifest,
        "metadata": {
            "name": "torghut-ta",
            "namespace": "torghut",
            "ownerReferences": [owner_reference(job)],
        },
    }
    cluster.user.create(manager)
    cluster.reconcile()
    assert len(cluster.pods()) == 1
    assert "status" not in cluster.store.get("Deployment", "torghut", "torghut-ta")


def test_pods_of_others_with_the_same_labels_are_left_alone(cluster: Cluster) -> None:
    labels = cluster.manifest["spec"]["selector"]["matchLabels"]
    cluster.user.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "mine", "namespace": "torghut", "labels": labels},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        }
    )
    cluster.scale(0)
    assert [pod["metadata"]["name"] for pod in cluster.pods()] == ["mine"]
