"""Strangers' text on its way to a log: whoever reads it, a runner or a terminal, obeys none of it.

A runner (github.com/actions/runner, src/Runner.Common/ActionCommand.cs) reads lines, which end at LF, CR or both. It
takes the white space at the front of a line away, as Unicode has it; what then begins with `::` and has a second `::`
is a command, if the word between, in any case, is one. Else the first `##[` in it, wherever that stands, with a `]`
after it is one. It compares as people of its language do, to whom a character of no width is none.
"""

from __future__ import annotations

import re

# No width, in Unicode's word "default ignorable", and the control characters, which are ignored as well.
_NOTHING = (
    r"\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_SPACE = r"\t\x0b\x0c \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_COMMAND = re.compile(rf"((?:\A|[\r\n])[{_SPACE}{_NOTHING}]*):(?=[{_NOTHING}]*:)")
_OLD_COMMAND = re.compile(rf"#(?=[{_NOTHING}]*#[{_NOTHING}]*\[)")


def neutralise(text: str) -> str:
    """`text`, of one line or more, with every workflow command in it made plain text; the rest is left as it is."""
    return _OLD_COMMAND.sub("# ", _COMMAND.sub(r"\1: ", text))


def in_one_line(text: str) -> str:
    """The text as one line without anything in it that a terminal or a runner would obey."""
    return neutralise("".join(char if char.isprintable() else " " for char in text))
