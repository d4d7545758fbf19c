"""What a gate leaves for people and for the next step: the report folder, the step summary, the outputs."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from honeyhive.ci.outlet import OUTLET
from honeyhive.errors import ReportingError
from honeyhive.regular import replaced

SUMMARY_LIMIT = 2**20
"""GitHub drops a step summary that is larger than this many bytes."""


def write_file(path: Path, text: str, *, inside: Path | None = None) -> None:
    """Write the whole file or nothing: what was there stays where the disk is full.

    With `inside`, `ReportingError` where a folder below that one is a link: it is the change that has put it there.
    """
    if inside is not None:
        refuse_links(path.parent, inside)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as stream:
        stream.write(OUTLET.clean(text).encode("utf-8", "replace"))


def write_json(path: Path, value: Any, *, inside: Path | None = None) -> None:
    """Write a value as JSON for people to read too, as `write_file()` does."""
    text = json.dumps(OUTLET.clean_value(value), ensure_ascii=False, indent=2, allow_nan=False)
    write_file(path, text + "\n", inside=inside)


def refuse_links(folder: Path, inside: Path) -> None:
    """`ReportingError` where the folder, or one around it below `inside`, is a link: it may lead anywhere."""
    for place in (folder, *folder.parents):
        if place == inside:
            return
        if place.is_symlink():
            raise ReportingError("is a link, and nothing is written through it", file=str(place), hint="move it away")


def _append(target: str, text: str) -> None:
    """Add the whole text or nothing: of half an output a runner makes what nobody has said."""
    content = text.encode("utf-8", "replace")
    with Path(target).open("ab", buffering=0) as stream:
        before = os.fstat(stream.fileno()).st_size
        try:
            while content:
                content = content[stream.write(content) :]
        except OSError:
            with suppress(OSError):
                stream.truncate(before)
            raise


def append_summary(markdown: str, environ: Mapping[str, str]) -> None:
    """Add to the job's summary page, where there is one; `ReportingError` where it cannot be written."""
    target = environ.get("GITHUB_STEP_SUMMARY")
    if not target:
        return
    text = f"{OUTLET.clean(markdown).rstrip()}\n\n"
    try:
        written = Path(target).stat().st_size if Path(target).exists() else 0
        if written + len(text.encode("utf-8", "replace")) > SUMMARY_LIMIT:
            raise ReportingError("the step summary is full: 1 MiB", hint="the whole comment is in the report folder")
        _append(target, text)
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
        lines.append(f"{name}<<{delimiter}\n{OUTLET.clean(value)}\n{delimiter}\n")
    try:
        _append(target, "".join(lines))
    except OSError as error:
        raise ReportingError(f"the outputs cannot be written: {error}") from error
