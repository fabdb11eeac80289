from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from harness.core.errors import UsageError
from harness.replay.settings import Layer, resolve
from harness.replay.variants import interpret
from harness.report.config import all_settings, describe_settings, origin_of, print_config

if TYPE_CHECKING:
    from harness.replay.settings import Resolved

LAYERS = (
    Layer("/p/pyproject.toml [tool.replay-harness]", {"seed": 4, "set": {"events": 500}}),
    Layer("command line", {"set": {"upgradeMode": "last-state"}}),
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def described(resolved: Resolved, stream: io.StringIO) -> str:
    describe_settings(resolved, all_settings(resolved, interpret(resolved)), stream)
    return stream.getvalue()


def rows(*layers: Layer) -> dict[str, dict[str, Any]]:
    resolved = resolve([*LAYERS, Layer("x", {"format": "json"}), *layers])
    return {row["key"]: row for row in json.loads(described(resolved, io.StringIO()))}


def test_json_tells_value_origin_and_meaning_of_every_key() -> None:
    found = rows()
    assert found["seed"] == {
        "key": "seed",
        "value": 4,
        "origin": "/p/pyproject.toml [tool.replay-harness]",
        "description": "seed of the market data",
    }
    assert found["set.upgradeMode"]["value"] == "last-state"
    assert found["set.upgradeMode"]["origin"] == "command line"
    assert found["set.brokers"]["origin"] == "default"
    assert all(row["description"] for row in found.values())


def test_keys_are_those_that_can_be_set() -> None:
    for key, row in rows().items():
        name = key.removeprefix("set.")
        value = {name: row["value"]} if row["value"] is not None else {}
        content = {"set": value} if key.startswith("set.") else value
        interpret(resolve([Layer("again", content)]))


def test_a_pipe_gets_one_whole_line_for_each_key() -> None:
    lines = described(resolve(LAYERS), io.StringIO()).splitlines()
    assert "set.events\t500\t/p/pyproject.toml [tool.replay-harness]\t" in "\n".join(lines)
    assert all(line.count("\t") == 3 for line in lines)
    assert len(lines) == len(rows())


def test_a_terminal_gets_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = described(resolve(LAYERS), Terminal())
    assert "set.upgradeMode" in text
    assert "last-state" in text
    assert "\t" not in text


def test_origins_of_keys_as_they_are_written() -> None:
    resolved = resolve(LAYERS)
    assert origin_of(resolved, "events").endswith("[tool.replay-harness]")
    assert origin_of(resolved, "upgradeMode") == "command line"
    assert origin_of(resolved, "late") == "default"


def test_a_profile_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no profile 'X'"):
        print_config(resolve([Layer("here", {"profile": "X"})]))
