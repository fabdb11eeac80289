"""Recorded files that a user brings."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import DocumentError, UsageError
from harness.world.market.recording import Recording
from harness.world.market.records import RECORD_SCHEMA, Record, batches_of
from harness.world.market.shift import event_time_ns, instant_ns, shifted

TAPE = Path(__file__).parents[1] / "data/golden/disorder/tape.jsonl.gz"
SECOND = 10**9


def line(**changes: Any) -> bytes:
    value = orjson.dumps({"eventTs": "2026-11-23T14:30:00.25Z"}).decode()
    return orjson.dumps({"role": "trades", "key": "MU", "value": value, **changes})


def recording(directory: Path, *lines: bytes, **options: Any) -> Recording:
    path = directory / "tape.jsonl"
    path.write_bytes(b"\n".join(lines))
    return Recording(path, **options)


def rows(of: Recording) -> pl.DataFrame:
    return pl.concat([pl.DataFrame(schema=RECORD_SCHEMA), *of.batches()])


def test_a_tape_is_read_in_order_with_event_times() -> None:
    read = rows(Recording(TAPE))
    with gzip.open(TAPE) as file:
        values = [orjson.loads(text)["value"] for text in file]
    assert read["value"].to_list() == values
    assert read.schema == RECORD_SCHEMA
    assert read["event_ns"].null_count() == 9
    assert read["event_ns"][0] == instant_ns("2026-11-23T14:30:00.390543Z")


def test_batches_have_the_size_asked_for(tmp_path: Path) -> None:
    batches = recording(tmp_path, *[line()] * 7).batches(3)
    assert [batch.height for batch in batches] == [3, 3, 1]


def test_one_phase_can_be_read_alone() -> None:
    read = rows(Recording(TAPE, phase=3))
    assert read["role"].unique().to_list() == ["bars1m"]
    assert read.height == 77


def test_parquet_gives_the_same_as_json_lines(tmp_path: Path) -> None:
    expected = rows(Recording(TAPE))
    path = tmp_path / "tape.parquet"
    expected.drop("event_ns").write_parquet(path)
    assert rows(Recording(path)).equals(expected)


def test_timestamps_foreign_symbols_and_blank_lines_are_fine(tmp_path: Path) -> None:
    read = rows(recording(tmp_path, line(key="FAKEPACA", timestamp=17), b"", line(extra=1)))
    assert read["key"].to_list() == ["FAKEPACA", "MU"]
    assert read["timestamp"].to_list() == [17, None]


BROKEN = [
    (b"{", "not JSON"),
    (b"[1]", "not a JSON object"),
    (line(role="bars5m"), "unknown role 'bars5m'; roles are trades, quotes, bars1m"),
    (line(role=["trades"]), "role is not text"),
    (line(key=None), "key is missing"),
    (line(value={"eventTs": 1}), "value is not text"),
    (line(timestamp="now"), "timestamp is 'now'"),
    (line(timestamp=True), "timestamp is True"),
]


@pytest.mark.parametrize(("broken", "reason"), BROKEN)
def test_a_broken_line_fails_before_anything_is_given(
    tmp_path: Path, broken: bytes, reason: str
) -> None:
    source = recording(tmp_path, line(), broken, line(), broken)
    with pytest.raises(DocumentError) as error:
        next(source.batches(1))
    assert error.value.where == f"{tmp_path}/tape.jsonl:2"
    assert error.value.what.startswith("2 broken line(s): line 2: ")
    assert reason in error.value.what
    assert "repair" in str(error.value.hint)


def test_broken_lines_can_be_skipped_and_are_reported(tmp_path: Path) -> None:
    source = recording(tmp_path, line(), *(text for text, _ in BROKEN), skip_broken=True)
    assert rows(source).height == 1
    assert source.broken_count == len(BROKEN)
    assert [number for number, _ in source.broken] == list(range(2, 2 + len(BROKEN)))


def test_only_the_first_broken_lines_are_remembered(tmp_path: Path) -> None:
    source = recording(tmp_path, *[b"{"] * 250, skip_broken=True)
    assert rows(source).height == 0
    assert (source.broken_count, len(source.broken)) == (250, 100)


@pytest.mark.parametrize("name", ["no.jsonl", "directory"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "directory").mkdir()
    with pytest.raises(UsageError, match=f"{name}: no such recorded file"):
        Recording(tmp_path / name)


def test_an_unknown_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tape.csv").touch()
    with pytest.raises(UsageError, match=r"give \.jsonl"):
        Recording(tmp_path / "tape.csv")


@pytest.mark.parametrize("keep", [10, 1000, -4])
def test_a_damaged_gzip_file_is_an_error_with_its_place(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "tape.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n".join([line(key=str(i)) for i in range(2000)]))[:keep])
    with pytest.raises(DocumentError, match=r"tape\.jsonl\.gz:\d+: the compressed file is damaged"):
        next(Recording(path).batches())


def test_plain_text_named_gz_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl.gz"
    path.write_bytes(line())
    with pytest.raises(DocumentError, match="damaged"):
        next(Recording(path).batches())


def test_parquet_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "tape.parquet"
    path.write_bytes(b"PAR0")
    with pytest.raises(DocumentError, match="not a readable Parquet file"):
        next(Recording(path).batches())
    pl.DataFrame({"role": ["trades"], "value": ["{}"]}).write_parquet(path)
    with pytest.raises(DocumentError, match="no column key"):
        next(Recording(path).batches())


def test_a_recording_can_be_moved_so_that_it_ends_at_an_instant() -> None:
    end = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
    before, after = rows(Recording(TAPE)), rows(Recording(TAPE, shift_to=end))
    moved = (after["event_ns"] - before["event_ns"]).drop_nulls().unique()
    assert moved.len() == 1
    assert moved[0] % SECOND == 0
    last = after["event_ns"].max()
    assert 0 <= int(end.timestamp()) * SECOND - last < SECOND  # type: ignore[operator]
    for old, new in zip(before["value"][:500], after["value"][:500], strict=True):
        assert times(new) == [time + moved[0] for time in times(old)]


def times(value: str) -> list[int]:
    envelope = orjson.loads(value)
    texts = (envelope["ingestTs"], envelope["eventTs"], envelope["payload"]["t"])
    return [instant_ns(text) or 0 for text in texts]


def test_shifting_to_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(UsageError, match="has no time zone"):
        Recording(TAPE, shift_to=datetime(2026, 12, 1))  # noqa: DTZ001


@pytest.mark.parametrize("value", ["not json", "{", "[]", "7", '{"payload":3,"eventTs":"soon"}'])
def test_what_cannot_be_decoded_is_moved_by_its_timestamp_only(value: str) -> None:
    record = shifted(Record("trades", "MU", value, timestamp=1000), 5)
    assert record.timestamp == 6000
    assert record.value == value
    assert event_time_ns(value) is None


@given(
    instant=st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)).map(  # noqa: DTZ001
        lambda moment: moment.replace(microsecond=0)
    ),
    digits=st.text("0123456789", max_size=9),
    seconds=st.integers(-(10**7), 10**8),
)
def test_shifting_moves_any_instant_exactly(instant: datetime, digits: str, seconds: int) -> None:
    text = instant.strftime("%Y-%m-%dT%H:%M:%S") + (f".{digits}" if digits else "") + "Z"
    value = orjson.dumps({"eventTs": text, "payload": {"t": text, "p": 1.5}}).decode()
    before = event_time_ns(value)
    assert before is not None
    moved = shifted(Record("trades", "MU", value, None, before), seconds)
    after = before + seconds * SECOND
    assert moved.event_ns == event_time_ns(moved.value) == after
    assert instant_ns(orjson.loads(moved.value)["payload"]["t"]) == after
    assert shifted(moved, -seconds).value == value


@pytest.mark.parametrize(
    "text", ["2026-11-23T14:30:00", "2026-13-23T14:30:00Z", "soon", "", None, 5]
)
def test_what_is_no_instant_is_none(text: object) -> None:
    assert instant_ns(text) is None


def test_loose_records_become_batches() -> None:
    records = [Record("trades", "MU", str(number)) for number in range(5)]
    batches = list(batches_of(records, 2))
    assert [batch.height for batch in batches] == [2, 2, 1]
    assert pl.concat(batches)["value"].to_list() == list("01234")
