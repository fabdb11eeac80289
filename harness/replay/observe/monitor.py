"""Watches a rehearsal from the outside while it runs: objects, offsets, the job."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaException

from harness.checks.evidence import ObjectVersion, Sample
from harness.checks.safety import TERMINAL_STATES
from harness.core.errors import ServiceError
from harness.world.kube import Watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.checks.evidence import JobRun, KafkaState, Partition
    from harness.replay.observe.brokers import BrokerObserver
    from harness.replay.observe.jobs import JobObserver
    from harness.world.kube import KubeClient

_WATCHED: Final = {
    "KnativeService": "torghut",
    "Deployment": "torghut-scheduler",
    "FlinkDeployment": "torghut-ta",
    "ConfigMap": "torghut-ta-config",
}
"""Name of the watched object of each kind; some profiles lack some of them."""

_NAMESPACE: Final = "torghut"
_INTERVAL: Final = 1.0


class Monitor:
    """Collects what only shows while it happens.

    Attributes:
        samples: looks at lag and job, in order.
        stopped: the brokers' state when the job had stopped; None until then.
        failures: why looks failed, each reason once.
    """

    def __init__(
        self,
        kube: KubeClient,
        brokers: BrokerObserver,
        jobs: JobObserver,
        *,
        live_group: str,
        replay_group: str,
        inputs: Mapping[str, str],
        on_sample: Callable[[Sample], None] = lambda _sample: None,
    ) -> None:
        """Prepare to watch.

        Args:
            kube: the API server.
            brokers: the brokers.
            jobs: Flink.
            live_group: group before the replay.
            replay_group: group of the replay.
            inputs: input topic by role.
            on_sample: told of each sample as it is taken.
        """
        self.samples: list[Sample] = []
        self.stopped: KafkaState | None = None
        self.failures: list[str] = []
        self._brokers, self._jobs = brokers, jobs
        self._live, self._replay = live_group, replay_group
        self._topics = sorted(inputs.values())
        self._on_sample = on_sample
        self._fresh, self._earliest = False, 0
        self._versions: list[ObjectVersion] = []
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._began = time.monotonic()
        self._watchers = [Watcher(kube, kind, _NAMESPACE, self._take_version) for kind in _WATCHED]
        self._thread = threading.Thread(target=self._sample_on, name="monitor", daemon=True)

    def start(self, before: KafkaState) -> None:
        """Begin to watch and to sample.

        Args:
            before: the brokers before the first step.
        """
        self._fresh = not before.committed.get(self._replay)
        self._earliest = sum(
            offset for (topic, _), offset in before.earliest.items() if topic in self._topics
        )
        for watcher in self._watchers:
            watcher.start()
        self._thread.start()

    def stop(self) -> None:
        """End all threads; what was collected stays."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(10)
        for watcher in self._watchers:
            watcher.stop()
            if watcher.failure is not None:
                self._remember(watcher.failure)

    def _take_version(self, kind: str, item: dict[str, Any], gone: bool) -> None:  # noqa: FBT001
        metadata = item["metadata"]
        if metadata["name"] == _WATCHED[kind]:
            version = ObjectVersion(
                kind, metadata["name"], int(metadata["resourceVersion"]), None if gone else item
            )
            with self._lock:
                self._versions.append(version)

    def history(self) -> tuple[ObjectVersion, ...]:
        """Return all versions seen, in order of revision."""
        with self._lock:
            return tuple(sorted(self._versions, key=lambda version: version.revision))

    def latest(self, kind: str) -> Mapping[str, Any] | None:
        """Return the newest content of the watched object of a kind."""
        with self._lock:
            found = [v for v in self._versions if v.kind == kind]
        return max(found, key=lambda v: v.revision).content if found else None

    def job_down(self) -> bool:
        """Whether the deployment is told to be suspended and its job has ended."""
        job = self.latest("FlinkDeployment")
        if job is None:
            return False
        state = job.get("status", {}).get("jobStatus", {}).get("state")
        return job["spec"]["job"].get("state") == "suspended" and state in TERMINAL_STATES

    def _sample_on(self) -> None:
        while not self._end.wait(_INTERVAL):
            try:
                self._look()
            except (ServiceError, KafkaException) as error:
                self._remember(error)

    def _look(self) -> None:
        if self.stopped is None and self.job_down():
            self.stopped = self._brokers.snapshot()
        self._brokers.read_commits()
        run = self._jobs.look()
        sample = self._sample(run)
        with self._lock:
            self.samples.append(sample)
        self._on_sample(sample)

    def _sample(self, run: JobRun | None) -> Sample:
        committed = self._brokers.committed(self._replay)
        return Sample(
            seconds=round(time.monotonic() - self._began, 3),
            job_state=run.state if run else None,
            lag=self._lag(run, committed),
            replay_committed=committed,
            live_committed=self._brokers.committed(self._live),
        )

    def _lag(self, run: JobRun | None, committed: Mapping[Partition, int]) -> int | None:
        """Return records between the replay's position and the high watermark.

        A job with empty state under a group without commits began at the earliest offsets, so
        what it has read tells where it is; commits of a source that has come to rest may be ten
        seconds late. Where any other job stands, nobody outside can tell until it commits.
        """
        if run is not None and self._fresh and _began_empty(run, self._replay):
            there = sum(self._brokers.latest(self._topics).values()) - self._earliest
            return max(0, there - sum(run.records_read.values()))
        latest = self._brokers.latest(self._topics)
        # Sources commit one after the other: until each has, what is missing is no lag.
        if not committed or any(high and key not in committed for key, high in latest.items()):
            return None
        return sum(high - committed.get(key, 0) for key, high in latest.items())

    def _remember(self, error: Exception) -> None:
        text = str(error)
        if text not in self.failures:
            self.failures.append(text)


def _began_empty(run: JobRun, group: str) -> bool:
    """Whether a run reads under ``group`` and is known to have restored nothing.

    Flink restores before a job is RUNNING; before that, having restored nothing says nothing.
    """
    return run.group == group and run.state == "RUNNING" and run.restored_from is None
