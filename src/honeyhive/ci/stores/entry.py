"""A run in a store, known without reading its outcomes; and what a store can do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

SCHEMA = 1
KEPT = 50
"""How many runs of each experiment a store keeps, the newest; those of releases are counted apart."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A run in a store: what is known of it without reading its outcomes.

    `sha256` and `size` are of the run file's plain bytes. `event` is what made it ("push", "release", "local"), `ref`
    the branch or tag that it is of, `tag` the tag alone. Times are ISO 8601 in UTC.
    """

    experiment: str
    commit: str
    run_id: str
    sha256: str
    size: int
    event: str
    ref: str | None = None
    tag: str | None = None
    repository: str | None = None
    repository_id: int | None = None
    is_fork: bool = False
    started_at: str | None = None
    saved_at: str
    datapoints: int | None = None


class Store(Protocol):
    """Keeps run files by experiment and commit."""

    name: str
    """As the user writes it: `git:honeyhive-runs`."""

    @property
    def notes(self) -> Sequence[str]:
        """What was found in it, when its entries were last read, that is none."""

    def entries(self, experiment: str | None = None) -> Sequence[Entry]:
        """The runs that are there, the newest first; `NoDecisionError` where that cannot be read."""

    def fetch(self, entry: Entry, folder: Path) -> Path:
        """A copy of the run file in `folder`; `NoDecisionError` where it is not what `entry` says."""

    def save(self, run_file: Path, entry: Entry) -> None:
        """Keep the run file; `StoreError` where that cannot be done. A run of that id that is there is replaced."""

    def prune(self, keep: int) -> Sequence[Entry]:
        """Keep the newest `keep` runs of each experiment, and as many of its releases; what was taken away."""


def newest_first(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entries by when their runs began, and of those that began together by when they were saved."""
    return tuple(sorted(entries, key=_age, reverse=True))


def kept(entries: Iterable[Entry], keep: int = KEPT) -> tuple[Entry, ...]:
    """The newest `keep` runs of each experiment, and as many of its releases: what stays."""
    seen: Counter[tuple[str, bool]] = Counter()
    staying = []
    for entry in newest_first(entries):
        kind = entry.experiment, entry.tag is not None or entry.event == "release"
        seen[kind] += 1
        if seen[kind] <= keep:
            staying.append(entry)
    return tuple(staying)


def _age(entry: Entry) -> tuple[datetime, datetime, str]:
    saved = _moment(entry.saved_at)
    return _moment(entry.started_at) if entry.started_at else saved, saved, entry.run_id


def _moment(text: str) -> datetime:
    """The time that is meant; a time that is none is the oldest, so that nothing is taken to be newer than it is."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
