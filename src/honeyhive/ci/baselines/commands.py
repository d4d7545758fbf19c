"""`honeyhive baseline`: its commands. What they take is imported where it is needed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from honeyhive.ci import options
from honeyhive.ci.ending import say

if TYPE_CHECKING:
    from honeyhive.ci.stores.entry import Store
    from honeyhive.ci.whereabouts.surroundings import Surroundings


@click.group()
def baseline() -> None:
    """The runs that later gates are held against: list, show, save and prune them."""


@baseline.command(name="list")
@options.of_experiment
@options.stored
def list_baselines(*, experiment: str | None, **flags: Any) -> None:
    """List the runs in the store, the newest first."""
    from honeyhive.ci.baselines.listing import list_lines

    with _stored(flags) as (store, around):
        width = {"width": shutil.get_terminal_size().columns} if sys.stdout.isatty() else {}
        for line in list_lines(store, experiment, situation=around.situation, now=_now(), **width):
            say(line)


@baseline.command()
@click.argument("which", metavar="COMMIT|RUN")
@options.of_experiment
@options.stored
def show(*, which: str, experiment: str | None, **flags: Any) -> None:
    """Show one run: where it comes from, and its metrics."""
    from honeyhive.ci.baselines.listing import show_lines

    with _stored(flags) as (store, around):
        for line in show_lines(store, which, experiment, folder=around.folder, now=_now()):
            say(line)


@baseline.command()
@click.argument("run_file", type=options.PATH, metavar="RUN")
@options.stored
def save(*, run_file: Path, **flags: Any) -> None:
    """Keep a run as the baseline of its commit. RUN is a run file, of a whole run of committed code."""
    from honeyhive.ci.baselines import listing

    with _stored(flags) as (store, around):
        entry = listing.save(store, run_file, situation=around.situation, now=_now())
        say(f"{entry.experiment}: saved in {store.name} as the baseline of {entry.commit[:7]}")


@baseline.command()
@click.option("--keep", type=click.IntRange(min=1), default=50, metavar="N", help="How many of each.  [default: 50]")
@options.stored
def prune(*, keep: int, **flags: Any) -> None:
    """Keep the newest runs of each experiment, and as many of its releases."""
    from honeyhive.ci.baselines.listing import prune_lines

    with _stored(flags) as (store, _):
        for line in prune_lines(store, keep):
            say(line)


@contextmanager
def _stored(flags: dict[str, Any]) -> Iterator[tuple[Store, Surroundings]]:
    from honeyhive.ci.storing import stored

    with stored(options.given(flags), os.environ, Path.cwd()) as found:
        yield found


def _now() -> datetime:
    return datetime.now(UTC)
