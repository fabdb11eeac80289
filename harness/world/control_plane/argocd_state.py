"""What Argo CD says about an application: what differs from Git, and how healthy it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from harness.world.control_plane.model.kinds import Object, ResourceKind
    from harness.world.control_plane.store import Store

FIELD_MANAGER: Final = "argocd-controller"
"""Field manager of Argo CD's server-side apply."""

TRACKING: Final = "argocd.argoproj.io/tracking-id"
"""Annotation that says which application an object belongs to."""

_SEVERITY: Final = ("Healthy", "Suspended", "Progressing", "Missing", "Degraded", "Unknown")
_SERVER_MADE: Final = frozenset({"managedFields", "resourceVersion", "generation"})


@dataclass(frozen=True, slots=True)
class Resource:
    """One object of an application, in Git or in the cluster or in both.

    Attributes:
        kind: its kind.
        namespace: its namespace.
        name: its name.
        wanted: as Git has it; None when it is gone from there.
        live: as the cluster has it; None when it is missing.
        drift: fields that a sync would change, as dotted paths.
    """

    kind: ResourceKind
    namespace: str | None
    name: str
    wanted: Object | None
    live: Object | None
    drift: tuple[str, ...] = field(default=())

    @property
    def synced(self) -> bool:
        """Whether a sync, with pruning, would change nothing."""
        return self.wanted is not None and self.live is not None and not self.drift

    @property
    def reference(self) -> dict[str, str]:
        """How Argo CD names it in status lists."""
        parts = {
            "group": self.kind.group,
            "version": self.kind.version,
            "kind": self.kind.kind,
            "namespace": self.namespace or "",
            "name": self.name,
        }
        return {key: value for key, value in parts.items() if value}

    def entry(self) -> dict[str, Any]:
        """Return its entry in ``status.resources``."""
        shown: dict[str, Any] = {
            **self.reference,
            "status": "Synced" if self.synced else "OutOfSync",
        }
        state = health(self)
        if state is not None:
            shown["health"] = {"status": state}
        if self.wanted is None:
            shown["requiresPruning"] = True
        return shown


def tracked(manifest: Object, kind: ResourceKind, application: str) -> Object:
    """Return a copy of a manifest that carries the application's tracking annotation."""
    metadata = manifest["metadata"]
    identity = f"{kind.group}/{kind.kind}:{metadata.get('namespace', '')}/{metadata['name']}"
    annotations = {**(metadata.get("annotations") or {}), TRACKING: f"{application}:{identity}"}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def compare(store: Store, application: str, manifests: Iterable[Object]) -> list[Resource]:
    """Compare Git with the cluster, as Argo CD's server-side diff does: by a dry run of the apply.

    Args:
        store: the cluster.
        application: name of the application.
        manifests: what Git wants.

    Raises:
        ApiError: when a manifest is of an unknown kind or does not fit its schema.
    """
    wanted = [_compared(store, application, manifest) for manifest in manifests]
    known = {(item.kind.key, item.namespace, item.name) for item in wanted}
    return wanted + [
        Resource(kind, namespace, obj["metadata"]["name"], None, obj)
        for kind, obj in _owned(store, application)
        for namespace in [obj["metadata"].get("namespace")]
        if (kind.key, namespace, obj["metadata"]["name"]) not in known
    ]


def _compared(store: Store, application: str, manifest: Object) -> Resource:
    kind = store.kind_of(manifest)
    wanted = tracked(manifest, kind, application)
    namespace, name = wanted["metadata"].get("namespace"), wanted["metadata"]["name"]
    result = store.patch(
        kind.key,
        namespace,
        name,
        wanted,
        patch_type="apply",
        field_manager=FIELD_MANAGER,
        force=True,
        dry_run=True,
    )
    live = _find(store, kind, namespace, name)
    drift = () if live is None else tuple(_changes(_plain(live), _plain(result)))
    return Resource(kind, namespace, name, wanted, live, drift)


def _find(store: Store, kind: ResourceKind, namespace: str | None, name: str) -> Object | None:
    found = store.list(kind.key, namespace, fields=f"metadata.name={name}").items
    return found[0] if found else None


def _owned(store: Store, application: str) -> Iterator[tuple[ResourceKind, Object]]:
    for kind in store.kinds.values():
        for obj in store.list(kind.key).items:
            if belongs_to(obj, kind, application):
                yield kind, obj


def belongs_to(obj: Object, kind: ResourceKind, application: str) -> bool:
    """Whether an object's tracking annotation names the application and the object itself.

    An annotation that was copied along with an object, e.g. from a Service to its pods, names
    another object and counts for nothing.
    """
    annotations = obj["metadata"].get("annotations") or {}
    expected = tracked(obj, kind, application)["metadata"]["annotations"][TRACKING]
    return bool(annotations.get(TRACKING) == expected)


def _plain(obj: Object) -> Object:
    metadata = {k: v for k, v in obj["metadata"].items() if k not in _SERVER_MADE}
    return {**{k: v for k, v in obj.items() if k != "status"}, "metadata": metadata}


def _changes(before: Any, after: Any, path: str = "") -> Iterator[str]:  # noqa: ANN401 - JSON
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _changes(before.get(key), after.get(key), f"{path}.{key}" if path else key)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _changes(old, new, f"{path}[{index}]")
    else:
        yield path


def health(resource: Resource) -> str | None:
    """Return an object's health by the rules that come with Argo CD; None for kinds without."""
    if resource.live is None:
        return "Missing"
    status = resource.live.get("status") or {}
    if resource.kind.key == "FlinkDeployment":
        state = (status.get("reconciliationStatus") or {}).get("state")
        known = {"DEPLOYED": "Healthy", "ROLLED_BACK": "Degraded", "ROLLING_BACK": "Degraded"}
        return known.get(str(state), "Progressing")
    if resource.kind.key in {"KnativeService", "KafkaTopic"}:
        ready = [c for c in status.get("conditions") or [] if c.get("type") == "Ready"]
        words = {"True": "Healthy", "False": "Degraded"}
        return words.get(ready[0].get("status", ""), "Progressing") if ready else "Progressing"
    if resource.kind.key == "Deployment":
        return _rolled_out(resource.live, status)
    return None


def _rolled_out(deployment: Object, status: Mapping[str, Any]) -> str:
    """Return the health of a Deployment: every replica is there, and of the latest template."""
    seen = status.get("observedGeneration") == deployment["metadata"]["generation"]
    counts = [status.get(f"{name}Replicas", 0) for name in ("updated", "available")]
    complete = all(count >= deployment["spec"]["replicas"] for count in counts)
    return "Healthy" if seen and complete else "Progressing"


def overall_health(resources: Sequence[Resource]) -> str:
    """Return the worst health of an application's objects."""
    states = [state for item in resources if (state := health(item)) is not None]
    return max(states, key=_SEVERITY.index, default="Healthy")
