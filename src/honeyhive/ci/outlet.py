"""What a command says and writes leaves through here, without the secrets that the job is known to have."""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Iterable, Mapping
from typing import Any

import click

from honeyhive.documents.redactor import Redactor

_INPUT = "INPUT_GITHUB-TOKEN"
"""A runner gives every action its inputs, and a script in a step none."""


_QUIET = 1.0
"""Seconds."""


class Outlet:
    """The lines of the log, and the redactor for whatever else leaves. It learns secrets as they become known.

    A secret may go on in the next line: what could be the beginning of one is kept back until more of it is known, or
    nothing more has come for a second.
    """

    def __init__(self) -> None:
        """Without any secret, everything passes."""
        self.redactor = Redactor()
        self._stream = self.redactor.stream()
        self._masks: set[str] | None = None
        self._lock = threading.Condition(threading.Lock())
        self._watched = False
        self.only_tells = False
        """Whether what is printed only tells what the exit code says: then a log on a full disk changes nothing."""

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
                self._print(text + "\n", err=err)
            elif err:
                self._flush()
                self._print(self.redactor.text(text) + "\n", err=True)
            else:
                self._print(_text(self._stream.take(_raw(text + "\n"), by_line=True)))
                self._watch()

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
        if rest := _text(self._stream.end()):
            self._print(rest)

    def _print(self, text: str, *, err: bool = False) -> None:
        """As it is: without its ANSI codes, which click would take out, it might be a workflow command."""
        try:
            click.echo(text, nl=False, err=err, color=True)
        except BrokenPipeError:
            pass  # nobody reads on
        except (OSError, ValueError):
            if not (err or self.only_tells):
                raise

    def _watch(self) -> None:
        if not self._watched and self._stream.holds:
            self._watched = True
            threading.Thread(target=self._flush_when_quiet, name="honeyhive-quiet", daemon=True).start()
        self._lock.notify()

    def _flush_when_quiet(self) -> None:
        """Print what is kept back once nothing more comes: of code that hangs, the last line says where."""
        with self._lock:
            while True:
                self._lock.wait_for(lambda: self._stream.holds)
                if not self._lock.wait(_QUIET):
                    self._flush()

    def _mask(self) -> None:
        if self._masks is None:
            return
        fresh = self.redactor.lines - self._masks
        self._masks |= fresh
        for secret in sorted(fresh):
            escaped = secret.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
            self._print(f"::add-mask::{escaped}\n")


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
