"""Submitting the job: the job's own program runs as the client of the cluster."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, Final

from harness.core.waiting import WaitTimeoutError, wait_until
from harness.world.processes import ManagedProcess
from harness.world.services.flink.errors import (
    JobSubmissionError,
    is_restore_path_missing,
    root_cause,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_JOB_ID: Final = re.compile(r"^job-id: ([0-9a-f]{32})\s*$", re.MULTILINE)


def run_client(
    arguments: list[str],
    *,
    environment: Mapping[str, str],
    directory: Path,
    log: Path,
    timeout: float,
    linger: float = 0.0,
) -> str:
    """Run a client to its end and return the identifier of the job it submitted.

    Args:
        arguments: program and arguments.
        environment: its whole environment.
        directory: working directory.
        log: file for its output.
        timeout: seconds.
        linger: seconds for the client's JVM to end by itself after the client has.

    Raises:
        JobSubmissionError: when it fails, takes too long, or names no job; with the cause.
    """
    client = ManagedProcess(
        "flink-client", arguments, log=log, environment=environment, directory=directory
    )
    client.start()
    try:
        _wait_for_end(client, timeout)
        _wait_for_session(client, linger)
    finally:
        client.kill()  # its JVM is in the same session
    return _job_id(client)


def _wait_for_end(client: ManagedProcess, timeout: float) -> None:
    try:
        wait_until(lambda: not client.running, what="the client's end", timeout=timeout)
    except WaitTimeoutError as error:
        raise JobSubmissionError(
            f"the client did not submit the job within {timeout:g} s; its log ends:\n"
            f"{client.tail()}",
            where=str(client.log),
            output=client.log.read_text(errors="replace"),
            hint="is the JobManager alive and the machine not overloaded?",
        ) from error


def _wait_for_session(client: ManagedProcess, linger: float) -> None:
    with contextlib.suppress(WaitTimeoutError):
        wait_until(lambda: _session_ended(client), what="the client's JVM", timeout=linger)


def _session_ended(client: ManagedProcess) -> bool:
    try:
        os.killpg(client.pid or 0, 0)
    except ProcessLookupError:
        return True
    return False


def _job_id(client: ManagedProcess) -> str:
    output = client.log.read_text(errors="replace")
    found = _JOB_ID.findall(output)
    if client.exit_status == 0 and found:
        return str(found[-1])
    raise JobSubmissionError(
        f"the job was not submitted: client status {client.exit_status}, "
        f"{root_cause(output) or 'no output'}; its log ends:\n{client.tail(30)}",
        where=str(client.log),
        output=output,
        hint=_hint(output),
    )


def _hint(output: str) -> str | None:
    if is_restore_path_missing(output):
        return "the state to restore from is gone: start stateless, or bring the files back"
    return None
