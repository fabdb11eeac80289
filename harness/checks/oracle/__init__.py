"""An oracle of its own: what the output tables must contain, computed by another engine.

The job keeps keyed state record by record; the oracle never does: run-length encoding finds the
bars (polars), and indicators are computed for all rows at once over explicit windows of history
(numpy). ClickHouse is asked only for what is there, never for what should be.

A check does this::

    expected = expected_outputs(bootstrap, topics, Watermarks(parallelism=4, partitions=3))
    comparison = compare_rows(expected.microbars, rows_of_the_table, MICROBAR_KEY)
    comparison.equal, comparison.missing, comparison.describe()

Where ``expected.ambiguous`` is not zero, event-time timers may have split buckets, and ``seq`` is
not certain: compare ``fold_windows`` of both sides by symbol and event_ts instead.
"""

from __future__ import annotations

from harness.checks.oracle.compare import Comparison, Tolerance, compare_rows
from harness.checks.oracle.microbars import Watermarks, expected_microbars, fold_windows
from harness.checks.oracle.outputs import MICROBAR_KEY, Expected, expected_outputs
from harness.checks.oracle.signals import (
    EXISTENCE,
    SIGNAL_TOLERANCES,
    expected_signals,
)
from harness.checks.oracle.topics import read_topic
from harness.checks.oracle.wire import decode_bars, decode_quotes, decode_trades

__all__ = [
    "EXISTENCE",
    "MICROBAR_KEY",
    "SIGNAL_TOLERANCES",
    "Comparison",
    "Expected",
    "Tolerance",
    "Watermarks",
    "compare_rows",
    "decode_bars",
    "decode_quotes",
    "decode_trades",
    "expected_microbars",
    "expected_outputs",
    "expected_signals",
    "fold_windows",
    "read_topic",
]
