"""The REST client, against a server that answers what it is told to."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from harness.world.services.flink import FlinkRest, FlinkRestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RECORDED = Path(__file__).parent / "data" / "flink_rest"
HOST = "127.62.1.9"
JOB = "507f17dacc2fad30c6ed249fa859ed85"


class FakeFlink:
    """Answers by method and path; keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[dict[str, list[str]]], tuple[int, bytes]]] = {}
        self.asked: list[tuple[str, Any]] = []

    def answer(self, request: str, body: object, status: int = 200) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers[request] = lambda _: (status, content)

    def recorded(self, request: str, name: str) -> None:
        self.answer(request, (RECORDED / f"{name}.json").read_bytes())


class Handler(BaseHTTPRequestHandler):
    fake: ClassVar[FakeFlink]

    def respond(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = urlsplit(self.path)
        self.fake.asked.append(
            (f"{self.command} {self.path}", json.loads(content) if content else None)
        )
        answer = self.fake.answers[f"{self.command} {parts.path}"]
        status, body = answer(parse_qs(parts.query))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = respond  # noqa: N815 - names that the server looks for

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def fake() -> FakeFlink:
    return FakeFlink()


@pytest.fixture
def rest(fake: FakeFlink) -> Iterator[FlinkRest]:
    handler = type("Bound", (Handler,), {"fake": fake})
    with ThreadingHTTPServer((HOST, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield FlinkRest(f"http://{HOST}:{server.server_port}", timeout=10)
        finally:
            server.shutdown()
            thread.join()


def test_jobs_are_states_by_identifier(rest: FlinkRest, fake: FakeFlink) -> None:
    fake.recorded("GET /jobs", "jobs")
    assert set(rest.jobs().values()) == {"RUNNING", "FINISHED"}


def test_job_and_checkpoints_are_read(rest: FlinkRest, fake: FakeFlink) -> None:
    fake.recorded(f"GET /jobs/{JOB}", "job-running")
    fake.recorded(f"GET /jobs/{JOB}/checkpoints", "checkpoints-restored")
    assert rest.job(JOB).job_id == JOB
    assert rest.checkpoints(JOB).counts.completed == 3


def test_the_configuration_is_one_mapping(rest: FlinkRest, fake: FakeFlink) -> None:
    fake.answer("GET /jobmanager/config", [{"key": "web.submit.enable", "value": "false"}])
    assert rest.cluster_configuration() == {"web.submit.enable": "false"}


def test_cancel_asks_and_does_not_wait(rest: FlinkRest, fake: FakeFlink) -> None:
    fake.answer(f"PATCH /jobs/{JOB}", {}, status=202)
    rest.cancel(JOB)
    assert fake.asked == [(f"PATCH /jobs/{JOB}?mode=cancel", None)]


def test_an_empty_answer_is_an_answer(rest: FlinkRest, fake: FakeFlink) -> None:
    fake.answer(f"PATCH /jobs/{JOB}", b"", status=202)
    rest.cancel(JOB)


@pytest.mark.parametrize("drain", [True, False])
def test_stop_with_savepoint_names_directory_and_drain(
    rest: FlinkRest, fake: FakeFlink, *, drain: bool
) -> None:
    fake.answer(f"POST /jobs/{JOB}/stop", {"request-id": "t1"}, status=202)
    assert rest.stop_with_savepoint(JOB, "s3a://b/savepoints", drain=drain) == "t1"
    assert fake.asked[0][1] == {"targetDirectory": "s3a://b/savepoints", "drain": drain}


def test_a_savepoint_can_be_triggered_and_followed(rest: FlinkRest, fake: FakeFlink) -> None:
    fake.answer(f"POST /jobs/{JOB}/savepoints", {"request-id": "t2"}, status=202)
    fake.recorded(f"GET /jobs/{JOB}/savepoints/t2", "savepoint-done")
    trigger = rest.trigger_savepoint(JOB, "s3a://b/savepoints")
    assert rest.savepoint_status(JOB, trigger).done
    assert fake.asked[0][1] == {"target-directory": "s3a://b/savepoints", "cancel-job": False}


def test_a_checkpoint_can_be_triggered(rest: FlinkRest, fake: FakeFlink) -> None:
    fake.answer(f"POST /jobs/{JOB}/checkpoints", {"request-id": "t3"}, status=202)
    assert rest.trigger_checkpoint(JOB) == "t3"


def test_the_newest_failure_is_told_with_its_cause(rest: FlinkRest, fake: FakeFlink) -> None:
    fake.recorded(f"GET /jobs/{JOB}/exceptions", "exceptions")
    text = rest.exceptions(JOB)
    assert text.startswith("org.apache.flink.runtime.client.JobInitializationException")
    assert "Cannot find checkpoint or savepoint file/directory" in text


def test_no_failure_is_an_empty_text(rest: FlinkRest, fake: FakeFlink) -> None:
    fake.answer(f"GET /jobs/{JOB}/exceptions", {"exceptionHistory": {"entries": []}})
    assert not rest.exceptions(JOB)


def test_source_metrics_are_asked_in_portions(rest: FlinkRest, fake: FakeFlink) -> None:
    fake.recorded(f"GET /jobs/{JOB}", "job-running")
    names = [f"{number}.Source__probe-source.numRecordsIn" for number in range(120)]
    listed = [*names, "0.numRecordsIn", "0.Source__probe-source.numBytesOut"]

    def metrics(query: dict[str, list[str]]) -> tuple[int, bytes]:
        wanted = query["get"][0].split(",") if "get" in query else listed
        return 200, json.dumps([{"id": name, "value": "1"} for name in wanted]).encode()

    source = rest.job(JOB).vertices[0].vertex_id
    fake.answers[f"GET /jobs/{JOB}/vertices/{source}/metrics"] = metrics
    assert rest.source_metrics(JOB)["probe-source"].records == 120
    assert sum("get=" in request for request, _ in fake.asked) == 3


def test_an_error_keeps_status_and_flinks_own_text(rest: FlinkRest, fake: FakeFlink) -> None:
    text = "org.apache.flink.runtime.rest.NotFoundException: Job 123 not found\n\tat x"
    fake.answer("GET /jobs/123", {"errors": [text]}, status=404)
    with pytest.raises(FlinkRestError, match=r"HTTP 404: .*Job 123 not found") as caught:
        rest.job("123")
    assert caught.value.status == 404
    assert caught.value.detail == text


def test_an_error_without_text_still_has_a_status(rest: FlinkRest, fake: FakeFlink) -> None:
    fake.answer("GET /jobs/123", {}, status=503)
    with pytest.raises(FlinkRestError, match="HTTP 503"):
        rest.job("123")


def test_what_is_no_json_is_shown(rest: FlinkRest, fake: FakeFlink) -> None:
    fake.answer("GET /overview", b"<html>busy</html>", status=502)
    with pytest.raises(FlinkRestError, match="no JSON: b'<html>busy</html>'"):
        rest.overview()


def test_nobody_there_is_told_with_the_place() -> None:
    with pytest.raises(
        FlinkRestError, match=r"127\.62\.1\.9:1/overview.*does not answer"
    ) as caught:
        FlinkRest(f"http://{HOST}:1").overview()
    assert caught.value.status is None
