"""The replay runner at the path that the runbook calls it by."""  # noqa: INP001 - a script

from __future__ import annotations

from harness.cli.ta_replay_runner import run

if __name__ == "__main__":
    run()
