"""An oracle of its own: what the output tables must contain, computed by another engine.

The job keeps keyed state record by record; the oracle never does: run-length encoding finds the
bars (polars), and indicators are computed for all rows at once over explicit windows of history
(numpy). ClickHouse is asked only for what is there, never for what should be.
"""

from __future__ import annotations

from harness.checks.oracle.compare import Comparison, compare_rows
from harness.checks.oracle.microbars import Watermarks, expected_microbars, fold_windows
from harness.checks.oracle.signals import (
    EXISTENCE,
    SIGNAL_TOLERANCES,
    expected_signals,
)
from harness.checks.oracle.topics import read_topic
from harness.checks.oracle.wire import decode_bars, decode_quotes, decode_trades

__all__ = [
    "EXISTENCE",
    "SIGNAL_TOLERANCES",
    "Comparison",
    "Watermarks",
    "compare_rows",
    "decode_bars",
    "decode_quotes",
    "decode_trades",
    "expected_microbars",
    "expected_signals",
    "fold_windows",
    "read_topic",
]
