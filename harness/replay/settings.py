"""Settings of a run: one set of keys, four places they may come from, and where each did."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

ENVIRONMENT_PREFIX: Final = "REPLAY_HARNESS_"
TABLE: Final = "replay-harness"
_PATHS: Final = frozenset({"runbook", "bindings", "out", "recorded"})
"""Settings, of the run and of ``--set``, that are paths."""

ModelT = TypeVar("ModelT", bound=BaseModel)


class RunSettings(BaseModel):
    """What every command that builds a world takes."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    runbook: Path | None = Field(None, description="the document; default: the project's edition")
    bindings: Path | None = Field(None, description="what the document's sentences mean")
    profile: str = Field("S", description="what production looked like on a date: S or H")
    route: Literal["gitops", "emergency"] = Field(
        "gitops", description="follow the GitOps-first or the emergency variant of each step"
    )
    driver: Literal["local"] = Field("local", description="how services are run")
    seed: int = Field(1, ge=0, description="seed of the market data")
    keep: bool = Field(default=False, description="leave the world's data directory in place")
    format: Literal["text", "json"] = Field("text", description="what is printed at the end")
    confirm: str | None = Field(
        default=None, description="the phrase that allows a scenario to delete things"
    )
    ticket: str | None = Field(
        default=None, description="ticket or incident that a destructive scenario is recorded in"
    )
    out: Path | None = Field(None, description="directory of the run; default: runs/RUN")


@dataclass(frozen=True, slots=True)
class Layer:
    """Values from one place.

    Attributes:
        origin: where they come from, for a person.
        values: by key, with dashes.
        base: directory that relative paths start from; None: the current directory.
    """

    origin: str
    values: Mapping[str, Any]
    base: Path | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """Settings with the origin of each.

    Attributes:
        run: settings of the run.
        sets: values of ``--set``, not yet interpreted.
        origins: origin by key; ``set.KEY`` for values of ``--set``.
    """

    run: RunSettings
    sets: Mapping[str, str]
    origins: Mapping[str, str]


def parse_sets(pairs: Iterable[str]) -> dict[str, str]:
    """Split ``KEY=VALUE`` pairs.

    Raises:
        UsageError: when a pair has no ``=`` or no key.
    """
    values = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key.strip():
            raise UsageError(f"--set {pair!r} is not KEY=VALUE", hint="e.g. --set events=20000")
        values[key.strip()] = value.strip()
    return values


def environment_layer(environment: Mapping[str, str] = os.environ) -> list[Layer]:
    """Read ``REPLAY_HARNESS_*`` variables, one layer each so that each has its own origin."""
    return [
        Layer(f"environment variable {name}", {_key(name): _value(_key(name), value)})
        for name, value in sorted(environment.items())
        if name.startswith(ENVIRONMENT_PREFIX)
    ]


def _key(name: str) -> str:
    return name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("_", "-")


def _value(key: str, value: str) -> object:
    return parse_sets(part for part in value.split(",") if part) if key == "set" else value


def file_layer(directory: Path) -> list[Layer]:
    """Read ``[tool.replay-harness]`` of the nearest pyproject.toml at or above ``directory``.

    Raises:
        UsageError: when the file is not TOML or the table is not a table.
    """
    for folder in (directory, *directory.parents):
        path = folder / "pyproject.toml"
        if path.is_file():
            return _read_table(path)
    return []


def _read_table(path: Path) -> list[Layer]:
    try:
        tools = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"not readable as TOML: {error}", where=str(path)) from error
    table = tools.get(TABLE, {}) if isinstance(tools, dict) else tools
    if not isinstance(table, dict):
        raise UsageError(f"[tool.{TABLE}] is not a table", where=str(path))
    return [Layer(f"{path} [tool.{TABLE}]", table, path.parent)] if table else []


def resolve(layers: Iterable[Layer]) -> Resolved:
    """Lay the layers over the defaults, the last one on top.

    Raises:
        UsageError: for a key that does not exist (with near matches) or a value that does not fit.
    """
    values: dict[str, Any] = {}
    sets: dict[str, str] = {}
    origins = dict.fromkeys(RunSettings.model_fields, "default")
    for layer in layers:
        for key, value in layer.values.items():
            check_key(key, [*RunSettings.model_fields, "set"], layer.origin)
            if key == "set":
                sets.update(_pairs(value, layer))
                origins.update({f"set.{k}": layer.origin for k in value})
            else:
                name = key.replace("-", "_")
                values[name] = _placed(name, value, layer)
                origins[name] = layer.origin
    return Resolved(validated(RunSettings, values, origins), sets, origins)


def _pairs(value: object, layer: Layer) -> dict[str, str]:
    """Return the texts of a layer's ``set`` table, as the command line would give them.

    Raises:
        UsageError: when it is no table, or a value of it is one or is a list.
    """
    if not isinstance(value, Mapping):
        raise UsageError(
            f"set={value!r} is not a table", where=layer.origin, hint="e.g. set = {events = 20000}"
        )
    for key, item in value.items():
        if not isinstance(item, str | int | float):
            raise UsageError(f"set.{key}={item!r} is not a single value", where=layer.origin)
    return {key: str(_placed(key, item, layer)) for key, item in value.items()}


def _placed(name: str, value: Any, layer: Layer) -> Any:  # noqa: ANN401 - as written
    """Let a relative path start from the directory of the file that it is written in."""
    if name in _PATHS and layer.base is not None and isinstance(value, str):
        return str(layer.base / Path(value).expanduser())
    return value


def check_key(key: str, known: Iterable[str], origin: str) -> None:
    """Refuse a key that does not exist.

    Raises:
        UsageError: naming near matches and all keys.
    """
    names = {_flat(name): name.replace("_", "-") for name in known}
    if key in names.values() or key.replace("_", "-") in names.values():
        return
    near = difflib.get_close_matches(_flat(key), names, n=2)
    guess = f"did you mean {' or '.join(names[one] for one in near)}? " if near else ""
    raise UsageError(
        f"there is no setting {key!r}",
        where=origin,
        hint=f"{guess}known: {', '.join(names.values())}",
    )


def _flat(key: str) -> str:
    """Return a key without what people mix up: case, dashes, underscores."""
    return key.lower().replace("_", "").replace("-", "")


def validated(
    model: type[ModelT], values: Mapping[str, Any], origins: Mapping[str, str], prefix: str = ""
) -> ModelT:
    """Make a model of the values.

    Raises:
        UsageError: naming the first value that does not fit and where it comes from.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"{prefix}{key}={first['input']!r} does not fit: {first['msg']}",
            where=origins.get(f"{prefix}{key}", origins.get(key)),
        ) from error
