"""What a rehearsal may change about a profile, and how small the miniature is."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from harness.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


class ProfileSettings(BaseModel):
    """Values of ``--set KEY=VALUE``; keys are the camelCase names of the fields.

    The first group changes the manifests of the initial commit, so that production itself
    looks different; None keeps the profile's value. The second group is the size of the
    miniature: it is laid over at the pod's edge and never reaches the manifests.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )

    upgrade_mode: Literal["stateless", "savepoint", "last-state"] | None = Field(
        default=None, description="spec.job.upgradeMode of the FlinkDeployment"
    )
    group_id: str | None = Field(
        default=None, min_length=1, description="steady-state consumer group (TA_GROUP_ID)"
    )
    auto_offset_reset: Literal["earliest", "latest", "none"] | None = Field(
        default=None, description="steady-state reset policy (TA_AUTO_OFFSET_RESET)"
    )
    argo_automation: Literal["manual", "auto"] | None = Field(
        default=None, description="Argo CD: sync by hand, or automated with prune and selfHeal"
    )

    brokers: int = Field(default=3, ge=1, le=9, description="number of Kafka brokers")
    source_parallelism: int = Field(
        default=4,
        ge=1,
        le=16,
        description="subtasks of each source; above the 3 partitions, as in production, some stay "
        "idle and hold back the watermark",
    )
    parallelism: int = Field(
        default=1, ge=1, le=16, description="subtasks of the operators and sinks"
    )
    checkpoint_interval_ms: int = Field(
        default=3000, ge=200, description="time between two checkpoints, milliseconds"
    )
    checkpoint_pause_ms: int = Field(
        default=500, ge=0, description="shortest pause between two checkpoints, milliseconds"
    )
    restart_delay_ms: int = Field(
        default=500, ge=0, description="delay before the job restarts after a failure, milliseconds"
    )
    topic_resync_ms: int = Field(
        default=120_000, ge=100, description="time between two full passes of the topic operator"
    )

    @classmethod
    def keys(cls) -> dict[str, str]:
        """Return every key as ``--set`` takes it, with its description."""
        return {
            str(field.alias or name): str(field.description)
            for name, field in cls.model_fields.items()
        }


def parse_settings(values: Mapping[str, str], *, where: str = "--set") -> ProfileSettings:
    """Interpret ``KEY=VALUE`` pairs.

    Args:
        values: text by camelCase key.
        where: where the pairs come from, for the error.

    Raises:
        UsageError: for a key that does not exist (with near matches) or a value that does not
            fit.
    """
    for key in values:
        _check_key(key, where)
    try:
        return ProfileSettings.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        raise UsageError(
            f"{key}={first['input']!r} does not fit: {first['msg']}",
            where=where,
            hint=f"{key}: {ProfileSettings.keys()[key]}",
        ) from error


def _check_key(key: str, where: str) -> None:
    known = ProfileSettings.keys()
    if key in known:
        return
    lowered = {name.lower(): name for name in known}
    flat = key.lower().replace("_", "").replace("-", "")
    near = [lowered[name] for name in difflib.get_close_matches(flat, lowered, n=3)]
    guess = f"did you mean {' or '.join(near)}? " if near else ""
    raise UsageError(
        f"there is no key {key!r}", where=where, hint=f"{guess}known: {', '.join(known)}"
    )
