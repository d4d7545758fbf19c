"""The store that the user names: `git:BRANCH`, `file:DIR` or `honeyhive:`."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from honeyhive.ci.git.checkout import is_ref_name
from honeyhive.ci.git.repository import Repository
from honeyhive.ci.stores.branch import BRANCH, BranchStore
from honeyhive.ci.stores.entry import Store
from honeyhive.ci.stores.folder import FolderStore
from honeyhive.documents import shown
from honeyhive.errors import ConfigError

DEFAULT_BRANCH = f"git:{BRANCH}"
"""Where runs are kept in CI, unless the user says otherwise."""

DEFAULT_FOLDER = "file:.honeyhive/runs"
"""Where runs are kept on somebody's own machine: where `honeyhive run` puts them."""

_KINDS = ("git", "file", "honeyhive")
_FORMS = f"write {DEFAULT_BRANCH}, {DEFAULT_FOLDER} or honeyhive:"


def open_store(
    text: str, *, directory: Path, repository: Repository | None, honeyhive: Callable[[], Store] | None
) -> Store:
    """The store that `text` names, before anything in it is read; `ConfigError` where it names none.

    A folder is relative to `directory`. `honeyhive` opens the one there, where there is a key.
    """
    kind, colon, rest = text.strip().partition(":")
    if kind not in _KINDS or (not colon and kind != "honeyhive"):
        raise _refused(f"{shown(text)} is no store", hint=_suggestion(text.strip(), kind))
    match kind:
        case "git":
            return _branch_store(rest, repository)
        case "file":
            if not rest or not rest.isprintable():
                raise _refused(f"{shown(text)} names no folder", hint=f"write {DEFAULT_FOLDER}")
            return FolderStore(directory / rest, name=f"file:{rest}")
        case _:
            return _honeyhive_store(rest, honeyhive)


def _branch_store(branch: str, repository: Repository | None) -> Store:
    if not branch or branch.startswith(("-", "refs/")) or not is_ref_name(branch) or not branch.isprintable():
        raise _refused(f"{shown(branch)} is no name of a branch", hint=f"write {DEFAULT_BRANCH}")
    if repository is None:
        raise _refused("the store is a branch, and there is no repository", hint=f"write {DEFAULT_FOLDER}")
    if branch == repository.current_branch():
        raise _refused(
            f"the store may not be {shown(branch)}: the branch is written anew each time, and you work on it",
            hint=f"write {DEFAULT_BRANCH}",
        )
    return BranchStore(repository, branch)


def _honeyhive_store(rest: str, honeyhive: Callable[[], Store] | None) -> Store:
    if rest:
        raise _refused(f"honeyhive:{rest[:40]} says more than there is to say", hint="write honeyhive:")
    if honeyhive is None:
        raise _refused("the store honeyhive: needs a key", hint="give `api-key`, or another store")
    return honeyhive()


def _suggestion(text: str, kind: str) -> str:
    close = difflib.get_close_matches(kind.lower(), _KINDS, n=1)
    if close and ":" in text:
        return f"did you mean {close[0]}:{text.partition(':')[2][:60]}?"
    if close == ["honeyhive"]:
        return "did you mean honeyhive:?"
    return f"did you mean file:{text[:60]}?" if "/" in text and ":" not in text else _FORMS


def _refused(message: str, *, hint: str) -> ConfigError:
    return ConfigError(message, hint=hint, path=("store",))
