"""The store that a command works with: the one that is named, or the usual one of the place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from honeyhive.ci import platform
from honeyhive.ci.baselines.listing import save
from honeyhive.ci.config import read_config
from honeyhive.ci.inputs import Inputs, read_inputs
from honeyhive.ci.stores.entry import Store
from honeyhive.ci.stores.folder import FolderStore
from honeyhive.ci.stores.opening import DEFAULT_BRANCH, DEFAULT_FOLDER, open_store
from honeyhive.ci.whereabouts.situation import Kind
from honeyhive.ci.whereabouts.surroundings import Surroundings, look_around
from honeyhive.documents import shown
from honeyhive.errors import ConfigError, InputError, NoDecisionError, StoreError


@contextmanager
def stored(
    given: Mapping[str, Any], environ: Mapping[str, str], directory: Path
) -> Iterator[tuple[Store, Surroundings]]:
    """The store for a command that only looks after runs, and where it is called."""
    inputs = read_inputs(given, environ)
    with look_around(inputs, environ, directory, runs_code=False) as around:
        file = around.directory / around.config
        named = inputs.store or (read_config(file, around.config).config.store if file.exists() else None)
        yield store_of(named, inputs, around, environ), around


def store_of(named: str | None, inputs: Inputs, around: Surroundings, environ: Mapping[str, str]) -> Store:
    """The store `named`; where none is, a branch of the repository in CI, and a folder elsewhere."""
    name = named or (DEFAULT_FOLDER if around.situation.job is None else DEFAULT_BRANCH)
    _refuse_own_baseline(name, around)
    return open_store(
        name,
        directory=around.directory,
        repository=around.repository,
        honeyhive=lambda: platform.store(
            environ, api_key=inputs.api_key, project=inputs.project, server_url=inputs.server_url
        ),
    )


def _refuse_own_baseline(name: str, around: Surroundings) -> None:
    """Refuse a folder that the change itself could have filled with what it is to be held against."""
    kind, _, place = name.strip().partition(":")
    head = around.situation.commit or around.situation.head
    if kind != "file" or not around.situation.judged_by_base:
        return
    folder = around.in_repository(Path(place))
    if folder is not None and (head is None or around.repository.leads_to(head, folder)):
        raise ConfigError(
            f"store: {shown(place)} is in the repository: a change could bring its own baseline",
            hint="name a folder that git does not know, or git:honeyhive-runs",
        )


def keep_here(run_file: Path, environ: Mapping[str, str], directory: Path) -> str:
    """Keep a run that was made on somebody's own machine for the gates there; a line that says so, or why it is none.

    The next run takes the place of `run_file`, and a branch is held against the run of main. In CI the gate keeps runs.
    """
    with look_around(Inputs.model_validate({}), environ, directory, runs_code=False) as around:
        if around.situation.kind is not Kind.LOCAL:
            return ""
        store = FolderStore(around.directory / DEFAULT_FOLDER.partition(":")[2], name=DEFAULT_FOLDER)
        try:
            entry = save(store, run_file, situation=around.situation, now=datetime.now(UTC))
        except (InputError, NoDecisionError, StoreError) as error:
            hint = f" ({error.hint})" if error.hint else ""
            return f"not kept as a baseline: {error.message}{hint}"
    return f"kept as the baseline of {entry.commit[:7]}"
