"""The journal as one HTML page: no script, no other file, readable offline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import jinja2
import orjson

from harness.report.plot import HEIGHT, WIDTH, lag_plot

if TYPE_CHECKING:
    from pathlib import Path

    from harness.report.journal import Journal


def write_html(journal: Journal, path: Path) -> None:
    """Write ``journal`` to ``path``."""
    path.write_text(html_page(journal), encoding="utf-8", errors="replace")


def html_page(journal: Journal) -> str:
    """Return the page; everything that comes from the journal is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("harness.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(pretty=_pretty, link=quote, size=_size)
    return environment.get_template("report.html.j2").render(
        journal=journal, plot=lag_plot(journal.samples), width=WIDTH, height=HEIGHT
    )


def _pretty(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict | list):
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    return "none" if value is None else str(value)


def _size(number: int) -> str:
    return f"{number / 1e9:.2f} GB"
