"""What GitHub makes of Markdown: its own parser, the result taken apart into what acts and what is only shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from cmarkgfm.cmark import Options, markdown_to_html_with_extensions

_OPTIONS = (
    Options.CMARK_OPT_UNSAFE
    | Options.CMARK_OPT_FOOTNOTES
    | Options.CMARK_OPT_HARDBREAKS
    | Options.CMARK_OPT_GITHUB_PRE_LANG
)
_EXTENSIONS = ["table", "autolink", "tagfilter", "strikethrough", "tasklist"]
_VOID = frozenset({"br", "hr", "img", "input"})
_LITERAL = frozenset({"code", "pre"})

# What GitHub looks for in text that is not code, once Markdown is done: people, issues, commits, addresses, emoji,
# formulas, boxes to tick, alerts, footnotes.
_LATE = re.compile(
    r"@[0-9A-Za-z]|#[0-9]|gh-[0-9]|ghsa-|(?:https?|ftp)://|(?<![0-9a-z])www\.|:(?!\d\d:)[a-z0-9_+-]+:"
    r"|\[!|\[\^|\[[ x]\](?=\s|\Z)|(?<![0-9a-z])[0-9a-f]{7,40}(?![0-9a-z])",
    re.IGNORECASE,
)


@dataclass
class Page(HTMLParser):
    """A comment as it is shown. `tags` are what is opened and closed, in order, with the names of the attributes."""

    html: str
    tags: list[str] = field(default_factory=list)
    texts: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    """Each text with the elements that it stands in."""
    hrefs: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    """What no reader sees: comments, declarations, instructions."""
    _open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.feed(self.html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append("<" + " ".join([tag, *(name for name, _ in attrs)]) + ">")
        self.hrefs += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(f"</{tag}>")
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        self.texts.append((tuple(self._open), data))

    def handle_comment(self, data: str) -> None:
        self.hidden.append(data)

    def handle_decl(self, decl: str) -> None:
        self.hidden.append(decl)

    def unknown_decl(self, data: str) -> None:
        self.hidden.append(data)

    def handle_pi(self, data: str) -> None:
        self.hidden.append(data)

    @property
    def left_open(self) -> list[str]:
        """The elements that nothing has closed."""
        return self._open

    @property
    def shape(self) -> list[str]:
        """The tags without those around a dollar, which are there so that it is nothing but one."""
        return [tag for tag in self.tags if tag not in ("<span>", "</span>")]

    @property
    def text(self) -> str:
        """All that is to be read, without what nobody sees."""
        return "".join(text for _, text in self.texts).replace("\u200b", "")

    @property
    def acting(self) -> list[str]:
        """What in the texts GitHub would make something of."""
        running = [(place, text) for place, text in self.texts if not _LITERAL & set(place)]
        late = [found[0] for place, text in running if "a" not in place for found in _LATE.finditer(text)]
        formulas = [text for place, text in running if "$" in text and (place[-1:] != ("span",) or text != "$")]
        coloured = [text for place, text in self.texts if place[-1:] == ("code",) and _COLOUR.fullmatch(text)]
        return [*late, *formulas, *coloured]


_COLOUR = re.compile(r"#[0-9a-f]{3,8}|(?:rgb|hsl)a?\([^()]*\)", re.IGNORECASE)


def page(markdown: str) -> Page:
    """What GitHub shows of it."""
    return Page(markdown_to_html_with_extensions(markdown, options=_OPTIONS, extensions=_EXTENSIONS))
