"""What a world is asked to be, and what it says of itself once it is there."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.world.addresses import Addresses

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSpec:
    """A world to be built.

    Attributes:
        world_id: identifier; its processes carry it.
        root: data directory, removed at the end unless ``keep``.
        logs: directory for the log of every process.
        audit: file of the audit trail.
        profile: name of the profile.
        settings: variants of the profile, by key.
        network: loopback network (``127.x.y``) to use; None picks a free one.
        keep: leave ``root`` in place at the end.
        detached: live until told to stop; otherwise the world ends with its maker.
        runbook: document that stands in the manifests' repository, where production has it.
    """

    world_id: str
    root: Path
    logs: Path
    audit: Path
    profile: str
    settings: Mapping[str, str]
    network: str | None = None
    keep: bool = False
    detached: bool = False
    runbook: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-like form."""
        return _plain(asdict(self))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> WorldSpec:
        """Make a spec from what ``to_json`` returned."""
        return cls(**_paths(data, ("root", "logs", "audit", "runbook")))


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldState:
    """A running world: how to reach it.

    Attributes:
        world_id: identifier.
        root: data directory.
        logs: directory of logs.
        audit: file of the audit trail.
        profile: name of the profile.
        pid: process id of its host.
        network: its loopback network.
        brokers: number of Kafka brokers.
        kubeconfig: file for kubectl.
        repository: Git repository of the manifests.
        api_token: bearer token of the API server.
        api_ca: file with the API server's certificate authority.
        clickhouse_user: user name.
        clickhouse_password: password.
        s3_access_key: access key of the object store.
        s3_secret_key: secret key of the object store.
        differences: where this world is not like production, one sentence each.
        ready_seconds: seconds from start to ready, by service; ``world`` for all of it.
    """

    world_id: str
    root: Path
    logs: Path
    audit: Path
    profile: str
    pid: int
    network: str
    brokers: int
    kubeconfig: Path
    repository: Path
    api_token: str
    api_ca: Path
    clickhouse_user: str
    clickhouse_password: str
    s3_access_key: str
    s3_secret_key: str
    differences: tuple[str, ...]
    ready_seconds: Mapping[str, float]

    @property
    def addresses(self) -> Addresses:
        """Where its parts listen."""
        return Addresses(self.network, self.brokers)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-like form (with secrets: for files that only their owner can read)."""
        return _plain(asdict(self))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> WorldState:
        """Make a state from what ``to_json`` returned."""
        values = _paths(data, ("root", "logs", "audit", "kubeconfig", "repository", "api_ca"))
        return cls(**{**values, "differences": tuple(values["differences"])})


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {key: str(v) if isinstance(v, Path) else v for key, v in values.items()}


def _paths(data: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: Path(v) if key in keys and v is not None else v for key, v in data.items()}
