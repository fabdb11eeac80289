"""What the server offers: groups, versions, resources; in the old form and the aggregated one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.world.control_plane.model.kinds import Object, ResourceKind

_VERBS: Final = (
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
)
_SUBRESOURCE_VERBS: Final = {
    "status": ("get", "patch", "update"),
    "log": ("get",),
    "exec": ("create", "get"),
}

VERSION: Final = {
    "major": "1",
    "minor": "34",
    "gitVersion": "v1.34.0",
    "gitCommit": "0" * 40,
    "gitTreeState": "clean",
    "buildDate": "2025-08-27T10:09:04Z",
    "goVersion": "go1.24.6",
    "compiler": "gc",
    "platform": "linux/amd64",
}
"""Answer to ``/version``: the release whose behaviour the server follows."""


def groups(kinds: Iterable[ResourceKind]) -> dict[str, dict[str, list[ResourceKind]]]:
    """Return the kinds by group and version, core (``""``) and preferred versions first."""
    result: dict[str, dict[str, list[ResourceKind]]] = {"": {}}
    for seen in (seen for kind in kinds for seen in kind.versions):
        result.setdefault(seen.group, {}).setdefault(seen.version, []).append(seen)
    return result


def api_versions(server: str) -> Object:
    """Return the answer to ``/api``."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server}],
    }


def group_list(kinds: Iterable[ResourceKind]) -> Object:
    """Return the answer to ``/apis``."""
    return {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [
            _group(group, list(versions)) for group, versions in groups(kinds).items() if group
        ],
    }


def one_group(kinds: Iterable[ResourceKind], group: str) -> Object | None:
    """Return the answer to ``/apis/GROUP``; None when there is no such group."""
    versions = groups(kinds).get(group)
    if not group or not versions:
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, list(versions))}


def _group(group: str, versions: Sequence[str]) -> Object:
    listed = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def resource_list(kinds: Iterable[ResourceKind], group: str, version: str) -> Object | None:
    """Return the answer to ``/api/v1`` or ``/apis/GROUP/VERSION``; None when there is none."""
    found = groups(kinds).get(group, {}).get(version)
    if not found:
        return None
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": found[0].api_version,
        "resources": [entry for kind in found for entry in _resources(kind)],
    }


def _resources(kind: ResourceKind) -> list[Object]:
    main: Object = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(_VERBS),
        "storageVersionHash": "",
    }
    if kind.short_names:
        main["shortNames"] = list(kind.short_names)
    if kind.categories:
        main["categories"] = list(kind.categories)
    return [
        main,
        *(
            {
                "name": f"{kind.plural}/{name}",
                "singularName": "",
                "namespaced": kind.namespaced,
                "kind": kind.kind,
                "verbs": list(_SUBRESOURCE_VERBS[name]),
            }
            for name in kind.subresources
        ),
    ]


def aggregated(kinds: Iterable[ResourceKind], *, core: bool, api_version: str) -> Object:
    """Return the aggregated answer to ``/api`` or ``/apis``.

    Args:
        kinds: all kinds.
        core: for ``/api``, the core group alone; otherwise all others.
        api_version: ``apidiscovery.k8s.io/v2`` or ``…/v2beta1``.
    """
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": api_version,
        "metadata": {},
        "items": [
            {
                "metadata": {"name": group, "creationTimestamp": None} if group else {},
                "versions": [
                    {
                        "version": version,
                        "resources": [_aggregated_resource(kind) for kind in found],
                        "freshness": "Current",
                    }
                    for version, found in versions.items()
                ],
            }
            for group, versions in groups(kinds).items()
            if bool(group) is not core
        ],
    }


def _aggregated_resource(kind: ResourceKind) -> Object:
    response = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    entry: dict[str, Any] = {
        "resource": kind.plural,
        "responseKind": response,
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(_VERBS),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    if kind.subresources:
        entry["subresources"] = [
            {"subresource": name, "responseKind": response, "verbs": list(_SUBRESOURCE_VERBS[name])}
            for name in kind.subresources
        ]
    return entry
