"""Lint of what a statement is bound to: commands, blanks, references."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.runbook.commands import programs_of
from harness.runbook.findings import Finding
from harness.runbook.operations import Command, Edit, Query, SameAs
from harness.runbook.placeholders import placeholders_in
from harness.runbook.shell import BASIC_TOOLS, BUILTINS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.runbook.bindings import Bindings, Entry
    from harness.runbook.model import Document, Unit
    from harness.runbook.operations import BoundAction


def action_findings(
    unit: Unit, entry: Entry, document: Document, bindings: Bindings
) -> Iterator[Finding]:
    """Yield what is wrong with the binding of a unit.

    Args:
        unit: the statement.
        entry: its binding.
        document: the document, for names and references.
        bindings: all bindings, for placeholders and programs.
    """
    if not entry.note and not entry.actions:
        message = "this binding says neither what to do nor that the statement is a note"
        yield Finding(bindings.path, entry.line, "unfilled-binding", message, "fill in do or note")
    checker = _Checker(unit, document, bindings)
    for action in entry.actions:
        yield from checker.action(action)


class _Checker:
    def __init__(self, unit: Unit, document: Document, bindings: Bindings) -> None:
        self._unit = unit
        self._document = document
        self._bindings = bindings

    def action(self, action: BoundAction) -> Iterator[Finding]:
        match action.operation:
            case Command(verbatim=True) | Query() if self._unit.code is None:
                yield self._at_binding(
                    action,
                    "not-a-command",
                    f"line {self._unit.first} of the document holds no command to run verbatim",
                    "bind it to something else, or give the command's text",
                )
            case Command(text=text, verbatim=verbatim):
                command = (self._unit.code or "") if verbatim else text
                yield from self._command(action, command)
                yield from self._placeholders(action, command)
            case Query():
                yield from self._placeholders(action, self._unit.code or "")
            case Edit(value=value):
                yield from self._placeholders(action, str(value))
            case SameAs():
                yield from self._same_as(action, action.operation)
            case _:
                pass

    def _command(self, action: BoundAction, command: str) -> Iterator[Finding]:
        allowed = BUILTINS | BASIC_TOOLS | set(self._bindings.programs)
        try:
            programs = programs_of(_without_placeholders(command))
        except ValueError as error:
            yield self._at_statement("unreadable-command", f"bash could not read it: {error}", "")
            return
        for program in programs:
            if "/" in program:
                yield self._at_statement(
                    "program-by-path",
                    f"the command starts {program} by its path, around the run's own PATH",
                    "call the program by name",
                )
            elif program not in allowed:
                yield self._at_statement(
                    "program-not-allowed",
                    f"the command starts {program}, which the bindings do not allow",
                    f"add it to programs in {self._bindings.where(1)} if it must run",
                )
        if "/dev/tcp/" in command or "/dev/udp/" in command:
            message = "the command opens a connection of its own through /dev/tcp or /dev/udp"
            yield self._at_statement("direct-connection", message, "use a program of the run")
        if not programs:
            yield self._at_binding(
                action, "not-a-command", "there is no program in this command", "bind it as a note"
            )

    def _placeholders(self, action: BoundAction, text: str) -> Iterator[Finding]:
        for name in placeholders_in(text):
            source = self._bindings.placeholders.get(name)
            if source is None or (source.value is None and source.deferred is None):
                yield self._at_statement(
                    "unfilled-placeholder",
                    f"nothing fills the placeholder <{name}>",
                    f"declare it under placeholders in {self._bindings.path} "
                    f"(used by the binding at line {action.line})",
                )

    def _same_as(self, action: BoundAction, target: SameAs) -> Iterator[Finding]:
        section = self._document.section(target.section)
        if section is None or section.step(target.step) is None:
            yield self._at_binding(
                action,
                "unknown-step",
                f"there is no step {target.step} below “{target.section}”",
                "name a section and a step of the document",
            )

    def _at_statement(self, code: str, message: str, hint: str) -> Finding:
        return Finding(self._document.path, self._unit.first, code, message, hint)

    def _at_binding(self, action: BoundAction, code: str, message: str, hint: str) -> Finding:
        return Finding(self._bindings.path, action.line, code, message, hint)


def _without_placeholders(command: str) -> str:
    """Put words in the place of placeholders, whose brackets would read as redirections."""
    for name in placeholders_in(command):
        command = command.replace(f"<{name}>", name)
    return command
