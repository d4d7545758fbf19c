"""Taking a secret out of text that strangers wrote: an answer may give back the key that came with the question."""

from __future__ import annotations

import html
import re
from functools import lru_cache

_ESCAPED = re.compile(r"[\\%&]")
_LONGEST_FORM = 12
"""Characters that one of the secret's may be written as."""


def without(secret: str, text: str, mark: str) -> str:
    """The text with `mark` where the secret stands, as it is or as JSON, URLs, HTML and Python escape it."""
    return _pattern(secret).sub(lambda _: mark, text) if _ESCAPED.search(text) else text.replace(secret, mark)


def beginning(secret: str, text: str, mark: str, length: int) -> str:
    """At least `length` characters of `without()`, where there are as many, in a time that the text's does not change.

    What stands after these may be a piece of the secret: cut it off.
    """
    return without(secret, text[: (length + 1) * _LONGEST_FORM * len(secret)], mark)


@lru_cache(maxsize=8)
def _pattern(secret: str) -> re.Pattern[str]:
    return re.compile("".join(map(_forms, secret)))


def _forms(character: str) -> str:
    code = ord(character)
    numbers = rf"\\{{1,4}}(?:u00|x){code:02x}|%{code:02x}|&\#x0{{0,4}}{code:x};|&\#0{{0,4}}{code};"
    names = {html.escape(character), "&apos;" if character == "'" else character} - {character}
    named = "".join(f"|{re.escape(name)}" for name in sorted(names))
    # The longest form first. So many backslashes and no more: a run is not to be read to its end from each place.
    return rf"(?:(?i:{numbers}{named})|\\{{0,4}}{re.escape(character)})"
