"""How controllers inside the harness use the API: as the store, with their name on every change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.audit import AuditEvent
from harness.world.control_plane.model.errors import ApiError
from harness.world.control_plane.model.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.core.audit import AuditTrail
    from harness.world.control_plane.model.history import Watch
    from harness.world.control_plane.model.kinds import ListResult, Object, ResourceKind, Value
    from harness.world.control_plane.store import PatchType, Propagation, Store


class Client:
    """The store's methods under one actor's name; every change goes to the audit trail.

    Attributes:
        store: the objects.
        actor: who acts, e.g. ``flink-kubernetes-operator``; also the field manager.
    """

    def __init__(self, store: Store, audit: AuditTrail, actor: str) -> None:
        """Act on ``store`` as ``actor``."""
        self.store = store
        self.actor = actor
        self._audit = audit

    def get(self, kind: str, namespace: str | None, name: str) -> Object:
        """Return one object; see ``Store.get``."""
        return self.store.get(kind, namespace, name)

    def find(self, kind: str, namespace: str | None, name: str) -> Object | None:
        """Return one object, or None when it is not there."""
        try:
            return self.store.get(kind, namespace, name)
        except ApiError as error:
            if error.reason != "NotFound":
                raise
            return None

    def list(
        self,
        kind: str,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
    ) -> ListResult:
        """Return the objects of a kind; see ``Store.list``."""
        return self.store.list(kind, namespace, labels=labels, fields=fields)

    def watch(
        self,
        kind: str,
        namespace: str | None = None,
        *,
        since: int | None = None,
        labels: str | None = None,
        fields: str | None = None,
    ) -> Watch:
        """Follow the changes of a kind; see ``Store.watch``."""
        return self.store.watch(kind, namespace, since=since, labels=labels, fields=fields)

    def create(self, obj: Object, *, keep_status: bool = True) -> Object:
        """Store a new object; see ``Store.create``.

        Args:
            obj: the object.
            keep_status: store the status that comes with it: controllers here also play the
                kubelet, which would fill it in.
        """
        kind = self.store.kind_of(obj)
        return self._recorded(
            "create",
            kind,
            obj,
            lambda: self.store.create(obj, field_manager=self.actor, keep_status=keep_status),
        )

    def replace(self, obj: Object, *, subresource: str | None = None) -> Object:
        """Replace an object, or its status; see ``Store.replace``."""
        kind = self.store.kind_of(obj)
        return self._recorded(
            "update",
            kind,
            obj,
            lambda: self.store.replace(obj, subresource=subresource, field_manager=self.actor),
            subresource=subresource,
        )

    def patch(
        self,
        kind: str,
        namespace: str | None,
        name: str,
        patch: Value,
        *,
        patch_type: PatchType = "merge",
        subresource: str | None = None,
        force: bool = False,
    ) -> Object:
        """Change parts of an object; see ``Store.patch``."""
        place = {"metadata": {"namespace": namespace, "name": name}}
        return self._recorded(
            "patch",
            self.store.kind(kind),
            place,
            lambda: self.store.patch(
                kind,
                namespace,
                name,
                patch,
                patch_type=patch_type,
                subresource=subresource,
                field_manager=self.actor,
                force=force,
            ),
            subresource=subresource,
            body=patch,
        )

    def delete(
        self,
        kind: str,
        namespace: str | None,
        name: str,
        *,
        propagation: Propagation = "Background",
    ) -> Object:
        """Delete an object; see ``Store.delete``."""
        place = {"metadata": {"namespace": namespace, "name": name}}
        return self._recorded(
            "delete",
            self.store.kind(kind),
            place,
            lambda: self.store.delete(kind, namespace, name, propagation=propagation),
            body={"propagationPolicy": propagation},
        )

    def _recorded(
        self,
        verb: str,
        kind: ResourceKind,
        obj: Object,
        act: Callable[[], Object],
        *,
        subresource: str | None = None,
        body: Value = None,
    ) -> Object:
        outcome = "201" if verb == "create" else "200"
        metadata = obj.get("metadata") or {}
        try:
            return act()
        except ApiError as error:
            outcome = str(error.code)
            raise
        finally:
            self._audit.record(
                AuditEvent(
                    source="api",
                    actor=self.actor,
                    verb=verb,
                    object=object_path(
                        kind, metadata.get("namespace"), metadata.get("name", ""), subresource
                    ),
                    body=redacted(kind, obj if body is None else body),
                    outcome=outcome,
                )
            )


def object_path(
    kind: ResourceKind, namespace: str | None, name: str, subresource: str | None = None
) -> str:
    """Return how the audit trail names an object: ``namespace/plural/name[/subresource]``."""
    parts = (namespace if kind.namespaced else None, kind.plural, name, subresource)
    return "/".join(part for part in parts if part)
