"""The fenced blocks of a Markdown page, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

FENCE = re.compile(r"(`{3,}|~{3,})(.*)")


@dataclass(frozen=True, kw_only=True)
class Block:
    """One block: what the page says it is, the headline above it, the last words before it."""

    language: str
    text: str
    line: int
    """Of the page, where the text begins; counted from 1."""
    heading: str
    before: str


def blocks(page: str) -> Iterator[Block]:
    """The blocks in their order; one that is never closed, or does not start at the margin, is an error of the page."""
    lines = page.splitlines()
    heading = before = ""
    at = 0
    while at < len(lines):
        line = lines[at]
        opening = FENCE.fullmatch(line)
        if opening is None:
            if FENCE.match(line.lstrip()):
                raise ValueError(f"line {at + 1}: a fence that is not at the margin")
            heading = line if line.startswith("#") else heading
            before = line if line.strip() else before
            at += 1
            continue
        try:
            end = lines.index(opening[1], at + 1)
        except ValueError:
            raise ValueError(f"line {at + 1}: a block that is never closed") from None
        text = "\n".join(lines[at + 1 : end]) + "\n"
        yield Block(language=opening[2].strip(), text=text, line=at + 2, heading=heading, before=before)
        at = end + 1
