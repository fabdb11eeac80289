"""Names and figures of production that the runner works with."""

from __future__ import annotations

from typing import Final

from harness.core.errors import HarnessError

NAMESPACE: Final = "torghut"
"""The only namespace that the runner touches."""

CONFIG_MAP: Final = "torghut-ta-config"
FLINK_DEPLOYMENT: Final = "torghut-ta"
LOCK: Final = "torghut-ta-replay-lock"
"""ConfigMap that exists while a run changes something."""

PHRASE: Final = "REPLAY_TA_CANARY"
"""What ``--confirm`` must say before anything is changed."""

GROUP: Final = "TA_GROUP_ID"
RESET: Final = "TA_AUTO_OFFSET_RESET"
DEFAULT_RESET: Final = "latest"
"""What the job does when its ConfigMap does not say."""

FAILED_STATES: Final = frozenset({"FAILED", "FAILED_FINISHED", "FAILED_RESTARTING"})
"""States of a job that has failed; Flink itself knows the first only."""

TERMINAL_STATES: Final = frozenset({"FINISHED", "CANCELED", "FAILED"})
"""States in which a job reads and writes nothing any more."""

TOPICS: Final = {
    "trades": "torghut.trades.v1",
    "quotes": "torghut.quotes.v1",
    "bars1m": "torghut.bars.1m.v1",
    "ta_microbars": "torghut.ta.bars.1s.v1",
    "ta_signals": "torghut.ta.signals.v1",
}
"""Topic of each role."""

RAW_ROLES: Final = ("trades", "quotes", "bars1m")
"""Roles of the topics that a replay reads."""

DERIVED_ROLES: Final = ("ta_microbars", "ta_signals")
"""Roles of the topics that a replay writes; the tables have the same names."""

ASSUMED_TTL_DAYS: Final = {"ta_microbars": 35, "ta_signals": 35}
"""TTL of the tables, days, where ClickHouse cannot be asked (production since 2026-05-31)."""

DAY_MS: Final = 86_400_000
"""Milliseconds of a day."""

CONFIG_MANIFEST: Final = "argocd/applications/torghut/ta/configmap.yaml"
"""Manifest whose Git history tells which consumer groups there were."""


class RunnerError(HarnessError):
    """The runner stops with a message (exit status 1, as the documented runner)."""

    exit_status = 1
