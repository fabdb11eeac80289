"""Runs ClickHouse's own server out of the chdb-core wheel, until SIGTERM.

Called as ``python -I server.py DATA_DIRECTORY`` in a directory that holds ``config.xml``. The
wheel's library starts the server's HTTP and native listeners for as long as one query runs; that
query reads a pipe which this program keeps open. ``chdb._chdb`` is not a public interface, so
the wheel's version is pinned and ``tests/integration/test_services.py`` would notice a change.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

_LISTEN = (
    "SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; "
    "SELECT * FROM file('{pipe}', 'LineAsString', 'line String') "
    "SETTINGS storage_file_read_method = 'read', max_execution_time = 0 FORMAT Null"
)


def _hold_open(pipe: Path) -> None:
    """Keep the pipe open until SIGTERM or SIGINT: closing it ends the query and the server."""
    writer = os.open(pipe, os.O_WRONLY)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    os.close(writer)


def main() -> None:
    """Lock the data directory and serve."""
    data = Path(sys.argv[1]).absolute()
    data.mkdir(parents=True, exist_ok=True)
    # A second opener would damage temporary data before the library notices.
    lock = (data.parent / f"{data.name}.lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"{data} is in use by another ClickHouse")
    # Blocked before the library starts its threads, so that only the waiting thread gets them.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    pipe = data.parent / f"{data.name}.until"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    threading.Thread(target=_hold_open, args=(pipe,), daemon=True).start()
    sys.exit(_serve(data, pipe))


def _serve(data: Path, pipe: Path) -> str | None:
    # A restarted server does not know the tables of its query log, and trips over their files.
    shutil.rmtree(data / "data" / "system", ignore_errors=True)
    library = _load_library()
    try:
        answer = library.query(_LISTEN.format(pipe=pipe), "TSV", path=str(data))
    except RuntimeError as error:
        return f"ClickHouse failed: {error}"
    # has_error() says False even when there is a message.
    return answer.error_message() or None


def _load_library() -> ModuleType:
    """Load the wheel's library (570 MB) by itself.

    The package around it would first open a database of its own, with our configuration, after
    which the library does not log any more.
    """
    package = importlib.util.find_spec("chdb")
    if package is None or package.origin is None:
        sys.exit("chdb-core is not installed: set the environment up again")
    sys.path.insert(0, str(Path(package.origin).parent))
    return importlib.import_module("_chdb")


if __name__ == "__main__":
    main()
