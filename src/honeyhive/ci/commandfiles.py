"""The runner's command files: what stands in them by the end is ours alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_NAMES = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE")


def command_files(environ: Mapping[str, str]) -> list[Path]:
    """The files that speak for the job."""
    return [Path(environ[name]) for name in _NAMES if environ.get(name)]


@contextmanager
def command_files_kept(environ: Mapping[str, str]) -> Iterator[None]:
    """Whatever is written meanwhile to the files that speak for the job is taken back.

    The user's code is told of none of them. Where it runs as our own user it finds them all the same: they lie in a
    folder that everybody knows.
    """
    before = {path: _Kept.of(path) for path in command_files(environ) if path.is_file()}
    try:
        yield
    finally:
        for path, kept in before.items():
            kept.restore(path)


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """A file as it was."""

    content: bytes
    uid: int
    gid: int
    mode: int

    @classmethod
    def of(cls, path: Path) -> _Kept:
        found = path.stat()
        return cls(content=path.read_bytes(), uid=found.st_uid, gid=found.st_gid, mode=found.st_mode & 0o7777)

    def restore(self, path: Path) -> None:
        """Make it so again, whatever stands there now."""
        with suppress(OSError):
            if not path.is_symlink() and path.is_file() and _Kept.of(path) == self:
                return
        _clear(path)
        path.write_bytes(self.content)
        path.chmod(self.mode)
        with suppress(OSError):  # only root can, and only what root writes was another's
            os.chown(path, self.uid, self.gid)


def _clear(path: Path) -> None:
    """Make room for a file at `path`, whatever stands there now."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:  # also a file: its owner may have taken away our right to write to it
        path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
