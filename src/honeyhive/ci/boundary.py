"""Everything that keeps the user's code away from the job, put up before it runs and taken down after it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from honeyhive.ci.account import account_of_experiments
from honeyhive.ci.closing import closed, credential_files, places_of_the_job
from honeyhive.ci.commandfiles import command_files_kept
from honeyhive.ci.edge import Edge
from honeyhive.ci.whereabouts.surroundings import Surroundings
from honeyhive.documents import neutralise


@contextmanager
def boundary(around: Surroundings, edge: Edge) -> Iterator[Edge]:
    """The edge for running the user's code in the block: with the account that it runs as, where there is one.

    What a job keeps is closed meanwhile to that account; what is written to the command files is taken back by the end.
    Where there is no account, the log says what then does not hold.
    """
    with ExitStack() as stack:
        stack.enter_context(command_files_kept(edge.environ))
        account = stack.enter_context(account_of_experiments(edge.environ))
        credentials = credential_files(around.root, edge.environ)
        if account is None:
            for line in _what_does_not_hold(edge, credentials, around.root):
                edge.echo(neutralise(line))
        else:
            around.folder.chmod(0o711)  # the base's rows and its code, for the account to read
            places = [*places_of_the_job(edge.environ, around.root), *credentials]
            reached = (around.directory, account.folder, around.folder, Path(sys.prefix))
            stack.enter_context(closed(places, reached=reached))
        yield replace(edge, account=account)


def _what_does_not_hold(edge: Edge, credentials: tuple[Path, ...], root: Path) -> Iterator[str]:
    if edge.environ.get("GITHUB_ACTIONS") == "true":
        yield (
            "your code runs as the job's own user, and can read and write what that user can; "
            "in the container it has a user of its own"
        )
    for path in credentials:
        name = path.relative_to(root) if path.is_relative_to(root) else path
        yield f"warning: {name} holds a credential, which your code can read: `persist-credentials: false` mends that"
