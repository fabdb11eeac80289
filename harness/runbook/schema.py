"""The form of a bindings file, before its texts are matched with a document."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.runbook.operations import Route, Scalar


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ActionForm(_Strict):
    """One action: exactly one of the kinds, and what belongs to it."""

    command: str | None = Field(default=None, min_length=1)
    edit: str | None = Field(default=None, min_length=1)
    sync: str | None = Field(default=None, min_length=1)
    query: Literal["verbatim"] | None = None
    confirm: str | None = Field(default=None, min_length=1)
    observe: str | None = Field(default=None, min_length=1)
    same_as: SameAsForm | None = None
    path: str | None = None
    value: Scalar | None = None
    type: Literal["string", "integer"] = "string"
    route: Literal["gitops", "emergency"] | None = None
    when: str | None = None
    at: Literal["end"] | None = None

    @property
    def kinds(self) -> list[str]:
        """Names of the kinds that are given."""
        names = ("command", "edit", "sync", "query", "confirm", "observe", "same_as")
        return [name for name in names if getattr(self, name) is not None]

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if len(self.kinds) != 1:
            raise ValueError(
                "an action is exactly one of command, edit, sync, query, confirm, observe, same_as"
            )
        is_edit = self.edit is not None
        if is_edit != (self.path is not None) or is_edit != (self.value is not None):
            raise ValueError("edit, path and value go together")
        return self

    @property
    def only_route(self) -> Route | None:
        """The route on which the action is done, or None for both."""
        return None if self.route is None else Route(self.route)


class SameAsForm(_Strict):
    """Reference to a step of the document."""

    section: str
    step: str


class UnitForm(_Strict):
    """Binding of one statement, by its text or by the digest of its text."""

    text: str | None = None
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    step: str | None = None
    hint: str = ""
    note: str | bool | None = None
    do: list[ActionForm] | None = None

    @model_validator(mode="after")
    def _addressed_once(self) -> Self:
        if (self.text is None) == (self.sha256 is None):
            raise ValueError("a statement is named by either text or sha256")
        if self.note is not None and self.do is not None:
            raise ValueError("a statement is either a note or has something to do")
        return self


class SectionForm(_Strict):
    """Bindings of the statements below one heading."""

    section: str
    units: list[UnitForm]


class PlaceholderForm(_Strict):
    """Where the value of a placeholder comes from."""

    value: str | None = None
    deferred: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.value is not None and self.deferred is not None:
            raise ValueError("a placeholder has a value or is deferred, not both")
        return self


class PartForm(_Strict):
    """A section that a scenario runs; ``id`` names the step made of its unnumbered part."""

    section: str
    id: str = Field(default="before", pattern=r"^[a-z][a-z0-9-]*$")


class ScenarioForm(_Strict):
    """A named sequence of sections."""

    title: str
    parts: list[PartForm] = Field(min_length=1)
    flags: list[str] = []


class BindingsForm(_Strict):
    """The whole file."""

    version: Literal[1]
    programs: list[str] = []
    placeholders: dict[str, PlaceholderForm] = {}
    scenarios: dict[str, ScenarioForm] = {}
    sections: list[SectionForm] = []


ActionForm.model_rebuild()
