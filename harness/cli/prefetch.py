"""``replay-harness prefetch``: fetch and prepare everything, so that later runs work offline."""

from __future__ import annotations


def prefetch() -> None:
    """Fetch all artifacts and warm the JVM caches; afterwards no network is needed."""
    from harness.report.prefetch import fetch_everything  # noqa: PLC0415 - keeps `--help` fast

    fetch_everything()
