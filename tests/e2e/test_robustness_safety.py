"""Nothing of the user's reaches a document's commands, and they reach nothing of the user's.

One rehearsal of a small document of our own, started in an environment full of traps, and
interrupted in the middle of its last command.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import pytest

from harness.core.waiting import wait_until
from harness.world.processes import marked_processes
from tests.e2e.commands import Command, call, journal, left_behind, plain_environment, worlds_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NETWORK = "127.142.3"

COMMANDS = (
    "export -p",
    "kubectl -n torghut get pods",
    "kubectl config view -o jsonpath='{.clusters[*].cluster.server}'",
    "aws --endpoint-url http://example.com --no-sign-request s3 ls || echo refused",
    "aws --endpoint-url https://example.com --no-sign-request s3 ls || echo refused",
    "aws configure list",
    "cd argocd",
    "sleep 300",
)


def write_document(directory: Path, commands: tuple[str, ...] = COMMANDS) -> tuple[Path, Path]:
    """Write a document with one command a step, and bindings that run each as it stands."""
    steps = "".join(
        f"{n}) Step {n}\n   ```bash\n   {c}\n   ```\n" for n, c in enumerate(commands, 1)
    )
    runbook, bindings = directory / "own.md", directory / "own.bindings.yaml"
    runbook.write_text(f"# Look around\n\n## Look\n{steps}")
    units = "".join(
        f"      - {{text: Step {number}, note: title}}\n"
        f"      - text: |-\n          {command}\n        do: [{{command: verbatim}}]\n"
        for number, command in enumerate(commands, 1)
    )
    bindings.write_text(
        "version: 1\nprograms: [kubectl, aws]\n"
        "scenarios:\n  look:\n    title: Looks around\n    parts:\n      - {section: Look}\n"
        f"sections:\n  - section: Look\n    units:\n{units}"
    )
    return runbook, bindings


class Listener:
    """A server of the user's that counts who connects."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.connections: list[bytes] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(1)
                try:
                    self.connections.append(connection.recv(200))
                except OSError:
                    self.connections.append(b"")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


def traps(directory: Path, listener: Listener) -> dict[str, str]:
    """Return an environment in which whatever is used leaves a trace."""
    marker = directory / "sprung"
    url = f"http://127.0.0.1:{listener.port}"
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: production\n"
        f"clusters: [{{name: c, cluster: {{server: '{url}'}}}}]\n"
        "users: [{name: u, user: {token: secret-of-the-user}}]\n"
        "contexts: [{name: production, context: {cluster: c, user: u}}]\n"
    )
    aws = directory / "aws.config"
    aws.write_text(f"[profile production]\nendpoint_url = {url}\nregion = eu-west-1\n")
    script = directory / "trap.sh"
    script.write_text(f"touch {marker}-bash\n")
    python = directory / "trap.py"
    python.write_text(f"open({str(marker) + '-python'!r}, 'w')\n")
    shims = directory / "shims"
    shims.mkdir()
    for name in ("kubectl", "aws", "bash", "sleep", "java"):
        shim = shims / name
        shim.write_text(f'#!/bin/sh\necho "$0 $*" >> {marker}-{name}\nexec /usr/bin/{name} "$@"\n')
        shim.chmod(0o755)
    return {
        "KUBECONFIG": str(kubeconfig),
        "AWS_ACCESS_KEY_ID": "key-of-the-user",
        "AWS_SECRET_ACCESS_KEY": "secret-of-the-user",
        "AWS_PROFILE": "production",
        "AWS_CONFIG_FILE": str(aws),
        "AWS_ENDPOINT_URL": url,
        "HTTP_PROXY": url,
        "HTTPS_PROXY": url,
        "ALL_PROXY": url,
        "http_proxy": url,
        "https_proxy": url,
        "KAFKA_OPTS": "-Dof.the=user",
        "JAVA_TOOL_OPTIONS": "-Dof.the=user",
        "PYTHONSTARTUP": str(python),
        "BASH_ENV": str(script),
        "ENV": str(script),
        "CDPATH": str(directory / "elsewhere"),
        "PATH": f"{shims}:{os.environ['PATH']}",
    }


@dataclass
class Look:
    """What the run left: its journal, what the traps saw, what is left behind."""

    journal: dict[str, Any]
    variables: dict[str, str]
    connections: list[bytes]
    sprung: list[str]
    left: list[str]
    status: int
    world: str
    sleeping: int

    def outputs(self, text: str) -> list[tuple[int | None, str, str]]:
        """Return exit status, output and errors of commands that hold ``text``."""
        actions = [action for step in self.journal["steps"] for action in step["actions"]]
        return [
            (action["exit_status"], action["stdout"], action["stderr"])
            for action in actions
            if text in action["text"]
        ]


@pytest.fixture(scope="module", name="look")
def look_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Look]:
    directory = tmp_path_factory.mktemp("safety")
    scratch, out = directory / "scratch", directory / "out"
    runbook, bindings = write_document(directory)
    sets = ("events=2000", "damage=none", f"network={NETWORK}")
    with Listener() as listener:
        variables = traps(directory, listener)
        with Command(
            *("rehearse", "look", "--runbook", runbook, "--bindings", bindings, "--out", out),
            *(part for text in sets for part in ("--set", text)),
            environment=plain_environment(scratch, **variables),
        ) as command:
            command.wait_for("run the document")
            (root,) = worlds_in(scratch)
            found = wait_until(
                lambda: [p for p in marked_processes(root.name) if p.cmdline()[-1:] == ["300"]],
                what="the last command",
                timeout=300,
                interval=0.2,
            )
            command.signal_group(signal.SIGINT)
            status = command.end()
        yield Look(
            journal(out),
            variables,
            listener.connections,
            sorted(path.name for path in directory.glob("sprung*")),
            left_behind(scratch, [NETWORK], [root.name]),
            status,
            root.name,
            len(found),
        )


def test_no_server_of_the_users_was_reached(look: Look) -> None:
    assert look.connections == []


def test_no_trap_was_sprung(look: Look) -> None:
    assert look.sprung == []


def test_no_variable_of_the_users_is_in_a_commands_environment(look: Look) -> None:
    ((status, shown, _),) = look.outputs("export -p")
    assert status == 0
    assert "KUBECONFIG=" in shown
    own = {"KUBECONFIG", "PATH", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"}
    for name, value in look.variables.items():
        assert value not in shown
        assert name in own or f" {name}=" not in shown


def test_kubectl_talks_to_the_world(look: Look) -> None:
    ((status, pods, _),) = look.outputs("get pods")
    assert status == 0
    assert "torghut-ta" in pods
    ((_, servers, _),) = look.outputs("config view")
    assert servers.startswith(f"https://{NETWORK}.")


def test_another_endpoint_is_refused_by_the_worlds_proxy(look: Look) -> None:
    refused = look.outputs("example.com")
    assert len(refused) == 2
    for status, shown, errors in refused:
        assert (status, shown.strip()) == (0, "refused")
        assert "proxy" in errors.lower() or "403" in errors or "Could not connect" in errors


def test_aws_has_no_profile_of_the_users(look: Look) -> None:
    ((_, shown, errors),) = look.outputs("aws configure list")
    assert "production" not in shown + errors
    assert "of-the-user" not in shown + errors


def test_the_interrupted_command_ended_the_run_and_left_nothing(look: Look) -> None:
    assert look.sleeping
    assert look.status == 3
    assert look.journal["verdict"] == "unknown"
    outcomes = [step["outcome"] for step in look.journal["steps"]]
    assert len(outcomes) == len(COMMANDS)
    assert set(outcomes[:-1]) == {"ok"}
    assert look.left == []


@pytest.mark.parametrize("bound", [True, False])
def test_a_command_that_is_not_allowed_ends_the_run_before_anything_is_built(
    tmp_path: Path,
    bound: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    written = ("curl http://example.com",) if bound else ("kubectl get pods",)
    runbook, bindings = write_document(tmp_path, written)
    if not bound:
        runbook.write_text(runbook.read_text().replace("kubectl get pods", "kubectl get nodes"))
    run = call(
        *("rehearse", "look", "--runbook", runbook, "--bindings", bindings),
        *("--out", tmp_path / "out"),
        environment=plain_environment(tmp_path / "scratch"),
    )
    assert run.process.returncode == 1
    assert f"{runbook}:6" in run.output
    assert not list((tmp_path / "out").glob("logs/*"))
    assert left_behind(tmp_path / "scratch", [], []) == []
