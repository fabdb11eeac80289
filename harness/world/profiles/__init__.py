"""What production looked like on a date: manifests, retention, TTL, upgrade mode."""

from __future__ import annotations

from harness.world.profiles.profile import (
    Profile,
    Topic,
    TradingPause,
    load_profile,
    profile_names,
)
from harness.world.profiles.settings import ProfileSettings, parse_settings

__all__ = [
    "Profile",
    "ProfileSettings",
    "Topic",
    "TradingPause",
    "load_profile",
    "parse_settings",
    "profile_names",
]
