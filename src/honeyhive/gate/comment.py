"""The one comment on a pull request, shared by all jobs that gate it: put together of sections.

The comment itself holds all that is known of it: `parse` gives its sections back. Whatever a model has written in one
of them, it can be no delimiter. Where all of it is too long it is
shortened; the stamp of a section stays where there is no room for more than that.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from honeyhive.gate.markdown import cell, code, link, one_line
from honeyhive.gate.numbers import count
from honeyhive.gate.sections import (
    LONGEST_URL,
    MARKER,
    NAME_LENGTH,
    Section,
    Stamp,
    has_marker,
    is_overtaken,
    merged,
    parse,
)
from honeyhive.gate.shortening import Part, length, shortened
from honeyhive.gate.templating import WORST_FIRST, overall

__all__ = ["MARKER", "Part", "Section", "compose", "fits_a_comment", "has_marker", "is_overtaken", "merged", "parse"]

MOST_UNITS = 65_536
"""GitHub refuses a longer comment. It counts characters; UTF-16 units are never fewer."""

_LINKED = 5
"""How many reports a partial view links."""

# What begins as a delimiter does cannot stand in a section: a zero-width space keeps it from being one.
_OURS, _NOT_OURS = "<!-- honeyhive", "<!\u200b-- honeyhive"
_UNSAFE = re.compile(r"[<>&@#]")


def fits_a_comment(text: str) -> bool:
    """Whether GitHub takes the text as a comment."""
    return length(text) <= MOST_UNITS


def compose(
    sections: Sequence[Section],
    *,
    head_sha: str | None = None,
    report_url: str | None = None,
    fits: Callable[[str], bool] = fits_a_comment,
) -> str:
    """The comment, the worst section first; `parse` gives the sections back.

    `head_sha` is the newest commit, else it is that of the newest section: one of another commit says so. `report_url`
    is where the whole is of sections that do not say. What `fits` refuses is shortened.
    """
    ordered = sorted(map(_cleaned, sections), key=_rank)
    newest = head_sha or max(((one.version, one.head_sha) for one in ordered if one.head_sha), default=((), ""))[1]

    def write(shown: Sequence[Part | None]) -> str:
        there = [replace(one, part=part) for one, part in zip(ordered, shown, strict=True) if part is not None]
        return _written(there, [one.verdict for one in ordered], newest, report_url)

    return shortened([(one.verdict, one.part) for one in ordered], write, fits)


def _rank(one: Section) -> tuple[int, str, str]:
    return WORST_FIRST.index(one.verdict), one.experiment, one.key


def _cleaned(one: Section) -> Section:
    part = one.part
    folds = tuple(filter(None, map(_clean, part.folds)))
    part = replace(part, head=" ".join(_clean(part.head).split()), body=_clean(part.body), folds=folds)
    url = one.report_url or ""
    known = url if url.isascii() and len(url) <= LONGEST_URL else ""
    return replace(one, part=part, experiment=one_line(one.experiment, NAME_LENGTH), report_url=known or None)


def _clean(text: str) -> str:
    return without_delimiters(text.replace("\r\n", "\n").replace("\r", "\n")).strip("\n")


def without_delimiters(text: str) -> str:
    """The text with nothing in it that begins as a delimiter of ours does."""
    return text.replace(_OURS, _NOT_OURS)


def _written(there: Sequence[Section], verdicts: Sequence[str], newest: str, report_url: str | None) -> str:
    """The sections as far as there is room for them; `verdicts` are those of all."""
    several, nonce = len(verdicts) != 1, _nonce(there)
    blocks = [MARKER]
    if several:
        blocks.append(f"## {overall(verdicts)}")
    for one in there:
        blocks += _blocks(one, nonce, "###" if several else "##", newest)
    left_out = len(verdicts) - sum(1 for one in there if one.part.head)
    if left_out:
        blocks.append(f"… and {count(left_out)} more.")
    if left_out or not all(one.part.whole for one in there):
        blocks.append(_partial_view([one for one in there if not one.part.whole], report_url))
    return "\n\n".join(blocks)


def _nonce(there: Sequence[Section]) -> str:
    """A number that no text of these sections can know: their hash."""
    texts = "\0".join(text for one in there for text in one.part.texts)
    return hashlib.sha256(texts.encode("utf-8", "replace")).hexdigest()[:16]


def _blocks(one: Section, nonce: str, marks: str, newest: str) -> Iterator[str]:
    stamp = _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", Stamp.of(one).model_dump_json(exclude_defaults=True))
    if not one.part.head:
        yield f"<!-- honeyhive:hidden {nonce} {stamp} -->"
        return
    yield f"<!-- honeyhive:section {nonce} {stamp} -->"
    yield f"{marks} {one.part.head}"
    if one.head_sha and newest not in ("", one.head_sha):
        yield (
            f"Of an older commit, {code(one.head_sha[:7])}: of the newest one, {code(newest[:7])}, "
            "this job has not told anything yet."
        )
    if one.part.body:
        yield f"<!-- honeyhive:body {nonce} -->"
        yield one.part.body
    for fold in one.part.folds:
        yield f"<!-- honeyhive:fold {nonce} -->"
        yield fold
    yield f"<!-- honeyhive:end {nonce} -->"


def _partial_view(shortened: Sequence[Section], report_url: str | None) -> str:
    urls = {one.report_url or report_url: one.experiment for one in reversed(shortened)}
    linked = [link(cell(name, 60), url) for url, name in reversed(urls.items()) if url][:_LINKED]
    where = f"the full reports have it all: {', '.join(linked)}" if linked else "the summaries of the jobs have it all"
    return f"<sub>A partial view, shortened to fit into a comment; {where}</sub>"
