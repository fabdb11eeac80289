"""Python workers that outlive the JVM that started them."""

from __future__ import annotations

import contextlib
import time
from typing import Final

import psutil

from harness.world.services.flink.commands import CLUSTER_MARKER

_INTERVAL: Final = 0.05


def processes_of(token: str) -> list[psutil.Process]:
    """Find the running processes that carry a cluster's marker.

    Args:
        token: the cluster's own value of ``CLUSTER_MARKER``.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(CLUSTER_MARKER) == token:
                found.append(process)
    return found


def end_leftovers(token: str, *, grace: float) -> list[int]:
    """Kill what a cluster left running.

    Args:
        token: the cluster's own value of ``CLUSTER_MARKER``.
        grace: seconds to let processes end by themselves first.

    Returns:
        Process identifiers of those that had to be killed.
    """
    deadline = time.monotonic() + grace
    while (left := processes_of(token)) and time.monotonic() < deadline:
        time.sleep(_INTERVAL)
    killed = []
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
            killed.append(process.pid)
    return killed
