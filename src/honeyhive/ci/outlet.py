"""What a command says and writes leaves through here, without the secrets that the job is known to have."""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import click

from honeyhive.documents.redactor import Redactor

_INPUT = "INPUT_GITHUB-TOKEN"
"""A runner gives every action its inputs, and a script in a step none."""


class Outlet:
    """The lines of the log, and the redactor for whatever else leaves. It learns secrets as they become known.

    A secret may go on in the next line: what could be the beginning of one is kept back until more of it is known.
    """

    def __init__(self) -> None:
        """Without any secret, everything passes."""
        self.redactor = Redactor()
        self._stream = self.redactor.stream()
        self._masks: set[str] | None = None
        self._lock = threading.Lock()

    def learn(self, secrets: Iterable[str]) -> None:
        """From now on none of these leaves either."""
        with self._lock:
            self._flush()
            self.redactor |= secrets
            self._stream = self.redactor.stream()
            self._mask()

    def mask_for_runner(self, environ: Mapping[str, str]) -> None:
        """Tell a runner that listens what to mask, now and whenever something is learnt: it shows more than we print.

        Only as an action, whose output goes to the runner alone: `honeyhive gate | tee log.txt` in a step of one's own
        would have the secrets themselves in that file, in clear.
        """
        if environ.get("GITHUB_ACTIONS") != "true" or _INPUT not in environ or _is_file(sys.stdout):
            return
        with self._lock:
            self._masks = set()
            self._mask()

    def say(self, text: str, *, err: bool = False) -> None:
        """Print a line; those for stderr come after all that was said before them."""
        with self._lock:
            if not self.redactor.secrets:
                _print(text + "\n", err=err)
            elif err:
                self._flush()
                _print(self.redactor.text(text) + "\n", err=True)
            else:
                _print(_text(self._stream.take(_raw(text + "\n"), by_line=True)))

    def flush(self) -> None:
        """Print what was kept back: nothing comes after it."""
        with self._lock:
            self._flush()

    def clean(self, text: str) -> str:
        """The text without the secrets."""
        return self.redactor.text(text)

    def clean_value(self, value: Any) -> Any:
        """The JSON value without the secrets."""
        return self.redactor.value(value)

    def _flush(self) -> None:
        _print(_text(self._stream.end()))

    def _mask(self) -> None:
        if self._masks is None:
            return
        fresh = self.redactor.lines - self._masks
        self._masks |= fresh
        for secret in sorted(fresh):
            escaped = secret.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
            _print(f"::add-mask::{escaped}\n")


def _print(text: str, *, err: bool = False) -> None:
    """As it is: without its ANSI codes, which click would take out, it might be a workflow command."""
    if text:
        with suppress(OSError, ValueError):  # nobody reads on, or the disk is full; the exit code still says it
            click.echo(text, nl=False, err=err, color=True)


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


def _is_file(stream: Any) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError, AttributeError):  # closed: then nothing gets anywhere
        return True


OUTLET = Outlet()
"""That of this process, for a process has one log; who adds a way out needs to be given nothing to use it."""
