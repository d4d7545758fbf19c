"""The store `git:BRANCH`: a branch of the repository that is one commit, and holds the runs and nothing else.

Each change makes the commit anew, without parents, and replaces the one that was read: the branch never grows by its
history. Where another job was faster, its branch is read again and the change made to that.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from honeyhive.ci.git.remote import Refusal, Refused
from honeyhive.ci.git.repository import NewCommit, Repository, StoredFile
from honeyhive.ci.stores.entry import KEPT, Entry, kept, newest_first
from honeyhive.ci.stores.manifest import from_manifest, place_of, to_manifest
from honeyhive.ci.stores.packing import pack, unpacked
from honeyhive.documents import in_one_line
from honeyhive.errors import NoDecisionError, RepositoryError, StoreError

BRANCH = "honeyhive-runs"
"""What the branch is called, unless the user says otherwise."""

MAX_BRANCH = 100 * 2**20
"""The branch holds no more than this, compressed; the oldest runs go first."""

ATTEMPTS = 8
_FAILURES = 3
_README = "README.md"
_MARK = "<!-- honeyhive: runs -->"
_OURS = re.compile(r"[^/]+/[^/]+\.(?:json|jsonl\.gz)")
_MANIFEST, _RUN = ".json", ".jsonl.gz"
_MOST_MANIFEST = 2**16
_MOST_UNREAD = MAX_BRANCH // 4
_TEXT = f"""\
{_MARK}
# Runs of experiments

The HoneyHive gate keeps here what a change is compared with: the runs of the default branch and of releases, each with
the commit that it is of, the newest of each experiment. It writes this branch anew each time, as one commit.

Nobody needs to merge, edit or check out this branch. `honeyhive baseline list` shows what is in it. Without it the
next pull request has nothing to be compared with, until a push to the default branch has made the next run.
"""


@dataclass(frozen=True, kw_only=True)
class _Branch:
    """The branch as it was read: its commit, its files by path, the runs among them, and what is `aside`, with why."""

    commit: str | None = None
    files: Mapping[str, StoredFile] = field(default_factory=dict)
    entries: Sequence[Entry] = ()
    aside: Mapping[str, str] = field(default_factory=dict)

    @property
    def unread(self) -> Mapping[str, StoredFile]:
        """What we cannot read and leave as it is: a later version may have written it. Within bounds."""
        runs = (path.removesuffix(_MANIFEST) + _RUN for path in self.aside)
        found = {path: self.files[path] for path in (*self.aside, *runs) if path in self.files}
        return found if sum(file.size for file in found.values()) <= _MOST_UNREAD else {}

    def size_of(self, entry: Entry) -> int:
        place = place_of(entry)
        return sum(self.files[place + ending].size for ending in (_MANIFEST, _RUN) if place + ending in self.files)


@dataclass(frozen=True, kw_only=True)
class _Change:
    """What the branch is to be: which runs, the files of a new one, and why, in a line."""

    staying: Sequence[Entry]
    added: Mapping[str, bytes] = field(default_factory=dict)
    message: str
    seconds: int


class BranchStore:
    """Runs on a branch of the repository. `pause` waits between two attempts to write it, for about so many seconds."""

    def __init__(
        self,
        repository: Repository,
        branch: str = BRANCH,
        *,
        pause: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        most: int = MAX_BRANCH,
    ) -> None:
        """`jitter` gives a number between 0 and 1, `most` is how many bytes the branch may hold."""
        self.name = f"git:{branch}"
        self._repository = repository
        self._branch = branch
        self._pause = pause
        self._jitter = jitter
        self._most = most
        self._read: _Branch | None = None

    @property
    def notes(self) -> Sequence[str]:
        """What was odd about the branch when it was read."""
        return tuple(self._read.aside.values()) if self._read else ()

    def entries(self, experiment: str | None = None) -> Sequence[Entry]:
        """The runs on the branch, the newest first; none where it is not there. The branch is read once."""
        found = self._known().entries
        return [entry for entry in found if experiment in (None, entry.experiment)]

    def fetch(self, entry: Entry, folder: Path) -> Path:
        """The run file in `folder`; `NoDecisionError` where it is not there, or not what `entry` says."""
        known = self._known()
        file = known.files.get(place_of(entry) + _RUN)
        if file is None or known.commit is None:
            raise NoDecisionError(
                f"the run {entry.run_id[:40]} is not on {self._branch}", hint="`honeyhive baseline list` shows what is"
            )
        return unpacked(self._repository.content(known.commit, file), entry, folder)

    def save(self, run_file: Path, entry: Entry) -> None:
        """Put the run on the branch; `StoreError` where it is too large, or the server does not take it."""
        place = place_of(entry)
        added = {place + _MANIFEST: to_manifest(entry), place + _RUN: pack(run_file, entry)}
        size = sum(map(len, added.values()))

        def change(branch: _Branch) -> _Change:
            others = [other for other in branch.entries if other.run_id != entry.run_id]
            staying = [other for other in kept([*others, entry]) if other != entry]
            return _Change(
                staying=_within(
                    staying, branch, room=self._most - size - sum(file.size for file in branch.unread.values())
                ),
                added=added,
                message=f"Add run {entry.run_id} of {entry.experiment} at {entry.commit}",
                seconds=_seconds(entry.saved_at),
            )

        self._write(change)

    def prune(self, keep: int = KEPT) -> Sequence[Entry]:
        """Keep the newest `keep` runs of each experiment, and as many of its releases; what was taken away."""
        gone: list[Entry] = []

        def change(branch: _Branch) -> _Change | None:
            staying = kept(branch.entries, keep)
            gone[:] = [entry for entry in branch.entries if entry not in staying]
            last = max((_seconds(entry.saved_at) for entry in branch.entries), default=0)
            message = f"Keep the newest {keep} runs of each experiment"
            return _Change(staying=staying, message=message, seconds=last) if gone else None

        self._write(change)
        return tuple(gone)

    # --- reading -----------------------------------------------------------------------------------------------------

    def _known(self) -> _Branch:
        if self._read is None:
            self._read = self._fresh()
        return self._read

    def _fresh(self) -> _Branch:
        """The branch as it is now; `RepositoryError` where it cannot be read, or is not one of ours."""
        commit = self._repository.branch(self._branch)
        if commit is None:
            return _Branch()
        self._repository.fetch(commit)
        files = self._repository.files(commit)
        self._refuse_foreign(commit, files)
        manifests = [path for path in files if path.endswith(_MANIFEST)]
        read = {path: self._entry(commit, path, files) for path in manifests}
        return _Branch(
            commit=commit,
            files=files,
            entries=newest_first(found for found in read.values() if isinstance(found, Entry)),
            aside={path: why for path, why in read.items() if isinstance(why, str)},
        )

    def _entry(self, commit: str, path: str, files: Mapping[str, StoredFile]) -> Entry | str:
        """The entry at a path, or why there is none."""
        if files[path].size > _MOST_MANIFEST:
            return self._odd(path, "is too large")
        try:
            entry = from_manifest(self._repository.content(commit, files[path]))
        except ValueError as error:
            return self._odd(path, str(error))
        if place_of(entry) + _MANIFEST != path:
            return self._odd(path, "is not where what it says belongs")
        return entry if place_of(entry) + _RUN in files else self._odd(path, "has no run beside it")

    def _odd(self, path: str, why: str) -> str:
        return in_one_line(f"{path} on {self._branch} is left aside: {why}")[:300]

    def _refuse_foreign(self, commit: str, files: Mapping[str, StoredFile]) -> None:
        """Nobody's work is overwritten: the branch is ours where it says so and holds nothing else."""
        readme = files.get(_README)
        marked = readme is not None and self._repository.content(commit, readme).startswith(_MARK.encode())
        foreign = next((path for path, file in files.items() if not _is_ours(path, file)), None)
        if marked and foreign is None:
            return
        raise RepositoryError(
            f"the branch {self._branch} is not one of runs: "
            + (f"it holds {in_one_line(foreign or '')[:100]}" if marked else "its README.md does not say so"),
            hint=f"give `store` another branch, such as git:{BRANCH}; this one is left as it is",
        )

    # --- writing -----------------------------------------------------------------------------------------------------

    def _write(self, change: Callable[[_Branch], _Change | None]) -> None:
        """Make the change to the branch as it is; `StoreError` where the server does not take it."""
        failures, refused = 0, None
        for attempt in range(ATTEMPTS):
            if attempt:
                self._pause(min(8.0, 0.25 * 2**attempt) * (0.5 + self._jitter()))
            self._read = None
            try:
                refused = self._attempt(change)
            except RepositoryError as error:
                raise StoreError(error.message, hint=error.hint) from error
            if refused is None:
                return
            failures += refused.why is Refusal.FAILED
            if refused.why is Refusal.DENIED or failures == _FAILURES:
                break
        assert refused is not None  # noqa: S101 - there is at least one attempt
        raise self._unsaved(refused)

    def _attempt(self, change: Callable[[_Branch], _Change | None]) -> Refused | None:
        before = self._fresh()
        wanted = change(before)
        if wanted is None:
            return None
        files: dict[str, bytes | StoredFile] = {_README: _TEXT.encode(), **before.unread}
        for place in map(place_of, wanted.staying):
            files |= {place + ending: before.files[place + ending] for ending in (_MANIFEST, _RUN)}
        files |= wanted.added
        message = in_one_line(wanted.message) + "\n"
        commit = self._repository.make(NewCommit(files=files, message=message, seconds=wanted.seconds))
        return self._repository.push(commit, self._branch, expected=before.commit)

    def _unsaved(self, refused: Refused) -> StoreError:
        what = f"the branch {self._branch} could not be written"
        match refused.why:
            case Refusal.DENIED:
                hint = (
                    "give the job `permissions: contents: write`; if it has that, a branch protection or ruleset "
                    f"refuses {self._branch}: leave the branch out of it"
                )
            case Refusal.LOST:
                what += f" in {ATTEMPTS} attempts, other jobs were faster each time"
                hint = "run the job again, or let jobs wait for each other with `concurrency`"
            case Refusal.FAILED:
                hint = "run the job again; is the server reachable from here?"
        return StoreError(f"{what}: {refused.reason}", hint=hint)


def _within(entries: Sequence[Entry], branch: _Branch, *, room: int) -> Sequence[Entry]:
    """As many of them as there is room for: the newest of each experiment and of its releases first, then by age."""
    newest: dict[tuple[str, bool], Entry] = {}
    for entry in entries:
        newest.setdefault((entry.experiment, entry.tag is not None), entry)
    firsts = list(newest.values())
    within = set()
    for entry in (*firsts, *(entry for entry in entries if entry not in firsts)):
        room -= branch.size_of(entry)
        if room < 0:
            break
        within.add(entry)
    return [entry for entry in entries if entry in within]


def _is_ours(path: str, file: StoredFile) -> bool:
    return file.is_regular and (path == _README or _OURS.fullmatch(path) is not None)


def _seconds(text: str) -> int:
    found = datetime.fromisoformat(text)
    return max(0, int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()))
