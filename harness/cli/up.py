"""``replay-harness up``: leave a world running."""

from __future__ import annotations

from harness.cli import options as opt


def up(
    profile: opt.Profile = None,
    driver: opt.Driver = None,
    seed: opt.Seed = None,
    set_: opt.Sets = None,
    out: opt.Out = None,
) -> None:
    """Build production in miniature, leave it running and print how to reach it."""
    from harness.report.worlds import start_world  # noqa: PLC0415 - keeps `--help` fast

    settings = opt.settle({"profile": profile, "driver": driver, "seed": seed, "out": out}, set_)
    start_world(settings)
