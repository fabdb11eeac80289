"""``ta-replay-runner``: the replay runner as a program of its own."""

from __future__ import annotations

import signal
import sys
from types import FrameType


def run() -> None:
    """Run ``ta-replay-runner``; the process ends with its exit status."""
    from harness.replay.runner.main import main  # noqa: PLC0415 - keeps the import of the CLI light

    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Treat SIGTERM like Ctrl-C, so that the lock is given back."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    run()
