"""The repository of the change, through repositories of our own: the user's checkout is read, and never written.

What is fetched or made lies in a temporary folder. Of the checkout only the objects and refs are looked at: nothing
that its configuration says is obeyed, and no object is believed that is not what its name says.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from honeyhive.ci.git import checkout as gitcheckout
from honeyhive.ci.git import trees as gittrees
from honeyhive.ci.git.objects import MAX_OBJECT, Commit, Objects, is_full_name, parse_commit, parse_tree
from honeyhive.ci.git.remote import Address, Refused, Remote, unreachable
from honeyhive.ci.git.squash import NewCommit, StoredFile, list_files, make_commit
from honeyhive.documents import shown
from honeyhive.errors import RepositoryError
from honeyhive.experiments.gitprocess import QUIET, GitFailed, GitProcess, find_git, inherited

if TYPE_CHECKING:  # it comes with all that HTTP takes
    from honeyhive.api.retries import Budget

__all__ = ["Address", "NewCommit", "Refused", "Repository", "StoredFile", "address_of"]

_MOST_PATHS = 100_000
_MOST_FILE = 2**30
_INSTALL = "install git, or give --baseline a run file"


class Repository:
    """The repository that `checkout` is of, as far as it is here, and for whatever is not the one at `address`.

    To be used in a `with` statement: it makes a temporary folder, and removes it. Either may be missing.
    """

    def __init__(self, address: Address | None, *, checkout: Path | None = None, timeout: float = 300.0) -> None:
        """`timeout` is in seconds, for each exchange with the server."""
        self._checkout = checkout.resolve() if checkout else None
        self._address = address
        self._timeout = timeout
        self._budget: Budget | None = None
        self._stack = ExitStack()
        self._commits: dict[str, Commit] = {}
        self._fetched: set[str] = set()

    def __enter__(self) -> Self:
        """Nothing is made or started before something is asked."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the folder, and end what runs in it."""
        self._stack.close()

    def begin_anew(self) -> None:
        """Use none of our folders any more: code that ran since may have written into them what git obeys."""
        self._stack.close()
        self._stack = ExitStack()
        self._commits.clear()
        self._fetched.clear()
        for name in ("_folder", "_own", "_history", "_ours", "_theirs"):
            self.__dict__.pop(name, None)

    def within(self, budget: Budget) -> None:
        """From now on what is asked of the server has to come to its end within that time."""
        self._budget = budget
        if "_remote" in self.__dict__:
            self._remote.within = budget

    # --- commits -----------------------------------------------------------------------------------------------------

    def has(self, commit: str) -> bool:
        """Whether the commit is here; nothing is fetched."""
        return self._look(commit) is not None

    def fetch(self, commit: str) -> None:
        """Have the commit, with all of its files and none of its history; `RepositoryError` where that fails."""
        self._fetch(self._own, commit, f"commit {commit[:7]}", "--depth=1")
        self._fetched.add(commit)

    def parents(self, commit: str) -> tuple[str, ...]:
        """The commits that this one follows, as itself says; it is fetched where it is not here."""
        return self._commit(commit).parents

    def deepen(self, commit: str, depth: int) -> None:
        """Have the last `depth` commits up to this one, without their files; `RepositoryError` where that fails.

        A server that knows no filters sends the files, too.
        """
        what = f"the history of {commit[:7]}"
        try:
            self._fetch(self._history, commit, what, f"--depth={depth}", "--filter=tree:0")
        except RepositoryError:
            self._fetch(self._history, commit, what, f"--depth={depth}", "--no-filter")

    # --- names -------------------------------------------------------------------------------------------------------

    def resolve(self, name: str) -> str | None:
        """The commit that `HEAD`, a branch, a branch of `origin`, a tag or a commit's (short) name stands for here."""
        return gitcheckout.resolve(self._checkout, name) if self._checkout else None

    def current_branch(self) -> str | None:
        """The branch that is checked out; `None` where it is a commit, or there is no checkout."""
        return gitcheckout.current_branch(self._checkout) if self._checkout else None

    def branch(self, name: str) -> str | None:
        """The last commit of the branch on the server; `None` where there is no such branch."""
        if not gitcheckout.is_ref_name(name):
            return None
        ref = f"refs/heads/{name}"
        return self._remote.refs(self._own, ref).get(ref)

    def tags(self) -> Mapping[str, str]:
        """The tags on the server, each with the commit that it is of."""
        refs = self._remote.refs(self._own, "refs/tags/*")
        whole = [ref for ref in refs if ref.startswith("refs/tags/") and not ref.endswith("^{}")]
        return {ref.removeprefix("refs/tags/"): refs.get(f"{ref}^{{}}", refs[ref]) for ref in whole}

    # --- files -------------------------------------------------------------------------------------------------------

    def read(self, commit: str, path: str, *, most: int = MAX_OBJECT) -> bytes | None:
        """The file at `path`, relative to the top; `None` where the commit has no regular file there.

        Symbolic links and submodules are not followed. The commit is fetched where it is not here, and
        `RepositoryError` where that fails, or where the file is larger than `most` bytes.
        """
        found = gittrees.find(self._commit(commit).tree, path, lambda tree: self._tree(commit, tree))
        return None if found is None else self._needed(commit, found, "blob", most=most)

    def leads_to(self, commit: str, path: str) -> bool:
        """Whether the commit has anything at `path`, or a link on the way there; it is fetched where it is not here."""
        return gittrees.leads_to(self._commit(commit).tree, path, lambda tree: self._tree(commit, tree))

    def export(self, commit: str, folder: Path) -> None:
        """Write the files of the commit into `folder`, as they are stored, and of the links those that stay inside.

        Submodules are left out, and what belongs to git-lfs is the pointer that git has.
        """
        links: list[tuple[Path, bytes]] = []
        for path, entry, content in gittrees.walk(self._commit(commit).tree, lambda tree: self._tree(commit, tree)):
            if entry.is_link:
                links.append((folder / path, self._needed(commit, content, "blob")))
            elif entry.is_file:
                data = self._needed(commit, content, "blob", most=_MOST_FILE)
                gittrees.write_file(folder / path, data, is_program=entry.mode == "100755")
        gittrees.write_links(folder, links)

    def changed(self, base: str, head: str) -> tuple[str, ...] | None:
        """The paths in which the two commits differ; `None` where that cannot be known."""
        try:
            trees = self._commit(base).tree, self._commit(head).tree
            found = gittrees.differences(*trees, lambda tree, later: self._tree(head if later else base, tree))
            paths = sorted(found)
        except RepositoryError:
            return None
        return tuple(paths) if len(paths) <= _MOST_PATHS else None

    # --- a branch of our own -----------------------------------------------------------------------------------------

    def files(self, commit: str) -> Mapping[str, StoredFile]:
        """All files of a commit that `fetch` has brought, by path."""
        return list_files(self._own, commit)

    def content(self, commit: str, file: StoredFile) -> bytes:
        """The content of a file of that commit."""
        return self._needed(commit, file.blob, "blob", most=max(file.size, 1))

    def make(self, new: NewCommit) -> str:
        """Make a commit, here; its name."""
        return make_commit(self._own, new)

    def push(self, commit: str, branch: str, *, expected: str | None) -> Refused | None:
        """Put the branch on the server where the commit is; why not, where it is not `expected` that is there."""
        return self._remote.push(self._own, commit, f"refs/heads/{branch}", expected=expected)

    # --- what it stands on -------------------------------------------------------------------------------------------

    def _fetch(self, git: GitProcess, commit: str, what: str, *options: str) -> None:
        if not is_full_name(commit):
            raise RepositoryError(f"{shown(commit)} is no whole name of a commit", hint="give all 40 digits")
        try:
            self._remote.fetch(git, f"+{commit}:refs/kept/{commit}", options=options)
        except GitFailed as failed:
            raise unreachable(what, failed) from failed

    def _look(self, name: str) -> Commit | None:
        """The commit, where it is here."""
        if name not in self._commits:
            content = self._object(name, "commit", most=MAX_OBJECT)
            if content is None:
                return None
            self._commits[name] = parse_commit(content)
        return self._commits[name]

    def _commit(self, name: str) -> Commit:
        return self._look(name) or parse_commit(self._needed(name, name, "commit"))

    def _tree(self, commit: str, name: str) -> gittrees.Named:
        entries = parse_tree(self._needed(commit, name, "tree"), width=len(name))
        return {entry.name: (entry, content) for entry, content in entries.items()}

    def _needed(self, commit: str, name: str, kind: str, *, most: int = MAX_OBJECT) -> bytes:
        """An object of the commit, which is fetched where it is not here: a checkout may have left some out."""
        content = self._object(name, kind, most=most)
        if content is None and commit not in self._fetched:
            self.fetch(commit)
            content = self._object(name, kind, most=most)
        if content is None:
            raise RepositoryError(f"commit {commit[:7]} is not whole", hint="check the repository: git fsck")
        return content

    def _object(self, name: str, kind: str, *, most: int) -> bytes | None:
        found = self._ours.read(name, kind, most=most)
        return found if found is not None or self._theirs is None else self._theirs.read(name, kind, most=most)

    @cached_property
    def _folder(self) -> Path:
        # What cannot be removed at the end takes nothing from the verdict.
        kept = tempfile.TemporaryDirectory(prefix="honeyhive-git-", ignore_cleanup_errors=True)
        return Path(self._stack.enter_context(kept))

    @cached_property
    def _format(self) -> tuple[str, ...]:
        try:
            head = self.resolve("HEAD") or ""
        except RepositoryError:
            head = ""  # what can be fetched does not depend on a checkout that cannot be read
        return ("--object-format=sha256",) if len(head) == 64 else ()

    @cached_property
    def _own(self) -> GitProcess:
        """What is fetched whole, and what we make."""
        return self._bare("own")

    @cached_property
    def _history(self) -> GitProcess:
        """Commits without their files: apart, because git would fetch the rest by itself where that is missing."""
        return self._bare("history")

    @cached_property
    def _remote(self) -> Remote:
        if self._address is None:
            raise RepositoryError("it is not known where the repository's server is", hint="is there an `origin`?")
        remote = Remote(self._address, timeout=self._timeout)
        remote.within = self._budget
        return remote

    @cached_property
    def _ours(self) -> Objects:
        objects = Path(self._history.environment["GIT_DIR"]) / "objects"
        return self._stack.enter_context(Objects(_with_objects(self._own, objects)))

    @cached_property
    def _theirs(self) -> Objects | None:
        objects = gitcheckout.objects_folder(self._checkout) if self._checkout else None
        if objects is None:
            return None
        return self._stack.enter_context(Objects(_with_objects(self._bare("theirs"), objects)))

    def _bare(self, name: str) -> GitProcess:
        """A new bare repository, and a git that knows no configuration but what is given to it."""
        git = find_git(self._folder)
        if git is None:
            raise RepositoryError("git is not installed", hint=_INSTALL)
        place = self._folder / f"{name}.git"
        alone = {"HOME": str(self._folder), "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        environment = {**inherited(), **QUIET, **alone, "PATH": git.environment["PATH"], "GIT_DIR": str(place)}
        own = replace(git, environment=environment)
        try:
            own.run("init", "--quiet", "--bare", "--template=", *self._format)
        except GitFailed as failed:
            raise RepositoryError(
                f"no repository can be made in {place}: {failed}", hint="is the disk full?"
            ) from failed
        return own


def address_of(checkout: Path) -> Address | None:
    """Where the checkout says that its `origin` is, for the user's own credentials; `None` where it says nothing."""
    url = gitcheckout.origin_of(checkout)
    return Address(url) if url else None


def _with_objects(git: GitProcess, folder: Path) -> GitProcess:
    # In quotes, a colon in the path is no end of it.
    quoted = '"' + str(folder).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    return replace(git, environment={**git.environment, "GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted})
