"""`template` in honeyhive.yml: its text, the process that shows it, and what is said where it cannot be used.

Whatever goes wrong with it, the comment is ours then and says so; the verdict is none of its affair.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from honeyhive.ci.commands import Annotation, Level
from honeyhive.ci.rules.own_gate import code
from honeyhive.ci.settings import Settings
from honeyhive.ci.whereabouts.surroundings import Surroundings
from honeyhive.errors import Cancelled, HoneyHiveError
from honeyhive.experiments.beside import open_beside
from honeyhive.gate.comment import without_delimiters
from honeyhive.gate.custom import BLOCKS, CustomTemplateError, check
from honeyhive.gate.markdown import one_line

MOST_BYTES = 256 * 1024
PATIENCE = 10.0
"""Seconds that compiling may take, and showing."""

_LONGEST_FAULT = 300
_LONGEST_ANSWER = 100 * 2**20
_NO_ANSWER = "its process does not answer"


@dataclass
class Template:
    """A template that is ready to be shown, or why it cannot be; `name` is `None` where nobody has asked for one."""

    name: str | None = None
    fault: str | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def note(self) -> str:
        """What is said in the comment where it is not used."""
        return f"the template {code(self.name or '')} is not used, this is the usual comment: {self.fault}"

    @property
    def annotations(self) -> tuple[Annotation, ...]:
        """The warning where it is not used."""
        if self.fault is None:
            return ()
        return (Annotation(level=Level.WARNING, title="Template not used", message=self.note, file=self.name),)

    def blocks(self, asked: Sequence[Mapping[str, Any]]) -> list[dict[str, str]] | None:
        """What it says of each experiment, by block, `None` where it is not used: `fault` then says why."""
        if self._process is None or self.fault is not None:
            return None
        try:
            return _checked(_exchanged(self._process, asked).get("blocks"), len(asked))
        except CustomTemplateError as error:
            self.fault = _in_a_line(error)
            return None

    # --- its process --------------------------------------------------------------------------------------------------

    def start(self, source: str) -> None:
        """Begin the process and let it compile the template: none of the user's code may have run before."""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-m", "honeyhive.ci.template_process"],
            env={},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        told = {"source": source, "name": self.name}
        if not _exchanged(self._process, told).get("ready"):
            raise CustomTemplateError(_NO_ANSWER)

    def end(self) -> None:
        """End the process with all that it may have begun."""
        if self._process is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self._process = None


@contextmanager
def template_of(settings: Settings, around: Surroundings) -> Iterator[Template]:
    """The template that the settings name, read and compiled; its process is gone after the block."""
    template = Template(name=settings.template)
    try:
        if settings.template is not None:
            _begin(template, settings.directory / settings.template, around)
        yield template
    finally:
        template.end()


def _begin(template: Template, path: Path, around: Surroundings) -> None:
    try:
        template.start(_read(path, around))
    except CustomTemplateError as error:
        template.fault = _in_a_line(error)
    except Cancelled:
        raise
    except (HoneyHiveError, OSError) as error:
        template.fault = _in_a_line(error.message if isinstance(error, HoneyHiveError) else f"cannot be read: {error}")
    if template.fault is not None:
        template.end()


def _read(path: Path, around: Surroundings) -> str:
    """The template as the base of a change has it; else as it lies there."""
    if around.in_repository(path) is None:
        raise CustomTemplateError("it is not in the repository")
    content = around.base_file(path) if around.situation.judged_by_base else _content(path)
    if content is None:
        where = f"{around.base_name} has no such file" if around.situation.judged_by_base else "there is no such file"
        raise CustomTemplateError(where)
    if len(content) > MOST_BYTES:
        raise CustomTemplateError(f"it has more than {MOST_BYTES // 1024} KiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CustomTemplateError("it is not UTF-8") from error


def _content(path: Path) -> bytes | None:
    try:
        with os.fdopen(open_beside(path, os.O_RDONLY), "rb") as stream:
            return stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return None


# --- what it is told, and what it says -------------------------------------------------------------------------------


def _exchanged(process: subprocess.Popen[bytes], told: Any) -> Mapping[str, Any]:
    """One line there, one line back, in bounded time; `CustomTemplateError` for what is no answer, and for a fault."""
    late = threading.Event()

    def stop() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(PATIENCE, stop)
    timer.daemon = True
    timer.start()
    try:
        said = json.loads(_answer(process, json.dumps(told).encode() + b"\n"))
    except (OSError, ValueError) as error:
        why = "it takes too long" if late.is_set() else "its process ended: it takes too much time or memory"
        raise CustomTemplateError(why) from error
    finally:
        timer.cancel()
    if not isinstance(said, dict) or "error" in said:
        raise CustomTemplateError(str(said["error"]) if isinstance(said, dict) else _NO_ANSWER)
    return said


def _answer(process: subprocess.Popen[bytes], line: bytes) -> bytes:
    if process.stdin is None or process.stdout is None:
        raise ValueError("the process has no pipes")
    process.stdin.write(line)
    process.stdin.flush()
    return process.stdout.readline(_LONGEST_ANSWER)


def _checked(said: Any, number: int) -> list[dict[str, str]]:
    """The blocks of so many experiments that the process has sent, as far as it can be believed."""
    if not isinstance(said, list) or len(said) != number or not all(map(_are_blocks, said)):
        raise CustomTemplateError(_NO_ANSWER)
    for one in said:
        check(one)
    return [{name: without_delimiters(shown) for name, shown in one.items()} for one in said]


def _are_blocks(one: Any) -> bool:
    return isinstance(one, dict) and one.keys() == set(BLOCKS) and all(isinstance(said, str) for said in one.values())


def _in_a_line(error: object) -> str:
    return one_line(str(error), _LONGEST_FAULT)
