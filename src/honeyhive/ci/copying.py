"""The workspace as whoever runs this can read it, copied: `python -m honeyhive.ci.copying WORKSPACE INTO`.

It runs as the account, which can be led by a link to nothing that it could not read anyway.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

from honeyhive.ci.account import OURS

_NAMES_OF_OTHERS = {"refs", "logs"}
"""Folders of git's in which names are those of branches."""


def copy(workspace: Path, into: Path) -> None:
    """Copy all that can be read; but for what is ours, and the configurations of git, which may hold a token."""
    shutil.copytree(workspace, into, symlinks=True, ignore=_left_out)


def _left_out(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if _is_not_wanted(Path(folder), name) or not _can_be_copied(Path(folder, name))]


def _is_not_wanted(folder: Path, name: str) -> bool:
    of_git = ".git" in folder.parts and _NAMES_OF_OTHERS.isdisjoint(folder.parts)
    return name in OURS or (of_git and name.startswith("config"))


def _can_be_copied(path: Path) -> bool:
    """What is no file, such as a pipe, would be waited for."""
    mode = path.lstat().st_mode
    if stat.S_ISDIR(mode):
        return os.access(path, os.R_OK | os.X_OK)
    return stat.S_ISLNK(mode) or (stat.S_ISREG(mode) and os.access(path, os.R_OK))


if __name__ == "__main__":
    try:
        copy(Path(sys.argv[1]), Path(sys.argv[2]))
    except shutil.Error as error:  # of them all, the first says it
        sys.exit(f"error: {error.args[0][0][-1]}")
    except OSError as error:
        sys.exit(f"error: {error}")
