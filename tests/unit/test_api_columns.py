from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.world.control_plane.api_server.columns import age, find, human_duration
from harness.world.control_plane.api_server.requests import parse_path
from harness.world.control_plane.api_server.tables import table
from harness.world.control_plane.model.errors import NotFoundError
from harness.world.control_plane.pods.objects import Container, pod_object
from harness.world.control_plane.store import Store

KINDS = Store().kinds


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (599, "9m59s"),
        (600, "10m"),
        (10_799, "179m"),
        (10_800, "3h"),
        (11_100, "3h5m"),
        (8 * 3600, "8h"),
        (172_799, "47h"),
        (172_800, "2d"),
        (176_400, "2d1h"),
        (9 * 86_400, "9d"),
        (3 * 365 * 86_400, "3y"),
        (3 * 365 * 86_400 + 86_400, "3y1d"),
        (9 * 365 * 86_400, "9y"),
    ],
)
def test_durations_as_kubectl_shows_them(seconds: int, shown: str) -> None:
    assert human_duration(seconds) == shown


@given(st.integers(0, 10**10))
def test_every_duration_is_short(seconds: int) -> None:
    assert len(human_duration(seconds)) <= 6


def test_ages() -> None:
    now = datetime(2026, 3, 2, 0, 1, tzinfo=UTC)
    assert age("2026-03-02T00:00:00Z", now) == "60s"
    assert age(None) == "<unknown>"
    assert age("yesterday") == "<invalid>"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (".status.a", 1),
        (".status.conditions[type=Ready].status", "True"),
        (".status.conditions[type=Nope].status", None),
        (".metadata.labels.strimzi\\.io/cluster", "kafka"),
        (".status.a.b", None),
        (".nope", None),
    ],
)
def test_paths(path: str, value: Any) -> None:
    item = {
        "metadata": {"labels": {"strimzi.io/cluster": "kafka"}},
        "status": {"a": 1, "conditions": [{"type": "X"}, {"type": "Ready", "status": "True"}]},
    }
    assert find(item, path) == value


def row(kind: str, item: dict[str, Any]) -> dict[str, Any]:
    result = table(KINDS[kind], [item], resource_version="1")
    names = [column["name"] for column in result["columnDefinitions"]]
    cells = result["rows"][0]["cells"]
    assert len(names) == len(cells)
    return dict(zip(names, cells, strict=True))


def pod(*containers: Container, **more: Any) -> dict[str, Any]:
    return pod_object("p", "torghut", labels={}, containers=containers, **more)


@pytest.mark.parametrize(
    ("item", "ready", "status", "restarts"),
    [
        (pod(Container("a"), Container("b", ready=False)), "1/2", "Running", "0"),
        (pod(Container("a", waiting="CrashLoopBackOff")), "0/1", "CrashLoopBackOff", "0"),
        (
            pod(Container("a", waiting="ContainerCreating"), phase="Pending"),
            "0/1",
            "ContainerCreating",
            "0",
        ),
        (pod(Container("a", exit_code=2), phase="Failed"), "0/1", "Error", "0"),
        (pod(Container("a", exit_code=0), phase="Succeeded"), "0/1", "Completed", "0"),
        (pod(Container("a", restarts=3)), "1/1", "Running", "3"),
        (pod(phase="Pending"), "0/0", "Pending", "0"),
    ],
)
def test_rows_of_pods(item: dict[str, Any], ready: str, status: str, restarts: str) -> None:
    cells = row("Pod", item)
    assert (cells["Ready"], cells["Status"], cells["Restarts"]) == (ready, status, restarts)


def test_a_restarted_container_says_when(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.world.control_plane.api_server.pod_rows.age", lambda _: "5s")
    item = pod(Container("a", waiting="CrashLoopBackOff", restarts=2, last_exit_code=2))
    assert row("Pod", item)["Restarts"] == "2 (5s ago)"


def test_a_pod_that_is_being_deleted_says_so() -> None:
    item = pod(Container("a"))
    item["metadata"]["deletionTimestamp"] = "2026-03-02T00:00:00Z"
    assert row("Pod", item)["Status"] == "Terminating"


def test_flink_deployments_have_two_columns_and_no_age() -> None:
    item = {
        "metadata": {"name": "torghut-ta"},
        "status": {"jobStatus": {"state": "RUNNING"}, "lifecycleState": "STABLE"},
    }
    assert row("FlinkDeployment", item) == {
        "Name": "torghut-ta",
        "Job Status": "RUNNING",
        "Lifecycle State": "STABLE",
    }
    assert row("FlinkDeployment", {"metadata": {"name": "x"}})["Job Status"] is None


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_has_a_row_even_for_an_empty_object(kind: str) -> None:
    row(kind, {"metadata": {"name": "x"}})


def test_rows_of_built_in_kinds() -> None:
    service = {
        "metadata": {"name": "s"},
        "spec": {"ports": [{"port": 8081}], "selector": {"b": "2", "a": "1"}},
    }
    assert row("Service", service)["Port(s)"] == "8081/TCP"
    assert row("Service", service)["Selector"] == "a=1,b=2"
    deployment = {
        "metadata": {"name": "d"},
        "spec": {
            "replicas": 2,
            "template": {"spec": {"containers": [{"name": "a", "image": "i"}]}},
        },
        "status": {"readyReplicas": 1},
    }
    cells = row("Deployment", deployment)
    assert (cells["Ready"], cells["Images"]) == ("1/2", "i")
    about = {"kind": "FlinkDeployment", "name": "torghut-ta"}
    event = {"metadata": {"name": "e"}, "involvedObject": about, "message": " text\n"}
    cells = row("Event", event)
    assert (cells["Object"], cells["Message"]) == ("flinkdeployment/torghut-ta", "text")


def test_later_events_of_a_watch_have_no_header() -> None:
    assert table(KINDS["Pod"], [], resource_version="1", headed=False)["columnDefinitions"] is None


def test_objects_go_along_as_asked() -> None:
    item = {"metadata": {"name": "x"}, "spec": {}}
    forms = {
        include: table(KINDS["ConfigMap"], [item], resource_version="1", include=include)["rows"][0]
        for include in ("None", "Metadata", "Object")
    }
    assert "object" not in forms["None"]
    assert forms["Metadata"]["object"]["kind"] == "PartialObjectMetadata"
    assert forms["Object"]["object"] == item


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/pods", ("Pod", None, None, None)),
        ("/api/v1/namespaces/kafka/pods/p/exec", ("Pod", "kafka", "p", "exec")),
        ("/api/v1/namespaces", ("Namespace", None, None, None)),
        ("/api/v1/namespaces/kafka", ("Namespace", None, "kafka", None)),
        ("/api/v1/namespaces/kafka/status", ("Namespace", None, "kafka", "status")),
        ("/api/v1/namespaces/torghut/services/s", ("Service", "torghut", "s", None)),
        (
            "/apis/serving.knative.dev/v1/namespaces/torghut/services/s",
            ("KnativeService", "torghut", "s", None),
        ),
        (
            "/apis/flink.apache.org/v1beta1/namespaces/t/flinkdeployments/x/status",
            ("FlinkDeployment", "t", "x", "status"),
        ),
    ],
)
def test_request_paths(path: str, expected: tuple[Any, ...]) -> None:
    target = parse_path(path, KINDS)
    assert (target.kind.key, target.namespace, target.name, target.subresource) == expected


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/apis",
        "/api/v1",
        "/api/v1/foos",
        "/api/v1/pods/p",
        "/api/v2/pods",
        "/apis/flink.apache.org/v1beta1/namespaces/t/pods",
        "/api/v1/namespaces/t/configmaps/c/status",
        "/api/v1/namespaces/t/pods/p/exec/more",
    ],
)
def test_paths_to_nothing(path: str) -> None:
    with pytest.raises(NotFoundError, match="could not find the requested resource"):
        parse_path(path, KINDS)
