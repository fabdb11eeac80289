"""Flink: JobManager, TaskManagers and job submission of the local driver, and its REST API."""

from __future__ import annotations

from harness.world.services.flink.cluster import FlinkCluster
from harness.world.services.flink.errors import FlinkRestError, JobSubmissionError
from harness.world.services.flink.records import (
    CheckpointCounts,
    CheckpointStatistics,
    CompletedCheckpoint,
    JobDetails,
    Overview,
    RestoredCheckpoint,
    SavepointStatus,
    SourceMetrics,
    Vertex,
    metric_topic,
)
from harness.world.services.flink.rest import FlinkRest
from harness.world.services.flink.runtime import FlinkRuntime
from harness.world.services.flink.spec import FlinkClusterSpec, Memory

__all__ = [
    "CheckpointCounts",
    "CheckpointStatistics",
    "CompletedCheckpoint",
    "FlinkCluster",
    "FlinkClusterSpec",
    "FlinkRest",
    "FlinkRestError",
    "FlinkRuntime",
    "JobDetails",
    "JobSubmissionError",
    "Memory",
    "Overview",
    "RestoredCheckpoint",
    "SavepointStatus",
    "SourceMetrics",
    "Vertex",
    "metric_topic",
]
