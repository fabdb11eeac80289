"""Label and field selectors, in the syntax of ``kubectl -l`` and ``--field-selector``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from harness.world.control_plane.model.errors import BadRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from harness.world.control_plane.model.kinds import Object, ResourceKind, Value

_SET: Final = re.compile(r"^(?P<key>\S+)\s+(?P<op>in|notin)\s*\((?P<values>[^)]*)\)$")
_EQUALITY: Final = re.compile(r"^(?P<key>[^!=\s]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^!=\s]*)$")
_KEY: Final = re.compile(r"^(?P<negated>!?)\s*(?P<key>[^!=\s(),]+)$")
_COMMA: Final = re.compile(r",(?![^(]*\))")


def label_selector(text: str | None) -> Callable[[Mapping[str, str]], bool]:
    """Parse a label selector.

    Args:
        text: e.g. ``app=ta,tier!=db,env in (a, b),!legacy``; None or empty selects everything.

    Raises:
        BadRequestError: when it cannot be parsed.
    """
    terms = [_label_term(part.strip()) for part in _parts(text)]
    return lambda labels: all(term(labels) for term in terms)


def _parts(text: str | None) -> Iterable[str]:
    return _COMMA.split(text) if text and text.strip() else ()


def _label_term(text: str) -> Callable[[Mapping[str, str]], bool]:
    if match := _SET.match(text):
        key = match["key"]
        values = {value.strip() for value in match["values"].split(",")}
        if match["op"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if match := _EQUALITY.match(text):
        key, value, equal = match["key"], match["value"], match["op"] != "!="
        return lambda labels: (labels.get(key) == value) is equal
    if match := _KEY.match(text):
        key, present = match["key"], not match["negated"]
        return lambda labels: (key in labels) is present
    raise BadRequestError(f'unable to parse requirement: found "{text}", expected a selector')


def field_selector(kind: ResourceKind, text: str | None) -> Callable[[Object], bool]:
    """Parse a field selector.

    Args:
        kind: decides which fields may be named.
        text: e.g. ``metadata.name=torghut-ta,status.phase!=Running``; None or empty selects all.

    Raises:
        BadRequestError: when it cannot be parsed or names a field that cannot be selected.
    """
    terms = [_field_term(kind, part.strip()) for part in _parts(text)]
    return lambda item: all(term(item) for term in terms)


def _field_term(kind: ResourceKind, text: str) -> Callable[[Object], bool]:
    match = _EQUALITY.match(text)
    if match is None:
        raise BadRequestError(f"invalid field selector: '{text}'; can't understand it")
    path = match["key"]
    if path not in {"metadata.name", "metadata.namespace", *kind.selectable}:
        raise BadRequestError(
            f'Unable to find "{kind.api_version}, Resource={kind.plural}" that match field '
            f'selector "{text}": field label not supported: {path}'
        )
    value, equal = match["value"], match["op"] != "!="
    return lambda item: (_text(item, path) == value) is equal


def _text(item: Object, path: str) -> str:
    value: Value = item
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return "" if value is None else str(value)


def selects(
    kind: ResourceKind, namespace: str | None, labels: str | None, fields: str | None
) -> Callable[[Object], bool]:
    """Return a test for objects of a kind by namespace, label selector and field selector.

    Raises:
        BadRequestError: when a selector cannot be parsed.
    """
    by_label, by_field = label_selector(labels), field_selector(kind, fields)

    def selected(item: Object) -> bool:
        metadata = item["metadata"]
        return (
            (not namespace or metadata.get("namespace") == namespace)
            and by_label(metadata.get("labels") or {})
            and by_field(item)
        )

    return selected
