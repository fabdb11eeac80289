"""Markdown to a flat list of blocks, every non-blank line in exactly one of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from markdown_it import MarkdownIt

from harness.core.errors import DocumentError
from harness.runbook.commands import SHELL_LANGUAGES, normal_code, split_commands
from harness.runbook.model import Unit, UnitKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.token import Token

_FENCE_LINES: Final = 2
_WORD: Final = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading outside lists and quotes: it opens a section (lines from 1, inclusive)."""

    title: str
    level: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class StepStart:
    """A numbered item of an outermost list: it opens a step (line from 1)."""

    number: int
    line: int


@dataclass(slots=True)
class Blocks:
    """All that a document holds, in order of lines."""

    headings: list[Heading] = field(default_factory=list)
    steps: list[StepStart] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)


def fold(text: str) -> str:
    """Return the text with every run of white space as one blank."""
    return " ".join(text.split())


def read_blocks(lines: Sequence[str], path: str) -> Blocks:
    """Read Markdown lines.

    Args:
        lines: the document without line ends.
        path: file as named in errors.

    Returns:
        Blocks; lines that Markdown does not show (link definitions, say) are units as well, so
        that nothing can stand in a document without being bound.

    Raises:
        DocumentError: a fence is not closed.
    """
    reader = _Reader(list(lines), path)
    reader.read()
    return reader.blocks


class _Reader:
    def __init__(self, lines: list[str], path: str) -> None:
        self.blocks = Blocks()
        self._lines = lines
        self._path = path
        self._number: int | None = None
        self._in_table = False

    def read(self) -> None:
        body = self._without_front_matter()
        # Each line needs its LF: a fence's content then tells how many lines it has.
        tokens = MarkdownIt("commonmark").enable("table").parse("\n".join([*body, ""]))
        for index, token in enumerate(tokens):
            self._token(token, tokens[index - 1] if index else None)
        self._cover_the_rest()
        self.blocks.units.sort(key=lambda unit: unit.first)

    def _without_front_matter(self) -> list[str]:
        """Record ``---`` metadata at the top and blank it, so that line numbers stay."""
        if not self._lines or self._lines[0].rstrip() != "---":
            return self._lines
        for index, line in enumerate(self._lines[1:], start=1):
            if line.rstrip() in {"---", "..."}:
                self._add(UnitKind.FRONT_MATTER, self._lines[: index + 1], 1, index + 1)
                return [""] * (index + 1) + self._lines[index + 1 :]
        return self._lines

    def _token(self, token: Token, before: Token | None) -> None:
        match token.type:
            case "ordered_list_open" if token.level == 0:
                self._number = int(token.attrs.get("start", 1))
            case "ordered_list_close" if token.level == 0:
                self._number = None
            case "list_item_open" if token.level == 1 and self._number is not None:
                self.blocks.steps.append(StepStart(self._number, _span(token)[0]))
                self._number += 1
            case "table_open" | "table_close":
                self._in_table = token.type == "table_open"
            case "tr_open":
                first, last = _span(token)
                self._add(UnitKind.TABLE_ROW, self._lines[first - 1 : last], first, last)
            case "inline" if not self._in_table:
                self._inline(token, before)
            case "fence":
                self._fence(token)
            case "code_block":
                self._code(token.content.split("\n"), _span(token)[0], "")
            case "html_block":
                self._html(token)
            case _:
                pass

    def _inline(self, token: Token, before: Token | None) -> None:
        first, last = _span(token)
        if before is not None and before.type == "heading_open" and before.level == 0:
            first, last = _span(before)
            level = int(before.tag[1:])
            self.blocks.headings.append(Heading(fold(token.content), level, first, last))
            return
        children = token.children or []
        code = children[0].content if [c.type for c in children] == ["code_inline"] else None
        kind = UnitKind.PROSE if code is None else UnitKind.INLINE_CODE
        head = fold(token.content.split("\n")[0])
        self._append(Unit(kind, fold(token.content), code, first, last, head=head))

    def _fence(self, token: Token) -> None:
        first, last = _span(token)
        content = token.content.split("\n")[:-1]
        if last - first + 1 - len(content) != _FENCE_LINES:
            raise DocumentError(
                "this code fence is not closed",
                where=f"{self._path}:{first}",
                hint=f"close it with {token.markup} at the same indentation",
            )
        self._layout(first)
        self._layout(last)
        self._code(content, first + 1, token.info.strip().split(" ")[0].lower())

    def _code(self, content: Sequence[str], line: int, language: str) -> None:
        if not any(text.strip() for text in content):
            return
        if language in SHELL_LANGUAGES:
            pieces = [(p.text, p.first, p.last) for p in split_commands(content)]
        else:
            filled = [i for i, text in enumerate(content) if text.strip()]
            pieces = [(normal_code("\n".join(content)), filled[0], filled[-1])]
        for text, first, last in pieces:
            unit = Unit(UnitKind.CODE, text, text, line + first, line + last, language=language)
            self._append(unit)

    def _html(self, token: Token) -> None:
        first, last = _span(token)
        self._add(UnitKind.HTML, self._lines[first - 1 : last], first, last)

    def _layout(self, line: int) -> None:
        self._add(UnitKind.LAYOUT, [self._lines[line - 1]], line, line)

    def _cover_the_rest(self) -> None:
        spans = [(unit.first, unit.last) for unit in self.blocks.units]
        spans += [(heading.first, heading.last) for heading in self.blocks.headings]
        covered = {line for first, last in spans for line in range(first, last + 1)}
        for number, text in enumerate(self._lines, start=1):
            if text.strip() and number not in covered:
                # A line without a letter or digit (rules, table rulers) states nothing.
                kind = UnitKind.OTHER if _WORD.search(text) else UnitKind.LAYOUT
                self._add(kind, [text], number, number)

    def _add(self, kind: UnitKind, lines: Sequence[str], first: int, last: int) -> None:
        self._append(Unit(kind, fold("\n".join(lines)), None, first, last))

    def _append(self, unit: Unit) -> None:
        self.blocks.units.append(unit)


def _span(token: Token) -> tuple[int, int]:
    """Return the first and last line of a token, from 1, inclusive."""
    if token.map is None:
        raise AssertionError(f"a {token.type} token always carries its lines")
    return token.map[0] + 1, token.map[1]
