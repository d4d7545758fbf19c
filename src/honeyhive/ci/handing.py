"""Files that the user's code is handed though it could not read them: those that a variable of `pass-env` names.

An action that signs in somewhere leaves such a file in the workspace, for its owner alone to read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from honeyhive.ci.account import Account
from honeyhive.ci.commandfiles import command_files
from honeyhive.ci.ownership import identity, open_below
from honeyhive.ci.settings import Settings
from honeyhive.documents.redactor import Redactor

_MOST = 2**20
_CAREFUL = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


def handed_over(
    seen: Mapping[str, str], settings: Settings, account: Account, *, environ: Mapping[str, str], tokens: Redactor
) -> dict[str, str]:
    """The environment `seen`, in which such a variable names a copy that the account can read.

    A stranger may have written the value, a title for one: a file has to be in the workspace, and neither a link, nor
    git's, nor one that speaks for the job or holds a token of its.
    """
    workspace = Path(environ.get("GITHUB_WORKSPACE") or settings.directory).resolve()
    found = dict(seen)
    for name in settings.pass_env:
        path = Path(os.path.normpath(settings.directory / seen.get(name, "")))
        if not path.is_relative_to(workspace) or ".git" in path.parts or path in command_files(environ):
            continue
        with suppress(OSError, ValueError):  # it is no file's name, or not there: the code will say so
            if any(identity(place.stat()) in account.kept for place in (path, *path.parents)):
                continue
            content = _closed_file(workspace, path)
            if content is not None and not tokens.finds(content):
                found[name] = str(account.hand_over(content, name))
    return found


def _closed_file(workspace: Path, path: Path) -> bytes | None:
    """What it holds, where it is a file of moderate size that not everybody may read."""
    folder = open_below(workspace, str(path.parent.relative_to(workspace)))
    try:
        with open(path.name, "rb", opener=lambda name, _: os.open(name, _CAREFUL, dir_fd=folder)) as stream:
            status = os.fstat(stream.fileno())
            closed = stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and not status.st_mode & stat.S_IROTH
            content = stream.read(_MOST + 1) if closed else b""
            return content if closed and len(content) <= _MOST else None
    finally:
        os.close(folder)
