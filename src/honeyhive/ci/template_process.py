"""The process in which a template of the user's is compiled and shown: no environment, no files, little memory.

It is started before any code of the user's runs, has loaded all that it needs by then, and waits. It is told the
template in one line of JSON, answers, is told what to show in another, answers, and ends.
"""

from __future__ import annotations

import ctypes
import json
import resource
import sys
from contextlib import suppress
from typing import Any

from honeyhive.gate.custom import BASE, CustomTemplate, CustomTemplateError

MEMORY = 512 * 2**20
"""Bytes, the interpreter's own included."""
CPU_SECONDS = 2

_REHEARSALS = (
    '{% block table %}{{ "\\u00e9\\n" ~ text | wordwrap(2) | fenced }}{{ 0.5 | percent }}{{ super() }}{% endblock %}',
    "{% block table %}{{ nothing }}{% endblock %}",
    "{% block table %}{% if",
)
_PR_SET_DUMPABLE = 4


def main() -> None:
    """Compile, show, end."""
    _load()
    _confine()
    try:
        told = json.loads(sys.stdin.readline())
        template = CustomTemplate(told["source"], told["name"])
        _answer({"ready": True})
        asked = json.loads(sys.stdin.readline())
        _answer({"blocks": [template.blocks(one["ours"], one["values"]) for one in asked]})
    except CustomTemplateError as error:
        _answer({"error": str(error)})
    except (MemoryError, RecursionError):
        _answer({"error": "it takes too much memory"})


def _answer(said: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(said)}\n")
    sys.stdout.flush()


def _load() -> None:
    """Have loaded what Python and Jinja load for the first text and the first error: no file can be opened later."""
    for source in _REHEARSALS:
        with suppress(CustomTemplateError):
            CustomTemplate(f'{{% extends "{BASE}" %}}{source}', "rehearsal").blocks({}, {"text": "é@1 "})


def _confine() -> None:
    """Keep this process to what it needs, and its memory closed to those of the same user."""
    limits = {
        resource.RLIMIT_CPU: CPU_SECONDS,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 3,  # the three that are open: no file, no connection
        resource.RLIMIT_AS: MEMORY,
    }
    for limit, most in limits.items():
        with suppress(OSError, ValueError):  # a system that does not know it
            resource.setrlimit(limit, (most, most))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


if __name__ == "__main__":
    main()
