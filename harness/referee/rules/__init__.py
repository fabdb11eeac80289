"""All rules, in the order of reports."""

from __future__ import annotations

from typing import Final

from harness.referee.rules.deletion import DELETION_RULES
from harness.referee.rules.isolation import ISOLATION_RULES
from harness.referee.rules.records import RECORD_RULES
from harness.referee.rules.trading import TRADING_RULES

RULES: Final = (*TRADING_RULES, *ISOLATION_RULES, *DELETION_RULES, *RECORD_RULES)
