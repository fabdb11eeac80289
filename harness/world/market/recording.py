"""Recorded market data that a user brings: JSON lines (plain or gzip) or Parquet.

A JSON line or a Parquet row has ``role``, ``key`` and ``value`` (the record as text), and may have
``timestamp`` (ms since the epoch) and ``phase``; further columns are ignored.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
import polars as pl
from polars.exceptions import PolarsError

from harness.core.errors import DocumentError, UsageError
from harness.world.market.records import RECORD_SCHEMA, ROLES, Record
from harness.world.market.shift import SECOND, event_time_ns, shifted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

_SHOWN: Final = 5
_REMEMBERED: Final = 100
_BATCH: Final = 20_000
_LAYOUT: Final = (
    'a line is {"role": "trades|quotes|bars1m", "key": SYMBOL, "value": RECORD AS TEXT, '
    '"timestamp": MS (optional)}'
)
_Row = tuple[int, Any]


class BrokenLine(NamedTuple):
    """A line that is not a record.

    Attributes:
        line: its number, counted from 1 (for Parquet: the row's).
        reason: what is wrong with it.
    """

    line: int
    reason: str


class _BrokenError(ValueError):
    """A line that is not a record; the text says why."""


@dataclass(slots=True)
class Recording:
    """A recorded file.

    Attributes:
        path: the file; ``.jsonl``, ``.jsonl.gz`` or ``.parquet``.
        skip_broken: leave broken lines out instead of failing.
        shift_to: instant (aware) at which the recording shall end; all event times move by one
            constant of whole seconds, so windows stay as they were. None: as recorded.
        phase: only records of this phase; None: all.
        broken: the first 100 broken lines of the last reading.
        broken_count: number of broken lines of the last reading.
    """

    path: Path
    skip_broken: bool = False
    shift_to: datetime | None = None
    phase: int | None = None
    broken: list[BrokenLine] = field(default_factory=list)
    broken_count: int = 0

    def __post_init__(self) -> None:
        """Refuse a file that is not there or has an unknown suffix.

        Raises:
            UsageError: with what would do.
        """
        self.path = Path(self.path)
        if not self.path.is_file():
            raise UsageError("no such recorded file", where=str(self.path))
        if not self.path.name.endswith((".jsonl", ".jsonl.gz", ".parquet")):
            raise UsageError(
                "unknown kind of recorded file",
                where=str(self.path),
                hint="give .jsonl, .jsonl.gz or .parquet",
            )
        if self.shift_to is not None and self.shift_to.tzinfo is None:
            raise UsageError(f"shift_to={self.shift_to} has no time zone", hint="e.g. end it in Z")

    def batches(self, size: int = _BATCH) -> Iterator[pl.DataFrame]:
        """Read the file in batches of the layout of ``RECORD_SCHEMA``; memory stays bounded.

        Raises:
            DocumentError: with file and line of the first broken lines and how many there are,
                before any batch is given; not with ``skip_broken``.
        """
        last = self._survey()
        move = 0
        if self.shift_to is not None and last is not None:
            wanted = int(self.shift_to.timestamp()) * SECOND
            move = (wanted - last) // SECOND
        self._forget()
        records = (shifted(record, move) if move else record for record in self._records())
        while chunk := list(islice(records, size)):
            yield pl.DataFrame(chunk, schema=RECORD_SCHEMA, orient="row")

    def _survey(self) -> int | None:
        """Read once: fail on broken lines; return the latest event time."""
        self._forget()
        # Only a shift needs event times here; reading them twice would halve the speed.
        records = self._records(event_times=self.shift_to is not None)
        events = (record.event_ns for record in records if record.event_ns is not None)
        last = max(events, default=None)
        if self.broken and not self.skip_broken:
            lines = "; ".join(f"line {line}: {why}" for line, why in self.broken[:_SHOWN])
            raise DocumentError(
                f"{self.broken_count} broken line(s): {lines}",
                where=f"{self.path}:{self.broken[0].line}",
                hint=f"{_LAYOUT}; repair them, or skip broken lines",
            )
        return last

    def _records(self, *, event_times: bool = True) -> Iterator[Record]:
        for number, row in self._rows():
            try:
                phase, record = _record(row)
            except _BrokenError as error:
                self._note(BrokenLine(number, str(error)))
                continue
            if self.phase in (None, phase):
                event = event_time_ns(record.value) if event_times else None
                yield record._replace(event_ns=event) if event is not None else record

    def _forget(self) -> None:
        self.broken.clear()
        self.broken_count = 0

    def _note(self, line: BrokenLine) -> None:
        self.broken_count += 1
        if len(self.broken) < _REMEMBERED:
            self.broken.append(line)

    def _rows(self) -> Iterator[_Row]:
        if self.path.suffix == ".parquet":
            return self._parquet_rows()
        return self._json_rows()

    def _json_rows(self) -> Iterator[_Row]:
        opener = gzip.open if self.path.suffix == ".gz" else Path.open
        number = 0
        try:
            with opener(self.path, "rb") as file:
                lines: Iterable[bytes] = file
                for number, line in enumerate(lines, start=1):
                    if line.strip():
                        yield number, line
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DocumentError(
                f"the compressed file is damaged: {error}",
                where=f"{self.path}:{number + 1}",
                hint="compress it again; gzip -t tells whether it is whole",
            ) from error
        except OSError as error:
            raise DocumentError(f"cannot be read: {error}", where=str(self.path)) from error

    def _parquet_rows(self) -> Iterator[_Row]:
        try:
            scan = pl.scan_parquet(self.path)
            missing = {"role", "key", "value"} - set(scan.collect_schema().names())
        except (PolarsError, OSError) as error:
            raise DocumentError(
                f"not a readable Parquet file: {error}", where=str(self.path)
            ) from error
        if missing:
            raise DocumentError(
                f"no column {', '.join(sorted(missing))}", where=str(self.path), hint=_LAYOUT
            )
        number = 0
        for batch in scan.collect_batches(chunk_size=_BATCH, maintain_order=True):
            for row in batch.iter_rows(named=True):
                number += 1
                yield number, row


def _record(row: bytes | dict[str, Any]) -> tuple[int | None, Record]:
    """Make a record of a JSON line or a Parquet row, with its phase."""
    fields = _parsed(row) if isinstance(row, bytes) else row
    role, key, value = (_text(fields, name) for name in ("role", "key", "value"))
    if role not in ROLES:
        raise _BrokenError(f"unknown role {role!r}; roles are {', '.join(ROLES)}")
    timestamp = fields.get("timestamp")
    if not isinstance(timestamp, int | None) or isinstance(timestamp, bool):
        raise _BrokenError(f"timestamp is {timestamp!r}, not ms since the epoch")
    return fields.get("phase"), Record(role, key, value, timestamp)


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise _BrokenError(f"not JSON ({error})") from error
    if not isinstance(fields, dict):
        raise _BrokenError("not a JSON object")
    return fields


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise _BrokenError(f"{name} is {'missing' if value is None else 'not text'}")
    return value
