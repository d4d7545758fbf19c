"""What a gate stands in: where it is, and its ways to the repository, to the base and to GitHub."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from honeyhive.ci.config import ConfigFile, parse_config
from honeyhive.ci.git.history import History
from honeyhive.ci.git.repository import Address, Repository, address_of
from honeyhive.ci.github.client import GitHub
from honeyhive.ci.settings import Inputs, NoConfig, config_name
from honeyhive.ci.whereabouts.checkout import read_checkout
from honeyhive.ci.whereabouts.situation import Kind, Situation, situation
from honeyhive.errors import ConfigError, RepositoryError
from honeyhive.experiments.git import workspace_root
from honeyhive.experiments.provenance import MERGE_BASE_VARIABLE, read_event
from honeyhive.gate.markdown import NAME, one_line

_MEND_THERE = "nothing can be judged by it: a change that mends it takes a maintainer to merge"


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Where the gate is, and what it can ask.

    `directory` is what paths are relative to, `root` the top of the repository around it, `folder` one of our own that
    is gone when the gate ends. `config` is the configuration file's name as the user knows it.
    """

    situation: Situation
    payload: Mapping[str, Any]
    directory: Path
    root: Path
    folder: Path
    config: str
    repository: Repository
    history: History
    github: GitHub | None

    @cached_property
    def base_commit(self) -> str | None:
        """The commit that the change starts from; `RepositoryError` where a change has one and nobody can tell it."""
        base = self.situation.base
        if base is None:
            if self.situation.judged_by_base:
                raise RepositoryError(
                    f"nothing tells which commit this {self.situation.kind.value} starts from",
                    hint="check the repository out first, and give the job `permissions: contents: read`",
                )
            return None
        if base.commit is not None or base.between is None:
            return base.commit
        found = self.history.merge_base(*base.between)
        if found is None and self.situation.judged_by_base:
            raise RepositoryError(
                f"{base.between[0]} and {base.between[1]} have no commit in common", hint="rebase the change"
            )
        return found

    @cached_property
    def rerun_base(self) -> tuple[str, str] | None:
        """What `baseline: rerun` runs, its commit and what people call it: of a release the one before, else the base.

        The release before is the nearest by the tags in the history; where there is none, it is the base there as well.
        """
        own = self.situation.commit
        if self.situation.kind is Kind.RELEASE and own is not None:
            tagged = {commit: tag for tag, commit in self.repository.tags().items() if tag != self.situation.tag}
            tagged.pop(own, None)
            found = self.history.nearest(own, sorted(tagged)) if tagged else None
            if found is not None:
                return found.commit, one_line(tagged[found.commit], NAME)
        return (self.base_commit, self.base_name) if self.base_commit else None

    @cached_property
    def rules(self) -> ConfigFile | NoConfig | None:
        """What judges this change: the configuration of the base, if it has one; `None` where it judges itself."""
        return self.config_at_base or NoConfig() if self.situation.judged_by_base else None

    @cached_property
    def config_at_base(self) -> ConfigFile | None:
        """The configuration as the base has it; `None` where it has none."""
        return self.config_at(self.base_commit, self.base_name) if self.base_commit else None

    def config_at(self, commit: str, called: str) -> ConfigFile | None:
        """The configuration as a commit has it, which people call so; `None` where it has none."""
        content = self._file_at(commit, self.directory / self.config, called)
        if content is None:
            return None
        shown_as = f"{self.config} of {called}"
        try:
            return parse_config(content.decode("utf-8-sig"), shown_as)
        except UnicodeDecodeError as error:
            raise ConfigError("not UTF-8", file=shown_as, hint=_MEND_THERE) from error
        except ConfigError as error:
            error.hint = f"{error.hint}; {_MEND_THERE}" if error.hint else _MEND_THERE
            raise

    @property
    def base_name(self) -> str:
        """What people call the base: its branch, or the commit."""
        return self.situation.base_ref or (self.base_commit or "the base")[:7]

    @cached_property
    def changed(self) -> tuple[str, ...] | None:
        """The files that differ from the base, from the top of the repository on; `None` where nobody can tell."""
        head, base = self.situation.commit or self.situation.head, self.base_commit
        return self.history.changed(base, head, number=self.situation.number) if base and head else None

    def for_the_child(self) -> dict[str, str]:
        """What the process of a run cannot find out by itself, for the run file's header."""
        base = self.situation.base
        between = base is not None and base.commit is None and self.base_commit is not None
        return {MERGE_BASE_VARIABLE: self.base_commit or ""} if between else {}

    def base_file(self, path: Path) -> bytes | None:
        """What the base has at a path of the workspace; `None` where it has nothing there."""
        return self._file_at(self.base_commit, path, self.base_name) if self.base_commit else None

    def _file_at(self, commit: str, path: Path, called: str) -> bytes | None:
        place = self.in_repository(path)
        if place is None:
            return None
        found = self.repository.read(commit, place)
        if found is None and self.repository.leads_to(commit, place):
            raise RepositoryError(
                f"{place} of {called} is reached by a link or a submodule, or is a folder",
                hint="what judges a change has to be a file of the repository: put the file itself there",
            )
        return found

    def in_repository(self, path: Path) -> str | None:
        """The path as git knows it; `None` where it is outside of the repository."""
        whole = Path(path if path.is_absolute() else self.directory / path)
        normal = Path(*_without_dots(whole))
        return normal.relative_to(self.root).as_posix() if normal.is_relative_to(self.root) else None


def _without_dots(path: Path) -> list[str]:
    """The parts of a path, `..` resolved as text: a link in the workspace leads nowhere."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and len(parts) > 1:
            parts.pop()
        elif part != "..":
            parts.append(part)
    return parts


@contextmanager
def look_around(
    inputs: Inputs, environ: Mapping[str, str], directory: Path, *, runs_code: bool = True
) -> Iterator[Surroundings]:
    """The surroundings of a command that was called in `directory`; what it keeps is gone after the block.

    Raises `ConfigError` where the event is one on which nothing is run.
    """
    place = (directory / (inputs.working_directory or "")).resolve()
    event = read_event(environ)
    found = situation(
        environ,
        event.payload,
        read_checkout(place),
        key=inputs.comment_key or "",
        allow_pull_request_target=bool(inputs.allow_pull_request_target),
        runs_code=runs_code,
    )
    token = inputs.github_token or environ.get("GITHUB_TOKEN") or None
    root = workspace_root(place)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="honeyhive-", ignore_cleanup_errors=True)))
        repository = stack.enter_context(Repository(_address(found, token, root), checkout=root))
        github = _github(found, token)
        if github is not None:
            stack.enter_context(github)
        yield Surroundings(
            situation=found,
            payload=event.payload or {},
            directory=place,
            root=root,
            folder=folder,
            config=config_name(inputs),
            repository=repository,
            history=History(repository=repository, github=github),
            github=github,
        )


def _address(found: Situation, token: str | None, root: Path) -> Address | None:
    """Where the repository is: GitHub's own address of it in a job of theirs, else what the checkout calls origin."""
    if found.server_url and found.repository:
        return Address(url=f"{found.server_url}/{found.repository}.git", token=token)
    try:
        return address_of(root)
    except RepositoryError:  # no git here: whatever needs it says so
        return None


def _github(found: Situation, token: str | None) -> GitHub | None:
    if token is None or found.api_url is None or found.repository is None:
        return None
    return GitHub(api_url=found.api_url, token=token, repository=found.repository)
