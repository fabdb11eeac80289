"""The one place where a pod of the miniature differs from the pod that its manifest describes."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from harness.world.addresses import Addresses
    from harness.world.profiles import ProfileSettings

Target = Literal["environment", "flinkConfiguration"]

REMOVED: Final = None
"""Value of a setting that is taken out of the pod."""

_LONGEST_BACKOFF: Final = 10
"""Longest delay between two restarts, as a multiple of the first one."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """One setting that the miniature lays over the manifest's.

    Attributes:
        target: the container's environment or Flink's configuration.
        key: name of the setting.
        value: value in the miniature; None takes the setting out.
        reason: why it must differ, completing "because ...".
    """

    target: Target
    key: str
    value: str | None
    reason: str


class LocalPodEdge:
    """Turns production's settings into those of processes on this machine.

    Manifests and objects of the API keep production's values; the Flink processes get what
    ``overlay`` returns. Names of services stay as they are: JVMs resolve them through the
    world's hosts file.

    Attributes:
        task_managers: number of TaskManagers, in place of ``spec.taskManager.replicas``.
        slots: slots of a TaskManager, in place of ``taskmanager.numberOfTaskSlots``.
        parallelism: parallelism of the job, in place of ``spec.job.parallelism``.
    """

    def __init__(
        self,
        addresses: Addresses,
        settings: ProfileSettings,
        ddl_path: Path,
        production: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Prepare the overlays.

        Args:
            addresses: where the world listens.
            settings: how small the miniature is.
            ddl_path: DDL that the job runs at start, without what one server cannot do.
            production: settings of the job in the manifests; some overlays depend on them.
        """
        self._overlays = (
            *_overlays(addresses, settings, ddl_path),
            *_later_settings(production),
            *_restarts(settings, production),
        )
        self._production: dict[Overlay, str | None] = {}
        self.task_managers = 1
        self.slots = self.parallelism = max(settings.parallelism, settings.source_parallelism)

    def overlay(
        self, environment: Mapping[str, str], configuration: Mapping[str, str]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Return environment and Flink configuration as the local processes need them.

        Args:
            environment: the container's environment as the manifest resolves to.
            configuration: ``spec.flinkConfiguration``, values as text.
        """
        laid: dict[Target, dict[str, str]] = {
            "environment": dict(environment),
            "flinkConfiguration": dict(configuration),
        }
        for item in self._overlays:
            self._lay(item, laid[item.target])
        return laid["environment"], laid["flinkConfiguration"]

    def _lay(self, item: Overlay, settings: dict[str, str]) -> None:
        self._production[item] = settings.get(item.key)
        if item.value is None:
            settings.pop(item.key, None)
        else:
            settings[item.key] = item.value

    def differences(self) -> list[str]:
        """Return one sentence for each setting that differs.

        Production's own value is named once a pod was seen; a setting in which that pod did not
        differ is left out from then on.
        """
        size = (
            f"The TA job runs in {self.task_managers} TaskManager with {self.slots} slot(s), with "
            "memory cut to what it needs, because production's size does not fit one machine."
        )
        return [*(self._sentence(item) for item in self._overlays if self._differs(item)), size]

    def _differs(self, item: Overlay) -> bool:
        return item not in self._production or self._production[item] != item.value

    def _sentence(self, item: Overlay) -> str:
        what = f"has no {item.key}" if item.value is None else f"has {item.key}={item.value}"
        # What is taken out may be a secret, so its value is not shown.
        if item.value is not None and item in self._production:
            what += f" (production: {self._production[item] or 'not set'})"
        where = "environment" if item.target == "environment" else "Flink configuration"
        return f"The TA pod's {where} {what}, because {item.reason}."


def _overlays(addresses: Addresses, settings: ProfileSettings, ddl_path: Path) -> Iterator[Overlay]:
    yield from _kafka()
    yield from _object_store(f"http://{addresses.object_store}")
    yield from _size(settings)
    yield Overlay(
        "environment",
        "TA_CLICKHOUSE_DDL_PATH",
        str(ddl_path),
        "the local ClickHouse is one server that knows neither ON CLUSTER nor replicated tables",
    )
    for key in ("metrics.reporter.prom.factory.class", "metrics.reporter.prom.port"):
        yield Overlay(
            "flinkConfiguration",
            key,
            REMOVED,
            "metrics are read over Flink's REST API and a fixed port would be taken twice",
        )


def _kafka() -> Iterator[Overlay]:
    brokers = "the local brokers have no users"
    yield Overlay("environment", "TA_KAFKA_SECURITY", "PLAINTEXT", brokers)
    for key in ("TA_KAFKA_SASL_MECH", "TA_KAFKA_USERNAME", "TA_KAFKA_PASSWORD"):
        yield Overlay("environment", key, REMOVED, brokers)
    yield Overlay(
        "environment",
        "TA_SCHEMA_REGISTRY_URL",
        REMOVED,
        "there is no schema registry: values are bare Avro without the registry's framing",
    )


def _object_store(endpoint: str) -> Iterator[Overlay]:
    reason = "port 80 is for root alone, so the local object store listens elsewhere"
    yield Overlay("environment", "TA_S3_ENDPOINT", endpoint, reason)
    yield Overlay("flinkConfiguration", "fs.s3a.endpoint", endpoint, reason)


def _size(settings: ProfileSettings) -> Iterator[Overlay]:
    quick = "a rehearsal shall see many checkpoints within seconds"
    small = "two cores hold one slot's worth of work"
    interval, pause = str(settings.checkpoint_interval_ms), str(settings.checkpoint_pause_ms)
    yield Overlay("environment", "TA_CHECKPOINT_INTERVAL_MS", interval, quick)
    yield Overlay("environment", "TA_CHECKPOINT_PAUSE_MS", pause, quick)
    # Production has more source subtasks than partitions; those without one hold back the
    # watermark, so that no event-time timer fires. That is kept, at a smaller size.
    sources, operators = str(settings.source_parallelism), str(settings.parallelism)
    slots = str(max(settings.parallelism, settings.source_parallelism))
    yield Overlay("environment", "TA_PARALLELISM", sources, small)
    yield Overlay("environment", "TA_OPERATOR_PARALLELISM", operators, small)
    yield Overlay("flinkConfiguration", "taskmanager.numberOfTaskSlots", slots, small)
    yield Overlay("flinkConfiguration", "parallelism.default", slots, small)


def _later_settings(production: Mapping[str, str]) -> Iterator[Overlay]:
    """Yield overlays of settings that came after the runbook and that only some profiles have."""
    for key, value, reason in (
        ("TA_STATUS_TOPIC", REMOVED, "the stand-in of the job writes no status records"),
        (
            "TA_CLICKHOUSE_REQUIRE_REPLICATED_TABLES",
            "false",
            "the local ClickHouse has no replicated tables",
        ),
    ):
        if key in production:
            yield Overlay("environment", key, value, reason)


def _restarts(settings: ProfileSettings, production: Mapping[str, str]) -> Iterator[Overlay]:
    first = settings.restart_delay_ms
    delays = {"restart-strategy.fixed-delay.delay": first}
    if production.get("restart-strategy.type") == "exponential-delay":
        delays = {
            "restart-strategy.exponential-delay.initial-backoff": first,
            "restart-strategy.exponential-delay.max-backoff": first * _LONGEST_BACKOFF,
        }
    for key, delay in delays.items():
        reason = "a rehearsal shall not wait long for a restart"
        yield Overlay("flinkConfiguration", key, f"{delay} ms", reason)
