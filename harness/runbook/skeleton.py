"""A bindings file to fill in: every statement that nothing binds yet."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

from harness.core.errors import UsageError
from harness.runbook.placeholders import placeholders_in

if TYPE_CHECKING:
    from pathlib import Path

    from harness.runbook.bindings import Bindings
    from harness.runbook.model import Document, Unit

_HEAD = """\
# Bindings of {name}: say of each statement what it means.
#   note: true                                  for information only
#   do: [{{command: verbatim}}]                   run it through bash
#   do: [{{query: verbatim}}]                     run it as SQL
#   do: [{{edit: FILE, path: A.B.C, value: X}}, {{sync: APPLICATION}}]
#   do: [{{confirm: NAME}}]   do: [{{observe: NAME}}]   do: [{{same_as: {{section: S, step: "1"}}}}]
# Add `route: gitops` or `route: emergency` to an action that belongs to one route only.
"""


def write_skeleton(
    document: Document,
    path: Path,
    *,
    bindings: Bindings | None = None,
    overwrite: bool = False,
) -> int:
    """Write a bindings file that lists all statements that nothing binds, with ``do: []``.

    Args:
        document: the parsed runbook.
        path: file to write.
        bindings: bindings that exist already; what they bind is left out.
        overwrite: whether an existing file may be replaced.

    Returns:
        Number of statements listed.

    Raises:
        UsageError: the file exists already, or cannot be written.
    """
    units = [u for u in document.units if u.states_something and not _bound(u, bindings)]
    tree = _tree(units, bindings)
    try:
        with path.open("w" if overwrite else "x", encoding="utf-8") as file:
            file.write(_HEAD.format(name=document.path.rsplit("/", 1)[-1]))
            _writer().dump(tree, file)
    except FileExistsError as error:
        raise UsageError(
            "the file exists already", where=str(path), hint="name another, or allow overwriting"
        ) from error
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", where=str(path)) from error
    return len(units)


def _bound(unit: Unit, bindings: Bindings | None) -> bool:
    return bindings is not None and bindings.entry_for(unit) is not None


def _writer() -> YAML:
    yaml = YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _tree(units: list[Unit], bindings: Bindings | None) -> dict[str, Any]:
    names = dict.fromkeys(name for unit in units for name in placeholders_in(unit.text))
    known = bindings.placeholders if bindings else {}
    sections = [
        {"section": _quoted(key), "units": _entries(list(group))}
        for key, group in groupby(units, key=lambda unit: unit.section)
    ]
    return {
        "version": 1,
        "programs": [],
        "placeholders": {name: {} for name in names if name not in known},
        "scenarios": {},
        "sections": sections,
    }


def _entries(units: list[Unit]) -> list[dict[str, Any]]:
    texts = [unit.text for unit in units]
    entries: list[dict[str, Any]] = []
    for unit in units:
        text = LiteralScalarString(unit.text) if "\n" in unit.text else _quoted(unit.text)
        # The same words in another step may mean something else there.
        step = {"step": _quoted(unit.step)} if unit.step and texts.count(unit.text) > 1 else {}
        entry: dict[str, Any] = {"text": text, **step, "do": []}
        if entry not in entries:
            entries.append(entry)
    return entries


def _quoted(text: str) -> str:
    quoted: str = DoubleQuotedScalarString(text)
    return quoted
