from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

import harness.report
from harness.report.journal import Journal, schema
from tests.unit import report_samples as samples

SHIPPED = Path(harness.report.__file__).with_name("journal.schema.json")


def test_the_shipped_schema_is_the_one_that_the_code_gives() -> None:
    assert json.loads(SHIPPED.read_text()) == schema(), (
        f"write the answer of harness.report.journal.schema() to {SHIPPED} again"
    )


def test_the_schema_is_a_valid_schema_that_allows_nothing_unknown() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    for name, part in schema()["$defs"].items():
        if part["type"] == "object":
            assert part["additionalProperties"] is False, name


@pytest.mark.parametrize("verdict", ["pass", "fail", "unknown"])
def test_a_written_journal_fits_the_shipped_schema(tmp_path: Path, verdict: str) -> None:
    path = tmp_path / "journal.json"
    samples.journal(verdict, errors=[samples.error(where=None, hint=None)]).write(path)
    jsonschema.validate(json.loads(path.read_text()), json.loads(SHIPPED.read_text()))


def test_a_run_that_never_got_a_world_fits_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    empty = dict.fromkeys(("phases", "steps", "samples", "checks", "files"), ())
    samples.journal("unknown", world=None, document=None, **empty).write(path)
    jsonschema.validate(json.loads(path.read_text()), json.loads(SHIPPED.read_text()))


def damaged(key: str, value: Any) -> dict[str, Any]:
    return {**samples.journal().model_dump(mode="json"), key: value}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("verdict", "maybe"),
        ("schema_version", 2),
        ("extra", 1),
        ("checks", [{"name": "x"}]),
        ("samples", [{"seconds": "soon", "job_state": None, "lag": 0}]),
    ],
)
def test_what_is_no_journal_fits_neither_the_schema_nor_the_reader(
    tmp_path: Path, key: str, value: Any
) -> None:
    data = damaged(key, value)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema())
    path = tmp_path / "journal.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ValidationError):
        Journal.read(path)


def test_reading_gives_back_what_was_written(tmp_path: Path) -> None:
    written = samples.journal("fail")
    written.write(tmp_path / "journal.json")
    assert Journal.read(tmp_path / "journal.json") == written


def test_a_journal_is_for_people_too(tmp_path: Path) -> None:
    samples.journal().write(tmp_path / "journal.json")
    text = (tmp_path / "journal.json").read_text()
    assert text.startswith('{\n  "schema_version": 1,\n')
    assert text.endswith("}\n")
