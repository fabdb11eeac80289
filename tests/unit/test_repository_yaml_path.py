from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from harness.core.errors import DocumentError
from harness.world.profiles import load_profile
from harness.world.yaml_path import (
    NothingToChangeError,
    Selector,
    parse_path,
    read_value,
    replace_value,
)

TEXT = """\
# A comment at the top
spec:
  nonce: 2   # bump to restart
  ratio: 0.5
  on: true
  "quoted.key": 'single'
  config:
    retention.ms: 7
    mode: "double"
  env:
    - name: A
      value: "1"
    # about B
    - {name: B, value: two}
    - name: C
      valueFrom: {ref: x}
  block: |
    text
"""


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("spec.job.state", ("spec", "job", "state")),
        ("a[0].b", ("a", 0, "b")),
        ("env[name=A].value", ("env", Selector("name", "A"), "value")),
        ('data["a.b"]', ("data", "a.b")),
        ("a[0][1]", ("a", 0, 1)),
        ("metadata.labels.app", ("metadata", "labels", "app")),
        ("env[name=].value", ("env", Selector("name", ""), "value")),
    ],
)
def test_paths_are_split(text: str, steps: tuple[object, ...]) -> None:
    assert parse_path(text) == steps


@pytest.mark.parametrize("text", ["", ".a", "a..b", "a[", "a]", "a[x", "a[name]", "a.", 'a["x'])
def test_a_malformed_path_is_refused(text: str) -> None:
    with pytest.raises(DocumentError, match="YAML path"):
        parse_path(text)


@pytest.mark.parametrize(
    ("path", "value", "old", "line"),
    [
        ("spec.nonce", 3, "nonce: 2 ", "  nonce: 3   # bump to restart"),
        ("spec.ratio", 0.75, "ratio", "  ratio: 0.75"),
        ("spec.on", False, "on:", "  on: false"),
        ('spec["quoted.key"]', "it's", "quoted", "  \"quoted.key\": 'it''s'"),
        ('spec.config["retention.ms"]', 8, "retention", "    retention.ms: 8"),
        ("spec.config.mode", 'a "b"', "mode", '    mode: "a \\"b\\""'),
        ("spec.env[name=A].value", "9", 'value: "1"', '      value: "9"'),
        ("spec.env[1].value", "false", "{name: B", '    - {name: B, value: "false"}'),
        ("spec.env[1].value", "off", "{name: B", '    - {name: B, value: "off"}'),
        ("spec.env[1].value", "a: b", "{name: B", '    - {name: B, value: "a: b"}'),
        ("spec.env[2].valueFrom.ref", "z", "valueFrom", "      valueFrom: {ref: z}"),
    ],
)
def test_one_line_changes_and_no_other(path: str, value: object, old: str, line: str) -> None:
    changed, edit = replace_value(TEXT, path, value, file="f.yaml")  # type: ignore[arg-type]
    before, after = TEXT.splitlines(), changed.splitlines()
    differing = [
        number
        for number, pair in enumerate(zip(before, after, strict=True), 1)
        if len(set(pair)) > 1
    ]
    assert differing == [edit.line]
    assert after[edit.line - 1] == line
    assert old in before[edit.line - 1]
    assert read_value(changed, path, file="f.yaml") == value == edit.new


def test_a_value_that_is_there_already_is_an_error_unless_allowed() -> None:
    with pytest.raises(NothingToChangeError, match=r"f\.yaml:3: spec\.nonce already is 2"):
        replace_value(TEXT, "spec.nonce", 2, file="f.yaml")
    text, edit = replace_value(TEXT, "spec.nonce", 2, file="f.yaml", allow_unchanged=True)
    assert text == TEXT
    assert edit.old == edit.new == 2


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("spec.nope", 1, r"f\.yaml:3: spec\.nope: there is no 'nope'"),
        ("spec.env[7].value", "1", r"there is no 7"),
        ("spec.env[name=Z].value", "1", r"there is no '\[name=Z\]'"),
        ("spec.nonce.deeper", 1, "there is no 'deeper'"),
        ("spec.nonce[0]", 1, "there is no 0"),
        ("spec.config", "x", r"f\.yaml:8: spec\.config is not a single value"),
        ("spec.nonce", "3", "is the int 2, the new value '3' is not"),
        ("spec.nonce", True, "is the int 2"),
        ("spec.on", "false", "is the bool True"),
        ("spec.env[name=A].value", 2, "is the str '1'"),
    ],
)
def test_a_missing_path_or_another_type_names_the_line(
    path: str, value: object, message: str
) -> None:
    with pytest.raises(DocumentError, match=message):
        replace_value(TEXT, path, value, file="f.yaml")  # type: ignore[arg-type]


TWO = (
    "kind: A\nmetadata: {name: x}\nspec: {n: 1}\n---\nkind: A\nmetadata: {name: y}\nspec: {n: 1}\n"
)


def test_a_document_among_several_is_named() -> None:
    changed, edit = replace_value(TWO, "spec.n", 2, file="f", document="A/y")
    assert edit.line == 7
    assert read_value(changed, "spec.n", file="f", document="A/x") == 1


@pytest.mark.parametrize("document", [None, "A/z"])
def test_a_document_that_is_not_named_lists_those_there(document: str | None) -> None:
    with pytest.raises(DocumentError, match="A/x, A/y"):
        replace_value(TWO, "spec.n", 2, file="f", document=document)


@pytest.mark.parametrize("text", ["", "# only a comment\n"])
def test_a_file_without_a_document_is_refused(text: str) -> None:
    with pytest.raises(DocumentError, match="holds no YAML document"):
        read_value(text, "a", file="f")


def test_broken_yaml_names_its_line() -> None:
    with pytest.raises(DocumentError, match=r"f:3: not YAML"):
        read_value("a: 1\nb: [\n", "a", file="f")


def test_windows_line_ends_stay() -> None:
    changed, _ = replace_value("a: 1\r\nb: 2\r\n", "a", 3, file="f")
    assert changed == "a: 3\r\nb: 2\r\n"


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1))
@example("true")
@example("null")
@example("0x1f")
@example("1:30")
@example("yes")
@example("- a")
@example("a #b")
@example(" padded ")
@example("2026-02-16")
def test_any_text_comes_back_whatever_the_style(value: str) -> None:
    for template in ("a: x\nb: 1\n", "a: 'x'\nb: 1\n", 'a: "x"\nb: 1\n', "{a: x, b: 1}\n"):
        changed, _ = replace_value(template, "a", value, file="f", allow_unchanged=True)
        assert YAML(typ="safe").load(changed) == {"a": value, "b": 1}


def scalar_paths(node: object, path: str = "") -> list[str]:
    if isinstance(node, dict):
        return [
            found
            for key, value in node.items()
            for found in scalar_paths(value, f'{path}["{key}"]')
        ]
    if isinstance(node, list):
        return [
            found for at, value in enumerate(node) for found in scalar_paths(value, f"{path}[{at}]")
        ]
    return [path]


@pytest.mark.parametrize(
    "name", ["ta/flinkdeployment.yaml", "ta/configmap.yaml", "knative-service.yaml"]
)
def test_values_of_a_manifest_can_be_edited_and_put_back(name: str) -> None:
    text = load_profile("S").files()[f"argocd/applications/torghut/{name}"].decode()
    paths = scalar_paths(YAML(typ="safe").load(text))
    assert len(paths) > 20
    for path in paths[::9]:
        old = read_value(text, path, file=name)
        new = not old if isinstance(old, bool) else old + type(old)(1)  # type: ignore[operator]
        changed, _ = replace_value(text, path, new, file=name)
        assert changed != text
        back, _ = replace_value(changed, path, old, file=name)
        assert back == text
