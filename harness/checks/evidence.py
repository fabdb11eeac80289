"""What is known about a rehearsal: gathered once, judged by checks that do no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import polars as pl

Partition = tuple[str, int]
"""Topic name and partition number."""


Objects = Mapping[str, tuple[int, str]]
"""Objects of a bucket: size in bytes and SHA-256 by key."""


@dataclass(frozen=True, slots=True)
class ObjectLook:
    """The bucket at one moment.

    Attributes:
        after: id of the step that had just ended; empty before the first.
        objects: what was in it.
        job_down: whether the job had stopped; a running one replaces checkpoints by itself.
    """

    after: str
    objects: Objects
    job_down: bool


@dataclass(frozen=True, slots=True)
class TopicState:
    """One topic as the brokers describe it.

    Attributes:
        topic_id: the brokers' own identifier; a re-created topic has another one.
        partitions: number of partitions.
        replication_factor: replicas of each partition.
        settings: the topic's own settings (those that differ from the brokers' defaults).
    """

    topic_id: str
    partitions: int
    replication_factor: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class KafkaState:
    """The brokers' view at one moment.

    Attributes:
        topics: every topic that is not internal.
        earliest: earliest offset of each partition.
        latest: high watermark of each partition.
        groups: every consumer group that the brokers know or have ever stored a commit of.
        committed: committed offsets by group.
    """

    topics: Mapping[str, TopicState]
    earliest: Mapping[Partition, int]
    latest: Mapping[Partition, int]
    groups: frozenset[str]
    committed: Mapping[str, Mapping[Partition, int]]

    def records(self, topic: str) -> int:
        """Return the number of records that can be read from ``topic``."""
        return sum(
            high - self.earliest[key] for key, high in self.latest.items() if key[0] == topic
        )


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One state of a Kubernetes object, as a watch showed it.

    Attributes:
        kind: e.g. ``FlinkDeployment``.
        name: the object's name.
        revision: resourceVersion; rises over all objects, so it orders them in time.
        content: the whole object; None once it is deleted.
    """

    kind: str
    name: str
    revision: int
    content: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the replay while it ran.

    Attributes:
        seconds: since the first step of the document.
        job_state: Flink's state of the job, or None when there is no job.
        lag: records between the replay group's position and the high watermark; None while
            the group has no position.
        replay_committed: committed offsets of the replay group.
        live_committed: committed offsets of the previous group.
    """

    seconds: float
    job_state: str | None
    lag: int | None
    replay_committed: Mapping[Partition, int]
    live_committed: Mapping[Partition, int]


@dataclass(frozen=True, slots=True)
class JobRun:
    """One run of the job, by Flink's own account.

    Attributes:
        job_id: Flink's identifier.
        state: last state seen.
        restored_from: path of the checkpoint or savepoint it started from; None: empty state.
        records_read: records read since its start, by source (``trades``, ``quotes``, ``bars1m``).
        group: TA_GROUP_ID that it was started with.
        failure: root cause, where it failed.
    """

    job_id: str
    state: str
    restored_from: str | None
    records_read: Mapping[str, int]
    group: str
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Tables:
    """Rows of both output tables and what the oracle expects in them.

    Attributes:
        microbars: all rows of ``ta_microbars`` (no FINAL).
        microbars_final: the same under FINAL.
        signals: all rows of ``ta_signals`` (no FINAL).
        signals_final: the same under FINAL.
        expected_microbars: the oracle's bars.
        expected_signals: the oracle's signals: which must exist.
        rewritten: rows in either table whose ingest_ts is later than the replay's start.
    """

    microbars: pl.DataFrame
    microbars_final: pl.DataFrame
    signals: pl.DataFrame
    signals_final: pl.DataFrame
    expected_microbars: pl.DataFrame
    expected_signals: pl.DataFrame
    rewritten: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Query:
    """A query of the document and its answer.

    Attributes:
        text: SQL, word for word.
        where: file:line in the document.
        value: the single value it returned.
    """

    text: str
    where: str
    value: str | None


@dataclass(frozen=True, slots=True)
class TradingPause:
    """What pauses trading: one value of one object.

    Attributes:
        kind: kind of the object.
        name: its name.
        setting: what people call the value.
        path: where the value is in the object, e.g. ``spec.replicas``.
        paused: the value that pauses; anything else does not.
    """

    kind: str
    name: str
    setting: str
    path: str
    paused: str | int


DOCUMENTED_PAUSE: Final = TradingPause(
    "KnativeService",
    "torghut",
    "TRADING_ENABLED",
    "spec.template.spec.containers[0].env[name=TRADING_ENABLED].value",
    "false",
)
"""The pause that the document names."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    r"""Everything the checks of a rehearsal look at.

    Attributes:
        replay_group: consumer group that the document tells to use.
        live_group: consumer group before the replay.
        inputs: input topic by role.
        before: the brokers before the first step.
        stopped: the brokers once the job had stopped; None if it never did.
        after: the brokers at the end.
        history: versions of the objects that the document changes, in order of revision.
        samples: looks taken while the replay ran, in order of time.
        live_run: the job before the replay.
        replay_run: the job started by the replay; None if none was started.
        first_commit: the replay group's first commit of each partition.
        tables: rows and expectations; None if they could not be read.
        queries: the document's own queries.
        reset_policy: TA_AUTO_OFFSET_RESET that the document tells to use.
        upgrade_mode: ``spec.job.upgradeMode`` at the start.
        newest_event: newest expected event_ts by table for the symbol of the queries.
        pause: what pauses trading in this production, whatever the document says.
        gaps: why looks failed while the document was run; what was not seen proves nothing.
        replay_id: REPLAY_ID, part of the backup\'s prefix.
        derived: topics that the job writes.
        object_looks: the bucket before the first step and after each step, where that counts.
    """

    replay_group: str
    live_group: str
    inputs: Mapping[str, str]
    before: KafkaState
    stopped: KafkaState | None
    after: KafkaState
    history: tuple[ObjectVersion, ...]
    samples: tuple[Sample, ...]
    live_run: JobRun | None
    replay_run: JobRun | None
    first_commit: Mapping[Partition, int]
    tables: Tables | None
    queries: tuple[Query, ...]
    reset_policy: str = "earliest"
    upgrade_mode: str = "stateless"
    newest_event: Mapping[str, str] = field(default_factory=dict)
    pause: TradingPause = DOCUMENTED_PAUSE
    gaps: tuple[str, ...] = ()
    replay_id: str = ""
    derived: frozenset[str] = frozenset()
    object_looks: tuple[ObjectLook, ...] = ()
