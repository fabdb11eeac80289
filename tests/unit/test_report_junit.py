from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.report.junit import write_junit
from tests.unit import report_samples as samples

if TYPE_CHECKING:
    from pathlib import Path

    from harness.report.journal import Journal


def suite_of(journal: Journal, folder: Path) -> ET.Element:
    write_junit(journal, folder / "junit.xml")
    root = ET.parse(folder / "junit.xml").getroot()  # noqa: S314 - our own file
    suite = root.find("testsuite")
    assert suite is not None
    return suite


def test_every_check_and_the_run_are_cases(tmp_path: Path) -> None:
    suite = suite_of(samples.journal(), tmp_path)
    assert [case.get("name") for case in suite] == ["inputs-reread", "verdict"]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "0", "0")


@pytest.mark.parametrize(("verdict", "tag"), [("fail", "failure"), ("unknown", "error")])
def test_what_did_not_pass_says_why(tmp_path: Path, verdict: str, tag: str) -> None:
    suite = suite_of(samples.journal(verdict), tmp_path)
    problem = suite.find(f"testcase[@name='inputs-reread']/{tag}")
    assert problem is not None
    assert problem.get("message") == "because"
    assert '"records": 1' in (problem.text or "")
    assert suite.get("failures" if verdict == "fail" else "errors") == "2"


def test_a_run_without_checks_never_looks_like_a_success(tmp_path: Path) -> None:
    journal = samples.journal("unknown", checks=[], errors=[samples.error()])
    suite = suite_of(journal, tmp_path)
    problem = suite.find("testcase[@name='verdict']/error")
    assert problem is not None
    assert problem.text == "ServiceError: k.log: kafka-1 ended"


def test_a_failed_step_fails_the_run_though_every_check_passed(tmp_path: Path) -> None:
    journal = samples.journal("fail", checks=[samples.check("freshness", "pass")])
    suite = suite_of(journal, tmp_path)
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.text(st.characters(categories=("L", "P", "Cc", "Cs", "Cn", "So"))))
def test_any_text_gives_xml_that_can_be_read(tmp_path: Path, text: str) -> None:
    check = samples.check("x", "fail", reason=text).model_copy(update={"name": text})
    suite = suite_of(samples.journal("fail", checks=[check], reason=text), tmp_path)
    assert len(suite) == 2


def test_characters_that_xml_has_no_room_for_are_replaced(tmp_path: Path) -> None:
    odd = '\x00\x1b[31m \ufffe \udc80 <&>" ok'
    suite = suite_of(samples.journal("fail", reason=odd), tmp_path)
    problem = suite.find("testcase[@name='verdict']/failure")
    assert problem is not None
    assert problem.get("message") == '\ufffd\ufffd[31m \ufffd \ufffd <&>" ok'
