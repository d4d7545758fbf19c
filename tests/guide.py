"""The guide that gives the package its names, in the folder `shared` beside the repository: its code, to be run."""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import replace
from typing import Any, Optional

from described import SPECS
from fenced import Block, blocks

GUIDE = SPECS / "experiments-guide.md"
PAGE = GUIDE.read_text("utf-8") if GUIDE.is_file() else ""

PACKAGE = "honeyhive.experiments"
FILE = re.compile(r"#+ File: `src/honeyhive/experiments/(\w+)\.py`")
WRONG = re.compile(r"^# ❌", re.MULTILINE)
"""Where a block goes on to show what not to do: that much of it is no snippet."""

SKETCHES = {found[1]: block.text for block in blocks(PAGE) if (found := FILE.fullmatch(block.heading))}
"""The guide's code for each module of the package."""

SNIPPETS = [
    replace(block, text=WRONG.split(block.text)[0])
    for block in blocks(PAGE)
    if block.language == "python" and not FILE.fullmatch(block.heading)
]
"""How its code is used, block by block."""


@functools.cache
def sketch(module: str) -> dict[str, Any]:
    """The names that the guide's code for a module makes, in the place of our own: what it imports is ours."""
    names = {"__name__": f"{PACKAGE}.sketch_{module}", "__package__": PACKAGE, "Optional": Optional}
    return _executed(SKETCHES[module], f"the guide's {module}.py", names)


def sketched(module: str) -> ast.Module:
    """The same unread; nothing where there is no guide."""
    return ast.parse(SKETCHES.get(module, ""))


def snippets(needle: str) -> list[Block]:
    """Those that hold a text."""
    return [block for block in SNIPPETS if needle in block.text]


def ran(block: Block, **left_open: Any) -> dict[str, Any]:
    """The names that a snippet makes; `left_open` are those that it uses and leaves open."""
    return _executed(block.text, f"line {block.line} of the guide", {"Any": Any, "Dict": dict} | left_open)


def _executed(text: str, where: str, names: dict[str, Any]) -> dict[str, Any]:
    exec(compile(text, where, "exec", dont_inherit=True), names)
    return names
