"""The plan: the replay's consumer group, and what stands against the replay."""

from __future__ import annotations

import math
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.replay.runner.names import RESET, RunnerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.replay.runner.feasibility import Feasibility
    from harness.replay.runner.model import Change, Current


def replay_group(prefix: str, replay_id: str) -> str:
    """Return the consumer group of a replay, e.g. ``torghut-ta-replay-2026-02-13-torghut-ops``.

    Raises:
        RunnerError: when nothing is left of the prefix or of the id.
    """
    parts = {"replay-id": _cleaned(replay_id), "group-prefix": _cleaned(prefix)}
    for name, value in parts.items():
        if not value:
            raise RunnerError(f"{name} cannot be empty")
    return f"{parts['group-prefix']}-{parts['replay-id']}"


def _cleaned(text: str) -> str:
    return text.strip().replace("__", "-").strip("-" + string.whitespace)


def calendar_days(trading_days: int, asked: int) -> int:
    """Return the days of retention that ``trading_days`` need: five trading days in a week.

    Args:
        trading_days: days of trading wanted.
        asked: calendar days that the user asked for; 0 leaves it to the trading days.
    """
    return asked or math.ceil(trading_days * 7 / 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupHistory:
    """Where a consumer group was looked for, and where it was found.

    Attributes:
        asked: sources that answered, e.g. ``brokers``.
        used_in: places where the group was found, e.g. ``git:1a2b3c4d5e``.
        not_asked: sources that did not answer, with the reason.
    """

    asked: tuple[str, ...] = ()
    used_in: tuple[str, ...] = ()
    not_asked: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the report's ``group_history``."""
        return {
            "asked": list(self.asked),
            "used_in": list(self.used_in),
            "not_asked": dict(self.not_asked),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What the user allows beyond the rules.

    Attributes:
        existing_group: use a consumer group that was used before.
        stateful: start a job that brings its own offsets along.
    """

    existing_group: bool = False
    stateful: bool = False


def warnings(current: Current, change: Change, permissions: Permissions) -> list[str]:
    """Return what a person should know before the replay."""
    said = []
    if current.group == change.group and not permissions.existing_group:
        said.append(f"replay group id equals current TA_GROUP_ID: {change.group}")
    if current.policy == change.reset:
        said.append(f"{RESET} already equals target: {change.reset}")
    if change.reset != "earliest":
        said.append(f"a new group with {RESET}={change.reset} reads nothing that is retained")
    if current.upgrade_mode != "stateless":
        said.append(
            f"upgradeMode is {current.upgrade_mode}: the job would take its offsets from its own "
            "state, not from the replay group, and replay nothing"
        )
    return said


def blockers(
    current: Current,
    history: GroupHistory,
    feasibility: Feasibility | None,
    permissions: Permissions,
    record: str | None,
) -> list[str]:
    """Return why ``apply`` must not begin; empty when it may.

    Args:
        current: state before the replay.
        history: where the replay group was found.
        feasibility: verdict of the preflights; None when none was asked for.
        permissions: what the user allows.
        record: path of the record of an earlier run under the same id; None when there is none.
    """
    found = []
    if feasibility is not None and not feasibility.admission:
        found.append(f"replay_not_admitted:{feasibility.status}")
    if not permissions.existing_group:
        found += [f"replay_group_already_used:{place}" for place in history.used_in]
    if not permissions.stateful and current.upgrade_mode != "stateless":
        found.append(f"upgrade_mode_not_stateless:{current.upgrade_mode}")
    if record is not None:
        found.append(f"replay_id_already_recorded:{record}")
    return found


def rollback_blockers(current: Current, groups: Sequence[str]) -> list[str]:
    """Return why ``rollback`` must not begin.

    Args:
        current: state now.
        groups: the previous and the replay's group; any other is somebody else's change.
    """
    if current.group in groups:
        return []
    return [f"ta_group_id_changed_since_record:{current.group}"]
