"""Places in a text: found, joined where they overlap, and something else put there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

HEAD = 4

Span = tuple[int, int]


def all_of(spelling: bytes, text: bytes) -> Iterator[Span]:
    """Where the spelling is in the text."""
    at = text.find(spelling)
    while at >= 0:
        yield at, at + len(spelling)
        at = text.find(spelling, at + len(spelling))


def overlap(text: bytes, spelling: bytes) -> int:
    """How many of the text's last bytes are the spelling's first ones; of fewer than `HEAD` it knows nothing."""
    head = spelling[:HEAD]
    at = text.find(head, max(0, len(text) - len(spelling) + 1))
    while at >= 0:
        if spelling.startswith(text[at:]):
            return len(text) - at
        at = text.find(head, at + 1)
    return 0


def merged(spans: Iterable[Span]) -> Iterator[Span]:
    """The spans, those that overlap as one."""
    last: Span | None = None
    for begin, end in spans:
        if last is None or begin >= last[1]:
            if last is not None:
                yield last
            last = (begin, end)
        else:
            last = (last[0], max(last[1], end))
    if last is not None:
        yield last


def without(text: bytes, spans: Iterable[Span], mark: bytes) -> Iterator[bytes]:
    """The text in pieces, with the mark in the place of each span."""
    at = 0
    for begin, end in spans:
        yield text[at:begin]
        yield mark
        at = end
    yield text[at:]
