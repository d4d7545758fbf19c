"""Which commit comes before which: asked of what is here, of GitHub, and of the server at last."""

from __future__ import annotations

import os
import subprocess
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from github_server import GitHubServer
from honeyhive.ci.git.history import Ancestor, History
from honeyhive.ci.git.repository import Address, Repository
from honeyhive.ci.github.client import GitHub
from honeyhive.errors import GitHubError, GitHubPermissionError, RepositoryError

# --- a history, in memory --------------------------------------------------------------------------------------------

Graph = Mapping[str, tuple[str, ...]]
"""The parents of each commit."""


def sha(number: int) -> str:
    return f"{number:040x}"


def distances(graph: Graph, commit: str) -> dict[str, int]:
    found, pending = {commit: 0}, deque([commit])
    while pending:
        name = pending.popleft()
        for parent in graph[name]:
            if parent not in found:
                found[parent] = found[name] + 1
                pending.append(parent)
    return found


def ahead(graph: Graph, base: str, head: str) -> list[str]:
    """What `head` has and `base` has not, the oldest first."""
    missing = distances(graph, head).keys() - distances(graph, base).keys()
    return sorted(missing)  # a commit has a higher number than its parents


def bases(graph: Graph, one: str, other: str) -> set[str]:
    """All that both have and that none of the others descends from."""
    shared = distances(graph, one).keys() & distances(graph, other).keys()
    return {name for name in shared if not any(name in distances(graph, by) for by in shared - {name})}


@dataclass
class Here:
    """Some of the commits, and a server that has all of them; or none, where `serves` is false."""

    graph: Graph
    here: set[str]
    serves: bool = True
    branches: Mapping[str, str] = field(default_factory=dict)
    named_here: Mapping[str, str] = field(default_factory=dict)
    depths: list[int] = field(default_factory=list)

    def has(self, commit: str) -> bool:
        return commit in self.here

    def parents(self, commit: str) -> tuple[str, ...]:
        assert commit in self.here
        return self.graph[commit]

    def resolve(self, name: str) -> str | None:
        return self.named_here.get(name)

    def branch(self, name: str) -> str | None:
        self._reach()
        return self.branches.get(name)

    def tags(self) -> Mapping[str, str]:
        self._reach()
        return {"v1": sha(1)}

    def deepen(self, commit: str, depth: int) -> None:
        self._reach()
        self.depths.append(depth)
        self.here |= {name for name, away in distances(self.graph, commit).items() if away < depth}

    def changed(self, base: str, head: str) -> tuple[str, ...] | None:
        return None

    def _reach(self) -> None:
        if not self.serves:
            raise RepositoryError("the server is away")


@dataclass(frozen=True, kw_only=True)
class Pulled:
    head_sha: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    status: str
    ahead_by: int
    merge_base: str
    commits: Sequence[str]
    files: Sequence[str] = ("bot.py",)
    files_complete: bool = True


@dataclass
class Hub:
    """GitHub with these commits; it lists `most` of a comparison, the oldest."""

    graph: Graph
    most: int = 250
    error: GitHubError | None = None
    files_complete: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)
    head: str = ""

    def compare(self, base: str, head: str) -> Comparison | None:
        self.asked.append((base, head))
        if self.error is not None:
            raise self.error
        if base not in self.graph or head not in self.graph or not bases(self.graph, base, head):
            return None
        ours, theirs = ahead(self.graph, base, head), ahead(self.graph, head, base)
        status = ("diverged" if theirs else "ahead") if ours else ("behind" if theirs else "identical")
        return Comparison(
            status=status,
            ahead_by=len(ours),
            merge_base=min(bases(self.graph, base, head)),
            commits=ours[: self.most],
            files_complete=self.files_complete,
        )

    def pull(self, number: int) -> Pulled:
        return Pulled(head_sha=self.head)

    def pull_files(self, number: int) -> tuple[str, ...] | None:
        return ("bot.py", "notes.md") if number == 12 else None


def foremost(graph: Graph, names: Collection[str]) -> set[str]:
    """Those that none of the others comes after."""
    return {name for name in names if not any(name in distances(graph, other) for other in {*names} - {name})}


def line(count: int) -> dict[str, tuple[str, ...]]:
    """Commits one after the other, from 0 on."""
    return {sha(number): (sha(number - 1),) if number else () for number in range(count)}


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """Up to a dozen commits with any parents before them, some of them without."""
    count = draw(st.integers(2, 12))
    return {
        sha(number): tuple(map(sha, draw(st.sets(st.integers(0, number - 1), max_size=2)))) if number else ()
        for number in range(count)
    }


@st.composite
def questions(draw: st.DrawFn) -> tuple[dict[str, tuple[str, ...]], str, str, list[str], set[str]]:
    """A history, two of its commits, some candidates, and some of the commits as those that are here."""
    graph = draw(graphs())
    commits = st.sampled_from(sorted(graph))
    among = draw(st.lists(commits, unique=True, max_size=6))
    return graph, draw(commits), draw(commits), among, draw(st.sets(commits))


# --- answers are true, whoever gives them ----------------------------------------------------------------------------


@given(questions())
def test_what_is_here_and_what_the_server_sends_tell_the_nearest_ancestor_and_the_merge_base(
    question: tuple[dict[str, tuple[str, ...]], str, str, list[str], set[str]],
) -> None:
    graph, start, other, among, here = question
    away = {name: far for name, far in distances(graph, start).items() if name in among}

    for has, serves in ((set(graph), False), (set(here), True)):
        history = History(Here(graph, has, serves=serves), None)

        found = history.nearest(start, among)
        first = {name: away[name] for name in foremost(graph, away)}
        assert (found is None) == (not first)
        assert found is None or (first.get(found.commit), found.distance) == (min(first.values()), min(first.values()))
        part = history.merge_base(start, other)
        assert part in bases(graph, start, other) or (part is None and not bases(graph, start, other))


@given(questions())
def test_what_is_here_is_believed_only_where_nothing_that_is_not_could_change_it(
    question: tuple[dict[str, tuple[str, ...]], str, str, list[str], set[str]],
) -> None:
    graph, start, other, among, here = question
    history = History(Here(graph, here, serves=False), None)
    away = {name: far for name, far in distances(graph, start).items() if name in among}
    try:
        found = history.nearest(start, among)
    except RepositoryError:
        assert not set(distances(graph, start)) <= here
    else:
        assert found.commit in foremost(graph, away) if found else not away
    try:
        part = history.merge_base(start, other)
    except RepositoryError:
        assert not {*distances(graph, start), *distances(graph, other)} <= here
    else:
        assert part in bases(graph, start, other) or (part is None and not bases(graph, start, other))


@given(questions())
def test_github_tells_the_nearest_ancestor_by_what_lies_between(
    question: tuple[dict[str, tuple[str, ...]], str, str, list[str], set[str]],
) -> None:
    graph, start, other, among, _ = question
    history = History(Here(graph, set(), serves=False), Hub(graph))
    between = {name: len(ahead(graph, name, start)) for name in distances(graph, start) if name in among}
    try:
        found = history.nearest(start, among)
    except RepositoryError:  # what has nothing in common with the candidates is to GitHub as if it were not there
        assert not any(bases(graph, name, start) for name in among)
    else:
        assert (found and found.distance) == min(between.values(), default=None)
        assert found is None or between[found.commit] == found.distance
        assert found is None or found.commit in foremost(graph, between)
    if bases(graph, start, other):
        assert history.merge_base(start, other) in bases(graph, start, other)


def test_an_old_side_branch_that_was_merged_is_no_short_cut_whoever_is_asked() -> None:
    # main is 0 to 4, 9 is a branch cut at 0, and 10 its merge: the run of 0 is two commits back, and that of 2 three.
    graph = {**line(5), sha(9): (sha(0),), sha(10): (sha(4), sha(9))}
    runs = [sha(2), sha(0)]
    whole, fetched = Here(graph, set(graph), serves=False), Here(graph, {sha(10)})
    asked = History(Here(graph, {sha(10)}, serves=False), Hub(graph))
    for history in (History(whole, None), History(fetched, None), asked):
        found = history.nearest(sha(10), runs)
        assert found is not None
        assert found.commit == sha(2)
    # Where only the side branch is here, what lies between is not known.
    cut = Here(graph, {sha(10), sha(9), sha(0)}, serves=False)
    with pytest.raises(RepositoryError, match="does not reach far enough"):
        History(cut, None).nearest(sha(10), runs)


# --- few questions ---------------------------------------------------------------------------------------------------


def test_the_start_itself_is_the_nearest_and_nobody_is_asked() -> None:
    here, hub = Here({}, set(), serves=False), Hub({})
    assert History(here, hub).nearest(sha(5), [sha(5)]) == Ancestor(commit=sha(5), distance=0)
    assert History(here, hub).nearest(sha(5), []) is None
    assert hub.asked == []


def test_one_question_is_enough_for_the_newest_of_fifty_candidates() -> None:
    graph, hub = line(100), Hub(line(100))
    newest_first = [sha(number) for number in range(98, 48, -1)]
    assert History(Here(graph, set()), hub).nearest(sha(99), newest_first) == Ancestor(commit=sha(98), distance=1)
    assert hub.asked == [(sha(98), sha(99))]


@pytest.mark.parametrize("start", [50, 60, 77, 97])
def test_an_old_start_is_found_in_few_questions(start: int) -> None:
    graph, hub = line(100), Hub(line(100))
    newest_first = [sha(number) for number in range(98, 48, -1) if number != start]
    found = History(Here(graph, set()), hub).nearest(sha(start), newest_first)
    assert found == Ancestor(commit=sha(start - 1), distance=1)
    assert len(hub.asked) <= 9


def test_a_question_is_asked_once() -> None:
    hub = Hub(line(10))
    history = History(Here({}, set(), serves=False), hub)
    for _ in range(3):
        assert history.nearest(sha(9), [sha(3)]) == Ancestor(commit=sha(3), distance=6)
        assert history.merge_base(sha(3), sha(9)) == sha(3)
    assert hub.asked == [(sha(3), sha(9))]


def test_a_run_of_a_commit_that_github_has_lost_is_no_ancestor() -> None:
    hub = Hub(line(10))
    history = History(Here({}, set(), serves=False), hub)
    assert history.nearest(sha(5), [sha(70), sha(8), sha(4)]) == Ancestor(commit=sha(4), distance=1)
    assert history.nearest(sha(5), [sha(70), sha(8)]) is None


def test_where_github_has_said_no_to_many_the_history_is_fetched() -> None:
    side = {sha(1_000 + number): (sha(0),) for number in range(60)}
    graph = {**line(10), **side}
    hub, here = Hub(graph), Here(graph, set())
    assert History(here, hub).nearest(sha(9), [*side, sha(4)]) == Ancestor(commit=sha(4), distance=5)
    assert len(hub.asked) <= 20
    assert History(Here(graph, set()), hub).nearest(sha(9), [*side]) is None


def test_no_more_is_fetched_than_an_answer_needs() -> None:
    graph = line(300)
    here = Here(graph, {sha(299)})
    assert History(here, None).nearest(sha(299), [sha(250)]) == Ancestor(commit=sha(250), distance=49)
    assert here.depths == [100]
    here = Here(graph, {sha(299)})
    assert History(here, None).nearest(sha(299), [sha(120)]) == Ancestor(commit=sha(120), distance=179)
    assert here.depths == [100, 2_000]


# --- nobody can tell -------------------------------------------------------------------------------------------------


def test_what_nobody_can_tell_is_an_error_that_says_who_was_asked_and_the_ways_out() -> None:
    graph = line(10)
    refusal = GitHubPermissionError("GET /compare: 403, the token may not do that")
    history = History(Here(graph, {sha(9)}, serves=False), Hub(graph, error=refusal))
    for ask in (lambda: history.nearest(sha(9), [sha(3)]), lambda: history.merge_base(sha(9), sha(3))):
        with pytest.raises(RepositoryError) as unknown:
            ask()
        assert unknown.value.exit_code == 4
        assert "does not reach far enough" in unknown.value.message
        assert "403, the token may not do that" in unknown.value.message
        assert "the server is away" in unknown.value.message
        assert "fetch-depth: 0" in unknown.value.hint
        assert "contents: read" in unknown.value.hint
    with pytest.raises(RepositoryError, match="there is no token to ask GitHub with"):
        History(Here(graph, {sha(9)}, serves=False), None).nearest(sha(9), [sha(3)])


def test_a_silent_github_is_asked_once_and_not_for_every_candidate() -> None:
    hub = Hub(line(10), error=GitHubError("no answer"))
    here = Here(line(10), set())
    assert History(here, hub).nearest(sha(9), [sha(8), sha(7), sha(6)]) == Ancestor(commit=sha(8), distance=1)
    assert len(hub.asked) == 1


def test_a_start_that_github_does_not_know_is_looked_for_on_the_server() -> None:
    graph = line(10)
    assert History(Here(graph, set()), Hub(line(5))).nearest(sha(9), [sha(7)]) == Ancestor(commit=sha(7), distance=2)
    with pytest.raises(RepositoryError, match="GitHub does not know it; the server is away"):
        History(Here(graph, set(), serves=False), Hub(line(5))).nearest(sha(9), [sha(7)])


# --- names -----------------------------------------------------------------------------------------------------------


def test_a_branch_is_the_servers_whatever_the_checkout_calls_so() -> None:
    # A fork's `main`, checked out as a branch of that name: the change would be its own base.
    graph = {**line(5), sha(9): (sha(3),)}
    here = Here(graph, set(graph), branches={"main": sha(4)}, named_here={"main": sha(9)})
    assert History(here, None).merge_base("main", sha(9)) == sha(3)
    assert History(here, Hub(graph)).resolve("main") == sha(4)


def test_a_branch_that_nobody_has_is_an_error() -> None:
    here = Here(line(5), set(line(5)), named_here={"main": sha(4)})
    with pytest.raises(RepositoryError, match='the server has no branch "main"'):
        History(here, None).merge_base("main", sha(3))


def test_a_name_is_a_branch_a_tag_or_a_commit() -> None:
    here = Here(line(5), set(), branches={"main": sha(4)}, named_here={"main": sha(2), "000000": sha(0)})
    job = History(here, Hub({}))
    assert [job.resolve(name) for name in ("main", "v1", "000000", "none", sha(3))] == [
        *(sha(4), sha(1), sha(0)),
        *(None, sha(3)),
    ]
    local = History(Here(line(5), set(), serves=False, named_here={"main": sha(2)}), None)
    assert (local.resolve("main"), local.resolve("none")) == (sha(2), None)


# --- what has changed ------------------------------------------------------------------------------------------------


def test_changed_paths_come_from_github_where_they_are_all() -> None:
    here = Here({}, set(), serves=False)
    assert History(here, Hub(line(5))).changed(sha(2), sha(4)) == ("bot.py",)
    assert History(here, Hub(line(5), files_complete=False)).changed(sha(2), sha(4)) is None
    assert History(here, Hub(line(5), error=GitHubError("no answer"))).changed(sha(2), sha(4)) is None
    assert History(here, None).changed(sha(2), sha(4)) is None
    # Where they have diverged GitHub leaves out what only the base has.
    assert History(here, Hub({**line(5), sha(9): (sha(3),)})).changed(sha(4), sha(9)) is None


def test_the_files_of_a_pull_request_count_only_while_its_head_is_the_one_that_was_asked_about() -> None:
    here = Here({}, set(), serves=False)
    hub = Hub(line(5), files_complete=False, head=sha(4))
    assert History(here, hub).changed(sha(2), sha(4), number=12) == ("bot.py", "notes.md")
    assert History(here, hub).changed(sha(2), sha(4), number=13) is None
    assert History(here, hub).changed(sha(2), sha(3), number=12) is None


# --- git and GitHub --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class World:
    """A repository on GitHub: `main` of thirty commits, and a pull request from the twentieth on."""

    server: GitHubServer
    token: str
    bare: Path
    main: Sequence[str]
    head: str
    merge: str

    def checkout(self, place: Path, commit: str, *, depth: int | None) -> Path:
        """As `actions/checkout` leaves it."""
        git(place.parent, "init", "-q", str(place))
        cut = [f"--depth={depth}"] if depth else []
        git(place, "fetch", "-q", *cut, f"file://{self.bare}", f"+{commit}:refs/remotes/pull/1/merge")
        git(place, "checkout", "-q", "--detach", commit)
        return place

    def github(self, token: str | None = None) -> GitHub:
        return GitHub(
            api_url=self.server.api_url, token=token or self.token, repository="honey/bees", pause=lambda _: None
        )


def git(place: Path, *arguments: str, text: str | None = None) -> str:
    own = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"], "HOME": "/"}
    done = subprocess.run(
        ["git", *arguments], cwd=place, input=text, capture_output=True, check=True, env=own, text=True
    )
    return done.stdout.strip()


def import_commits(bare: Path, branch: str, count: int, start: str | None = None) -> list[str]:
    """So many commits on a branch, each with a file of its own."""
    lines: list[str] = []
    for number in range(count):
        lines += [f"commit refs/heads/{branch}", f"committer Ada <ada@example.com> {1_700_000_000 + number} +0000"]
        lines += ["data 1", "x", *([f"from {start}"] if start and not number else [])]
        lines += [f"M 100644 inline {branch}/{number}.txt", "data 1", "y"]
    git(bare, "fast-import", "--quiet", text="\n".join(lines) + "\n")
    return git(bare, "rev-list", "--reverse", "--first-parent", f"-{count}", branch).split()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with GitHubServer(tmp_path_factory.mktemp("github")) as server:
        repository = server.repository("honey/bees", id=17)
        main = import_commits(repository.path, "main", 30)
        head = import_commits(repository.path, "change", 3, start=main[20])[-1]
        repository.open_pull(1, head_sha=head, head_ref="change")
        yield World(
            server=server,
            token=server.token(permissions={"contents": "read"}),
            bare=repository.path,
            main=main,
            head=head,
            merge=repository.test_merge(1),
        )
        assert server.violations == []


def nearest_of(world: World, place: Path, github: GitHub | None, address: Address | None) -> Sequence[object]:
    with Repository(address, checkout=place) as repository:
        history = History(repository, github)
        return (
            history.nearest(world.main[29], [world.main[27], world.main[12]]),
            history.merge_base(world.main[29], world.head),
            history.merge_base(world.main[29], world.merge),
        )


def expected(world: World) -> Sequence[object]:
    return (Ancestor(commit=world.main[27], distance=2), world.main[20], world.main[29])


def test_a_whole_clone_needs_nobody(world: World, tmp_path: Path) -> None:
    place = world.checkout(tmp_path / "whole", world.merge, depth=None)
    assert nearest_of(world, place, None, None) == expected(world)


def test_a_checkout_of_depth_1_asks_github(world: World, tmp_path: Path) -> None:
    place = world.checkout(tmp_path / "shallow", world.merge, depth=1)
    with world.github() as github:
        assert nearest_of(world, place, github, None) == expected(world)
        with Repository(None, checkout=place) as repository:
            history = History(repository, github)
            assert history.merge_base("main", world.head) == world.main[20]
            assert set(history.changed(world.main[29], world.merge) or ()) == {f"change/{n}.txt" for n in range(3)}


def test_a_checkout_of_depth_1_without_a_token_that_may_read_fetches_commits(world: World, tmp_path: Path) -> None:
    place = world.checkout(tmp_path / "shallow", world.merge, depth=1)
    before = files(place)
    with world.github(world.server.token(permissions={"issues": "write"})) as github:
        assert nearest_of(world, place, github, Address(url=f"file://{world.bare}")) == expected(world)
    assert files(place) == before


def files(place: Path) -> Collection[tuple[Path, int]]:
    return {(path, path.stat().st_mtime_ns) for path in place.rglob("*")}


def test_without_github_and_without_a_server_nobody_can_tell(world: World, tmp_path: Path) -> None:
    place = world.checkout(tmp_path / "shallow", world.merge, depth=1)
    with Repository(None, checkout=place) as repository, pytest.raises(RepositoryError, match="nobody can tell"):
        History(repository, None).nearest(world.main[29], [world.main[27]])


def test_a_branch_called_like_an_option_is_a_branch(world: World, tmp_path: Path) -> None:
    git(world.bare, "update-ref", "refs/heads/--output=x", world.main[5])
    place = world.checkout(tmp_path / "shallow", world.merge, depth=1)
    address = Address(url=f"file://{world.bare}")
    with world.github() as github, Repository(address, checkout=place) as repository:
        assert History(repository, github).merge_base("--output=x", world.head) == world.main[5]
        assert History(repository, None).merge_base("--output=x", world.head) == world.main[5]
    assert not (place / "x").exists()
