"""Which run a candidate is held against: over stores and histories that are plain values."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import write_run
from honeyhive.ci.baselines.ages import ago, back
from honeyhive.ci.baselines.choice import Chosen, choose
from honeyhive.ci.stores.entry import Entry
from honeyhive.ci.whereabouts.situation import Base, Kind, Situation
from honeyhive.errors import ConfigError, NoDecisionError, RepositoryError

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


def commit(number: int) -> str:
    """The hash of the commit that is so many commits after the first one."""
    return f"{number:02x}" * 20


HEAD = commit(9)


@dataclass
class Line:
    """A history without branches: commit(1) is the first, commit(9) the last."""

    names: Mapping[str, str] = field(default_factory=dict)
    bases: Mapping[tuple[str, str], str] = field(default_factory=dict)
    broken: bool = False

    def resolve(self, name: str) -> str | None:
        return self.names.get(name)

    def merge_base(self, one: str, other: str) -> str | None:
        return self.bases.get((one, other))

    def nearest(self, start: str, among: Collection[str]) -> _Found | None:
        if self.broken:
            raise RepositoryError("the history is cut off")
        before = [int(sha[:2], 16) for sha in among if int(sha[:2], 16) <= int(start[:2], 16)]
        return _Found(commit(max(before)), int(start[:2], 16) - max(before)) if before else None


@dataclass(frozen=True)
class _Found:
    commit: str
    distance: int


@dataclass
class Memory:
    """A store in memory; `broken` are the runs whose files are not what their entries say."""

    held: Sequence[Entry] = ()
    name: str = "git:honeyhive-runs"
    broken: Collection[str] = ()
    fields: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    def entries(self, experiment: str | None = None) -> Sequence[Entry]:
        return [entry for entry in self.held if experiment in (None, entry.experiment)]

    def fetch(self, entry: Entry, folder: Path) -> Path:
        self.fetched.append(entry.run_id)
        if entry.run_id in self.broken:
            raise NoDecisionError(f"the file of {entry.run_id} is not the one that was saved")
        fields: dict[str, Any] = {"run_id": entry.run_id, "name": entry.experiment, **self.fields.get(entry.run_id, {})}
        (folder / f"{entry.run_id}.jsonl").unlink(missing_ok=True)
        return write_run(folder / f"{entry.run_id}.jsonl", {"EXT-a": {"correct": True}}, **fields)

    def save(self, run_file: Path, entry: Entry) -> None:
        raise AssertionError("choosing saves nothing")

    def prune(self, keep: int) -> Sequence[Entry]:
        raise AssertionError("choosing prunes nothing")


def entry(number: int, **fields: Any) -> Entry:
    usual: dict[str, Any] = {
        "experiment": "qa",
        "commit": commit(number),
        "run_id": f"0000000{number}-run-{number}",
        "sha256": "0" * 64,
        "size": 1,
        "event": "push",
        "ref": "main",
        "repository_id": 7,
        "started_at": (NOW - timedelta(hours=10 - number)).isoformat(),
        "saved_at": NOW.isoformat(),
    }
    return Entry(**(usual | fields))


def situation(kind: Kind = Kind.PULL_REQUEST, **fields: Any) -> Situation:
    usual: dict[str, Any] = {
        "event": "push",
        "commit": HEAD,
        "base": Base(commit=commit(8), words="first parent"),
        "base_ref": "main",
        "default_branch": "main",
        "repository_id": 7,
    }
    return Situation(kind=kind, **(usual | fields))


@dataclass
class Asker:
    """`choose()` with a folder."""

    folder: Path

    def __call__(
        self, store: Memory, wanted: str = "auto", *, here: Situation | None = None, history: Line | None = None
    ) -> Chosen:
        return choose(
            "qa",
            wanted,
            situation=here or situation(),
            store=store,
            history=history or Line(),
            folder=self.folder,
            now=NOW,
        )


@pytest.fixture
def ask(tmp_path: Path) -> Asker:
    return Asker(tmp_path)


def run_of(found: Chosen) -> str | None:
    return found.entry.run_id if found.entry else None


# --- auto ------------------------------------------------------------------------------------------------------------


def test_the_nearest_run_before_the_change_is_the_baseline(ask: Asker) -> None:
    found = ask(Memory([entry(9), entry(6), entry(2)]))
    assert found.file is not None
    assert found.file.is_file()
    assert (run_of(found), found.words) == (entry(6).run_id, "first parent, 2 commits back, run 4 hours ago")
    assert (found.missing, found.notes) == ("", ())


def test_a_run_of_the_base_itself_is_no_commits_back(ask: Asker) -> None:
    assert ask(Memory([entry(8)])).words == "first parent, run 2 hours ago"


def test_of_two_commits_the_merge_base_is_the_start(ask: Asker) -> None:
    here = situation(base=Base(between=("main", "feature"), words="merge base"))
    found = ask(Memory([entry(8), entry(5)]), here=here, history=Line(bases={("main", "feature"): commit(5)}))
    assert (run_of(found), found.words) == (entry(5).run_id, "merge base, run 5 hours ago")


def test_of_several_runs_of_a_commit_the_newest_counts(ask: Asker) -> None:
    again = entry(8, run_id="again")
    assert run_of(ask(Memory([again, entry(8)]))) == "again"


def test_a_push_is_held_against_an_earlier_commit_and_never_itself(ask: Asker) -> None:
    here = situation(Kind.PUSH, is_default_branch=True)
    assert run_of(ask(Memory([entry(9), entry(8)]), here=here)) == entry(8).run_id
    onto_itself = situation(Kind.PUSH, base=Base(commit=HEAD, words="the commit before"))
    assert run_of(ask(Memory([entry(9), entry(7)]), here=onto_itself)) == entry(7).run_id


def test_by_night_the_same_commit_counts(ask: Asker) -> None:
    here = situation(Kind.BRANCH, base=Base(commit=HEAD, words="this commit"))
    found = ask(Memory([entry(9), entry(8)]), here=here)
    assert (run_of(found), found.words) == (entry(9).run_id, "this commit, run 1 hour ago")


def test_a_release_is_held_against_the_release_before_it(ask: Asker) -> None:
    here = situation(Kind.RELEASE, tag="v3", base=None)
    held = [entry(9, tag="v3"), entry(8), entry(7, tag="v3"), entry(5, tag="v2"), entry(3, tag="v1")]
    found = ask(Memory(held), here=here)
    assert (run_of(found), found.words) == (entry(5).run_id, "release v2, 4 commits back, run 5 hours ago")


def test_the_first_release_is_held_against_the_nearest_commit(ask: Asker) -> None:
    found = ask(Memory([entry(9, tag="v1"), entry(8)]), here=situation(Kind.RELEASE, tag="v1", base=None))
    assert run_of(found) == entry(8).run_id
    assert found.words.startswith("no release in its history has a run, this is the nearest that has, 1 commit back, ")


# --- poisoning -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"is_fork": True}, "from a fork"),
        ({"repository_id": 8}, "from another repository"),
        ({"event": "pull_request"}, "made by `pull_request`"),
        ({"event": "workflow_dispatch"}, "made by `workflow_dispatch`"),
        ({"event": "local"}, "made by `local`"),
        ({"commit": "--output=x"}, "of a commit that has no hash"),
    ],
)
def test_what_nobody_merged_is_no_baseline_and_the_log_says_why(ask: Asker, fields: dict[str, Any], why: str) -> None:
    found = ask(Memory([entry(8, **fields), entry(6)]))
    assert run_of(found) == entry(6).run_id
    (note,) = found.notes
    assert note.startswith("a run not taken as a baseline (`00000008`): it is ")
    assert why in note
    alone = ask(Memory([entry(8, **fields)]))
    assert alone.file is None
    assert f"`git:honeyhive-runs` has no run of `qa` that may be a baseline: {note}. A push to `main`" in alone.missing


def test_a_repository_that_was_renamed_is_the_same(ask: Asker) -> None:
    held = [entry(8, repository="old/name")]
    assert run_of(ask(Memory(held), here=situation(repository="new/name"))) == entry(8).run_id
    assert run_of(ask(Memory([entry(8, repository_id=None)]))) == entry(8).run_id
    assert run_of(ask(Memory([entry(8)]), here=situation(repository_id=None))) == entry(8).run_id


def test_ones_own_run_is_a_baseline_on_ones_own_machine_only(ask: Asker) -> None:
    own, local = [entry(8, event="local", repository_id=None)], situation(Kind.LOCAL, event="")
    assert run_of(ask(Memory(own, name="file:.honeyhive/runs"), here=local)) == entry(8).run_id
    assert ask(Memory(own, name="file:.honeyhive/runs")).file is None
    assert ask(Memory(own), here=local).file is None


def test_of_many_refused_runs_three_are_named(ask: Asker) -> None:
    (note,) = ask(Memory([entry(number, is_fork=True) for number in range(8, 3, -1)])).notes
    assert note == (
        "runs not taken as a baseline (`00000008`, `00000007`, `00000006` and 2 more): they are from a fork"
    )


def test_a_file_that_is_not_what_was_saved_stops_the_gate(ask: Asker) -> None:
    store = Memory([entry(8), entry(6)], broken=[entry(8).run_id])
    with pytest.raises(NoDecisionError, match="is not the one that was saved"):
        ask(store)
    assert store.fetched == [entry(8).run_id]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"status": None}, "it was never finished"),
        ({"status": "cancelled"}, "it was never finished"),
        ({"run_id": "another"}, "its file is that of another run"),
        ({"name": "other"}, "its file is that of another run"),
        ({"git": {"commit_hash": commit(1)}}, "its file is of another commit"),
        ({"repeats": 0}, "its file cannot be read: repeats"),
    ],
)
def test_a_run_that_is_of_no_use_is_passed_over(ask: Asker, fields: dict[str, Any], why: str) -> None:
    spoilt = {entry(8).run_id: fields}
    found = ask(Memory([entry(8), entry(6)], fields=spoilt))
    assert run_of(found) == entry(6).run_id
    assert why in found.notes[0]
    with pytest.raises(NoDecisionError, match=why):  # that is not the same as having none
        ask(Memory([entry(8)], fields=spoilt))


def test_no_more_than_three_runs_of_no_use_are_fetched(ask: Asker) -> None:
    held = [entry(number) for number in range(8, 0, -1)]
    store = Memory(held, fields={one.run_id: {"status": None} for one in held})
    with pytest.raises(NoDecisionError, match="never finished"):
        ask(store)
    assert len(store.fetched) == 3


# --- none ------------------------------------------------------------------------------------------------------------


GIT_WAY = (
    "A push to `main` runs the gate and saves its run on the branch `honeyhive-runs`: the workflow needs "
    "`on: push: branches: [main]` and `permissions: contents: write`."
)


@pytest.mark.parametrize(
    ("store", "here", "way"),
    [
        ("git:honeyhive-runs", situation(), GIT_WAY),
        (
            "git:honeyhive-runs",
            situation(Kind.PUSH, is_default_branch=True),
            "This run is to be saved in `git:honeyhive-runs`",
        ),
        ("git:honeyhive-runs", situation(Kind.RELEASE, tag="v1"), "This run is to be saved in `git:honeyhive-runs`"),
        ("file:runs", situation(), "saves its run in `runs`"),
        ("file:runs", situation(Kind.LOCAL), "`honeyhive run` on `main` makes the first"),
        ("honeyhive:", situation(default_branch="trunk"), "`on: push: branches: [trunk]`, and `api-key`"),
    ],
)
def test_the_first_gate_says_how_its_baseline_comes_about(ask: Asker, store: str, here: Situation, way: str) -> None:
    found = ask(Memory(name=store), here=here)
    assert (found.file, found.words) == (None, "")
    assert found.missing.startswith(f"There is no run of `qa` in `{store}` yet. ")
    assert way in found.missing


def test_what_the_store_cannot_read_is_told_of(ask: Asker) -> None:
    @dataclass
    class Damaged(Memory):
        notes: tuple[str, ...] = ("x.json is no entry",)

    assert ask(Damaged([entry(8)])).notes == ("x.json is no entry",)
    assert ask(Damaged()).notes == ("x.json is no entry",)


def test_runs_of_other_experiments_are_told_of(ask: Asker) -> None:
    held = [entry(8, experiment=name) for name in "dcba"]
    assert "yet, only of `a`, `b`, `c` and others. " in ask(Memory(held)).missing


def test_a_change_from_before_the_first_run_is_told_to_catch_up(ask: Asker) -> None:
    found = ask(Memory([entry(9), entry(8)]), here=situation(commit=commit(10), base=Base(commit=commit(3), words="")))
    assert found.missing == (
        "None of the 2 runs of `qa` in `git:honeyhive-runs` is of `0303030` or a commit before it: the change starts "
        "from a commit that is older. Bring it up to date with `main`."
    )
    one = ask(Memory([entry(9)]), here=situation(Kind.BRANCH, base=Base(commit=commit(3), words="")))
    assert one.missing.startswith("The only run of `qa` in `git:honeyhive-runs` is not of `0303030` or a commit before")
    assert one.missing.endswith(GIT_WAY)


def test_none_is_wanted(ask: Asker) -> None:
    assert ask(Memory([entry(8)]), "none") == Chosen(file=None, words="", missing="`baseline` is `none`")


@pytest.mark.parametrize("kind", [Kind.PULL_REQUEST, Kind.QUEUE])
@pytest.mark.parametrize("base", [None, Base(words=""), Base(words="merge base", between=("main", "--output=x"))])
def test_a_pull_request_whose_start_nobody_knows_is_not_one_without_a_baseline(
    ask: Asker, kind: Kind, base: Base | None
) -> None:
    with pytest.raises(RepositoryError, match="nothing to start from"):
        ask(Memory([entry(8)]), here=situation(kind, base=base))


def test_outside_of_a_repository_there_is_nothing_before(ask: Asker) -> None:
    found = ask(Memory([entry(8)]), here=situation(Kind.LOCAL, base=None, commit=None))
    assert found.missing.startswith("Nobody can tell which commit this is. ")
    root = ask(Memory([entry(8)]), here=situation(Kind.PUSH, base=None, is_default_branch=True))
    assert root.missing.startswith(
        "Nothing tells of a commit before this one. This run is to be saved in `git:honeyhive-runs`"
    )
    apart = situation(Kind.LOCAL, base=Base(between=("main", HEAD), words="merge base"))
    assert ask(Memory([entry(8)]), here=apart).missing.startswith("main and 0909")
    assert "which commit" in ask(Memory([entry(8)]), here=situation(Kind.RELEASE, commit=None)).missing


def test_a_history_that_cannot_be_read_is_not_one_without_a_baseline(ask: Asker) -> None:
    with pytest.raises(RepositoryError, match="cut off"):
        ask(Memory([entry(8)]), history=Line(broken=True))


# --- named -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [entry(3).run_id, "00000003"])
def test_a_run_may_be_named_by_its_id_or_the_beginning_of_it(ask: Asker, wanted: str) -> None:
    found = ask(Memory([entry(8), entry(3)]), wanted)
    assert (run_of(found), found.words) == (entry(3).run_id, "named by its run id, run 7 hours ago")


def test_a_run_that_may_not_be_a_baseline_is_none_by_name_either(ask: Asker) -> None:
    with pytest.raises(NoDecisionError, match="it is from a fork"):
        ask(Memory([entry(3, is_fork=True)]), entry(3).run_id)
    with pytest.raises(NoDecisionError, match="never finished"):
        ask(Memory([entry(3)], fields={entry(3).run_id: {"status": None}}), entry(3).run_id)


def test_a_beginning_that_two_runs_have_names_neither(ask: Asker) -> None:
    with pytest.raises(ConfigError, match="2 runs begin with"):
        ask(Memory([entry(8, run_id="deadbeef-1"), entry(3, run_id="deadbeef-2")]), "deadbeef")


def test_a_branch_a_tag_and_a_commit_lead_to_the_nearest_run(ask: Asker) -> None:
    store, history = Memory([entry(8), entry(3)]), Line(names={"v1": commit(4), "--output=x": commit(3)})
    assert ask(store, "v1", history=history).words == "v1, 1 commit back, run 7 hours ago"
    assert ask(store, "--output=x", history=history).words == "--output=x, run 7 hours ago"
    assert ask(store, commit(5)).words == "0505050, 2 commits back, run 7 hours ago"
    assert ask(store, "0808080").words == "0808080, run 2 hours ago"
    assert "is of `0202020` or a commit before it" in ask(store, commit(2)).missing


def test_a_name_of_nothing_says_what_may_be_written(ask: Asker) -> None:
    with pytest.raises(ConfigError, match=r'"runs/main.json" is no run file that is there') as caught:
        ask(Memory([entry(8)]), "runs/main.json")
    assert "the path of a run file" in caught.value.hint
    with pytest.raises(ConfigError):
        ask(Memory([entry(8)]), "080808")  # too short


# --- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (-60, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (3_599, "59 minutes ago"),
        (7_200, "2 hours ago"),
        (86_400, "1 day ago"),
        (14 * 86_400, "2 weeks ago"),
        (70 * 86_400, "2 months ago"),
        (800 * 86_400, "2 years ago"),
        (-3_600, "in the future, by its own clock"),
    ],
)
def test_ages_are_told_in_the_largest_unit(seconds: int, words: str) -> None:
    assert ago((NOW - timedelta(seconds=seconds)).isoformat(), NOW) == words


@given(st.text() | st.none())
def test_whatever_stands_for_a_time_is_told_or_left_out(text: str | None) -> None:
    assert isinstance(ago(text, NOW), str)


def test_a_run_without_a_time_is_told_without_one(ask: Asker) -> None:
    held = [entry(8, started_at="yesterday", saved_at="today")]
    assert ask(Memory(held)).words == "first parent"
    assert ago("2026-11-23T09:00:00", NOW) == "1 hour ago"


def test_distances_are_told_in_commits() -> None:
    assert [back(distance) for distance in (0, 1, 1_200)] == ["the same commit", "1 commit back", "1,200 commits back"]


@given(st.text(min_size=1))
def test_whatever_is_wanted_is_found_or_refused(wanted: str) -> None:
    store = Memory([entry(8)])
    folder = Path("/nonexistent")  # nothing may be fetched: no text leads to a run by chance
    with contextlib.suppress(ConfigError):
        found = choose("qa", wanted, situation=situation(), store=store, history=Line(), folder=folder, now=NOW)
        assert found.file is None
    assert store.fetched == []
