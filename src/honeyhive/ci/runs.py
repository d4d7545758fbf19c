"""Run files that somebody names: read, and refused where they are not whole."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from honeyhive.errors import InputError, NoDecisionError, RunFileError
from honeyhive.regular import is_vast
from honeyhive.result import Failed, RunResult
from honeyhive.runfile import read_run


def read_whole_run(path: Path) -> RunResult:
    """The run at `path`; `RunFileError` where it was never finished."""
    run = read_run(path)
    if not run.complete:
        finished = sum(1 for _ in run.outcomes)
        raise RunFileError(
            f"the run is incomplete: {finished:,} of {run.expected:,} outcomes",
            file=str(path),
            hint=_finish(path),
        )
    return run


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A baseline that has been read and found whole, and what its file was then."""

    run: RunResult
    path: Path
    sha256: str

    def unchanged(self) -> RunResult:
        """The run, as it was read; `NoDecisionError` where somebody, the user's code perhaps, has written to it."""
        if not self._is_as_it_was():
            raise NoDecisionError(
                "the baseline was changed while the experiment ran",
                file=str(self.path),
                hint="your code may not write to it; run again",
            )
        return self.run

    def _is_as_it_was(self) -> bool:
        try:
            return self.path.is_file() and _sha256(self.path) == self.sha256
        except RunFileError:
            return False


def read_baseline(path: Path) -> Baseline:
    """A baseline that can be held against something; `NoDecisionError` where it is damaged or was never finished."""
    if not path.exists():
        raise InputError(
            "there is no such baseline",
            file=str(path),
            hint=f"make it on the default branch: honeyhive run --out {path}",
        )
    try:
        run = read_run(path)
        before = _sha256(path)
        finished, failed = 0, 0
        for outcome in run.outcomes:
            finished, failed = finished + 1, failed + isinstance(outcome, Failed)
    except RunFileError as error:
        raise NoDecisionError(
            f"the baseline cannot be read: {error.message}",
            file=error.file,
            line=error.line,
            hint="make it anew: honeyhive run",
        ) from error
    if not run.complete:
        raise NoDecisionError(
            f"the baseline is incomplete: {finished:,} of {run.expected:,} outcomes",
            file=str(path),
            hint=f"{_finish(path)}, or give another",
        )
    if finished == failed:
        raise NoDecisionError(
            f"the baseline is of no use: all {finished:,} of its datapoints went wrong",
            file=str(path),
            hint="mend what went wrong there, and make it anew: honeyhive run",
        )
    return Baseline(run=run, path=path, sha256=before)


def refuse_same_run(paths: Sequence[Path]) -> None:
    """Raise `InputError` where a file, or a copy of it, is given twice: it tells nothing of chance."""
    seen: dict[str, Path] = {}
    for path in paths:
        first = seen.setdefault(_sha256(path), path)
        if first is not path:
            raise InputError(
                f"the same run as {first}: held against itself, a run tells nothing of chance",
                file=str(path),
                hint="run the same code on the same dataset again: honeyhive run --out FILE",
            )


def _finish(path: Path) -> str:
    return f"finish it with `honeyhive run --resume --out {path}`, and what it was begun with"


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        if is_vast(stream.fileno()):
            raise RunFileError("no run is as large as that", file=str(path), hint="see what has made it so")
        return hashlib.file_digest(stream, "sha256").hexdigest()
