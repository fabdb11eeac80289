"""The operator's reconciler in virtual time: patches and outside events on an agenda."""

from __future__ import annotations

import heapq
import itertools
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from harness.world.control_plane.flink_operator.clusters import ClusterRef
from harness.world.control_plane.flink_operator.context import Resource
from harness.world.control_plane.flink_operator.reconciler import Reconciler
from harness.world.control_plane.flink_operator.settings import OperatorSettings
from harness.world.control_plane.flink_operator.spec import FlinkSpec
from harness.world.control_plane.flink_operator.status import Status
from tests.conformance.fake_flink import AVAILABLE_AFTER, FakeFlink

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from harness.world.control_plane.flink_operator.events import OperatorEvent

T = TypeVar("T")

RECORDED_SETTINGS: Final = OperatorSettings(
    reconcile_interval=timedelta(seconds=5),
    progress_interval=timedelta(seconds=5),
    rest_delay=timedelta(seconds=1),
)
_EPOCH: Final = datetime(2026, 7, 20, 13, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Seen:
    """Resource as a watcher sees it after one write."""

    at: float
    spec: FlinkSpec
    generation: int
    status: Status


@dataclass
class Simulation:
    """One FlinkDeployment, its operator, and Flink, in virtual time.

    Attributes:
        flink: the clusters.
        seen: every write to the resource, in order.
        events: every event recorded on it.
    """

    settings: OperatorSettings = RECORDED_SETTINGS
    flink: FakeFlink = field(default_factory=FakeFlink)
    seen: list[Seen] = field(default_factory=list)
    events: list[OperatorEvent] = field(default_factory=list)
    spec: dict[str, Any] = field(default_factory=dict)
    generation: int = 0
    status: Status | None = None

    def __post_init__(self) -> None:
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._next_look: float | None = None
        self._reconciling = False
        numbers = itertools.count(1)
        self._reconciler = Reconciler(
            self.flink,
            self.settings,
            lambda: _EPOCH + timedelta(seconds=self.flink.now),
            new_job_id=lambda: f"{next(numbers):06x}".ljust(32, "0"),
        )

    def at(self, time: float, what: Callable[[], None]) -> None:
        """Put something on the agenda."""
        heapq.heappush(self._agenda, (time, next(self._order), what))

    def wake(self) -> None:
        """Have the operator look at once (a watch event of the resource or its Deployment)."""
        self._next_look = self.flink.now

    def create(self, spec: Mapping[str, Any]) -> None:
        """Create the resource, deleting the one that was there."""
        if self.status is not None:
            self._drive(self._reconciler.cleanup(self._resource(), self))
        self.spec, self.generation, self.status = FlinkSpec(spec).to_dict(), 1, Status("torghut-ta")
        self.wake()

    def patch(self, patch: Mapping[str, Any]) -> None:
        """Merge a patch into the resource; the generation moves with the spec."""
        merged = _merge(self.spec, patch["spec"])
        if merged != self.spec:
            self.spec, self.generation = merged, self.generation + 1
        self._note()
        self.wake()

    async def write(self, status: Status) -> None:
        if self.status is None or status.to_dict() != self.status.to_dict():
            self.status = Status.from_dict("torghut-ta", json.loads(json.dumps(status.to_dict())))
            self._note()

    async def event(self, event: OperatorEvent) -> None:
        self.events.append(event)

    def run_until(self, time: float) -> None:
        """Let everything happen up to this moment, and be exactly there."""
        while (moment := self._next_moment()) is not None and moment <= time:
            self.flink.now = max(self.flink.now, moment)
            if self._agenda and self._agenda[0][0] <= self.flink.now:
                heapq.heappop(self._agenda)[2]()
            else:
                self._reconcile()
        self.flink.now = max(self.flink.now, time)

    def _next_moment(self) -> float | None:
        moments = [self._agenda[0][0]] if self._agenda else []
        if self._next_look is not None and not self._reconciling:
            moments.append(self._next_look)
        return min(moments, default=None)

    def _reconcile(self) -> None:
        self._next_look = None
        before = self.flink.cluster
        pause = self._drive(self._reconciler.reconcile(self._resource(), self))
        if self._next_look is None:
            self._next_look = self.flink.now + pause.total_seconds()
        if self.flink.cluster is not None and self.flink.cluster is not before:
            self.at(self.flink.now + AVAILABLE_AFTER, self.wake)

    def _resource(self) -> Resource:
        assert self.status is not None
        cluster = ClusterRef("torghut", "torghut-ta")
        return Resource(cluster, self.generation, FlinkSpec(self.spec), self.status.copy())

    def _drive(self, coroutine: Coroutine[float, None, T]) -> T:
        """Run a coroutine; the agenda goes on while it waits."""
        self._reconciling = True
        try:
            while True:
                self._pass_time(coroutine.send(None))
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        finally:
            self._reconciling = False

    def _pass_time(self, seconds: float) -> None:
        self.run_until(self.flink.now + seconds)

    def _note(self) -> None:
        assert self.status is not None
        self.seen.append(
            Seen(self.flink.now, FlinkSpec(self.spec), self.generation, self.status.copy())
        )


def _merge(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(target)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = _merge(merged.get(key) or {}, value)
        else:
            merged[key] = value
    return merged
