"""Rules of microbars, on trades made for each rule; and against a plain state machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from harness.checks.oracle import Watermarks, expected_microbars, fold_windows

START = datetime(2026, 11, 23, 14, 30)  # noqa: DTZ001 - decoded instants are UTC without a zone
COLUMNS = ("seq", "second", "o", "h", "l", "c", "v", "count")


class Trade(NamedTuple):
    second: float
    price: float = 10.0
    size: int = 1
    symbol: str = "MU"
    partition: int = 0


def decoded(*trades: Trade) -> pl.DataFrame:
    """Trades as decoded, each in order of arrival in its partition."""
    rows = [
        {
            "partition": trade.partition,
            "offset": offset,
            "event_ts": START + timedelta(seconds=trade.second),
            "t": START + timedelta(seconds=trade.second),
            "symbol": trade.symbol,
            "p": trade.price,
            "s": trade.size,
        }
        for offset, trade in enumerate(trades)
    ]
    instants = {name: pl.Datetime("ns") for name in ("event_ts", "t")}
    types = {"partition": pl.Int32(), "p": pl.Float64(), "s": pl.Int64(), "symbol": pl.String()}
    return pl.DataFrame(rows, schema_overrides={**instants, **types}).sort("partition", "offset")


def bars(*trades: Trade, watermarks: Watermarks | None = None) -> list[tuple[object, ...]]:
    rows = expected_microbars(decoded(*trades), watermarks)
    start = pl.lit(START.replace(tzinfo=UTC))
    seconds = (pl.col("window_start") - start).dt.total_seconds().alias("second")
    return rows.sort("symbol", "seq").with_columns(seconds).select(COLUMNS).rows()


def test_trades_of_one_second_make_one_bar() -> None:
    rows = bars(Trade(0.1, 10, 1), Trade(0.5, 12, 2), Trade(0.7, 9, 3), Trade(0.9, 11, 4))
    assert rows == [(1, 0, 10.0, 12.0, 9.0, 11.0, 10.0, 4)]


def test_the_close_is_the_last_to_arrive_not_the_latest() -> None:
    assert bars(Trade(0.9, 12), Trade(0.1, 8))[0][2:6] == (12.0, 12.0, 8.0, 8.0)


def test_a_later_second_closes_the_bar() -> None:
    assert [row[:2] for row in bars(Trade(0.5), Trade(3.5))] == [(1, 0), (2, 3)]


def test_an_earlier_second_closes_the_bar_too_and_makes_a_second_row() -> None:
    rows = bars(Trade(1.1), Trade(0.9), Trade(1.2))
    assert [row[:2] for row in rows] == [(1, 1), (2, 0), (3, 1)]


def test_duplicates_count_twice() -> None:
    assert bars(Trade(0.5, 10, 7), Trade(0.5, 10, 7))[0][-2:] == (14.0, 2)


def test_each_symbol_counts_for_itself() -> None:
    rows = bars(Trade(0.1), Trade(0.2, symbol="AMD"), Trade(0.3), Trade(1.0, symbol="AMD"))
    assert [row[:2] + row[-1:] for row in rows] == [(1, 0, 1), (2, 1, 1), (1, 0, 2)]


def test_vwap_is_null_without_volume() -> None:
    rows = expected_microbars(decoded(Trade(0.1, 10, 0), Trade(1.1, 10, 2), Trade(1.2, 13, 1)))
    assert rows["vwap"].to_list() == [None, 11.0]


def test_rows_have_the_tables_constants() -> None:
    row = expected_microbars(decoded(Trade(59.9))).row(0, named=True)
    minute = START.replace(minute=31, tzinfo=UTC)
    assert row["event_ts"] == row["window_end"] == minute
    assert row["window_start"] == minute - timedelta(seconds=1)
    constants = ("is_final", "source", "window_size", "window_step", "version")
    assert tuple(row[name] for name in constants) == (1, "ta", "PT1S", "PT1S", 1)


def test_no_trades_make_no_rows() -> None:
    rows = expected_microbars(decoded(Trade(1)).clear())
    assert rows.height == 0
    assert {"seq", "vwap", "open", "ambiguous"} <= set(rows.columns)


def flags(watermarks: Watermarks, *trades: Trade) -> dict[tuple[str, int], tuple[bool, bool]]:
    rows = expected_microbars(decoded(*trades), watermarks)
    columns = rows.select("symbol", "seq", "open", "ambiguous")
    return {(symbol, seq): (open_, unsure) for symbol, seq, open_, unsure in columns.iter_rows()}


ONE, EACH, HELD = Watermarks(1, 3), Watermarks(3, 3), Watermarks(8, 3)


@pytest.mark.parametrize(("newest", "still_open"), [(3.0, True), (3.001, False), (9.0, False)])
def test_a_last_bucket_is_closed_by_a_watermark_that_passed(
    newest: float, *, still_open: bool
) -> None:
    """Window end 1 s, tolerated disorder 2 s, and a watermark is 1 ms behind."""
    found = flags(ONE, Trade(0.5), Trade(newest, symbol="AMD", partition=1))
    assert found["MU", 1] == (still_open, False)
    assert found["AMD", 1] == (True, False)


def test_with_more_subtasks_than_partitions_nothing_is_ever_closed_by_time() -> None:
    assert flags(HELD, Trade(0.5), Trade(60, symbol="AMD"))["MU", 1] == (True, False)


def test_with_a_subtask_for_each_partition_the_slowest_partition_decides() -> None:
    apart = [Trade(0.5), Trade(60, symbol="AMD", partition=1)]
    assert flags(EACH, *apart)["MU", 1] == (True, False)
    full = [*apart, Trade(30, symbol="NVDA", partition=2), Trade(20, symbol="CRWD", partition=0)]
    assert flags(EACH, *full)["MU", 1] == (False, False)
    assert flags(EACH, *full[:2], full[3])["MU", 1] == (True, False), "an empty partition holds"


def test_with_fewer_subtasks_than_partitions_it_may_be_either() -> None:
    apart = [Trade(0.5), Trade(60, symbol="AMD", partition=1)]
    assert flags(Watermarks(2, 3), *apart)["MU", 1] == (True, True)


def test_a_trade_far_behind_in_its_own_partition_may_find_its_bucket_split() -> None:
    ahead, late = Trade(10, symbol="AMD"), [Trade(0.1), Trade(0.2)]
    for watermarks in (ONE, EACH):
        assert flags(watermarks, ahead, *late, Trade(11))["MU", 1] == (False, True)
        assert flags(watermarks, ahead, late[0], Trade(11))["MU", 1] == (False, False)
    assert flags(HELD, ahead, *late, Trade(11))["MU", 1] == (False, False)


@pytest.mark.parametrize(("ahead", "unsure"), [(3.0, False), (3.001, True)])
def test_disorder_within_the_tolerance_splits_nothing(ahead: float, *, unsure: bool) -> None:
    found = flags(EACH, Trade(0.1), Trade(ahead, symbol="AMD"), Trade(0.2), Trade(5))
    assert found["MU", 1] == (False, unsure)


def test_a_partition_read_ahead_by_the_same_subtask_may_split_any_bucket() -> None:
    trades = [Trade(0.1), Trade(0.2), Trade(1), Trade(60, symbol="AMD", partition=1)]
    assert flags(ONE, *trades)["MU", 1] == (False, True)
    assert flags(EACH, *trades)["MU", 1] == (False, False)


def test_watermarks_per_partition_never_let_one_run_ahead_of_another() -> None:
    trades = [Trade(0.1), Trade(0.2), Trade(1), Trade(60, symbol="AMD", partition=1)]
    assert flags(Watermarks(1, 3, per_partition=True), *trades)["MU", 1] == (False, False)
    late = [Trade(10, symbol="AMD"), Trade(0.1), Trade(0.2), Trade(11)]
    assert flags(Watermarks(1, 3, per_partition=True), *late)["MU", 1] == (False, True)


def test_watermarks_per_partition_go_by_the_slowest() -> None:
    watermarks = Watermarks(1, 2, per_partition=True)
    near, far = Trade(3, symbol="AMD", partition=1), Trade(60, symbol="AMD", partition=1)
    ahead = Trade(5, symbol="NVDA")
    assert flags(watermarks, Trade(0.5), ahead, near)["MU", 1] == (True, False)
    assert flags(watermarks, Trade(0.5), ahead, far)["MU", 1] == (False, False)
    assert flags(watermarks, Trade(0.5), ahead)["MU", 1] == (True, True), "one is empty"


def test_a_symbol_in_two_partitions_has_no_known_order() -> None:
    assert flags(HELD, Trade(0.1), Trade(5, partition=1))["MU", 1] == (False, True)


def test_folding_undoes_a_split() -> None:
    whole = [Trade(0.1, 10, 1), Trade(0.2, 12, 2), Trade(0.3, 9, 3), Trade(0.4, 11, 4)]
    one = fold_windows(expected_microbars(decoded(*whole, Trade(1))))
    parts = expected_microbars(decoded(*whole[:2], Trade(1), *whole[2:]))
    folded = fold_windows(parts)
    assert folded["rows"].to_list() == [2, 1]
    assert folded.drop("rows").equals(one.drop("rows"))


def state_machine(trades: list[Trade]) -> list[tuple[object, ...]]:
    """The rule, one trade at a time."""
    open_buckets: dict[str, list[Trade]] = {}
    rows: dict[str, list[list[Trade]]] = {}
    for trade in trades:
        bucket = open_buckets.get(trade.symbol)
        if bucket is None or int(bucket[0].second) != int(trade.second):
            bucket = open_buckets[trade.symbol] = []
            rows.setdefault(trade.symbol, []).append(bucket)
        bucket.append(trade)
    return [
        (
            *(seq, int(bucket[0].second), bucket[0].price),
            *(max(t.price for t in bucket), min(t.price for t in bucket), bucket[-1].price),
            *(float(sum(t.size for t in bucket)), len(bucket)),
        )
        for symbol in sorted(rows)
        for seq, bucket in enumerate(rows[symbol], start=1)
    ]


@hypothesis_settings(deadline=None)
@given(
    st.lists(
        st.builds(
            Trade,
            second=st.integers(0, 400).map(lambda hundredths: hundredths / 100),
            price=st.integers(1, 500).map(lambda cents: cents / 100),
            size=st.integers(0, 9),
            symbol=st.sampled_from(["AMD", "MU"]),
            partition=st.just(0),
        ),
        min_size=1,
        max_size=60,
    )
)
def test_runs_are_what_the_state_machine_makes(trades: list[Trade]) -> None:
    assert bars(*trades) == state_machine(trades)
