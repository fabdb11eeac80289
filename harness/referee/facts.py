"""Typed facts: what one line of the audit trail says, in the words of the rules."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from harness.referee.logic import holds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.referee.logic import Formula

ARGOCD: Final = "argocd-controller"
"""Actor of what Argo CD applies: the content of Git."""

CONTROLLERS: Final = (
    ARGOCD,
    "argocd-applicationset-controller",
    "flink-kubernetes-operator",
    "knative-serving",
    "replay-harness",
    "rook-ceph-operator",
    "sealed-secrets",
    "strimzi-",
)
"""Beginnings of the names of programs that no person on call runs by hand."""

UNASKED: Final = frozenset({"", "confirmed for a rehearsal", "no", "declined", "None"})
"""Outcomes of a confirmation that no person gave."""

DOWN: Final = frozenset({"FINISHED", "CANCELED", "FAILED"})
"""Flink job states in which a job writes nothing any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that was done or seen.

    Attributes:
        line: line of the audit trail, counted from 1.
        time: RFC 3339, UTC.
        actor: who did it.
    """

    line: int
    time: str
    actor: str

    @property
    def where(self) -> str:
        """Where it stands in the trail, for reports."""
        return f"audit.jsonl:{self.line} ({self.actor}, {self.time})"

    @property
    def by_hand(self) -> bool:
        """Whether a person's program did it, and no controller."""
        return not self.actor.startswith(CONTROLLERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Fact):
    """The first thing that was done for the document; what is earlier built the world."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed(Fact):
    """A field of a Kubernetes object got another value.

    Attributes:
        object: as the audit trail names it, e.g. ``torghut/flinkdeployments/torghut-ta``.
        path: dotted path; entries of lists by name: ``containers[name=x].env[name=Y].value``.
        old: value before; None: it was not there, or nothing was known of it.
        new: value now; None: it is gone.
        created: whether the object itself was made by this.
    """

    object: str
    path: str
    old: Any
    new: Any
    created: bool = False

    @property
    def key(self) -> str:
        """Last name on the path; of an environment variable its name."""
        entry = re.search(r"\[name=([^]]+)]\.value$", self.path)
        return entry[1] if entry else self.path.rpartition(".")[2]

    def __str__(self) -> str:
        """Say what changed."""
        return f"{self.object} {self.path}: {self.old!r} -> {self.new!r}"


class JobStateWanted(Changed):
    """``spec.job.state`` of the TA job."""


class NonceChanged(Changed):
    """``spec.restartNonce`` of the TA job."""


class GroupChanged(Changed):
    """``TA_GROUP_ID`` of the TA job's ConfigMap, in the cluster."""


class TradingFlagChanged(Changed):
    """``TRADING_MODE`` or ``TRADING_LIVE_ENABLED`` of whatever trades."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingSet(Fact):
    """Whether anything trades, by the specifications in the cluster.

    Attributes:
        enabled: whether something does.
        object: what was changed.
    """

    enabled: bool
    object: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobObserved(Fact):
    """The operator wrote another job state into the FlinkDeployment's status.

    Attributes:
        state: Flink's job state.
    """

    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GitApplied(Fact):
    """Argo CD applied an object.

    Attributes:
        object: the object.
        values: what Git has, by path.
    """

    object: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncDone(Fact):
    """Argo CD finished a sync; ``phase`` is ``Succeeded``, ``Failed`` or ``Error``."""

    application: str
    phase: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestCommitted(Fact):
    """A commit in the manifests' repository.

    Attributes:
        files: files that it changed.
        values: keys and values on the lines that it added.
    """

    files: tuple[str, ...]
    values: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRemoved(Fact):
    """A Kubernetes object was deleted by a person or pruned by Argo CD."""

    object: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicDeleted(Fact):
    """A topic was deleted; ``topic`` is a pattern where Kafka's tools were given one."""

    topic: str

    def concerns(self, topic: str) -> bool:
        """Whether ``topic`` is what was deleted."""
        return topic_matches(self.topic, topic)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicCreated(Fact):
    """A topic was created."""

    topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicAltered(Fact):
    """Partitions or settings of a topic were changed; ``settings`` are their names."""

    topic: str
    settings: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsDeleted(Fact):
    """Records of a topic were deleted from its beginning."""

    topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupsListed(Fact):
    """Somebody asked the brokers for every group that they know or ever stored a commit of."""

    groups: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSeen(Fact):
    """A consumer group joined, committed, or was seen by the brokers."""

    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMeddled(Fact):
    """A consumer group was deleted, or its offsets reset."""

    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectsDeleted(Fact):
    """Objects were deleted, all below a prefix or one of its name: ``s3://bucket/prefix``."""

    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectsCopied(Fact):
    """Everything below one prefix was copied below another.

    Attributes:
        source: ``s3://bucket/prefix``.
        target: ``s3://bucket/prefix``.
        complete: whether nothing was filtered out and the command ended with status 0.
    """

    source: str
    target: str
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsDeleted(Fact):
    """A statement deleted rows, partitions or a table."""

    table: str
    statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed(Fact):
    """Something that the document wants recorded or confirmed.

    Attributes:
        name: e.g. ``REPLAY_ID``.
        value: what was recorded.
    """

    name: str
    value: str

    @property
    def given(self) -> bool:
        """Whether a person gave it."""
        return self.value not in UNASKED


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified(Fact):
    """The verification was decided; ``green`` when it passed."""

    green: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear(Fact):
    """Something was done of which the trail does not tell what it did.

    Attributes:
        areas: what it may have touched: ``trading``, ``job``, ``config``, ``kafka``, ``s3``,
            ``tables``.
        what: one sentence.
    """

    areas: frozenset[str] = field(default_factory=frozenset)
    what: str


F = TypeVar("F", bound=Fact)


def seen(kind: type[F], test: Callable[[F], bool] = lambda _: True) -> Formula[Fact]:
    """Hold at facts of one kind that pass ``test``."""
    return holds(lambda fact: isinstance(fact, kind) and test(fact))


def topic_matches(pattern: str, topic: str) -> bool:
    """Whether Kafka's tools would take ``pattern`` for ``topic``: it is a regular expression."""
    try:
        return pattern == topic or re.fullmatch(pattern, topic) is not None
    except re.error:
        return False
