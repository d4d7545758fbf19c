"""Which run a candidate is held against: the nearest one before the change, or the one that somebody names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeVar

from honeyhive.ci.baselines import first as first_baseline
from honeyhive.ci.baselines.ages import ago, back
from honeyhive.ci.baselines.usable import SHA, refusal, refused
from honeyhive.ci.settings import AUTO, NO_BASELINE
from honeyhive.ci.stores.entry import Entry, Store
from honeyhive.ci.whereabouts.situation import Kind, Situation
from honeyhive.documents import shown
from honeyhive.errors import ConfigError, InputError, NoDecisionError, RepositoryError, RunFileError
from honeyhive.gate.markdown import NAME, one_line
from honeyhive.runfile import read_run

T = TypeVar("T")

_SHORTEST = 8
"""How many characters of a run's id name it."""
_SHORTEST_COMMIT = 7
_TRIES = 3
"""How many stored runs are looked at before it is given up to find one of use: each is fetched whole."""


class Nearest(Protocol):
    """A commit that was looked for, and how many commits before the start it is."""

    @property
    def commit(self) -> str:
        """Its hash."""

    @property
    def distance(self) -> int:
        """0 is the start itself."""


class History(Protocol):
    """Which commit comes before which. What cannot be known is a `RepositoryError`, never `None`."""

    def resolve(self, name: str) -> str | None:
        """The commit of a branch, tag or hash; `None` where nothing is called so."""

    def merge_base(self, one: str, other: str) -> str | None:
        """Where two commits or branches part; `None` where they have nothing in common."""

    def nearest(self, start: str, among: Collection[str]) -> Nearest | None:
        """The nearest of these commits that is `start` or before it; `None` where none is."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The run file to compare with, a copy in a folder of ours, and in `words` how it was chosen.

    Where there is none, `missing` says why, and how the first one comes about. `notes` are for the reader of the log.
    """

    file: Path | None
    words: str
    entry: Entry | None = None
    notes: tuple[str, ...] = ()
    missing: str = ""


def choose(  # noqa: PLR0913 - what the choice depends on, and the effects that the caller brings
    experiment: str,
    wanted: str,
    *,
    situation: Situation,
    store: Store,
    history: History,
    folder: Path,
    now: datetime,
) -> Chosen:
    """The baseline of an experiment: `wanted` is `auto`, `none`, a run's id, or a commit, branch or tag.

    Raises `ConfigError` where it is none of these, and `NoDecisionError` where the store, the history or the run
    cannot be read: that nobody knows is not that there is none.
    """
    if wanted == NO_BASELINE:
        return Chosen(file=None, words="", missing="`baseline` is `none`")
    search = _Search(experiment=experiment, situation=situation, store=store, history=history, folder=folder, now=now)
    return search.auto() if wanted == AUTO else search.named(wanted)


@dataclass(frozen=True, kw_only=True)
class _Search:
    experiment: str
    situation: Situation
    store: Store
    history: History
    folder: Path
    now: datetime

    def auto(self) -> Chosen:
        """The nearest run before the change; of a release, the one of the release before it."""
        if self.situation.kind is Kind.RELEASE:
            return self._previous_release()
        base = self.situation.base
        start = self._start()
        if base is None or start is None:
            return self._none(first_baseline.no_start(self._without_start(), self.situation, store=self.store.name))
        found = self._nearest(start, self._earlier, lambda _: base.words)
        return found or self._none_from(start)

    def named(self, wanted: str) -> Chosen:
        """The run of that id, or the nearest one of that commit, branch or tag and what is before it."""
        entry = self._of_id(wanted)
        if entry is not None:
            why = refusal(entry, self.situation, store=self.store.name)
            if why is not None:
                raise NoDecisionError(
                    f"baseline: the run {shown(wanted)} may not be one: it is {why}",
                    hint="name a run of the default branch, or leave it to `auto`",
                )
            return self._chosen(entry, self._fetched(entry), "named by its run id")
        start = wanted if SHA.fullmatch(wanted) else self.history.resolve(wanted) or self._of_commit(wanted)
        if start is None:
            raise ConfigError(
                f"baseline: {shown(wanted)} is no run file that is there, no run in {self.store.name}, "
                "and no commit, branch or tag",
                hint="write auto, none, rerun, the path of a run file, a run's id, or a commit, branch or tag",
            )
        name = wanted[:_SHORTEST_COMMIT] if start.startswith(wanted) else one_line(wanted, NAME)
        return self._nearest(start, self._earlier, lambda _: name) or self._none_from(start)

    # --- what there is ------------------------------------------------------------------------------------------------

    @cached_property
    def _entries(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.store.entries(self.experiment) if entry.experiment == self.experiment)

    @cached_property
    def _usable(self) -> tuple[Entry, ...]:
        name = self.store.name
        return tuple(entry for entry in self._entries if refusal(entry, self.situation, store=name) is None)

    @cached_property
    def _left_out(self) -> tuple[str, ...]:
        return (*refused(self._entries, self.situation, store=self.store.name), *self.store.notes)

    @property
    def _earlier(self) -> tuple[Entry, ...]:
        """Without the commit's own runs where it is the commit that is judged: a second attempt is no progress."""
        if self.situation.kind in (Kind.BRANCH, Kind.LOCAL):
            return self._usable
        return tuple(entry for entry in self._usable if entry.commit not in (self._own, self.situation.head))

    @property
    def _own(self) -> str | None:
        return self.situation.commit or self.situation.head

    # --- where to start -----------------------------------------------------------------------------------------------

    def _start(self) -> str | None:
        """The commit that the change starts from; of a pull request somebody has to know it."""
        base = self.situation.base
        start = None if base is None else base.commit
        if base is not None and start is None and base.between is not None:
            start = self.history.merge_base(*base.between)
        if start is None and self.situation.judged_by_base:
            raise RepositoryError(
                f"{self._without_start()}: there is nothing to start from in looking for the baseline",
                hint="check the repository out before the gate, and bring the change up to date with its base",
            )
        return start

    def _without_start(self) -> str:
        base = self.situation.base
        if base is not None and base.between is not None:
            return f"{' and '.join(one_line(name, NAME) for name in base.between)} have no commit in common"
        if self._own is None:
            return "Nobody can tell which commit this is"
        return "Nothing tells of a commit before this one"

    # --- the run ------------------------------------------------------------------------------------------------------

    def _previous_release(self) -> Chosen:
        start = self._own
        if start is None:
            return self._none(first_baseline.no_start(self._without_start(), self.situation, store=self.store.name))
        earlier = [entry for entry in self._earlier if entry.tag is None or entry.tag != self.situation.tag]
        return (
            self._nearest(
                start, [entry for entry in earlier if entry.tag], lambda entry: f"release {_name(entry.tag or '')}"
            )
            or self._nearest(
                start, earlier, lambda _: "no release in its history has a run, this is the nearest that has"
            )
            or self._none_from(start)
        )

    def _nearest(self, start: str, entries: Iterable[Entry], how: Callable[[Entry], str]) -> Chosen | None:
        """The nearest run that is whole. Where runs are there and none of them is, the last one says why."""
        left: dict[str, list[Entry]] = {}
        for entry in entries:  # the newest first: of several runs of a commit, it counts
            left.setdefault(entry.commit, []).append(entry)
        problems: list[NoDecisionError] = []
        while left and (found := self.history.nearest(start, tuple(left))) is not None:
            for entry in left.pop(found.commit):
                file = self.store.fetch(entry, self.folder)
                problem = self._problem(entry, file)
                if problem is None:
                    distance = back(found.distance) if found.distance else ""
                    return self._chosen(entry, file, how(entry), distance, passed_over=problems)
                problems.append(problem)
                if len(problems) == _TRIES:
                    raise problem
        if problems:
            raise problems[-1]
        return None

    def _fetched(self, entry: Entry) -> Path:
        file = self.store.fetch(entry, self.folder)
        problem = self._problem(entry, file)
        if problem is not None:
            raise problem
        return file

    def _problem(self, entry: Entry, file: Path) -> NoDecisionError | None:
        """Why a run that was fetched is of no use."""
        why = _fault(entry, file)
        if why is None:
            return None
        return NoDecisionError(
            f"the run {shown(entry.run_id)} in {self.store.name} cannot be the baseline: {why}",
            hint="run the gate of that commit again, or name another baseline",
        )

    def _chosen(
        self, entry: Entry, file: Path, how: str, distance: str = "", *, passed_over: Sequence[NoDecisionError] = ()
    ) -> Chosen:
        since = ago(entry.started_at or entry.saved_at, self.now)
        words = ", ".join(filter(None, (how, distance, since and f"run {since}")))
        notes = (*self._left_out, *(problem.message for problem in passed_over))
        return Chosen(file=file, words=words, entry=entry, notes=notes)

    # --- none ---------------------------------------------------------------------------------------------------------

    def _none(self, missing: str) -> Chosen:
        return Chosen(file=None, words="", notes=self._left_out, missing=missing)

    def _none_from(self, start: str) -> Chosen:
        experiment, situation, store = self.experiment, self.situation, self.store.name
        if not self._entries:
            others = {entry.experiment for entry in self.store.entries()} - {experiment}
            return self._none(first_baseline.none_yet(experiment, others, situation, store=store))
        if not self._usable:
            why = refused(self._entries, situation, store=store)
            return self._none(first_baseline.only_refused(experiment, why, situation, store=store))
        if not self._earlier:
            return self._none(first_baseline.only_own(experiment, situation, store=store))
        return self._none(first_baseline.none_before(experiment, len(self._earlier), start, situation, store=store))

    # --- names --------------------------------------------------------------------------------------------------------

    def _of_id(self, wanted: str) -> Entry | None:
        exact = [entry for entry in self._entries if entry.run_id == wanted]
        if exact:
            return exact[0]
        begin = [entry for entry in self._entries if entry.run_id.startswith(wanted)]
        if len(wanted) < _SHORTEST or not begin:
            return None
        return _only(wanted, {entry.run_id: entry for entry in begin}, "runs")

    def _of_commit(self, wanted: str) -> str | None:
        """The commit of a run whose hash begins so: the checkout may not have it."""
        begin = {entry.commit: entry.commit for entry in self._entries if entry.commit.startswith(wanted)}
        return _only(wanted, begin, "commits") if len(wanted) >= _SHORTEST_COMMIT and begin else None


def _only(wanted: str, found: Mapping[str, T], what: str) -> T:
    if len(found) > 1:
        raise ConfigError(f"baseline: {len(found)} {what} begin with {shown(wanted)}", hint="write more of it")
    return next(iter(found.values()))


def _fault(entry: Entry, file: Path) -> str | None:
    try:
        run = read_run(file)
    except (InputError, RunFileError) as error:
        return f"its file cannot be read: {error.message}"
    if (run.run_id, run.name) != (entry.run_id, entry.experiment):
        return "its file is that of another run"
    commit = run.git.get("commit_hash")
    if commit not in (None, entry.commit):
        return "its file is of another commit"
    return None if run.complete else "it was never finished"


def _name(text: str) -> str:
    return one_line(text, NAME)
