"""Lint: whether every statement is bound, and every binding has its statement."""

from __future__ import annotations

from collections import Counter
from difflib import get_close_matches
from typing import TYPE_CHECKING

from harness.runbook.findings import Finding
from harness.runbook.lint_actions import action_findings
from harness.runbook.model import UnitKind
from harness.runbook.nearest import difference, pair_changed
from harness.runbook.operations import Edit, Route, SameAs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.runbook.bindings import Bindings, Entry, Part, Scenario
    from harness.runbook.model import Document, Section, Step, Unit


def lint(document: Document, bindings: Bindings) -> list[Finding]:
    """Compare a document with its bindings.

    Args:
        document: the parsed runbook.
        bindings: what its statements mean.

    Returns:
        Findings, those in the document first, in order of lines. No finding of severity
        ``error`` means that every scenario can be planned.
    """
    linter = _Linter(document, bindings)
    findings = list(linter.findings())
    return sorted(set(findings), key=lambda f: (f.file != document.path, f.line, f.code, f.message))


class _Linter:
    def __init__(self, document: Document, bindings: Bindings) -> None:
        self._document = document
        self._bindings = bindings
        self._renamed = self._renamed_sections()

    def findings(self) -> Iterator[Finding]:
        yield from self._headings()
        for section in self._document.sections:
            if section.key not in self._renamed.values():
                yield from self._section(section)
        yield from self._doubles()
        for scenario in self._bindings.scenarios.values():
            yield from self._scenario(scenario)
            yield from self._routes(scenario)

    def _renamed_sections(self) -> dict[str, str]:
        """Pair sections of the bindings that are gone with headings that nothing binds."""
        bound = [key for key, _ in self._bindings.sections]
        free = [s.key for s in self._document.sections if s.key not in bound and any(s.units)]
        pairs: dict[str, str] = {}
        for key in bound:
            if self._document.section(key) is None:
                left = [name for name in free if name not in pairs.values()]
                pairs.update((key, match) for match in get_close_matches(key, left, n=1))
        return pairs

    def _headings(self) -> Iterator[Finding]:
        for key, line in self._bindings.sections:
            found = self._document.section(self._renamed.get(key, key))
            place = self._bindings.where(line)
            if found is None:
                message = f"the document has no section “{key}”"
                yield self._in_bindings(line, "stale-section", message, "remove it or rename it")
            elif found.key != key:
                yield Finding(
                    self._document.path,
                    found.line,
                    "changed-heading",
                    f"the heading changed: {difference(key, found.key)}",
                    f"read the section again and rename it at {place}",
                )

    def _section(self, section: Section) -> Iterator[Finding]:
        unbound = []
        for unit in section.units:
            entry = self._bindings.entry_for(unit)
            if entry is not None:
                yield from action_findings(unit, entry, self._document, self._bindings)
            elif unit.states_something:
                unbound.append(unit)
        units = list(section.units)
        stale = [
            entry
            for entry in self._bindings.entries
            if entry.section == section.key and not any(entry.fits(unit) for unit in units)
        ]
        yield from self._unmatched(unbound, stale)

    def _unmatched(self, units: Sequence[Unit], stale: Sequence[Entry]) -> Iterator[Finding]:
        pairs = pair_changed(units, stale)
        for unit in units:
            entry = pairs.get(unit.first)
            yield self._unbound(unit) if entry is None else self._changed(unit, entry)
        paired = {entry.line for entry in pairs.values()}
        for entry in stale:
            if entry.line not in paired:
                yield self._in_bindings(
                    entry.line,
                    "stale-binding",
                    f"the document no longer says “{_short(entry.label)}” below “{entry.section}”",
                    "remove the binding, or put the statement back",
                )

    def _unbound(self, unit: Unit) -> Finding:
        return Finding(
            self._document.path,
            unit.first,
            f"unbound-{_word(unit)}",
            f"nothing says what this {_word(unit)} means: “{_short(unit.text)}”",
            f"bind it in {self._bindings.path}; a skeleton lists what is missing",
        )

    def _changed(self, unit: Unit, entry: Entry) -> Finding:
        if entry.text is None:
            change = f"found “{_short(unit.text)}”, expected the text of “{_short(entry.label)}”"
        else:
            change = difference(entry.text, unit.text)
        return Finding(
            self._document.path,
            unit.first,
            f"changed-{_word(unit)}",
            f"line {unit.first} changed: {change}",
            f"check that {self._bindings.where(entry.line)} still says what it means, "
            "then bind the new text",
        )

    def _doubles(self) -> Iterator[Finding]:
        seen: dict[tuple[str, str | None, str], int] = {}
        for entry in self._bindings.entries:
            key = (entry.section, entry.step, entry.sha256 or entry.text or "")
            if key in seen:
                message = f"“{_short(entry.label)}” is bound already at line {seen[key]}"
                yield self._in_bindings(
                    entry.line, "double-binding", message, "keep one, or name the step in each"
                )
            seen.setdefault(key, entry.line)

    def _scenario(self, scenario: Scenario) -> Iterator[Finding]:
        ids: Counter[str] = Counter()
        for part in scenario.parts:
            section = self._find(part)
            if section is None:
                message = f"scenario {scenario.name} runs “{part.section}”, which is not there"
                yield self._in_bindings(part.line, "unknown-section", message, "name a heading")
                continue
            ids.update(step.number for step in section.steps)
            ids.update([part.id] if section.lead else [])
        for name in (name for name, count in ids.items() if count > 1):
            message = f"scenario {scenario.name} has two steps {scenario.name}.{name}"
            yield self._in_bindings(scenario.line, "double-step", message, "give its parts ids")

    def _find(self, part: Part) -> Section | None:
        return self._document.section(self._renamed.get(part.section, part.section))

    def _routes(self, scenario: Scenario) -> Iterator[Finding]:
        for part in scenario.parts:
            section = self._find(part)
            for step in section.steps if section else ():
                if self._lacks_emergency(step):
                    yield Finding(
                        self._document.path,
                        step.line,
                        "no-emergency-variant",
                        f"step {step.number} (“{_short(step.title)}”) changes something, but the "
                        "document gives no emergency variant of it",
                        "the emergency route makes its GitOps edits",
                        "warning",
                    )

    def _lacks_emergency(self, step: Step) -> bool:
        entries = [self._bindings.entry_for(unit) for unit in step.units]
        actions = [action for entry in entries if entry for action in entry.actions]
        edits = any(isinstance(action.operation, Edit) for action in actions)
        variant = any(
            action.route is Route.EMERGENCY or isinstance(action.operation, SameAs)
            for action in actions
        )
        return edits and not variant

    def _in_bindings(self, line: int, code: str, message: str, hint: str) -> Finding:
        return Finding(self._bindings.path, line, code, message, hint)


def _word(unit: Unit) -> str:
    return "command" if unit.kind in {UnitKind.CODE, UnitKind.INLINE_CODE} else "statement"


def _short(text: str, limit: int = 90) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
