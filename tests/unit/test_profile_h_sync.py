"""What the document's two routes do on a cluster that Argo CD keeps like Git by itself."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from harness.core.audit import AuditTrail
from harness.world.control_plane.argocd import CONTROLLER, ArgoCD, applications
from harness.world.control_plane.client import Client
from harness.world.control_plane.deployments import Deployments
from harness.world.control_plane.flink_operator.clusters import (
    Checkpoints,
    Deployment,
    JobView,
    Observation,
)
from harness.world.control_plane.flink_operator.controller import FlinkOperator
from harness.world.control_plane.flink_operator.settings import OperatorSettings
from harness.world.control_plane.model.catalog import catalog
from harness.world.control_plane.store import Store
from harness.world.profiles import ProfileSettings, load_profile
from harness.world.repository import FLINK_DEPLOYMENT, TA_CONFIG, ManifestRepository

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.world.control_plane.flink_operator.clusters import ClusterRef, Submission

KNATIVE = "argocd/applications/torghut/knative-service.yaml"
PAUSE = "spec.template.spec.containers[name=user-container].env[name=TRADING_ENABLED].value"
JOB = ("FlinkDeployment", "torghut", "torghut-ta")
CONFIG = ("ConfigMap", "torghut", "torghut-ta-config")
SCHEDULER = ("Deployment", "torghut", "torghut-scheduler")


class Flink:
    """One cluster that starts and stops at once, and the group that each of its jobs had."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.state: str | None = None
        self.starts: list[tuple[Submission, str]] = []
        self._age = itertools.count(1)

    async def observe(self, _cluster: ClusterRef, job_id: str | None) -> Observation:
        if self.state is None:
            return Observation()
        newest = f"s3a://flink-checkpoints/{job_id}/chk-{next(self._age)}"
        return Observation(
            Deployment.AVAILABLE,
            reachable=True,
            job=JobView(self.state) if job_id else None,
            checkpoints=Checkpoints(latest=newest),
        )

    async def deploy(self, _cluster: ClusterRef, submission: Submission) -> None:
        group = self._store.get(*CONFIG)["data"]["TA_GROUP_ID"]
        self.starts.append((submission, group))
        self.state = "RUNNING"

    async def delete_cluster(self, _cluster: ClusterRef, *, keep_ha: bool) -> None:
        assert not keep_ha, "there is no HA metadata to keep"
        self.state = None

    async def cancel(self, _cluster: ClusterRef, _job_id: str) -> None:
        self.state = "CANCELED"

    async def stop_with_savepoint(self, _cluster: ClusterRef, job_id: str) -> str:
        raise AssertionError(f"nobody asked for a savepoint of {job_id}")


class World:
    """Git, Argo CD, the operator and the Deployment controller, driven pass by pass."""

    def __init__(self, root: Path, **settings: Any) -> None:
        profile, chosen = load_profile("H"), ProfileSettings(**settings)
        self.audit = AuditTrail(root / "audit.jsonl")
        self.git = ManifestRepository.create(root / "m", profile, chosen, self.audit)
        self.store = Store(catalog(profile.topic_api), namespaces=("argocd", "kafka", "torghut"))
        self.user = self._client("kubectl-patch")
        self.argo = ArgoCD(self._client("argocd-controller"), self.git, self.audit)
        self.flink = Flink(self.store)
        self.operator = FlinkOperator(
            self._client("flink-kubernetes-operator"),
            self.flink,
            OperatorSettings.every(timedelta(0)),
        )
        self.deployments = Deployments(self._client("deployment-controller"), resync=1)
        for app in applications(profile, chosen.argo_automation):
            self.user.create(app)
        self.argo_pass()
        self.settle()

    def _client(self, actor: str) -> Client:
        return Client(self.store, self.audit, actor)

    def argo_pass(self) -> None:
        asyncio.run(self.argo.reconcile())

    def operator_pass(self) -> None:
        asyncio.run(self.operator.reconcile(*JOB[1:]))

    def settle(self) -> None:
        """Let everybody but Argo CD do what there is to do."""
        for _ in range(12):
            self.operator_pass()
        asyncio.run(self.deployments.reconcile())

    def patch_job(self, **spec: object) -> None:
        self.user.patch(*JOB, {"spec": spec})

    @property
    def job(self) -> Mapping[str, Any]:
        return self.store.get(*JOB)

    @property
    def job_columns(self) -> tuple[str | None, str | None]:
        status = self.job.get("status") or {}
        return (status.get("jobStatus") or {}).get("state"), status.get("lifecycleState")

    @property
    def wanted(self) -> str:
        return str(self.job["spec"]["job"]["state"])

    def sync_status(self, application: str = "torghut") -> str:
        return str(self.store.get("Application", "argocd", application)["status"]["sync"]["status"])

    def pods(self, prefix: str) -> list[str]:
        names = [pod["metadata"]["name"] for pod in self.store.list("Pod", "torghut").items]
        return [name for name in names if name.startswith(prefix)]

    def last_sync(self) -> tuple[str, dict[str, str]]:
        event = [e for e in self.audit.events() if e.source == "argocd"][-1]
        changed = {
            entry["name"]: entry["message"].removeprefix("serverside-applied: ")
            for entry in event.body["syncResult"]["resources"]
        }
        return event.actor, {name: what for name, what in changed.items() if what != "unchanged"}


@pytest.fixture(name="world")
def world_fixture(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture(name="manual")
def manual_fixture(tmp_path: Path) -> World:
    manual = World(tmp_path, argo_automation="manual")
    for name in ("kafka", "torghut"):
        asyncio.run(manual.argo.sync(name))
    manual.settle()
    return manual


def test_h_syncs_itself_and_the_job_and_the_scheduler_run(world: World) -> None:
    world.argo_pass()
    assert (world.sync_status(), world.sync_status("kafka")) == ("Synced", "Synced")
    assert world.job_columns == ("RUNNING", "STABLE")
    assert len(world.pods("torghut-scheduler-")) == 1
    [(submission, group)] = world.flink.starts
    assert (submission.restore_from, group) == (None, "torghut-ta-live")
    topics = world.store.list("KafkaTopic", "kafka").items
    assert {topic["apiVersion"] for topic in topics} == {"kafka.strimzi.io/v1"}
    assert len(topics) == len(load_profile("H").topics())


# The emergency route: kubectl


def test_the_emergency_suspension_does_not_survive(world: World) -> None:
    world.patch_job(job={"state": "suspended"})
    world.argo_pass()
    assert world.wanted == "running"
    assert world.last_sync() == (CONTROLLER, {"torghut-ta": "spec.job.state"})
    world.settle()
    assert world.job_columns == ("RUNNING", "STABLE")
    assert len(world.flink.starts) == 1, "reverted before the operator saw it: nothing happened"


def test_a_suspension_that_the_operator_saw_is_a_restart_from_the_last_checkpoint(
    world: World,
) -> None:
    world.patch_job(job={"state": "suspended"})
    world.operator_pass()
    assert world.flink.state != "RUNNING"
    world.argo_pass()
    world.settle()
    assert world.wanted == "running"
    assert world.job_columns == ("RUNNING", "STABLE")
    [(first, _), (second, group)] = world.flink.starts
    assert second.restore_from is not None
    assert first.job_id in second.restore_from
    assert group == "torghut-ta-live"


def test_the_emergency_nonce_is_taken_back_and_both_ways_restart_the_job(world: World) -> None:
    world.patch_job(restartNonce=39)
    world.settle()
    assert len(world.flink.starts) == 2
    world.argo_pass()
    assert world.job["spec"]["restartNonce"] == 38
    world.settle()
    assert len(world.flink.starts) == 3, "going back to 38 is a new nonce too"
    assert {group for _, group in world.flink.starts} == {"torghut-ta-live"}
    assert all(start.restore_from for start, _ in world.flink.starts[1:])


def test_an_emergency_group_never_reaches_a_job(world: World) -> None:
    """As the documented runner does it: ConfigMap, suspend, resume with a new nonce."""
    world.user.patch(*CONFIG, {"data": {"TA_GROUP_ID": "mine", "TA_AUTO_OFFSET_RESET": "earliest"}})
    world.argo_pass()
    world.patch_job(job={"state": "suspended"})
    world.patch_job(job={"state": "running"}, restartNonce=39)
    world.settle()
    world.argo_pass()
    world.settle()
    assert world.store.get(*CONFIG)["data"]["TA_GROUP_ID"] == "torghut-ta-live"
    assert {group for _, group in world.flink.starts} == {"torghut-ta-live"}


def test_without_self_heal_the_same_patches_hold(manual: World) -> None:
    manual.user.patch(*CONFIG, {"data": {"TA_GROUP_ID": "mine"}})
    manual.patch_job(job={"state": "suspended"})
    manual.argo_pass()
    manual.settle()
    assert manual.wanted == "suspended"
    assert manual.job_columns[0] == "CANCELED"
    manual.patch_job(job={"state": "running"}, restartNonce=39)
    manual.argo_pass()
    manual.settle()
    assert manual.sync_status() == "OutOfSync", "a finding until Git has caught up"
    [_, (submission, group)] = manual.flink.starts
    assert group == "mine"
    assert submission.restore_from is not None, "last-state: the new group's policy is not asked"


def test_an_emergency_pause_of_the_scheduler_does_not_survive(world: World) -> None:
    world.user.patch(*SCHEDULER, {"spec": {"replicas": 0}})
    world.settle()
    assert world.pods("torghut-scheduler-") == []
    world.argo_pass()
    world.settle()
    assert world.last_sync() == (CONTROLLER, {"torghut-scheduler": "spec.replicas"})
    assert len(world.pods("torghut-scheduler-")) == 1


# The GitOps route


def test_the_pause_in_git_holds(world: World) -> None:
    pause = load_profile("H").trading_pause
    world.git.edit(pause.file, pause.path, pause.paused)
    world.git.commit("Pause trading")
    world.argo_pass()
    world.settle()
    world.argo_pass()
    assert world.store.get(*SCHEDULER)["spec"]["replicas"] == 0
    assert world.pods("torghut-scheduler-") == []
    assert world.sync_status() == "Synced"


def test_the_documents_pause_changes_nothing_at_h(world: World) -> None:
    edit = world.git.edit(KNATIVE, PAUSE, "false", allow_unchanged=True)
    assert edit.old == edit.new == "false"
    world.argo_pass()
    world.settle()
    assert len(world.pods("torghut-scheduler-")) == 1, "trading goes on"


@pytest.mark.parametrize(
    ("mode", "restored"), [("last-state", True), ("stateless", False)], ids=str
)
def test_mode_1_by_git_reaches_the_job_and_the_upgrade_mode_decides_where_it_begins(
    tmp_path: Path, mode: str, *, restored: bool
) -> None:
    world = World(tmp_path, upgrade_mode=mode)
    world.git.edit(FLINK_DEPLOYMENT, "spec.job.state", "suspended")
    world.git.commit("Suspend")
    world.argo_pass()
    world.settle()
    assert world.flink.state != "RUNNING"
    world.git.edit(TA_CONFIG, "data.TA_GROUP_ID", "torghut-ta-replay-mine")
    world.git.edit(TA_CONFIG, "data.TA_AUTO_OFFSET_RESET", "earliest")
    world.git.edit(FLINK_DEPLOYMENT, "spec.restartNonce", 39)
    world.git.edit(FLINK_DEPLOYMENT, "spec.job.state", "running")
    world.git.commit("Replay")
    world.argo_pass()
    world.settle()
    assert world.job_columns == ("RUNNING", "STABLE")
    [_, (submission, group)] = world.flink.starts
    assert group == "torghut-ta-replay-mine"
    assert (submission.restore_from is not None) is restored


# Prune


def test_a_topic_that_is_dropped_from_git_is_deleted_from_the_cluster(world: World) -> None:
    file = world.git.path / "argocd/applications/kafka/torghut-topics.yaml"
    documents = file.read_text().split("---\n")
    kept = [text for text in documents if "name: torghut.ta.signals.v1" not in text]
    assert len(kept) == len(documents) - 1
    file.write_text("---\n".join(kept))
    world.git.commit("Drop a topic")
    world.argo_pass()
    names = {item["metadata"]["name"] for item in world.store.list("KafkaTopic").items}
    assert "torghut.ta.signals.v1" not in names
    assert "torghut.ta.bars.1s.v1" in names


def test_a_scheduler_that_is_dropped_from_git_is_pruned_with_its_pods(world: World) -> None:
    kustomization = world.git.path / "argocd/applications/torghut/kustomization.yaml"
    text = kustomization.read_text()
    kustomization.write_text(text.replace("  - scheduler-deployment.yaml\n", ""))
    world.git.commit("Drop the scheduler")
    world.argo_pass()
    world.settle()
    assert world.pods("torghut-scheduler-") == []
    assert world.store.list("Deployment", "torghut").items == []


def test_a_topic_that_was_deleted_by_hand_comes_back(world: World) -> None:
    world.user.delete("KafkaTopic", "kafka", "torghut.ta.bars.1s.v1")
    world.argo_pass()
    assert world.store.get("KafkaTopic", "kafka", "torghut.ta.bars.1s.v1")


def test_the_manifests_of_the_old_strimzi_are_refused_by_the_new_one(world: World) -> None:
    file = world.git.path / "argocd/applications/kafka/torghut-topics.yaml"
    file.write_text(file.read_text().replace("strimzi.io/v1\n", "strimzi.io/v1beta2\n"))
    world.git.commit("Back to the old version")
    world.argo_pass()
    app = world.store.get("Application", "argocd", "kafka")
    assert app["status"]["sync"]["status"] == "Unknown"
    assert "v1beta2" in app["status"]["conditions"][0]["message"]


# Health


def test_the_application_is_healthy_only_with_the_scheduler(world: World) -> None:
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    world.user.patch("KnativeService", "torghut", "torghut", ready, subresource="status")
    world.argo_pass()
    health = world.store.get("Application", "argocd", "torghut")["status"]["health"]
    assert health == {"status": "Healthy"}
    behind = {"status": {"availableReplicas": 0}}
    world.user.patch(*SCHEDULER, behind, subresource="status")
    world.argo_pass()
    health = world.store.get("Application", "argocd", "torghut")["status"]["health"]
    assert health == {"status": "Progressing"}
