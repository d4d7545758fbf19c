"""Who descends from whom: distances and merge bases, over as much of the history as is here.

Where a commit is not here, history ends for us: nothing is said of what lies behind it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from typing import TypeVar

from honeyhive.ci.gitobjects import Commit
from honeyhive.errors import RepositoryError

MOST = 100_000
"""So many commits are looked at, and no more: who knows better than we do has to be asked then."""

Look = Callable[[str], Commit | None]
_ONE, _OTHER, _STALE = 1, 2, 4


def distances(commit: str, look: Look, *, most: int = MOST) -> Mapping[str, int]:
    """How many commits back each ancestor of `commit` is, by the shortest way; `commit` itself is 0 back.

    Those that are not here are there by name. `RepositoryError` where there are more than `most`.
    """
    found = {commit: 0} if look(commit) is not None else {}
    edge = list(found)
    while edge:
        following = []
        for name in edge:
            known = look(name)
            for parent in known.parents if known else ():
                if parent not in found:
                    found[parent] = found[name] + 1
                    following.append(parent)
        edge = _bounded(following, len(found), most)
    return found


def merge_base(one: str, other: str, look: Look, *, most: int = MOST) -> str | None:
    """The newest commit that both descend from and that is not behind another such; `None` where none is known.

    Both histories are walked at once from the newest commit on, and what lies behind a common one is stale: the walk
    ends when nothing else is left. `RepositoryError` where that takes more than `most`.
    """
    colours: dict[str, int] = {}
    queue: list[tuple[int, str]] = []
    common: list[str] = []

    def reach(name: str, colour: int) -> None:
        known = look(name)
        if known is not None and colours.get(name, 0) & colour != colour:
            colours[name] = colours.get(name, 0) | colour
            heapq.heappush(queue, (-known.time, name))

    reach(one, _ONE)
    reach(other, _OTHER)
    while True:
        if all(colours[name] & _STALE for _, name in queue):
            return next((name for name in common if not colours[name] & _STALE), None)
        name = heapq.heappop(_bounded(queue, len(colours), most))[1]
        colour = colours[name]
        if colour & (_ONE | _OTHER) == _ONE | _OTHER:
            if name not in common:
                common.append(name)
            colour |= _STALE
        known = look(name)
        for parent in known.parents if known else ():
            reach(parent, colour)


_Some = TypeVar("_Some")


def _bounded(some: _Some, count: int, most: int) -> _Some:
    if count > most:
        raise RepositoryError(
            f"the history here is longer than {most:,} commits",
            hint="name the baseline's commit, or check out less: `fetch-depth: 1000`",
        )
    return some
