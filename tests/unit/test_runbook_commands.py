"""Shell text: where a command ends, which programs it starts, which blanks it has."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.runbook.commands import programs_of, split_commands
from harness.runbook.placeholders import fill, is_harmless, placeholders_in


def texts(block: str) -> list[str]:
    return [piece.text for piece in split_commands(block.split("\n"))]


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("a\nb", ["a", "b"]),
        ("a \\\n  -x\n\nb", ["a \\\n  -x", "b"]),
        ("a |\n b\nc", ["a |\n b", "c"]),
        ("a &&\nb\nc", ["a &&\nb", "c"]),
        ("a 'x\ny' z\nb", ["a 'x\ny' z", "b"]),
        ('a "x\\"\ny"\nb', ['a "x\\"\ny"', "b"]),
        ("a <<EOF\nit's\nEOF\nb", ["a <<EOF\nit's\nEOF", "b"]),
        ("a <<-'E'\nx\nE\nb", ["a <<-'E'\nx\nE", "b"]),
        ("# it's a remark\nb", ["# it's a remark", "b"]),
        ("a\nfor x in 1; do\n  b\ndone\nc", ["a", "for x in 1; do\n  b\ndone\nc"]),
        ("f() {\n a\n}\n", ["f() {\n a\n}"]),
        ("a \\", ["a \\"]),
        ("a 'x\n\n", ["a 'x"]),
        ("\n \n", []),
        ("format x", ["format x"]),
    ],
)
def test_commands_of_a_block(block: str, expected: list[str]) -> None:
    assert texts(block) == expected


def test_pieces_know_their_lines() -> None:
    pieces = split_commands(["", "a \\", " b", "", "c", ""])
    assert [(p.first, p.last) for p in pieces] == [(1, 2), (4, 4)]


@given(st.lists(st.sampled_from(["a", "b \\", "c |", "'", '"', "<<E", "E", "", "for x", "# '"])))
@settings(max_examples=200, deadline=None)
def test_no_line_of_a_block_is_lost_or_doubled(lines: list[str]) -> None:
    covered = [n for p in split_commands(lines) for n in range(p.first, p.last + 1)]
    assert covered == sorted(set(covered))
    assert {n for n, line in enumerate(lines) if line.strip()} <= set(covered)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("kubectl get pods", ["kubectl"]),
        ("kubectl exec p -- aws s3 ls", ["kubectl"]),
        ("A=1 B=2 aws s3 ls", ["aws"]),
        ("cat x | grep y && sed z; tail w || head v", ["cat", "grep", "sed", "tail", "head"]),
        ("a \\\n  b\nc", ["a", "c"]),
        ("a > b 2>&1 c", ["a"]),
        ("> out a", ["a"]),
        ("(a; b)", ["a", "b"]),
        ("echo $(rm x)", ["echo", "rm"]),
        ("if a; then b; fi", ["a", "b"]),
        ("/usr/bin/kubectl get", ["/usr/bin/kubectl"]),
        ("kubectl patch -p '{\"a\":1}; rm'", ["kubectl"]),
        ("# remark", []),
        ("A=1", []),
        ("sleep 1 & rm x", ["sleep", "rm"]),
    ],
)
def test_programs_that_a_command_starts(command: str, expected: list[str]) -> None:
    assert programs_of(command) == expected


def test_an_open_quote_is_an_error() -> None:
    with pytest.raises(ValueError, match="closing quotation"):
        programs_of("echo 'x")


def test_placeholders_are_found_once_in_order() -> None:
    assert placeholders_in("<b> <A_1> <b> < c> <1> a<replay-id>/x <<EOF") == [
        "b",
        "A_1",
        "replay-id",
    ]


def test_only_known_placeholders_are_filled_and_never_twice() -> None:
    assert fill("<a>-<b>-<a>", {"a": "<b>"}) == "<b>-<b>-<b>"
    assert fill("<a> <c>", {"a": "1"}) == "1 <c>"


@pytest.mark.parametrize("value", ["2026-02-09T0315Z-INC1234", "kafka-0", "s3://a/b_c", "7"])
def test_harmless_values(value: str) -> None:
    assert is_harmless(value)


@pytest.mark.parametrize(
    "value", ["", "a b", "$(rm)", "a;b", "-x", "a'b", 'a"', "a\n", "`a`", "<a>"]
)
def test_harmful_values(value: str) -> None:
    assert not is_harmless(value)
