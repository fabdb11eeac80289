"""The journal as one HTML page: no script, no other file, readable offline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jinja2
import orjson

if TYPE_CHECKING:
    from pathlib import Path

    from harness.report.journal import Journal, SampleInfo

WIDTH, HEIGHT = 640, 120


def write_html(journal: Journal, path: Path) -> None:
    """Write ``journal`` to ``path``."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("harness.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["pretty"] = _pretty
    page = environment.get_template("report.html.j2").render(
        journal=journal, lag=lag_points(journal.samples), width=WIDTH, height=HEIGHT
    )
    path.write_text(page, encoding="utf-8")


def _pretty(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict | list):
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    return "none" if value is None else str(value)


def lag_points(samples: list[SampleInfo]) -> str:
    """Return the lag over time as the points of an SVG polyline; empty when there is no lag."""
    lags = [(sample.seconds, sample.lag) for sample in samples if sample.lag is not None]
    if not lags:
        return ""
    start, end = lags[0][0], lags[-1][0]
    highest = max(lag for _, lag in lags) or 1
    return " ".join(
        f"{WIDTH * (at - start) / ((end - start) or 1):.1f},{HEIGHT * (1 - lag / highest):.1f}"
        for at, lag in lags
    )
