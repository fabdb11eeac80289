from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from harness.core.audit import AuditTrail
from harness.world.control_plane.argocd import (
    ArgoCD,
    application,
    applications,
    finished_operation,
    sync_operation,
)
from harness.world.control_plane.argocd_state import TRACKING
from harness.world.control_plane.client import Client
from harness.world.control_plane.model.errors import NotFoundError
from harness.world.control_plane.store import Store
from harness.world.profiles import ProfileSettings, load_profile
from harness.world.repository import FLINK_DEPLOYMENT, TA_CONFIG, ManifestRepository

if TYPE_CHECKING:
    from pathlib import Path

TA = "argocd/applications/torghut/ta"
KNATIVE = "argocd/applications/torghut/knative-service.yaml"


class Argo:
    """Argo CD on an empty cluster, driven pass by pass."""

    def __init__(self, root: Path, automation: str = "manual") -> None:
        self.audit = AuditTrail(root / "audit.jsonl")
        profile = load_profile("S")
        self.git = ManifestRepository.create(root / "m", profile, ProfileSettings(), self.audit)
        self.store = Store(namespaces=("argocd", "kafka", "torghut"))
        self.user = Client(self.store, self.audit, "kubectl-patch")
        self.controller = ArgoCD(
            Client(self.store, self.audit, "argocd-controller"), self.git, self.audit
        )
        for app in applications(profile, automation):
            self.user.create(app)

    def reconcile(self) -> None:
        asyncio.run(self.controller.reconcile())

    def sync(self, **options: Any) -> dict[str, Any]:
        return asyncio.run(self.controller.sync("torghut", **options))

    @property
    def app(self) -> dict[str, Any]:
        return self.store.get("Application", "argocd", "torghut")

    @property
    def state(self) -> tuple[str, str]:
        status = self.app["status"]
        return status["sync"]["status"], status["health"]["status"]

    def resource(self, kind: str, group: str = "") -> dict[str, Any]:
        [found] = [
            entry
            for entry in self.app["status"]["resources"]
            if entry["kind"] == kind and entry.get("group", "") == group
        ]
        return dict(found)

    def live(self, kind: str, name: str) -> dict[str, Any]:
        return self.store.get(kind, "torghut", name)

    def syncs(self) -> list[tuple[str, str]]:
        return [(e.actor, e.outcome) for e in self.audit.events() if e.source == "argocd"]

    def patch_job(self, **job: object) -> None:
        self.user.patch("FlinkDeployment", "torghut", "torghut-ta", {"spec": {"job": job}})

    def patch_group(self, group: str) -> None:
        patch = {"data": {"TA_GROUP_ID": group}}
        self.user.patch("ConfigMap", "torghut", "torghut-ta-config", patch)


@pytest.fixture(name="argo")
def argo_fixture(tmp_path: Path) -> Argo:
    return Argo(tmp_path)


@pytest.fixture(name="auto")
def auto_fixture(tmp_path: Path) -> Argo:
    return Argo(tmp_path, "auto")


def test_before_the_first_sync_everything_is_missing(argo: Argo) -> None:
    argo.reconcile()
    assert argo.state == ("OutOfSync", "Missing")
    assert argo.store.list("FlinkDeployment").items == []


def test_a_sync_applies_what_git_has_and_says_so_per_object(argo: Argo) -> None:
    state = argo.sync(by="oncall")
    assert state["phase"] == "Succeeded"
    assert state["syncResult"]["revision"] == argo.git.head
    results = {entry["name"]: entry["status"] for entry in state["syncResult"]["resources"]}
    assert results == dict.fromkeys(
        ("flink-checkpoints", "torghut", "torghut-ta", "torghut-ta-config"), "Synced"
    )
    assert argo.state == ("Synced", "Progressing")
    assert argo.syncs() == [("oncall", "Succeeded")]
    assert "operation" not in argo.app
    assert [entry["revision"] for entry in argo.app["status"]["history"]] == [argo.git.head]


def test_live_values_are_gits_and_owned_by_argo(argo: Argo) -> None:
    argo.sync()
    job = argo.live("FlinkDeployment", "torghut-ta")
    assert job["spec"]["job"]["upgradeMode"] == "stateless"
    assert job["metadata"]["annotations"][TRACKING].startswith("torghut:flink.apache.org/")
    managers = {entry["manager"] for entry in job["metadata"]["managedFields"]}
    assert managers == {"argocd-controller"}


def test_a_pass_without_news_writes_nothing(argo: Argo) -> None:
    argo.sync()
    argo.reconcile()
    version = argo.store.resource_version
    argo.reconcile()
    assert argo.store.resource_version == version


def test_manual_a_commit_waits_for_a_sync(argo: Argo) -> None:
    argo.sync()
    argo.git.edit(FLINK_DEPLOYMENT, "spec.job.state", "suspended")
    argo.git.commit("Suspend")
    argo.reconcile()
    assert argo.state[0] == "OutOfSync"
    assert argo.resource("FlinkDeployment", "flink.apache.org")["status"] == "OutOfSync"
    assert argo.resource("ConfigMap")["status"] == "Synced"
    assert argo.live("FlinkDeployment", "torghut-ta")["spec"]["job"]["state"] == "running"
    result = argo.sync()["syncResult"]["resources"]
    assert argo.live("FlinkDeployment", "torghut-ta")["spec"]["job"]["state"] == "suspended"
    messages = {entry["name"]: entry["message"] for entry in result}
    assert messages["torghut-ta"] == "serverside-applied: spec.job.state"
    assert messages["torghut-ta-config"] == "serverside-applied: unchanged"


def test_manual_a_patch_is_drift_that_only_a_sync_reverts(argo: Argo) -> None:
    argo.sync()
    argo.patch_group("torghut-ta-replay-mine")
    argo.reconcile()
    argo.reconcile()
    assert argo.resource("ConfigMap")["status"] == "OutOfSync"
    config = argo.live("ConfigMap", "torghut-ta-config")
    assert config["data"]["TA_GROUP_ID"] == "torghut-ta-replay-mine"
    argo.sync()
    assert argo.state[0] == "Synced"
    config = argo.live("ConfigMap", "torghut-ta-config")
    assert config["data"]["TA_GROUP_ID"] == "torghut-ta-2025-12-23"


def test_fields_that_git_does_not_mention_are_no_drift(argo: Argo) -> None:
    argo.sync()
    argo.user.patch("ConfigMap", "torghut", "torghut-ta-config", {"data": {"TA_NEW": "1"}})
    argo.user.patch(
        "FlinkDeployment",
        "torghut",
        "torghut-ta",
        {"status": {"lifecycleState": "STABLE"}},
        subresource="status",
    )
    argo.reconcile()
    assert argo.state[0] == "Synced"


def test_a_key_removed_from_git_is_removed_by_the_next_sync(argo: Argo) -> None:
    argo.sync()
    file = argo.git.path / TA_CONFIG
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if "TA_S3_SECURE" not in line))
    argo.git.commit("Drop a key")
    argo.reconcile()
    assert argo.resource("ConfigMap")["status"] == "OutOfSync"
    argo.sync()
    assert "TA_S3_SECURE" not in argo.live("ConfigMap", "torghut-ta-config")["data"]


def test_a_requested_operation_is_carried_out_once(argo: Argo) -> None:
    argo.user.patch("Application", "argocd", "torghut", sync_operation("r7", by="oncall"))
    assert finished_operation(argo.app, "r7") is None
    argo.reconcile()
    argo.reconcile()
    state = finished_operation(argo.app, "r7")
    assert state is not None
    assert state["phase"] == "Succeeded"
    assert finished_operation(argo.app, "r8") is None
    assert argo.syncs() == [("oncall", "Succeeded")]


def test_an_operation_may_name_an_older_commit(argo: Argo) -> None:
    first = argo.git.head
    argo.git.edit(FLINK_DEPLOYMENT, "spec.restartNonce", 3)
    argo.git.commit("Bump")
    argo.sync()
    argo.sync(revision=first)
    assert argo.live("FlinkDeployment", "torghut-ta")["spec"]["restartNonce"] == 2
    assert argo.state[0] == "OutOfSync", "compared with the head, whatever was synced"


def test_an_unknown_commit_or_application_is_an_error(argo: Argo) -> None:
    state = argo.sync(revision="f00")
    assert (state["phase"], "f00" in state["message"]) == ("Error", True)
    assert argo.syncs() == [("admin", "Error")]
    with pytest.raises(NotFoundError):
        asyncio.run(argo.controller.sync("nope"))


def drop_from_git(argo: Argo, name: str) -> None:
    kustomization = argo.git.path / TA / "kustomization.yaml"
    kustomization.write_text(kustomization.read_text().replace(f"  - {name}\n", ""))
    argo.git.commit(f"Drop {name}")


def test_without_prune_an_object_gone_from_git_stays(argo: Argo) -> None:
    argo.sync()
    drop_from_git(argo, "flinkdeployment.yaml")
    result = argo.sync()["syncResult"]["resources"]
    assert "PruneSkipped" in {entry["status"] for entry in result}
    assert argo.live("FlinkDeployment", "torghut-ta")
    entry = argo.resource("FlinkDeployment", "flink.apache.org")
    assert (entry["status"], entry["requiresPruning"]) == ("OutOfSync", True)


def test_with_prune_it_is_deleted(argo: Argo) -> None:
    argo.sync()
    drop_from_git(argo, "flinkdeployment.yaml")
    argo.sync(prune=True)
    assert argo.store.list("FlinkDeployment").items == []
    assert argo.state[0] == "Synced"


def test_objects_of_others_are_never_pruned(argo: Argo) -> None:
    argo.sync()
    tracked = argo.live("ConfigMap", "torghut-ta-config")["metadata"]["annotations"]
    for name, notes in (("mine", {}), ("copied", tracked)):
        metadata: dict[str, Any] = {"name": name, "namespace": "torghut", "annotations": notes}
        argo.user.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    argo.sync(prune=True)
    assert argo.live("ConfigMap", "mine")
    assert argo.live("ConfigMap", "copied")


def test_broken_manifests_make_the_state_unknown_and_change_nothing(argo: Argo) -> None:
    argo.sync()
    good = (argo.git.path / TA_CONFIG).read_text()
    (argo.git.path / TA_CONFIG).write_text("kind: [")
    argo.git.commit("Break it")
    argo.reconcile()
    assert argo.app["status"]["sync"]["status"] == "Unknown"
    assert TA_CONFIG in argo.app["status"]["conditions"][0]["message"]
    assert argo.sync()["phase"] == "Error"
    assert argo.live("ConfigMap", "torghut-ta-config")
    version = argo.store.resource_version
    argo.reconcile()
    assert argo.store.resource_version == version
    (argo.git.path / TA_CONFIG).write_text(good)
    argo.git.commit("Mend it")
    argo.reconcile()
    assert argo.state[0] == "Synced"
    assert "conditions" not in argo.app["status"]


def test_an_object_that_does_not_fit_its_schema_stops_the_whole_sync(argo: Argo) -> None:
    argo.sync()
    argo.git.edit(FLINK_DEPLOYMENT, "spec.job.state", "sleeping")
    argo.git.edit(TA_CONFIG, "data.TA_GROUP_ID", "g2")
    argo.git.commit("One bad, one good")
    argo.reconcile()
    assert argo.app["status"]["sync"]["status"] == "Unknown"
    assert argo.sync()["phase"] == "Error"
    config = argo.live("ConfigMap", "torghut-ta-config")
    assert config["data"]["TA_GROUP_ID"] == "torghut-ta-2025-12-23"


def test_auto_syncs_each_commit_by_itself(auto: Argo) -> None:
    auto.reconcile()
    assert auto.state[0] == "Synced"
    auto.git.edit(
        KNATIVE, "spec.template.spec.containers[0].env[name=TRADING_ENABLED].value", "false"
    )
    auto.git.commit("Pause")
    auto.reconcile()
    env = auto.live("KnativeService", "torghut")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "TRADING_ENABLED", "value": "false"} in env
    assert {actor for actor, _ in auto.syncs()} == {"argocd-application-controller"}


def test_auto_self_heal_reverts_a_patch(auto: Argo) -> None:
    auto.reconcile()
    auto.patch_job(state="suspended")
    auto.patch_group("mine")
    auto.reconcile()
    assert auto.live("FlinkDeployment", "torghut-ta")["spec"]["job"]["state"] == "running"
    config = auto.live("ConfigMap", "torghut-ta-config")
    assert config["data"]["TA_GROUP_ID"] == "torghut-ta-2025-12-23"
    healed = [e for e in auto.audit.events() if e.source == "argocd"][-1].body
    messages = {r["name"]: r["message"] for r in healed["syncResult"]["resources"]}
    assert messages["torghut-ta-config"] == "serverside-applied: data.TA_GROUP_ID"


def test_auto_brings_back_a_deleted_object_and_prunes_a_dropped_one(auto: Argo) -> None:
    auto.reconcile()
    auto.user.delete("ConfigMap", "torghut", "torghut-ta-config")
    auto.reconcile()
    assert auto.live("ConfigMap", "torghut-ta-config")
    drop_from_git(auto, "configmap.yaml")
    auto.reconcile()
    assert auto.store.list("ConfigMap", "torghut").items == []


@pytest.mark.parametrize(
    ("policy", "healed"),
    [({"prune": True}, False), ({"selfHeal": True}, True)],
    ids=["without selfHeal", "with selfHeal"],
)
def test_automation_heals_drift_only_with_self_heal(
    argo: Argo, policy: dict[str, bool], *, healed: bool
) -> None:
    argo.user.patch(
        "Application", "argocd", "torghut", {"spec": {"syncPolicy": {"automated": policy}}}
    )
    argo.reconcile()
    assert argo.state[0] == "Synced", "a new commit is synced either way"
    argo.patch_group("mine")
    argo.reconcile()
    config = argo.live("ConfigMap", "torghut-ta-config")
    assert (config["data"]["TA_GROUP_ID"] != "mine") is healed


def test_without_prune_automation_does_not_sync_for_ever(argo: Argo) -> None:
    policy = {"spec": {"syncPolicy": {"automated": {"selfHeal": True}}}}
    argo.user.patch("Application", "argocd", "torghut", policy)
    argo.reconcile()
    drop_from_git(argo, "configmap.yaml")
    argo.reconcile()
    count = len(argo.syncs())
    argo.reconcile()
    assert len(argo.syncs()) == count
    assert argo.state[0] == "OutOfSync"


@pytest.mark.parametrize(
    ("state", "expected"),
    [("DEPLOYED", "Healthy"), ("UPGRADING", "Progressing"), ("ROLLED_BACK", "Degraded")],
)
def test_health_follows_the_flink_deployment(argo: Argo, state: str, expected: str) -> None:
    argo.sync()
    argo.user.patch(
        "FlinkDeployment",
        "torghut",
        "torghut-ta",
        {"status": {"reconciliationStatus": {"state": state}}},
        subresource="status",
    )
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    argo.user.patch("KnativeService", "torghut", "torghut", ready, subresource="status")
    argo.reconcile()
    assert argo.state == ("Synced", expected)


def test_the_policy_of_an_application() -> None:
    assert "automated" not in application("a", "p", "manual")["spec"]["syncPolicy"]
    automated = application("a", "p", "auto")["spec"]["syncPolicy"]["automated"]
    assert automated == {"prune": True, "selfHeal": True}
    names = [app["metadata"]["name"] for app in applications(load_profile("S"))]
    assert names == ["torghut", "kafka"]
