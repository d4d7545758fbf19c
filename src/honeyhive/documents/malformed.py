"""Text that is not what it should be, by line and column; and text made fit to be shown in a message."""

from __future__ import annotations

import json
import re

MAX_DEPTH = 100
"""Nothing that is nested deeper than this is read."""


class Malformed(ValueError):  # noqa: N818 - it names what the text is
    """The text is not what it should be; `line` and `column` count from 1 within that text."""

    def __init__(self, message: str, *, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


def shown(text: str, limit: int = 60) -> str:
    """`text` quoted for a message: one line, control characters escaped, at most `limit` characters of it."""
    quoted = json.dumps(text if len(text) <= limit else text[: limit - 1] + "…", ensure_ascii=False)
    return _UNSHOWABLE.sub(lambda character: f"\\u{ord(character.group()):04x}", quoted)


# Terminal controls, ends of lines, changes of writing direction, and halves of characters, which UTF-8 cannot hold.
_UNSHOWABLE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def malformed_at(text: str, position: int, message: str) -> Malformed:
    """The fault at a position of the text, as line and column."""
    line = text.count("\n", 0, position) + 1
    return Malformed(message, line=line, column=position - (text.rfind("\n", 0, position) + 1) + 1)
