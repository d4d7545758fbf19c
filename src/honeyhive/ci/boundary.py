"""Everything that keeps the user's code away from the job, put up before it runs and taken down after it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from honeyhive.ci.account import Account, NoAccount
from honeyhive.ci.closing import MOST_FOLDERS, checkouts, closed, credential_files, places_of_the_job
from honeyhive.ci.commandfiles import command_files_kept
from honeyhive.ci.edge import Edge
from honeyhive.ci.whereabouts.surroundings import Surroundings
from honeyhive.documents import neutralise


@contextmanager
def boundary(around: Surroundings, edge: Edge, account: Account | NoAccount) -> Iterator[Edge]:
    """The edge for running the user's code in the block: as the account, where there is one.

    What a job keeps is closed meanwhile to that account; what is written to the command files is taken back by the end.
    Where there is no account, the log says what then does not hold.
    """
    with ExitStack() as stack:
        stack.enter_context(command_files_kept(edge.environ))
        found = checkouts(Path(edge.environ.get("GITHUB_WORKSPACE") or around.root))
        credentials = credential_files([around.root / ".git", *found.places])
        if not found.all_seen:
            edge.echo(f"warning: more than {MOST_FOLDERS:,} folders: your code may find tokens of git in those below")
        if isinstance(account, NoAccount):
            for line in _what_does_not_hold(account, edge, credentials, around.root):
                edge.echo(neutralise(line))
            yield edge
            return
        edge.echo("your code runs as a user of its own, and writes to the workspace where `writable` lets it")
        around.folder.chmod(0o711)  # the base's rows and its code, for the account to read
        reached = (around.directory, account.folder, around.folder, Path(sys.prefix))
        places = [*places_of_the_job(edge.environ, around.root, reached), *credentials]
        kept = stack.enter_context(closed(places, reached=reached))
        yield replace(edge, account=replace(account, kept=kept))


def _what_does_not_hold(account: NoAccount, edge: Edge, credentials: tuple[Path, ...], root: Path) -> Iterator[str]:
    if edge.environ.get("GITHUB_ACTIONS") == "true":
        yield f"your code runs as the job's own user, and can read and write what that user can; {account.why}"
    for path in credentials:
        name = path.relative_to(root) if path.is_relative_to(root) else path
        yield f"warning: {name} holds a credential, which your code can read: `persist-credentials: false` mends that"
