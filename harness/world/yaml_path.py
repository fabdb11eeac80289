"""Edit one scalar of a YAML text and leave every other byte as it is."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from harness.core.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ruamel.yaml.nodes import Node

Scalar: TypeAlias = str | int | float | bool
"""What a value in a manifest may be replaced by."""

_PART: Final = re.compile(
    r"""\.?(?P<key>[^.\[\]]+) | \[(?P<index>\d+)\] | \["(?P<quoted>[^"]+)"\]
      | \[(?P<field>[^=\[\]"]+)=(?P<value>[^\]]*)\]""",
    re.VERBOSE,
)

_SAFE: Final = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./:@ -]*")
"""Text that may stand without quotes if it is not read as something else."""


class NothingToChangeError(DocumentError):
    """The place already holds the value that was to be set."""


@dataclass(frozen=True, slots=True)
class Selector:
    """Step into the entry of a list whose ``field`` has a value, e.g. ``[name=TRADING_ENABLED]``.

    Attributes:
        field: key of the entries.
        value: its value, as text.
    """

    field: str
    value: str


Step: TypeAlias = str | int | Selector


@dataclass(frozen=True, slots=True)
class Edit:
    """One value that was replaced.

    Attributes:
        file: file, from the repository's root.
        line: line of the value, counted from 1.
        path: YAML path.
        old: value before.
        new: value after; equal to ``old`` where that was allowed.
    """

    file: str
    line: int
    path: str
    old: Scalar
    new: Scalar


def parse_path(text: str) -> tuple[Step, ...]:
    """Split a path such as ``spec.containers[0].env[name=A].value`` or ``data["a.b"]``.

    Raises:
        DocumentError: when it is empty or malformed.
    """
    steps: list[Step] = []
    position = 0
    while position < len(text):
        match = _PART.match(text, position)
        if match is None or (position == 0 and text.startswith(".")):
            raise DocumentError(
                f"the YAML path {text!r} cannot be read at {text[position:]!r}",
                hint='steps are KEY, ["KEY.WITH.DOTS"], [INDEX] and [KEY=VALUE]',
            )
        steps.append(_step(match))
        position = match.end()
    if not steps:
        raise DocumentError("the YAML path is empty")
    return tuple(steps)


def _step(match: re.Match[str]) -> Step:
    if match["index"] is not None:
        return int(match["index"])
    if match["field"] is not None:
        return Selector(match["field"], match["value"])
    return match["key"] or match["quoted"]


def read_value(text: str, path: str, *, file: str, document: str | None = None) -> Scalar:
    """Return the scalar at a path.

    Args:
        text: YAML, one document or more.
        path: see ``parse_path``.
        file: name for errors.
        document: ``Kind/name``, where the text holds more than one document.

    Raises:
        DocumentError: with ``file:line``, when it is not there or is not a scalar.
    """
    return _typed(_find(text, path, file, document))


def replace_value(
    text: str,
    path: str,
    value: Scalar,
    *,
    file: str,
    document: str | None = None,
    allow_unchanged: bool = False,
) -> tuple[str, Edit]:
    """Replace the scalar at a path; comments, quotes and layout stay.

    Args:
        text: YAML, one document or more.
        path: see ``parse_path``.
        value: the new value, of the type that the old one has.
        file: name for errors.
        document: ``Kind/name``, where the text holds more than one document.
        allow_unchanged: accept that the value already is there.

    Returns:
        The new text and what was done.

    Raises:
        NothingToChangeError: when the value already is there.
        DocumentError: with ``file:line``, when the path is missing or the types differ.
    """
    node = _find(text, path, file, document)
    where, old = _place(node, file), _typed(node)
    if type(old) is not type(value):
        raise DocumentError(
            f"{path} is the {type(old).__name__} {old!r}, the new value {value!r} is not",
            where=where,
        )
    if old == value and not allow_unchanged:
        raise NothingToChangeError(f"{path} already is {value!r}", where=where)
    edit = Edit(file, node.start_mark.line + 1, path, old, value)
    changed = text
    if old != value:
        start, end = node.start_mark.index, node.end_mark.index
        changed = text[:start] + _rendered(value, node.style) + text[end:]
    return changed, edit


def _rendered(value: Scalar, style: str | None) -> str:
    if not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if style == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    if style != '"' and _is_plain(value):
        return value
    return '"' + "".join(map(_escaped, value)) + '"'


def _escaped(character: str) -> str:
    if character in {'"', "\\"}:
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def _is_plain(value: str) -> bool:
    """Whether a text means itself when written without quotes, to parsers of YAML 1.1 too."""
    return _SAFE.fullmatch(value) is not None and all(
        _loaded(f"{{a: {value}}}", version) == {"a": value} for version in ("1.1", "1.2")
    )


def _loaded(text: str, version: str) -> Any:  # noqa: ANN401 - whatever the text holds
    parser = YAML(typ="safe", pure=True)
    parser.version = version
    try:
        return parser.load(text)
    except (YAMLError, ValueError):
        return None


def _find(text: str, path: str, file: str, document: str | None) -> ScalarNode:
    node = _document(list(_compose(text, file)), file, document)
    for step in parse_path(path):
        node = _child(node, step, path, file)
    if not isinstance(node, ScalarNode):
        raise DocumentError(f"{path} is not a single value", where=_place(node, file))
    return node


def _compose(text: str, file: str) -> Iterator[Node]:
    try:
        for node in YAML(typ="rt", pure=True).compose_all(io.StringIO(text)):
            if node is not None:
                yield node
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DocumentError(f"not YAML: {error.problem}", where=f"{file}:{line}") from error


def _document(nodes: Sequence[Node], file: str, wanted: str | None) -> Node:
    if not nodes:
        raise DocumentError("the file holds no YAML document", where=f"{file}:1")
    if wanted is None and len(nodes) == 1:
        return nodes[0]
    named = {_identity(node): node for node in nodes}
    if wanted in named:
        return named[wanted]
    what = f"there is no {wanted}" if wanted else f"the file holds {len(nodes)} documents"
    raise DocumentError(what, where=f"{file}:1", hint=f"name one of: {', '.join(named)}")


def _identity(node: Node) -> str:
    kind, name = _get(node, "kind"), _get(_get(node, "metadata"), "name")
    return f"{kind.value if kind else '?'}/{name.value if name else '?'}"


def _get(node: Node | None, key: str) -> Any:  # noqa: ANN401 - a node of any sort
    pairs = node.value if isinstance(node, MappingNode) else ()
    return next((value for name, value in pairs if name.value == key), None)


def _child(node: Node, step: Step, path: str, file: str) -> Node:
    found: Node | None = None
    if isinstance(step, str):
        found = _get(node, step)
    elif isinstance(node, SequenceNode):
        found = _entry(node, step)
    if found is None:
        shown = f"[{step.field}={step.value}]" if isinstance(step, Selector) else step
        raise DocumentError(f"{path}: there is no {shown!r}", where=_place(node, file))
    return found


def _entry(node: SequenceNode, step: int | Selector) -> Node | None:
    entries: list[Node] = node.value
    if isinstance(step, int):
        return entries[step] if step < len(entries) else None
    named = (
        entry for entry in entries if (key := _get(entry, step.field)) and key.value == step.value
    )
    return next(named, None)


def _typed(node: ScalarNode) -> Scalar:
    """Return the value that a scalar node stands for."""
    if node.style in {"'", '"', "|", ">"}:
        return str(node.value)
    value = YAML(typ="safe").load(str(node.value)) if node.value else ""
    return value if isinstance(value, str | int | float | bool) else str(node.value)


def _place(node: Node, file: str) -> str:
    return f"{file}:{node.start_mark.line + 1}"
