"""What the server fills in when an object is written."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from harness.world.control_plane.model.kinds import Object, ResourceKind

# The alphabet of generated names: no vowels, nothing that looks like another character.
_NAME_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH: Final = 5


def with_defaults(kind: ResourceKind, item: Object) -> Object:
    """Fill in, in place, the defaults of the built-in kinds; return the object."""
    if kind.key == "Secret":
        _secret(item)
    elif kind.key == "Service":
        spec = item.setdefault("spec", {})
        spec.setdefault("type", "ClusterIP")
        spec.setdefault("clusterIP", "None")
    elif kind.key == "Deployment":
        item.setdefault("spec", {}).setdefault("replicas", 1)
    elif kind.key == "Namespace":
        item.setdefault("status", {"phase": "Active"})
    elif kind.key == "Pod":
        item.setdefault("status", {}).setdefault("phase", "Pending")
    return item


def _secret(item: Object) -> None:
    plain = item.pop("stringData", None) or {}
    for key, value in plain.items():
        encoded = base64.b64encode(str(value).encode()).decode()
        item["data"] = {**(item.get("data") or {}), key: encoded}
    item.setdefault("type", "Opaque")


def generated_name(prefix: str) -> str:
    """Return ``prefix`` with five random characters, as ``metadata.generateName`` asks for."""
    suffix = "".join(secrets.choice(_NAME_ALPHABET) for _ in range(_SUFFIX_LENGTH))
    return f"{prefix}{suffix}"
