"""Flink's REST answers, as recorded from Flink 2.0.2, become typed records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.world.services.flink import (
    CheckpointStatistics,
    JobDetails,
    Overview,
    SavepointStatus,
    Vertex,
    metric_topic,
)
from harness.world.services.flink.records import is_source_metric, source_metrics

RECORDED = Path(__file__).parent / "data" / "flink_rest"
CHECKPOINTS = "s3a://flink-checkpoints/torghut/technical-analysis/checkpoints"
SAVEPOINTS = "s3a://flink-checkpoints/torghut/technical-analysis/savepoints"


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text())


def vertex(name: str, status: str = "RUNNING") -> Vertex:
    return Vertex(vertex_id="f" * 32, name=name, parallelism=1, status=status)


def test_overview_counts_slots() -> None:
    overview = Overview.from_json(recorded("overview"))
    assert overview == Overview(
        version="2.0.2", task_managers=1, slots_total=2, slots_available=1, jobs_running=1
    )


def test_a_running_job_has_vertices_and_no_end() -> None:
    job = JobDetails.from_json(recorded("job-running"))
    assert (job.name, job.state, job.end_time, job.terminal) == ("probe", "RUNNING", None, False)
    assert [one.source for one in job.vertices] == ["probe-source", None]
    assert job.all_running
    assert job.timestamps["RUNNING"] >= job.start_time


def test_a_job_that_failed_to_initialise_has_ended_and_has_no_vertices() -> None:
    job = JobDetails.from_json(recorded("job-failed"))
    assert (job.state, job.terminal, job.vertices, job.all_running) == ("FAILED", True, (), False)
    assert job.end_time is not None
    assert job.end_time >= job.start_time


def test_a_job_with_one_vertex_still_deploying_is_not_all_running() -> None:
    body = recorded("job-running")
    body["vertices"][1]["status"] = "INITIALIZING"
    assert not JobDetails.from_json(body).all_running


@pytest.mark.parametrize("state", ["INITIALIZING", "RUNNING", "RESTARTING", "CANCELLING"])
def test_states_that_a_job_may_leave_are_not_terminal(state: str) -> None:
    assert not JobDetails.from_json({**recorded("job-running"), "state": state}).terminal


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("Source: ta-trades-source -> Map -> Sink: x", "ta-trades-source"),
        ("Source: trades[1] -> Calc[2]", "trades"),
        ("Source: lonely", "lonely"),
        ("KEYED PROCESS, Filter -> Sink: Source: nothing", None),
    ],
)
def test_a_chain_is_named_after_its_source(name: str, source: str | None) -> None:
    assert vertex(name).source == source


def test_checkpoints_of_a_restored_job() -> None:
    statistics = CheckpointStatistics.from_json(recorded("checkpoints-restored"))
    restored, completed = statistics.latest_restored, statistics.latest_completed
    assert restored is not None
    assert restored.external_path == f"{SAVEPOINTS}/savepoint-ababab-0f4098280af2"
    assert (restored.checkpoint_id, restored.is_savepoint) == (3, True)
    assert completed is not None
    assert completed.external_path == f"{CHECKPOINTS}/507f17dacc2fad30c6ed249fa859ed85/chk-6"
    assert not completed.is_savepoint
    assert completed.completed >= completed.triggered
    assert statistics.latest_savepoint is None
    counts = statistics.counts
    assert (counts.restored, counts.completed, counts.failed, counts.in_progress) == (1, 3, 2, 1)
    assert statistics.in_progress == (7,)
    assert [one.checkpoint_id for one in statistics.completed] == [6, 5, 4]


def test_a_failed_checkpoint_tells_why() -> None:
    body = recorded("checkpoints-restored")
    assert CheckpointStatistics.from_json(body).latest_failure is None
    body["latest"]["failed"] = {"id": 8, "failure_message": "Checkpoint expired"}
    assert CheckpointStatistics.from_json(body).latest_failure == "Checkpoint expired"
    body["latest"]["failed"] = {"id": 8, "failure_message": None}
    assert CheckpointStatistics.from_json(body).latest_failure == "unknown"


def test_a_job_without_checkpoints_has_none() -> None:
    body = recorded("checkpoints-restored")
    body.update(
        counts=dict.fromkeys(body["counts"], 0),
        latest=dict.fromkeys(body["latest"]),
        history=[],
    )
    statistics = CheckpointStatistics.from_json(body)
    assert statistics.latest_completed is None
    assert statistics.latest_restored is None
    assert statistics.completed == ()


def test_a_savepoint_is_done_with_a_place_or_with_a_failure() -> None:
    done = SavepointStatus.from_json(recorded("savepoint-done"))
    assert done == SavepointStatus(
        done=True, location=f"{SAVEPOINTS}/savepoint-ababab-0f4098280af2", failure=None
    )
    failed = SavepointStatus.from_json(recorded("savepoint-failed"))
    assert (failed.done, failed.location) == (True, None)
    assert failed.failure is not None
    assert "nonsense" in failed.failure
    running = SavepointStatus.from_json({"status": {"id": "IN_PROGRESS"}, "operation": None})
    assert running == SavepointStatus(done=False, location=None, failure=None)


KAFKA = "0.Source__ta-trades-source.KafkaSourceReader.topic.torghut_trades_v1.partition.{}.{}"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("0.Source__ta-trades-source.numRecordsIn", True),
        ("11.Source__trades[1].numRecordsOut", True),
        (KAFKA.format(2, "currentOffset"), True),
        (KAFKA.format(2, "committedOffset"), True),
        ("0.Source__ta-trades-source.numRecordsInPerSecond", False),
        ("0.Source__ta-trades-source.numRecordsInErrors", False),
        ("0.numRecordsIn", False),
        ("0.Map.numRecordsIn", False),
    ],
)
def test_which_metrics_tell_how_far_a_source_is(name: str, *, wanted: bool) -> None:
    assert is_source_metric(name) is wanted


def test_kafka_offsets_are_by_topic_and_partition_and_negative_ones_are_nothing() -> None:
    metrics = source_metrics(
        "ta-trades-source",
        [
            {"id": "0.Source__ta-trades-source.numRecordsIn", "value": "40"},
            {"id": "1.Source__ta-trades-source.numRecordsIn", "value": "2"},
            {"id": KAFKA.format(0, "currentOffset"), "value": "39"},
            {"id": KAFKA.format(1, "currentOffset"), "value": "-1"},
            {"id": KAFKA.format(0, "committedOffset"), "value": "17"},
        ],
    )
    topic = metric_topic("torghut.trades.v1")
    assert metrics.records == 42
    assert metrics.current_offsets == {(topic, 0): 39}
    assert metrics.committed_offsets == {(topic, 0): 17}


def test_no_metric_yet_is_not_zero_records() -> None:
    assert source_metrics("s", []).records is None
    assert source_metrics("s", [{"id": "0.Source__s.numRecordsIn", "value": "0"}]).records == 0


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1))
def test_what_was_read_and_not_what_was_let_through_counts(subtasks: list[tuple[int, int]]) -> None:
    values = []
    for number, (read, dropped) in enumerate(subtasks):
        passed = max(read - dropped, 0)
        values.append({"id": f"{number}.Source__s.numRecordsIn", "value": str(read)})
        values.append({"id": f"{number}.Source__s.numRecordsOut", "value": str(passed)})
    assert source_metrics("s", values).records == sum(read for read, _ in subtasks)
