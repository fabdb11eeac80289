"""The real kubectl against the API server: every command, and what a person sees of it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from harness.core.audit import AuditTrail
from harness.core.waiting import wait_until
from harness.world.control_plane.api_server import ApiServer
from harness.world.control_plane.loop_thread import LoopThread
from harness.world.control_plane.pods.objects import Container, pod_object
from harness.world.control_plane.pods.runtime import PodBacking, PodRuntime
from harness.world.control_plane.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KUBECTL = shutil.which("kubectl")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed"),
]

MANIFEST = """\
apiVersion: flink.apache.org/v1beta1
kind: FlinkDeployment
metadata: {name: torghut-ta, namespace: torghut}
spec:
  restartNonce: 38
  job: {state: running, upgradeMode: last-state}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: torghut-ta-config, namespace: torghut}
data:
  TA_GROUP_ID: torghut-ta-live
  GRUSS: "grüße ☃"
"""
TOPICS_TOOL = """\
#!/bin/sh
echo "topics on $BOOTSTRAP: $*"
echo warning >&2
exit 3
"""


class Cluster:
    """A store and a server on a thread, and kubectl for it."""

    def __init__(self, directory: Path, host: str) -> None:
        self.directory = directory
        self.audit = AuditTrail(directory / "audit.jsonl")
        self.store = Store(namespaces=["torghut", "kafka"])
        self.pods = PodRuntime(self.audit)
        self.server = ApiServer(self.store, self.audit, self.pods, host=host)
        self.loop = LoopThread()
        self.manifest = directory / "manifest.yaml"
        self.manifest.write_text(MANIFEST, encoding="utf-8")
        self.log = directory / "kafka.log"
        self.log.write_text("".join(f"line {number}\n" for number in range(50)))

    def start(self) -> None:
        self.loop.start()
        self.loop.call(self.add_pods)
        self.loop.run(self.server.start())
        self.server.write_kubeconfig(self.directory / "kubeconfig", namespace="torghut")

    def stop(self) -> None:
        self.loop.run(self.server.stop())
        self.loop.stop()

    def add_pods(self) -> None:
        root = self.directory / "root"
        tool = root / "opt/kafka/bin/kafka-topics.sh"
        tool.parent.mkdir(parents=True)
        tool.write_text(TOPICS_TOOL)
        tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
        environment = {"BOOTSTRAP": "kafka:9092"}
        backing = PodBacking(root=root, environment=environment, log=self.log)
        self.pods.register("kafka", "kafka-pool-0", "kafka", backing)
        pods = [
            pod_object(
                "kafka-pool-0",
                "kafka",
                labels={"app": "kafka"},
                containers=[Container("kafka", "kafka:4.1")],
            ),
            pod_object(
                "torghut-ta-1",
                "torghut",
                labels={"app": "torghut-ta"},
                containers=[
                    Container("main", waiting="CrashLoopBackOff", restarts=3, last_exit_code=2),
                    Container("sidecar"),
                ],
            ),
        ]
        for pod in pods:
            self.store.create(pod, keep_status=True)

    def popen(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "KUBECONFIG": str(self.directory / "kubeconfig"),
            **options.pop("env", {}),
        }
        return subprocess.Popen(
            [str(KUBECTL), *arguments],
            env=environment,
            text=True,
            stdin=options.pop("stdin", subprocess.DEVNULL),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **options,
        )

    def run(
        self, *arguments: str, status: int = 0, stdin: str | None = None, **options: Any
    ) -> str:
        if stdin is not None:
            options["stdin"] = subprocess.PIPE
        process = self.popen(*arguments, **options)
        try:
            out, _ = process.communicate(stdin, timeout=30)
        finally:
            process.kill()
        assert process.returncode == status, out
        return out

    def json(self, *arguments: str) -> Any:
        return orjson.loads(self.run(*arguments, "-o", "json"))

    def apply(self) -> None:
        self.run("apply", "-f", str(self.manifest))

    def set_status(self, **status: Any) -> None:
        self.loop.call(
            lambda: self.store.patch(
                "FlinkDeployment",
                "torghut",
                "torghut-ta",
                {"status": status},
                subresource="status",
            )
        )


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path, "127.64.1.20")
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.strip().splitlines()]


def test_tables(cluster: Cluster) -> None:
    cluster.apply()
    cluster.set_status(jobStatus={"state": "CANCELED"}, lifecycleState="UPGRADING")
    assert cluster.run("get", "flinkdeployment", "torghut-ta") == (
        "NAME         JOB STATUS   LIFECYCLE STATE\ntorghut-ta   CANCELED     UPGRADING\n"
    )
    assert lines(cluster.run("get", "flinkdep", "-A"))[1] == [
        "torghut",
        "torghut-ta",
        "CANCELED",
        "UPGRADING",
    ]
    header, row = lines(cluster.run("get", "pods"))
    assert header == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert row[:4] == ["torghut-ta-1", "1/2", "CrashLoopBackOff", "3"]
    wide = lines(cluster.run("-n", "kafka", "get", "pods", "-o", "wide"))
    assert wide[0][5:7] == ["IP", "NODE"]
    assert wide[1][1:4] == ["1/1", "Running", "0"]
    assert lines(cluster.run("get", "cm"))[1][:2] == ["torghut-ta-config", "2"]
    assert "No resources found" in cluster.run("get", "flinkdep", "-n", "kafka")
    assert "pod/torghut-ta-1" in cluster.run("get", "all")
    assert lines(cluster.run("get", "ns"))[0] == ["NAME", "STATUS", "AGE"]


def test_other_forms_of_output(cluster: Cluster) -> None:
    cluster.apply()
    get = ("get", "flinkdeployment", "torghut-ta", "-o")
    assert cluster.run(*get, "name") == "flinkdeployment.flink.apache.org/torghut-ta\n"
    path = "jsonpath={.spec.job.state}/{.metadata.generation}"
    assert cluster.run(*get, path) == "running/1"
    assert "upgradeMode: last-state" in cluster.run(*get, "yaml")
    assert cluster.json("get", "cm", "torghut-ta-config")["data"]["GRUSS"] == "grüße ☃"
    assert cluster.json("get", "flinkdep")["kind"] == "List"
    columns = cluster.run(*get, "custom-columns=N:.spec.restartNonce")
    assert columns.split() == ["N", "38"]


def test_discovery_and_explain(cluster: Cluster) -> None:
    resources = cluster.run("api-resources")
    for line in (
        ["flinkdeployments", "flinkdep", "flink.apache.org/v1beta1", "true", "FlinkDeployment"],
        ["services", "kservice,ksvc", "serving.knative.dev/v1", "true", "Service"],
        # Strimzi 0.50 serves v1beta2 too; clients are shown the version they prefer.
        ["kafkatopics", "kt", "kafka.strimzi.io/v1", "true", "KafkaTopic"],
    ):
        assert line in lines(resources)
    assert "apps/v1\n" in cluster.run("api-versions")
    assert "Server Version: v1.34.0" in cluster.run("version")
    assert "<string>" in cluster.run("explain", "flinkdeployment.spec.job.state")
    assert "enum: running, suspended" in cluster.run("explain", "flinkdeployment.spec.job")
    for name in ("pods", "configmap.data", "ksvc", "deployment", "kt"):
        assert "DESCRIPTION" in cluster.run("explain", name)
    for name in ("ksvc", "applications", "kt", "obc", "deploy", "secret", "events", "sa", "svc"):
        assert "No resources found" in cluster.run("get", name)


def test_patches(cluster: Cluster) -> None:
    cluster.apply()
    suspend = '{"spec":{"job":{"state":"suspended"}}}'
    patch = ("-n", "torghut", "patch", "flinkdeployment", "torghut-ta")
    done = "flinkdeployment.flink.apache.org/torghut-ta patched\n"
    assert cluster.run(*patch, "--type=merge", "-p", suspend) == done
    assert "patched (no change)" in cluster.run(*patch, "--type=merge", "-p", suspend)
    bump = '[{"op":"replace","path":"/spec/restartNonce","value":39}]'
    assert cluster.run(*patch, "--type=json", "-p", bump) == done
    yaml = "spec:\n  restartNonce: 40\n"
    assert cluster.run(*patch, "--type", "merge", "-p", yaml) == done
    item = cluster.json("get", "flinkdep", "torghut-ta")
    job = {"state": "suspended", "upgradeMode": "last-state"}
    assert item["spec"] == {"job": job, "restartNonce": 40}
    assert item["metadata"]["generation"] == 4
    wrong = cluster.run(*patch, "--type=merge", "-p", '{"spec":{"job":{"state":"x"}}}', status=1)
    assert wrong == (
        'The FlinkDeployment "torghut-ta" is invalid: spec.job.state: Unsupported value: "x": '
        'supported values: "running", "suspended"\n'
    )
    refused = cluster.run(*patch, "-p", suspend, status=1)
    assert "application/strategic-merge-patch+json is not supported" in refused
    strategic = '{"data":{"TA_GROUP_ID":"replay"}}'
    cluster.run("patch", "cm", "torghut-ta-config", "-p", strategic)
    number = cluster.run(
        "patch", "cm", "torghut-ta-config", "--type=merge", "-p", '{"data":{"A":1}}', status=1
    )
    assert "cannot unmarshal number into Go struct field ConfigMap.data of type string" in number
    subresource = '{"status":{"lifecycleState":"STABLE"}}'
    cluster.run(*patch, "--subresource=status", "--type=merge", "-p", subresource)
    assert "STABLE" in cluster.run("get", "flinkdep")


def test_apply_on_the_client_side(cluster: Cluster) -> None:
    apply = ("apply", "-f", str(cluster.manifest))
    assert cluster.run(*apply) == (
        "flinkdeployment.flink.apache.org/torghut-ta created\nconfigmap/torghut-ta-config created\n"
    )
    assert cluster.run(*apply).count("unchanged") == 2
    cluster.manifest.write_text(MANIFEST.replace("38", "39").replace('  GRUSS: "grüße ☃"\n', ""))
    assert "+  restartNonce: 39" in cluster.run("diff", "-f", str(cluster.manifest), status=1)
    dry = cluster.run(*apply, "--dry-run=server")
    assert dry.count("configured (server dry run)") == 2
    assert cluster.run(*apply).count("configured") == 2
    assert cluster.json("get", "cm", "torghut-ta-config")["data"] == {
        "TA_GROUP_ID": "torghut-ta-live"
    }
    assert cluster.json("get", "flinkdep", "torghut-ta")["spec"]["restartNonce"] == 39


def test_apply_on_the_server_side(cluster: Cluster) -> None:
    apply = ("apply", "--server-side", "-f", str(cluster.manifest))
    assert cluster.run(*apply).count("serverside-applied") == 2
    bump = '{"spec":{"restartNonce":99}}'
    cluster.run("patch", "flinkdep", "torghut-ta", "--type=merge", "-p", bump)
    conflict = cluster.run(*apply, status=1)
    assert (
        'Apply failed with 1 conflict: conflict with "kubectl-patch" using '
        "flink.apache.org/v1beta1: .spec.restartNonce"
    ) in conflict
    cluster.run(*apply, "--force-conflicts")
    assert cluster.json("get", "flinkdep", "torghut-ta")["spec"]["restartNonce"] == 38


def test_server_side_apply_takes_over_from_the_client_side(cluster: Cluster) -> None:
    cluster.apply()
    cluster.manifest.write_text(MANIFEST.replace("38", "39"))
    cluster.run("apply", "--server-side", "-f", str(cluster.manifest))
    fields = cluster.json("get", "flinkdep", "torghut-ta", "--show-managed-fields")["metadata"]
    managers = {entry["manager"] for entry in fields["managedFields"]}
    assert managers == {"kubectl", "kubectl-last-applied"}


def test_create_replace_label_edit(cluster: Cluster) -> None:
    create = ("create", "-f", str(cluster.manifest))
    assert cluster.run(*create).count("created") == 2
    assert 'flinkdeployments.flink.apache.org "torghut-ta" already exists' in cluster.run(
        *create, status=1
    )
    assert cluster.run("replace", "-f", str(cluster.manifest)).count("replaced") == 2
    cluster.run("create", "configmap", "extra", "--from-literal=a=ü")
    assert cluster.json("get", "cm", "extra")["data"] == {"a": "ü"}
    cluster.run("create", "secret", "generic", "password", "--from-literal=p=geheim")
    assert "Opaque" in cluster.run("get", "secret", "password")
    assert "geheim" not in cluster.audit.path.read_text()
    assert "Z2VoZWlt" not in cluster.audit.path.read_text()
    cluster.run("create", "namespace", "fresh")
    cluster.run("label", "flinkdep", "torghut-ta", "tier=ta")
    assert "torghut-ta" in cluster.run("get", "flinkdep", "-l", "tier in (ta)")
    assert "No resources" in cluster.run("get", "flinkdep", "-l", "tier=x")
    cluster.run("annotate", "flinkdep", "torghut-ta", "note=x")
    editor = cluster.directory / "editor"
    editor.write_text("#!/bin/sh\nsed -i s/running/suspended/ $1\n")
    editor.chmod(0o755)
    edited = cluster.run("edit", "flinkdep", "torghut-ta", env={"KUBE_EDITOR": str(editor)})
    assert "torghut-ta edited" in edited
    assert cluster.json("get", "flinkdep", "torghut-ta")["spec"]["job"]["state"] == "suspended"


def test_stale_replacement_is_refused(cluster: Cluster) -> None:
    cluster.apply()
    old = cluster.run("get", "flinkdep", "torghut-ta", "-o", "json")
    cluster.run(
        "patch", "flinkdep", "torghut-ta", "--type=merge", "-p", '{"spec":{"restartNonce":1}}'
    )
    refused = cluster.run("replace", "-f", "-", stdin=old, status=1)
    assert "the object has been modified; please apply your changes" in refused
    assert "Conflict" in refused


def test_deletion_waits_for_finalizers(cluster: Cluster) -> None:
    cluster.apply()
    hold = '{"metadata":{"finalizers":["flinkdeployments.flink.apache.org/finalizer"]}}'
    cluster.run("patch", "flinkdep", "torghut-ta", "--type=merge", "-p", hold)
    deletion = cluster.popen("delete", "flinkdep", "torghut-ta", "--wait")
    try:
        wait_until(
            lambda: (
                "deletionTimestamp" in cluster.json("get", "flinkdep", "torghut-ta")["metadata"]
            ),
            what="the mark of deletion",
            timeout=20,
        )
        assert deletion.poll() is None
        free = '{"metadata":{"finalizers":null}}'
        cluster.run("patch", "flinkdep", "torghut-ta", "--type=merge", "-p", free)
        out, _ = deletion.communicate(timeout=20)
    finally:
        deletion.kill()
    assert 'flinkdeployment.flink.apache.org "torghut-ta" deleted' in out
    missing = cluster.run("get", "flinkdep", "torghut-ta", status=1)
    assert missing == (
        'Error from server (NotFound): flinkdeployments.flink.apache.org "torghut-ta" not found\n'
    )


def test_deletion_of_many_and_what_they_own(cluster: Cluster) -> None:
    cluster.apply()
    owner = cluster.json("get", "flinkdep", "torghut-ta")
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": "torghut-ta",
        "uid": owner["metadata"]["uid"],
    }
    patch = orjson.dumps({"metadata": {"ownerReferences": [reference]}}).decode()
    cluster.run("patch", "cm", "torghut-ta-config", "--type=merge", "-p", patch)
    cluster.run("delete", "flinkdep", "torghut-ta", "--cascade=foreground")
    assert "No resources" in cluster.run("get", "cm")
    cluster.run("create", "configmap", "a")
    cluster.run("create", "configmap", "b")
    assert cluster.run("delete", "cm", "--all").count("deleted") == 2
    assert "deleted" in cluster.run("delete", "pod", "torghut-ta-1")
    assert "not found" in cluster.run("delete", "cm", "a", status=1)
    assert cluster.run("delete", "cm", "a", "--ignore-not-found") == ""


def test_waiting(cluster: Cluster) -> None:
    cluster.apply()
    stable = ("wait", "flinkdep/torghut-ta", "--for=jsonpath={.status.lifecycleState}=STABLE")
    assert "timed out waiting" in cluster.run(*stable, "--timeout=1s", status=1)
    waiting = cluster.popen(*stable, "--timeout=30s")
    try:
        cluster.set_status(
            lifecycleState="STABLE", conditions=[{"type": "Ready", "status": "True"}]
        )
        out, _ = waiting.communicate(timeout=30)
    finally:
        waiting.kill()
    assert out == "flinkdeployment.flink.apache.org/torghut-ta condition met\n"
    cluster.run("wait", "flinkdep", "--all", "--for=condition=Ready", "--timeout=5s")


def test_watching(cluster: Cluster) -> None:
    cluster.apply()
    watching = cluster.popen("get", "flinkdep", "-w")
    assert watching.stdout is not None
    try:
        assert watching.stdout.readline().split() == ["NAME", "JOB", "STATUS", "LIFECYCLE", "STATE"]
        assert watching.stdout.readline().split() == ["torghut-ta"]
        for state in ("DEPLOYED", "STABLE"):
            cluster.set_status(lifecycleState=state)
            assert watching.stdout.readline().split() == ["torghut-ta", state]
    finally:
        watching.kill()
        watching.communicate()


def test_logs(cluster: Cluster) -> None:
    logs = ("-n", "kafka", "logs", "kafka-pool-0")
    assert cluster.run(*logs).count("\n") == 50
    assert cluster.run(*logs, "--tail=2") == "line 48\nline 49\n"
    following = cluster.popen(*logs, "-f", "--tail=1")
    assert following.stdout is not None
    try:
        assert following.stdout.readline() == "line 49\n"
        with cluster.log.open("a") as log:
            log.write("later\n")
        assert following.stdout.readline() == "later\n"
    finally:
        following.kill()
        following.communicate()
    assert "previous terminated container" in cluster.run(*logs, "--previous", status=1)
    assert "container nope is not valid" in cluster.run(*logs, "-c", "nope", status=1)
    assert "waiting to start" in cluster.run("logs", "torghut-ta-1", "-c", "main", status=1)


def test_commands_in_pods(cluster: Cluster) -> None:
    execute = ("-n", "kafka", "exec", "kafka-pool-0")
    out = cluster.run(*execute, "--", "/opt/kafka/bin/kafka-topics.sh", "--list", status=3)
    assert "topics on kafka:9092: --list\n" in out
    assert "warning\n" in out
    assert "command terminated with exit code 3" in out
    missing = cluster.run(*execute, "--", "nosuch", status=1)
    assert 'exec: "nosuch": executable file not found in $PATH: unknown' in missing
    text = "grüße\n" * 20_000
    assert cluster.run(*execute, "-i", "--", "cat", stdin=text) == text
    assert "tty" in cluster.run(*execute, "-t", "--", "sh", "-c", "echo tty")
    assert 'pods "nope" not found' in cluster.run("exec", "nope", "--", "ls", status=1)
    commands = [event for event in cluster.audit.events() if event.source == "exec"]
    assert commands[0].object == "kafka/pods/kafka-pool-0"
    assert commands[0].body["exit_status"] == 3
    assert commands[0].body["command"] == ["/opt/kafka/bin/kafka-topics.sh", "--list"]
    assert commands[0].actor.startswith("kubectl/v")


def test_a_client_that_leaves_takes_its_command_along(cluster: Cluster) -> None:
    mark = cluster.directory / "pid"
    script = f"echo $$ > {mark}; exec sleep 600"
    process = cluster.popen("-n", "kafka", "exec", "kafka-pool-0", "--", "sh", "-c", script)
    try:
        wait_until(lambda: mark.exists() and mark.read_text().strip(), what="pid", timeout=20)
        process.kill()
        pid = int(mark.read_text())
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), what="its end", timeout=20)  # noqa: PTH110
    finally:
        process.kill()
        process.communicate()


def test_without_the_right_token_nothing_works(cluster: Cluster) -> None:
    config = cluster.directory / "kubeconfig"
    config.write_text(config.read_text().replace(cluster.server.token, "wrong"))
    refused = cluster.run("get", "pods", status=1)
    assert "You must be logged in" in refused or "Unauthorized" in refused
    assert {event.outcome for event in cluster.audit.events()} == {"401"}


def test_unknown_things(cluster: Cluster) -> None:
    kind = cluster.run("get", "foo", status=1)
    assert kind == 'error: the server doesn\'t have a resource type "foo"\n'
    unknown = MANIFEST.replace("kind: FlinkDeployment", "kind: FlinkFoo")
    refused = cluster.run("apply", "-f", "-", stdin=unknown, status=1)
    assert 'no matches for kind "FlinkFoo" in version "flink.apache.org/v1beta1"' in refused
    place = MANIFEST.replace("namespace: torghut", "namespace: nowhere")
    assert 'namespaces "nowhere" not found' in cluster.run(
        "apply", "-f", "-", stdin=place, status=1
    )


def test_large_objects(cluster: Cluster) -> None:
    big = cluster.directory / "big"
    big.write_text("€" * 300_000)
    cluster.run("create", "configmap", "big", f"--from-file={big}")
    assert len(cluster.json("get", "cm", "big")["data"]["big"]) == 300_000


def test_every_request_is_in_the_trail(cluster: Cluster) -> None:
    cluster.apply()
    patch = '{"spec":{"job":{"state":"suspended"}}}'
    cluster.run("patch", "flinkdep", "torghut-ta", "--type=merge", "-p", patch)
    [event] = [event for event in cluster.audit.events() if event.verb == "patch"]
    assert event.source == "api"
    assert event.object == "torghut/flinkdeployments/torghut-ta"
    assert event.body == orjson.loads(patch)
    assert event.outcome == "200"
    created = [event.object for event in cluster.audit.events() if event.verb == "create"]
    assert created == [
        "torghut/flinkdeployments/torghut-ta",
        "torghut/configmaps/torghut-ta-config",
    ]


def test_two_clusters_side_by_side(cluster: Cluster, tmp_path: Path) -> None:
    directory = tmp_path / "other"
    directory.mkdir()
    other = Cluster(directory, "127.64.1.21")
    try:
        other.start()
        cluster.apply()
        assert "No resources" in other.run("get", "flinkdep")
        assert "torghut-ta" in cluster.run("get", "flinkdep")
    finally:
        other.stop()


def test_stopping_ends_watches_at_once(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, "127.64.1.22")
    cluster.start()
    watching = cluster.popen("-n", "kafka", "get", "pods", "-w")
    assert watching.stdout is not None
    try:
        watching.stdout.readline()
        begin = time.monotonic()
        cluster.stop()
        assert time.monotonic() - begin < 10
    finally:
        watching.kill()
        watching.communicate()
