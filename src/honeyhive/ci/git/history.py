"""Which commit comes before which, without a whole clone: by what is here, by GitHub, and fetched only at last."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from honeyhive.ci.git.witnesses import Compared, GitHub, Objects
from honeyhive.documents import shown
from honeyhive.errors import GitHubError, RepositoryError
from honeyhive.experiments.provenance import SHA

_MOST_ASKED = 20
_MOST_LOOKED_AT = 20_000
# Commits only, without files: at first as many as most changes need, at last all of them.
_DEPTHS = (100, 2_000, 2**31 - 1)
_IS_ANCESTOR = ("ahead", "identical")
_NOT_HERE = "the history that is here does not reach far enough"
_Found = TypeVar("_Found")


@dataclass(frozen=True, kw_only=True)
class Ancestor:
    """A commit, and how many commits back it is; 0 is the start itself."""

    commit: str
    distance: int


class History:
    """Who comes before whom. What nobody can tell is a `RepositoryError`, and never `None`: that would mean "none".

    `repository` is asked first, as far as it has all that an answer depends on, then `github`; commits are fetched
    only where neither knows.
    """

    def __init__(self, repository: Objects, github: GitHub | None) -> None:
        self._repository = repository
        self._github = github
        self._compared: dict[tuple[str, str], Compared | None] = {}
        self._reaches: dict[str, _Reach] = {}

    def resolve(self, name: str) -> str | None:
        """The commit that a branch, a tag or a commit's name stands for; `None` where nothing is called so.

        In a job it is as GitHub has it, for a checkout may call any commit `main`; elsewhere as the checkout has it.
        """
        if SHA.fullmatch(name):
            return name
        if self._github is None:
            return self._repository.resolve(name)
        return self._repository.branch(name) or self._repository.tags().get(name) or self._repository.resolve(name)

    def merge_base(self, one: str, other: str) -> str | None:
        """Where two commits or branches part; `None` where they have nothing in common.

        A branch is the one on the server.
        """
        return _first_to_know(
            f"where {shown(one)} and {shown(other)} part",
            lambda: self._merge_base_here(one, other),
            lambda: self._merge_base_there(one, other),
            lambda: self._merge_base_fetched(one, other),
        )

    def nearest(self, start: str, among: Collection[str]) -> Ancestor | None:
        """The nearest of the commits `among` that is `start` or comes before it; `None` where none does.

        GitHub is asked about the first ones first, and not about all of many: they should be the newest first.
        """
        if start in among:
            return Ancestor(commit=start, distance=0)
        if not among:
            return None
        wanted = frozenset(among)
        return _first_to_know(
            f"what comes before {start[:7]}",
            lambda: self._nearest_here(start, wanted),
            lambda: self._nearest_there(start, list(among)),
            lambda: self._fetched([start], lambda: self._nearest_here(start, wanted)),
        )

    def changed(self, base: str, head: str, *, number: int | None = None) -> tuple[str, ...] | None:
        """The paths in which `head` differs from `base`; `None` where nobody can tell all of them.

        `number` is the pull request whose last commit `head` is, if it is one.
        """
        found = self._repository.changed(base, head)
        if found is not None:
            return found
        try:
            return _first_to_know(
                "what has changed", lambda: self._changed_there(base, head), lambda: self._changed_by(number, head)
            )
        except RepositoryError:
            return None

    # --- what is here ------------------------------------------------------------------------------------------------

    def _merge_base_here(self, one: str, other: str) -> str | None:
        """By the commits that are here; not known where one that is not here could be nearer, or the only one."""
        if not (SHA.fullmatch(one) and SHA.fullmatch(other)):
            raise _Unknown  # what the checkout calls `main` may be a fork's
        ours, theirs = self._reach(one), self._reach(other)
        shared = ours.distances.keys() & theirs.distances.keys()
        best, behind = self._foremost({name: ours.distances[name] + theirs.distances[name] for name in shared})
        if not (ours.edge | theirs.edge) <= behind:
            raise _Unknown(_NOT_HERE)
        return min(best, key=lambda name: (ours.distances[name], name), default=None)

    def _foremost(self, among: Mapping[str, int]) -> tuple[list[str], set[str]]:
        """Those that none of the others descends from, and all that is behind them; the least is looked at first.

        More than one is left where two branches were merged into each other. Times of commits are not looked at: whose
        commits they are has chosen them.
        """
        best: list[str] = []
        behind: set[str] = set()
        left = set(among)
        while left:
            if len(best) > _MOST_ASKED:
                raise _Unknown("too many merges lie between them")
            least = min(left, key=lambda name: (among[name], name))
            reached = self._reach(least).distances.keys()
            best = [name for name in best if name not in reached] + [least]
            behind |= reached
            left -= reached
        return best, behind

    def _nearest_here(self, start: str, among: Collection[str]) -> Ancestor | None:
        """Of those behind `start`, one that none of the others is after: a branch cut long ago is no short cut.

        Not known where one that is not here could be nearer.
        """
        reach = self._reach(start)
        best, behind = self._foremost({name: far for name, far in reach.distances.items() if name in among})
        if not reach.edge <= behind:
            raise _Unknown(_NOT_HERE)
        nearest = min(best, key=lambda name: (reach.distances[name], name), default=None)
        return None if nearest is None else Ancestor(commit=nearest, distance=reach.distances[nearest])

    def _reach(self, commit: str) -> _Reach:
        if commit not in self._reaches:
            self._reaches[commit] = _reach(commit, self._repository)
        return self._reaches[commit]

    # --- what GitHub says --------------------------------------------------------------------------------------------

    def _asked(self) -> GitHub:
        if self._github is None:
            raise _Unknown("there is no token to ask GitHub with")
        return self._github

    def _compare(self, base: str, head: str) -> Compared | None:
        """How they stand to each other; `None` where GitHub does not know one of them."""
        github = self._asked()
        if (base, head) not in self._compared:
            try:
                self._compared[base, head] = github.compare(base, head)
            except GitHubError as error:
                raise _Unknown(error.message) from error
        return self._compared[base, head]

    def _merge_base_there(self, one: str, other: str) -> str:
        compared = self._compare(one, other)
        if compared is None:  # it says so, too, of what has nothing in common
            raise _Unknown("GitHub does not know one of them")
        return compared.merge_base

    def _nearest_there(self, start: str, among: Sequence[str]) -> Ancestor | None:
        """By comparing. The first ancestor met is enough: whichever is nearer is among the commits in between."""
        order = _leaping(len(among))
        is_known = False
        for at in order[:_MOST_ASKED]:
            compared = self._compare(among[at], start)
            if compared is not None and compared.status in _IS_ANCESTOR:
                return self._nearer(among[at], start, frozenset(among), compared)
            is_known = is_known or compared is not None
        if len(order) > _MOST_ASKED:
            raise _Unknown(f"none of the {_MOST_ASKED} commits that GitHub was asked about comes before it")
        if not is_known:
            raise _Unknown("GitHub does not know it")
        return None  # a commit that GitHub does not have is no ancestor of one that it has

    def _nearer(self, commit: str, start: str, among: Collection[str], compared: Compared) -> Ancestor:
        found = Ancestor(commit=commit, distance=compared.ahead_by)
        between = [name for name in compared.commits if name in among]
        for _ in range(_MOST_ASKED):
            following = self._compare(between[-1], start) if between else None
            if following is None:
                break
            if following.ahead_by < found.distance:
                found = Ancestor(commit=between[-1], distance=following.ahead_by)
            # All others come before this one, and are further away.
            between = [name for name in between[:-1] if name in following.commits]
        return found

    def _changed_there(self, base: str, head: str) -> tuple[str, ...]:
        compared = self._compare(base, head)
        # Of others GitHub tells what differs from where the two part, which leaves out what only `base` has.
        if compared is None or compared.status not in _IS_ANCESTOR or not compared.files_complete:
            raise _Unknown
        return tuple(compared.files)

    def _changed_by(self, number: int | None, head: str) -> tuple[str, ...] | None:
        if number is None:
            raise _Unknown
        try:
            files = self._asked().pull_files(number)
            # What is listed is what the pull request changes now: meanwhile somebody may have pushed to it.
            return files if self._asked().pull(number).head_sha == head else None
        except GitHubError as error:
            raise _Unknown(error.message) from error

    # --- what can be fetched -----------------------------------------------------------------------------------------

    def _merge_base_fetched(self, one: str, other: str) -> str | None:
        ends = [self._end(one), self._end(other)]
        return self._fetched(ends, lambda: self._merge_base_here(*ends))

    def _end(self, name: str) -> str:
        if SHA.fullmatch(name):
            return name
        commit = self._repository.branch(name)
        if commit is None:
            raise _Unknown(f"the server has no branch {shown(name)}")
        return commit

    def _fetched(self, ends: Sequence[str], here: Callable[[], _Found]) -> _Found:
        """What is known here as soon as enough of the history up to `ends` is."""
        for depth in (0, *_DEPTHS):
            for end in ends if depth else ():
                self._repository.deepen(end, depth)
                self._reaches.clear()
            try:
                return here()
            except _Unknown:
                continue
        raise _Unknown("what the server sends is not whole")


@dataclass(frozen=True, kw_only=True)
class _Reach:
    """How many commits back each ancestor is, by the shortest way; of those at the `edge` the parents are not known."""

    distances: Mapping[str, int]
    edge: frozenset[str]


def _reach(commit: str, repository: Objects) -> _Reach:
    distances: dict[str, int] = {}
    edge: set[str] = set()
    for name, distance, is_here in _backwards(commit, repository):
        distances[name] = distance
        edge |= set() if is_here else {name}
    return _Reach(distances=distances, edge=frozenset(edge))


def _backwards(commit: str, repository: Objects) -> Iterator[tuple[str, int, bool]]:
    """The commit and its ancestors, the nearest first, each with its distance and whether its parents are known."""
    met, pending = {commit}, deque([(commit, 0)])
    while pending:
        name, distance = pending.popleft()
        is_here = len(met) <= _MOST_LOOKED_AT and repository.has(name)
        yield name, distance, is_here
        following = [parent for parent in repository.parents(name) if parent not in met] if is_here else []
        met.update(following)
        pending.extend((parent, distance + 1) for parent in following)


class _Unknown(Exception):  # noqa: N818 - it is an answer
    """Who was asked cannot tell; the message is the reason, if it is worth one."""


def _first_to_know(what: str, *ways: Callable[[], _Found]) -> _Found:
    tried: list[str] = []
    for way in ways:
        try:
            return way()
        except _Unknown as unknown:
            tried += [str(unknown)] if str(unknown) else []
        except RepositoryError as error:
            tried.append(error.message)
    raise RepositoryError(
        f"nobody can tell {what}: {'; '.join(dict.fromkeys(tried))}",
        hint="check out with `fetch-depth: 0`, or give the gate a `github-token` with `permissions: contents: read`",
    )


def _leaping(count: int) -> list[int]:
    """All of `count` places in the order of asking: the first, then ever further ones, then what was passed over."""
    leaps = dict.fromkeys(min(2**step - 1, count - 1) for step in range(count.bit_length() + 1))
    return [*leaps, *sorted(set(range(count)) - leaps.keys())]
