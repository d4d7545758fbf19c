"""What a gate leaves for people and for the next step: the report folder, the step summary, the outputs."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from honeyhive.errors import ReportingError

SUMMARY_LIMIT = 2**20
"""GitHub drops a step summary that is larger than this many bytes."""


def write_file(path: Path, text: str) -> None:
    """Write the whole file or nothing: what was there stays where the disk is full."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as stream:
            stream.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON for people to read too."""
    write_file(path, json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


@contextmanager
def command_files_kept(environ: Mapping[str, str]) -> Iterator[None]:
    """Whatever is written meanwhile to the files that speak for the job is taken back.

    The user's code is told of none of them, and finds them all the same: they lie in a folder that everybody knows.
    """
    names = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE")
    paths = [Path(environ[name]) for name in names if environ.get(name)]
    before = {path: path.read_bytes() for path in paths if path.is_file()}
    try:
        yield
    finally:
        for path, content in before.items():
            _clear(path)
            path.write_bytes(content)


def _clear(path: Path) -> None:
    """Make room for a file at `path`, whatever stands there now."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:  # also a file: its owner may have taken away our right to write to it
        path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)


def append_summary(markdown: str, environ: Mapping[str, str]) -> None:
    """Add to the job's summary page, where there is one; `ReportingError` where it cannot be written."""
    target = environ.get("GITHUB_STEP_SUMMARY")
    if not target:
        return
    text = f"{markdown.rstrip()}\n\n"
    try:
        written = Path(target).stat().st_size if Path(target).exists() else 0
        if written + len(text.encode("utf-8", "replace")) > SUMMARY_LIMIT:
            raise ReportingError("the step summary is full: 1 MiB", hint="the whole comment is in the report folder")
        with Path(target).open("a", encoding="utf-8", errors="replace") as stream:
            stream.write(text)
    except OSError as error:
        raise ReportingError(f"the step summary cannot be written: {error}") from error


def append_outputs(outputs: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Set the step's outputs, where there is a place for them; `ReportingError` where it cannot be written.

    Each value stands between delimiters that no value can guess:
    https://docs.github.com/actions/reference/workflow-commands-for-github-actions#multiline-strings.
    """
    target = environ.get("GITHUB_OUTPUT")
    if not target:
        return
    lines = []
    for name, value in outputs.items():
        delimiter = f"honeyhive-{secrets.token_hex(16)}"
        lines.append(f"{name}<<{delimiter}\n{value}\n{delimiter}\n")
    try:
        with Path(target).open("a", encoding="utf-8", errors="replace") as stream:
            stream.write("".join(lines))
    except OSError as error:
        raise ReportingError(f"the outputs cannot be written: {error}") from error
