"""What commands of aws, Kafka's tools and ClickHouse's client do, read off their arguments."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from harness.referee.facts import (
    Fact,
    GroupMeddled,
    ObjectsCopied,
    ObjectsDeleted,
    RowsDeleted,
    TopicAltered,
    TopicCreated,
    TopicDeleted,
    Unclear,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Deed: TypeAlias = tuple[type[Fact], Mapping[str, Any]]
"""Kind of a fact and its own attributes; the line of the trail gives the rest."""

HARMLESS: Final = frozenset(
    {"cat", "date", "df", "du", "echo", "env", "false", "grep", "head", "hostname", "id", "ls"}
    | {"printenv", "ps", "pwd", "sleep", "tail", "test", "true", "wc", "which", "["}
)
"""Programs that change nothing outside of their pod."""

_FLAGS: Final = frozenset(
    # aws
    {"--recursive", "--quiet", "--dryrun", "--only-show-errors", "--no-verify-ssl", "--debug"}
    | {"--no-progress", "--no-paginate", "--delete", "--force", "--exact-timestamps"}
    | {"--size-only", "--no-sign-request", "--no-follow-symlinks", "--follow-symlinks"}
    # Kafka's tools and ClickHouse's client
    | {"--create", "--alter", "--list", "--describe", "--execute", "--dry-run", "--if-exists"}
    | {"--if-not-exists", "--reset-offsets", "--to-earliest", "--to-latest", "--all-topics"}
    | {"--all-groups", "--delete-offsets", "--multiquery"}
)
_DESTRUCTIVE_SQL: Final = re.compile(
    r"^\s*(?:truncate|drop|detach|delete\s+from|alter\s+table\s+\S+\s+(?:on\s+cluster\s+\S+\s+)?"
    r"(?:delete|drop|clear|detach|modify\s+ttl))\b",
    re.IGNORECASE,
)
_TABLE: Final = re.compile(
    r"\b(?:table|view|database|from)\s+(?:if\s+exists\s+)?([\w.`\"]+)", re.IGNORECASE
)
_WHERE_COMMANDS_REACH: Final = frozenset({"kafka", "s3", "tables"})


@dataclass(frozen=True, slots=True)
class Command:
    """One program call.

    Attributes:
        words: program and arguments.
        status: exit status; None: not known, as of a command in the middle of a script.
    """

    words: tuple[str, ...]
    status: int | None

    @property
    def program(self) -> str:
        """File name of the program."""
        return PurePosixPath(self.words[0]).name

    def options(self) -> dict[str, str]:
        """Return options by name; a flag's value is empty."""
        return dict(self._parsed()[0])

    def operands(self) -> list[str]:
        """Return what is neither an option nor an option's value."""
        return self._parsed()[1]

    def _parsed(self) -> tuple[list[tuple[str, str]], list[str]]:
        options, operands = list[tuple[str, str]](), list[str]()
        rest = iter(self.words[1:])
        for word in rest:
            name, equals, value = word.partition("=")
            if not word.startswith("--"):
                operands.append(word)
            elif equals or name in _FLAGS:
                options.append((name, value))
            else:
                options.append((name, next(rest, "")))
        return options, operands

    @property
    def failed(self) -> bool:
        """Whether it is known to have failed."""
        return self.status not in {None, 0}


def split(words: Sequence[str], status: int | None) -> list[Command]:
    """Return the program calls of a command line; ``sh -c`` is looked into.

    Args:
        words: program and arguments.
        status: exit status of the whole; it is the last call's, unless a shell says otherwise.

    Raises:
        ValueError: for a script whose quotes are not closed.
    """
    if not words:
        return []
    shell = PurePosixPath(words[0]).name in {"sh", "bash", "ash", "dash"}
    options = [word for word in words[1:] if re.fullmatch(r"-[a-z]*c[a-z]*", word)]
    if not shell or not options:
        return [Command(tuple(words), status)]
    return split_script(words[list(words).index(options[0]) + 1], status)


def split_script(script: str, status: int | None) -> list[Command]:
    """Return the program calls of a shell script of plain commands; see ``split``."""
    calls, joints = _calls(script)
    certain = set(joints) <= {"&&"}
    # After `a && b` a 0 is everybody's; what else ends a script tells of its last call at most.
    earlier = 0 if certain and status == 0 else None
    last = None if status and "&&" in joints else status
    return [Command(call, earlier) for call in calls[:-1]] + [
        Command(call, last) for call in calls[-1:]
    ]


def _calls(script: str) -> tuple[list[tuple[str, ...]], list[str]]:
    """Return the calls of a script and what stands between them."""
    text = script.strip().replace("\\\n", " ").replace("\n", " ; ")
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    calls: list[list[str]] = [[]]
    joints: list[str] = []
    for word in lexer:
        if word and set(word) <= set(";&|()"):
            joints.append(word)
            calls.append([])
        else:
            calls[-1].append(word)
    plain = [_plain(call) for call in calls]
    return [tuple(call) for call in plain if call], joints


def _plain(call: list[str]) -> list[str]:
    """Return a call without redirections and without assignments in front of it."""
    words: list[str] = []
    rest = iter(call)
    for word in rest:
        if set(word) <= set("<>&|"):
            next(rest, None)
            if words and words[-1].isdigit():
                words.pop()
        else:
            words.append(word)
    start = next((i for i, word in enumerate(words) if not re.match(r"[A-Za-z_]\w*=", word)), None)
    return [] if start is None else words[start:]


def understand(command: Command) -> list[Deed] | None:
    """Return what a program call did; None when nothing is known of the program."""
    if command.program in HARMLESS:
        return []
    reader = _READERS.get(command.program)
    return None if reader is None else list(reader(command))


def unclear(command: Command) -> Deed:
    """Return the deed of a program that nothing is known of."""
    what = f"{command.program!r} was run; what it did is not known"
    return Unclear, {"areas": _WHERE_COMMANDS_REACH, "what": what}


def _aws(command: Command) -> Iterator[Deed]:
    operands, options = command.operands(), command.options()
    if "--dryrun" in options:
        return
    match operands:
        case ["s3", "rm", target]:
            # A failed or broken-off removal may have removed a part.
            yield ObjectsDeleted, {"prefix": _prefix(target)}
        case ["s3", "cp" | "sync" | "mv" as verb, source, target]:
            yield from _aws_copy(verb, source, target, command)
        case ["s3", "rb", bucket]:
            yield ObjectsDeleted, {"prefix": _prefix(bucket)}
        case ["s3api", "delete-object", *_]:
            place = f"s3://{options.get('--bucket', '')}/{options.get('--key', '')}"
            yield ObjectsDeleted, {"prefix": _prefix(place)}
        case ["s3api", verb, *_] if verb.startswith("delete"):
            what = f"aws s3api {verb} was run; which objects it deleted is not known"
            yield Unclear, {"areas": frozenset({"s3"}), "what": what}


def _aws_copy(verb: str, source: str, target: str, command: Command) -> Iterator[Deed]:
    options = command.options()
    filtered = not options.keys().isdisjoint({"--exclude", "--include"})
    whole = verb == "sync" or "--recursive" in options
    copied = {
        "source": _prefix(source),
        "target": _prefix(target),
        "complete": whole and not filtered and command.status == 0,
    }
    yield ObjectsCopied, copied
    if verb == "mv":
        yield ObjectsDeleted, {"prefix": _prefix(source)}
    if verb == "sync" and "--delete" in options and target.startswith("s3://"):
        yield ObjectsDeleted, {"prefix": _prefix(target)}


def _prefix(place: str) -> str:
    return place.rstrip("/")


def _kafka_topics(command: Command) -> Iterator[Deed]:
    options = command.options()
    topic = options.get("--topic")
    if command.failed or topic is None:
        return
    # `--delete` takes no value here, unlike `aws s3 sync --delete`; both are flags.
    if "--delete" in options:
        yield TopicDeleted, {"topic": topic}
    elif "--create" in options:
        yield TopicCreated, {"topic": topic}
    elif "--alter" in options:
        yield TopicAltered, {"topic": topic, "settings": frozenset({"partitions"})}


def _kafka_configs(command: Command) -> Iterator[Deed]:
    options = command.options()
    topic = options.get("--topic") or options.get("--entity-name")
    of_topics = "--topic" in options or options.get("--entity-type") == "topics"
    if command.failed or "--alter" not in options or topic is None or not of_topics:
        return
    given = ",".join(options.get(name, "") for name in ("--add-config", "--delete-config"))
    # Commas inside of [..] belong to a value.
    parts = re.sub(r"\[[^]]*]", "", given).split(",")
    names = frozenset(part.partition("=")[0].strip() for part in parts if part)
    yield TopicAltered, {"topic": topic, "settings": names}


def _kafka_groups(command: Command) -> Iterator[Deed]:
    options = command.options()
    resets = "--reset-offsets" in options and "--execute" in options
    if command.failed or not (resets or "--delete" in options or "--delete-offsets" in options):
        return
    yield GroupMeddled, {"group": options.get("--group", "(all)")}


def _kafka_records(command: Command) -> Iterator[Deed]:
    if not command.failed:
        what = "kafka-delete-records.sh was run; which topics it cut is in a file of the pod"
        yield Unclear, {"areas": frozenset({"kafka"}), "what": what}


def _clickhouse(command: Command) -> Iterator[Deed]:
    options = command.options()
    text = options.get("--query", "")
    words = command.words
    if "-q" in words[:-1]:
        text = words[words.index("-q") + 1]
    if not text:
        what = "clickhouse-client was run; its statements came from elsewhere"
        yield Unclear, {"areas": frozenset({"tables"}), "what": what}
    yield from statements(text)


def statements(text: str) -> Iterator[Deed]:
    """Return what SQL statements deleted."""
    for statement in text.split(";"):
        if _DESTRUCTIVE_SQL.match(statement):
            table = _TABLE.search(statement)
            name = re.sub(r"[`\"]", "", table[1]).rpartition(".")[2] if table else "(unknown)"
            yield RowsDeleted, {"table": name, "statement": statement.strip()}


def _nothing(_: Command) -> Iterator[Deed]:
    return iter(())


_READERS: Final[Mapping[str, Callable[[Command], Iterator[Deed]]]] = {
    "aws": _aws,
    "kafka-topics.sh": _kafka_topics,
    "kafka-configs.sh": _kafka_configs,
    "kafka-consumer-groups.sh": _kafka_groups,
    "kafka-delete-records.sh": _kafka_records,
    "kafka-get-offsets.sh": _nothing,
    "kafka-broker-api-versions.sh": _nothing,
    "clickhouse-client": _clickhouse,
}
