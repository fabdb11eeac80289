"""``make bench``: measures and prints a table; with ``--json FILE`` it also leaves the figures.

Absolute times of a shared machine say little, so what is promised is a ratio of two things
measured in turns in one run, and what is not a ratio is printed with the machine's load.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from confluent_kafka.admin import NewTopic

from harness.report.journal import Journal
from harness.world import registry
from harness.world.addresses import Addresses
from harness.world.market.feed import feed
from harness.world.market.generator import Market
from harness.world.market.records import ROLES
from harness.world.market.settings import MarketSettings
from harness.world.services.clickhouse.local import LocalClickHouse
from harness.world.services.kafka.local import LocalKafka
from harness.world.services.object_store.local import LocalObjectStore
from harness.world.spec import WorldSpec
from harness.world.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.world.services.base import Service

COMMAND = [str(Path(sys.executable).with_name("replay-harness"))]
NETWORK = "127.126.1"


def _alone(make: Callable[[Path], Service]) -> float:
    """Return seconds from the start of one service alone until it answers."""
    with tempfile.TemporaryDirectory(prefix="torghut-bench-") as folder:
        service = make(Path(folder))
        began = time.monotonic()
        try:
            service.start()
            service.wait_ready()
            return time.monotonic() - began
        finally:
            service.stop()


def _services() -> dict[str, Callable[[Path], Service]]:
    addresses = Addresses(NETWORK)
    return {
        "kafka": lambda f: LocalKafka(addresses, directory=f / "d", logs=f, world_id="bench"),
        "clickhouse": lambda f: LocalClickHouse(
            addresses, directory=f / "d", logs=f, world_id="bench", password="bench"
        ),
        "object-store": lambda f: LocalObjectStore(addresses, logs=f, world_id="bench"),
    }


def _world() -> dict[str, float]:
    """Return seconds to ready of a whole world, by part."""
    world_id = registry.new_world_id()
    with tempfile.TemporaryDirectory(prefix="torghut-bench-") as folder:
        spec = WorldSpec(
            world_id=world_id,
            root=registry.make_directory(world_id),
            logs=Path(folder) / "logs",
            audit=Path(folder) / "audit.jsonl",
            profile="S",
            settings={},
        )
        with World(spec) as world:
            world.start(os.environ)
            return dict(world.wait_ready().ready_seconds)


def bench_world(rounds: int) -> dict[str, Any]:
    """Compare a world with its slowest service started alone, in turns."""
    alone: dict[str, list[float]] = {name: [] for name in _services()}
    whole: list[dict[str, float]] = []
    for _ in range(rounds):
        for name, make in _services().items():
            alone[name].append(_alone(make))
        whole.append(_world())
    medians = {name: statistics.median(times) for name, times in alone.items()}
    slowest = max(medians, key=lambda name: medians[name])
    services = statistics.median(max(w[name] for name in medians) for w in whole)
    world = statistics.median(w["world"] for w in whole)
    return {
        "slowest service alone": slowest,
        "alone_seconds": medians,
        "all_services_seconds": services,
        "world_seconds": world,
        "ratio_services": services / medians[slowest],
        "ratio_world": world / medians[slowest],
    }


def bench_help(rounds: int) -> dict[str, Any]:
    """Compare ``--help`` with an interpreter that does nothing."""

    def seconds(command: list[str]) -> float:
        began = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        return time.monotonic() - began

    pairs = [
        (seconds([sys.executable, "-c", "pass"]), seconds([*COMMAND, "--help"]))
        for _ in range(rounds * 5)
    ]
    empty, shown = (statistics.median(times) for times in zip(*pairs, strict=True))
    return {"help_seconds": shown, "python_seconds": empty, "ratio": shown / empty}


def bench_feed(rounds: int) -> dict[str, Any]:
    """Feed three replicated topics while nothing else runs; the first round is a cold one."""
    rates = []
    with tempfile.TemporaryDirectory(prefix="torghut-bench-") as folder:
        kafka = LocalKafka(
            Addresses(NETWORK), directory=Path(folder) / "d", logs=Path(folder), world_id="bench"
        )
        try:
            kafka.start()
            kafka.wait_ready()
            admin = kafka.admin()
            for number in range(rounds):
                topics = {str(role): f"{role}-{number}" for role in ROLES}
                for made in admin.create_topics(
                    [NewTopic(topic, 3, 3) for topic in topics.values()]
                ).values():
                    made.result()
                start = datetime.now(UTC) - timedelta(hours=3)
                market = Market(MarketSettings(start=start, events=200_000, seed=number))
                report = feed(market.batches(), kafka.bootstrap, topics)
                rates.append(report.confirmed / report.seconds)
        finally:
            kafka.stop()
    return {"events_per_second": [round(rate) for rate in rates], "replication factor": 3}


def bench_rehearsal(events: int) -> dict[str, Any]:
    """Run Mode 1 once and say where the time goes."""
    out = Path(tempfile.mkdtemp(prefix="torghut-bench-"))
    try:
        command = [*COMMAND, "rehearse", "mode1", "--out", str(out), "--set", f"events={events}"]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
        journal = Journal.read(out / "journal.json")
    finally:
        shutil.rmtree(out, ignore_errors=True)
    return {
        "events": sum(journal.market["counts"].values()),
        "verdict": journal.verdict,
        "seconds": journal.run.seconds,
        "peak_memory_gb": (journal.run.peak_memory_bytes or 0) / 1e9,
        "feed_events_per_second": journal.market["confirmed"] / journal.market["seconds"],
        "phases": {phase.name: phase.seconds for phase in journal.phases},
        "load": journal.run.load,
    }


def _print(figures: dict[str, Any]) -> None:
    for name, values in figures.items():
        print(f"\n{name}")
        for key, value in values.items():
            shown = f"{value:.3g}" if isinstance(value, float) else value
            print(f"  {key:24} {shown}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--only", choices=["world", "feed", "help", "rehearsal"])
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    benches: dict[str, Callable[[], dict[str, Any]]] = {
        "help": lambda: bench_help(chosen.rounds),
        "world": lambda: bench_world(chosen.rounds),
        "feed": lambda: bench_feed(chosen.rounds),
        "rehearsal": lambda: bench_rehearsal(chosen.events),
    }
    figures = {name: bench() for name, bench in benches.items() if chosen.only in (None, name)}
    figures["machine"] = {"cores": os.cpu_count(), "load": os.getloadavg()}
    _print(figures)
    if chosen.json:
        chosen.json.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
