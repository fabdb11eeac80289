"""Options that several commands share, and how they become settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from harness.replay.settings import Resolved

Runbook = Annotated[Path | None, typer.Option(help="The document to run.")]
Bindings = Annotated[
    Path | None,
    typer.Option(help="What the document's sentences mean."),
]
Profile = Annotated[str | None, typer.Option(help="Production on a date: S.")]
Route = Annotated[
    str | None,
    typer.Option(help="gitops or emergency: which variant of each step is followed."),
]
Driver = Annotated[str | None, typer.Option(help="How services run: local.")]
Seed = Annotated[int | None, typer.Option(help="Seed of the market data.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", help="KEY=VALUE, repeatable; `replay-harness config` lists the keys."),
]
Keep = Annotated[bool, typer.Option("--keep", help="Leave the world's data in place.")]
Format = Annotated[str | None, typer.Option(help="text or json.")]
Confirm = Annotated[
    str | None, typer.Option(help="The phrase that allows a scenario to delete things.")
]
Ticket = Annotated[
    str | None, typer.Option(help="Ticket or incident that a destructive scenario belongs to.")
]
Out = Annotated[Path | None, typer.Option(help="Directory of the run.")]


def settle(options: dict[str, Any], sets: list[str] | None = None) -> Resolved:
    """Join defaults, pyproject.toml, environment variables and options into settings.

    Args:
        options: options of the command line by setting; None and False mean "not given".
        sets: ``KEY=VALUE`` pairs.

    Raises:
        UsageError: for a key or value that does not exist or fit.
    """
    from harness.replay.settings import (  # noqa: PLC0415 - keeps `--help` fast
        Layer,
        environment_layer,
        file_layer,
        parse_sets,
        resolve,
    )

    # By identity: a seed of 0 equals False.
    given = {k: value for k, value in options.items() if value is not None and value is not False}
    if sets:
        given["set"] = parse_sets(sets)
    return resolve([*file_layer(Path.cwd()), *environment_layer(), Layer("command line", given)])
