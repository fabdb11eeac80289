"""Runs a Python worker of a TaskManager and ends it when the TaskManager is gone.

A worker whose TaskManager was killed can wait for it for ever. Called in place of the
interpreter as ``python -P worker.py -m MODULE ARGS...`` by the shell script that the TaskManager
starts, in the job's environment: nothing of the harness is imported.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
import time
from pathlib import Path

INTERVAL = 0.5  # seconds between two looks


def parent_of(pid: int) -> int | None:
    """Return the parent of a process, or None when the process is gone."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(status.rpartition(")")[2].split()[1])  # the name before it may hold anything


def follow(shell: int, task_manager: int | None) -> None:
    """End this process at once when the shell has another parent than the TaskManager."""
    while task_manager is not None and parent_of(shell) == task_manager:
        time.sleep(INTERVAL)
    os._exit(1)


def main() -> None:
    """Watch in the background and become the module."""
    shell = os.getppid()
    watcher = threading.Thread(target=follow, args=(shell, parent_of(shell)), daemon=True)
    watcher.start()
    module = sys.argv[2]
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
