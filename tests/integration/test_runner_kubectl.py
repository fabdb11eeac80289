"""The runner as a program, through the real kubectl, against the API server of a world."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from harness.core.audit import AuditTrail
from harness.replay.runner.kubectl import KubectlCluster
from harness.replay.runner.names import LOCK, RunnerError
from harness.world.control_plane.api_server import ApiServer
from harness.world.control_plane.loop_thread import LoopThread
from harness.world.control_plane.pods.runtime import PodRuntime
from harness.world.control_plane.store import Store
from harness.world.profiles.profile import load_profile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed"),
]

SCRIPT = "services/torghut/scripts/ta_replay_runner.py"
LIVE = "torghut-ta-2025-12-23"
REPLAY = "torghut-ta-replay-2026-02-13-torghut-ops"
DOCUMENTED = ("--replay-id", "2026-02-13-torghut-ops")
APPLY = ("--mode", "apply", "--confirm", "REPLAY_TA_CANARY")


def reconciled(spec: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    """Return the status that an operator which is quick would write."""
    up = spec["job"]["state"] == "running"
    mode = "stateless" if spec["job"]["upgradeMode"] == "stateless" else "savepoint"
    known = json.loads(status["reconciliationStatus"]["lastReconciledSpec"])["spec"]
    carried_out = {
        "restartNonce": spec["restartNonce"] if up else known["restartNonce"],
        "job": {"state": spec["job"]["state"], "upgradeMode": mode},
    }
    return {
        "jobStatus": {
            "state": "RUNNING" if up else "FINISHED",
            "jobId": f"{carried_out['restartNonce']:032x}",
        },
        "reconciliationStatus": {"lastReconciledSpec": json.dumps({"spec": carried_out})},
    }


class World:
    """Profile S's TA objects in a store, an API server, a quick operator, a repository."""

    def __init__(self, directory: Path, host: str) -> None:
        self.directory = directory
        self.audit = AuditTrail(directory / "audit.jsonl")
        self.store = Store(namespaces=["torghut", "kafka"])
        self.server = ApiServer(self.store, self.audit, PodRuntime(self.audit), host=host)
        self.loop = LoopThread()
        self.repository = directory / "repository"
        self.end = threading.Event()
        self.reconciles = threading.Event()
        self.reconciles.set()
        self.operator = threading.Thread(target=self._reconcile, daemon=True)

    def start(self) -> None:
        for name, content in load_profile("S").files().items():
            target = self.repository / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        self.loop.start()
        self.loop.call(self._create)
        self.loop.run(self.server.start())
        self.server.write_kubeconfig(self.directory / "kubeconfig", namespace="torghut")
        self.operator.start()

    def _create(self) -> None:
        spec = {"restartNonce": 2, "job": {"state": "running", "upgradeMode": "stateless"}}
        known = {"reconciliationStatus": {"lastReconciledSpec": json.dumps({"spec": spec})}}
        deployment = {
            "apiVersion": "flink.apache.org/v1beta1",
            "kind": "FlinkDeployment",
            "metadata": {"name": "torghut-ta", "namespace": "torghut"},
            "spec": spec,
            "status": reconciled(spec, known),
        }
        self.store.create(deployment, keep_status=True)
        config = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "torghut-ta-config", "namespace": "torghut"},
            "data": {"TA_GROUP_ID": LIVE, "TA_AUTO_OFFSET_RESET": "earliest", "OTHER": "kept"},
        }
        self.store.create(config)

    def _reconcile(self) -> None:
        while not self.end.wait(0.05):
            if self.reconciles.is_set():
                self.loop.call(self._reconcile_once)

    def _reconcile_once(self) -> None:
        found = self.get("FlinkDeployment", "torghut-ta")
        wanted = reconciled(found["spec"], found["status"])
        if found["status"] != wanted:
            self.store.patch(
                "FlinkDeployment",
                "torghut",
                "torghut-ta",
                {"status": wanted},
                subresource="status",
            )

    def get(self, kind: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.store.get(kind, "torghut", name)
        return found

    def group(self) -> str:
        group: str = self.get("ConfigMap", "torghut-ta-config")["data"]["TA_GROUP_ID"]
        return group

    def patch_job(self, **job: str) -> None:
        patch = {"spec": {"job": job}}
        self.loop.call(lambda: self.store.patch("FlinkDeployment", "torghut", "torghut-ta", patch))

    def stop(self) -> None:
        self.end.set()
        if self.operator.is_alive():
            self.operator.join(10)
        self.loop.run(self.server.stop())
        self.loop.stop()

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "KUBECONFIG": str(self.directory / "kubeconfig"),
            **more,
        }

    def runner(self, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, SCRIPT, *DOCUMENTED, *arguments],
            cwd=self.repository,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    def report(self, *arguments: str, status: int = 0) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.runner(*arguments, "--json", status=status).stdout)
        return report

    def changes(self) -> list[str]:
        """Return what was done to the API server from outside, without the operator's status."""
        verbs = {"create", "patch", "delete", "update"}
        return [
            f"{event.verb} {event.object}" for event in self.audit.events() if event.verb in verbs
        ]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, "127.87.1.20")
    try:
        world.start()
        yield world
    finally:
        world.stop()


def test_the_documents_own_lines(world: World) -> None:
    first = world.runner("--mode", "plan")
    assert f"replay_group_id: {REPLAY}" in first.stdout
    assert world.group() == LIVE
    assert world.runner("--mode", "plan").stdout == first.stdout
    done = world.runner(*APPLY)
    assert done.stderr.startswith("Applying plan now...\n")
    assert world.group() == REPLAY
    spec = world.get("FlinkDeployment", "torghut-ta")["spec"]
    assert (spec["restartNonce"], spec["job"]["state"]) == (3, "running")
    assert world.get("ConfigMap", "torghut-ta-config")["data"]["OTHER"] == "kept"


def test_apply_verify_and_rollback(world: World) -> None:
    world.report("--mode", "verify", status=1)
    applied = world.report(*APPLY, "--verify")
    assert applied["status"] == "ok"
    assert set(applied["verify"].values()) == {True}
    assert applied["current"]["flink_restart_nonce"] == 3
    verified = world.report("--mode", "verify")
    assert verified["verify"] == applied["verify"]
    rolled_back = world.report("--mode", "rollback", "--confirm", "REPLAY_TA_CANARY", "--verify")
    assert rolled_back["current"]["ta_group_id"] == LIVE
    assert rolled_back["current"]["flink_restart_nonce"] == 4
    record = json.loads((world.repository / rolled_back["record"]).read_text())
    assert record["previous"]["ta_group_id"] == LIVE
    assert "rollback begun" in [step["step"] for step in record["steps"]]
    world.report("--mode", "verify", status=1)


def test_the_order_at_the_api_server(world: World) -> None:
    world.runner(*APPLY)
    done = [text for text in world.changes() if "torghut-ta" in text]
    kinds = ["lock" if LOCK in text else text.rpartition("/")[2] for text in done]
    expected = ["lock", "torghut-ta", "torghut-ta-config", "torghut-ta", "lock"]
    assert kinds == expected, done


def test_what_is_refused_changes_nothing(world: World) -> None:
    world.patch_job(upgradeMode="last-state")
    before = world.get("FlinkDeployment", "torghut-ta")["spec"]
    assert "requires --confirm" in world.runner("--mode", "apply", status=1).stderr
    report = world.report(*APPLY, status=1)
    assert report["status"] == "blocked"
    assert report["blockers"] == ["upgrade_mode_not_stateless:last-state"]
    assert world.get("FlinkDeployment", "torghut-ta")["spec"] == before
    assert world.group() == LIVE


def test_an_operator_that_is_away(world: World) -> None:
    world.reconciles.clear()
    done = world.runner(*APPLY, "--wait-seconds", "1", status=1)
    assert "waited 1 s for the job to stop" in done.stderr
    assert world.group() == LIVE
    world.reconciles.set()
    world.runner("--mode", "rollback", "--confirm", "REPLAY_TA_CANARY")
    assert world.get("FlinkDeployment", "torghut-ta")["spec"]["job"]["state"] == "running"


def test_kubectls_errors_are_messages(world: World) -> None:
    world.loop.call(lambda: world.store.delete("ConfigMap", "torghut", "torghut-ta-config"))
    done = world.runner("--mode", "plan", "--json", status=1)
    assert done.stdout == ""
    assert 'configmaps "torghut-ta-config" not found' in done.stderr
    assert done.stderr.startswith("kubectl -n torghut get configmap")


def test_the_lock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in world.environment().items():
        monkeypatch.setenv(name, value)
    cluster = KubectlCluster("torghut")
    cluster.lock("x0")
    with pytest.raises(RunnerError, match=r"another replay run holds the lock.*x0"):
        KubectlCluster("torghut").lock("x1")
    refused = world.runner(*APPLY, status=1)
    assert f"kubectl -n torghut delete configmap {LOCK}" in refused.stderr
    assert world.group() == LIVE
    cluster.unlock()
    cluster.unlock()
    world.runner(*APPLY)


def test_retention_from_the_resources(world: World) -> None:
    asked = ("--check-kafka-retention", "--required-trading-days", "25")
    report = world.report("--mode", "plan", *asked)
    assert report["kafka_retention"]["blockers"][0] == (
        "kafka_topic_missing:trades:torghut.trades.v1"
    )
    topic = {
        "apiVersion": "kafka.strimzi.io/v1beta2",
        "kind": "KafkaTopic",
        "metadata": {"name": "torghut.trades.v1", "namespace": "kafka"},
        "spec": {"partitions": 3, "replicas": 3, "config": {"retention.ms": "604800000"}},
    }
    world.loop.call(lambda: world.store.create(topic))
    report = world.report("--mode", "plan", *asked)
    assert "retention_shortfall:trades:7<35" in report["kafka_retention"]["blockers"]
    assert world.report(*APPLY, *asked, status=1)["status"] == "blocked"
