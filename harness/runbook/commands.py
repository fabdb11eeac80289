"""Shell text: split a code block into commands, name the programs that a command starts."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SHELL_LANGUAGES: Final = frozenset({"", "bash", "sh", "shell", "zsh"})
"""Languages of a fence whose content is split into commands; none at all counts as shell."""

_COMPOUND: Final = re.compile(
    r"\s*(?:if|for|while|until|case|select|function|\{|\(|\w+\s*\(\s*\))(?:\s|$|\()"
)
_CONTINUES: Final = re.compile(r"(?:\||&&)\s*$")
_HEREDOC: Final = re.compile(r"<<-?\s*(['\"]?)([A-Za-z_]\w*)\1")
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_]\w*\+?=")
_SEPARATORS: Final = frozenset({";", "&", "|", "||", "&&", "|&", "(", ")", ";;", "\n"})
_RESERVED: Final = frozenset(
    {"if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac"}
    | {"{", "}", "!", "time", "in", "select", "function"}
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A command inside a code block.

    Attributes:
        text: its lines, joined by LF, without trailing blanks.
        first: index of its first line in the block, from 0.
        last: index of its last line, inclusive.
    """

    text: str
    first: int
    last: int


def split_commands(lines: Sequence[str]) -> list[Piece]:
    r"""Split a shell block into commands.

    A command goes on after a trailing ``\``, ``|`` or ``&&``, inside quotes and inside a here
    document. From a compound command (``for``, ``if``, ``{`` …) on, the rest of the block is one
    command: it is not this module's business to parse bash.
    """
    pieces: list[Piece] = []
    start: int | None = None
    for index, line in enumerate(lines):
        if start is None and not line.strip():
            continue
        if start is None and _COMPOUND.match(line):
            pieces.append(_piece(lines, index, _last_filled(lines)))
            return pieces
        start = index if start is None else start
        if _complete(lines[start : index + 1]):
            pieces.append(_piece(lines, start, index))
            start = None
    if start is not None:
        pieces.append(_piece(lines, start, _last_filled(lines)))
    return pieces


def _last_filled(lines: Sequence[str]) -> int:
    return max(index for index, line in enumerate(lines) if line.strip())


def _piece(lines: Sequence[str], first: int, last: int) -> Piece:
    return Piece(normal_code("\n".join(lines[first : last + 1])), first, last)


def normal_code(text: str) -> str:
    """Return code without blanks at line ends and without empty lines around it."""
    lines = [line.rstrip() for line in text.split("\n")]
    return "\n".join(lines).strip("\n")


def _complete(lines: Sequence[str]) -> bool:
    last = lines[-1].rstrip()
    if lines[0].lstrip().startswith("#"):
        return True
    if last.endswith("\\") or _CONTINUES.search(last):
        return False
    heredoc = _HEREDOC.search("\n".join(lines))
    if heredoc and last.strip() != heredoc.group(2):
        return False
    return bool(heredoc) or not _open_quote("\n".join(lines))


def _open_quote(text: str) -> bool:
    quote = ""
    escaped = False
    for character in text:
        if escaped:
            escaped = False
        elif character == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
    return bool(quote)


def programs_of(command: str) -> list[str]:
    """Name the programs that a command starts, in order.

    Assignments, redirections and reserved words are skipped. What is inside a quoted command
    substitution is not seen; the run's PATH still bounds it.

    Raises:
        ValueError: when quotes do not close.
    """
    lexer = shlex.shlex(command.replace("\\\n", " "), posix=True, punctuation_chars=";&|()<>\n")
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    return list(_programs(list(lexer)))


def _programs(tokens: Sequence[str]) -> Iterator[str]:
    expecting = True
    redirected = False
    for token in tokens:
        if redirected:
            redirected = False
        elif token and set(token) <= set("<>&") and set(token) & set("<>"):
            redirected = True
        elif token and set(token) <= set(";&|()\n"):
            expecting = True
        elif expecting and token not in _RESERVED and not _ASSIGNMENT.match(token):
            yield token
            expecting = False
