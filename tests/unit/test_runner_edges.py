"""The edges against small servers and programs: what they send, and what goes wrong."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from harness.replay.runner import flink
from harness.replay.runner.brokers import Brokers, client_properties
from harness.replay.runner.clickhouse import ClickHouse
from harness.replay.runner.coverage import TABLES_SQL, TTL_SQL
from harness.replay.runner.kubectl import KubectlCluster
from harness.replay.runner.names import RunnerError
from harness.replay.runner.verification import Running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Answer = tuple[int, str]

JOB = "7" * 32


class Server(ThreadingHTTPServer):
    """Answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.87.1.30", 0), _Handler)
        self.answer: Callable[[str, str], Answer] = lambda _path, _body: (200, "")
        self.requests: list[tuple[str, str, str]] = []

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def _reply(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        self.server.requests.append((self.path, body, self.headers.get("Authorization", "")))
        status, text = self.server.answer(self.path, body)
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _reply  # noqa: N815 - the library's names

    def log_message(self, *_arguments: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def tables(_path: str, body: str) -> Answer:
    if body.startswith(TTL_SQL):
        query = "CREATE TABLE x TTL toDateTime(event_ts) + toIntervalDay(14)"
        return 200, f"name\tcreate_table_query\nta_signals\t{query}\n"
    if body.startswith(TABLES_SQL):
        row = "ta_signals\t9\t2026-05-12\t2026-05-22\t632380"
        return 200, f"table_name\tdays\tfirst_day\tlast_day\trows\n{row}\n"
    return 200, "trading_day\tsignal_rows\tmicrobar_rows\n2026-05-08\t0\t68396\n"


def clickhouse(url: str) -> ClickHouse:
    return ClickHouse(url, "torghut", "geheim", 5)


def test_coverage_is_asked_by_post_with_basic_authentication(server: Server) -> None:
    server.answer = tables
    found = clickhouse(server.url).coverage(25, 40)
    assert (found.days("ta_signals"), found.days("ta_microbars")) == (9, 0)
    assert dict(found.ttl_days) == {"ta_signals": 14}
    assert found.microbar_only == ["2026-05-08"]
    assert len(server.requests) == 3
    token = base64.b64encode(b"torghut:geheim").decode()
    assert {authorization for _, _, authorization in server.requests} == {f"Basic {token}"}
    assert all(body.endswith(" FORMAT TSVWithNames") for _, body, _ in server.requests)


def test_a_ttl_that_must_not_be_seen_is_not_known(server: Server) -> None:
    server.answer = lambda path, body: (
        (403, "Not enough privileges") if body.startswith(TTL_SQL) else tables(path, body)
    )
    assert clickhouse(server.url).coverage(25, 40).ttl_days == ()


def test_clickhouse_refuses(server: Server) -> None:
    server.answer = lambda _path, _body: (516, "Code: 516. Authentication failed\nmore")
    with pytest.raises(RunnerError, match="clickhouse_coverage_query_failed:516") as caught:
        clickhouse(server.url).coverage(0, 1)
    assert "Authentication failed" in str(caught.value)
    assert "more" not in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_clickhouse_is_not_there() -> None:
    with pytest.raises(RunnerError, match="clickhouse_coverage_query_failed:"):
        clickhouse("http://127.87.1.31:1").coverage(0, 1)


def test_other_protocols_are_refused() -> None:
    with pytest.raises(RunnerError, match="must begin with http"):
        clickhouse("file:///etc/passwd")


def flink_answers(restored: dict[str, Any] | None) -> Callable[[str, str], Answer]:
    zero = {"restored": 0, "total": 0, "in_progress": 0, "completed": 0, "failed": 0}
    vertex = {
        "id": "v1",
        "name": "Source: ta-trades-source",
        "parallelism": 1,
        "status": "RUNNING",
        "metrics": {},
    }
    job = {
        "jid": JOB,
        "name": "ta",
        "state": "RUNNING",
        "start-time": 5,
        "end-time": -1,
        "vertices": [vertex],
        "timestamps": {},
    }
    latest = {"completed": None, "savepoint": None, "failed": None, "restored": restored}
    paths: dict[str, Any] = {
        "/jobs": {"jobs": [{"id": JOB, "status": "RUNNING"}]},
        f"/jobs/{JOB}": job,
        f"/jobs/{JOB}/checkpoints": {"counts": zero, "latest": latest, "history": []},
        f"/jobs/{JOB}/vertices/v1/metrics": [{"id": "0.Source__ta-trades-source.numRecordsOut"}],
    }

    def answer(path: str, _body: str) -> Answer:
        if "?get=" in path:
            value = {"id": "0.Source__ta-trades-source.numRecordsOut", "value": "12"}
            return 200, json.dumps([value])
        return (200, json.dumps(paths[path])) if path in paths else (404, "{}")

    return answer


def test_a_fresh_job(server: Server) -> None:
    server.answer = flink_answers(None)
    assert flink.newest_job(server.url) == Running(job_id=JOB, state="RUNNING", records_read=12)


def test_a_restored_job(server: Server) -> None:
    path = "s3a://flink-checkpoints/torghut/technical-analysis/checkpoints/a/chk-7"
    server.answer = flink_answers(
        {"id": 7, "restore_timestamp": 1, "is_savepoint": False, "external_path": path}
    )
    assert flink.newest_job(server.url).restored_from == path


def test_a_job_manager_without_a_job(server: Server) -> None:
    server.answer = lambda _path, _body: (200, '{"jobs": []}')
    with pytest.raises(RunnerError, match="the JobManager has no job"):
        flink.newest_job(server.url)


def test_flink_is_not_there() -> None:
    with pytest.raises(RunnerError, match="Flink cannot be asked"):
        flink.newest_job("http://127.87.1.31:1")


def test_kafka_properties() -> None:
    assert client_properties("k:9092", ["a=b=c", " d =e"]) == {
        "bootstrap.servers": "k:9092",
        "a": "b=c",
        "d": "e",
    }


@pytest.mark.parametrize("text", ["", "a", "=b"])
def test_kafka_properties_that_are_none(text: str) -> None:
    with pytest.raises(RunnerError, match="must be key=value"):
        client_properties("k:9092", [text])


def test_a_property_that_the_client_does_not_know() -> None:
    with pytest.raises(RunnerError, match="the Kafka client cannot be made"):
        Brokers({"bootstrap.servers": "k:9092", "no.such.property": "1"})


class Kubectl:
    """A kubectl of the test's own."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._program = directory / "kubectl"
        self.log = directory / "log"
        monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")

    def does(self, script: str) -> KubectlCluster:
        self._program.write_text(f'#!/bin/sh\nprintf "%s|" "$@" >> {self.log}\n{script}\n')
        self._program.chmod(0o755)
        return KubectlCluster("torghut")


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kubectl:
    return Kubectl(tmp_path, monkeypatch)


def test_the_form_of_a_patch(kubectl: Kubectl) -> None:
    kubectl.does("exit 0").patch_deployment({"spec": {"restartNonce": 3}})
    assert kubectl.log.read_text().split("|")[:-1] == [
        *("-n", "torghut", "patch", "flinkdeployment", "torghut-ta", "--type", "merge"),
        *("-p", '{"spec": {"restartNonce": 3}}'),
    ]


def test_kubectls_own_words(kubectl: Kubectl) -> None:
    with pytest.raises(RunnerError) as caught:
        kubectl.does("echo 'Error: Forbidden' >&2; exit 1").patch_config({"data": {}})
    words = "kubectl -n torghut patch configmap …: Error: Forbidden"
    assert (caught.value.what, caught.value.exit_status) == (words, 1)


def test_a_kubectl_that_says_nothing(kubectl: Kubectl) -> None:
    with pytest.raises(RunnerError, match="exit status 7"):
        kubectl.does("exit 7").current()


def test_a_kubectl_that_prints_something_else(kubectl: Kubectl) -> None:
    with pytest.raises(RunnerError, match="kubectl get printed no JSON"):
        kubectl.does("echo hello").current()


def test_topics_of_another_namespace(kubectl: Kubectl) -> None:
    assert kubectl.does("""echo '{"items": [{"a": 1}]}'""").kafka_topics("kafka") == [{"a": 1}]
    assert kubectl.log.read_text().startswith("-n|kafka|get|kafkatopic|-o|json")


def test_a_lock_that_is_somebody_elses_by_now_is_left(kubectl: Kubectl) -> None:
    kubectl.does("""echo '{"data": {"holder": "other/1"}}'""").unlock()
    assert "delete" not in kubectl.log.read_text()
