from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from harness.checks.evidence import Tables
from harness.checks.outputs import outputs_complete, outputs_unique
from harness.core.verdicts import Verdict

if TYPE_CHECKING:
    from harness.checks.evidence import Evidence

START = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)


def bar(second: int, seq: int, symbol: str = "NVDA", **changes: Any) -> dict[str, Any]:
    row = {
        "symbol": symbol,
        "event_ts": START + timedelta(seconds=second),
        "seq": seq,
        "source": "ta",
        "o": 100.0,
        "h": 101.0,
        "l": 99.0,
        "c": 100.5,
        "v": 30.0,
        "vwap": 100.25,
        "count": 3,
    }
    return {**row, **changes}


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    schema = list(bar(0, 0))
    return pl.DataFrame(rows, schema_overrides={"event_ts": pl.Datetime("ms", "UTC")}).select(
        [*schema, *[name for name in ("open", "ambiguous") if rows and name in rows[0]]]
    )


def expected(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return frame([{**row, "open": False, "ambiguous": False} for row in rows])


BARS = [bar(second, second) for second in range(1, 6)]  # the last one is optional


def tables(
    rows: list[dict[str, Any]],
    raw: list[dict[str, Any]] | None = None,
    wanted: pl.DataFrame | None = None,
) -> Tables:
    wanted = expected(BARS) if wanted is None else wanted
    final, all_rows = frame(rows), frame(rows if raw is None else raw)
    signals = wanted.select("symbol", "event_ts", "seq", "source", "ambiguous")
    return Tables(all_rows, final, all_rows, final, wanted, signals, {"ta_microbars": len(rows)})


def judged(evidence: Evidence, found: Tables) -> tuple[Verdict, Verdict]:
    evidence = replace(evidence, tables=found)
    return outputs_complete(evidence).verdict, outputs_unique(evidence).verdict


def test_exactly_the_expected_rows_pass_both(evidence: Evidence) -> None:
    assert judged(evidence, tables(BARS)) == (Verdict.PASS, Verdict.PASS)


def test_the_last_bucket_of_a_symbol_may_be_missing(evidence: Evidence) -> None:
    assert judged(evidence, tables(BARS[:-1])) == (Verdict.PASS, Verdict.PASS)


def test_a_missing_row_fails_and_is_named(evidence: Evidence) -> None:
    result = outputs_complete(replace(evidence, tables=tables(BARS[1:])))
    assert result.verdict is Verdict.FAIL
    assert "1 of 4 bars and 1 of 4 signals" in result.reason
    assert result.got["first missing bars"][0]["seq"] == "1"


def test_a_row_with_other_content_does_not_count(evidence: Evidence) -> None:
    for change in ({"c": 100.4}, {"count": 2}, {"v": 31.0}, {"vwap": 100.26}, {"vwap": None}):
        rows = [{**BARS[0], **change}, *BARS[1:]]
        result = outputs_complete(replace(evidence, tables=tables(rows)))
        assert result.verdict is Verdict.FAIL, change


def test_a_null_vwap_equals_a_null_vwap(evidence: Evidence) -> None:
    rows = [{**BARS[0], "vwap": None}, *BARS[1:]]
    found = tables(rows, wanted=expected(rows))
    assert judged(evidence, found) == (Verdict.PASS, Verdict.PASS)


def test_another_seq_alone_is_still_complete(evidence: Evidence) -> None:
    rows = [{**row, "seq": row["seq"] + 100} for row in BARS]
    assert judged(evidence, tables(rows)) == (Verdict.PASS, Verdict.PASS)


def test_rows_that_differ_only_in_seq_are_duplicates_for_ever(evidence: Evidence) -> None:
    rows = [*BARS, {**BARS[1], "seq": 77}]
    result = outputs_unique(replace(evidence, tables=tables(rows)))
    assert result.verdict is Verdict.FAIL
    assert result.got["duplicates under FINAL"] == {"ta_microbars": 1, "ta_signals": 1}
    assert "seq 2, 77" in result.got["windows that differ only in seq"]["ta_microbars"][0]


def test_raw_duplicates_are_counted_but_harmless(evidence: Evidence) -> None:
    result = outputs_unique(replace(evidence, tables=tables(BARS, raw=[*BARS, *BARS])))
    assert result.verdict is Verdict.PASS
    assert result.got["duplicates raw"] == {"ta_microbars": 5, "ta_signals": 5}


def test_two_rows_for_a_window_are_right_when_the_inputs_give_two(evidence: Evidence) -> None:
    late = bar(2, 4, c=99.5)
    rows = [*BARS[:3], late, bar(6, 5), bar(7, 6)]
    assert judged(evidence, tables(rows, wanted=expected(rows))) == (Verdict.PASS, Verdict.PASS)


def test_a_window_that_a_timer_may_split_is_left_alone(evidence: Evidence) -> None:
    wanted = expected(BARS).with_columns(ambiguous=pl.col("seq") == 2)
    split = [BARS[0], bar(2, 2, count=1), bar(2, 3, count=2), *BARS[2:]]
    assert judged(evidence, tables(split, wanted=wanted)) == (Verdict.PASS, Verdict.PASS)


def test_rows_that_nothing_explains_are_surplus(evidence: Evidence) -> None:
    result = outputs_unique(replace(evidence, tables=tables([*BARS, bar(50, 50)])))
    assert result.verdict is Verdict.FAIL


def test_unread_or_empty_tables_are_unknown(evidence: Evidence) -> None:
    assert outputs_complete(evidence).verdict is Verdict.UNKNOWN
    assert outputs_unique(evidence).verdict is Verdict.UNKNOWN
    empty = replace(
        tables(BARS),
        microbars=frame(BARS).clear(),
        microbars_final=frame(BARS).clear(),
        signals=frame(BARS).clear(),
        signals_final=frame(BARS).clear(),
    )
    assert judged(evidence, empty) == (Verdict.FAIL, Verdict.UNKNOWN)


def test_no_expectation_is_unknown(evidence: Evidence) -> None:
    nothing = tables(BARS, wanted=expected(BARS).clear())
    assert outputs_complete(replace(evidence, tables=nothing)).verdict is Verdict.UNKNOWN
