"""Tables: how the server lays out objects for ``kubectl get``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from harness.world.control_plane.api_server.columns import age, cell
from harness.world.control_plane.api_server.pod_rows import pod_row
from harness.world.control_plane.model.kinds import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.world.control_plane.model.kinds import Object, ResourceKind, Value

Include = Literal["None", "Metadata", "Object"]

_NAME: Final = Column("Name", ".metadata.name")
_AGE: Final = Column("Age", ".metadata.creationTimestamp")


def _columns(*names: str, wide: Sequence[str] = ()) -> tuple[Column, ...]:
    shown = tuple(Column(name, "") for name in names)
    return (_NAME, *shown, _AGE, *(Column(name, "", wide=True) for name in wide))


def _age(item: Object) -> str:
    return age(item["metadata"].get("creationTimestamp"))


def _with_name(*cells: Value) -> Callable[[Object], list[Value]]:
    return lambda item: [item["metadata"]["name"], *cells, _age(item)]


def _config_map(item: Object) -> list[Value]:
    count = len(item.get("data") or {}) + len(item.get("binaryData") or {})
    return _with_name(str(count))(item)


def _secret(item: Object) -> list[Value]:
    return _with_name(item.get("type", "Opaque"), str(len(item.get("data") or {})))(item)


def _service(item: Object) -> list[Value]:
    spec = item.get("spec") or {}
    ports = ",".join(f"{p.get('port')}/{p.get('protocol', 'TCP')}" for p in spec.get("ports") or ())
    cells = _with_name(
        spec.get("type", "ClusterIP"), spec.get("clusterIP", "<none>"), "<none>", ports or "<none>"
    )
    return [*cells(item), _pairs(spec.get("selector"))]


def _namespace(item: Object) -> list[Value]:
    return _with_name((item.get("status") or {}).get("phase", "Active"))(item)


def _event(item: Object) -> list[Value]:
    about = item.get("involvedObject") or {}
    source = (item.get("source") or {}).get("component", item.get("reportingComponent", ""))
    seen = item.get("lastTimestamp") or item["metadata"].get("creationTimestamp")
    first = item.get("firstTimestamp") or item["metadata"].get("creationTimestamp")
    return [
        age(seen),
        item.get("type", ""),
        item.get("reason", ""),
        f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}",
        about.get("fieldPath", ""),
        source,
        str(item.get("message", "")).strip(),
        age(first),
        str(item.get("count", 1)),
        item["metadata"]["name"],
    ]


def _deployment(item: Object) -> list[Value]:
    spec, status = item.get("spec") or {}, item.get("status") or {}
    containers = ((spec.get("template") or {}).get("spec") or {}).get("containers") or []
    ready = f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 1)}"
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    return [
        *_with_name(ready, str(updated), str(available))(item),
        ",".join(str(container.get("name")) for container in containers),
        ",".join(str(container.get("image")) for container in containers),
        _pairs((spec.get("selector") or {}).get("matchLabels")),
    ]


def _pairs(selector: Mapping[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((selector or {}).items())) or "<none>"


_EVENT_COLUMNS: Final = tuple(
    Column(name, "", wide=name in {"Subobject", "Source", "First Seen", "Count", "Name"})
    for name in (
        "Last Seen",
        "Type",
        "Reason",
        "Object",
        "Subobject",
        "Source",
        "Message",
        "First Seen",
        "Count",
        "Name",
    )
)
_BUILT_IN: Final[Mapping[str, tuple[tuple[Column, ...], Callable[[Object], list[Value]]]]] = {
    "ConfigMap": (_columns("Data"), _config_map),
    "Secret": (_columns("Type", "Data"), _secret),
    "Service": (
        _columns("Type", "Cluster-IP", "External-IP", "Port(s)", wide=("Selector",)),
        _service,
    ),
    "Namespace": (_columns("Status"), _namespace),
    "Event": (_EVENT_COLUMNS, _event),
    "Pod": (
        _columns(
            "Ready",
            "Status",
            "Restarts",
            wide=("IP", "Node", "Nominated Node", "Readiness Gates"),
        ),
        pod_row,
    ),
    "Deployment": (
        _columns("Ready", "Up-to-date", "Available", wide=("Containers", "Images", "Selector")),
        _deployment,
    ),
}


def table(
    kind: ResourceKind,
    items: Sequence[Object],
    *,
    resource_version: str,
    include: Include = "Metadata",
    headed: bool = True,
) -> Object:
    """Return a ``meta.k8s.io/v1`` Table.

    Args:
        kind: kind of the objects.
        items: the objects.
        resource_version: version of the list, or of the single object.
        include: what of each object goes along with its row.
        headed: whether column definitions go along; later events of a watch have none.
    """
    columns, row = _layout(kind)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": resource_version},
        "columnDefinitions": [_definition(column) for column in columns] if headed else None,
        "rows": [{"cells": row(item), **_included(item, include)} for item in items],
    }


def _layout(kind: ResourceKind) -> tuple[tuple[Column, ...], Callable[[Object], list[Value]]]:
    if kind.key in _BUILT_IN:
        return _BUILT_IN[kind.key]
    columns = (
        _NAME,
        *((Column(_AGE.name, _AGE.path, "date"),) if kind.columns is None else kind.columns),
    )
    return columns, lambda item: [cell(column, item) for column in columns]


def _definition(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": "string" if column.type == "date" else column.type,
        "format": "name" if column is _NAME else "",
        "description": "",
        "priority": int(column.wide),
    }


def _included(item: Object, include: Include) -> dict[str, Any]:
    if include == "None":
        return {}
    if include == "Object":
        return {"object": item}
    return {
        "object": {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": item["metadata"],
        }
    }
