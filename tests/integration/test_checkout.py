"""What is checked out, read from real repositories: whole ones, cut off ones, odd ones and hostile ones."""

from __future__ import annotations

import os
import subprocess
import zlib
from collections.abc import Callable
from hashlib import sha1
from pathlib import Path

import pytest

from honeyhive.ci.whereabouts.checkout import read_checkout
from honeyhive.ci.whereabouts.situation import Checkout
from honeyhive.experiments.headcommit import HeadCommit, head_commit
from honeyhive.experiments.provenance import provenance

AUTHOR = ("-c", "user.name=Ada Lovelace", "-c", "user.email=ada@example.com")


@pytest.fixture(autouse=True)
def _only_the_repository_configures_git(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def git(place: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *AUTHOR, *arguments], cwd=place, capture_output=True, check=True)
    return done.stdout.decode().strip()


def commit(place: Path, message: str) -> str:
    (place / "README").write_text(f"{message}\n")
    git(place, "add", "README")
    git(place, "commit", "-q", "-m", message)
    return git(place, "rev-parse", "HEAD")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """Two commits on `main`."""
    place = tmp_path / "origin"
    git(tmp_path, "init", "-q", "-b", "main", str(place))
    commit(place, "First")
    commit(place, "Second")
    return place


def merge_of(repo: Path) -> tuple[str, str, str]:
    """A branch, and its merge into `main` as `refs/pull/1/merge`: the merge, `main`, and the branch's head."""
    main = git(repo, "rev-parse", "main")
    git(repo, "checkout", "-q", "-b", "side", "main~1")
    head = commit(repo, "Side")
    git(repo, "checkout", "-q", "--detach", "main")
    git(repo, "merge", "-q", "-s", "ours", "--no-ff", "-m", "Merge", "side")
    merge = git(repo, "rev-parse", "HEAD")
    git(repo, "update-ref", "refs/pull/1/merge", merge)
    git(repo, "checkout", "-q", "main")
    return merge, main, head


def test_a_clone_knows_its_commit_its_branch_and_the_default_branch(repo: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(repo), "clone")
    clone = tmp_path / "clone"
    main = git(clone, "rev-parse", "HEAD")
    git(clone, "checkout", "-q", "-b", "side")
    side = commit(clone, "Side")

    assert read_checkout(clone) == Checkout(
        commit=side,
        parents=(main,),
        branch="side",
        default_branch="main",
        default_commit=main,
        is_dirty=False,
        has_changes=False,
        is_pristine=True,
    )

    (clone / "README").write_text("changed")
    found = read_checkout(clone)
    assert (found.is_dirty, found.is_pristine) == (True, False)


def test_a_checkout_of_depth_1_still_names_the_parents_of_its_test_merge(repo: Path, tmp_path: Path) -> None:
    merge, main, head = merge_of(repo)
    place = tmp_path / "checkout"
    git(tmp_path, "init", "-q", str(place))
    git(place, "remote", "add", "origin", f"file://{repo}")
    git(place, "fetch", "-q", "--depth=1", "origin", "+refs/pull/1/merge:refs/remotes/pull/1/merge")
    git(place, "checkout", "-q", "--detach", "refs/remotes/pull/1/merge")
    cut = subprocess.run(["git", "rev-parse", "HEAD^"], cwd=place, capture_output=True, check=False)
    assert cut.returncode != 0

    expected = Checkout(commit=merge, parents=(main, head), is_dirty=False, has_changes=False, is_pristine=True)
    assert read_checkout(place) == expected
    told = provenance(place, {"GITHUB_REF": "refs/pull/1/merge", "GITHUB_SHA": merge})
    assert (told["base_sha"], told["head_sha"], told["pr_number"]) == (main, head, 1)


def test_a_file_that_git_does_not_know_is_no_change_of_the_commit(repo: Path) -> None:
    (repo / "left-by-a-step").write_text("x")
    found = read_checkout(repo)
    assert (found.is_dirty, found.has_changes, found.is_pristine) == (True, False, False)
    known = next(path for path in repo.iterdir() if path.is_file() and path.name != "left-by-a-step")
    known.write_text("other")
    assert read_checkout(repo).has_changes is True


@pytest.mark.parametrize("name", ["__pycache__/bot.cpython-313.pyc", "build/deep/down/left", "secret.env"])
def test_what_git_ignores_is_something_besides_the_commit(repo: Path, name: str) -> None:
    (repo / ".gitignore").write_text("__pycache__/\nbuild/deep/\n*.env\n")
    git(repo, "add", ".gitignore")
    git(repo, "commit", "-q", "-m", "Ignore")
    assert read_checkout(repo).is_pristine is True
    (repo / name).parent.mkdir(parents=True, exist_ok=True)
    (repo / name).write_text("x")
    found = read_checkout(repo)
    assert (found.is_dirty, found.has_changes, found.is_pristine) == (False, False, False)


def test_what_only_the_clone_is_told_to_ignore_is_something_besides_the_commit_as_well(repo: Path) -> None:
    (repo / ".git" / "info").mkdir(exist_ok=True)
    (repo / ".git" / "info" / "exclude").write_text("left\n")
    (repo / "left").write_text("x")
    assert read_checkout(repo).is_pristine is False


def test_a_directory_in_it_is_read_as_the_repository_around(repo: Path) -> None:
    (repo / "evals").mkdir()

    assert read_checkout(repo / "evals") == read_checkout(repo) != Checkout()


def test_a_linked_worktree_is_read_as_itself(repo: Path, tmp_path: Path) -> None:
    git(repo, "worktree", "add", "-q", "-b", "linked", str(tmp_path / "linked"), "main~1")

    found = read_checkout(tmp_path / "linked")

    assert (found.branch, found.commit) == ("linked", git(repo, "rev-parse", "main~1"))
    assert found.default_commit == git(repo, "rev-parse", "main")


def test_the_origins_default_branch_goes_before_the_usual_names(repo: Path) -> None:
    first, second = git(repo, "rev-parse", "main~1"), git(repo, "rev-parse", "main")
    assert default_of(repo) == ("main", second)
    git(repo, "branch", "master", first)
    assert default_of(repo) == ("main", second)
    git(repo, "update-ref", "refs/remotes/origin/master", first)
    assert default_of(repo) == ("master", first)
    git(repo, "update-ref", "refs/remotes/origin/main", second)
    assert default_of(repo) == ("main", second)
    git(repo, "update-ref", "refs/remotes/origin/trunk", first)
    git(repo, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    assert default_of(repo) == ("trunk", first)


def default_of(place: Path) -> tuple[str | None, str | None]:
    found = read_checkout(place)
    return found.default_branch, found.default_commit


def test_without_any_of_the_usual_names_no_default_branch_is_known(repo: Path) -> None:
    git(repo, "branch", "-q", "-m", "work")
    assert default_of(repo) == (None, None)
    assert read_checkout(repo).branch == "work"


def test_a_branch_with_an_odd_name_is_a_name(repo: Path) -> None:
    git(repo, "update-ref", "refs/heads/--output=x", "HEAD")
    git(repo, "symbolic-ref", "HEAD", "refs/heads/--output=x")

    assert read_checkout(repo).branch == "--output=x"
    assert not (repo / "x").exists()


@pytest.mark.parametrize(
    "make",
    [
        lambda place: None,
        lambda place: (place / ".git").mkdir(),
        lambda place: (place / ".git").write_text("gitdir: /nowhere/.git/modules/part\n"),
        lambda place: git(place, "init", "-q"),
    ],
    ids=["none", "empty", "broken link", "no commit"],
)
def test_where_there_is_no_commit_nothing_is_known(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path)

    assert read_checkout(tmp_path) == read_checkout(tmp_path / "missing") == Checkout()


def test_without_git_nothing_is_known(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))

    assert read_checkout(repo) == Checkout()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")
def test_a_checkout_of_another_user_is_read(repo: Path) -> None:
    expected = read_checkout(repo)
    for path in (repo, *repo.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)

    assert read_checkout(repo) == expected
    assert expected.commit is not None


def test_a_commit_that_is_not_its_hash_is_not_believed(repo: Path) -> None:
    commit, other = git(repo, "rev-parse", "main"), git(repo, "rev-parse", "main~1")
    assert head_commit(repo) == HeadCommit(commit=commit, parents=(other,))
    forged = subprocess.run(["git", "cat-file", "commit", "main"], cwd=repo, capture_output=True, check=True).stdout
    forged = forged.replace(f"parent {other}".encode(), b"parent " + b"e" * 40)
    place = repo / ".git" / "objects" / commit[:2] / commit[2:]
    place.chmod(0o644)
    place.write_bytes(zlib.compress(b"commit %d\0" % len(forged) + forged))

    assert head_commit(repo) is None
    assert read_checkout(repo) == Checkout()


def test_a_parent_that_only_the_message_names_is_none(repo: Path) -> None:
    tree, stranger = git(repo, "rev-parse", "main^{tree}"), sha1(b"stranger").hexdigest()
    only = git(repo, "commit-tree", tree, "-m", f"parent {stranger}")
    git(repo, "checkout", "-q", "--detach", only)

    assert head_commit(repo) == HeadCommit(commit=only)


def test_objects_are_replaced_by_no_ref(repo: Path) -> None:
    commit, first = git(repo, "rev-parse", "main"), git(repo, "rev-parse", "main~1")
    git(repo, "replace", commit, first)

    assert head_commit(repo) == HeadCommit(commit=commit, parents=(first,))


def test_nothing_that_the_repository_configures_is_started(repo: Path) -> None:
    for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "filter.x.clean", "alias.cat-file"):
        git(repo, "config", key, "!touch ran; touch ran")
    (repo / ".gitattributes").write_text("* filter=x\n")
    (repo / "README").write_text("changed")

    assert read_checkout(repo).commit is not None
    assert not (repo / "ran").exists()


def test_repositories_of_sha_256_are_read_as_well(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main", "--object-format=sha256")
    first, second = commit(tmp_path, "First"), commit(tmp_path, "Second")

    assert head_commit(tmp_path) == HeadCommit(commit=second, parents=(first,))
    assert default_of(tmp_path) == ("main", second)
