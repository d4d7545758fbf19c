"""The run file that user code has left, and the spans beside it, freed of secrets before anybody reads them."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from honeyhive.ci.config import ExperimentConfig
from honeyhive.ci.edge import Edge
from honeyhive.ci.lastwords import CLEANED, LAST_WORDS, LastWords
from honeyhive.ci.outlet import OUTLET
from honeyhive.ci.publish import refuse_links
from honeyhive.ci.secrets import variable_of
from honeyhive.ci.settings import Settings
from honeyhive.documents import neutralise
from honeyhive.documents.redactor import MARK, Redactor
from honeyhive.errors import Cancelled, ConfigError, DatasetError, HoneyHiveError, RunFileError
from honeyhive.experiments.beside import open_beside
from honeyhive.experiments.datapoint import Datapoint
from honeyhive.experiments.dataset import Dataset
from honeyhive.gate.broken import Broken, Finding
from honeyhive.regular import open_regular, replaced
from honeyhive.runfile import companion
from honeyhive.runlines import MAX_LINE

UNCLEAN = ".honeyhive/unclean"
"""Beside the report, and never in it: what is uploaded, stored or sent is not taken from there."""
_BLOCK = 2**20
_LEAST = 0.5
"""Seconds, however late it is: a run of the usual size needs a part of one."""
_WAY_OUT = (
    "if it is no secret, give the variable a name that says so, such as ..._MODEL, ..._NAME or ..._VERSION; "
    "where it is the password in an address, take another password"
)


class Cleaning:
    """What a run leaves at `run_file`: without secrets once the block around the run is left, or not there any more.

    Who catches `Cancelled` calls `finish()`, for the signal may have come in the middle of it. Then there is no time to
    look at a run of any size: what is not clean by then is put where nothing is taken from, which the log says.
    """

    def __init__(self, run_file: Path, experiment: str, edge: Edge, *, words: LastWords = LAST_WORDS) -> None:
        """Of one experiment; `words` are a test's own."""
        self._run_file = run_file
        self._experiment = experiment
        self._edge = edge
        self._words = words
        self._done = False

    def __enter__(self) -> Cleaning:
        """The run is to begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """The run is over, however it has ended."""
        self.finish()

    def finish(self) -> None:
        """Take the secrets out, unless that is done; the log says how many lines had some."""
        if self._done:
            return
        until = time.monotonic() + self._words.left(CLEANED, least=_LEAST)
        with ExitStack() as unless_clean:
            unless_clean.callback(self._put_away, "the secrets cannot be taken out of its run")
            try:
                found = clean_run(self._run_file, OUTLET.redactor, until=until)
            except OutOfTimeError:
                unless_clean.pop_all()
                self._put_away("there was no time to take the secrets out of its run")
                return
            except Cancelled:  # who catches it comes here again
                unless_clean.pop_all()
                raise
            unless_clean.pop_all()
        self._done = True
        if found:
            lines = "a line" if found == 1 else f"{found:,} lines"
            self._say(f"{lines} of its run held a secret, which is {MARK} from here on")

    def _put_away(self, why: str) -> None:
        where = f"it lies in {UNCLEAN}, which only its owner can open"
        try:
            self._move()
        except (OSError, HoneyHiveError):  # rather no run than one that tells
            for path in _files(self._run_file):
                path.unlink(missing_ok=True)
            where = "it is gone"
        self._done = True
        self._say(f"{why}: {where}")

    def _move(self) -> None:
        beside = self._edge.report_dir.parent
        refuse_links(beside / UNCLEAN, beside)
        (beside / UNCLEAN).mkdir(parents=True, exist_ok=True)
        (beside / UNCLEAN).chmod(0o700)
        for path in _files(self._run_file):
            if os.path.lexists(path):
                path.replace(beside / UNCLEAN / f"{self._experiment}.{path.name}")

    def _say(self, text: str) -> None:
        self._edge.echo(neutralise(f"{self._experiment}: {text}"))


class OutOfTimeError(Exception):
    """Not all of it could be looked at in the time that there is."""


def without_secrets(finding: Finding) -> Finding:
    """The finding; what went wrong is told in words of the user's code, before anybody shortens them."""
    if not isinstance(finding, Broken):
        return finding
    said = {"title": finding.title, "message": finding.message, "hint": finding.hint, "file": finding.file}
    return replace(finding, details=tuple(map(OUTLET.clean, finding.details)), **OUTLET.clean_value(said))


def refuse_secrets(config: ExperimentConfig, settings: Settings, environ: Mapping[str, str]) -> None:
    """`InputError` where a dataset or a name holds a secret: taken out of the run, it would be another one's.

    It names the variable, and what to do.
    """

    def whose(text: bytes) -> str:
        name = variable_of(text, environ, settings.pass_env)
        return f"a secret of this job, the value of {name}" if name else "a secret of this job"

    names = [config.name, *config.evaluators, *(rule.metric.name for rule in config.parsed_thresholds())]
    for name in names:
        if OUTLET.redactor.finds(name.encode()):
            message = f"experiment {config.name}: a name in it is {whose(name.encode())}"
            raise ConfigError(message, file=settings.config_file, hint=f"take another name; {_WAY_OUT}")
    found = _first_with_secret(settings.directory / config.dataset)
    if found is not None:
        line, row = found
        hint = f"take the value out of it, and no longer use that anywhere; {_WAY_OUT}"
        raise DatasetError(f"holds {whose(row)}", file=config.dataset, line=line, hint=hint)


def rows_with_secrets(dataset: Dataset) -> tuple[str, ...]:
    """The ids of its datapoints that hold one, wherever."""
    redactor = OUTLET.redactor
    if not redactor.secrets:
        return ()

    def holds(point: Datapoint) -> bool:
        content = [point.id, point.inputs, point.ground_truth, list(point.tags), point.metadata]
        return bool(redactor.value(content) != content)

    return tuple(point.id for point in dataset if holds(point))


def _first_with_secret(dataset: Path) -> tuple[int, bytes] | None:
    line = 1
    with suppress(OSError), os.fdopen(open_regular(dataset), "rb") as stream:  # what cannot be read was refused before
        for block in _blocks(stream):
            if OUTLET.redactor.finds(block):
                rows = enumerate(block.splitlines(keepends=True))
                number, row = next(((at, row) for at, row in rows if OUTLET.redactor.finds(row)), (0, block))
                return line + number, row
            line += block.count(b"\n")
    return None


def clean_run(run_file: Path, redactor: Redactor, *, until: float = math.inf) -> int:
    """Take the secrets out of a run file and its spans; in how many lines there were some.

    A file without any is left as it is. One that is none, such as a link, is left to those who refuse it. Raises
    `RunFileError` where a secret is found and cannot be taken out, and `OutOfTimeError` `until` when it is not done.
    """
    return sum(_clean(path, redactor, until) for path in _files(run_file))


def _files(run_file: Path) -> tuple[Path, Path]:
    return run_file, companion(run_file, "spans")


def _clean(path: Path, redactor: Redactor, until: float) -> int:
    if not redactor.secrets:
        return 0
    try:
        stream = os.fdopen(open_beside(path, os.O_RDONLY), "rb")
    except (OSError, HoneyHiveError):
        return 0
    try:
        with stream:
            found = any(redactor.finds(block) for block in _in_time(_blocks(stream), until))
            return _rewrite(path, stream, redactor, until) if found else 0
    except OSError as error:
        message = f"a secret in it cannot be taken out: {error.strerror or error}"
        path.unlink(missing_ok=True)  # rather no run than one that tells
        raise RunFileError(message, file=str(path), hint="see to the disk, and run again") from error


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    """The file in pieces that end where lines do: to look at each line alone would take three times as long."""
    while block := stream.read(_BLOCK):
        yield block + stream.readline(MAX_LINE)


def _in_time(pieces: Iterable[bytes], until: float) -> Iterator[bytes]:
    for piece in pieces:
        if time.monotonic() > until:
            raise OutOfTimeError
        yield piece


def _rewrite(path: Path, stream: BinaryIO, redactor: Redactor, until: float) -> int:
    """Put the clean file in the place of the other, all of it or nothing, for the same owner to read."""
    stream.seek(0)
    was, changed = os.fstat(stream.fileno()), 0
    with replaced(path, mode=was.st_mode & 0o777) as clean:
        for line in _in_time(iter(lambda: stream.readline(MAX_LINE), b""), until):
            kept = redactor.json_line(line)
            changed += kept != line
            clean.write(kept)
        if os.geteuid() == 0:
            os.fchown(clean.fileno(), was.st_uid, was.st_gid)
    return changed
