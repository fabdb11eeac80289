"""What every setting is, where its value came from, and what it means."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TextIO

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.replay.settings import RunSettings
from harness.replay.variants import Variants, interpret
from harness.world.profiles.profile import load_profile
from harness.world.profiles.settings import ProfileSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from harness.replay.settings import Resolved


def all_settings(resolved: Resolved, chosen: tuple[ProfileSettings, Variants]) -> dict[str, Any]:
    """Return every setting with its value, by key as it is written."""
    run = {key.replace("_", "-"): value for key, value in resolved.run.model_dump().items()}
    of_profile, own = (model.model_dump(by_alias=True) for model in chosen)
    return run | of_profile | own


def origin_of(resolved: Resolved, key: str) -> str:
    """Return where the value of a setting came from.

    Args:
        resolved: settings with their origins.
        key: as it is written: with dashes, or in camelCase for a key of ``--set``.
    """
    name = key.replace("-", "_")
    return resolved.origins.get(f"set.{key}", resolved.origins.get(name, "default"))


def print_config(resolved: Resolved) -> None:
    """Print every setting, its value and where the value came from.

    Raises:
        UsageError: for a profile, key or value that does not exist or fit.
    """
    load_profile(resolved.run.profile)
    describe_settings(resolved, all_settings(resolved, interpret(resolved)), sys.stdout)


def describe_settings(resolved: Resolved, values: Mapping[str, Any], stream: TextIO) -> None:
    """Write a table of settings, or a JSON array when the format is ``json``.

    Args:
        resolved: settings with their origins.
        values: value by key, as ``all_settings`` gives them.
        stream: where to write to.
    """
    meanings = _meanings(RunSettings) | ProfileSettings.keys() | Variants.keys()
    rows = [
        {
            "key": key if _is_run_setting(key) else f"set.{key}",
            "value": value,
            "origin": origin_of(resolved, key),
            "description": meanings[key],
        }
        for key, value in values.items()
    ]
    if resolved.run.format == "json":
        stream.write(orjson.dumps(rows, default=str, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        _write_table(rows, stream)


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    return {
        name.replace("_", "-"): str(field.description) for name, field in model.model_fields.items()
    }


def _is_run_setting(key: str) -> bool:
    return key.replace("-", "_") in RunSettings.model_fields


def _write_table(rows: list[dict[str, Any]], stream: TextIO) -> None:
    table = Table("key", "value", "origin", "description", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for row in rows:
        given = row["origin"] != "default"
        value = "" if row["value"] is None else str(row["value"])
        table.add_row(
            row["key"],
            Text(value, "bold" if given else "", overflow="fold"),
            Text(row["origin"], "" if given else "dim", overflow="fold"),
            Text(row["description"]),
        )
    terminal = Console(file=stream)
    if not terminal.is_terminal:  # a pipe has no width: whole lines, for grep and cut
        for row in rows:
            value = "" if row["value"] is None else row["value"]
            stream.write(f"{row['key']}\t{value}\t{row['origin']}\t{row['description']}\n")
        return
    terminal.print(table)
