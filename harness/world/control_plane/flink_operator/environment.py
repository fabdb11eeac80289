"""A container's environment as the kubelet makes it when a pod starts."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final

from harness.core.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.world.control_plane.client import Client

MAIN_CONTAINER: Final = "flink-main-container"


class ContainerConfigError(HarnessError):
    """The environment refers to something that is not there: the container cannot be made."""


def main_container(pod_template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the main container of a ``podTemplate``; an empty one when it names none."""
    containers = (pod_template.get("spec") or {}).get("containers") or []
    found = (one for one in containers if one.get("name") == MAIN_CONTAINER)
    return dict(next(found, {"name": MAIN_CONTAINER}))


def container_environment(
    client: Client, namespace: str, container: Mapping[str, Any]
) -> dict[str, str]:
    """Resolve ``envFrom`` and ``env`` against the store, as it is now.

    Args:
        client: reads ConfigMaps and Secrets.
        namespace: namespace of the pod.
        container: the container; ``env`` wins over ``envFrom``, later entries over earlier ones.

    Raises:
        ContainerConfigError: when something that is not optional is missing, or a source is of
            a kind that the miniature does not know.
    """
    resolver = _Resolver(client, namespace)
    environment: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        environment.update(resolver.all_of(source))
    for entry in container.get("env") or ():
        value = resolver.value_of(entry)
        if value is not None:
            environment[entry["name"]] = value
    return environment


class _Resolver:
    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    def all_of(self, source: Mapping[str, Any]) -> dict[str, str]:
        kind, reference = _reference(source, "Ref")
        content = self._content(kind, reference)
        prefix = source.get("prefix", "")
        return {f"{prefix}{key}": value for key, value in (content or {}).items()}

    def value_of(self, entry: Mapping[str, Any]) -> str | None:
        if "valueFrom" not in entry:
            return str(entry.get("value", ""))
        kind, reference = _reference(entry["valueFrom"], "KeyRef")
        content = self._content(kind, reference)
        key = reference["key"]
        if content is None or (key not in content and reference.get("optional")):
            return None
        if key not in content:
            raise ContainerConfigError(
                f"couldn't find key {key} in {kind} {self._namespace}/{reference['name']}"
            )
        return content[key]

    def _content(self, kind: str, reference: Mapping[str, Any]) -> dict[str, str] | None:
        found = self._client.find(kind, self._namespace, reference["name"])
        if found is not None:
            return _texts(found)
        if reference.get("optional"):
            return None
        raise ContainerConfigError(f'{kind.lower()} "{reference["name"]}" not found')


def _reference(source: Mapping[str, Any], suffix: str) -> tuple[str, Mapping[str, Any]]:
    for kind, key in (("ConfigMap", f"configMap{suffix}"), ("Secret", f"secret{suffix}")):
        if key in source:
            return kind, source[key]
    raise ContainerConfigError(f"the miniature knows no environment source {sorted(source)}")


def _texts(found: Mapping[str, Any]) -> dict[str, str]:
    plain = found.get("data") or {}
    if found["kind"] != "Secret":
        return dict(plain)
    decoded = {key: _decoded(found, key, value) for key, value in plain.items()}
    return decoded | dict(found.get("stringData") or {})


def _decoded(secret: Mapping[str, Any], key: str, value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        name = secret["metadata"]["name"]
        raise ContainerConfigError(f"key {key} of secret {name} is no base64 text") from error
