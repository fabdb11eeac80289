from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.audit import AuditTrail
from harness.world.control_plane.api_server import ApiServer
from harness.world.control_plane.api_server.discovery import one_group, resource_list
from harness.world.control_plane.api_server.openapi import index, swagger
from harness.world.control_plane.model.catalog import CATALOG, KAFKA_TOPIC, catalog
from harness.world.control_plane.model.errors import ApiError, NotFoundError
from harness.world.control_plane.pods.runtime import PodRuntime
from harness.world.control_plane.store import Store
from harness.world.profiles import load_profile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

GROUP = "kafka.strimzi.io"
KEY = "KafkaTopic"
PLACE = ("kafka", "torghut.trades.v1")


def topic(version: str, **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": KEY,
        "metadata": {"name": PLACE[1], "namespace": PLACE[0]},
        "spec": {"partitions": 3, "replicas": 3, **more},
    }


def store(*versions: str) -> Store:
    return Store(catalog(versions or ("v1beta2", "v1")), namespaces=("kafka",))


@pytest.mark.parametrize("version", ["v1", "v1beta2"])
def test_an_object_in_any_served_version_is_stored_in_one(version: str) -> None:
    objects = store()
    created = objects.create(topic(version))
    assert created["apiVersion"] == f"{GROUP}/v1beta2"
    assert objects.get(KEY, *PLACE) == created


def test_an_object_is_replaced_in_the_other_version_than_it_was_created_in() -> None:
    objects = store()
    version = objects.create(topic("v1beta2"))["metadata"]["resourceVersion"]
    newer = topic("v1", config={"retention.ms": 1})
    newer["metadata"]["resourceVersion"] = version
    replaced = objects.replace(newer)
    assert replaced["apiVersion"] == f"{GROUP}/v1beta2"
    assert replaced["spec"]["config"] == {"retention.ms": 1}


@pytest.mark.parametrize("patch_type", ["merge", "apply"])
def test_a_patch_may_name_either_version_and_changes_none(patch_type: Any) -> None:
    objects = store()
    objects.create(topic("v1beta2"))
    patch = topic("v1", partitions=4)
    changed = objects.patch(KEY, *PLACE, patch, patch_type=patch_type, force=True)
    assert changed["spec"]["partitions"] == 4
    assert changed["apiVersion"] == f"{GROUP}/v1beta2"


def test_the_same_intent_in_another_version_changes_nothing() -> None:
    objects = store()
    first = objects.patch(KEY, *PLACE, topic("v1"), patch_type="apply", field_manager="argo")
    again = objects.patch(KEY, *PLACE, topic("v1beta2"), patch_type="apply", field_manager="argo")
    assert again == first


@pytest.mark.parametrize("patch", [{"apiVersion": f"{GROUP}/v9"}, {"kind": "KafkaUser"}])
def test_a_patch_into_another_kind_or_version_is_refused(patch: dict[str, Any]) -> None:
    objects = store()
    objects.create(topic("v1"))
    with pytest.raises(ApiError, match="apiVersion or kind differ"):
        objects.patch(KEY, *PLACE, patch)


def test_strimzi_of_h_knows_no_older_version() -> None:
    objects = store(*load_profile("H").topic_api)
    assert objects.create(topic("v1"))["apiVersion"] == f"{GROUP}/v1"
    with pytest.raises(NotFoundError, match='no matches for kind "KafkaTopic" in version'):
        objects.create(topic("v1beta2"))


def test_strimzi_of_s_stores_the_older_version() -> None:
    objects = store(*load_profile("S").topic_api)
    assert objects.create(topic("v1"))["apiVersion"] == f"{GROUP}/v1beta2"


def test_other_kinds_are_the_same_in_every_cluster() -> None:
    assert [kind for kind in catalog(["v1"]) if kind.key != KEY] == [
        kind for kind in CATALOG if kind.key != KEY
    ]


@given(st.permutations(["v1", "v1beta2", "v1beta1", "v1alpha1", "v2", "v2beta1"]))
def test_clients_prefer_the_most_stable_version_whichever_is_stored(versions: list[str]) -> None:
    [kind] = [kind for kind in catalog(versions) if kind.key == KEY]
    assert kind.version == versions[0]
    assert kind.served == ("v2", "v1", "v2beta1", "v1beta2", "v1beta1", "v1alpha1")
    assert [seen.version for seen in kind.versions] == list(kind.served)


def test_a_word_is_no_version() -> None:
    with pytest.raises(ValueError, match="'newest' is no version"):
        _ = KAFKA_TOPIC.in_version("newest").served


def test_discovery_lists_both_versions_and_prefers_the_stable_one() -> None:
    group = one_group(CATALOG, GROUP)
    assert group is not None
    assert group["preferredVersion"]["version"] == "v1"
    assert [entry["version"] for entry in group["versions"]] == ["v1", "v1beta2"]
    for version in ("v1", "v1beta2"):
        found = resource_list(CATALOG, GROUP, version)
        assert found is not None
        assert {entry["name"] for entry in found["resources"]} == {
            "kafkatopics",
            "kafkatopics/status",
        }
    assert resource_list(CATALOG, GROUP, "v1alpha1") is None


def test_openapi_has_a_document_for_each_version() -> None:
    paths = index(CATALOG)["paths"]
    assert {f"apis/{GROUP}/v1", f"apis/{GROUP}/v1beta2"} <= paths.keys()
    definitions = swagger(CATALOG)["definitions"]
    assert {"io.strimzi.kafka.v1.KafkaTopic", "io.strimzi.kafka.v1beta2.KafkaTopic"} <= (
        definitions.keys()
    )


class Api:
    """A server with one topic, and a client of it."""

    def __init__(self, directory: Path) -> None:
        audit = AuditTrail(directory / "audit.jsonl")
        self.store = store()
        self.store.create(topic("v1beta2"))
        self.server = ApiServer(self.store, audit, PodRuntime(audit), host="127.93.4.10")
        self.session: aiohttp.ClientSession

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Api]:
        await self.server.start()
        headers = {"Authorization": f"Bearer {self.server.token}"}
        connector = aiohttp.TCPConnector(ssl=False)
        try:
            async with aiohttp.ClientSession(
                self.server.url, headers=headers, connector=connector
            ) as self.session:
                yield self
        finally:
            await self.server.stop()

    async def call(self, method: str, version: str, name: str = "", **options: Any) -> Any:
        path = f"/apis/{GROUP}/{version}/namespaces/kafka/kafkatopics{name}"
        async with self.session.request(method, path, **options) as response:
            return response.status, await response.json(content_type=None)


def test_the_server_answers_in_the_version_of_the_path(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Api(tmp_path).running() as api:
            for version in ("v1", "v1beta2"):
                wanted = f"{GROUP}/{version}"
                _, one = await api.call("GET", version, f"/{PLACE[1]}")
                assert one["apiVersion"] == wanted
                _, every = await api.call("GET", version)
                assert every["apiVersion"] == wanted
                assert [item["apiVersion"] for item in every["items"]] == [wanted]
                options = {"headers": {"Content-Type": "application/merge-patch+json"}}
                patch = {"spec": {"config": {"seen": version}}}
                _, changed = await api.call("PATCH", version, f"/{PLACE[1]}", json=patch, **options)
                assert changed["apiVersion"] == wanted
            assert api.store.get(KEY, *PLACE)["apiVersion"] == f"{GROUP}/v1beta2"
            status, _ = await api.call("GET", "v1beta1", f"/{PLACE[1]}")
            assert status == 404

    asyncio.run(scenario())


def test_a_body_must_be_in_the_version_of_the_path(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Api(tmp_path).running() as api:
            other = topic("v1beta2")
            other["metadata"]["name"] = "other"
            status, answer = await api.call("POST", "v1", json=other)
            assert (status, answer["reason"]) == (400, "BadRequest")
            other["apiVersion"] = f"{GROUP}/v1"
            status, answer = await api.call("POST", "v1", json=other)
            assert (status, answer["apiVersion"]) == (201, f"{GROUP}/v1")

    asyncio.run(scenario())


def test_a_watch_shows_objects_in_the_version_of_its_path(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Api(tmp_path).running() as api:
            path = f"/apis/{GROUP}/v1/namespaces/kafka/kafkatopics?watch=true&timeoutSeconds=1"
            async with api.session.get(path) as response:
                line = await response.content.readline()
            assert f'"apiVersion":"{GROUP}/v1"'.encode() in line

    asyncio.run(scenario())
