"""Production's DDL, made to fit a server without replicas."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN: Final = re.compile(
    r"""
      '(?:[^'\\]|\\.|'')*'        # string
    | `(?:[^`\\]|\\.)*`           # quoted identifier
    | "(?:[^"\\]|\\.)*"           # quoted identifier
    | --[^\n]* | /\*.*?\*/        # comments
    | \w+ | \s+ | .
    """,
    re.VERBOSE | re.DOTALL,
)
_REPLICATED: Final = re.compile(r"Replicated(\w*MergeTree)$")

_NAME: Final = re.compile(r"""[\w'`"]""")


@dataclass(frozen=True, slots=True)
class LocalDdl:
    """DDL for one server.

    Attributes:
        sql: the statements.
        stripped: what was left out, one line each.
    """

    sql: str
    stripped: tuple[str, ...]


def localise_ddl(sql: str) -> LocalDdl:
    """Leave out what needs a cluster: ``ON CLUSTER x``, and replication of MergeTree engines.

    The first two arguments of a replicated engine are the keeper path and the replica name; the
    others (a version column, say) stay. Strings, quoted names and comments are never touched.

    Args:
        sql: any number of statements.
    """
    tokens = _TOKEN.findall(sql)
    output: list[str] = []
    stripped: list[str] = []
    position = 0
    while position < len(tokens):
        end = _cluster_clause(tokens, position)
        if end is not None:
            stripped.append("".join(tokens[position:end]))
            output[:] = output[:-1] if output and output[-1].isspace() else output
            position = end
            continue
        engine = _REPLICATED.match(tokens[position])
        if engine is None:
            output.append(tokens[position])
            position += 1
            continue
        end, arguments = _engine_arguments(tokens, position + 1)
        local = engine[1] + arguments
        stripped.append(f"{''.join(tokens[position:end])} -> {local}")
        output.append(local)
        position = end
    return LocalDdl("".join(output), tuple(stripped))


def statements(sql: str) -> Iterator[str]:
    """Split statements at semicolons, but not at those inside strings or comments."""
    current: list[str] = []
    for piece in [*_TOKEN.findall(sql), ";"]:
        if piece != ";":
            current.append(piece)
            continue
        if any(not _blank(one) for one in current):
            yield "".join(current).strip()
        current = []


def _blank(token: str) -> bool:
    return token.isspace() or token.startswith(("--", "/*"))


def _next_solid(tokens: list[str], position: int) -> int:
    while position < len(tokens) and _blank(tokens[position]):
        position += 1
    return position


def _cluster_clause(tokens: list[str], position: int) -> int | None:
    """Return where an ON CLUSTER clause that begins here ends."""
    if tokens[position].upper() != "ON":
        return None
    word = _next_solid(tokens, position + 1)
    if word >= len(tokens) or tokens[word].upper() != "CLUSTER":
        return None
    name = _next_solid(tokens, word + 1)
    if name >= len(tokens):
        return None
    if tokens[name] == "{":
        return _after(tokens, name, "{", "}")
    return name + 1 if _NAME.match(tokens[name]) else None


def _engine_arguments(tokens: list[str], position: int) -> tuple[int, str]:
    """Return where an engine's arguments end, and those that a plain engine keeps."""
    opening = _next_solid(tokens, position)
    if opening >= len(tokens) or tokens[opening] != "(":
        return position, ""
    end = _after(tokens, opening, "(", ")")
    arguments = _split_arguments(tokens[opening + 1 : end - 1])
    if arguments and arguments[0].startswith("'"):
        arguments = arguments[2:]
    return end, f"({', '.join(arguments)})"


def _after(tokens: list[str], opening: int, left: str, right: str) -> int:
    depth = 0
    for position in range(opening, len(tokens)):
        depth += (tokens[position] == left) - (tokens[position] == right)
        if depth == 0:
            return position + 1
    return len(tokens)


def _split_arguments(tokens: list[str]) -> list[str]:
    arguments, depth = [""], 0
    for piece in tokens:
        depth += (piece == "(") - (piece == ")")
        if piece == "," and depth == 0:
            arguments.append("")
        else:
            arguments[-1] += piece
    return [argument.strip() for argument in arguments if argument.strip()]
