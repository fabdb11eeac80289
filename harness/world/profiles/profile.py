"""A profile: production on a date, as data."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from harness.core.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOME: Final = Path(__file__).parent
_FILE: Final = "profile.yaml"


class _Record(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )


class TradingPause(_Record):
    """What pauses trading: one value of one object.

    Attributes:
        kind: kind of the object, by its key in the API, e.g. ``KnativeService``.
        name: name of the object.
        setting: what people call the value.
        file: manifest of the object, from the repository's root.
        path: path of the value, in the manifest and in the live object alike.
        paused: the value that pauses; anything else does not.
    """

    kind: Literal["KnativeService", "Deployment"]
    name: str
    setting: str
    file: str
    path: str
    paused: str | int


class BrokerPods(_Record):
    """How Strimzi names the pods of the brokers: by the node pool and the number of the node.

    Attributes:
        prefix: everything before the number.
        first: number of the first broker; controllers of another pool come before it.
    """

    prefix: str
    first: int = Field(ge=0)

    def name(self, number: int) -> str:
        """Return the name of the pod of a broker, counted from 0."""
        return f"{self.prefix}{self.first + number}"


class Topic(_Record):
    """A Kafka topic as its KafkaTopic manifest declares it.

    Attributes:
        name: name of the topic.
        partitions: number of partitions.
        replicas: replication factor.
        config: topic configuration, e.g. ``retention.ms``, as text.
    """

    name: str
    partitions: int = Field(ge=1)
    replicas: int = Field(ge=1)
    config: dict[str, str] = Field(default_factory=dict)

    @property
    def retention_ms(self) -> int | None:
        """Retention in milliseconds; None leaves it to the broker."""
        value = self.config.get("retention.ms")
        return None if value is None else int(value)


class Profile(_Record):
    """Production on a date.

    Attributes:
        name: what people call it, e.g. ``S``.
        date: the day whose state this is.
        description: one sentence.
        manifests: directory that holds the manifests under production's paths.
        applications: Argo CD applications and the path of each in the repository.
        automation: whether Argo CD syncs by hand or by itself (prune and selfHeal).
        upgrade_mode: upgrade mode of the TA job.
        clickhouse_ddl: variant of the tables' DDL: the file ``schema_*.sql`` of the job.
        ttl_days: TTL of each table, days.
        inputs: topics that the TA job reads.
        outputs: topics that the TA job writes; a destructive replay deletes them.
        topic_api: versions of KafkaTopic that the API serves, the stored one first.
        broker_pods: names of the brokers' pods.
        trading_pause: what pauses trading.
        limits: where the miniature differs from production, one sentence each, for the journal.
    """

    name: str
    date: dt.date
    description: str
    manifests: Path
    applications: dict[str, str]
    automation: Literal["manual", "auto"]
    upgrade_mode: Literal["stateless", "savepoint", "last-state"]
    clickhouse_ddl: str
    ttl_days: dict[str, int]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    topic_api: tuple[Literal["v1", "v1beta2"], ...] = Field(min_length=1)
    broker_pods: BrokerPods
    trading_pause: TradingPause
    limits: tuple[str, ...]

    def files(self) -> dict[str, bytes]:
        """Return the content of every manifest by its path in the repository."""
        return {
            path.relative_to(self.manifests).as_posix(): path.read_bytes()
            for path in sorted(self.manifests.rglob("*"))
            if path.is_file() and path.name != _FILE and "__pycache__" not in path.parts
        }

    def topics(self) -> tuple[Topic, ...]:
        """Return the topics that the manifests declare, in the order of the manifests."""
        return tuple(
            Topic(
                name=document["spec"].get("topicName", document["metadata"]["name"]),
                partitions=document["spec"]["partitions"],
                replicas=document["spec"]["replicas"],
                config={k: str(v) for k, v in document["spec"].get("config", {}).items()},
            )
            for document in self._documents()
            if document["kind"] == "KafkaTopic"
        )

    def job_settings(self) -> dict[str, str]:
        """Return what the manifests set for the TA job: ConfigMap and Flink configuration."""
        settings: dict[str, str] = {}
        for document in self._documents():
            if document["kind"] == "ConfigMap":
                settings |= document["data"]
            elif document["kind"] == "FlinkDeployment":
                settings |= document["spec"]["flinkConfiguration"]
        return settings

    def _documents(self) -> Iterator[dict[str, Any]]:
        for path in sorted(self.manifests.rglob("*.yaml")):
            if path.name != _FILE:
                yield from YAML(typ="safe").load_all(path)


def profile_names() -> list[str]:
    """Return the names of the profiles that exist."""
    return sorted(path.parent.name.upper() for path in _HOME.glob(f"*/{_FILE}"))


def load_profile(name: str) -> Profile:
    """Load a profile that comes with the harness.

    Raises:
        UsageError: when there is none of this name; names those that exist.
    """
    if name.upper() not in profile_names():
        raise UsageError(
            f"there is no profile {name!r}", hint=f"profiles: {', '.join(profile_names())}"
        )
    return read_profile(_HOME / name.lower())


def read_profile(directory: Path) -> Profile:
    """Read a profile from a directory that holds ``profile.yaml`` beside the manifests.

    Raises:
        HarnessError: when the file is missing, is not YAML, or a value does not fit.
    """
    path = directory / _FILE
    try:
        values = YAML(typ="safe").load(path)
        return Profile.model_validate({**values, "manifests": directory})
    except (OSError, YAMLError, ValidationError, TypeError) as error:
        raise HarnessError(f"the profile cannot be read: {error}", where=str(path)) from error
