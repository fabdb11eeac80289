"""``replay-harness rehearse``: run scenarios of the document and judge the data."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli import options as opt


def rehearse(
    scenario: Annotated[list[str], typer.Argument(help="Scenarios of the document, e.g. mode1.")],
    runbook: opt.Runbook = None,
    bindings: opt.Bindings = None,
    profile: opt.Profile = None,
    route: opt.Route = None,
    driver: opt.Driver = None,
    seed: opt.Seed = None,
    set_: opt.Sets = None,
    keep: opt.Keep = False,
    format: opt.Format = None,
    out: opt.Out = None,
    confirm: opt.Confirm = None,
    ticket: opt.Ticket = None,
) -> None:
    """Build production in miniature, do what the document says, judge what became of the data."""
    from harness.report.commands import rehearse_all  # noqa: PLC0415 - keeps `--help` fast

    settings = opt.settle(
        {
            "runbook": runbook,
            "bindings": bindings,
            "profile": profile,
            "route": route,
            "driver": driver,
            "seed": seed,
            "keep": keep,
            "format": format,
            "out": out,
            "confirm": confirm,
            "ticket": ticket,
        },
        set_,
    )
    raise typer.Exit(rehearse_all(scenario, settings))
