"""What Flink's REST API tells, as typed records; times are milliseconds since the epoch."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TERMINAL_STATES: Final = frozenset({"FAILED", "CANCELED", "FINISHED"})
"""States that a job never leaves (SUSPENDED is left with high availability only)."""

_SOURCE_PREFIX: Final = "Source: "
_SQL_NODE: Final = re.compile(r"\[\d+\]$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The cluster at a glance.

    Attributes:
        version: Flink's version.
        task_managers: registered TaskManagers.
        slots_total: their slots.
        slots_available: slots that no job holds.
        jobs_running: jobs that are not finished.
    """

    version: str
    task_managers: int
    slots_total: int
    slots_available: int
    jobs_running: int

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Overview:
        """Read the answer of ``/overview``."""
        return cls(
            version=body["flink-version"],
            task_managers=body["taskmanagers"],
            slots_total=body["slots-total"],
            slots_available=body["slots-available"],
            jobs_running=body["jobs-running"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Vertex:
    """One node of the job graph: a chain of operators.

    Attributes:
        vertex_id: identifier, 32 hexadecimal digits.
        name: names of the operators, joined by arrows.
        parallelism: number of subtasks.
        status: e.g. ``RUNNING``.
    """

    vertex_id: str
    name: str
    parallelism: int
    status: str

    @property
    def source(self) -> str | None:
        """Name of the source that the chain begins with, without SQL's node number, or None."""
        if not self.name.startswith(_SOURCE_PREFIX):
            return None
        first = self.name.removeprefix(_SOURCE_PREFIX).split(" -> ", 1)[0]
        return _SQL_NODE.sub("", first)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDetails:
    """One job.

    Attributes:
        job_id: identifier, 32 hexadecimal digits.
        name: the job's name.
        state: e.g. ``INITIALIZING``, ``RUNNING``, ``RESTARTING``, ``FAILED``, ``CANCELED``.
        start_time: when it was submitted.
        end_time: when it ended; None while it has not.
        vertices: nodes of the job graph; empty when the job failed to initialise.
        timestamps: when each state was entered; 0 for never.
    """

    job_id: str
    name: str
    state: str
    start_time: int
    end_time: int | None
    vertices: tuple[Vertex, ...]
    timestamps: Mapping[str, int]

    @property
    def terminal(self) -> bool:
        """Whether the job has ended for good."""
        return self.state in TERMINAL_STATES

    @property
    def all_running(self) -> bool:
        """Whether the job and each of its vertices runs."""
        return (
            self.state == "RUNNING"
            and bool(self.vertices)
            and all(vertex.status == "RUNNING" for vertex in self.vertices)
        )

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> JobDetails:
        """Read the answer of ``/jobs/ID``."""
        end_time = body.get("end-time", -1)
        return cls(
            job_id=body["jid"],
            name=body["name"],
            state=body["state"],
            start_time=body["start-time"],
            end_time=end_time if end_time > 0 else None,
            vertices=tuple(_vertex(one) for one in body.get("vertices", ())),
            timestamps=dict(body.get("timestamps", {})),
        )


def _vertex(body: Mapping[str, Any]) -> Vertex:
    return Vertex(
        vertex_id=body["id"],
        name=body["name"],
        parallelism=body["parallelism"],
        status=body["status"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointCounts:
    """How many checkpoints there were since the job was submitted."""

    restored: int
    total: int
    in_progress: int
    completed: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedCheckpoint:
    """A checkpoint or savepoint that completed.

    Attributes:
        checkpoint_id: its number, ``chk-N``.
        external_path: where it can be restored from.
        is_savepoint: whether it is a savepoint.
        triggered: when it was triggered.
        completed: when the last subtask acknowledged it.
        discarded: whether a newer one has replaced it and its files are gone.
        state_size: bytes.
    """

    checkpoint_id: int
    external_path: str
    is_savepoint: bool
    triggered: int
    completed: int
    discarded: bool
    state_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredCheckpoint:
    """The checkpoint or savepoint that the job's state came from last.

    Attributes:
        checkpoint_id: its number.
        restored: when it was read.
        is_savepoint: whether it is a savepoint.
        external_path: where it was read from; None when Flink does not say.
    """

    checkpoint_id: int
    restored: int
    is_savepoint: bool
    external_path: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointStatistics:
    """The checkpoints of one job.

    Attributes:
        counts: how many, by outcome.
        latest_completed: newest completed checkpoint that is no savepoint.
        latest_savepoint: newest completed savepoint.
        latest_restored: what the state was last restored from.
        latest_failure: why the newest failed one failed.
        in_progress: numbers of those under way.
        completed: those completed that Flink remembers (10), newest first.
    """

    counts: CheckpointCounts
    latest_completed: CompletedCheckpoint | None
    latest_savepoint: CompletedCheckpoint | None
    latest_restored: RestoredCheckpoint | None
    latest_failure: str | None
    in_progress: tuple[int, ...]
    completed: tuple[CompletedCheckpoint, ...]

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> CheckpointStatistics:
        """Read the answer of ``/jobs/ID/checkpoints``."""
        counts, latest, history = body["counts"], body["latest"], body["history"]
        failed = latest.get("failed")
        return cls(
            counts=CheckpointCounts(
                restored=counts["restored"],
                total=counts["total"],
                in_progress=counts["in_progress"],
                completed=counts["completed"],
                failed=counts["failed"],
            ),
            latest_completed=_completed(latest.get("completed")),
            latest_savepoint=_completed(latest.get("savepoint")),
            latest_restored=_restored(latest.get("restored")),
            latest_failure=(failed.get("failure_message") or "unknown") if failed else None,
            in_progress=tuple(one["id"] for one in history if one["status"] == "IN_PROGRESS"),
            completed=tuple(
                found
                for one in history
                if one["status"] == "COMPLETED"
                if (found := _completed(one))
            ),
        )


def _completed(body: Mapping[str, Any] | None) -> CompletedCheckpoint | None:
    if body is None:
        return None
    return CompletedCheckpoint(
        checkpoint_id=body["id"],
        external_path=body["external_path"],
        is_savepoint=body["is_savepoint"],
        triggered=body["trigger_timestamp"],
        completed=body["latest_ack_timestamp"],
        discarded=body["discarded"],
        state_size=body["state_size"],
    )


def _restored(body: Mapping[str, Any] | None) -> RestoredCheckpoint | None:
    if body is None:
        return None
    return RestoredCheckpoint(
        checkpoint_id=body["id"],
        restored=body["restore_timestamp"],
        is_savepoint=body["is_savepoint"],
        external_path=body.get("external_path"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SavepointStatus:
    """How far a savepoint that was asked for has come.

    Attributes:
        done: whether it has completed or failed.
        location: where it is; None until it completed.
        failure: stack trace; None unless it failed.
    """

    done: bool
    location: str | None
    failure: str | None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> SavepointStatus:
        """Read the answer of ``/jobs/ID/savepoints/TRIGGER``."""
        operation = body.get("operation") or {}
        failure = operation.get("failure-cause") or {}
        return cls(
            done=body["status"]["id"] == "COMPLETED",
            location=operation.get("location"),
            failure=failure.get("stack-trace"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceMetrics:
    """What one source has read since the job was started or last restored.

    Attributes:
        source: its name, e.g. ``ta-trades-source``.
        records: records read, summed over its subtasks; None until Flink has collected it.
            A value is up to a second old.
        current_offsets: Kafka position by (topic as ``metric_topic`` writes it, partition):
            the last record read; absent for partitions that nothing was read from.
        committed_offsets: Kafka position last committed to the group, likewise.
    """

    source: str
    records: int | None
    current_offsets: Mapping[tuple[str, int], int]
    committed_offsets: Mapping[tuple[str, int], int]


_PARTITION: Final = re.compile(
    r"\.topic\.(?P<topic>.+)\.partition\.(?P<partition>\d+)\.(?P<kind>current|committed)Offset$"
)
_COUNTERS: Final = (".numRecordsIn", ".numRecordsOut")
_SUBTASK: Final = re.compile(r"^\d+\.")


def metric_topic(topic: str) -> str:
    """Return a topic's name as it appears in metrics, which keep no dots."""
    return topic.replace(".", "_")


def is_source_metric(name: str) -> bool:
    """Tell whether a vertex's metric says how far its source has read.

    Args:
        name: ``SUBTASK.OPERATOR.METRIC``, as the REST API lists it.
    """
    if not _SUBTASK.sub("", name).startswith("Source__"):
        return False
    return name.endswith(_COUNTERS) or _PARTITION.search(name) is not None


def source_metrics(source: str, values: Sequence[Mapping[str, str]]) -> SourceMetrics:
    """Add up the metrics of one source's subtasks.

    A Kafka source counts what it reads as ``numRecordsIn``, before anything is dropped; sources
    without splits to fetch from (number sequences) count ``numRecordsOut`` alone.

    Args:
        source: the source's name.
        values: ``id`` and ``value`` of the metrics that ``is_source_metric`` picks.
    """
    counted: dict[str, int] = {}
    offsets: dict[str, dict[tuple[str, int], int]] = defaultdict(dict)
    for one in values:
        match = _PARTITION.search(one["id"])
        if match is None:
            counter = one["id"].rpartition(".")[2]
            counted[counter] = counted.get(counter, 0) + int(one["value"])
        elif int(one["value"]) >= 0:  # a negative offset stands for "nothing yet"
            place = (match["topic"], int(match["partition"]))
            offsets[match["kind"]][place] = int(one["value"])
    return SourceMetrics(
        source=source,
        records=max(counted.values(), default=None),
        current_offsets=offsets["current"],
        committed_offsets=offsets["committed"],
    )
