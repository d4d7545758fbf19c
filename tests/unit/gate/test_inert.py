"""What strangers write is text to GitHub's own parser, however it gets into a comment, and can be read there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyhive.ci.github.comments import sections_of
from honeyhive.ci.reports.report import Report
from honeyhive.gate.broken import Broken, Finding, Skipped
from honeyhive.gate.comment import compose, parse
from honeyhive.gate.markdown import cell, code, fenced, link, one_line, prose
from honeyhive.gate.report import render
from often import OFTEN
from rendered import Page, page
from scenes_gate import REPO, hostile
from strangers import ATOMS, CORPUS, pairs

TEXTS = st.one_of(st.lists(st.sampled_from(ATOMS), max_size=12).map("".join), st.text(st.characters()))

# --- every way in, in every place where it is used -------------------------------------------------------------------

INLINE: Mapping[str, Callable[[str], str]] = {
    "cell": cell,
    "prose": prose,
    "code": code,
    "linked cell": lambda text: link(cell(text), f"{REPO}/blob/main/x#L1"),
    "linked code": lambda text: link(code(text), f"{REPO}/blob/main/x#L1"),
}
PLACES: Mapping[str, str] = {
    "a paragraph": "%s",
    "a paragraph's end": "Said **by** somebody: %s",
    "between others": "%s and %s and `code` %s",
    "under a line": "a line\n\n%s\n\nanother",
    "a heading": "## ❌ %s (%s): failed",
    "a list": "- `m`: %s\n- %s\n",
    "a quote": "> %s\n\n> %s\n",
    "a table": "| a | %s | c |\n|:--|--:|:--|\n| %s | x %s | %s |\n| 1 | 2 | 3 |",
    "a footer": "<sub>judged by %s · run %s\n</sub>",
    "a fold": "<details>\n<summary><b>x</b></summary>\n\n%s\n\n</details>\n\nafter",
}
IN_HTML = "<details>\n<summary><code>%s</code> in full</summary>\n\nwithin\n\n</details>\n\nafter"
PLAIN = "plain words"


def put(place: str, shown: str) -> Page:
    return page(place.replace("%s", shown))


def without_code(shape: list[str]) -> list[str]:
    return [tag for tag in shape if tag not in ("<code>", "</code>")]


def assert_inert(text: str) -> None:
    """It adds nothing to what stands around it, acts nowhere, and can be read."""
    for way, write in INLINE.items():
        for name, place in PLACES.items():
            found, plain = put(place, write(text)), put(place, write(PLAIN))
            if way == "prose":
                assert without_code(found.shape) == without_code(plain.shape), (way, name)
            else:
                assert found.shape == plain.shape, (way, name)
            assert found.hrefs == plain.hrefs, (way, name)
            assert found.hidden == [], (way, name)
            assert found.acting == [], (way, name)
    found = put(IN_HTML, cell(text))
    assert found.shape == put(IN_HTML, cell(PLAIN)).shape
    assert (found.hidden, found.acting) == ([], [])
    assert_fenced(text)
    assert_readable(text)


def assert_fenced(text: str) -> None:
    place = PLACES["a fold"]
    found = put(place, fenced(text))
    assert found.tags == put(place, fenced(PLAIN)).tags
    assert '<pre lang="text">' in found.html
    assert found.hidden == []


def assert_readable(text: str) -> None:
    """What is seen is what was written, in one line, without what hides or turns it."""
    wanted = one_line(text)
    assert page(f"x {cell(text)} y").text.strip() == f"x {wanted} y"
    wanted = one_line(text, 60).replace("`", "ˋ").replace("|", "∣")
    assert page(f"x {code(text)} y").text.strip() == f"x {wanted} y"
    for shown in (cell(text), prose(text), code(text), fenced(text)):
        shown.encode()
        assert not re.search(
            "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]", shown
        )


@pytest.mark.parametrize("name", CORPUS)
def test_what_a_stranger_writes_is_text(name: str) -> None:
    assert_inert(CORPUS[name])


def test_what_two_strangers_write_is_text() -> None:
    for text in pairs():
        found = page(f"{cell(text)}\n\n> {prose(text)}\n\n| {cell(text)} |\n|:--|\n| {code(text)} |\n")
        assert without_code(found.shape) == without_code(page("x\n\n> x\n\n| x |\n|:--|\n| x |\n").shape), text
        assert (found.hidden, found.acting) == ([], []), text


@OFTEN
@given(TEXTS)
def test_whatever_a_stranger_writes_is_text(text: str) -> None:
    assert_inert(text)


@pytest.mark.parametrize("name", ["tower", "towers", "more variations", "joiners"])
def test_a_letter_carries_few_marks(name: str) -> None:
    for shown in (cell(CORPUS[name]), code(CORPUS[name]), fenced(CORPUS[name])):
        assert not re.search("[\u0300-\u036f\u0489\u200d\ufe0f\U000e0100-\U000e01ef]{7}", shown)


@pytest.mark.parametrize("name", ["family", "arabic", "hebrew", "thai", "hindi", "chinese"])
def test_what_is_written_in_any_script_stays_as_it_is(name: str) -> None:
    assert cell(CORPUS[name]) == CORPUS[name]


# --- whole comments --------------------------------------------------------------------------------------------------

OURS = {
    *(f"<{tag}>" for tag in ("h2", "h3", "p", "br", "table", "thead", "tbody", "tr", "th", "td", "details", "summary")),
    *("<b>", "<strong>", "<code>", "<pre lang>", "<ul>", "<li>", "<blockquote>", "<sub>", "<span>", "<a href>"),
    *("<th align>", "<td align>"),
}


def findings(text: str) -> list[Finding]:
    """One of each kind, with the text wherever somebody else may write."""
    broken = Broken(
        experiment=text, title=text, message=text, hint=text, exit_code=3, expected=3, finished=1, details=(text, text)
    )
    return [*hostile(text).findings, broken, Skipped(experiment=text, reason=text)]


def assert_only_ours(found: Page) -> None:
    assert {tag for tag in found.tags if not tag.startswith("</")} <= OURS
    assert all(href.startswith(REPO) for href in found.hrefs)
    assert found.left_open == []
    assert found.acting == []


@pytest.mark.parametrize("name", CORPUS)
def test_a_whole_comment_has_no_markup_but_ours(name: str) -> None:
    text, scene = CORPUS[name], hostile(CORPUS[name])
    context = replace(scene.context, notes=(text, text), label=text)
    found = page(render(findings(text), evidence=scene.evidence, context=context))
    assert_only_ours(found)
    assert found.hidden == []
    headings = [tag for tag in found.tags if re.fullmatch("<h[1-6]>", tag)]
    assert headings == ["<h2>", "<h3>", "<h3>", "<h3>"], "one of all, one each"


@OFTEN
@given(TEXTS)
def test_the_shared_comment_has_no_markup_but_ours_and_can_be_read_back(text: str) -> None:
    scene = hostile(text)
    report = Report(findings=tuple(findings(text)), evidence=scene.evidence, context=scene.context)
    sections = sections_of(report)
    body = compose(sections)
    found = page(body)
    assert_only_ours(found)
    assert {hidden.split()[0].partition(":")[0] for hidden in found.hidden} <= {"honeyhive", "honeyhive-gate"}
    assert [one.verdict for one in parse(body)] == ["broken", "failed", "skipped"]
