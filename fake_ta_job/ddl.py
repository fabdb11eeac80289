"""Statements of a DDL file."""

from __future__ import annotations


def statements(text: str) -> list[str]:
    """Split a file into its statements.

    Comments are whole lines that begin with ``--``; a statement ends with ``;`` at the end of a
    line.
    """
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    parts = "\n".join(line.rstrip() for line in lines).split(";\n")
    return [part.strip().removesuffix(";") for part in parts if part.strip().removesuffix(";")]
