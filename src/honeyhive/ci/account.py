"""The user that the user's code runs as, where we may choose: one who owns nothing of the job and can read no more.

We may where we are root and the system knows the user, as in our image. Elsewhere the code runs as ourselves, and what
another user could not do is not kept from it.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from honeyhive.ci.lastwords import LAST_WORDS
from honeyhive.ci.ownership import Identity, Owner, give_folder, identity, open_below
from honeyhive.documents import shown
from honeyhive.errors import ConfigError, InputError

USER = "honeyhive-experiment"
MOST_PROCESSES = 4096
"""Processes and threads of the account, all experiments on a machine together."""
OURS = (".honeyhive", "honeyhive-report")
"""What a gate leaves in the workspace."""
WAY_OUT = (
    "your code runs as a user of its own, who reads what everybody may (chmod -R o+rX, or umask 022 for the runner) "
    "and writes to temporary folders and those that `writable` names"
)
"""What to do about whatever it is not allowed."""
_EVENT = "GITHUB_EVENT_PATH"
_MOST_EVENT = 8 * 2**20
_REMOVED = 10.0
"""Seconds for taking away what the account has left."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """A user of the system with a home and a scratch of its own, both in `folder`, which is ours."""

    owner: Owner
    folder: Path
    kept: frozenset[Identity] = frozenset()
    """What is closed to it, and not given to it with the folder that it is in."""

    @property
    def home(self) -> Path:
        """Where tools keep what they need again: the packages that uv has fetched, for one."""
        return self.folder / "home"

    @property
    def scratch(self) -> Path:
        """Its folder for temporary files."""
        return self.folder / "scratch"

    @property
    def process(self) -> dict[str, Any]:
        """What `subprocess` has to be told for a process to be its own."""
        return {"user": self.owner.uid, "group": self.owner.gid, "extra_groups": [], "umask": 0o022}

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The environment as its processes have it."""
        own = {"HOME": str(self.home), "TMPDIR": str(self.scratch), "USER": USER, "LOGNAME": USER}
        event = {_EVENT: str(self.folder / "event.json")} if (self.folder / "event.json").exists() else {}
        return {**environ, **own, **event}

    def make_folder(self, place: Path) -> Path:
        """Make an empty folder that belongs to the account, in one of ours."""
        place.mkdir(mode=0o755)
        os.chown(place, self.owner.uid, self.owner.gid)
        return place

    def make_file(self, place: Path) -> None:
        """Make an empty file that belongs to the account, and replace what is there; nobody else can put one there."""
        place.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(place, flags, 0o644)
        try:
            os.fchown(descriptor, self.owner.uid, self.owner.gid)
        finally:
            os.close(descriptor)

    def hand_over(self, content: bytes, name: str) -> Path:
        """Where the account finds this, to be read."""
        folder = Path(tempfile.mkdtemp(prefix="passed-", dir=self.folder))
        folder.chmod(0o711)
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o644)
        return folder / name

    @contextmanager
    def given(self, top: Path, places: Sequence[str]) -> Iterator[None]:
        """These folders below `top` belong to the account, and to their owner again after the block, with all in them.

        What git keeps in them, and what is closed, is not given away. One that is not there is made. `ConfigError`
        where a link leads there.
        """
        with ExitStack() as stack:
            back = Owner.of(top)
            for place in places:
                descriptor = self._opened(top, place)
                stack.callback(os.close, descriptor)
                if identity(os.fstat(descriptor)) in self.kept:
                    raise _not_given(place, "it is closed to it", "name a folder that is its own")
                stack.callback(give_folder, descriptor, back, which=self.owner.owns)
                give_folder(descriptor, self.owner, kept=self._is_kept)
            yield

    def _is_kept(self, name: str, found: os.stat_result) -> bool:
        return name.lower() == ".git" or identity(found) in self.kept

    def _opened(self, top: Path, place: str) -> int:
        try:
            return open_below(top, place, make=Owner.of(top))
        except OSError as error:
            hint = "it has to be a folder of the workspace, and no link on the way there"
            raise _not_given(place, str(error.strerror), hint) from error


def _not_given(place: str, why: str, hint: str) -> ConfigError:
    return ConfigError(f"writable: {shown(place)} cannot be given to your code: {why}", hint=hint)


@dataclass(frozen=True, kw_only=True)
class NoAccount:
    """There is no such user, or we may not become it."""

    why: str


@contextmanager
def account_of_experiments(environ: Mapping[str, str]) -> Iterator[Account | NoAccount]:
    """The account, with an empty home and scratch that are taken away after the block; or why there is none."""
    owner = _known()
    if owner is None:
        yield NoAccount(why="in the container it has a user of its own")
        return
    with own_folder() as folder:
        account = Account(owner=owner, folder=folder)
        try:
            _try(account)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EINVAL):  # the latter: a user namespace does not have it
                raise
            yield NoAccount(why=f"root may not change users here: {os.strerror(error.errno)}")
            return
        _copy_event(environ, account.folder / "event.json")
        yield account


@contextmanager
def own_folder(within: Path | None = None) -> Iterator[Path]:
    """A folder for the account's things; what it holds in the end may be very much, and deeper than Python can go.

    So it is not taken away for long, and not once the job was stopped: the container will be gone, and it as well.
    """
    folder = Path(tempfile.mkdtemp(prefix="honeyhive-account-", dir=within))
    try:
        yield folder
    finally:
        if not LAST_WORDS.begun:
            command = ["/bin/rm", "-rf", "--", str(folder)]
            with suppress(subprocess.TimeoutExpired):
                subprocess.run(command, check=False, timeout=_REMOVED, stderr=subprocess.DEVNULL)  # noqa: S603 - ours


def _try(account: Account) -> None:
    """Make its folders and start a process that is its own: not every root may."""
    account.folder.chmod(0o711)
    for place in (account.home, account.scratch):
        account.make_folder(place)
        place.chmod(0o700)
    command = [sys.executable, "-I", "-S", "-c", ""]
    subprocess.run(command, check=True, env={}, cwd="/", **account.process)  # noqa: S603 - ours


def _known() -> Owner | None:
    """The user, where there is one and we may become it."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    import pwd  # noqa: PLC0415 - not on every system

    try:
        found = pwd.getpwnam(USER)
    except KeyError:
        return None
    return Owner(uid=found.pw_uid, gid=found.pw_gid)


def _copy_event(environ: Mapping[str, str], into: Path) -> None:
    """The event for the account to read: a runner keeps it among what is closed."""
    path = Path(environ.get(_EVENT) or "/")
    with suppress(OSError):
        if path.is_file() and path.stat().st_size <= _MOST_EVENT:
            into.write_bytes(path.read_bytes())
            into.chmod(0o644)


def refuse_unreachable(directory: Path, account: Account) -> None:
    """`InputError` where the account cannot get into the folder that its code is to run in."""
    for place, needed in ((directory, 0o5), *((parent, 0o1) for parent in directory.parents)):
        found = place.stat()
        if account.owner.owns(found):
            raise InputError(
                f"{place} belongs to the user that your code runs as ({account.owner.uid})",
                hint="let the workspace belong to the runner's user",
            )
        if found.st_mode & needed != needed:
            raise InputError(
                f"your code cannot get at {place}: it runs as a user of its own",
                hint="let everybody read the workspace: chmod -R o+rX, or umask 022 for the runner",
            )


def refuse_places(places: Sequence[str]) -> None:
    """`ConfigError` for what is no folder of the workspace, or one that your code must not write to."""
    for place in places:
        parts = Path(place).parts
        if not parts or Path(place).is_absolute() or ".." in parts or "\0" in place:
            raise ConfigError(
                f"writable: {shown(place)} is no folder inside of the workspace", hint="name one, such as `build`"
            )
        if any(part.lower() in (".git", *OURS) for part in parts):
            raise ConfigError(
                f"writable: {shown(place)} is never given to your code", hint="name a folder that is its own"
            )
