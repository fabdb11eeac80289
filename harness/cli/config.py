"""``replay-harness config``: say what each setting is and where its value came from."""

from __future__ import annotations

from harness.cli import options as opt


def config(set_: opt.Sets = None, format: opt.Format = None) -> None:
    """List every setting, its value and where the value came from."""
    from harness.report.session import print_config  # noqa: PLC0415 - keeps `--help` fast

    print_config(opt.settle({"format": format}, set_))
