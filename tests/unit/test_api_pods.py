from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.core.audit import AuditTrail
from harness.world.control_plane.client import Client
from harness.world.control_plane.model.errors import ApiError, BadRequestError, NotFoundError
from harness.world.control_plane.pods.logs import read_log
from harness.world.control_plane.pods.lookup import (
    PATH_IN_POD,
    CommandNotFoundError,
    find_program,
    path_variable,
)
from harness.world.control_plane.pods.objects import Container, pod_object, pod_status
from harness.world.control_plane.pods.runtime import PodBacking, PodRuntime
from harness.world.control_plane.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def program(root: Path, path: str, text: str = "#!/bin/sh\n", mode: int = 0o755) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)
    return file


def test_programs_under_the_root_come_first(tmp_path: Path) -> None:
    kafka = program(tmp_path, "opt/kafka/bin/kafka-topics.sh")
    assert find_program(["/opt/kafka/bin/kafka-topics.sh", "--list"], tmp_path, PATH_IN_POD) == [
        str(kafka),
        "--list",
    ]
    aws = program(tmp_path, "usr/local/bin/aws")
    assert find_program(["aws", "s3"], tmp_path, PATH_IN_POD) == [str(aws), "s3"]


def test_the_machine_lends_only_its_usual_programs(tmp_path: Path) -> None:
    assert find_program(["sh"], tmp_path, PATH_IN_POD)[0] in {"/usr/bin/sh", "/bin/sh"}
    assert find_program(["/bin/sh"], None, PATH_IN_POD) == ["/bin/sh"]
    outside = program(tmp_path, "outside/tool")
    with pytest.raises(CommandNotFoundError, match="no such file or directory"):
        find_program([str(outside)], tmp_path / "root", PATH_IN_POD)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["nosuch"], r'exec: "nosuch": executable file not found in \$PATH: unknown'),
        (["/opt/nosuch"], 'exec: "/opt/nosuch": stat /opt/nosuch: no such file or directory'),
        ([], "executable file not found"),
    ],
)
def test_what_is_not_there_is_said_as_containerd_says_it(
    tmp_path: Path, command: Sequence[str], message: str
) -> None:
    with pytest.raises(CommandNotFoundError, match=message):
        find_program(command, tmp_path, PATH_IN_POD)


def test_files_that_are_no_programs_are_refused(tmp_path: Path) -> None:
    program(tmp_path, "opt/data", mode=0o644)
    with pytest.raises(CommandNotFoundError, match="permission denied"):
        find_program(["/opt/data"], tmp_path, PATH_IN_POD)


def test_the_search_path_of_a_command(tmp_path: Path) -> None:
    assert path_variable(None, "/a") == "/usr/bin:/bin"
    assert path_variable(tmp_path, "/a:/b") == f"{tmp_path}/a:{tmp_path}/b:/usr/bin:/bin"


async def log_text(path: Path | None, **options: Any) -> bytes:
    return b"".join([piece async for piece in read_log(path, **options)])


@given(
    lines=st.lists(st.text("ab\u00e9", max_size=5), max_size=12),
    tail=st.integers(0, 14),
    ended=st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_tail_of_a_log(tmp_path: Path, lines: list[str], tail: int, *, ended: bool) -> None:
    lines = [*lines, "last"]
    text = "\n".join(lines) + ("\n" if ended else "")
    file = tmp_path / "log"
    file.write_text(text)
    shown = asyncio.run(log_text(file, tail=tail)).decode()
    assert shown.splitlines() == (lines[-tail:] if tail else [])
    assert text.endswith(shown)


def test_long_logs_are_read_whole_and_limited(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"0123456789abcde\n" * 20_000)
    assert len(asyncio.run(log_text(file))) == 320_000
    assert len(asyncio.run(log_text(file, limit=100_000))) == 100_000
    assert len(asyncio.run(log_text(file, tail=10_000))) == 160_000


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert asyncio.run(log_text(None)) == b""
    assert asyncio.run(log_text(tmp_path / "nope", tail=5)) == b""


def test_following_ends_with_the_pod(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("one\n")
    alive = iter([True, False])

    def still() -> bool:
        with file.open("a") as log:
            log.write("more\n")
        return next(alive)

    assert asyncio.run(log_text(file, follow=True, alive=still)) == b"one\nmore\n"


@pytest.fixture
def audit(tmp_path: Path) -> AuditTrail:
    return AuditTrail(tmp_path / "audit.jsonl")


def run(
    runtime: PodRuntime, command: Sequence[str], stdin: bytes | None = None
) -> tuple[int, bytes, bytes]:
    async def scenario() -> tuple[int, bytes, bytes]:
        streams = {1: b"", 2: b""}

        async def collect(number: int, data: bytes) -> None:
            streams[number] += data

        execution = await runtime.execute(
            "kafka", "k-0", "kafka", command, stdin=stdin is not None, actor="kubectl/v1"
        )
        if stdin is not None:
            await execution.write(stdin)
            execution.close_input()
            await execution.write(b"too late")
        status = await execution.finish(collect)
        return status, streams[1], streams[2]

    return asyncio.run(scenario())


@pytest.fixture
def runtime(audit: AuditTrail, tmp_path: Path) -> PodRuntime:
    runtime = PodRuntime(audit, environment={"TORGHUT_WORLD": "test"})
    backing = PodBacking(root=tmp_path, environment={"NAME": "value"})
    runtime.register("kafka", "k-0", "kafka", backing)
    return runtime


def test_a_command_has_its_streams_environment_and_status(
    runtime: PodRuntime, tmp_path: Path
) -> None:
    script = 'echo "$NAME $TORGHUT_WORLD ${HOME-unset}"; pwd; echo oops >&2; exit 7'
    status, out, err = run(runtime, ["sh", "-c", script])
    assert (status, err) == (7, b"oops\n")
    assert out.decode().split() == ["value", "test", "unset", str(tmp_path)]


def test_a_command_reads_its_input(runtime: PodRuntime) -> None:
    data = bytes(range(256)) * 1000
    assert run(runtime, ["cat"], data) == (0, data, b"")


def test_a_command_without_input_reads_nothing(runtime: PodRuntime) -> None:
    assert run(runtime, ["cat"]) == (0, b"", b"")


def test_a_signal_is_told_as_a_shell_tells_it(runtime: PodRuntime) -> None:
    assert run(runtime, ["sh", "-c", "kill -9 $$"])[0] == 137


def test_commands_are_recorded(runtime: PodRuntime, audit: AuditTrail) -> None:
    run(runtime, ["sh", "-c", "exit 3"])
    with pytest.raises(CommandNotFoundError):
        run(runtime, ["nosuch"])
    first, second = audit.events()
    assert (first.source, first.verb, first.object) == ("exec", "exec", "kafka/pods/k-0")
    assert (first.actor, first.outcome) == ("kubectl/v1", "exit 3")
    assert first.body == {"command": ["sh", "-c", "exit 3"], "container": "kafka", "exit_status": 3}
    assert second.body["exit_status"] is None
    assert "not found" in second.outcome


def test_stopping_kills_what_runs(runtime: PodRuntime, audit: AuditTrail) -> None:
    async def scenario() -> int | None:
        execution = await runtime.execute("kafka", "k-0", "kafka", ["sleep", "600"])
        await runtime.stop()
        return execution.process.returncode

    assert asyncio.run(scenario()) == -9
    assert [event.outcome for event in audit.events()] == ["exit 137"]


def test_a_container_without_backing_is_waiting(runtime: PodRuntime) -> None:
    with pytest.raises(BadRequestError, match="is waiting to start"):
        runtime.backing("kafka", "k-0", "other")
    runtime.unregister("kafka", "k-0")
    runtime.unregister("kafka", "k-0")
    assert runtime.containers("kafka", "k-0") == ()
    with pytest.raises(BadRequestError):
        run(runtime, ["true"])


def test_a_directory_that_is_gone_is_an_error_not_a_crash(
    audit: AuditTrail, tmp_path: Path
) -> None:
    runtime = PodRuntime(audit)
    runtime.register("kafka", "k-0", "kafka", PodBacking(directory=tmp_path / "gone"))
    with pytest.raises(ApiError, match="Internal error occurred"):
        run(runtime, ["true"])
    assert len(list(audit.events())) == 1


def test_pods_have_what_the_kubelet_would_write() -> None:
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "uid": "u"}}
    container = Container(
        "main",
        "image",
        environment={"A": "1"},
        environment_from=["torghut-ta-config"],
        ports={"rest": 8081},
        command=["run"],
    )
    pod = pod_object("p", "torghut", labels={"a": "b"}, containers=[container], owner=owner)
    [spec] = pod["spec"]["containers"]
    assert spec["env"] == [{"name": "A", "value": "1"}]
    assert spec["envFrom"] == [{"configMapRef": {"name": "torghut-ta-config"}}]
    assert pod["metadata"]["ownerReferences"][0]["uid"] == "u"
    conditions = {c["type"]: c["status"] for c in pod["status"]["conditions"]}
    assert conditions["Ready"] == "True"


def test_a_pod_whose_container_waits_is_not_ready() -> None:
    waiting = Container("main", waiting="CrashLoopBackOff", restarts=4, last_exit_code=2)
    status = pod_status([waiting], started="2026-03-02T00:00:00Z")
    assert {c["type"]: c["status"] for c in status["conditions"]}["Ready"] == "False"
    [container] = status["containerStatuses"]
    assert container["state"] == {"waiting": {"reason": "CrashLoopBackOff"}}
    assert container["lastState"]["terminated"]["exitCode"] == 2


def test_a_client_records_changes_and_only_those(audit: AuditTrail) -> None:
    client = Client(Store(namespaces=["torghut"]), audit, "flink-kubernetes-operator")
    item = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "torghut"},
        "stringData": {"p": "geheim"},
    }
    created = client.create(item)
    client.get("Secret", "torghut", "s")
    client.list("Secret")
    assert client.find("Secret", "torghut", "nope") is None
    created["data"]["q"] = "eA=="
    client.replace(created)
    client.patch("Secret", "torghut", "s", {"data": {"p": None}})
    client.delete("Secret", "torghut", "s")
    with pytest.raises(NotFoundError):
        client.delete("Secret", "torghut", "s")
    events = list(audit.events())
    assert [(event.verb, event.outcome) for event in events] == [
        ("create", "201"),
        ("update", "200"),
        ("patch", "200"),
        ("delete", "200"),
        ("delete", "404"),
    ]
    assert {event.object for event in events} == {"torghut/secrets/s"}
    assert {event.actor for event in events} == {"flink-kubernetes-operator"}
    assert "geheim" not in audit.path.read_text()
