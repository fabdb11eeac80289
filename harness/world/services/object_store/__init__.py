"""The object store of a world, in the local driver."""

from __future__ import annotations

from harness.world.services.object_store.local import Credentials, LocalObjectStore

__all__ = ["Credentials", "LocalObjectStore"]
