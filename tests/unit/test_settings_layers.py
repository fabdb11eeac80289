from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cli.options import settle
from harness.core.errors import UsageError
from harness.replay.settings import (
    Layer,
    RunSettings,
    environment_layer,
    file_layer,
    parse_sets,
    resolve,
)


@pytest.fixture(autouse=True)
def _away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("SEED", "SET", "KEEP", "PROFILE"):
        monkeypatch.delenv(f"REPLAY_HARNESS_{name}", raising=False)


def table(folder: Path, text: str) -> Path:
    path = folder / "pyproject.toml"
    path.write_text(f"[tool.replay-harness]\n{text}\n")
    return path


def test_without_any_layer_everything_is_a_default() -> None:
    resolved = resolve([])
    assert resolved.run == RunSettings.model_validate({})
    assert set(resolved.origins.values()) == {"default"}


def test_the_four_places_in_order(tmp_path: Path) -> None:
    path = table(tmp_path, 'seed = 1\nroute = "emergency"\nprofile = "A"\nset = {events = 500}')
    environment = {"REPLAY_HARNESS_SEED": "2", "REPLAY_HARNESS_ROUTE": "gitops", "HOME": "/"}
    layers = [*file_layer(tmp_path), *environment_layer(environment)]
    resolved = resolve([*layers, Layer("command line", {"seed": 3})])
    assert (resolved.run.seed, resolved.run.route, resolved.run.profile) == (3, "gitops", "A")
    origin = f"{path} [tool.replay-harness]"
    assert resolved.origins == {
        **dict.fromkeys(RunSettings.model_fields, "default"),
        "seed": "command line",
        "route": "environment variable REPLAY_HARNESS_ROUTE",
        "profile": origin,
        "set.events": origin,
    }


names = st.sampled_from(["seed", "profile"])
sets = st.dictionaries(st.sampled_from(["events", "brokers", "damage"]), st.integers(1, 9))
values = st.fixed_dictionaries(
    {},
    optional={
        "seed": st.integers(0, 99),
        "profile": st.sampled_from("ABC"),
        "keep": st.booleans(),
        "set": sets,
    },
)


@given(st.lists(values, max_size=5))
def test_later_layers_win_and_origins_name_the_winner(contents: list[dict[str, Any]]) -> None:
    resolved = resolve(Layer(f"layer {n}", content) for n, content in enumerate(contents))
    for key, default in (("seed", 1), ("profile", "S"), ("keep", False)):
        holders = [n for n, content in enumerate(contents) if key in content]
        value = contents[holders[-1]][key] if holders else default
        assert getattr(resolved.run, key) == value
        assert resolved.origins[key] == (f"layer {holders[-1]}" if holders else "default")
    for key in {key for content in contents for key in content.get("set", {})}:
        winner = max(n for n, content in enumerate(contents) if key in content.get("set", {}))
        assert resolved.sets[key] == str(contents[winner]["set"][key])
        assert resolved.origins[f"set.{key}"] == f"layer {winner}"


@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=4))
def test_any_unknown_key_is_refused_with_its_origin(content: dict[str, str]) -> None:
    unknown = content.keys() - set(RunSettings.model_fields)
    if not unknown:
        return
    with pytest.raises(UsageError) as caught:
        resolve([Layer("here", content)])
    assert caught.value.where == "here"


@pytest.mark.parametrize(
    ("key", "guess"),
    [("sead", "seed"), ("Seed", "seed"), ("run_book", "runbook"), ("formats", "format")],
)
def test_an_unknown_key_names_what_it_is_near_to(key: str, guess: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean {guess}") as caught:
        resolve([Layer("here", {key: "1"})])
    assert caught.value.where == "here"
    assert "known: runbook, bindings" in str(caught.value.hint)


def test_an_unknown_key_that_is_near_to_nothing_lists_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        resolve([Layer("here", {"zzzzzz": "1"})])
    assert str(caught.value.hint).startswith("known: ")


@pytest.mark.parametrize(
    ("key", "value"),
    [("seed", "-1"), ("seed", "x"), ("route", "both"), ("driver", "podman"), ("format", "xml")],
)
def test_a_wrong_value_names_where_it_came_from(key: str, value: str) -> None:
    environment = {f"REPLAY_HARNESS_{key.upper()}": value}
    with pytest.raises(UsageError, match=f"{key}={value!r} does not fit") as caught:
        resolve(environment_layer(environment))
    assert caught.value.where == f"environment variable REPLAY_HARNESS_{key.upper()}"


def test_a_good_value_above_a_wrong_one_is_all_that_counts() -> None:
    assert resolve([Layer("a", {"seed": "x"}), Layer("b", {"seed": "4"})]).run.seed == 4


def test_paths_of_a_file_start_from_that_file(tmp_path: Path) -> None:
    table(tmp_path, 'runbook = "docs/doc.md"\nout = "/abs"\nset = {recorded = "tape.jsonl"}')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    resolved = resolve(file_layer(below))
    assert resolved.run.runbook == tmp_path / "docs/doc.md"
    assert resolved.run.out == Path("/abs")
    assert resolved.sets == {"recorded": str(tmp_path / "tape.jsonl")}


def test_paths_of_the_environment_start_from_where_one_stands() -> None:
    resolved = resolve(environment_layer({"REPLAY_HARNESS_RUNBOOK": "doc.md"}))
    assert resolved.run.runbook == Path("doc.md")


def test_the_nearest_file_counts_even_without_the_table(tmp_path: Path) -> None:
    table(tmp_path, "seed = 9")
    below = tmp_path / "project"
    below.mkdir()
    (below / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert file_layer(below) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.replay-harness", "not readable as TOML"),
        ("[tool]\nreplay-harness = 3\n", "is not a table"),
        ("tool = 3\n", "is not a table"),
        ("[tool.replay-harness]\nset = 3\n", "set=3 is not a table"),
        ("[tool.replay-harness]\nset = {events = [1]}\n", r"set.events=\[1\] is not a single"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        resolve(file_layer(tmp_path))
    assert str(tmp_path / "pyproject.toml") in str(caught.value.where)


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not readable as TOML"):
        file_layer(tmp_path)


@pytest.mark.parametrize(
    ("pairs", "values"),
    [
        (["a=1", "b = x y "], {"a": "1", "b": "x y"}),
        (["a=1=2"], {"a": "1=2"}),
        (["a="], {"a": ""}),
        (["a=1", "a=2"], {"a": "2"}),
    ],
)
def test_pairs_are_split_at_the_first_equals_sign(pairs: list[str], values: dict[str, str]) -> None:
    assert parse_sets(pairs) == values


@pytest.mark.parametrize("pair", ["events", "=3", " =3", ""])
def test_what_is_no_pair_is_refused(pair: str) -> None:
    with pytest.raises(UsageError, match="is not KEY=VALUE"):
        parse_sets([pair])


def test_sets_of_the_environment_are_separated_by_commas() -> None:
    resolved = resolve(environment_layer({"REPLAY_HARNESS_SET": "events=500,late=0.1,"}))
    assert resolved.sets == {"events": "500", "late": "0.1"}


def test_sets_of_several_layers_are_joined_key_by_key() -> None:
    layers = [Layer("a", {"set": {"x": 1, "y": 1}}), Layer("b", {"set": {"y": 2}})]
    assert resolve(layers).sets == {"x": "1", "y": "2"}


def test_a_seed_of_zero_on_the_command_line_is_a_value() -> None:
    resolved = settle({"seed": 0, "keep": False, "out": None})
    assert resolved.run.seed == 0
    assert resolved.origins["seed"] == "command line"
    assert resolved.origins["keep"] == "default"


def test_the_command_line_lays_over_environment_and_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(tmp_path, "seed = 4\nset = {events = 700, late = 0.5}")
    monkeypatch.setenv("REPLAY_HARNESS_SET", "events=800")
    resolved = settle({}, ["damage=none"])
    assert resolved.run.seed == 4
    assert resolved.sets == {"events": "800", "late": "0.5", "damage": "none"}
