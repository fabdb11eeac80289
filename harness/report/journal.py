"""The journal: what a run was, did, saw and concluded, as one JSON document with a schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from harness.core.verdicts import Verdict

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_VERSION: Final = 1


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Setting(_Record):
    """One setting of the run and where its value came from."""

    key: str
    value: Any
    origin: str = Field(description="default, file:line, environment variable or command line")


class RunInfo(_Record):
    """Identity of the run."""

    id: str
    scenario: str
    started: str = Field(description="RFC 3339, UTC")
    seconds: float
    harness_version: str
    python: str
    platform: str
    load: list[float] = Field(description="load average of the machine: 1, 5, 15 minutes")
    peak_memory_bytes: int | None = Field(
        description="highest sum of resident memory of the run's processes; null: not measured"
    )


class DocumentInfo(_Record):
    """The document that was run."""

    path: str
    sha256: str
    bindings: str
    route: str


class WorldInfo(_Record):
    """The miniature that the document was run on."""

    id: str
    network: str
    driver: str
    profile: str
    differences: list[str] = Field(description="where the miniature is not like production")


class Phase(_Record):
    """A part of the run and how long it took."""

    name: str
    seconds: float


class ActionInfo(_Record):
    """One thing that the document had done."""

    kind: str
    where: str = Field(description="file:line in the document")
    text: str
    outcome: str
    exit_status: int | None = None
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0


class StepInfo(_Record):
    """One step of the document."""

    id: str
    title: str
    where: str
    outcome: str
    actions: list[ActionInfo]


class CheckInfo(_Record):
    """One check and its verdict."""

    name: str
    promise: str
    verdict: Verdict
    got: Any
    expected: Any
    reason: str


class SampleInfo(_Record):
    """One look at the replay while it ran."""

    seconds: float
    job_state: str | None
    lag: int | None


class ErrorInfo(_Record):
    """Why a run ended early."""

    type: str
    what: str
    where: str | None
    hint: str | None


class Journal(_Record):
    """Everything about one run."""

    schema_version: Literal[1] = SCHEMA_VERSION
    run: RunInfo
    settings: list[Setting]
    document: DocumentInfo | None
    world: WorldInfo | None
    values: dict[str, str] = Field(description="what the document's placeholders stood for")
    market: dict[str, Any] = Field(description="what was fed into the input topics")
    phases: list[Phase]
    steps: list[StepInfo]
    samples: list[SampleInfo]
    checks: list[CheckInfo] = Field(description="what the data must look like")
    rules: list[CheckInfo] = Field(
        default=[], description="what the audit trail must look like, judged by the referee"
    )
    errors: list[ErrorInfo]
    verdict: Verdict
    reason: str
    files: list[str] = Field(description="other files of the run, relative to the journal")

    @property
    def findings(self) -> list[CheckInfo]:
        """Checks and rules, in this order."""
        return [*self.checks, *self.rules]

    def write(self, path: Path) -> None:
        """Write the journal to ``path``, indented."""
        path.write_bytes(
            orjson.dumps(
                self.model_dump(mode="json"), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
            )
        )

    @classmethod
    def read(cls, path: Path) -> Journal:
        """Read a journal.

        Raises:
            pydantic.ValidationError: when the file is not a journal of this schema version.
        """
        return cls.model_validate_json(path.read_bytes())


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the journal (shipped as ``journal.schema.json``)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "torghut replay harness journal",
        **Journal.model_json_schema(mode="serialization"),
    }
