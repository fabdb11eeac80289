from __future__ import annotations

from typing import Any

import pytest

from harness.world.control_plane.model.errors import (
    AlreadyExistsError,
    ApiError,
    BadRequestError,
    ConflictError,
    InvalidError,
    NotFoundError,
    UnsupportedMediaTypeError,
)
from harness.world.control_plane.store import Store

FLINK = "FlinkDeployment"


def flink(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "flink.apache.org/v1beta1",
        "kind": FLINK,
        "metadata": {"name": "torghut-ta", "namespace": "torghut"},
        "spec": {"job": {"state": "running", "upgradeMode": "last-state"}, **spec},
    }


def config_map(name: str = "torghut-ta-config", **data: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "torghut"},
        "data": data,
    }


@pytest.fixture
def store() -> Store:
    return Store(namespaces=["torghut", "kafka"], clock=lambda: "2026-03-02T00:00:00Z")


def patch_flink(store: Store, patch: Any, **more: Any) -> dict[str, Any]:
    return store.patch(FLINK, "torghut", "torghut-ta", patch, **more)


def test_creation_sets_what_the_server_sets(store: Store) -> None:
    metadata = store.create(flink())["metadata"]
    assert metadata["generation"] == 1
    assert metadata["creationTimestamp"] == "2026-03-02T00:00:00Z"
    assert metadata["uid"]
    assert metadata["resourceVersion"] == str(store.resource_version)


def test_creation_ignores_what_only_the_server_may_set(store: Store) -> None:
    given = flink()
    given["metadata"] |= {"uid": "mine", "generation": 99, "creationTimestamp": None}
    metadata = store.create(given)["metadata"]
    assert metadata["uid"] != "mine"
    assert metadata["generation"] == 1


def test_kinds_without_specification_have_no_generation(store: Store) -> None:
    store.create(config_map(A="1"))
    changed = store.patch("ConfigMap", "torghut", "torghut-ta-config", {"data": {"A": "2"}})
    assert "generation" not in changed["metadata"]


def test_returned_objects_are_copies(store: Store) -> None:
    given = flink()
    created = store.create(given)
    given["spec"]["job"]["state"] = created["spec"]["job"]["state"] = "changed"
    listed = store.list(FLINK).items[0]
    assert listed["spec"]["job"]["state"] == "running"
    listed["spec"]["job"]["state"] = "changed"
    assert store.get(FLINK, "torghut", "torghut-ta")["spec"]["job"]["state"] == "running"


def test_status_is_dropped_at_creation_unless_a_controller_keeps_it(store: Store) -> None:
    assert "status" not in store.create(flink() | {"status": {"error": "x"}})
    store.delete(FLINK, "torghut", "torghut-ta")
    kept = store.create(flink() | {"status": {"error": "x"}}, keep_status=True)
    assert kept["status"] == {"error": "x"}


def test_generation_moves_with_the_specification_only(store: Store) -> None:
    store.create(flink())
    patch_flink(store, {"metadata": {"labels": {"a": "b"}}})
    patch_flink(store, {"status": {"error": "x"}}, subresource="status")
    assert store.get(FLINK, "torghut", "torghut-ta")["metadata"]["generation"] == 1
    changed = patch_flink(store, {"spec": {"restartNonce": 1}})
    assert changed["metadata"]["generation"] == 2


def test_main_resource_and_status_do_not_write_each_other(store: Store) -> None:
    store.create(flink())
    both = {"spec": {"restartNonce": 7}, "status": {"lifecycleState": "STABLE"}}
    assert "status" not in patch_flink(store, both)
    stored = patch_flink(
        store, {"spec": {"restartNonce": 8}, "status": {"error": "e"}}, subresource="status"
    )
    assert stored["spec"]["restartNonce"] == 7
    assert stored["status"] == {"error": "e"}
    stored["status"] = {}
    stored["spec"]["restartNonce"] = 9
    replaced = store.replace(stored)
    assert replaced["status"] == {"error": "e"}
    assert replaced["spec"]["restartNonce"] == 9


def test_kinds_without_status_subresource_write_status_with_the_rest(store: Store) -> None:
    application = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "torghut", "namespace": "torghut"},
        "spec": {},
    }
    store.create(application)
    status = {"status": {"sync": {"status": "Synced"}}}
    assert store.patch("Application", "torghut", "torghut", status)["status"] == status["status"]


def test_a_write_that_changes_nothing_is_no_change(store: Store) -> None:
    before = store.create(flink())
    after = patch_flink(store, {"spec": {"job": {"state": "running"}}})
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_versions_only_grow_across_kinds(store: Store) -> None:
    versions = [
        int(store.create(item)["metadata"]["resourceVersion"])
        for item in (config_map("a"), flink(), config_map("b"))
    ]
    assert versions == sorted(set(versions))


def test_stale_replacement_is_a_conflict(store: Store) -> None:
    old = store.create(flink())
    patch_flink(store, {"spec": {"restartNonce": 1}})
    with pytest.raises(ConflictError, match="the object has been modified") as caught:
        store.replace(old)
    assert caught.value.code == 409
    assert caught.value.status()["reason"] == "Conflict"


def test_stale_patch_is_a_conflict_only_if_it_names_a_version(store: Store) -> None:
    store.create(flink())
    with pytest.raises(ConflictError):
        patch_flink(store, {"metadata": {"resourceVersion": "1"}, "spec": {"restartNonce": 1}})
    patch_flink(store, {"spec": {"restartNonce": 1}})


def test_custom_resources_are_not_replaced_blindly_but_core_ones_are(store: Store) -> None:
    store.create(flink())
    with pytest.raises(InvalidError, match="must be specified for an update"):
        store.replace(flink(restartNonce=1))
    store.create(config_map(A="1"))
    assert store.replace(config_map(A="2"))["data"] == {"A": "2"}


def test_replacement_by_another_uid_is_a_conflict(store: Store) -> None:
    item = store.create(flink())
    item["metadata"]["uid"] = "another"
    with pytest.raises(ConflictError, match="UID in precondition"):
        store.replace(item)


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        (
            {"job": {"state": "paused"}},
            (
                'FlinkDeployment.flink.apache.org "torghut-ta" is invalid: spec.job.state: '
                'Unsupported value: "paused": supported values: "running", "suspended"'
            ),
        ),
        (
            {"job": {"upgradeMode": "none"}},
            (
                'spec.job.upgradeMode: Unsupported value: "none": supported values: "last-state", '
                '"savepoint", "stateless"'
            ),
        ),
        (
            {"restartNonce": "39"},
            (
                'spec.restartNonce: Invalid value: "string": spec.restartNonce in body must be of '
                'type integer: "string"'
            ),
        ),
        ({"restartNonce": True}, 'must be of type integer: "boolean"'),
        ({"restartNonce": 1.5}, "must be of type integer"),
        ({"taskManager": {"replicas": 0}}, "should be greater than or equal to 1"),
        ({"job": {"args": ["a", 1]}}, "spec.job.args[1]: Invalid value"),
        ({"job": "x"}, 'spec.job in body must be of type object: "string"'),
    ],
)
def test_values_outside_of_the_schema_are_refused(
    store: Store, patch: dict[str, Any], message: str
) -> None:
    before = store.create(flink())
    with pytest.raises(InvalidError) as caught:
        patch_flink(store, {"spec": patch})
    assert message in caught.value.message
    assert caught.value.code == 422
    assert store.get(FLINK, "torghut", "torghut-ta") == before


def test_unknown_fields_pass(store: Store) -> None:
    assert store.create(flink(somethingNew={"a": 1}))["spec"]["somethingNew"] == {"a": 1}


def test_config_maps_hold_text_only(store: Store) -> None:
    with pytest.raises(BadRequestError, match="cannot unmarshal number into"):
        store.create(config_map(A=1))
    store.create(config_map(A="1"))
    with pytest.raises(ApiError, match="patch: Invalid value") as caught:
        store.patch("ConfigMap", "torghut", "torghut-ta-config", {"data": {"A": 1}})
    assert caught.value.code == 422


@pytest.mark.parametrize("name", ["", "Upper", "under_score", "-dash", "a" * 254, "a..b", "a/b"])
def test_bad_names_are_refused(store: Store, name: str) -> None:
    with pytest.raises(InvalidError, match=r"metadata\.name"):
        store.create(config_map(name))


def test_generated_names_differ(store: Store) -> None:
    item = config_map()
    item["metadata"] = {"generateName": "backup-", "namespace": "torghut"}
    names = {store.create(item)["metadata"]["name"] for _ in range(5)}
    assert len(names) == 5
    assert all(name.startswith("backup-") for name in names)


def test_names_are_unique_per_kind_and_namespace(store: Store) -> None:
    store.create(config_map())
    with pytest.raises(AlreadyExistsError, match='configmaps "torghut-ta-config" already exists'):
        store.create(config_map())
    other = config_map()
    other["metadata"]["namespace"] = "kafka"
    store.create(other)
    assert len(store.list("ConfigMap").items) == 2
    assert len(store.list("ConfigMap", "kafka").items) == 1


def test_missing_things_are_named(store: Store) -> None:
    with pytest.raises(NotFoundError, match='"x" not found'):
        store.get(FLINK, "torghut", "x")
    item = config_map()
    item["metadata"]["namespace"] = "nowhere"
    with pytest.raises(NotFoundError, match='namespaces "nowhere" not found'):
        store.create(item)
    with pytest.raises(NotFoundError, match='no matches for kind "Foo" in version "v1"'):
        store.create({"apiVersion": "v1", "kind": "Foo", "metadata": {"name": "a"}})
    with pytest.raises(BadRequestError, match="Kind"):
        store.create({"metadata": {"name": "a"}})
    with pytest.raises(NotFoundError, match="resource type"):
        store.list("Foo")


def test_two_kinds_of_the_same_name_are_kept_apart(store: Store) -> None:
    metadata = {"name": "torghut", "namespace": "torghut"}
    store.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata})
    store.create({"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": metadata})
    assert len(store.list("Service").items) == len(store.list("KnativeService").items) == 1


def test_secrets_are_encoded(store: Store) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "torghut"},
        "stringData": {"password": "geheim"},
    }
    stored = store.create(secret)
    assert stored["data"] == {"password": "Z2VoZWlt"}
    assert "stringData" not in stored


def test_dry_runs_answer_but_store_nothing(store: Store) -> None:
    version = store.resource_version
    assert store.create(flink(), dry_run=True)["metadata"]["uid"]
    assert store.list(FLINK).items == []
    assert store.resource_version == version
    before = store.create(flink())
    changed = patch_flink(store, {"spec": {"restartNonce": 5}}, dry_run=True)
    assert changed["spec"]["restartNonce"] == 5
    before["spec"]["restartNonce"] = 6
    store.replace(before, dry_run=True)
    store.delete(FLINK, "torghut", "torghut-ta", dry_run=True)
    assert "restartNonce" not in store.get(FLINK, "torghut", "torghut-ta")["spec"]


def test_custom_resources_refuse_strategic_patches(store: Store) -> None:
    store.create(flink())
    with pytest.raises(UnsupportedMediaTypeError) as caught:
        patch_flink(store, {"spec": {}}, patch_type="strategic")
    assert caught.value.code == 415
    with pytest.raises(UnsupportedMediaTypeError):
        patch_flink(store, {"spec": {}}, patch_type="nonsense")


@pytest.mark.parametrize(("patch", "patch_type"), [([], "merge"), ({}, "json"), ("x", "apply")])
def test_patches_of_the_wrong_shape_are_refused(store: Store, patch: Any, patch_type: Any) -> None:
    store.create(flink())
    with pytest.raises(BadRequestError):
        patch_flink(store, patch, patch_type=patch_type)


def test_a_patch_cannot_rename_or_change_the_kind(store: Store) -> None:
    store.create(flink())
    for patch in ({"metadata": {"name": "other"}}, {"kind": "Other"}):
        with pytest.raises(BadRequestError):
            patch_flink(store, patch)


def test_deletion_removes_and_checks_preconditions(store: Store) -> None:
    item = store.create(flink())
    with pytest.raises(ConflictError, match="UID"):
        store.delete(FLINK, "torghut", "torghut-ta", uid="another")
    with pytest.raises(ConflictError, match="ResourceVersion"):
        store.delete(FLINK, "torghut", "torghut-ta", resource_version="1")
    gone = store.delete(FLINK, "torghut", "torghut-ta", uid=item["metadata"]["uid"])
    assert "deletionTimestamp" not in gone["metadata"]
    with pytest.raises(NotFoundError):
        store.get(FLINK, "torghut", "torghut-ta")


def test_finalizers_hold_an_object_until_the_last_is_gone(store: Store) -> None:
    item = flink()
    item["metadata"]["finalizers"] = ["a.b/c", "d.e/f"]
    store.create(item)
    marked = store.delete(FLINK, "torghut", "torghut-ta")
    assert marked["metadata"]["deletionTimestamp"]
    again = store.delete(FLINK, "torghut", "torghut-ta")
    assert again["metadata"]["resourceVersion"] == marked["metadata"]["resourceVersion"]
    patch_flink(store, {"metadata": {"finalizers": ["a.b/c"]}})
    assert store.list(FLINK).items
    patch_flink(store, {"metadata": {"finalizers": None}})
    assert store.list(FLINK).items == []


def _owned(store: Store, name: str, *owners: dict[str, Any]) -> dict[str, Any]:
    item = config_map(name)
    item["metadata"]["ownerReferences"] = [
        {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
        }
        for owner in owners
    ]
    return store.create(item)


def test_deletion_cascades_to_all_depths(store: Store) -> None:
    child = _owned(store, "child", store.create(flink()))
    _owned(store, "grandchild", child)
    store.create(config_map("stranger"))
    store.delete(FLINK, "torghut", "torghut-ta")
    assert [item["metadata"]["name"] for item in store.list("ConfigMap").items] == ["stranger"]


def test_another_owner_keeps_an_object(store: Store) -> None:
    first, second = store.create(flink()), store.create(config_map("owner"))
    _owned(store, "child", first, second)
    store.delete(FLINK, "torghut", "torghut-ta")
    child = store.get("ConfigMap", "torghut", "child")
    assert [owner["name"] for owner in child["metadata"]["ownerReferences"]] == ["owner"]
    store.delete("ConfigMap", "torghut", "owner")
    assert store.list("ConfigMap").items == []


def test_orphans_stay(store: Store) -> None:
    _owned(store, "child", store.create(flink()))
    store.delete(FLINK, "torghut", "torghut-ta", propagation="Orphan")
    assert store.get("ConfigMap", "torghut", "child")["metadata"]["ownerReferences"] == []


def test_foreground_deletion_waits_for_dependents(store: Store) -> None:
    owner = store.create(flink())
    _owned(store, "child", owner)
    store.patch("ConfigMap", "torghut", "child", {"metadata": {"finalizers": ["a.b/c"]}})
    held = store.delete(FLINK, "torghut", "torghut-ta", propagation="Foreground")
    assert held["metadata"]["finalizers"] == ["foregroundDeletion"]
    store.patch("ConfigMap", "torghut", "child", {"metadata": {"finalizers": None}})
    assert store.list(FLINK).items == []


def test_foreground_deletion_without_dependents_is_immediate(store: Store) -> None:
    store.create(flink())
    store.delete(FLINK, "torghut", "torghut-ta", propagation="Foreground")
    assert store.list(FLINK).items == []


def test_a_namespace_takes_its_content_along(store: Store) -> None:
    store.create(config_map())
    store.delete("Namespace", None, "torghut")
    assert store.list("ConfigMap").items == []
    with pytest.raises(NotFoundError):
        store.create(config_map())
