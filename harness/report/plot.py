"""Geometry of the lag plot: where its line, its ticks and their words go."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.report.journal import SampleInfo

WIDTH: Final = 640
HEIGHT: Final = 160
_TICKS: Final = 4


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: where (SVG units) and what it says."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class LagPlot:
    """The lag over time, in SVG units; the origin is the upper left corner of the plot's area.

    Attributes:
        pieces: points of one line each; between them the group had no position.
        x_ticks: seconds since the first step of the document.
        y_ticks: records.
        summary: the plot in words.
    """

    pieces: tuple[str, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    summary: str


def lag_plot(samples: Iterable[SampleInfo]) -> LagPlot | None:
    """Lay out the lag over time.

    Args:
        samples: looks at the replay, in order of time.

    Returns:
        None when there never was a lag.
    """
    taken = list(samples)
    lags = [(one.seconds, one.lag) for one in taken if one.lag is not None]
    if not lags:
        return None
    end = max(one.seconds for one in taken) or 1.0
    highest = max(lag for _, lag in lags)
    y_marks = _ticks(max(highest, 1), smallest=1.0)
    top = y_marks[-1]
    return LagPlot(
        pieces=tuple(_points(piece, end, top) for piece in _pieces(taken)),
        x_ticks=tuple(Tick(WIDTH * at / end, f"{at:g}") for at in _ticks(end) if at <= end),
        y_ticks=tuple(Tick(HEIGHT * (1 - at / top), f"{at:,.0f}") for at in y_marks),
        summary=f"{lags[0][1]:,} records at {lags[0][0]:.1f} s, {highest:,} at most, "
        f"{lags[-1][1]:,} at {lags[-1][0]:.1f} s",
    )


def _pieces(samples: list[SampleInfo]) -> list[list[tuple[float, int]]]:
    """Split the samples where the group had no position: no line joins what was not seen."""
    pieces: list[list[tuple[float, int]]] = [[]]
    for sample in samples:
        if sample.lag is not None:
            pieces[-1].append((sample.seconds, sample.lag))
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def _points(piece: list[tuple[float, int]], end: float, top: float) -> str:
    # A single look would be a line without length, which nobody sees.
    shown = piece if len(piece) > 1 else piece * 2
    return " ".join(f"{WIDTH * at / end:.1f},{HEIGHT * (1 - lag / top):.1f}" for at, lag in shown)


def _ticks(highest: float, smallest: float = 0.0) -> list[float]:
    """Return round numbers from 0 to ``highest`` or the next one above it, about five of them."""
    rough = highest / _TICKS
    unit = 10.0 ** math.floor(math.log10(rough))
    round_number = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    step = max(round_number, smallest)
    return [round(step * number, 9) for number in range(math.ceil(highest / step) + 1)]
