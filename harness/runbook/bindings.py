"""Bindings: a YAML file beside the document that says what each of its statements means."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from harness.core.errors import DocumentError, UsageError
from harness.runbook.blocks import fold
from harness.runbook.commands import normal_code
from harness.runbook.model import UnitKind
from harness.runbook.operations import (
    BoundAction,
    Command,
    Confirm,
    Edit,
    Observe,
    Query,
    SameAs,
    Sync,
)
from harness.runbook.parse import read_text
from harness.runbook.schema import BindingsForm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.runbook.model import Unit
    from harness.runbook.operations import (
        Bindable,
    )
    from harness.runbook.schema import ActionForm, UnitForm

VERBATIM = "verbatim"
"""As a command or query: what the document says, word for word."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Binding of one statement.

    Attributes:
        section: key of the section that the statement stands in.
        text: its text as written in the bindings, or None when only its digest is kept.
        sha256: digest of its normal form, or None when its text is kept.
        step: only in this step, or None for anywhere in the section.
        hint: what it is about, in the binding author's words.
        note: whether it is for information only.
        actions: what is done; empty and no note means that the entry was not filled in yet.
        line: line in the bindings file.
    """

    section: str
    text: str | None
    sha256: str | None
    step: str | None
    hint: str
    note: bool
    actions: tuple[BoundAction, ...]
    line: int

    def fits(self, unit: Unit) -> bool:
        """Whether the entry is about this unit."""
        if unit.section != self.section or self.step not in {None, unit.step}:
            return False
        if self.text is None:
            return self.sha256 == digest(unit.text)
        return normal_text(self.text, unit.kind) == unit.text

    @property
    def label(self) -> str:
        """What a message calls it."""
        return self.text or self.hint or f"sha256 {self.sha256}"


@dataclass(frozen=True, slots=True)
class Placeholder:
    """Source of a placeholder's value.

    Attributes:
        value: name of a value that the caller gives, or None.
        deferred: name of a value that the executor finds when it is needed, or None.
        line: line in the bindings file.
    """

    value: str | None
    deferred: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Part:
    """A section in a scenario; ``id`` names the step made of its unnumbered part."""

    section: str
    id: str
    line: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named sequence of sections.

    Attributes:
        name: e.g. ``mode1``.
        title: one sentence.
        parts: sections in order.
        flags: conditions that hold, for actions bound with ``when``.
        line: line in the bindings file.
    """

    name: str
    title: str
    parts: tuple[Part, ...]
    flags: frozenset[str]
    line: int


@dataclass(frozen=True, slots=True)
class Bindings:
    """A bindings file.

    Attributes:
        path: file as it is named in messages.
        programs: programs that the document's commands may start, besides the shell's basics.
        placeholders: by name without the angle brackets.
        scenarios: by name.
        entries: bindings of statements in order.
        sections: section keys with the line where each is bound.
    """

    path: str
    programs: tuple[str, ...]
    placeholders: Mapping[str, Placeholder]
    scenarios: Mapping[str, Scenario]
    entries: tuple[Entry, ...]
    sections: tuple[tuple[str, int], ...]

    def entry_for(self, unit: Unit) -> Entry | None:
        """Return the entry about the unit; one that names its step goes first."""
        fitting = [entry for entry in self.entries if entry.fits(unit)]
        return min(fitting, key=lambda entry: entry.step is None, default=None)

    def where(self, line: int) -> str:
        """Return ``file:line``."""
        return f"{self.path}:{line}"

    def scenario(self, name: str) -> Scenario:
        """Return a scenario.

        Raises:
            UsageError: there is none of that name.
        """
        if name not in self.scenarios:
            known = ", ".join(sorted(self.scenarios)) or "none"
            raise UsageError(
                f"there is no scenario {name!r}", where=self.path, hint=f"there are: {known}"
            )
        return self.scenarios[name]


def digest(text: str) -> str:
    """Return the sha256 of a unit's normal form, as bindings carry it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def normal_text(text: str, kind: UnitKind) -> str:
    """Return a text in the normal form of units of that kind."""
    return normal_code(text) if kind is UnitKind.CODE else fold(text)


def load_bindings(path: Path) -> Bindings:
    """Read a bindings file.

    Args:
        path: YAML file in the form of ``harness.runbook.schema.BindingsForm``.

    Raises:
        UsageError: there is no such file.
        DocumentError: it is not YAML, or not of that form; with its line.
    """
    return parse_bindings(read_text(path), str(path))


def parse_bindings(text: str, path: str) -> Bindings:
    """Parse the text of a bindings file.

    Args:
        text: YAML.
        path: file as it is named in messages.

    Raises:
        DocumentError: it is not YAML, or not of the right form; with its line.
    """
    tree = _tree(text, path)
    try:
        form = BindingsForm.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise DocumentError(
            f"{place}: {message}" if place else message,
            where=f"{path}:{_line(tree, first['loc'])}",
            hint="the shipped ta-replay.bindings.yaml shows every form",
        ) from error
    return _Reader(tree, form, path).read()


def _tree(text: str, path: str) -> Any:  # noqa: ANN401 - any YAML
    try:
        return YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise DocumentError(f"not YAML: {error.problem}", where=f"{path}:{line}") from error
    except YAMLError as error:
        first = str(error).split("\n", maxsplit=1)[0]
        raise DocumentError(f"not YAML: {first}", where=f"{path}:1") from error


def _line(tree: Any, place: Sequence[int | str]) -> int:  # noqa: ANN401 - any YAML
    """Return the line (from 1) of the innermost node on the way to a place."""
    line = 1
    for part in place:
        try:
            marks = tree.lc
            line = int(marks.key(part)[0] if isinstance(tree, dict) else marks.item(part)[0]) + 1
            tree = tree[part]
        # The place goes on where the tree ends: a missing key, a scalar in place of a mapping.
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return line


class _Reader:
    def __init__(self, tree: Any, form: BindingsForm, path: str) -> None:  # noqa: ANN401
        self._tree = tree
        self._form = form
        self._path = path

    def _at(self, *place: int | str) -> int:
        return _line(self._tree, place)

    def read(self) -> Bindings:
        form = self._form
        return Bindings(
            path=self._path,
            programs=tuple(form.programs),
            placeholders={
                name: Placeholder(p.value, p.deferred, self._at("placeholders", name))
                for name, p in form.placeholders.items()
            },
            scenarios={name: self._scenario(name) for name in form.scenarios},
            entries=tuple(
                self._entry(i, j, unit)
                for i, section in enumerate(form.sections)
                for j, unit in enumerate(section.units)
            ),
            sections=tuple(
                (section.section, self._at("sections", i))
                for i, section in enumerate(form.sections)
            ),
        )

    def _scenario(self, name: str) -> Scenario:
        form = self._form.scenarios[name]
        parts = tuple(
            Part(part.section, part.id, self._at("scenarios", name, "parts", index))
            for index, part in enumerate(form.parts)
        )
        return Scenario(name, form.title, parts, frozenset(form.flags), self._at("scenarios", name))

    def _entry(self, section: int, index: int, unit: UnitForm) -> Entry:
        place = ("sections", section, "units", index)
        actions = tuple(
            _action(form, self._at(*place, "do", number))
            for number, form in enumerate(unit.do or [])
        )
        return Entry(
            section=self._form.sections[section].section,
            text=unit.text,
            sha256=unit.sha256,
            step=unit.step,
            hint=unit.hint,
            note=bool(unit.note),
            actions=actions,
            line=self._at(*place),
        )


def _action(form: ActionForm, line: int) -> BoundAction:
    return BoundAction(
        operation=_operation(form),
        route=form.only_route,
        when=form.when,
        at_end=form.at == "end",
        line=line,
    )


def _operation(form: ActionForm) -> Bindable:
    match form.kinds[0]:
        case "command":
            verbatim = form.command == VERBATIM
            operation: Bindable = Command("" if verbatim else str(form.command), verbatim)
        case "edit":
            value = "" if form.value is None else form.value
            operation = Edit(str(form.edit), str(form.path), value, form.type == "integer")
        case "sync":
            operation = Sync(str(form.sync))
        case "confirm":
            operation = Confirm(str(form.confirm), "")
        case "observe":
            operation = Observe(str(form.observe))
        case "same_as" if form.same_as is not None:
            operation = SameAs(form.same_as.section, form.same_as.step)
        case _:
            operation = Query("")
    return operation
