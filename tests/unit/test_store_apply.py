from __future__ import annotations

from typing import Any

import pytest

from harness.world.control_plane.model.errors import ApiError, BadRequestError, ConflictError
from harness.world.control_plane.store import Store

NAME = "torghut-ta-config"


@pytest.fixture
def store() -> Store:
    return Store(namespaces=["torghut"])


def apply(store: Store, manager: str, data: dict[str, str], **more: Any) -> dict[str, Any]:
    intent = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": data}
    return store.patch(
        "ConfigMap", "torghut", NAME, intent, patch_type="apply", field_manager=manager, **more
    )


def owned(item: dict[str, Any], manager: str) -> set[str]:
    return {
        name.removeprefix("f:")
        for entry in item["metadata"]["managedFields"]
        if entry["manager"] == manager
        for name in entry["fieldsV1"].get("f:data", {})
    }


def test_apply_creates_and_owns(store: Store) -> None:
    item = apply(store, "argocd", {"A": "1", "B": "2"})
    assert item["data"] == {"A": "1", "B": "2"}
    assert owned(item, "argocd") == {"A", "B"}
    assert item["metadata"]["managedFields"][0]["operation"] == "Apply"


def test_a_field_of_another_manager_is_a_conflict_and_nothing_changes(store: Store) -> None:
    apply(store, "argocd", {"A": "1"})
    store.patch("ConfigMap", "torghut", NAME, {"data": {"A": "2"}}, field_manager="kubectl-patch")
    with pytest.raises(ConflictError) as caught:
        apply(store, "argocd", {"A": "1"})
    assert caught.value.message == (
        'Apply failed with 1 conflict: conflict with "kubectl-patch" using v1: .data.A'
    )
    assert caught.value.details["causes"][0]["reason"] == "FieldManagerConflict"
    assert store.get("ConfigMap", "torghut", NAME)["data"] == {"A": "2"}


def test_several_conflicts_are_all_named(store: Store) -> None:
    apply(store, "one", {"A": "1", "B": "1"})
    apply(store, "two", {"C": "1"})
    with pytest.raises(ConflictError) as caught:
        apply(store, "three", {"A": "x", "B": "x", "C": "x"})
    assert caught.value.message == (
        'Apply failed with 3 conflicts: conflicts with "one":\n- .data.A\n- .data.B'
        ' with "two":\n- .data.C'
    )


def test_force_takes_over(store: Store) -> None:
    apply(store, "argocd", {"A": "1"})
    item = apply(store, "kubectl", {"A": "2"}, force=True)
    assert item["data"] == {"A": "2"}
    assert owned(item, "argocd") == set()
    assert owned(item, "kubectl") == {"A"}


def test_equal_values_are_shared(store: Store) -> None:
    apply(store, "argocd", {"A": "1"})
    item = apply(store, "kubectl", {"A": "1"})
    assert owned(item, "argocd") == owned(item, "kubectl") == {"A"}
    assert apply(store, "kubectl", {})["data"] == {"A": "1"}


def test_what_a_manager_gives_up_is_removed(store: Store) -> None:
    apply(store, "argocd", {"A": "1", "B": "2"})
    store.patch("ConfigMap", "torghut", NAME, {"data": {"C": "3"}}, field_manager="kubectl-edit")
    assert apply(store, "argocd", {"A": "1"})["data"] == {"A": "1", "C": "3"}


def test_applying_the_same_again_changes_nothing(store: Store) -> None:
    first = apply(store, "argocd", {"A": "1"})
    assert apply(store, "argocd", {"A": "1"}) == first


def test_a_dry_run_reports_conflicts_but_stores_nothing(store: Store) -> None:
    apply(store, "argocd", {"A": "1"})
    with pytest.raises(ConflictError):
        apply(store, "kubectl", {"A": "2"}, dry_run=True)
    apply(store, "kubectl", {"A": "2"}, dry_run=True, force=True)
    assert store.get("ConfigMap", "torghut", NAME)["data"] == {"A": "1"}


def test_managed_fields_must_not_be_applied(store: Store) -> None:
    intent = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "managedFields": [{"manager": "x"}]},
    }
    with pytest.raises(BadRequestError, match="managedFields"):
        store.patch("ConfigMap", "torghut", NAME, intent, patch_type="apply")


def test_an_object_that_must_exist_is_not_created(store: Store) -> None:
    intent = {"metadata": {"name": NAME, "uid": "x"}, "apiVersion": "v1", "kind": "ConfigMap"}
    with pytest.raises(ApiError) as caught:
        store.patch("ConfigMap", "torghut", NAME, intent, patch_type="apply")
    assert caught.value.code == 409


def _deployment(*env: tuple[str, str], image: str = "a") -> dict[str, Any]:
    container = {
        "name": "main",
        "image": image,
        "env": [{"name": name, "value": value} for name, value in env],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }


def test_keyed_lists_are_merged_by_key(store: Store) -> None:
    def put(manager: str, *env: tuple[str, str], force: bool = False) -> list[dict[str, Any]]:
        item = store.patch(
            "Deployment",
            "torghut",
            "d",
            _deployment(*env),
            patch_type="apply",
            field_manager=manager,
            force=force,
        )
        [container] = item["spec"]["template"]["spec"]["containers"]
        return list(container["env"])

    put("one", ("A", "1"))
    assert put("two", ("B", "2")) == [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    with pytest.raises(ConflictError, match=r'containers\[name="main"\].env\[name="A"\].value'):
        put("two", ("A", "x"))
    assert put("one") == [{"name": "B", "value": "2"}]


def test_lists_of_custom_resources_are_one_field(store: Store) -> None:
    def put(manager: str, args: list[str], *, force: bool = False) -> Any:
        intent = {
            "apiVersion": "flink.apache.org/v1beta1",
            "kind": "FlinkDeployment",
            "metadata": {"name": "ta"},
            "spec": {"job": {"args": args}},
        }
        item = store.patch(
            "FlinkDeployment",
            "torghut",
            "ta",
            intent,
            patch_type="apply",
            field_manager=manager,
            force=force,
        )
        return item["spec"]["job"]["args"]

    put("one", ["a"])
    with pytest.raises(ConflictError, match=r"\.spec\.job\.args"):
        put("two", ["b"])
    assert put("two", ["b"], force=True) == ["b"]


def test_status_written_by_a_controller_has_an_owner_of_its_own(store: Store) -> None:
    store.create(
        {
            "apiVersion": "flink.apache.org/v1beta1",
            "kind": "FlinkDeployment",
            "metadata": {"name": "ta", "namespace": "torghut"},
            "spec": {},
        },
        field_manager="kubectl",
    )
    item = store.patch(
        "FlinkDeployment",
        "torghut",
        "ta",
        {"status": {"error": "x"}},
        subresource="status",
        field_manager="operator",
    )
    entry = item["metadata"]["managedFields"][-1]
    assert (entry["manager"], entry["subresource"]) == ("operator", "status")


def test_kubectl_takes_over_what_it_applied_on_the_client_side(store: Store) -> None:
    store.create(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": NAME,
                "namespace": "torghut",
                "annotations": {
                    "kubectl.kubernetes.io/last-applied-configuration": '{"data":{"A":"1","B":"1"}}'
                },
            },
            "data": {"A": "1", "B": "1"},
        },
        field_manager="kubectl-client-side-apply",
    )
    with pytest.raises(ConflictError):
        apply(store, "argocd", {"A": "2"})
    assert apply(store, "kubectl", {"A": "2"})["data"] == {"A": "2", "B": "1"}
    store.patch("ConfigMap", "torghut", NAME, {"data": {"B": "x"}}, field_manager="kubectl-edit")
    with pytest.raises(ConflictError, match=r"\.data\.B"):
        apply(store, "kubectl", {"A": "2", "B": "3"})
