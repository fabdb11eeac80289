"""The objects of one world, with the rules of the Kubernetes API and no input or output.

One event loop uses a store; every call is synchronous and complete when it returns. Objects go
in and come out as deep copies, so nobody can change the store by changing what it returned.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from harness.world.control_plane.model import writing
from harness.world.control_plane.model.catalog import CATALOG
from harness.world.control_plane.model.documents import copied, json_patched, merge_patched
from harness.world.control_plane.model.errors import (
    BadRequestError,
    NotFoundError,
    UnsupportedMediaTypeError,
)
from harness.world.control_plane.model.history import History, Watch
from harness.world.control_plane.model.keyed_lists import strategic_patched
from harness.world.control_plane.model.kinds import ListResult, Object
from harness.world.control_plane.model.ownership import Owner
from harness.world.control_plane.model.selectors import selects
from harness.world.control_plane.model.table import Propagation, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from harness.world.control_plane.model.kinds import ResourceKind, Value

__all__ = ["ListResult", "Object", "PatchType", "Propagation", "Store", "Watch"]

PatchType = Literal["merge", "json", "strategic", "apply"]

_SYSTEM_NAMESPACES: Final = ("default", "kube-node-lease", "kube-public", "kube-system")
PATCH_MEDIA_TYPES: Final[Mapping[str, str]] = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "apply": "application/apply-patch+yaml",
    "strategic": "application/strategic-merge-patch+json",
}
"""Media type of each type of patch."""


def utc_seconds() -> str:
    """Return the time as Kubernetes writes it in metadata: UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _patched(current: Object, patch: Value, patch_type: PatchType) -> Object:
    if patch_type == "json":
        return json_patched(current, patch)
    combine = strategic_patched if patch_type == "strategic" else merge_patched
    return copied(combine(current, patch))  # type: ignore[no-any-return]


class Store:
    """Objects by kind, namespace and name.

    ``kind`` in all methods is the kind's key (``FlinkDeployment``, ``ConfigMap``; ``Service`` is
    the core one, ``KnativeService`` Knative's). ``namespace`` is None for kinds without one.
    Objects may come in any version that their kind is served in; they are stored, and returned,
    in the stored one.
    """

    def __init__(
        self,
        kinds: Iterable[ResourceKind] = CATALOG,
        *,
        namespaces: Iterable[str] = (),
        history: int = 10_000,
        clock: Callable[[], str] = utc_seconds,
    ) -> None:
        """Begin with the namespaces alone.

        Args:
            kinds: what can be stored.
            namespaces: namespaces to create beside the system's own.
            history: number of changes that a watch can go back, at least.
            clock: gives the time for timestamps.
        """
        self.kinds: dict[str, ResourceKind] = {kind.key: kind for kind in kinds}
        self._by_name = {
            (seen.api_version, seen.kind): kind
            for kind in self.kinds.values()
            for seen in kind.versions
        }
        self._history = History(history)
        self._table = Table(self.kinds.values(), self._history, clock)
        if "Namespace" in self.kinds:
            for name in dict.fromkeys((*_SYSTEM_NAMESPACES, *namespaces)):
                labels = {"kubernetes.io/metadata.name": name}
                metadata = {"name": name, "labels": labels}
                self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    # Reading

    @property
    def resource_version(self) -> int:
        """Version of the latest change."""
        return self._history.version

    def kind_of(self, obj: Mapping[str, Any]) -> ResourceKind:
        """Return the kind that an object's ``apiVersion`` and ``kind`` name.

        Raises:
            BadRequestError: when they are missing.
            NotFoundError: when there is no such kind.
        """
        version, name = obj.get("apiVersion"), obj.get("kind")
        if not isinstance(version, str) or not isinstance(name, str):
            raise BadRequestError("Object 'Kind' is missing: apiVersion and kind must be set")
        found = self._by_name.get((version, name))
        if found is None:
            raise NotFoundError(f'no matches for kind "{name}" in version "{version}"')
        return found

    def kind(self, key: str) -> ResourceKind:
        """Return a kind by its key.

        Raises:
            NotFoundError: when there is none.
        """
        if key not in self.kinds:
            raise NotFoundError(f'the server doesn\'t have a resource type "{key}"')
        return self.kinds[key]

    def get(self, kind: str, namespace: str | None, name: str) -> Object:
        """Return one object.

        Raises:
            NotFoundError: when it is not there.
        """
        return copied(self._table.current(self.kind(kind), namespace, name))  # type: ignore[no-any-return]

    def list(
        self,
        kind: str,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
    ) -> ListResult:
        """Return the objects of a kind, by namespace and name.

        Args:
            kind: the kind's key.
            namespace: one namespace; None for all.
            labels: label selector.
            fields: field selector.

        Raises:
            BadRequestError: when a selector cannot be parsed.
        """
        target = self.kind(kind)
        selected = selects(target, namespace, labels, fields)
        items = [copied(item) for item in self._table.all(target) if selected(item)]
        return ListResult(items, self.resource_version)

    def watch(
        self,
        kind: str,
        namespace: str | None = None,
        *,
        since: int | None = None,
        labels: str | None = None,
        fields: str | None = None,
    ) -> Watch:
        """Follow the changes of a kind; nothing between this call and the first wait is lost.

        Args:
            kind: the kind's key.
            namespace: one namespace; None for all.
            since: version after which to begin, e.g. of a list; None: the current objects come
                first, as ``ADDED``.
            labels: label selector.
            fields: field selector.

        Raises:
            GoneError: when changes since then are no longer kept.
            BadRequestError: when a selector cannot be parsed.
        """
        target = self.kind(kind)
        selected = selects(target, namespace, labels, fields)
        current = filter(selected, self._table.all(target))
        return Watch(self._history, kind, selected, since=since, current=current)

    # Writing

    def create(
        self,
        obj: Object,
        *,
        field_manager: str | None = None,
        keep_status: bool = False,
        dry_run: bool = False,
    ) -> Object:
        """Store a new object.

        Args:
            obj: the object; ``metadata.generateName`` gets a random ending.
            field_manager: who will own its fields.
            keep_status: store the status too, although it is a subresource.
            dry_run: check and answer, store nothing.

        Raises:
            AlreadyExistsError: when the name is taken.
            NotFoundError: when the kind or the namespace does not exist.
            InvalidError: when the object does not fit its schema.
        """
        write = writing.Write(Owner(field_manager or "unknown"), dry_run)
        kind = self.kind_of(obj)
        item = kind.shown(copied(obj))
        return copied(  # type: ignore[no-any-return]
            writing.create(self._table, kind, item, write, keep_status=keep_status)
        )

    def replace(
        self,
        obj: Object,
        *,
        subresource: str | None = None,
        field_manager: str | None = None,
        dry_run: bool = False,
    ) -> Object:
        """Replace an object, or its status.

        Args:
            obj: the object, with the resourceVersion that it was read at.
            subresource: ``status`` replaces the status only; None everything else.
            field_manager: who will own what changed.
            dry_run: check and answer, store nothing.

        Raises:
            NotFoundError: when it is not there.
            ConflictError: when it was changed since it was read.
            InvalidError: when it does not fit its schema, or a custom resource comes without
                resourceVersion.
        """
        kind = self.kind_of(obj)
        metadata = obj.get("metadata") or {}
        namespace, name = metadata.get("namespace"), str(metadata.get("name", ""))
        writing.require_version(kind, name, metadata)
        current = self._table.current(kind, namespace, name)
        owner = Owner(field_manager or "unknown", "Update", subresource or "")
        write = writing.Write(owner, dry_run)
        item = kind.shown(copied(obj))
        return copied(writing.update(self._table, kind, current, item, write))  # type: ignore[no-any-return]

    def patch(
        self,
        kind: str,
        namespace: str | None,
        name: str,
        patch: Value,
        *,
        patch_type: PatchType = "merge",
        subresource: str | None = None,
        field_manager: str | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> Object:
        """Change parts of an object.

        Args:
            kind: the kind's key.
            namespace: its namespace.
            name: its name.
            patch: an object, or a list of operations for ``json``.
            patch_type: ``strategic`` is for built-in kinds only; ``apply`` is server-side apply
                and creates an object that is not there.
            subresource: ``status`` changes the status only; None everything else.
            field_manager: who will own what changed.
            force: with ``apply``, take over fields that others own.
            dry_run: check and answer, store nothing.

        Raises:
            NotFoundError: when it is not there.
            ConflictError: when the patch names another resourceVersion, or fields of others.
            InvalidError: when the result does not fit its schema.
            UnsupportedMediaTypeError: when the kind does not know this type of patch.
        """
        target = self.kind(kind)
        accepted = [
            media
            for key, media in PATCH_MEDIA_TYPES.items()
            if key != "strategic" or target.built_in
        ]
        if PATCH_MEDIA_TYPES.get(patch_type) not in accepted:
            raise UnsupportedMediaTypeError(accepted)
        if not isinstance(patch, list if patch_type == "json" else dict):
            raise BadRequestError("error decoding patch: json: cannot unmarshal the document")
        operation = "Apply" if patch_type == "apply" else "Update"
        owner = Owner(field_manager or "unknown", operation, subresource or "")
        write = writing.Write(owner, dry_run, patched=True)
        if patch_type == "apply":
            place = (namespace, name)
            intent = self._stored(target, copied(patch))
            result = writing.apply(self._table, target, place, intent, write, force=force)
        else:
            current = self._table.current(target, namespace, name)
            desired = self._stored(target, _patched(current, patch, patch_type))
            result = writing.update(self._table, target, current, desired, write)
        return copied(result)  # type: ignore[no-any-return]

    def _stored(self, kind: ResourceKind, item: Object) -> Object:
        """Return an object as it is stored; one of another kind is left to be refused."""
        found = self._by_name.get((item.get("apiVersion"), item.get("kind")))  # type: ignore[arg-type]
        return kind.shown(item) if found is kind else item

    def delete(
        self,
        kind: str,
        namespace: str | None,
        name: str,
        *,
        propagation: Propagation = "Background",
        uid: str | None = None,
        resource_version: str | None = None,
        dry_run: bool = False,
    ) -> Object:
        """Delete an object, or mark it while finalizers hold it.

        Args:
            kind: the kind's key.
            namespace: its namespace.
            name: its name.
            propagation: what becomes of objects that it owns.
            uid: refuse unless it has this uid.
            resource_version: refuse unless it has this version.
            dry_run: check and answer, delete nothing.

        Returns:
            Its last state; ``metadata.deletionTimestamp`` is set if it still is there.

        Raises:
            NotFoundError: when it is not there.
            ConflictError: when ``uid`` or ``resource_version`` differ.
        """
        target = self.kind(kind)
        current = self._table.current(target, namespace, name)
        writing.check_preconditions(target, current, uid, resource_version)
        if not dry_run:
            self._table.delete(target, current, propagation)
        left = self._table.find(target, namespace, name)
        return copied(left if left is not None else current)  # type: ignore[no-any-return]
