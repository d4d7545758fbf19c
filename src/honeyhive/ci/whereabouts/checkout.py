"""What is checked out, read with git and without believing what a repository says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from honeyhive.ci.whereabouts.situation import Checkout
from honeyhive.experiments.git import describe, has_changes, workspace_root
from honeyhive.experiments.gitprocess import GitFailed, GitProcess, find_git
from honeyhive.experiments.headcommit import read_head
from honeyhive.experiments.provenance import SHA, is_name

_ORIGIN = "refs/remotes/origin/"
_HEADS = "refs/heads/"
# The first that is there. A clone knows its origin's default branch; a checkout of CI has only what it fetched.
_DEFAULTS = (f"{_ORIGIN}HEAD", f"{_ORIGIN}main", f"{_ORIGIN}master", f"{_HEADS}main", f"{_HEADS}master")


def read_checkout(directory: Path) -> Checkout:
    """What is checked out in the repository around `directory`; nothing at all where there is none that git can read.

    A detached HEAD has no branch; what cannot be told of its files is `None`.
    """
    directory = directory.resolve()
    facts = describe(directory)
    git = find_git(workspace_root(directory)) if "relative_path" in facts else None
    head = read_head(git) if git is not None else None
    if git is None or head is None:
        return Checkout()
    branch, default = facts.get("branch"), _default(git)
    return Checkout(
        commit=head.commit,
        parents=head.parents,
        branch=branch if is_name(branch) else None,
        default_branch=default.branch if default else None,
        default_commit=default.commit if default else None,
        is_dirty=facts.get("is_dirty"),
        has_changes=has_changes(directory),
        is_pristine=None if (rest := has_changes(directory, of_all=True)) is None else not rest,
    )


@dataclass(frozen=True, kw_only=True)
class _Default:
    branch: str
    commit: str


def _default(git: GitProcess) -> _Default | None:
    """The default branch, as far as the refs here tell; `None` where none of the usual ones is there."""
    try:
        answer = git.run("for-each-ref", "--format=%(refname)%00%(objectname)%00%(symref)", *_DEFAULTS)
    except GitFailed:
        return None
    found: dict[str, _Default] = {}
    for line in answer.output.decode("utf-8", "replace").split("\n")[:-1]:
        name, commit, target = line.split("\0")
        branch = (target or name).removeprefix(_ORIGIN).removeprefix(_HEADS)
        if SHA.fullmatch(commit) and is_name(branch):
            found[name] = _Default(branch=branch, commit=commit)
    return next((found[name] for name in _DEFAULTS if name in found), None)
