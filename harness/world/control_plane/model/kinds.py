"""What the API knows about a kind: names, scope, subresources, printer columns, schema."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Object: TypeAlias = dict[str, Any]
"""A Kubernetes object as JSON."""

Value: TypeAlias = Any
"""Any JSON value."""


_VERSION: Final = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")
_STAGES: Final = (None, "beta", "alpha")


def _stability(version: str) -> tuple[int, int, int]:
    """Sort key of a version: releases before betas before alphas, the newest of each first."""
    match = _VERSION.fullmatch(version)
    if match is None:
        raise ValueError(f"{version!r} is no version of the Kubernetes API")
    return _STAGES.index(match[2]), -int(match[1]), -int(match[3] or 0)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of ``kubectl get``, as a CustomResourceDefinition writes it.

    Attributes:
        name: title; kubectl prints it in capitals.
        path: dotted path into the object, e.g. ``.status.lifecycleState``;
            ``[type=Ready]`` picks a list's entry.
        type: ``string``, ``integer`` or ``date``.
        wide: shown by ``-o wide`` only.
    """

    name: str
    path: str
    type: str = "string"
    wide: bool = False


@dataclass(frozen=True)
class ResourceKind:
    """One kind of the API.

    Attributes:
        key: unique name in the store: the kind, except ``KnativeService``.
        group: API group, empty for core.
        version: API version; the one that objects are stored in.
        kind: kind as manifests write it.
        plural: resource name in paths.
        singular: name for one.
        short_names: abbreviations that kubectl knows.
        namespaced: whether objects live in a namespace.
        subresources: ``status``, ``scale``, ``log``, ``exec``.
        columns: printer columns after NAME; None for AGE alone.
        categories: groups of kinds, e.g. ``all``.
        generation: whether ``metadata.generation`` exists and moves with the specification.
        schema: OpenAPI schema of the object, as far as it is known; unknown fields pass.
        built_in: part of Kubernetes itself: knows strategic merge patches.
        selectable: fields, besides name and namespace, that a field selector may name.
        also: further versions that are served; an object differs in its ``apiVersion`` alone.
    """

    key: str
    group: str
    version: str
    kind: str
    plural: str
    singular: str
    short_names: tuple[str, ...] = ()
    namespaced: bool = True
    subresources: tuple[str, ...] = ()
    columns: tuple[Column, ...] | None = None
    categories: tuple[str, ...] = ()
    generation: bool = False
    schema: Mapping[str, Any] = field(default_factory=dict, compare=False)
    built_in: bool = False
    selectable: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def served(self) -> tuple[str, ...]:
        """Every version that is served, the one that clients prefer first.

        Kubernetes orders the versions of a custom resource by their stability, not by which of
        them is stored: ``v1`` comes before ``v1beta2``.
        """
        return tuple(sorted((self.version, *self.also), key=_stability))

    def in_version(self, version: str) -> ResourceKind:
        """Return the kind as it is seen in one of its versions."""
        others = tuple(name for name in (self.version, *self.also) if name != version)
        return replace(self, version=version, also=others)

    @cached_property
    def versions(self) -> tuple[ResourceKind, ...]:
        """The kind in each version that is served, the preferred one first."""
        return tuple(self.in_version(version) for version in self.served)

    def shown(self, item: Object) -> Object:
        """Return an object of the kind as this version writes it."""
        if not self.also or item.get("apiVersion") == self.api_version:
            return item
        return {**item, "apiVersion": self.api_version}

    @property
    def api_version(self) -> str:
        """``group/version``, or the version alone for core."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """``plural.group``, as error messages write it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def has_status(self) -> bool:
        """Whether status is a subresource of its own."""
        return "status" in self.subresources


@dataclass(frozen=True, slots=True)
class ListResult:
    """Objects of a list and the version at which they were listed."""

    items: list[Object]
    resource_version: int


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One change.

    Attributes:
        type: ``ADDED``, ``MODIFIED`` or ``DELETED``.
        object: the object after the change (before it, for ``DELETED``).
        resource_version: version of the change.
    """

    type: str
    object: Object
    resource_version: int
