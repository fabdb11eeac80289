from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness.world.control_plane.model.errors import ApiError, BadRequestError, GoneError
from harness.world.control_plane.store import Store


def config_map(name: str, **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "torghut", "labels": labels},
        "data": {},
    }


@pytest.fixture
def store() -> Store:
    return Store(namespaces=["torghut"])


def seen(watch: Any) -> list[tuple[str, str]]:
    async def collect() -> list[tuple[str, str]]:
        events = []
        while watch.pending:
            event = await anext(watch)
            events.append((event.type, event.object["metadata"]["name"]))
        return events

    return asyncio.run(collect())


def test_a_watch_tells_current_objects_first(store: Store) -> None:
    store.create(config_map("a"))
    watch = store.watch("ConfigMap")
    store.create(config_map("b"))
    store.delete("ConfigMap", "torghut", "a")
    assert seen(watch) == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]


def test_a_watch_from_a_list_misses_nothing_and_repeats_nothing(store: Store) -> None:
    store.create(config_map("a"))
    listed = store.list("ConfigMap")
    store.create(config_map("b"))
    watch = store.watch("ConfigMap", since=listed.resource_version)
    assert seen(watch) == [("ADDED", "b")]
    assert watch.position == store.resource_version


def test_other_kinds_and_namespaces_are_not_seen(store: Store) -> None:
    watch = store.watch("ConfigMap", "default")
    store.create(config_map("a"))
    store.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}})
    assert seen(watch) == []


def test_objects_enter_and_leave_a_selection(store: Store) -> None:
    watch = store.watch("ConfigMap", labels="app=ta")
    store.create(config_map("a", app="other"))
    for app in ("ta", "ta", "other"):
        patch = {"metadata": {"labels": {"app": app}}, "data": {app: app}}
        store.patch("ConfigMap", "torghut", "a", patch)
        store.patch("ConfigMap", "torghut", "a", {"data": {"n": str(store.resource_version)}})
    events = [type_ for type_, _ in seen(watch)]
    assert events[0] == "ADDED"
    assert events[-1] == "DELETED"
    assert set(events[1:-1]) == {"MODIFIED"}


def test_a_watch_of_one_name(store: Store) -> None:
    watch = store.watch("ConfigMap", fields="metadata.name=b")
    store.create(config_map("a"))
    store.create(config_map("b"))
    assert seen(watch) == [("ADDED", "b")]


def test_versions_older_than_the_history_are_gone() -> None:
    store = Store(namespaces=["torghut"], history=3)
    slow = store.watch("ConfigMap")
    for number in range(10):
        store.create(config_map(f"n{number}"))
    with pytest.raises(GoneError) as caught:
        store.watch("ConfigMap", since=1)
    assert (caught.value.code, caught.value.reason) == (410, "Expired")
    with pytest.raises(GoneError):
        seen(slow)
    store.watch("ConfigMap", since=store.resource_version - 3)


def test_versions_of_the_future_are_refused(store: Store) -> None:
    with pytest.raises(ApiError, match="Too large resource version"):
        store.watch("ConfigMap", since=store.resource_version + 1)


def test_bad_selectors_are_refused_at_once(store: Store) -> None:
    with pytest.raises(BadRequestError):
        store.watch("ConfigMap", labels="a in b")
    with pytest.raises(BadRequestError, match="field label not supported"):
        store.watch("ConfigMap", fields="spec.x=1")


def test_waiting_ends_with_a_change_and_cancelling_loses_nothing(store: Store) -> None:
    async def scenario() -> list[str]:
        watch = store.watch("ConfigMap")
        waiting = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        waiting = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0)
        store.create(config_map("a"))
        store.create(config_map("b"))
        first = await waiting
        return [first.object["metadata"]["name"], (await anext(watch)).object["metadata"]["name"]]

    assert asyncio.run(scenario()) == ["a", "b"]


def test_an_event_is_a_copy(store: Store) -> None:
    async def scenario() -> None:
        watch = store.watch("ConfigMap")
        store.create(config_map("a"))
        (await anext(watch)).object["metadata"]["name"] = "changed"

    asyncio.run(scenario())
    assert store.get("ConfigMap", "torghut", "a")["metadata"]["name"] == "a"
