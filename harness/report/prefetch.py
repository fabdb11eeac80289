"""Fetches and prepares everything once, so that later runs are fast and need no network."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from harness.report.progress import ConsoleProgress, console
from harness.world import network
from harness.world.addresses import Addresses
from harness.world.artifacts import fetch, read_lock
from harness.world.locating import ROOT, job_python
from harness.world.services.flink import FlinkRuntime
from harness.world.services.flink.archives import ClassArchives
from harness.world.services.kafka import training
from harness.world.tools import find_aws, find_kubectl

if TYPE_CHECKING:
    from harness.replay.progress import Progress


def fetch_everything() -> None:
    """Fetch all archives, find all programs, make the JVMs' caches.

    Raises:
        HarnessError: naming what is missing and what to do about it.
    """
    with ConsoleProgress(console(quiet=False)) as progress:
        _find_programs(progress)
        _fetch_archives(progress)
        _warm(progress)
    print("everything is there; no network is needed from now on")  # noqa: T201 - the result


def _find_programs(progress: Progress) -> None:
    progress.phase("find programs")
    programs = {"kubectl": find_kubectl(), "aws": find_aws(), "the job's Python": job_python()}
    for name, path in programs.items():
        progress.note(f"{name}: {path}")


def _fetch_archives(progress: Progress) -> None:
    progress.phase("fetch archives")
    for group in read_lock():
        progress.status(group)
        progress.note(f"{group}: {len(fetch(group))} archives")


def _warm(progress: Progress) -> None:
    progress.phase("prepare the JVMs' caches")
    held = network.claim(None, lambda name: network.world_ports(Addresses(name, 1)))
    with contextlib.closing(held):
        made = training.prepare(Addresses(held.network, 1))
    progress.note(f"Kafka: {_word(made)}")
    # Asking for the options of a process is what makes the base archive; the job's own classes
    # follow when the first cluster ends.
    archives = ClassArchives(FlinkRuntime.locate(job_python(), repository=ROOT))
    progress.note(f"Flink: {_word(bool(archives.options('prefetch')))}")


def _word(made: bool) -> str:  # noqa: FBT001 - a word for it
    return "ready" if made else "cannot be made; JVMs start more slowly"
