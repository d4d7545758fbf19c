"""What is closed to everybody but its owner while the user's code runs: where a job keeps what it may act by.

The owner, a runner's user, can read all of it throughout: a gate that is killed leaves nothing that is lost to it.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from honeyhive.ci.commandfiles import command_files
from honeyhive.ci.ownership import Identity, identity
from honeyhive.errors import InputError

_CAREFUL = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_RUNNER_TEMP = Path("/github/runner_temp")
"""Where a container sees the runner's temporary folder, in which actions/checkout leaves its token."""
_MOST_CONFIG = 2**20
MOST_FOLDERS = 100_000
"""How many folders of a workspace are looked through for checkouts: a few seconds."""
_CREDENTIAL = re.compile(r"extraheader|://[^/\s]*@|^\s*\[\s*credential|^\s*helper\s*=|sshcommand", re.IGNORECASE | re.M)
_PATH = re.compile(r"^\s*path\s*=\s*(?P<path>.+?)\s*$", re.IGNORECASE | re.M)


@contextmanager
def closed(paths: Iterable[Path], *, reached: Sequence[Path]) -> Iterator[frozenset[Identity]]:
    """Nobody but their owner, and root, opens these files and folders until the block is left; a link is left alone.

    The block gets what they are, so that none is given to another owner meanwhile, by whatever name. `reached` is what
    the user's code has to get at all the same: `InputError` where that lies inside of one of them.
    """
    found: set[Identity] = set()
    with ExitStack() as stack:
        for path in dict.fromkeys(paths):
            inside = next((place for place in reached if place.is_relative_to(path)), None)
            if inside is not None:
                raise InputError(
                    f"{path} cannot be closed to your code, which needs {inside}",
                    hint="keep the workspace and TMPDIR apart from the home and the temporary folder of the job",
                )
            found.update(stack.enter_context(_closed(path)))
        yield frozenset(found)


@contextmanager
def _closed(path: Path) -> Iterator[tuple[Identity, ...]]:
    """By its descriptor: what is opened again afterwards is what was closed, wherever it stands by then."""
    if path.is_symlink() or not path.exists():
        yield ()
        return
    try:
        descriptor = os.open(path, _CAREFUL)
        found = os.fstat(descriptor)
        mode = found.st_mode & 0o7777
        os.fchmod(descriptor, mode & 0o700)
    except OSError as error:
        raise InputError(
            f"{path} cannot be closed to your code: {error.strerror}", hint="see who owns it, and how it is mounted"
        ) from error
    try:
        yield (identity(found),)
    finally:
        os.fchmod(descriptor, mode)
        os.close(descriptor)


def places_of_the_job(environ: Mapping[str, str], workspace: Path, reached: Sequence[Path] = ()) -> Iterator[Path]:
    """The folders in which a job keeps what it may act by: its command files, its home, its temporary folder.

    Of a folder of command files that the user's code has to get through it is the files alone.
    """
    needed = (*reached, Path(os.devnull))
    for path in command_files(environ):
        if not any(place.is_relative_to(path.parent) for place in needed):
            yield path.parent
        elif path.is_file():  # and no device
            yield path
    home = Path(environ.get("HOME") or "/")
    if not workspace.is_relative_to(home):
        yield home
    yield _RUNNER_TEMP
    if environ.get("RUNNER_TEMP"):
        yield Path(environ["RUNNER_TEMP"])


@dataclass(frozen=True, kw_only=True)
class Checkouts:
    """Every `.git`, folder or file, in a workspace; `all_seen` unless that has more folders than are looked through."""

    places: tuple[Path, ...]
    all_seen: bool


def checkouts(workspace: Path, *, most: int = MOST_FOLDERS) -> Checkouts:
    """What git has in a workspace, the nearest first, without following a link."""
    waiting, places, seen = deque([workspace]), [], 0
    while waiting and seen < most:
        seen += 1
        for entry in _entries(waiting.popleft()):
            if entry.name == ".git":
                places.append(Path(entry.path))
            elif entry.name != "node_modules" and entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
    return Checkouts(places=tuple(places), all_seen=not waiting)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:  # not for us to read: then, as we are root or the job's user, not for the code either
        return []


def credential_files(places: Iterable[Path]) -> tuple[Path, ...]:
    """The configurations of git in these that hold a credential, and the files that one of them includes."""
    found: list[Path] = []
    for place in places:
        folder = _git_folder(place)
        for config in (folder / "config", *folder.glob("modules/**/config"), *folder.glob("worktrees/*/config*")):
            found += _credentials(config)
    return tuple(dict.fromkeys(found))


def _git_folder(place: Path) -> Path:
    """Where git keeps its things: a linked worktree and a submodule have a file in the place of the folder."""
    named = re.match(r"gitdir: (.+)", (_text(place) or "") if place.is_file() else "")
    if named is None:
        return place
    folder = place.parent / named[1]
    return folder.parent.parent if folder.parent.name == "worktrees" else folder


def _credentials(config: Path) -> Iterator[Path]:
    text = _text(config)
    if text is None or _CREDENTIAL.search(text):
        yield config
    for written in _PATH.findall(text or ""):
        included = config.parent / Path(written.strip('"')).expanduser()
        if included.is_file():
            yield included.resolve()


def _text(config: Path) -> str | None:
    """What it says; `None` where nobody can tell, and nothing where there is no such file."""
    try:
        with os.fdopen(os.open(config, _CAREFUL), "rb") as stream:
            content = stream.read(_MOST_CONFIG + 1)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError:
        return None
    return content.decode("utf-8", "replace") if len(content) <= _MOST_CONFIG else None
