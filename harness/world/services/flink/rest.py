"""The JobManager's REST API, as far as the harness and its operator model need it."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode, urlsplit

import orjson

from harness.world.services.flink.errors import FlinkRestError
from harness.world.services.flink.records import (
    CheckpointStatistics,
    JobDetails,
    Overview,
    SavepointStatus,
    is_source_metric,
    source_metrics,
)

if TYPE_CHECKING:
    from harness.world.services.flink.records import SourceMetrics

_TIMEOUT: Final = 10.0
_METRICS_PER_REQUEST: Final = 50
_NOT_FOUND: Final = 404


class FlinkRest:
    """A client that keeps no connection: any thread may use it, also across restarts.

    Attributes:
        url: base URL, ``http://HOST:PORT``.
    """

    def __init__(self, url: str, *, timeout: float = _TIMEOUT) -> None:
        """Remember where the API is; nothing is sent.

        Args:
            url: base URL, ``http://HOST:PORT``.
            timeout: seconds for one answer.
        """
        self.url = url
        self._location = urlsplit(url).netloc
        self._timeout = timeout

    def overview(self) -> Overview:
        """Return the cluster at a glance.

        Raises:
            FlinkRestError: as every method here, when nobody answers or the answer is an error.
        """
        return Overview.from_json(self.get("/overview"))

    def cluster_configuration(self) -> dict[str, str]:
        """Return the configuration that the JobManager runs with."""
        return {one["key"]: one["value"] for one in self.get("/jobmanager/config")}

    def jobs(self) -> dict[str, str]:
        """Return the state of each job that the JobManager knows, by job identifier."""
        return {one["id"]: one["status"] for one in self.get("/jobs")["jobs"]}

    def job(self, job_id: str) -> JobDetails:
        """Return one job."""
        return JobDetails.from_json(self.get(f"/jobs/{job_id}"))

    def checkpoints(self, job_id: str) -> CheckpointStatistics:
        """Return the checkpoints of a job; all zero for one that failed to initialise."""
        return CheckpointStatistics.from_json(self.get(f"/jobs/{job_id}/checkpoints"))

    def checkpoint_configuration(self, job_id: str) -> dict[str, Any]:
        """Return how the job makes checkpoints: ``interval``, ``mode``, ``externalization``."""
        return dict(self.get(f"/jobs/{job_id}/checkpoints/config"))

    def exceptions(self, job_id: str) -> str:
        """Return the stack trace of the newest failure of a job; empty when there was none."""
        body = self.get(f"/jobs/{job_id}/exceptions?maxExceptions=1")
        entries = body.get("exceptionHistory", {}).get("entries", [])
        return str(entries[0].get("stacktrace", "")) if entries else ""

    def cancel(self, job_id: str) -> None:
        """Ask for the job's cancellation; it has happened once its state is CANCELED."""
        self._request("PATCH", f"/jobs/{job_id}?mode=cancel")

    def stop_with_savepoint(self, job_id: str, directory: str, *, drain: bool = False) -> str:
        """Ask for a savepoint after which the job ends.

        Args:
            job_id: the job.
            directory: where to put the savepoint.
            drain: whether to fire all event-time timers first.

        Returns:
            The trigger to ask ``savepoint_status`` with.
        """
        body = {"targetDirectory": directory, "drain": drain}
        return str(self._request("POST", f"/jobs/{job_id}/stop", body)["request-id"])

    def trigger_savepoint(self, job_id: str, directory: str) -> str:
        """Ask for a savepoint of a job that runs on; returns the trigger."""
        body = {"target-directory": directory, "cancel-job": False}
        return str(self._request("POST", f"/jobs/{job_id}/savepoints", body)["request-id"])

    def trigger_checkpoint(self, job_id: str) -> str:
        """Ask for a checkpoint now, beside those made at intervals; returns the trigger."""
        return str(self._request("POST", f"/jobs/{job_id}/checkpoints", {})["request-id"])

    def savepoint_status(self, job_id: str, trigger: str) -> SavepointStatus:
        """Return how far a savepoint has come."""
        return SavepointStatus.from_json(self.get(f"/jobs/{job_id}/savepoints/{trigger}"))

    def source_metrics(self, job_id: str) -> dict[str, SourceMetrics]:
        """Return what each source of a running job has read, by the source's name."""
        found = {}
        for vertex in self.job(job_id).vertices:
            if vertex.source is not None:
                path = f"/jobs/{job_id}/vertices/{vertex.vertex_id}/metrics"
                found[vertex.source] = source_metrics(vertex.source, self._values(path))
        return found

    def _values(self, path: str) -> list[dict[str, str]]:
        names = [one["id"] for one in self.get(path) if is_source_metric(one["id"])]
        values: list[dict[str, str]] = []
        for start in range(0, len(names), _METRICS_PER_REQUEST):
            wanted = ",".join(names[start : start + _METRICS_PER_REQUEST])
            values += self.get(f"{path}?{urlencode({'get': wanted}, quote_via=quote)}")
        return values

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON as it comes
        """Return the JSON answer of a GET request.

        Args:
            path: path and query, beginning with a slash.

        Raises:
            FlinkRestError: when nobody answers or the answer is an error.
        """
        return self._request("GET", path)

    def _request(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401
        connection = http.client.HTTPConnection(self._location, timeout=self._timeout)
        content = None if body is None else orjson.dumps(body)
        try:
            connection.request(method, path, content, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise FlinkRestError(
                f"the JobManager does not answer: {error or type(error).__name__}",
                where=f"{self.url}{path}",
                hint="is its process alive?",
            ) from error
        finally:
            connection.close()
        return self._content(response.status, answer, f"{method} {self.url}{path}")

    @staticmethod
    def _content(status: int, answer: bytes, where: str) -> Any:  # noqa: ANN401
        try:
            content = orjson.loads(answer) if answer.strip() else {}
        except orjson.JSONDecodeError as error:
            raise FlinkRestError(
                f"HTTP {status} with something that is no JSON: {answer[:80]!r}",
                where=where,
                status=status,
            ) from error
        if status < 400:  # noqa: PLR2004
            return content
        detail = "\n".join(map(str, content.get("errors", ()))) or f"HTTP {status}"
        first = detail.splitlines()[0]
        raise FlinkRestError(f"HTTP {status}: {first}", where=where, status=status, detail=detail)
