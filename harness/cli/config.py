"""``replay-harness config``: say what each setting is and where its value came from."""

from __future__ import annotations

from harness.cli import options as opt


def config(
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
) -> None:
    """List every setting, its value, where the value came from and what it means."""
    from harness.report.config import print_config  # noqa: PLC0415 - keeps `--help` fast

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
        },
        set_,
    )
    print_config(settings)
