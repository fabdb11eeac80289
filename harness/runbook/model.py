"""What a document is made of: sections, steps and units, each with its lines."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class UnitKind(StrEnum):
    """What a unit is; all but the last two must be bound."""

    PROSE = "prose"
    INLINE_CODE = "inline code"
    CODE = "code"
    TABLE_ROW = "table row"
    HTML = "html"
    OTHER = "other"
    LAYOUT = "layout"
    FRONT_MATTER = "front matter"


UNBOUND_KINDS = frozenset({UnitKind.LAYOUT, UnitKind.FRONT_MATTER})
"""Kinds that state nothing: fence markers, rules, metadata before the text."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One statement: a paragraph, a bullet, a command, a query, a table row.

    Attributes:
        kind: what it is.
        text: normal form that bindings are compared with. Prose is the Markdown source with
            whitespace folded; code keeps its lines, without trailing blanks.
        code: for code and for text that is one code span: what a shell or a database would get.
        first: first line, from 1.
        last: last line, inclusive.
        section: key of its section.
        step: number of the step it belongs to, None before the first one.
        language: word after the opening fence, for code.
        head: first source line of prose: a step's title, where the text runs on below it.
    """

    kind: UnitKind
    text: str
    code: str | None
    first: int
    last: int
    section: str = ""
    step: str | None = None
    language: str = ""
    head: str = ""

    @property
    def states_something(self) -> bool:
        """Whether the unit must be bound."""
        return self.kind not in UNBOUND_KINDS


@dataclass(frozen=True, slots=True)
class Step:
    """A numbered item and all that follows it up to the next one or the next heading.

    Attributes:
        number: as a reader sees it, e.g. ``2``.
        title: its first line.
        line: line of the number.
        units: its statements, in order; the first one holds the title.
    """

    number: str
    title: str
    line: int
    units: tuple[Unit, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it, without its subsections.

    Attributes:
        key: the heading's text; a repeated heading gets `` (2)``; empty before the first heading.
        title: the heading's text.
        level: 1 to 6, or 0 for what stands before the first heading.
        line: the heading's line, or 1.
        last: the heading's last line (more than one for an underlined heading), 0 without one.
        lead: units before the first numbered step.
        steps: numbered steps in order.
    """

    key: str
    title: str
    level: int
    line: int
    last: int
    lead: tuple[Unit, ...]
    steps: tuple[Step, ...]

    @property
    def units(self) -> Iterator[Unit]:
        """All units in order of lines."""
        yield from self.lead
        for step in self.steps:
            yield from step.units

    def step(self, number: str) -> Step | None:
        """Return the step of that number, or None."""
        return next((step for step in self.steps if step.number == number), None)


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed runbook.

    Attributes:
        path: file as it is named in messages.
        sha256: digest of its text with line ends as LF.
        line_count: number of lines.
        sections: in order.
    """

    path: str
    sha256: str
    line_count: int
    sections: tuple[Section, ...]

    @property
    def units(self) -> Iterator[Unit]:
        """All units in order of lines."""
        for section in self.sections:
            yield from section.units

    def section(self, key: str) -> Section | None:
        """Return the section of that key, or None."""
        return next((section for section in self.sections if section.key == key), None)

    def where(self, line: int) -> str:
        """Return ``file:line``."""
        return f"{self.path}:{line}"
