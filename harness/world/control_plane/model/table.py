"""Where objects are kept, and how they end: finalizers, owners, cascades."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from harness.world.control_plane.model.documents import copied
from harness.world.control_plane.model.errors import NotFoundError
from harness.world.control_plane.model.history import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from harness.world.control_plane.model.history import History
    from harness.world.control_plane.model.kinds import Object, ResourceKind

Propagation = Literal["Background", "Foreground", "Orphan"]

_FOREGROUND: Final = "foregroundDeletion"


class Table:
    """Objects by kind, namespace and name; every change gets a version and goes to the history.

    Objects in here are never altered: a change puts another one in their place.
    """

    def __init__(
        self, kinds: Iterable[ResourceKind], history: History, clock: Callable[[], str]
    ) -> None:
        """Begin empty."""
        self.kinds: Mapping[str, ResourceKind] = {kind.key: kind for kind in kinds}
        self.history = history
        self.clock = clock
        self._objects: dict[str, dict[tuple[str, str], Object]] = {key: {} for key in self.kinds}

    def find(self, kind: ResourceKind, namespace: str | None, name: str) -> Object | None:
        """Return the object itself, or None."""
        return self._objects[kind.key].get((namespace or "" if kind.namespaced else "", name))

    def current(self, kind: ResourceKind, namespace: str | None, name: str) -> Object:
        """Return the object itself.

        Raises:
            NotFoundError: when it is not there.
        """
        found = self.find(kind, namespace, name)
        if found is None:
            raise NotFoundError.of(kind, name)
        return found

    def all(self, kind: ResourceKind) -> list[Object]:
        """Return the objects of a kind, by namespace and name."""
        return [item for _, item in sorted(self._objects[kind.key].items())]

    def put(self, kind: ResourceKind, item: Object) -> Object:
        """Store ``item`` under its name, with the next version; return it."""
        metadata = item["metadata"]
        previous = self.find(kind, metadata.get("namespace"), metadata["name"])
        version = self.history.version + 1
        metadata["resourceVersion"] = str(version)
        self._objects[kind.key][metadata.get("namespace", ""), metadata["name"]] = item
        type_ = "ADDED" if previous is None else "MODIFIED"
        self.history.append(Change(version, kind.key, type_, item, previous))
        return item

    def delete(self, kind: ResourceKind, item: Object, propagation: Propagation) -> None:
        """Remove an object, or mark it while finalizers hold it."""
        if propagation == "Foreground":
            self._mark(kind, item, _FOREGROUND)
            self._cascade(item, propagation)
            self._release(item["metadata"]["uid"])
        elif item["metadata"].get("finalizers"):
            self._mark(kind, item)
        else:
            self.remove(kind, item, propagation)

    def remove(
        self, kind: ResourceKind, item: Object, propagation: Propagation = "Background"
    ) -> None:
        """Remove an object that nothing holds, and see to what it owned and to its owners."""
        metadata = item["metadata"]
        self._objects[kind.key].pop((metadata.get("namespace", ""), metadata["name"]), None)
        version = self.history.version + 1
        last = {**item, "metadata": {**metadata, "resourceVersion": str(version)}}
        self.history.append(Change(version, kind.key, "DELETED", last, item))
        if kind.key == "Namespace":
            self._empty(metadata["name"])
        self._cascade(item, propagation)
        for owner in metadata.get("ownerReferences") or []:
            self._release(owner.get("uid", ""))

    def _mark(self, kind: ResourceKind, item: Object, *finalizers: str) -> None:
        metadata = item["metadata"]
        held = metadata.get("finalizers") or []
        wanted = [*held, *(name for name in finalizers if name not in held)]
        if metadata.get("deletionTimestamp") and wanted == held:
            return
        marked = copied(item)
        marked["metadata"] |= {
            "deletionTimestamp": metadata.get("deletionTimestamp", self.clock()),
            "deletionGracePeriodSeconds": 0,
            "finalizers": wanted,
        }
        if "generation" in metadata:
            marked["metadata"]["generation"] += 1
        self.put(kind, marked)

    def _everything(self) -> Iterator[tuple[ResourceKind, Object]]:
        for kind in self.kinds.values():
            for item in self.all(kind):
                yield kind, item

    def _dependents(self, uid: str) -> list[tuple[ResourceKind, Object]]:
        return [
            (kind, item)
            for kind, item in self._everything()
            if any(
                owner.get("uid") == uid for owner in item["metadata"].get("ownerReferences") or ()
            )
        ]

    def _cascade(self, owner: Object, propagation: Propagation) -> None:
        uid = owner["metadata"]["uid"]
        for kind, item in self._dependents(uid):
            others = [
                other for other in item["metadata"]["ownerReferences"] if other.get("uid") != uid
            ]
            if others or propagation == "Orphan":
                metadata = {**item["metadata"], "ownerReferences": others}
                self.put(kind, {**item, "metadata": metadata})
            elif self.find(kind, item["metadata"].get("namespace"), item["metadata"]["name"]):
                self.delete(kind, item, propagation)

    def _empty(self, namespace: str) -> None:
        for kind, item in list(self._everything()):
            name = item["metadata"]["name"]
            if item["metadata"].get("namespace") == namespace and self.find(kind, namespace, name):
                self.delete(kind, item, "Background")

    def _release(self, uid: str) -> None:
        """End a foreground deletion once nothing depends on the object any more."""
        if self._dependents(uid):
            return
        for kind, item in list(self._everything()):
            held = item["metadata"].get("finalizers") or []
            if item["metadata"]["uid"] == uid and _FOREGROUND in held:
                left = [name for name in held if name != _FOREGROUND]
                metadata = {**item["metadata"], "finalizers": left}
                freed = self.put(kind, {**item, "metadata": metadata})
                if not left:
                    self.remove(kind, freed, "Foreground")
