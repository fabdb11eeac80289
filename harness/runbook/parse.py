"""A runbook file to a ``Document``."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from harness.core.errors import DocumentError, UsageError
from harness.runbook.blocks import Heading, read_blocks
from harness.runbook.model import Document, Section, Step

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.runbook.blocks import Blocks, StepStart
    from harness.runbook.model import Unit

MAX_BYTES: Final = 2 * 1024 * 1024
"""A runbook larger than this is something else."""

_LINE_END: Final = re.compile(r"\r\n?|\n")


def load_document(path: Path) -> Document:
    """Read and parse a runbook.

    Args:
        path: Markdown file in UTF-8.

    Raises:
        UsageError: there is no such file.
        DocumentError: it cannot be parsed.
    """
    return parse_document(read_text(path), str(path))


def read_text(path: Path) -> str:
    """Read a file of bounded size as UTF-8.

    Args:
        path: runbook or bindings file.

    Raises:
        UsageError: it cannot be read.
        DocumentError: it is too large or not UTF-8.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the file cannot be read: {error.strerror}",
            where=str(path),
            hint="name an existing file",
        ) from error
    if len(data) > MAX_BYTES:
        raise DocumentError(
            f"the file has {len(data)} bytes, more than {MAX_BYTES}", where=f"{path}:1"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DocumentError(
            f"byte 0x{data[error.start]:02x} is not UTF-8",
            where=f"{path}:{line}",
            hint="save the file as UTF-8",
        ) from error


def parse_document(text: str, path: str) -> Document:
    """Parse Markdown.

    Args:
        text: the document; any line ends.
        path: file as it is named in messages.

    Returns:
        Sections in order; what stands after a numbered item belongs to that step up to the next
        one or the next heading, indented or not (the document leaves its code at the margin).

    Raises:
        DocumentError: it states nothing, or a fence is not closed.
    """
    lines = _LINE_END.split(text.removeprefix("\ufeff"))
    blocks = read_blocks(lines, path)
    if not any(unit.states_something for unit in blocks.units):
        raise DocumentError("the document states nothing", where=f"{path}:1")
    line_count = len(lines) - (lines[-1] == "" and len(lines) > 1)
    digest = hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()
    return Document(path, digest, line_count, _sections(blocks))


def _sections(blocks: Blocks) -> tuple[Section, ...]:
    headings = [Heading("", 0, 1, 0), *blocks.headings]
    keys: set[str] = set()
    sections = []
    for index, heading in enumerate(headings):
        end = headings[index + 1].first if index + 1 < len(headings) else None
        key = _unused(heading.title, keys)
        units = [replace(u, section=key) for u in _between(blocks.units, heading.last, end)]
        starts = [s for s in blocks.steps if s.line > heading.last and (not end or s.line < end)]
        if heading.level or units:
            sections.append(_section(heading, key, units, starts))
    return tuple(sections)


def _between(units: Sequence[Unit], after: int, end: int | None) -> list[Unit]:
    return [u for u in units if u.first > after and (end is None or u.first < end)]


def _unused(name: str, used: set[str]) -> str:
    candidate, count = name, 1
    while candidate in used:
        count += 1
        candidate = f"{name} ({count})"
    used.add(candidate)
    return candidate


def _section(
    heading: Heading, key: str, units: Sequence[Unit], starts: Sequence[StepStart]
) -> Section:
    numbers: set[str] = set()
    steps = []
    for index, start in enumerate(starts):
        end = starts[index + 1].line if index + 1 < len(starts) else None
        steps.append(_step(_unused(str(start.number), numbers), start.line, units, end))
    first = starts[0].line if starts else None
    lead = tuple(_between(units, heading.last, first))
    return Section(
        key, heading.title, heading.level, heading.first, heading.last, lead, tuple(steps)
    )


def _step(number: str, line: int, units: Sequence[Unit], end: int | None) -> Step:
    own = tuple(replace(unit, step=number) for unit in _between(units, line - 1, end))
    return Step(number, _title(own), line, own)


def _title(units: Sequence[Unit]) -> str:
    return next((unit.head or unit.text for unit in units if unit.states_something), "")
