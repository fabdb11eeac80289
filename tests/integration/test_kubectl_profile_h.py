"""The real kubectl on a cluster of profile H: one version of topics, a Deployment that trades."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import orjson
import pytest
from ruamel.yaml import YAML

from harness.core.audit import AuditTrail
from harness.core.waiting import wait_until
from harness.world.control_plane.api_server import ApiServer
from harness.world.control_plane.client import Client
from harness.world.control_plane.deployments import Deployments
from harness.world.control_plane.loop_thread import LoopThread
from harness.world.control_plane.model.catalog import catalog
from harness.world.control_plane.pods.runtime import PodRuntime
from harness.world.control_plane.store import Store
from harness.world.profiles import load_profile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KUBECTL = shutil.which("kubectl")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed"),
]
TOPICS = "argocd/applications/kafka/torghut-topics.yaml"
SCHEDULER = "argocd/applications/torghut/scheduler-deployment.yaml"


class Cluster:
    """A store with a profile's topics and scheduler, a server on a thread, and kubectl for it."""

    def __init__(self, directory: Path, profile: str, host: str) -> None:
        self.profile = load_profile(profile)
        self.directory = directory
        self.audit = AuditTrail(directory / "audit.jsonl")
        kinds = catalog(self.profile.topic_api)
        self.store = Store(kinds, namespaces=["torghut", "kafka"])
        self.server = ApiServer(self.store, self.audit, PodRuntime(self.audit), host=host)
        self.deployments = Deployments(
            Client(self.store, self.audit, "deployment-controller"), resync=1
        )
        self.loop = LoopThread()

    def start(self) -> None:
        self.loop.start()
        self.loop.call(self.populate)
        self.loop.run(self.server.start())
        self.server.write_kubeconfig(self.directory / "kubeconfig", namespace="torghut")

    def stop(self) -> None:
        self.loop.run(self.server.stop())
        self.loop.stop()

    def populate(self) -> None:
        files = self.profile.files()
        for name in (TOPICS, SCHEDULER):
            if name in files:
                for item in YAML(typ="safe").load_all(files[name].decode()):
                    self.store.create(item)

    def reconcile(self) -> None:
        self.loop.run(self.deployments.reconcile())

    def kubectl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(KUBECTL), f"--kubeconfig={self.directory / 'kubeconfig'}", *arguments],
            env={"HOME": str(self.directory), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def output(self, *arguments: str) -> str:
        done = self.kubectl(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout


def running(directory: Path, profile: str, host: str) -> Iterator[Cluster]:
    cluster = Cluster(directory, profile, host)
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(name="h")
def h_fixture(tmp_path: Path) -> Iterator[Cluster]:
    yield from running(tmp_path, "H", "127.93.5.10")


@pytest.fixture(name="s")
def s_fixture(tmp_path: Path) -> Iterator[Cluster]:
    yield from running(tmp_path, "S", "127.93.6.10")


def test_the_pause_of_h_as_kubectl_shows_it(h: Cluster) -> None:
    h.reconcile()
    lines = h.output("get", "deploy,pods").splitlines()
    assert lines[1].split()[:4] == ["deployment.apps/torghut-scheduler", "1/1", "1", "1"]
    [pod] = [line.split() for line in lines if line.startswith("pod/torghut-scheduler-")]
    assert pod[1:3] == ["1/1", "Running"]
    patch = '{"spec":{"replicas":0}}'
    h.output("patch", "deployment", "torghut-scheduler", "--type=merge", "-p", patch)
    h.reconcile()
    wait_until(
        lambda: h.output("get", "pods", "-o", "name"),
        what="the scheduler's pod to go",
        timeout=30,
        holds=lambda names: names == "",
    )
    assert h.output("get", "deploy", "--no-headers").split()[:2] == ["torghut-scheduler", "0/0"]


def test_topics_of_h_are_known_in_the_new_version_alone(h: Cluster) -> None:
    found = orjson.loads(h.output("-n", "kafka", "get", "kafkatopic", "-o", "json"))
    assert {item["apiVersion"] for item in found["items"]} == {"kafka.strimzi.io/v1"}
    assert len(found["items"]) == len(h.profile.topics())
    refused = h.kubectl("-n", "kafka", "get", "kafkatopics.v1beta2.kafka.strimzi.io")
    assert refused.returncode != 0
    assert "doesn't have a resource type" in refused.stderr


def test_topics_of_s_can_be_asked_for_in_either_version(s: Cluster) -> None:
    def versions(*kind: str) -> set[str]:
        found = orjson.loads(s.output("-n", "kafka", "get", *kind, "-o", "json"))
        return {item["apiVersion"] for item in found["items"]}

    assert versions("kafkatopic") == {"kafka.strimzi.io/v1"}, "clients prefer the stable version"
    for version in ("v1", "v1beta2"):
        asked = f"kafkatopics.{version}.kafka.strimzi.io"
        assert versions(asked) == {f"kafka.strimzi.io/{version}"}
    assert "v1beta2" in s.output("explain", "kafkatopic", "--api-version=kafka.strimzi.io/v1beta2")


def test_a_manifest_of_the_stored_version_is_applied_and_edited_in_the_other(s: Cluster) -> None:
    file = s.directory / "topics.yaml"
    file.write_bytes(s.profile.files()[TOPICS])
    first = s.output("apply", "-f", str(file))
    assert "torghut.trades.v1 configured" in first
    assert "unchanged" in s.output("apply", "-f", str(file))
    patch = '{"spec":{"partitions":4}}'
    name = "torghut.trades.v1"
    s.output("-n", "kafka", "patch", "kafkatopic", name, "--type=merge", "-p", patch)
    assert "configured" in s.output("apply", "-f", str(file))
    live = s.loop.call(lambda: s.store.get("KafkaTopic", "kafka", name))
    assert live["spec"]["partitions"] == 3
    assert live["apiVersion"] == "kafka.strimzi.io/v1beta2"
