"""Writes market data into the input topics: fast, in order, and never losing a record silently."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import polars as pl
from confluent_kafka import KafkaException, Producer

from harness.core.errors import ServiceError, UsageError
from harness.core.waiting import WaitTimeoutError, wait_until
from harness.world.market.records import ROLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from confluent_kafka import KafkaError

_PRODUCER: Final = {
    "client.id": "torghut-ws",
    # Java clients, and so production's forwarder, place a key by murmur2.
    "partitioner": "murmur2_random",
    "compression.type": "lz4",
    "acks": "all",
    "enable.idempotence": True,
    "linger.ms": 50,
    "batch.size": 1_000_000,
    "queue.buffering.max.messages": 500_000,
    "queue.buffering.max.kbytes": 512 * 1024,
    "reconnect.backoff.max.ms": 200,
    "delivery.report.only.error": True,
}
_IN_FLIGHT: Final = 100_000
_POLL_SECONDS: Final = 0.02
_TOPIC_SECONDS: Final = 3.0
_GRACE_SECONDS: Final = 5.0
"""How much longer than the client's own time-out to wait for its word."""


@dataclass(slots=True)
class FeedReport:
    """What was written.

    Attributes:
        counts: records by topic.
        value_bytes: bytes of the values, before compression.
        first_event_ns: earliest event time, ns since the epoch; None: no record had one.
        last_event_ns: latest event time.
        confirmed: records acknowledged by all in-sync replicas; equal to the sum of ``counts``.
        seconds: wall clock from the first record handed over to the last acknowledgement.
    """

    counts: dict[str, int] = field(default_factory=dict)
    value_bytes: int = 0
    first_event_ns: int | None = None
    last_event_ns: int | None = None
    confirmed: int = 0
    seconds: float = 0.0

    @property
    def total(self) -> int:
        """Records handed over, all topics."""
        return sum(self.counts.values())

    def describe(self) -> dict[str, object]:
        """Return the report as JSON-like values, for a journal."""
        return {
            "counts": dict(self.counts),
            "value_bytes": self.value_bytes,
            "first_event": _instant(self.first_event_ns),
            "last_event": _instant(self.last_event_ns),
            "confirmed": self.confirmed,
            "seconds": round(self.seconds, 3),
        }

    def add(self, topic: str, part: pl.DataFrame) -> None:
        """Count records of one topic."""
        self.counts[topic] = self.counts.get(topic, 0) + part.height
        self.value_bytes += int(part["value"].str.len_bytes().sum())
        ends = part.select(first=pl.col("event_ns").min(), last=pl.col("event_ns").max()).row(0)
        known = [n for n in (self.first_event_ns, self.last_event_ns, *ends) if n is not None]
        if known:
            self.first_event_ns, self.last_event_ns = min(known), max(known)


def _instant(nanoseconds: int | None) -> str | None:
    if nanoseconds is None:
        return None
    text = pl.Series([nanoseconds]).cast(pl.Datetime("ns")).dt.strftime("%Y-%m-%dT%H:%M:%S%.9fZ")
    return str(text[0])


class _Feed:
    """One producer and what became of its records."""

    def __init__(self, bootstrap: str, timeout: float, client: Mapping[str, Any]) -> None:
        self._bootstrap = bootstrap
        self._timeout = timeout
        self._failures: list[str] = []
        self.report = FeedReport()
        self._producer = Producer(
            {
                **_PRODUCER,
                "bootstrap.servers": bootstrap,
                "message.timeout.ms": int(timeout * 1000),
                "error_cb": self._remember,
                "on_delivery": self._delivered,
                "log_level": 2,
                **client,
            }
        )
        self._last_error = ""

    def _remember(self, error: KafkaError) -> None:
        self._last_error = str(error)

    def check_topics(self, topics: Iterable[str]) -> None:
        """Wait a moment for the topics: a new one is not known to every broker at once."""
        wanted = set(topics)
        try:
            wait_until(
                lambda: wanted - set(self._producer.list_topics(timeout=self._timeout).topics),
                what="input topics",
                timeout=min(_TOPIC_SECONDS, self._timeout),
                holds=lambda missing: not missing,
            )
        except KafkaException as error:
            raise ServiceError(
                f"Kafka at {self._bootstrap} does not answer: {self._last_error or error}",
                where=self._bootstrap,
                hint="is the world up?",
            ) from error
        except WaitTimeoutError as error:
            missing = wanted - set(self._producer.list_topics(timeout=self._timeout).topics)
            raise ServiceError(
                f"no such topic: {', '.join(sorted(missing))}",
                where=self._bootstrap,
                hint="create the input topics first, or the brokers' defaults decide their layout",
            ) from error

    def send(self, topic: str, part: pl.DataFrame) -> None:
        produce = self._producer.produce  # looked up once: this loop sets the speed
        for key, value, timestamp in part.select("key", "value", "timestamp").iter_rows():
            try:
                # 0 is librdkafka's word for "now".
                produce(topic, value, key, timestamp=timestamp or 0)
            except BufferError:  # the producer's queue is full: let it empty
                self.drain(until=0)
                produce(topic, value, key, timestamp=timestamp or 0)
        self.report.add(topic, part)

    def _delivered(self, error: KafkaError | None, _message: object) -> None:
        if error is not None:
            self._failures.append(str(error))

    def drain(self, until: int) -> None:
        """Wait until at most this many records are unconfirmed."""
        left, patience = len(self._producer), self._timeout + _GRACE_SECONDS
        deadline = time.monotonic() + patience
        while left > until and not self._failures:
            self._producer.poll(_POLL_SECONDS)
            if len(self._producer) < left:
                left, deadline = len(self._producer), time.monotonic() + patience
            elif time.monotonic() > deadline:
                self._failures.append(f"no acknowledgement in {self._timeout:g} s")
        self._check()

    def _check(self) -> None:
        if not self._failures:
            return
        self._producer.purge()
        raise ServiceError(
            f"{len(self._failures)} records were not confirmed: {self._failures[0]}"
            + (f"; last error of the client: {self._last_error}" if self._last_error else ""),
            where=self._bootstrap,
            hint="see the brokers' logs; the topics now hold part of the data",
        )

    def finish(self) -> None:
        self._producer.flush(0)
        self.drain(until=0)
        self.report.confirmed = self.report.total


def feed(
    batches: Iterable[pl.DataFrame],
    bootstrap: str,
    topics: Mapping[str, str],
    *,
    on_progress: Callable[[int], None] | None = None,
    timeout: float = 60.0,
    client: Mapping[str, Any] | None = None,
) -> FeedReport:
    """Write records to their topics and wait until every one is acknowledged.

    Symbol decides the partition as with Java clients (murmur2); no headers; the order of a
    topic's records per key is kept (idempotent producer).

    Args:
        batches: frames of the layout of ``RECORD_SCHEMA``; see ``batches_of`` for loose records.
        bootstrap: bootstrap servers, comma separated.
        topics: topic by role.
        on_progress: called with the number of records handed over so far.
        timeout: seconds that a record may take to be acknowledged.
        client: further settings of librdkafka.

    Raises:
        UsageError: when the data has a role without a topic.
        ServiceError: when a topic is missing or a record is not acknowledged.
    """
    run = _Feed(bootstrap, timeout, client or {})
    run.check_topics(topics.values())
    began = time.monotonic()
    for batch in batches:
        for (role,), part in batch.group_by("role", maintain_order=True):
            run.send(_topic(topics, role), part)
        run.drain(until=_IN_FLIGHT)
        if on_progress is not None:
            on_progress(run.report.total)
    run.finish()
    run.report.seconds = time.monotonic() - began
    return run.report


def _topic(topics: Mapping[str, str], role: object) -> str:
    try:
        return topics[str(role)]
    except KeyError:
        raise UsageError(
            f"no topic for role {role!r}",
            hint=f"roles are {', '.join(ROLES)}; topics are given for {', '.join(topics)}",
        ) from None
