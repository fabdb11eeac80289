from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from harness.core.audit import AuditTrail
from harness.world.control_plane.client import Client
from harness.world.control_plane.knative import Knative
from harness.world.control_plane.store import Store
from harness.world.profiles import load_profile

if TYPE_CHECKING:
    from pathlib import Path


class Serving:
    def __init__(self, root: Path) -> None:
        audit = AuditTrail(root / "audit.jsonl")
        self.store = Store(namespaces=("torghut",))
        self.user = Client(self.store, audit, "user")
        self.controller = Knative(Client(self.store, audit, "knative"), resync=1)
        text = load_profile("S").files()["argocd/applications/torghut/knative-service.yaml"]
        self.user.create(YAML(typ="safe").load(text.decode()))

    def reconcile(self) -> None:
        asyncio.run(self.controller.reconcile())

    def service(self) -> dict[str, Any]:
        return self.store.get("KnativeService", "torghut", "torghut")

    def pods(self) -> list[dict[str, Any]]:
        return self.store.list("Pod", "torghut").items

    def set_env(self, name: str, value: str) -> None:
        template = self.service()["spec"]["template"]
        for entry in template["spec"]["containers"][0]["env"]:
            if entry["name"] == name:
                entry["value"] = value
        self.user.patch("KnativeService", "torghut", "torghut", {"spec": {"template": template}})


@pytest.fixture(name="serving")
def serving_fixture(tmp_path: Path) -> Serving:
    serving = Serving(tmp_path)
    serving.reconcile()
    return serving


def env(pod: dict[str, Any]) -> dict[str, str]:
    entries = pod["spec"]["containers"][0]["env"]
    return {entry["name"]: entry.get("value", "") for entry in entries}


def test_the_first_revision_is_ready_and_has_a_pod(serving: Serving) -> None:
    status = serving.service()["status"]
    assert status["latestCreatedRevisionName"] == "torghut-00001"
    assert status["latestReadyRevisionName"] == "torghut-00001"
    ready = {entry["type"]: entry["status"] for entry in status["conditions"]}
    assert ready["Ready"] == "True"
    [pod] = serving.pods()
    assert pod["metadata"]["name"].startswith("torghut-00001-deployment-")
    assert pod["status"]["phase"] == "Running"
    assert env(pod)["TRADING_ENABLED"] == "true"


def test_a_changed_environment_is_a_new_revision_with_its_own_pod(serving: Serving) -> None:
    [old] = serving.pods()
    serving.set_env("TRADING_ENABLED", "false")
    serving.reconcile()
    assert serving.service()["status"]["latestReadyRevisionName"] == "torghut-00002"
    [pod] = serving.pods()
    assert pod["metadata"]["uid"] != old["metadata"]["uid"]
    assert pod["metadata"]["labels"]["serving.knative.dev/revision"] == "torghut-00002"
    assert env(pod)["TRADING_ENABLED"] == "false"


def test_going_back_is_a_new_revision_too(serving: Serving) -> None:
    for value in ("false", "true"):
        serving.set_env("TRADING_ENABLED", value)
        serving.reconcile()
    assert serving.service()["status"]["latestCreatedRevisionName"] == "torghut-00003"


def test_a_label_or_nothing_is_no_new_revision(serving: Serving) -> None:
    patch = {"metadata": {"labels": {"a": "b"}}}
    serving.user.patch("KnativeService", "torghut", "torghut", patch)
    version = serving.store.resource_version
    serving.reconcile()
    assert serving.store.resource_version == version
    assert serving.service()["status"]["latestCreatedRevisionName"] == "torghut-00001"


def test_observed_generation_follows(serving: Serving) -> None:
    serving.set_env("TRADING_MODE", "paper")
    before = serving.service()
    assert before["status"]["observedGeneration"] < before["metadata"]["generation"]
    serving.reconcile()
    after = serving.service()
    assert after["status"]["observedGeneration"] == after["metadata"]["generation"]


def test_a_deleted_pod_comes_back_in_the_same_revision(serving: Serving) -> None:
    [pod] = serving.pods()
    serving.user.delete("Pod", "torghut", pod["metadata"]["name"])
    serving.reconcile()
    [again] = serving.pods()
    assert again["metadata"]["labels"] == pod["metadata"]["labels"]
    assert again["metadata"]["uid"] != pod["metadata"]["uid"]


def test_pods_go_with_their_service(serving: Serving) -> None:
    serving.user.delete("KnativeService", "torghut", "torghut")
    serving.reconcile()
    assert serving.pods() == []


def test_pods_of_others_are_left_alone(serving: Serving) -> None:
    other = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "other", "namespace": "torghut"},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    serving.user.create(other)
    serving.set_env("TRADING_ENABLED", "false")
    serving.reconcile()
    assert "other" in {pod["metadata"]["name"] for pod in serving.pods()}
