"""What a statement makes the harness do: operations as plain data, with or without blanks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, ClassVar

Scalar = str | int | float | bool


class Route(StrEnum):
    """How changes reach the cluster: through Git and a sync, or by kubectl at once."""

    GITOPS = "gitops"
    EMERGENCY = "emergency"


@dataclass(frozen=True, slots=True)
class Command:
    """A shell command.

    Attributes:
        text: what bash gets.
        verbatim: whether the text stands in the document; if not, the bindings supplied it for
            a sentence that asks for something without giving a command.
    """

    kind: ClassVar[str] = "command"
    text: str
    verbatim: bool = True


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of a manifest in the repository.

    Attributes:
        file: path inside the repository.
        path: place in the YAML, e.g. ``spec.job.state`` or ``env[name=TRADING_ENABLED].value``.
        value: the new value.
        integer: whether the value, once its blanks are filled, is a number.
    """

    kind: ClassVar[str] = "edit"
    file: str
    path: str
    value: Scalar
    integer: bool = False


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit of the edits made since the last one; planned, never bound."""

    kind: ClassVar[str] = "commit"
    message: str


@dataclass(frozen=True, slots=True)
class Sync:
    """A sync of an Argo CD application."""

    kind: ClassVar[str] = "sync"
    application: str


@dataclass(frozen=True, slots=True)
class Query:
    """A query to the database, word for word."""

    kind: ClassVar[str] = "query"
    sql: str


@dataclass(frozen=True, slots=True)
class Confirm:
    """Something that a person confirms or records.

    Attributes:
        name: what it is called in journal and rules, e.g. ``REPLAY_ID``.
        text: the document's sentence.
    """

    kind: ClassVar[str] = "confirm"
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Observe:
    """A condition to look at or wait for, by name."""

    kind: ClassVar[str] = "observe"
    name: str


@dataclass(frozen=True, slots=True)
class SameAs:
    """All actions of another step; replaced by them when planned.

    Attributes:
        section: key of the section.
        step: its number.
    """

    kind: ClassVar[str] = "same_as"
    section: str
    step: str


Operation = Command | Edit | Commit | Sync | Query | Confirm | Observe
Bindable = Operation | SameAs


@dataclass(frozen=True, slots=True)
class BoundAction:
    """An action as the bindings declare it.

    Attributes:
        operation: what is done; its texts may hold ``<placeholders>``. For a command, query or
            confirmation that is taken from the document the text is empty until it is planned.
        route: the only route on which it is done, or None for both.
        when: flag that the scenario must carry, or None.
        at_end: whether it is done after all other actions of its step.
        line: line in the bindings file.
    """

    operation: Bindable
    route: Route | None
    when: str | None
    at_end: bool
    line: int

    def applies(self, route: Route, flags: frozenset[str]) -> bool:
        """Whether the action is done on this route in a scenario with these flags."""
        on_route = self.route is None or self.route is route
        return on_route and (self.when is None or self.when in flags)


def operation_json(operation: Bindable) -> dict[str, Any]:
    """Return an operation as JSON-like data with its ``kind``."""
    return {"kind": operation.kind, **asdict(operation)}
