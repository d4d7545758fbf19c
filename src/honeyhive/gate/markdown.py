"""Strangers' text in GitHub's Markdown: shown as it is, never acting as markup.

Users name metrics and write datasets, models write outputs; none of them may leave its table cell, mention a person,
link an issue, draw a verdict of its own or hide what it says. Each way in is safe wherever the comment uses it:
`cell` and `prose` for running text, `code` for names, `fenced` for whole texts. GitHub resolves mentions, references
and emoji after Markdown, so neither a backslash nor a character reference stops those: a zero-width space does.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator
from urllib.parse import quote

EMPTY = "(empty)"
CELL, NAME = 160, 60
"""How many characters of a text, and of a name, are shown in a line."""
FENCE_LINES, FENCE_WIDTH = 24, 100

_LONGEST_URL = 2_000
_JOINERS = "\u200c\u200d"
_BLANKS = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters that show nothing."""
_MOST_MARKS = 6
"""How many marks one letter may carry: no script needs more, and a tower of them covers the lines around it."""
_BREAK = "&#8203;"
_UNSEEN = "\u200b"
_HASH = 6
"""So much of a commit's hash is no name of it."""
_LINE_END = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"

# What may act. A `box` begins an alert, a footnote or a box to tick; what is in `late` GitHub finds after Markdown: a
# person, an issue, an address, an emoji, a colour, a commit's hash. The rest is markup: an underscore that is not
# within a name, what begins a list or underlines a heading.
_ACTIVE = re.compile(
    r"(?P<box>\[(?=[!^]|[ x]\](?!\()))"
    r"|(?P<late>[@#]|:(?=//|[\w+-]+:|(?![0-9]{2}\Z)[\w+-]+\Z)|www(?=\.|\Z)|gh-(?=[0-9])|ghsa(?=-)|(?:rgb|hsl)a?(?=\()"
    r"|(?<![0-9A-Za-z])[0-9a-f]{7,40}(?![0-9A-Za-z]))"
    r"|[\\`*\[\]|~&<>$]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])|^(?:[-+=]|[0-9]{1,9}[.)])",
    re.IGNORECASE,
)
_COLOUR = re.compile(r"#[0-9a-f]{3,8}|(?:rgb|hsl)a?\(.*\)", re.IGNORECASE)
_REFERENCES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# A word cut in two goes as a whole, unless it is too long for one.
_LAST_WORD = re.compile(r"(?<=\s)\S{1,20}\Z")
_FIRST_WORD = re.compile(r"\A\S{1,20}(?=\s)")
_BACKTICKS = re.compile("`+")


def one_line(text: str, limit: int = CELL) -> str:
    """The text as one visible line of at most `limit` characters; what is left out of its middle is marked `…`."""
    shown = " ".join(_visible(_bounded(text, limit)).split())
    return elided(shown, limit) if shown.strip(_JOINERS + " ") else EMPTY


def elided(text: str, limit: int) -> str:
    """At most `limit` characters, in whole words: the beginning and, since an answer often comes last, the end."""
    if len(text) <= limit:
        return text
    most = (limit - 3) // 2
    head, tail = text[:most], text[len(text) - most :]
    if not text[most].isspace():
        head = _LAST_WORD.sub("", head)
    if not text[len(text) - most - 1].isspace():
        tail = _FIRST_WORD.sub("", tail)
    return f"{head.rstrip()} … {tail.lstrip()}"


def cell(text: str, limit: int = CELL) -> str:
    """The text for a table cell, a sentence or a `<summary>`: one line that is nothing but text."""
    return escaped(one_line(text, limit))


def escaped(line: str) -> str:
    """One visible line as nothing but text."""
    return _ACTIVE.sub(_inert, line)


def prose(text: str, limit: int = 300) -> str:
    """The text as `cell` has it, but with what stands between backticks as code."""
    parts = one_line(text, limit).split("`")
    if len(parts) % 2 == 0:
        parts[-2:] = ["`".join(parts[-2:])]
    return "".join(code(part, limit) if at % 2 else escaped(part) for at, part in enumerate(parts))


def code(text: str, limit: int = NAME) -> str:
    """The text as a code span: one line in which nothing acts; the two characters that end it have look-alikes.

    GitHub adds a swatch where a colour is all there is: what nobody sees at its end keeps it from being one.
    """
    shown = one_line(text, limit).replace("`", "ˋ").replace("|", "∣")
    return f"`{shown}{_UNSEEN}`" if _COLOUR.fullmatch(shown) else f"`{shown}`"


def fenced(text: str, limit: int = 1_200) -> str:
    """The text as a code block that it cannot leave: long lines folded, its middle left out where it is too long."""
    body = block(text, limit)
    fence = "`" * max(3, 1 + max((len(run) for run in _BACKTICKS.findall(body)), default=0))
    return f"{fence}text\n{body}\n{fence}"


def block(text: str, limit: int = 1_200) -> str:
    """The text in a few short lines in which everything is visible, and anything still acts."""
    lines = [folded for line in _lines(elided(_bounded(text, limit), limit)) for folded in _folded(line)]
    if len(lines) > FENCE_LINES:
        head, tail = FENCE_LINES * 2 // 3, FENCE_LINES // 3
        lines = [*lines[:head], f"… {len(lines) - head - tail} lines left out …", *lines[-tail:]]
    content = "\n".join(lines).strip("\n")
    return content if content.strip(_JOINERS + " \t\n") else EMPTY


def link(shown: str, url: str | None) -> str:
    """A link with what is already Markdown as its text; only that text where there is no web address."""
    there = address(url)
    # A paragraph that begins with `[…]:` defines a reference, whatever is code in it, and nothing of that is shown.
    return f"[{shown.replace(']:', f']{_UNSEEN}:')}]({there})" if there else shown


def address(url: str | None) -> str:
    """A web address that ends nothing around it; nothing for what is none."""
    if not url or len(url) > _LONGEST_URL or not re.match(r"https?://[^/\s]", url):
        return ""
    return quote(_visible(url), safe=":/?#@!&+,;=%~")


def _inert(found: re.Match[str]) -> str:
    text = found[0]
    if text == "$":
        return "<span>$</span>"  # GitHub's own way to say a dollar that does not begin a formula
    if found.lastgroup == "late":
        return "".join(f"{text[at : at + _HASH]}{_BREAK}" for at in range(0, len(text), _HASH))
    last = text[-1]
    shown = text[:-1] + _REFERENCES.get(last, f"&#{ord(last)};")
    return shown + _BREAK if found.lastgroup == "box" else shown


def _bounded(text: str, limit: int) -> str:
    """What may be shown of a text of any length, so that cleaning it costs little."""
    most = 4 * limit
    return text if len(text) <= 2 * most else f"{text[:most]} … {text[-most:]}"


def _lines(text: str) -> list[str]:
    return [_visible(line) for line in text.splitlines()]


def _folded(line: str) -> list[str]:
    if len(line) <= FENCE_WIDTH:
        return [line.rstrip()]
    return textwrap.wrap(line, FENCE_WIDTH, expand_tabs=False, replace_whitespace=False, break_on_hyphens=False) or [""]


def _visible(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(_with_few_marks(_shown(character) for character in text))


def _with_few_marks(characters: Iterable[str]) -> Iterator[str]:
    """The characters without the marks that are too many for the letter that they stand on."""
    marks = 0
    for character in characters:
        if not character:
            continue
        is_mark = character > "~" and (character in _JOINERS or unicodedata.category(character) in ("Mn", "Me"))
        marks = marks + 1 if is_mark else 0
        if marks <= _MOST_MARKS:
            yield character


def _shown(character: str) -> str:
    """The character as it may be shown: nothing for what hides or turns text, U+FFFD for what is no character."""
    if character in _LINE_END:
        return "\n"
    if character == "\t" or character in _JOINERS:
        return character
    if character in _BLANKS:
        return " "
    category = unicodedata.category(character)
    if category == "Cs" or ord(character) & 0xFFFE == 0xFFFE:
        return "\ufffd"
    return "" if category in ("Cc", "Cf") else character
