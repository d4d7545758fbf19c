from __future__ import annotations

import html
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from honeyhive.gate.markdown import EMPTY, cell, code, elided, fenced, link, one_line, prose

MARKDOWN = MarkdownIt("commonmark").enable("table")

MENTIONS = ("@bob", "#12", "fixes #1", "GH-7", "https://e.x", "www.e.x", "a@b.c", ":tada:", "$x$")
MARKUP = ("|", "`", "```", "~~~", "<b>", "</details>", "<!--", "-->", "[x](y)", "![x](y)", "*a*", "_a_", "&amp;", "\\")
STARTS = ("- ", "1. ", "# ", "> ", "===", "\n", "\r", "\u2028", "\t", " ")
HIDDEN = ("\u202e", "\u200b", "\u200d", "\ud800", "\x00", "\x1b[31m", "\ufffe")

# Any text, and text made of what could act.
TEXTS = st.one_of(
    st.text(),
    st.text(st.characters()),
    st.lists(st.sampled_from((*MENTIONS, *MARKUP, *STARTS, *HIDDEN, "a", "😀"))).map("".join),
)


def inline(markdown: str) -> list[Token]:
    """The tokens of one table cell's content."""
    tokens = MARKDOWN.parse(f"| a | b |\n|---|---|\n| {markdown} | x |\n")
    cells = [token for token in tokens if token.type == "inline"]
    assert [len(tokens), len(cells)] == [22, 4], "the row has its two cells and no more"
    assert cells[3].content == "x"
    return cells[2].children or []


@given(TEXTS)
@example("a|b")
@example("\\|b")
@example("\\")
def test_a_cell_is_nothing_but_its_text(text: str) -> None:
    tokens = inline(cell(text))
    assert {token.type for token in tokens} <= {"text", "html_inline", "text_special"}
    assert {token.content for token in tokens if token.type == "html_inline"} <= {"<span>", "</span>"}
    shown = "".join(token.content for token in tokens if token.type != "html_inline").replace("\u200b", "")
    assert shown == one_line(text)


@given(TEXTS)
def test_a_cell_holds_nothing_that_acts(text: str) -> None:
    shown = cell(text).replace("<span>$</span>", " dollar ")
    assert not re.search(r"[|`<>*\[\]~\n\r\\$]", shown)
    later = html.unescape(shown)
    assert not re.search(r"@\w|#\d|gh-\d|https?://|www\.", later, re.IGNORECASE), "what GitHub links after Markdown"
    assert not re.search(r"(close[sd]?|fix(e[sd])?|resolve[sd]?):?\s+\S*(#\d|gh-\d|https?://)", later, re.IGNORECASE)
    assert not re.search(r":[\w+-]+:", later), "emoji"


@given(TEXTS)
def test_a_cell_is_the_same_text_in_html(text: str) -> None:
    shown = html.unescape(cell(text).replace("<span>$</span>", "$")).replace("\u200b", "")
    assert shown == one_line(text)


@given(TEXTS)
@example("`a``b`")
@example("a `b` c ` d")
def test_prose_is_text_and_code(text: str) -> None:
    tokens = inline(prose(text))
    assert {token.type for token in tokens} <= {"text", "html_inline", "text_special", "code_inline"}
    assert {token.content for token in tokens if token.type == "html_inline"} <= {"<span>", "</span>"}


def test_prose_keeps_the_code_that_it_names() -> None:
    assert prose("only `min` and `max`, not ` see <b>") == "only `min` and `max`, not &#96; see &lt;b&gt;"


@given(TEXTS)
@example("`a``b")
@example("`")
@example("a\\")
def test_a_code_span_is_one_code_span(text: str) -> None:
    (token,) = inline(code(text))
    assert token.type == "code_inline"
    assert token.content == one_line(text, 60).replace("`", "ˋ").replace("|", "∣")


@given(TEXTS, TEXTS)
def test_code_and_cell_do_not_act_on_each_other(one: str, other: str) -> None:
    tokens = inline(f"{cell(one)} {code(other)} {cell(one)}")
    assert sum(1 for token in tokens if token.type == "code_inline") == 1


@given(TEXTS)
@example("```\n</details>\n````")
@example("~~~\n\n    x")
def test_a_fence_cannot_be_left(text: str) -> None:
    tokens = MARKDOWN.parse(f"<details>\n<summary>s</summary>\n\n{fenced(text)}\n\n</details>\n")
    assert [token.type for token in tokens] == ["html_block", "fence", "html_block"]
    assert tokens[1].info == "text"
    assert tokens[1].content.count("\n") <= 25


@given(TEXTS)
def test_nothing_hides_or_turns_the_text(text: str) -> None:
    for shown in (cell(text), code(text), fenced(text)):
        assert not re.search(
            "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]", shown
        )


@given(st.text(), st.integers(10, 200))
def test_a_line_is_no_longer_than_it_may_be(text: str, limit: int) -> None:
    assert 0 < len(one_line(text, limit)) <= max(limit, len(EMPTY))
    assert len(elided(text, limit)) <= limit


@pytest.mark.parametrize("text", ["", " \n\t ", "\u200b\u202e", "\u200d \u200d"])
def test_what_has_nothing_to_see_says_so(text: str) -> None:
    assert cell(text) == "(empty)"
    assert code(text) == "`(empty)`"
    assert fenced(text) == "```text\n(empty)\n```"


def test_names_stay_as_they_are() -> None:
    assert cell("latency_ms p95 (−2 %), 12:30") == "latency_ms p95 (−2 %), 12:30"
    assert cell("family 👨\u200d👩\u200d👧") == "family 👨\u200d👩\u200d👧"


def test_a_list_or_heading_does_not_begin() -> None:
    assert [cell(text) for text in ("- a", "1. a", "23) a", "= a")] == ["&#45; a", "1&#46; a", "23&#41; a", "&#61; a"]


def test_the_middle_is_left_out_in_whole_words() -> None:
    text = "The first words say what was asked, and much more is said, but only the last give the answer: 18"
    assert elided(text, 60) == "The first words say what was … the last give the answer: 18"
    assert elided("x" * 100, 23) == "xxxxxxxxxx … xxxxxxxxxx"


def test_a_long_text_is_folded_and_its_middle_left_out() -> None:
    shown = fenced("word " * 30 + "\n" + "\n".join(f"line {n}" for n in range(100))).split("\n")
    assert max(map(len, shown)) <= 100
    assert "… 78 lines left out …" in shown
    assert shown[-2] == "line 99"


def test_a_text_of_any_size_costs_little() -> None:
    assert len(fenced("`" * 10_000_000)) < 4_000
    assert len(cell("|" * 10_000_000)) < 1_200


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://github.com/o/r/blob/a/b.jsonl#L3", "[x](https://github.com/o/r/blob/a/b.jsonl#L3)"),
        ("https://e.x/a(b)|c d]", "[x](https://e.x/a%28b%29%7Cc%20d%5D)"),
        ("javascript:alert(1)", "x"),
        ("https://" + "x" * 3_000, "x"),
        ("", "x"),
        (None, "x"),
    ],
)
def test_a_link_leads_to_the_web_or_nowhere(url: str | None, shown: str) -> None:
    assert link("x", url) == shown


@given(TEXTS)
def test_a_link_stays_in_its_cell(text: str) -> None:
    assert [t.type for t in inline(link("x", f"https://e.x/{text}"))] == ["link_open", "text", "link_close"]
