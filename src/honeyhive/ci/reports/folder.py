"""The report folder: what a job leaves for one that may comment, and what that one takes from it.

The folder may come from a fork, that is from anybody: whatever is no plain file of a plain name, does not have the
digest that is listed for it, or is larger than a report gets, is refused.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader
from itertools import islice
from pathlib import Path

from honeyhive.ci.outlet import OUTLET
from honeyhive.ci.publish import write_file
from honeyhive.ci.reports.report import Report
from honeyhive.ci.reports.report_json import MOST_BYTES, MOST_FILES, Listed, parse_report, report_text
from honeyhive.documents import in_one_line
from honeyhive.errors import InputError, ReportingError
from honeyhive.experiments.beside import open_beside

REPORT = "report.json"
MOST_TOTAL = 200 * 2**20
"""How many bytes of files a report may list. A run that is larger is not listed: nobody needs it to post."""
MOST_REPORTS, MOST_ENTRIES, DEEPEST = 100, 1_000, 4
"""How many reports one workflow run may hand on, among how many folders, and how deep in them."""
_OF_EXPERIMENT = ("comparison.json", "run.jsonl", "run.spans.jsonl")
_OF_ALL = "comment.md"
_HINT = "the workflow that ran the gate uploads its report folder as it is, and adds nothing to it"
_HOW_TO_GET = (
    "let the gate's workflow upload honeyhive-report with actions/upload-artifact, `if: always()`, and this one fetch "
    "it with actions/download-artifact: `run-id: ${{ github.event.workflow_run.id }}`, `github-token`, and as `path` "
    "the folder"
)


# --- writing ---------------------------------------------------------------------------------------------------------


def write_report(report: Report, folder: Path) -> Path:
    """Write `report.json` into `folder`, listing the report's files that are there; the path of what was written.

    These are in `folder`, or in one that has the experiment's name. Raises `ReportingError` where one of them cannot be
    opened as a file, or the report is too large, or nothing that `read_report` would take.
    """
    text = OUTLET.clean(report_text(report, tuple(_listed(report, folder))))
    try:
        parse_report(text)
    except InputError as error:
        raise ReportingError(
            f"the report cannot be handed on: {error.message}", hint="the verdict stands all the same"
        ) from error
    path = folder / REPORT
    write_file(path, text, inside=folder.parent)
    return path


def _listed(report: Report, folder: Path) -> Iterator[Listed]:
    """The files that belong to the report, as long as they fit."""
    places = ["", *(f"{finding.experiment}/" for finding in report.findings)]
    total = 0
    for name in [_OF_ALL, *(f"{place}{name}" for place in places for name in _OF_EXPERIMENT)]:
        try:
            size, digest = _measured(folder / name, MOST_TOTAL - total)
        except FileNotFoundError:
            continue
        if digest is not None:
            total += size
            yield Listed.model_construct(path=name, size=size, sha256=digest)  # checked with the rest of the text


def _measured(path: Path, most: int) -> tuple[int, str | None]:
    """Size and digest of the file at `path`; without the digest where it has more than `most` bytes."""
    with os.fdopen(open_beside(path, os.O_RDONLY), "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        return size, hashlib.file_digest(stream, "sha256").hexdigest() if size <= most else None


# --- reading ---------------------------------------------------------------------------------------------------------


def find_reports(root: Path) -> tuple[Path, ...]:
    """The folders that hold a report: `root`, or some below it, one for each artifact that was downloaded.

    Raises `InputError` that says how they get there where there is none.
    """
    if not root.is_dir():
        raise InputError("there is no such folder", file=_named(root), hint=_HOW_TO_GET)
    found = sorted(_with_report(root))
    if not found:
        raise InputError(f"there is no {REPORT} in it, nor in a folder below", file=_named(root), hint=_HOW_TO_GET)
    if len(found) > MOST_REPORTS:
        raise _refused(root, f"{len(found)} reports, where {MOST_REPORTS} are the most")
    return tuple(found)


def _with_report(root: Path) -> Iterator[Path]:
    waiting, seen = [(root, 0)], 0
    while waiting:
        folder, depth = waiting.pop()
        entries = _entries(folder)
        if any(entry.name == REPORT for entry in entries):
            yield folder
            continue
        below = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
        seen += len(below)
        if seen > MOST_ENTRIES:
            raise _refused(root, f"holds more than {MOST_ENTRIES:,} folders")
        if depth < DEEPEST:
            waiting += [(Path(entry.path), depth + 1) for entry in below]


def read_report(folder: Path) -> Report:
    """The report in `folder`, with every file that it lists found to be there and as listed.

    Nothing else in the folder is opened. Raises `InputError` that names the file and what is wrong with it.
    """
    _refuse_strange(folder)
    path = folder / REPORT
    with _opened(path) as stream:
        content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise _refused(path, f"has more than {MOST_BYTES:,} bytes")
    try:
        report, files = parse_report(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _refused(path, "not UTF-8") from error
    except InputError as error:
        message = in_one_line(error.message)  # it may name keys of theirs
        raise InputError(message, hint=error.hint, file=_named(path), line=error.line, column=error.column) from error
    _check(files, folder)
    return report


def _refuse_strange(folder: Path) -> None:
    """Refuse what is neither a folder nor a file, such as a link, and more files than a report has."""
    waiting, files, folders = [folder], 0, 0
    while waiting:
        for entry in _entries(waiting.pop()):
            path = Path(entry.path)
            if entry.is_symlink():
                raise _refused(path, "is a link")
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)
                folders += 1
            elif entry.is_file(follow_symlinks=False):
                files += 1
            else:
                raise _refused(path, "is no regular file")
        if max(files, folders) > MOST_FILES:
            raise _refused(folder, f"holds more than {MOST_FILES} files")


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            found = list(islice(entries, MOST_ENTRIES + 1))
    except OSError as error:
        raise _refused(folder, f"cannot be read: {error.strerror}") from error
    if len(found) > MOST_ENTRIES:
        raise _refused(folder, f"holds more than {MOST_ENTRIES:,} files")
    return found


def _check(files: Sequence[Listed], folder: Path) -> None:
    """Every file that is listed is there, once, and is what the list says."""
    if sum(file.size for file in files) > MOST_TOTAL:
        raise _refused(folder, f"its files have more than {MOST_TOTAL:,} bytes")
    seen: set[str] = set()
    for file in files:
        path = folder / file.path
        if file.path in seen:
            raise _refused(path, f"listed twice in {REPORT}")
        seen.add(file.path)
        with _opened(path) as stream:
            if os.fstat(stream.fileno()).st_size != file.size:
                raise _refused(path, f"does not have the {file.size:,} bytes that {REPORT} lists")
            if hashlib.file_digest(stream, "sha256").hexdigest() != file.sha256:
                raise _refused(path, f"does not have the digest that {REPORT} lists")


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    try:
        descriptor = open_beside(path, os.O_RDONLY)
    except FileNotFoundError:
        raise _refused(path, "is not there") from None
    except ReportingError as error:
        raise _refused(path, error.message) from error
    with os.fdopen(descriptor, "rb") as stream:
        yield stream


def _refused(path: Path, message: str) -> InputError:
    return InputError(message, file=_named(path), hint=_HINT)


def _named(path: Path) -> str:
    """The path for a message: whoever packed the folder has chosen the names in it."""
    return in_one_line(str(path))
