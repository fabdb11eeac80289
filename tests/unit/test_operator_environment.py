from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from harness.core.audit import AuditTrail
from harness.world.control_plane.client import Client
from harness.world.control_plane.flink_operator.environment import (
    MAIN_CONTAINER,
    ContainerConfigError,
    container_environment,
    main_container,
)
from harness.world.control_plane.store import Store

if TYPE_CHECKING:
    from pathlib import Path

NAMESPACE = "torghut"


@pytest.fixture
def client(tmp_path: Path) -> Client:
    store = Store(namespaces=[NAMESPACE])
    for kind, name, data in (
        ("ConfigMap", "config", {"TA_GROUP_ID": "live", "TA_SYMBOLS": "NVDA"}),
        ("ConfigMap", "more", {"TA_SYMBOLS": "AAPL"}),
        ("Secret", "secret", {"password": base64.b64encode(b"hush").decode()}),
    ):
        metadata = {"name": name, "namespace": NAMESPACE}
        store.create({"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": data})
    return Client(store, AuditTrail(tmp_path / "audit.jsonl"), "test")


def resolve(client: Client, **container: Any) -> dict[str, str]:
    return container_environment(client, NAMESPACE, container)


def config_map(name: str, **more: Any) -> dict[str, Any]:
    return {"configMapRef": {"name": name, **more}}


def key(kind: str, name: str, key: str, **more: Any) -> dict[str, Any]:
    return {"name": "X", "valueFrom": {kind: {"name": name, "key": key, **more}}}


def test_everything_of_a_config_map(client: Client) -> None:
    found = resolve(client, envFrom=[config_map("config")])
    assert found == {"TA_GROUP_ID": "live", "TA_SYMBOLS": "NVDA"}


def test_later_sources_win_and_single_variables_win_over_sources(client: Client) -> None:
    sources = [config_map("config"), config_map("more")]
    assert resolve(client, envFrom=sources)["TA_SYMBOLS"] == "AAPL"
    single = [{"name": "TA_SYMBOLS", "value": "TSLA"}]
    assert resolve(client, envFrom=sources, env=single)["TA_SYMBOLS"] == "TSLA"


def test_prefix_and_secrets(client: Client) -> None:
    sources = [{"prefix": "P_", "secretRef": {"name": "secret"}}]
    assert resolve(client, envFrom=sources) == {"P_password": "hush"}
    assert resolve(client, env=[key("secretKeyRef", "secret", "password")]) == {"X": "hush"}
    assert resolve(client, env=[key("configMapKeyRef", "config", "TA_GROUP_ID")]) == {"X": "live"}


def test_a_change_of_the_config_map_is_seen_the_next_time(client: Client) -> None:
    client.patch("ConfigMap", NAMESPACE, "config", {"data": {"TA_GROUP_ID": "replay-1"}})
    assert resolve(client, envFrom=[config_map("config")])["TA_GROUP_ID"] == "replay-1"


@pytest.mark.parametrize(
    "container",
    [
        {"envFrom": [config_map("nowhere")]},
        {"env": [key("secretKeyRef", "nowhere", "password")]},
        {"env": [key("secretKeyRef", "secret", "nothing")]},
        {"env": [key("fieldRef", "a", "b")]},
        {"env": [{"name": "X", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
    ],
)
def test_what_keeps_a_container_from_being_made(client: Client, container: dict[str, Any]) -> None:
    with pytest.raises(ContainerConfigError):
        resolve(client, **container)


def test_optional_sources_may_be_missing(client: Client) -> None:
    assert resolve(client, envFrom=[config_map("nowhere", optional=True)]) == {}
    assert resolve(client, env=[key("secretKeyRef", "nowhere", "x", optional=True)]) == {}
    assert resolve(client, env=[key("secretKeyRef", "secret", "x", optional=True)]) == {}


def test_a_secret_that_is_no_text(client: Client) -> None:
    client.patch("Secret", NAMESPACE, "secret", {"data": {"password": "/w=="}})
    with pytest.raises(ContainerConfigError, match="password of secret secret is no base64 text"):
        resolve(client, env=[key("secretKeyRef", "secret", "password")])


def test_the_main_container_is_found_by_name() -> None:
    others = [{"name": "sidecar"}, {"name": MAIN_CONTAINER, "env": []}]
    assert main_container({"spec": {"containers": others}}) == {"name": MAIN_CONTAINER, "env": []}
    assert main_container({}) == {"name": MAIN_CONTAINER}
