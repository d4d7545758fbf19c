"""Strangers' text on its way to a log: whoever reads it, a runner or a terminal, obeys none of it."""

from __future__ import annotations

import re

_COMMAND = re.compile(r"((?:\A|[\r\n])\s*):(?=:)")


def neutralise(text: str) -> str:
    """`text`, of one line or more, with every workflow command in it made plain text; the rest is left as it is."""
    return _COMMAND.sub(r"\1: ", text).replace("##[", "# #[")


def in_one_line(text: str) -> str:
    """The text as one line without anything in it that a terminal or a runner would obey."""
    return neutralise("".join(char if char.isprintable() else " " for char in text))
