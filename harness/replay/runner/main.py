"""From the command line to a report and an exit status."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from harness.core.errors import HarnessError
from harness.replay.runner.brokers import Brokers
from harness.replay.runner.clickhouse import ClickHouse
from harness.replay.runner.flink import newest_job
from harness.replay.runner.kubectl import KubectlCluster
from harness.replay.runner.options import parse
from harness.replay.runner.probing import Verification
from harness.replay.runner.report import as_json, as_text
from harness.replay.runner.running import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.replay.runner.options import Options

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the runner.

    Args:
        arguments: without the program's name; None takes the process's.

    Returns:
        Exit status. Standard output holds the report and nothing else.
    """
    try:
        options = parse(sys.argv[1:] if arguments is None else arguments)
        report, status = _run(options).execute()
    except HarnessError as error:
        _say(_message(error))
        return error.exit_status
    except KeyboardInterrupt:
        _say("interrupted; the record says how far it came")
        return _INTERRUPTED
    print(as_json(report) if options.json else as_text(report))  # noqa: T201 - its purpose
    return status


def _run(options: Options) -> Run:
    brokers = Brokers(options.kafka) if options.kafka else None
    access = options.clickhouse
    clickhouse = (
        ClickHouse(access.url, access.username, access.password, access.timeout) if access else None
    )
    return Run(
        options,
        KubectlCluster(options.namespace),
        brokers=brokers,
        clickhouse=clickhouse,
        verification=Verification(options, brokers, newest_job, _say),
        say=_say,
    )


def _message(error: HarnessError) -> str:
    place = f"{error.where}: " if error.where else ""
    advice = f"\n  {error.hint}" if error.hint else ""
    return f"{place}{error.what}{advice}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress
