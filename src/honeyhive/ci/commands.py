"""Workflow commands of the GitHub runner: ours written safely, everybody else's made harmless.

The runner reads commands from the output of a step: `::name key=value::text` at the start of a line (after white
space), and the older `##[name]text` anywhere in it.
See https://docs.github.com/actions/reference/workflow-commands-for-github-actions.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from honeyhive.documents import neutralise
from honeyhive.errors import HoneyHiveError

_MAX_MESSAGE = 4_000


class Level(StrEnum):
    """How loud an annotation is."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """One thing that the job page should show, and where in the repository it belongs."""

    level: Level
    title: str
    message: str
    file: str | None = None
    line: int | None = None

    def command(self) -> str:
        """For the runner: one line, whatever the text."""
        properties = {"title": self.title, "file": self.file or "", "line": "" if self.line is None else str(self.line)}
        written = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
        return f"::{self.level.value} {written}::{_data(self.message[:_MAX_MESSAGE])}"

    def plain(self) -> str:
        """For a person at a terminal."""
        return f"{self.level.value}: {self.title}: {neutralise(_printable(self.message))}"


def error_annotation(error: HoneyHiveError) -> Annotation:
    """An error of ours: where, what, and the way out."""
    hint = f" — {error.hint}" if error.hint else ""
    place = f"{error.place}: " if error.place else ""
    message = f"{place}{error.message}{hint}"
    return Annotation(level=Level.ERROR, title=error.title, message=message, file=error.file, line=error.line)


def _printable(text: str) -> str:
    """What a terminal would obey, and what is no character at all, as a space each."""
    return "".join(char if char.isprintable() or char in "\r\n" else " " for char in text)


def _data(text: str) -> str:
    return _printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
