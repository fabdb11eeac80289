"""Carries out what the document says, on a world."""

from __future__ import annotations

import secrets
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import clickhouse_connect
from clickhouse_connect.driver.exceptions import Error as ClickHouseError
from clickhouse_connect.driver.httputil import get_pool_manager

from harness.core.audit import AuditEvent, AuditTrail
from harness.core.errors import DocumentError, ServiceError, UsageError
from harness.core.waiting import WaitTimeoutError, wait_until
from harness.runbook.shell import run_bash, scrubbed_environment, tool_directory
from harness.world.control_plane.argocd import finished_operation, sync_operation
from harness.world.kube import KubeClient
from harness.world.processes import MARKER, guard_command
from harness.world.repository import ManifestRepository, NothingToChangeError
from harness.world.tools import find_aws, find_kubectl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.runbook.operations import Scalar
    from harness.runbook.shell import CommandOutcome
    from harness.world.spec import WorldState

_ACTOR: Final = "runbook"
_COMMAND_SECONDS: Final = 600.0
_SYNC_SECONDS: Final = 60.0
_PODS: Final = {
    "kafka-pod": ("kafka", "strimzi.io/kind", "Kafka"),
    "pod-with-aws-cli": ("torghut", "app", "torghut-toolbox"),
}
"""Where a reader of the document finds the pods that it names by what they have."""

_FLINK: Final = ("FlinkDeployment", "torghut", "torghut-ta")


@dataclass
class WorldExecutor:
    """The document's hands: bash and kubectl, the manifests' repository, Argo CD, SQL.

    Attributes:
        state: the world.
        values: what the document wants recorded, by name.
        observations: what can be looked at or waited for, by name.
        on_line: told of each line that a command prints.
        confirmations: what was confirmed or recorded, in order.
        queries: queries that were run: text, file:line, value.
    """

    state: WorldState
    values: dict[str, str]
    observations: dict[str, Callable[[], Any]]
    on_line: Callable[[Literal["stdout", "stderr"], str], None] | None = None
    confirmations: list[dict[str, str]] = field(default_factory=list)
    answers: list[tuple[str, str | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Prepare the environment of commands: nothing of the user's is in it."""
        self._audit = AuditTrail(self.state.audit)
        self._kube = KubeClient(self.state)
        self._repository = ManifestRepository(self.state.repository, self._audit)
        home = self.state.root / "home"
        home.mkdir(exist_ok=True)
        tools = tool_directory(
            self.state.root / "tools",
            {"kubectl": find_kubectl(), "aws": find_aws(), "python3": _python()},
        )
        proxy = f"http://{self.state.addresses.proxy}"
        self._environment = scrubbed_environment(
            home,
            [tools],
            {
                "KUBECONFIG": str(self.state.kubeconfig),
                MARKER: self.state.world_id,
                # A name outside the world is refused by the proxy; the API server is no name.
                "HTTP_PROXY": proxy,
                "HTTPS_PROXY": proxy,
                "http_proxy": proxy,
                "https_proxy": proxy,
                "NO_PROXY": self.state.addresses.host(2),
                "no_proxy": self.state.addresses.host(2),
                # What the proxy cannot carry, the document's runner reaches by address.
                "TA_REPLAY_KAFKA_BOOTSTRAP": self.state.addresses.kafka_bootstrap,
                "TA_REPLAY_FLINK_REST_URL": self.state.addresses.flink_rest,
            },
        )

    def _record(self, verb: str, target: str, body: Any, outcome: str) -> None:  # noqa: ANN401
        self._audit.record(AuditEvent("runbook", _ACTOR, verb, target, body, outcome))

    def command(self, text: str, *, where: str) -> CommandOutcome:
        """Run a shell command of the document in the repository's work tree."""
        outcome = run_bash(
            text,
            self._environment,
            self.state.repository,
            _COMMAND_SECONDS,
            self.on_line,
            launcher=guard_command(),
        )
        self._record("command", where, {"text": text}, f"exit {outcome.exit_status}")
        return outcome

    def edit(self, file: str, path: str, value: Scalar) -> None:
        """Set a value in a manifest; a value that is already there is left as it is."""
        try:
            edit = self._repository.edit(file, path, value)
        except NothingToChangeError:
            self._record("edit", file, {"path": path, "value": value}, "already so")
            return
        except DocumentError as error:
            raise ServiceError(
                f"the edit cannot be made: {error.what}", where=error.where
            ) from error
        self._record("edit", file, {"path": path, "value": value}, str(edit))

    def commit(self, message: str) -> str:
        """Commit the edits made since the last commit."""
        try:
            return self._repository.commit(message)
        except NothingToChangeError:
            return self._repository.head

    def sync(self, application: str) -> str:
        """Ask Argo CD for a sync and wait until it is done.

        Raises:
            ServiceError: when the sync failed, with what Argo CD says.
        """
        revision, request = self._repository.head, secrets.token_hex(8)
        patch = sync_operation(request, by=_ACTOR, revision=revision)
        self._kube.merge_patch("Application", "argocd", application, patch)
        state = wait_until(
            lambda: finished_operation(self._application(application), request),
            what=f"Argo CD to sync {application}",
            timeout=_SYNC_SECONDS,
        )
        if state is None or state["phase"] != "Succeeded":
            raise ServiceError(f"the sync of {application} failed: {(state or {}).get('message')}")
        return f"synced to {revision[:10]}"

    def _application(self, name: str) -> dict[str, Any]:
        return self._kube.get("Application", "argocd", name)

    def query(self, sql: str) -> Sequence[Sequence[Any]]:
        """Run a query of the document and return its rows."""
        client = clickhouse_client(self.state)
        try:
            rows: Sequence[Sequence[Any]] = client.query(sql.rstrip().rstrip(";")).result_rows
        except ClickHouseError as error:
            raise ServiceError(f"ClickHouse refused the query: {error}") from error
        finally:
            client.close()
        value = rows[0][0] if rows and rows[0] else None
        self.answers.append((sql, as_text(value)))
        self._record("query", "clickhouse", {"sql": sql}, f"{len(rows)} rows")
        return rows

    def confirm(self, name: str, text: str) -> Any:  # noqa: ANN401 - JSON-like
        """Record what the document wants recorded or confirmed."""
        value = self.values.get(name, "confirmed for a rehearsal")
        self.confirmations.append({"name": name, "value": value})
        self._record("confirm", name, {"text": text}, value)
        return value

    def observe(self, name: str) -> Any:  # noqa: ANN401 - JSON-like
        """Look at, or wait for, something by name.

        Raises:
            ServiceError: when it did not come in time.
        """
        try:
            seen = self.observations[name]()
        except WaitTimeoutError as error:
            self._record("observe", name, None, str(error))
            raise ServiceError(error.what, hint=error.hint) from error
        self._record("observe", name, seen, "ok")
        return seen

    def resolve(self, name: str) -> str:
        """Find a value that only the world knows.

        Raises:
            UsageError: for a name that nothing is known of.
        """
        if name == "next-restart-nonce":
            spec = self._kube.get(*_FLINK)["spec"]
            return str(int(spec.get("restartNonce") or 0) + 1)
        if name in self.values:
            return self.values[name]
        if name in _PODS:
            return self._pod(*_PODS[name])
        known = ["next-restart-nonce", *_PODS, *self.values]
        raise UsageError(f"nothing is known of {name!r}", hint=f"known: {', '.join(known)}")

    def _pod(self, namespace: str, label: str, value: str) -> str:
        """Return the first pod with a label, as a reader of ``kubectl get pods`` would."""
        for pod in self._kube.list("Pod", namespace)["items"]:
            if pod["metadata"].get("labels", {}).get(label) == value:
                return str(pod["metadata"]["name"])
        raise ServiceError(f"no pod in namespace {namespace} has the label {label}={value}")


def as_text(value: object) -> str | None:
    """Return an answer as text; instants in UTC with milliseconds, so that texts compare."""
    if isinstance(value, datetime):
        utc = value.astimezone(UTC) if value.tzinfo else value
        return utc.replace(tzinfo=None).isoformat(" ", "milliseconds")
    return None if value is None else str(value)


def clickhouse_client(state: WorldState) -> Any:  # noqa: ANN401 - an untyped library
    """Return a ClickHouse client for a world."""
    return clickhouse_connect.get_client(
        host=state.addresses.clickhouse_host,
        port=8123,
        username=state.clickhouse_user,
        password=state.clickhouse_password,
        database="torghut",
        autogenerate_session_id=False,
        # With connections of its own it asks no proxy that the user's environment names.
        pool_mgr=get_pool_manager(),
    )


def _python() -> Path:
    return Path(sys.executable)
