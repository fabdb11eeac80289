from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.journal import SampleInfo
from harness.report.plot import HEIGHT, WIDTH, lag_plot

if TYPE_CHECKING:
    from harness.report.plot import LagPlot


def plot(*lags: int | None, interval: float = 1.0) -> LagPlot | None:
    return lag_plot(
        SampleInfo(seconds=number * interval, job_state=None, lag=lag)
        for number, lag in enumerate(lags)
    )


def points(piece: str) -> list[tuple[float, float]]:
    pairs = (pair.split(",") for pair in piece.split())
    return [(float(x), float(y)) for x, y in pairs]


def test_there_is_no_plot_without_a_lag() -> None:
    assert plot() is None
    assert plot(None, None) is None


def test_a_falling_lag_goes_from_the_upper_left_to_the_lower_right() -> None:
    shown = plot(1000, 500, 0)
    assert shown is not None
    assert [points(p) for p in shown.pieces] == [
        [(0, 0), (WIDTH / 2, HEIGHT / 2), (WIDTH, HEIGHT)],
    ]


def test_axes_name_round_numbers_that_hold_the_highest_lag() -> None:
    shown = plot(99_820, 0, interval=30)
    assert shown is not None
    assert [tick.label for tick in shown.y_ticks] == ["0", "50,000", "100,000"]
    assert [tick.label for tick in shown.x_ticks] == ["0", "10", "20", "30"]


def test_no_line_joins_what_was_not_seen() -> None:
    shown = plot(None, 9, 8, None, None, 3, 2)
    assert shown is not None
    assert [len(points(piece)) for piece in shown.pieces] == [2, 2]


def test_a_single_look_is_visible() -> None:
    shown = plot(7)
    assert shown is not None
    assert len(points(shown.pieces[0])) == 2


def test_a_lag_of_zero_throughout_lies_on_the_axis() -> None:
    shown = plot(0, 0)
    assert shown is not None
    assert {y for _, y in points(shown.pieces[0])} == {HEIGHT}


def test_the_summary_names_first_highest_and_last() -> None:
    shown = plot(None, 5, 2000, 1)
    assert shown is not None
    assert shown.summary == "5 records at 1.0 s, 2,000 at most, 1 at 3.0 s"


lags = st.lists(st.none() | st.integers(0, 10**9), min_size=1, max_size=30)


@given(lags, st.floats(0.001, 1000))
def test_everything_stays_within_the_picture(values: list[int | None], interval: float) -> None:
    shown = plot(*values, interval=interval)
    if all(value is None for value in values):
        assert shown is None
        return
    assert shown is not None
    for x, y in (point for piece in shown.pieces for point in points(piece)):
        assert 0 <= x <= WIDTH + 0.1
        assert 0 <= y <= HEIGHT
    assert all(0 <= tick.at <= WIDTH + 0.1 for tick in shown.x_ticks)
    assert all(0 <= tick.at <= HEIGHT for tick in shown.y_ticks)
    assert 2 <= len(shown.y_ticks) <= 6


@pytest.mark.parametrize("highest", [1, 2, 3, 7, 10, 99, 100, 101, 12_345])
def test_tick_labels_are_distinct(highest: int) -> None:
    shown = plot(highest, 0)
    assert shown is not None
    labels = [tick.label for tick in shown.y_ticks]
    assert len(set(labels)) == len(labels)
