"""The cluster through kubectl: the runner's only way to read and change it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING, Any, Final, Protocol

from harness.replay.runner.model import read_current
from harness.replay.runner.names import CONFIG_MAP, FLINK_DEPLOYMENT, LOCK, RunnerError

if TYPE_CHECKING:
    from harness.replay.runner.model import Current

_SECONDS: Final = 60.0
"""How long one kubectl may take."""


class Cluster(Protocol):
    """What the runner does with a cluster. Every method raises ``RunnerError`` upon failure."""

    def current(self) -> Current:
        """Read ConfigMap and FlinkDeployment."""
        ...

    def patch_config(self, patch: dict[str, Any]) -> None:
        """Merge a patch into the ConfigMap."""
        ...

    def patch_deployment(self, patch: dict[str, Any]) -> None:
        """Merge a patch into the FlinkDeployment."""
        ...

    def lock(self, replay_id: str) -> None:
        """Take the lock, or fail when somebody has it."""
        ...

    def unlock(self) -> None:
        """Give the lock back if it still is this run's."""
        ...

    def kafka_topics(self, namespace: str) -> list[dict[str, Any]]:
        """List the KafkaTopic resources of a namespace."""
        ...


class KubectlCluster:
    """A cluster behind the kubectl of the PATH."""

    def __init__(self, namespace: str) -> None:
        """Find kubectl.

        Raises:
            RunnerError: when there is none.
        """
        program = shutil.which("kubectl")
        if program is None:
            raise RunnerError("kubectl not found in PATH")
        self._program, self._namespace = program, namespace
        self._holder = f"{socket.gethostname()}/{os.getpid()}"

    def current(self) -> Current:
        """Read ConfigMap and FlinkDeployment."""
        return read_current(
            self._json("get", "configmap", CONFIG_MAP),
            self._json("get", "flinkdeployment", FLINK_DEPLOYMENT),
        )

    def patch_config(self, patch: dict[str, Any]) -> None:
        """Merge a patch into the ConfigMap."""
        self._patch("configmap", CONFIG_MAP, patch)

    def patch_deployment(self, patch: dict[str, Any]) -> None:
        """Merge a patch into the FlinkDeployment."""
        self._patch("flinkdeployment", FLINK_DEPLOYMENT, patch)

    def _patch(self, kind: str, name: str, patch: dict[str, Any]) -> None:
        self._run("patch", kind, name, "--type", "merge", "-p", json.dumps(patch))

    def lock(self, replay_id: str) -> None:
        """Create the lock's ConfigMap: the API server lets one of several runs do so.

        Raises:
            RunnerError: when it is there already, with its holder.
        """
        literals = {"replay-id": replay_id, "holder": self._holder}
        options = [f"--from-literal={key}={value}" for key, value in literals.items()]
        done = self._call("create", "configmap", LOCK, *options)
        if done.returncode and "already exists" in done.stderr:
            raise RunnerError(
                f"another replay run holds the lock configmap/{LOCK}: {self._lock_data()}",
                hint=f"if that run is dead: kubectl -n {self._namespace} delete configmap {LOCK}",
            )
        self._checked(done)

    def unlock(self) -> None:
        """Delete the lock's ConfigMap, unless it is another run's by now."""
        if self._lock_data().get("holder") == self._holder:
            self._run("delete", "configmap", LOCK)

    def _lock_data(self) -> dict[str, str]:
        found = self._json("get", "configmap", LOCK, "--ignore-not-found=true")
        data: dict[str, str] = found.get("data") or {}
        return data

    def kafka_topics(self, namespace: str) -> list[dict[str, Any]]:
        """List the KafkaTopic resources of a namespace."""
        found = self._json("get", "kafkatopic", namespace=namespace)
        items: list[dict[str, Any]] = found.get("items") or []
        return items

    def _json(self, *arguments: str, namespace: str | None = None) -> dict[str, Any]:
        text = self._run(*arguments, "-o", "json", namespace=namespace)
        try:
            value = json.loads(text or "{}")
        except ValueError as error:
            raise RunnerError(f"kubectl {arguments[0]} printed no JSON: {error}") from error
        return value if isinstance(value, dict) else {}

    def _run(self, *arguments: str, namespace: str | None = None) -> str:
        return self._checked(self._call(*arguments, namespace=namespace))

    def _checked(self, done: subprocess.CompletedProcess[str]) -> str:
        if done.returncode:
            said = done.stderr.strip() or f"exit status {done.returncode}"
            command = shlex.join(["kubectl", *done.args[1:5]])
            raise RunnerError(f"{command} …: {said}")
        return done.stdout

    def _call(
        self, *arguments: str, namespace: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = [self._program, "-n", namespace or self._namespace, *arguments]
        try:
            return subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise RunnerError(
                f"kubectl {arguments[0]} did not answer within {_SECONDS:g} s",
                hint="is the API server reachable?",
            ) from error
        except OSError as error:
            raise RunnerError(f"kubectl cannot be run: {error}") from error
