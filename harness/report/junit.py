"""The journal as JUnit XML, one test case per check, for CI systems."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from harness.core.verdicts import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from harness.report.journal import CheckInfo, Journal


def write_junit(journal: Journal, path: Path) -> None:
    """Write ``journal`` to ``path``; unknown is an error, not a skip: it never counts as pass."""
    suite = ET.Element(
        "testsuite",
        name=f"replay-harness.{journal.run.scenario}",
        tests=str(len(journal.checks) + len(journal.errors)),
        failures=str(sum(check.verdict is Verdict.FAIL for check in journal.checks)),
        errors=str(
            sum(check.verdict is Verdict.UNKNOWN for check in journal.checks) + len(journal.errors)
        ),
        time=f"{journal.run.seconds:.3f}",
        timestamp=journal.run.started,
    )
    for check in journal.checks:
        suite.append(_case(journal, check))
    for error in journal.errors:
        case = ET.SubElement(suite, "testcase", classname=journal.run.scenario, name=error.type)
        ET.SubElement(case, "error", message=_clean(error.what))
    ET.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def _case(journal: Journal, check: CheckInfo) -> ET.Element:
    case = ET.Element("testcase", classname=journal.run.scenario, name=check.name)
    tag = {Verdict.FAIL: "failure", Verdict.UNKNOWN: "error"}.get(check.verdict)
    if tag:
        problem = ET.SubElement(case, tag, message=_clean(check.reason))
        problem.text = _clean(f"got: {check.got}\nexpected: {check.expected}")
    return case


def _clean(text: str) -> str:
    """Drop characters that XML 1.0 cannot carry."""
    return "".join(c for c in text if c in "\t\n\r" or " " <= c <= "\ud7ff" or c >= "\ue000")
