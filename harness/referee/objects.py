"""Which fields of Kubernetes objects a request changed, by the bodies that the trail keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_ROOTS: Final = ("spec", "data")


@dataclass(frozen=True, slots=True)
class Change:
    """One field of an object that got another value.

    Attributes:
        path: as in ``Changed``.
        old: value before; None: not there or not known.
        new: value now; None: gone.
    """

    path: str
    old: Any
    new: Any


class UnclearRequestError(Exception):
    """What a request did cannot be told from its body alone."""


def flatten(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the leaves of ``spec`` and ``data`` by path; entries of lists by their name."""
    return {
        path: value for root in _ROOTS if root in body for path, value in _leaves(root, body[root])
    }


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - JSON
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from _leaves(f"{path}.{key}", part)
    elif _named(value):
        for entry in value:
            rest = {key: part for key, part in entry.items() if key != "name"}
            yield from _leaves(f"{path}[name={entry['name']}]", rest)
    else:
        yield path, value


def _named(value: Any) -> bool:  # noqa: ANN401 - JSON
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(entry, dict) and "name" in entry for entry in value)
    )


def _lists(body: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the names of the entries of each list of named entries, by the list's path."""
    found: dict[str, list[str]] = {}

    def walk(path: str, value: Any) -> None:  # noqa: ANN401 - JSON
        if isinstance(value, dict):
            for key, part in value.items():
                walk(f"{path}.{key}", part)
        elif _named(value):
            found[path] = [entry["name"] for entry in value]
            for entry in value:
                walk(f"{path}[name={entry['name']}]", entry)

    for root in _ROOTS:
        walk(root, body.get(root))
    return found


@dataclass(slots=True)
class TrackedObject:
    """The fields of one object, as far as the requests so far tell.

    Attributes:
        values: leaves of spec and data by path.
    """

    values: dict[str, Any] = field(default_factory=dict)
    _orders: dict[str, list[str]] = field(default_factory=dict)
    _applied: dict[str, frozenset[str]] = field(default_factory=dict)

    def request(self, verb: str, actor: str, body: Any) -> list[Change]:  # noqa: ANN401 - JSON
        """Follow one request that succeeded.

        Args:
            verb: ``create``, ``update`` or ``patch``.
            actor: who asks; an apply takes back what its own actor applied before.
            body: an object, a merge patch, or the operations of a JSON patch.

        Returns:
            What it changed.

        Raises:
            UnclearRequestError: when the body alone does not tell.
        """
        if isinstance(body, list):
            return self._json_patch(body)
        if not isinstance(body, dict):
            return []
        if verb in {"create", "update"}:
            return self._replace(body)
        return self._apply(actor, body) if body.get("kind") else self._merge(body)

    def _replace(self, body: Mapping[str, Any]) -> list[Change]:
        leaves = flatten(body)
        gone = dict.fromkeys(self.values.keys() - leaves.keys())
        return self._learn(body, {**gone, **leaves})

    def _apply(self, actor: str, body: Mapping[str, Any]) -> list[Change]:
        leaves = flatten(body)
        gone = dict.fromkeys(self._applied.get(actor, frozenset()) - leaves.keys())
        self._applied[actor] = frozenset(leaves)
        return self._learn(body, {**gone, **leaves})

    def _learn(self, body: Mapping[str, Any], leaves: Mapping[str, Any]) -> list[Change]:
        self._orders.update(_lists(body))
        return self._set(leaves)

    def _merge(self, body: Mapping[str, Any]) -> list[Change]:
        leaves, gone = flatten(body), dict[str, Any]()
        for path in [path for path, value in leaves.items() if value is None]:
            gone.update(dict.fromkeys(self._below(path)))
        for path, names in _lists(body).items():
            left_out = [p for p in self._below(path) if p not in leaves]
            if left_out:
                # A merge patch replaces the list, a strategic one merges it by name.
                raise UnclearRequestError(
                    f"a patch of {path} names {', '.join(names)} and leaves out {left_out[0]}; "
                    "whether that is gone depends on the kind of patch"
                )
        return self._set({**gone, **leaves})

    def _below(self, path: str) -> list[str]:
        return [p for p in self.values if p == path or p.startswith((f"{path}.", f"{path}["))]

    def _json_patch(self, operations: Sequence[Mapping[str, Any]]) -> list[Change]:
        return [change for operation in operations for change in self._operation(operation)]

    def _operation(self, operation: Mapping[str, Any]) -> list[Change]:
        path = self._translate(operation["path"])
        if operation["op"] == "test" or not path.startswith(_ROOTS):
            return []
        if operation["op"] not in {"add", "replace", "remove"}:
            raise UnclearRequestError(f"JSON patch operation {operation['op']!r}")
        gone = dict.fromkeys(self._below(path))
        if operation["op"] == "remove":
            return self._set(gone)
        return self._set({**gone, **dict(_leaves(path, operation.get("value")))})

    def _translate(self, pointer: str) -> str:
        """Return the path that a JSON pointer means; numbers become names of entries."""
        path = ""
        for token in pointer.lstrip("/").split("/"):
            part = token.replace("~1", "/").replace("~0", "~")
            if not part.isdigit() and part != "-":
                path = f"{path}.{part}" if path else part
                continue
            names = self._orders.get(path, [])
            if part == "-" or int(part) >= len(names):
                raise UnclearRequestError(f"{pointer} is not an entry that the trail knows")
            path = f"{path}[name={names[int(part)]}]"
        return path

    def _set(self, leaves: Mapping[str, Any]) -> list[Change]:
        changes = [
            Change(path, self.values.get(path), new)
            for path, new in leaves.items()
            if self.values.get(path) != new
        ]
        for change in changes:
            if change.new is None:
                self.values.pop(change.path, None)
            else:
                self.values[change.path] = change.new
        return changes
