"""What a stranger would write, all at once, and a comment in which none of it acts."""

from __future__ import annotations

import re

from hostile.scene import Aftermath
from rendered import Page, page
from strangers import SHA

EVIL = (
    f"@octocat closes #1 GH-2 honey/bees#3 {SHA} :tada: $x$ [click](https://evil.example) "
    "![x](https://evil.example/x.png)\n\n# Passed\n\n| a | b |\n|---|---|\n</code></td></details>\n"
    "<!-- honeyhive-gate -->\n```\n~~~\n> [!CAUTION]\n- [ ] merge\n"
    "<img src=x onerror=alert(1)> www.evil.example [^1] \u202eDESSAP\u202c "
    "\x1b[31m \n::set-env name=X::1\n##[add-path]/x \ud800"
)
WHOLE = EVIL.replace("\ud800", "")
"""Without the half of a character, which is no JSON."""
ONE_LINE = "".join(character for character in WHOLE if character.isprintable())
OURS = "https://github.com/honey/bees"


def comment_of(end: Aftermath) -> Page:
    return inert(end.file("comment.md"))


def inert(markdown: str, *, repository: str = OURS) -> Page:
    """The comment, in which nothing acts that is not ours."""
    found = page(markdown)
    assert found.acting == []
    assert found.left_open == []
    assert all(href.startswith(repository) for href in found.hrefs)
    opened = {tag.strip("<>").split()[0] for tag in found.tags if not tag.startswith("</")}
    assert not opened & {"h1", "img", "input", "script", "section", "sup", "em", "del", "ol", "hr"}
    assert len(re.findall("<h[1-6]>", "".join(found.tags))) == 1
    assert all(hidden.strip().startswith("honeyhive") for hidden in found.hidden)
    return found
