"""What ``--set KEY=VALUE`` may say: of the profile, of the market, of the rehearsal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, FilePath
from pydantic.alias_generators import to_camel

from harness.replay.settings import check_key, validated
from harness.world.profiles.settings import ProfileSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.replay.settings import Resolved


class Variants(BaseModel):
    """What a rehearsal may vary beside the profile."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )

    events: int = Field(100_000, ge=100, description="records in the input topics, about")
    trades_per_second: float = Field(
        1.0, gt=0, description="mean trades a second of one symbol; with events, how long a time"
    )
    out_of_order: float = Field(
        0.0, ge=0, le=1, description="share of trades that arrive just behind their successor"
    )
    late: float = Field(0.0, ge=0, le=1, description="share of trades that come 0.2-1.8 s late")
    very_late: float = Field(0.0, ge=0, le=1, description="share of trades that come 2.5-30 s late")
    duplicates: float = Field(0.0, ge=0, le=1, description="share of trades that are sent twice")
    undecodable: float = Field(
        0.001, ge=0, le=1, description="undecodable records for each good one"
    )
    updated_bars: float = Field(
        0.0, ge=0, le=1, description="share of 1-minute bars followed by a correction"
    )
    recorded: FilePath | None = Field(
        None, description="a recording to feed instead: JSONL (.gz) or Parquet"
    )
    skip_broken: bool = Field(
        default=False, description="leave out broken lines of the recording and count them"
    )
    minutes_ago: float = Field(5.0, ge=0, description="how long ago the market data ends, minutes")
    damage: Literal["gap", "none"] = Field(
        "gap",
        description="what is wrong with the tables before the replay: gap (a third of the time "
        "is missing) or none",
    )
    replay_id: str | None = Field(
        None,
        # It becomes part of a group's name and of commands that a shell runs.
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="REPLAY_ID; default: made from the time and the run",
    )
    network: str | None = Field(
        None,
        pattern=r"^127\.[0-9]{1,3}\.[0-9]{1,3}$",
        description="loopback network 127.x.y to use; default: a free one",
    )
    patience_seconds: float = Field(
        180.0, gt=0, description="how long to wait for a state before going on without it"
    )

    @classmethod
    def keys(cls) -> dict[str, str]:
        """Return every key as ``--set`` takes it, with its description."""
        return {str(f.alias or name): str(f.description) for name, f in cls.model_fields.items()}


def interpret(resolved: Resolved) -> tuple[ProfileSettings, Variants]:
    """Split the values of ``--set`` into those of the profile and those of the rehearsal.

    Raises:
        UsageError: for a key that neither has, or a value that does not fit.
    """
    profile_keys, own_keys = ProfileSettings.keys(), Variants.keys()
    for key in resolved.sets:
        check_key(key, [*profile_keys, *own_keys], resolved.origins[f"set.{key}"])
    of_profile = {key: value for key, value in resolved.sets.items() if key in profile_keys}
    own = {key: value for key, value in resolved.sets.items() if key in own_keys}
    return (
        validated(ProfileSettings, of_profile, resolved.origins, "set."),
        validated(Variants, own, resolved.origins, "set."),
    )


def texts(settings: ProfileSettings) -> Mapping[str, str]:
    """Return profile settings as the texts that ``parse_settings`` takes."""
    dumped = settings.model_dump(by_alias=True, exclude_none=True)
    return {key: str(value) for key, value in dumped.items()}
