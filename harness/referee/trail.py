"""From the audit trail to facts: the only place that knows how each writer words its lines."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import unquote

from harness.referee.commands import Command, split, split_script, statements, unclear, understand
from harness.referee.facts import (
    ARGOCD,
    Changed,
    Confirmed,
    Fact,
    GitApplied,
    GroupChanged,
    GroupMeddled,
    GroupSeen,
    GroupsListed,
    JobObserved,
    JobStateWanted,
    ManifestCommitted,
    NonceChanged,
    ObjectRemoved,
    ObjectsDeleted,
    RecordsDeleted,
    RunStarted,
    SyncDone,
    TopicAltered,
    TopicCreated,
    TopicDeleted,
    TradingFlagChanged,
    TradingSet,
    Unclear,
    Verified,
)
from harness.referee.objects import TrackedObject, UnclearRequestError, flatten

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from harness.core.audit import AuditEvent
    from harness.referee.commands import Deed
    from harness.referee.objects import Change

JOB: Final = "torghut/flinkdeployments/torghut-ta"
"""The TA job's FlinkDeployment."""

CONFIG: Final = "torghut/configmaps/torghut-ta-config"
"""The TA job's ConfigMap."""

TRADERS: Final = ("torghut/services/torghut", "torghut/deployments/torghut-scheduler")
"""What trades: the Knative service, or the scheduler beside it, whose pause is no replicas."""

AREAS: Final = {JOB: "job", CONFIG: "config", **dict.fromkeys(TRADERS, "trading")}
"""What an object is about, in the words of ``Unclear``."""

_FLAGS: Final = frozenset({"TRADING_MODE", "TRADING_LIVE_ENABLED"})
_TYPED: Final[dict[tuple[str, str], type[Changed]]] = {
    (JOB, "spec.job.state"): JobStateWanted,
    (JOB, "spec.restartNonce"): NonceChanged,
    (CONFIG, "data.TA_GROUP_ID"): GroupChanged,
}
# Made and changed by controllers all the time, or, of Secrets, not to be learnt.
_IGNORED_KINDS: Final = frozenset({"pods", "events", "secrets", "applications"})
_CHANGES: Final = frozenset({"create", "update", "patch"})

F = TypeVar("F", bound=Fact)


def read_facts(trail: Iterable[AuditEvent]) -> tuple[Fact, ...]:
    """Return the facts of a trail in its order; refused requests and dry runs are none."""
    reader = _Reader()
    return tuple(
        fact for line, event in enumerate(trail, start=1) for fact in reader.read(line, event)
    )


class _Reader:
    """Follows the objects of a world from line to line."""

    def __init__(self) -> None:
        self._objects: defaultdict[str, TrackedObject] = defaultdict(TrackedObject)
        self._job_state: str | None = None
        self._trading: bool | None = None
        self._started = False

    def read(self, line: int, event: AuditEvent) -> Iterator[Fact]:
        """Yield what one line says."""
        sources = {
            "api": self._api,
            "argocd": self._argocd,
            "exec": self._exec,
            "git": self._git,
            "harness": self._harness,
            "kafka": self._kafka,
            "runbook": self._runbook,
            "s3": self._s3,
            "sql": self._sql,
        }
        if not self._started and _starts(event):
            self._started = True
            yield _fact(RunStarted, line, event)
        if event.source in sources:
            yield from sources[event.source](line, event)

    def _api(self, line: int, event: AuditEvent) -> Iterator[Fact]:
        if not _succeeded(event.outcome):
            return
        name, subresource = _object_and_subresource(event.object)
        if not _IGNORED_KINDS.isdisjoint(name.split("/")[:2]):
            return
        if event.verb in {"delete", "deletecollection"}:
            yield from self._removed(line, event, name)
        elif event.verb in _CHANGES and subresource == "status":
            yield from self._observed(line, event, name)
        elif event.verb in _CHANGES and subresource in {"", "scale"}:
            yield from self._changed(line, event, name)

    def _removed(self, line: int, event: AuditEvent, name: str) -> Iterator[Fact]:
        self._objects.pop(name, None)
        removed = _fact(ObjectRemoved, line, event, object=name)
        if removed.by_hand or event.actor == ARGOCD:
            yield removed

    def _observed(self, line: int, event: AuditEvent, name: str) -> Iterator[Fact]:
        if name != JOB or not isinstance(event.body, dict):
            return
        status = (event.body.get("status") or {}).get("jobStatus") or {}
        state = status.get("state")
        if state and state != self._job_state:
            self._job_state = state
            yield _fact(JobObserved, line, event, state=state)

    def _changed(self, line: int, event: AuditEvent, name: str) -> Iterator[Fact]:
        tracked = self._objects[name]
        created = event.verb == "create" or (event.actor == ARGOCD and not tracked.values)
        try:
            changes = tracked.request(event.verb, event.actor, event.body)
        except UnclearRequestError as error:
            areas = frozenset({AREAS.get(name, "other")})
            yield _fact(Unclear, line, event, areas=areas, what=f"{name}: {error}")
            return
        if event.actor == ARGOCD and isinstance(event.body, dict):
            yield _fact(GitApplied, line, event, object=name, values=flatten(event.body))
        for change in changes:
            yield from self._typed(line, event, name, change, created=created)
        if name in TRADERS and changes:
            yield from self._trades(line, event, name)

    def _typed(
        self, line: int, event: AuditEvent, name: str, change: Change, *, created: bool
    ) -> Iterator[Fact]:
        fact = _fact(
            _TYPED.get((name, change.path), Changed),
            line,
            event,
            object=name,
            path=change.path,
            old=change.old,
            new=change.new,
            created=created,
        )
        if name in TRADERS and fact.key in _FLAGS:
            yield _fact(
                TradingFlagChanged,
                line,
                event,
                object=name,
                path=change.path,
                old=change.old,
                new=change.new,
                created=created,
            )
        elif name in AREAS or fact.by_hand or event.actor == ARGOCD:
            yield fact

    def _trades(self, line: int, event: AuditEvent, name: str) -> Iterator[Fact]:
        known = [
            _trading(self._objects[trader]) for trader in TRADERS if self._objects[trader].values
        ]
        states = [state for state in known if state is not None]
        if states and any(states) is not self._trading:
            self._trading = any(states)
            yield _fact(TradingSet, line, event, enabled=self._trading, object=name)

    def _argocd(self, line: int, event: AuditEvent) -> Iterator[Fact]:
        if event.verb == "sync":
            name = event.object.rpartition("/")[2]
            yield _fact(SyncDone, line, event, application=name, phase=event.outcome)

    def _exec(self, line: int, event: AuditEvent) -> Iterator[Fact]:
        body = event.body or {}
        words, status = body.get("command") or [], body.get("exit_status")
        if status is None:
            return  # it was never started
        try:
            commands = split(words, status)
        except ValueError:
            commands = [Command(tuple(words), status)]  # a script that nobody here can read
        for command in commands:
            deeds = understand(command)
            yield from _deeds(line, event, [unclear(command)] if deeds is None else deeds)

    def _git(self, line: int, event: AuditEvent) -> Iterator[Fact]:
        body = event.body or {}
        if event.verb == "commit" and event.outcome == "ok":
            files = tuple(body.get("files") or event.object.split())
            values = frozenset(_added(body.get("diff") or ""))
            yield _fact(ManifestCommitted, line, event, files=files, values=values)

    def _harness(self, line: int, event: AuditEvent) -> Iterator[Fact]:
        if event.verb == "verify":
            yield _fact(Verified, line, event, green=event.outcome == "pass")

    def _kafka(self, line: int, event: AuditEvent) -> Iterator[Fact]:
        if event.outcome != "ok":
            return
        kind, _, name = event.object.partition("/")
        body = event.body if isinstance(event.body, dict) else {}
        match kind, event.verb:
            case "topics", "delete":
                yield _fact(TopicDeleted, line, event, topic=name)
            case "topics", "create":
                yield _fact(TopicCreated, line, event, topic=name)
            case "topics", "alter":
                settings = {*(body.get("config") or {}), *(body.get("unset") or [])}
                settings |= {"partitions"} & body.keys()
                yield _fact(TopicAltered, line, event, topic=name, settings=frozenset(settings))
            case "topics", "delete-records":
                yield _fact(RecordsDeleted, line, event, topic=name)
            case "groups", "list":
                groups = frozenset(body.get("groups") or [])
                yield _fact(GroupsListed, line, event, groups=groups)
            case "groups", "delete" | "reset":
                yield _fact(GroupMeddled, line, event, group=name)
            case "groups", _:
                yield _fact(GroupSeen, line, event, group=name)

    def _runbook(self, line: int, event: AuditEvent) -> Iterator[Fact]:
        body = event.body if isinstance(event.body, dict) else {}
        if event.verb == "confirm":
            yield _fact(Confirmed, line, event, name=event.object, value=event.outcome)
        elif event.verb == "query":
            yield from _deeds(line, event, statements(body.get("sql") or ""))
        elif event.verb == "command":
            yield from self._command(line, event, body.get("text") or "")

    def _command(self, line: int, event: AuditEvent, text: str) -> Iterator[Fact]:
        """Read a command outside of pods: what it asks of the API or S3 has lines of its own."""
        exit_status = re.fullmatch(r"exit (-?\d+)", event.outcome)
        try:
            commands = split_script(text, int(exit_status[1]) if exit_status else None)
        except ValueError:
            return
        for command in commands:
            yield from _deeds(line, event, understand(command) or [])

    def _s3(self, line: int, event: AuditEvent) -> Iterator[Fact]:
        if event.outcome == "refused":
            return
        _, _, rest = event.object.partition("/")
        key, _, query = rest.partition("?")
        if event.verb == "DELETE" and "uploadId=" not in query:
            yield _fact(ObjectsDeleted, line, event, prefix=f"s3://{unquote(key)}")
        elif event.verb == "POST" and re.search(r"(^|&)delete(=|&|$)", query):
            what = f"several objects of {key} were deleted by one request; the trail has no names"
            yield _fact(Unclear, line, event, areas=frozenset({"s3"}), what=what)

    def _sql(self, line: int, event: AuditEvent) -> Iterator[Fact]:
        text = event.body.get("sql") if isinstance(event.body, dict) else event.body
        yield from _deeds(line, event, statements(str(text or "")))


def _starts(event: AuditEvent) -> bool:
    return event.source == "runbook" or (event.source, event.verb) == ("harness", "begin")


def _succeeded(outcome: str) -> bool:
    return outcome.startswith("2") and "dry-run" not in outcome


def _object_and_subresource(path: str) -> tuple[str, str]:
    """Split ``namespace/plural/name/subresource``; only status and scale matter here."""
    *parts, last = path.split("/")
    if last in {"status", "scale"} and len(parts) > 2:  # noqa: PLR2004 - namespace, plural, name
        return "/".join(parts), last
    return path, ""


def _trading(tracked: TrackedObject) -> bool | None:
    """Say whether an object trades; None when its environment was never seen."""
    flags = [v for p, v in tracked.values.items() if p.endswith("env[name=TRADING_ENABLED].value")]
    replicas = tracked.values.get("spec.replicas")
    if replicas == 0:
        return False
    return None if not flags else str(flags[0]).lower() == "true"


def _added(diff: str) -> Iterator[tuple[str, str]]:
    """Yield key and value of each line that a diff adds; of variables their name and value."""
    entry = ""
    for line in diff.splitlines():
        named = re.match(r"[+ ]\s*- name:\s*(\S+)", line)
        if named:
            entry = named[1].strip("\"'")
        found = re.match(r"\+\s*(?:- )?([\w.\"'-]+):\s+(.+)", line)
        if found:
            key = found[1].strip("\"'")
            yield (entry if key == "value" else key), _scalar(found[2])


def _scalar(text: str) -> str:
    """Return a YAML scalar without quotes and comment."""
    quoted = re.match(r"""(["'])(.*)\1""", text.strip())
    return quoted[2] if quoted else re.sub(r"\s+#.*$", "", text).strip()


def _deeds(line: int, event: AuditEvent, deeds: Iterable[Deed]) -> Iterator[Fact]:
    for kind, attributes in deeds:
        yield _fact(kind, line, event, **attributes)


def _fact(kind: type[F], line: int, event: AuditEvent, **attributes: Any) -> F:  # noqa: ANN401
    return kind(line=line, time=event.time, actor=event.actor, **attributes)
