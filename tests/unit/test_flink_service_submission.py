"""Running the client: its job's identifier, or why there is none."""

from __future__ import annotations

import os
import sys
import textwrap
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.waiting import wait_until
from harness.world.processes import MARKER, ManagedProcess, sweep
from harness.world.services.flink import JobSubmissionError
from harness.world.services.flink.commands import CLUSTER_MARKER
from harness.world.services.flink.errors import is_restore_path_missing, root_cause
from harness.world.services.flink.leftovers import end_leftovers, processes_of
from harness.world.services.flink.submission import run_client

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDED = Path(__file__).parent / "data" / "flink_rest" / "missing-checkpoint.txt"
JOB = "0123456789abcdef" * 2


def run(tmp_path: Path, code: str, *, timeout: float = 30.0, linger: float = 0.0) -> str:
    return run_client(
        [sys.executable, "-c", textwrap.dedent(code)],
        environment={"PATH": os.defpath},
        directory=tmp_path,
        log=tmp_path / "client.log",
        timeout=timeout,
        linger=linger,
    )


def test_the_last_job_id_counts(tmp_path: Path) -> None:
    code = f"print('job-id: ' + 'f' * 32); print('WARN something'); print('job-id: {JOB}')"
    assert run(tmp_path, code) == JOB


def test_what_a_jvm_writes_afterwards_does_not_matter(tmp_path: Path) -> None:
    assert run(tmp_path, f"print('job-id: {JOB}'); print('WARN closing')") == JOB


@pytest.mark.parametrize(
    "code",
    [
        f"print('job-id: {JOB}'); raise SystemExit(1)",
        "print('submitted')",
        "print('job-id: unknown')",
        "",
    ],
)
def test_a_client_that_failed_or_names_no_job_submitted_nothing(tmp_path: Path, code: str) -> None:
    with pytest.raises(JobSubmissionError, match="was not submitted"):
        run(tmp_path, code)


def test_a_missing_checkpoint_is_named_with_advice(tmp_path: Path) -> None:
    code = f"import sys; print(open({str(RECORDED)!r}).read()); sys.exit(1)"
    with pytest.raises(JobSubmissionError) as caught:
        run(tmp_path, code)
    error = caught.value
    assert error.restore_path_missing
    assert error.cause.startswith("java.io.FileNotFoundException: Cannot find checkpoint")
    assert "client status 1" in str(error)
    assert "start stateless" in str(error)


def test_another_failure_gives_no_advice_about_state(tmp_path: Path) -> None:
    with pytest.raises(JobSubmissionError) as caught:
        run(tmp_path, "raise ValueError('TA_KAFKA_BOOTSTRAP is missing')")
    assert caught.value.cause == "ValueError: TA_KAFKA_BOOTSTRAP is missing"
    assert caught.value.hint is None
    assert not caught.value.restore_path_missing


def test_a_client_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    code = """
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print("child", child.pid, flush=True)
        time.sleep(600)
    """
    with pytest.raises(JobSubmissionError, match="within 3 s"):
        run(tmp_path, code, timeout=3)
    child = int((tmp_path / "client.log").read_text().split()[1])
    wait_until(lambda: not psutil.pid_exists(child) or zombie(child), what="the end", timeout=20)


def zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_jvm_that_still_writes_is_waited_for(tmp_path: Path) -> None:
    code = f"""
        import subprocess, sys
        late = "import time, pathlib; time.sleep(0.5); pathlib.Path('archive').touch()"
        subprocess.Popen([sys.executable, "-c", late])
        print("job-id: {JOB}")
    """
    assert run(tmp_path, code, linger=30) == JOB
    assert (tmp_path / "archive").exists()


def test_an_interpreter_that_is_missing_is_a_failed_submission(tmp_path: Path) -> None:
    with pytest.raises(JobSubmissionError, match="was not submitted"):
        run_client(
            ["no/such/python"],
            environment={"PATH": os.defpath},
            directory=tmp_path,
            log=tmp_path / "client.log",
            timeout=30,
        )


LINES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)


@given(st.lists(LINES, max_size=4), LINES)
def test_the_innermost_cause_is_the_last_one(before: list[str], cause: str) -> None:
    trace = [f"Caused by: {line}\n\tat some.Class" for line in before]
    text = "\n".join([*trace, f"Caused by: {cause}", "\t... 5 more", ""])
    assert root_cause(text) == cause


def test_without_causes_the_last_line_is_the_cause() -> None:
    assert root_cause("a\nb\n\n") == "b"
    assert root_cause("") == ""


def test_only_flinks_own_words_mean_a_missing_checkpoint() -> None:
    assert is_restore_path_missing(RECORDED.read_text())
    assert not is_restore_path_missing("FileNotFoundException: /opt/flink/conf/config.yaml")


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[ManagedProcess]:
    world, token = f"test-{uuid.uuid4().hex[:8]}", f"token-{uuid.uuid4().hex[:8]}"
    process = ManagedProcess(
        token,
        [sys.executable, "-c", "import time; time.sleep(600)"],
        log=tmp_path / "worker.log",
        environment={MARKER: world, CLUSTER_MARKER: token, "PATH": os.defpath},
    )
    process.start()
    yield process
    process.kill()
    sweep(world)


def test_leftovers_of_this_cluster_alone_are_ended(worker: ManagedProcess) -> None:
    assert end_leftovers("another-token", grace=0.0) == []
    assert [process.pid for process in processes_of(worker.name)] == [worker.pid]
    assert end_leftovers(worker.name, grace=0.0) == [worker.pid]
    wait_until(lambda: not worker.running, what="the worker's end", timeout=20)
    assert end_leftovers(worker.name, grace=5.0) == []
