"""The journal as JUnit XML, one test case per check and one for the run, for CI systems."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

import orjson

from harness.core.verdicts import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from harness.report.journal import CheckInfo, Journal

_TAGS: Final = {Verdict.FAIL: "failure", Verdict.UNKNOWN: "error"}
"""Unknown is an error, not a skip: it never counts as pass."""

_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What is outside of Char in XML 1.0."""


def write_junit(journal: Journal, path: Path) -> None:
    """Write ``journal`` to ``path``."""
    cases = [*(_check_case(journal, check) for check in journal.findings), _run_case(journal)]
    suite = ET.Element(
        "testsuite",
        name=_clean(f"replay-harness.{journal.run.scenario}"),
        tests=str(len(cases)),
        failures=str(_count(cases, "failure")),
        errors=str(_count(cases, "error")),
        skipped="0",
        time=f"{journal.run.seconds:.3f}",
        timestamp=_clean(journal.run.started),
    )
    suite.extend(cases)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _count(cases: list[ET.Element], tag: str) -> int:
    return sum(case.find(tag) is not None for case in cases)


def _check_case(journal: Journal, check: CheckInfo) -> ET.Element:
    details = f"got: {_json(check.got)}\nexpected: {_json(check.expected)}"
    return _case(journal, check.name, check.verdict, check.reason, details)


def _run_case(journal: Journal) -> ET.Element:
    """Return the run itself as a case: it may fail where every check passed, or had none."""
    errors = [
        f"{error.type}: {error.where + ': ' if error.where else ''}{error.what}"
        for error in journal.errors
    ]
    return _case(journal, "verdict", journal.verdict, journal.reason, "\n".join(errors))


def _case(journal: Journal, name: str, verdict: Verdict, reason: str, details: str) -> ET.Element:
    classname = _clean(f"replay-harness.{journal.run.scenario}")
    case = ET.Element("testcase", classname=classname, name=_clean(name), time="0")
    if verdict in _TAGS:
        problem = ET.SubElement(case, _TAGS[verdict], message=_clean(reason), type=verdict)
        problem.text = _clean(details)
    return case


def _json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _clean(text: str) -> str:
    """Put a replacement where XML 1.0 cannot carry a character."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
