"""A scenario of a document as a list of steps with everything filled in that can be known now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.core.errors import DocumentError, UsageError
from harness.runbook.lint import lint
from harness.runbook.operations import (
    Command,
    Commit,
    Confirm,
    Edit,
    Query,
    Route,
    SameAs,
    Sync,
    operation_json,
)
from harness.runbook.placeholders import fill, is_harmless, placeholders_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.runbook.bindings import Bindings, Part, Scenario
    from harness.runbook.model import Document, Section, Unit
    from harness.runbook.operations import (
        BoundAction,
        Operation,
    )

_NO_VARIANT = (
    "the document gives no emergency variant of this step: its GitOps edits are made, "
    "and synced only where the sentence says so"
)


@dataclass(frozen=True, slots=True)
class Deferred:
    """A placeholder whose value the executor finds right before the action.

    Attributes:
        placeholder: name inside the angle brackets.
        name: what the executor is asked for.
    """

    placeholder: str
    name: str


@dataclass(frozen=True, slots=True)
class PlannedAction:
    """One thing to do.

    Attributes:
        line: line of the document that says so.
        last_line: last line of that statement.
        operation: what is done; only deferred placeholders are left in its text.
        deferred: placeholders still to be filled.
    """

    line: int
    last_line: int
    operation: Operation
    deferred: tuple[Deferred, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return JSON-like data."""
        deferred = {item.placeholder: item.name for item in self.deferred}
        lines = {"line": self.line, "last_line": self.last_line}
        return {**lines, **operation_json(self.operation), "deferred": deferred}


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step of a scenario.

    Attributes:
        id: e.g. ``mode1.2``; stable, used by ``--stop-after``.
        title: the document's words.
        file: the document.
        line: where the step begins.
        section: key of its section.
        route: the route planned for.
        actions: in order.
        remark: what a reader should know, empty mostly.
    """

    id: str
    title: str
    file: str
    line: int
    section: str
    route: Route
    actions: tuple[PlannedAction, ...]
    remark: str = ""

    @property
    def where(self) -> str:
        """Return ``file:line``."""
        return f"{self.file}:{self.line}"

    def to_json(self) -> dict[str, Any]:
        """Return JSON-like data."""
        return {
            "id": self.id,
            "title": self.title,
            "file": self.file,
            "line": self.line,
            "section": self.section,
            "route": self.route.value,
            "remark": self.remark,
            "actions": [action.to_json() for action in self.actions],
        }


def plan(
    document: Document,
    bindings: Bindings,
    scenario: str,
    route: Route,
    values: Mapping[str, str],
) -> list[PlannedStep]:
    """Resolve a scenario; nothing is done.

    Args:
        document: the parsed runbook.
        bindings: what its statements mean.
        scenario: name of a scenario of the bindings.
        route: through Git and a sync, or with the document's emergency commands.
        values: values for placeholders, e.g. ``REPLAY_ID``; one given under the name of a
            deferred value takes its place.

    Returns:
        Steps in order.

    Raises:
        DocumentError: lint finds an error anywhere in the document, or a placeholder has no value.
        UsageError: no such scenario, or a value that must not stand in a command.
    """
    declared = bindings.scenario(scenario)
    _refuse_errors(document, bindings)
    planner = _Planner(document, bindings, declared, route, values)
    return [step for part in declared.parts for step in planner.part(part)]


def _refuse_errors(document: Document, bindings: Bindings) -> None:
    errors = [f for f in lint(document, bindings) if f.severity == "error"]
    if errors:
        more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
        first = errors[0]
        raise DocumentError(f"{first.message}{more}", where=first.where, hint=first.hint)


class _Planner:
    def __init__(
        self,
        document: Document,
        bindings: Bindings,
        scenario: Scenario,
        route: Route,
        values: Mapping[str, str],
    ) -> None:
        self._document = document
        self._bindings = bindings
        self._scenario = scenario
        self._route = route
        self._values = values

    def part(self, part: Part) -> Iterable[PlannedStep]:
        section = self._section(part.section)
        lead = self._step(section, part.id, section.title, section.line, section.lead)
        if lead.actions:
            yield lead
        for step in section.steps:
            yield self._step(section, step.number, step.title, step.line, step.units)

    def _section(self, key: str) -> Section:
        section = self._document.section(key)
        if section is None:
            raise DocumentError(f"there is no section “{key}”", where=self._document.path)
        return section

    def _step(
        self, section: Section, name: str, title: str, line: int, units: Sequence[Unit]
    ) -> PlannedStep:
        step_id = f"{self._scenario.name}.{name}"
        bound = self._bound(units, ())
        actions = [self._planned(unit, action) for unit, action in bound]
        return PlannedStep(
            id=step_id,
            title=title,
            file=self._document.path,
            line=line,
            section=section.key,
            route=self._route,
            actions=tuple(_with_commits(actions, f"{step_id}: {title}")),
            remark=self._remark([action for _, action in bound]),
        )

    def _bound(
        self, units: Sequence[Unit], trail: tuple[SameAs, ...]
    ) -> list[tuple[Unit, BoundAction]]:
        pairs = []
        for unit in units:
            entry = self._bindings.entry_for(unit)
            for action in entry.actions if entry else ():
                if action.applies(self._route, self._scenario.flags):
                    pairs += self._expanded(unit, action, trail)
        # sorted() is stable: what is not put at the end stays in the document's order
        return sorted(pairs, key=lambda pair: pair[1].at_end)

    def _expanded(
        self, unit: Unit, action: BoundAction, trail: tuple[SameAs, ...]
    ) -> list[tuple[Unit, BoundAction]]:
        target = action.operation
        if not isinstance(target, SameAs):
            return [(unit, action)]
        if target in trail:
            raise DocumentError(
                f"step {target.step} below “{target.section}” is bound to itself",
                where=self._bindings.where(action.line),
                hint="bind it to what it does",
            )
        step = self._section(target.section).step(target.step)
        inner = self._bound(step.units if step else (), (*trail, target))
        return [(u, replace(a, at_end=action.at_end)) for u, a in inner]

    def _remark(self, actions: Sequence[BoundAction]) -> str:
        edits = any(isinstance(action.operation, Edit) for action in actions)
        variant = any(action.route is Route.EMERGENCY for action in actions)
        emergency = self._route is Route.EMERGENCY
        return _NO_VARIANT if emergency and edits and not variant else ""

    def _planned(self, unit: Unit, action: BoundAction) -> PlannedAction:
        operation = action.operation
        match operation:
            case Command(text=text, verbatim=verbatim):
                raw = (unit.code or "") if verbatim else text
                filled: Operation = Command(self._filled(raw, unit, quoted=True), verbatim)
            case Query():
                filled = Query(self._filled(unit.code or "", unit, quoted=True))
            case Edit(value=str() as value):
                filled = replace(operation, value=self._filled(value, unit, quoted=False))
            case Confirm():
                filled = replace(operation, text=unit.text)
            case SameAs():
                raise AssertionError("references are replaced before actions are planned")
            case _:
                filled = operation
        return PlannedAction(unit.first, unit.last, filled, self._deferred(filled))

    def _filled(self, text: str, unit: Unit, *, quoted: bool) -> str:
        known = {}
        for name in placeholders_in(text):
            source = self._bindings.placeholders[name]
            value = self._values.get(source.value or source.deferred or "")
            if value is None and source.value is not None:
                raise DocumentError(
                    f"the placeholder <{name}> has no value",
                    where=self._document.where(unit.first),
                    hint=f"--set {source.value}=…",
                )
            if value is not None:
                known[name] = _checked(name, value) if quoted else value
        return fill(text, known)

    def _deferred(self, operation: Operation) -> tuple[Deferred, ...]:
        found = []
        for name in placeholders_in(text_of(operation)):
            source = self._bindings.placeholders[name]
            if source.deferred is not None:
                found.append(Deferred(name, source.deferred))
        return tuple(found)


def text_of(operation: Operation) -> str:
    """Return the text of an operation that may hold placeholders, or an empty one."""
    match operation:
        case Command(text=text) | Query(sql=text):
            return text
        case Edit(value=str() as text):
            return text
        case _:
            return ""


def _checked(name: str, value: str) -> str:
    if not is_harmless(value):
        raise UsageError(
            f"the value {value!r} of <{name}> must not stand in a command",
            hint="letters, digits and ._:/@+- only, not beginning with - or a dot",
        )
    return value


def _with_commits(actions: Sequence[PlannedAction], message: str) -> Iterable[PlannedAction]:
    """Commit edits before a sync and at the end of the step."""
    last: PlannedAction | None = None
    for action in actions:
        if last is not None and isinstance(action.operation, Sync):
            yield PlannedAction(last.line, last.last_line, Commit(message))
            last = None
        yield action
        last = action if isinstance(action.operation, Edit) else last
    if last is not None:
        yield PlannedAction(last.line, last.last_line, Commit(message))
