"""Making a comment fit: what is left out of its parts, and in which order.

Only as much goes as has to, and never half of a fold or of a text:

1. the folds of the parts that passed or were skipped: the last of each, from the last part on, then the one before;
2. the folds of the others, likewise;
3. what is left below the headings of those that passed, then
4. of the others, from the last part on;
5. whole parts, from the last on.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest

_PASSED = ("passed", "skipped")


@dataclass(frozen=True, kw_only=True)
class Part:
    """What the comment says of one experiment: its heading, what stands in the open, and the folded rest.

    One after the other they are the whole; from the end on each may be left out. `whole` is whether none was. With an
    empty heading it is one for which there was no room at all.
    """

    head: str
    body: str = ""
    folds: tuple[str, ...] = ()
    whole: bool = True

    @property
    def texts(self) -> tuple[str, ...]:
        """All of it, in order."""
        return self.head, self.body, *self.folds


NO_ROOM = Part(head="", whole=False)


def length(text: str) -> int:
    """In UTF-16 units, as GitHub may count: never less than characters."""
    # "utf-16-le" would do without a mark in front, and is imported from disk, where a user's code may have been.
    return len(text.encode("utf-16", "surrogatepass")) // 2 - 1


def shortened(
    parts: Sequence[tuple[str, Part]], write: Callable[[Sequence[Part | None]], str], fits: Callable[[str], bool]
) -> str:
    """What `write` makes of the parts, each given with its verdict and the most important first, so that it `fits`.

    A part that has no room is `NO_ROOM`, and last `None`: then there must be no trace of it.
    """
    lengths = [list(_lengths(part)) for _, part in parts]
    cuts = list(_cuts(parts))

    def written(steps: int) -> str:
        taken = Counter(cuts[:steps])
        return write([lengths[at][taken[at]] for at in range(len(parts))])

    return written(bisect_left(range(len(cuts)), 1, key=lambda steps: int(fits(written(steps)))))


def _lengths(part: Part) -> Iterator[Part | None]:
    """The part ever shorter."""
    yield part
    for left in reversed(range(len(part.folds))):
        yield replace(part, folds=part.folds[:left], whole=False)
    if part.body:
        yield Part(head=part.head, whole=False)
    if part.head:
        yield NO_ROOM
    yield None


def _cuts(parts: Sequence[tuple[str, Part]]) -> Iterator[int]:
    """Which part is to be one step shorter, step by step."""
    last_first = list(reversed(range(len(parts))))
    passed = [at for at in last_first if parts[at][0] in _PASSED]
    others = [at for at in last_first if at not in passed]
    for group in (passed, others):
        turns = zip_longest(*([at] * len(parts[at][1].folds) for at in group))
        yield from (at for at in chain.from_iterable(turns) if at is not None)
    yield from (at for at in (*passed, *others) if parts[at][1].body)
    yield from (at for at in last_first if parts[at][1].head)
    yield from last_first
