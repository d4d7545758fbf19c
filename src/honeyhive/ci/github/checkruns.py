"""What a check run says, within what GitHub takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from honeyhive.ci.commands import Annotation, Level

LONGEST_SUMMARY = 65_535
LONGEST_TITLE = 255
LONGEST_MESSAGE = 16_000
"""GitHub takes 64 KB, and a character may be four bytes."""
MOST_ANNOTATIONS = 50

Conclusion = Literal["action_required", "cancelled", "failure", "neutral", "success", "skipped", "timed_out"]

_LEVELS: Mapping[Level, str] = {Level.ERROR: "failure", Level.WARNING: "warning", Level.NOTICE: "notice"}


def beginning(name: str, head_sha: str, *, details_url: str | None, external_id: str | None) -> dict[str, Any]:
    """One that is in progress, on that commit."""
    named = {"details_url": details_url, "external_id": external_id}
    body = {"name": name, "head_sha": head_sha, "status": "in_progress"}
    return body | {key: value for key, value in named.items() if value is not None}


def ending(conclusion: Conclusion, *, title: str, summary: str, annotations: Sequence[Annotation]) -> dict[str, Any]:
    """One that has come to its end. What is longer than GitHub takes is cut: a check that never ends is worse."""
    placed = [_annotation(one) for one in annotations if one.file is not None]
    output = {
        "title": title[:LONGEST_TITLE],
        "summary": summary[:LONGEST_SUMMARY],
        "annotations": placed[:MOST_ANNOTATIONS],
    }
    return {"status": "completed", "conclusion": conclusion, "output": output}


def _annotation(annotation: Annotation) -> dict[str, Any]:
    line = max(annotation.line or 1, 1)
    where = {"path": annotation.file, "start_line": line, "end_line": line}
    what = {"annotation_level": _LEVELS[annotation.level], "message": annotation.message[:LONGEST_MESSAGE] or "·"}
    return where | what | {"title": annotation.title[:LONGEST_TITLE]}
