"""``replay-harness down``: end a world that ``up`` left running."""

from __future__ import annotations

from typing import Annotated

import typer


def down(
    world: Annotated[str | None, typer.Argument(help="Identifier; none if only one runs.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="End all worlds, remove leftovers.")] = False,
) -> None:
    """End a world and remove what it left."""
    from harness.report.worlds import end_worlds  # noqa: PLC0415 - keeps `--help` fast

    end_worlds(world, everything=all_)
