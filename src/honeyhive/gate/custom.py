"""A template of the user's: blocks of the comment in other words, made in Jinja's sandbox.

What a template says in its own text may be Markdown. Every value that it shows is somebody else's text and stands
there as nothing but text, wherever that is: in a table, a quote, a fold, an attribute, or right behind another value.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from jinja2 import FunctionLoader, StrictUndefined, TemplateError, TemplateSyntaxError, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from honeyhive.gate import markdown, numbers
from honeyhive.gate.entries import did_you_mean

OPEN = ("intro", "table", "must_pass", "what_to_do")
"""The blocks in the open, below the heading."""
FOOTER = "footer"
FOLDS = ("datapoints", "removals", "metrics", "power", "advice", "notes", "in_full")
"""The folded ones."""
BLOCKS = (*OPEN, FOOTER, *FOLDS)

BASE = "comment.md.j2"
"""What a template extends."""
LONGEST = 60_000
"""How many characters all blocks of an experiment may have: a comment holds no more."""

_BLOCK = '{{% filter taken("{0}") %}}{{% block {0} %}}{{{{ ours["{0}"] }}}}{{% endblock %}}{{% endfilter %}}'
_WIDTH = 500
_QUOTED = str.maketrans({'"': "&quot;", "'": "&#39;", "(": "&#40;", ")": "&#41;"})
_DOLLAR = markdown.escaped("$")
_ZERO_WIDTH = "\u200b"
_UNWANTED = ("e", "escape", "forceescape", "pprint", "random", "safe", "tojson", "urlize", "xmlattr")
"""Jinja's filters for HTML, which know nothing of Markdown, and those that say something else each time."""
_VOID = frozenset({"br", "hr", "img", "wbr"})
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_SPAN = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)")
_HIDING = re.compile(r"<!(?!--)|<\?")
_TAG = re.compile(r"<(/?)([a-z][a-z0-9]*)(?=[\s/>])[^>]*?(/?)>", re.IGNORECASE)


class CustomTemplateError(Exception):
    """Why a template is not used, in words of which the user can make something."""


class _Safe(str):
    """Text that may stand as it is: the template's own words, and values that are nothing but text."""

    __slots__ = ()


# --- values ----------------------------------------------------------------------------------------------------------


def text(value: Any, limit: int = _WIDTH) -> str:
    """A value as text in one line that is nothing but that, whatever stands before and behind it."""
    if isinstance(value, _Safe):
        return value
    written = _plain(value)
    shown = markdown.escaped(markdown.one_line(written, limit)) if written.strip() else ""
    shown = shown.translate(_QUOTED).replace("//", "/&#8203;/")
    if not any(map(str.isalnum, written)):  # what parts other values: its spaces belong to it
        return " " * written[:1].isspace() + shown + " " * (written[-1:].isspace() and bool(shown))
    return _ZERO_WIDTH + shown if isinstance(value, str) else shown


def _plain(value: Any) -> str:
    """What a value says; `TypeError` for what says nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, Undefined):
        return str(value)  # which raises, and says what is not there
    raise TypeError(f"a {type(value).__name__} cannot be shown")


def _code(value: Any, limit: int = markdown.NAME) -> str:
    return f"<code>{text(_plain(value), limit)}</code>"


def _prose(value: Any, limit: int = 300) -> str:
    if not any(map(str.isalnum, _plain(value))):
        return text(value, limit)
    parts = markdown.one_line(_plain(value), limit).split("`")
    if len(parts) % 2 == 0:
        parts[-2:] = ["`".join(parts[-2:])]
    return "".join(_code(part, limit) if at % 2 else text(part, limit) for at, part in enumerate(parts) if part)


def _fenced(value: Any, limit: int = 1_200) -> str:
    """As a code block that is one line of Markdown: nothing that it stands in can end in the middle of it."""
    lines = markdown.block(_plain(value), limit).split("\n")
    return f"<pre>{'&#10;'.join(markdown.escaped(line).translate(_QUOTED) for line in lines)}</pre>"


def _link(value: Any, url: Any) -> str:
    there = markdown.address(url if isinstance(url, str) else None)
    return f'<a href="{there}">{text(value)}</a>' if there else text(value)


def _join(values: Iterable[Any], separator: Any = ", ") -> str:
    between = separator if isinstance(separator, str) and not separator.strip() else text(separator)
    return between.join(text(value) for value in values)


def _known(write: Callable[..., str]) -> Callable[..., str]:
    """A number's filter, with a dash for a number that is not known; what is no number is text."""

    def shown(value: Any) -> str:
        if value is None:
            return numbers.NOTHING
        return write(value) if isinstance(value, int | float) else text(value)

    return shown


FILTERS: Mapping[str, Callable[..., str]] = {
    "cell": text,
    "code": _code,
    "prose": _prose,
    "fenced": _fenced,
    "link": _link,
    "join": _join,
    "count": _known(numbers.count),
    "number": _known(numbers.score),
    "signed": _known(numbers.signed_score),
    "percent": _known(numbers.rate),
    "points": _known(numbers.points),
    "duration": _known(numbers.duration),
}


# --- templates -------------------------------------------------------------------------------------------------------


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, in which what a template has put together of its own text stays as it is."""

    concat = staticmethod(lambda parts: _Safe("".join(parts)))


def _safe(write: Callable[..., str]) -> Callable[..., _Safe]:
    return lambda *args, **kwargs: _Safe(write(*args, **kwargs))


class CustomTemplate:
    """A user's template, compiled; `name` is what messages call it."""

    def __init__(self, source: str, name: str) -> None:
        """Compile it; `CustomTemplateError` where that cannot be."""
        self._name = name
        self._taken: dict[str, str] = {}
        sources = {BASE: "".join(map(_BLOCK.format, BLOCKS)), f"./{name}": source}
        self._sandbox = _Sandbox(
            loader=FunctionLoader(lambda of: (sources[of], of, lambda: True) if of in sources else None),
            undefined=StrictUndefined,
            finalize=lambda value: value if isinstance(value, _Safe) else _Safe(text(value)),
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        for unwanted in _UNWANTED:
            self._sandbox.filters.pop(unwanted, None)
        self._sandbox.globals.pop("lipsum", None)
        self._sandbox.filters.update({name: _safe(write) for name, write in FILTERS.items()})
        self._sandbox.filters["taken"] = self._take
        self._template = self._compiled(f"./{name}")

    def _compiled(self, name: str) -> Any:
        with self._explained():
            self._sandbox.get_template(BASE)
            template = self._sandbox.get_template(name)
        for block in template.blocks:
            if block not in BLOCKS:
                raise CustomTemplateError(f"there is no block `{block}`: {did_you_mean(block, BLOCKS)}")
        return template

    def _take(self, shown: str, block: str) -> _Safe:
        self._taken[block] = text(shown)
        return _Safe()

    def blocks(self, ours: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, str]:
        """What it says of an experiment, by block: `ours` is what we do. `CustomTemplateError` where it cannot."""
        self._taken = {}
        said = {name: _Safe(ours.get(name, "")) for name in BLOCKS}
        with self._explained():
            self._template.render({**values, "ours": said})
        if self._taken.keys() < set(BLOCKS):
            raise CustomTemplateError(f'it has to begin with {{% extends "{BASE}" %}} and to write blocks of that')
        shown = {name: self._taken[name].strip() for name in BLOCKS}
        check(shown)
        return shown

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """A template is code that the user wrote: whatever comes out of it is one reason why it cannot be shown."""
        try:
            yield
        except Exception as error:
            raise self._fault(error) from error

    def _fault(self, error: Exception) -> CustomTemplateError:
        if isinstance(error, MemoryError | RecursionError):
            message = "it takes too much memory" if isinstance(error, MemoryError) else "it calls itself without end"
        elif isinstance(error, TemplateError):
            message = error.message or type(error).__name__
        elif isinstance(error, OSError | ImportError):
            message = "it needs what is not loaded"
        else:
            message = f"{type(error).__name__}: {error}"
        line = error.lineno if isinstance(error, TemplateSyntaxError) else self._line(error)
        return CustomTemplateError(f"line {line}: {message}" if line else message)

    def _line(self, error: Exception) -> int | None:
        """The line of the template that was being shown."""
        found, trace = None, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == f"./{self._name}":
                found = trace.tb_lineno
            trace = trace.tb_next
        return found


# --- what it has made ------------------------------------------------------------------------------------------------


def check(shown: Mapping[str, str]) -> None:
    """`CustomTemplateError` for what is too long, or would swallow what stands below it."""
    if sum(map(len, shown.values())) > LONGEST:
        raise CustomTemplateError(f"it says more than {LONGEST:,} characters of one experiment")
    for name, said in shown.items():
        left = left_open(said)
        if left:
            raise CustomTemplateError(f"the block `{name}` leaves {left} open")


def left_open(shown: str) -> str | None:
    """What in a block of Markdown is not closed, or closed and not opened, so that it reaches what is around it."""
    running = _without_code(shown.replace(_DOLLAR, "$"))
    if running is None:
        return "a fence"
    if running.count("<!--") != running.count("-->") or _HIDING.search(running):
        return "a comment"
    depth: Counter[str] = Counter()
    for closes, tag, alone in _TAG.findall(running.lower()):
        if tag not in _VOID and not alone:
            depth[tag] += -1 if closes else 1
        if depth[tag] < 0:
            return f"<{tag}>"
    return next((f"<{tag}>" for tag, left in depth.items() if left), None)


def _without_code(shown: str) -> str | None:
    """The text that is no code; `None` where a fenced code block is not closed."""
    fence, lines = "", []
    for line in shown.split("\n"):
        found = _FENCE.match(line)
        if not fence and found is None:
            lines.append(line)
        elif not fence and found is not None:
            fence = found[1]
        elif found is not None and found[1].startswith(fence) and not line.strip(f" {fence[0]}"):
            fence = ""
    return None if fence else _SPAN.sub("", "\n".join(lines))
