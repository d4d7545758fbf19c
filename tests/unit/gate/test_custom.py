"""A template says what it likes; the values that it shows are text, wherever it puts them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenced import blocks
from honeyhive.gate.custom import BLOCKS, FILTERS, LONGEST, CustomTemplate, CustomTemplateError, left_open
from honeyhive.gate.markdown import one_line
from rendered import Page, page
from strangers import ATOMS, CORPUS

TEXTS = st.one_of(st.lists(st.sampled_from(ATOMS), max_size=8).map("".join), st.text(st.characters()))
PLAIN = "plain words"


@cache
def compiled(block: str) -> CustomTemplate:
    """A template with this table."""
    return CustomTemplate(
        f'{{% extends "comment.md.j2" %}}\n{{% block table %}}\n{block}\n{{% endblock %}}', "words.md.j2"
    )


def shown(block: str, ours: dict[str, str] | None = None, **values: Any) -> str:
    """What a template with this table says."""
    return compiled(block).blocks(ours or {}, values)["table"]


def fault(source: str, **values: Any) -> str:
    with pytest.raises(CustomTemplateError) as error:
        CustomTemplate(source, "words.md.j2").blocks({}, values)
    return str(error.value)


def fault_in(block: str, **values: Any) -> str:
    return fault(f'{{% extends "comment.md.j2" %}}\n{{% block table %}}\n{block}\n{{% endblock %}}', **values)


# --- values are text -------------------------------------------------------------------------------------------------

PLACES = {
    "a paragraph": "%s",
    "a heading": "## %s",
    "a list": "- %s\n- x %s",
    "a quote": "> %s\n> %s",
    "a table": "| a | %s |\n|:--|:--|\n| %s | x %s |",
    "a fold": "<details>\n<summary>%s</summary>\n\n%s\n\n</details>",
    "a paragraph of HTML": "<p>%s</p>\n<p>%s</p>",
    "an attribute": '<b title="%s">x</b>',
    "an attribute in other quotes": "<b title='%s'>x</b>",
    "bold": "**%s** and *%s*",
    "behind another value": "%s%s",
    "between words": "see %s, and %s.",
}
FORMS = (
    "{{ x }}",
    "{{ x | cell(40) }}",
    "{{ x | code }}",
    "{{ x | prose }}",
    "{{ x | fenced }}",
    "{{ [x, x] | join }}",
    "{{ x ~ x }}",
    "{{ x | upper }}",
    "{{ (x | code) ~ x }}",
    "{{ x[:30] }}",
    '{{ "%s" | format(x) }}',
    "{{ [x] }}",
    "{{ {x: x} }}",
    "{{ said(x) }}",
    '{{ x | replace("a", "b") }}',
    "{% set y %}{{ x }}{% endset %}{{ y }}",
    '{{ x | link("https://github.com/") }}',
    "{{ x | trim }}",
)
TAGGED = tuple(form for form in FORMS if any(word in form for word in ("code", "prose", "fenced", "link")))
"""Those that write HTML themselves."""
MACRO = "{% macro said(what) %}{{ what }}{% endmacro %}"


def drawn(place: str, form: str, text: str) -> Page:
    return page(shown(MACRO + place.replace("%s", form), x=text))


@cache
def structure_of_plain(place: str, form: str) -> list[str]:
    return structure(drawn(place, form, PLAIN))


def structure(found: Page) -> list[str]:
    return [tag for tag in found.shape if tag not in ("<code>", "</code>")]


def assert_text(text: str, form: str) -> None:
    for name, place in PLACES.items():
        if "attribute" in name and form in TAGGED:
            continue  # markup of the template's own, in a place where none may stand
        if name == "bold" and not any(map(str.isalnum, text)):
            continue  # with a space at its end it is not even that
        found = drawn(place, form, text)
        assert structure(found) == structure_of_plain(place, form), name
        assert set(found.hrefs) <= {"https://github.com/"}, name
        assert found.hidden == [], name
        assert found.acting == [], name


@pytest.mark.parametrize("form", FORMS[:5])
def test_a_value_is_text_wherever_a_template_puts_it(form: str) -> None:
    for text in CORPUS.values():
        if text.strip():
            assert_text(text, form)


@given(TEXTS, st.sampled_from(FORMS))
def test_whatever_a_value_is_it_is_text(text: str, form: str) -> None:
    if text.strip():
        assert_text(text, form)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("w", "ww.evil.example"),
        ("https:", "//evil.example"),
        ("https", "://evil.example"),
        ("@", "octocat"),
        ("#", "1"),
        ("GH-", "7"),
        (":ta", "da:"),
        ("3e5c1e", "60269a"),
        ("<!-", "- x -->"),
        ("[x]", "(https://evil.example)"),
        ("$", "x$"),
    ],
)
def test_two_values_do_not_become_something_together(one: str, other: str) -> None:
    found = page(shown("{{ x }}{{ y }}", x=one, y=other))
    assert found.acting == found.hrefs == found.hidden == []
    assert found.text == f"{one}{other}\n"


@given(TEXTS)
def test_a_value_can_be_read(text: str) -> None:
    wanted = one_line(text, 500) if text.strip() else ""
    assert page(shown("x {{ x }} y", x=text)).text.split() == f"x {wanted} y".split()


def test_the_spaces_of_what_parts_values_are_kept() -> None:
    source = (
        "{% set comma = joiner(', ') %}{% for x in xs %}{{ comma() }}{{ x }}{{ ' · ' if not loop.last }}{% endfor %}"
    )
    assert shown(source, xs=["a", "b"]).replace("\u200b", "") == "a · , b"


def test_a_fenced_text_keeps_its_lines_wherever_it_stands() -> None:
    found = page(shown("| a |\n|:--|\n| {{ x | fenced }} |", x="one\n  two\n\nthree"))
    assert ("table", "tbody", "tr", "td", "pre") in [place for place, _ in found.texts]
    assert "one\n  two\n\nthree" in found.text


def test_a_link_leads_to_the_web_or_nowhere() -> None:
    assert shown('{{ "x" | link("https://e.x/a?b=1") }}').endswith('<a href="https://e.x/a?b=1">\u200bx</a>')
    assert "<a" not in shown('{{ "x" | link("javascript:alert(1)") }}{{ "x" | link(none) }}{{ "x" | link(7) }}')


def test_numbers_are_shown_in_our_manner_and_a_gap_is_a_gap() -> None:
    said = shown(
        "{{ a | percent }} {{ a | points }} {{ b | number }} {{ b | signed }} {{ c | duration }} {{ n | percent }}"
        " {{ 7 | count }}",
        a=-0.074,
        b=1234.5,
        c=812.0,
        n=None,
    )
    assert said == "−7.4 % −7.4 pts 1,234 +1,234 812 ms – 7"
    assert shown("{{ n }}|{{ t }}|{{ i }}", n=None, t=True, i=12) == "|true|12"


# --- blocks ----------------------------------------------------------------------------------------------------------


def test_a_template_says_its_blocks_and_leaves_us_the_others() -> None:
    source = '{% extends "comment.md.j2" %}{% block footer %}{{ super() }}, *and more*{% endblock %}'
    ours = {name: f"**ours** of {name}" for name in BLOCKS}
    said = CustomTemplate(source, "words.md.j2").blocks(ours, {})
    assert said == ours | {"footer": "**ours** of footer, *and more*"}


def test_a_block_may_be_left_empty() -> None:
    assert shown("", {"table": "| a |"}) == ""


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("{{ nothing }}", "line 3: 'nothing' is undefined"),
        ("{{ finding.nothing }}", "has no attribute 'nothing'"),
        ("{% if %}", "line 3: Expected an expression"),
        ("\n{{ 1 / 0 }}", "line 4: ZeroDivisionError"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ finding | attr('__class__') }}", "unsafe"),
        ("{{ '{0.__class__.__mro__}'.format(finding) }}", "unsafe"),
        ("{{ finding.update({'verdict': 'passed'}) }}", "unsafe"),
        ("{{ finding.pop('verdict') }}", "unsafe"),
        ("{{ self.__init__.__globals__ }}", "unsafe"),
        ("{{ cycler.__init__.__globals__.os }}", "unsafe"),
        ("{{ said(finding) }}{% macro said(x) %}{{ said(x) }}{% endmacro %}", "undefined"),
        ("{% macro again(x) %}{{ again(x) }}{% endmacro %}{{ again(1) }}", "calls itself without end"),
        ("{{ self.table() }}", "calls itself without end"),
        ("{{ range(10 ** 9) | list }}", "Range too big"),
        ("{% include '/etc/passwd' %}", "/etc/passwd"),
        ("{% import 'os' as os %}", "os"),
        ("{{ range }}", "a function cannot be shown"),
        ("{{ x | safe }}", "No filter named 'safe'"),
        ("{{ '<b>' | tojson }}", "No filter named 'tojson'"),
        ("{{ lipsum() }}", "'lipsum' is undefined"),
        ("{{ 'a' * 70000 | int }}{% for i in range(70000) %}x{% endfor %}", f"more than {LONGEST:,} characters"),
    ],
)
def test_what_a_template_may_not_do_is_said_with_its_line(block: str, words: str) -> None:
    assert words in fault_in(block, finding={"verdict": "failed"}, x="x")


def test_a_template_that_extends_nothing_is_none() -> None:
    assert "it has to begin with" in fault("hello")
    assert "it has to begin with" in fault("{% block table %}x{% endblock %}")


def test_a_misspelt_block_is_no_block() -> None:
    assert "there is no block `tabel`: did you mean table?" in fault(
        '{% extends "comment.md.j2" %}{% block tabel %}{% endblock %}'
    )


def test_what_is_taken_in_the_name_of_another_block_is_text() -> None:
    source = '{% extends "comment.md.j2" %}{% block footer %}{{ "<b>@octocat</b>" | taken("notes") }}{% endblock %}'
    assert CustomTemplate(source, "w").blocks({}, {})["notes"] == ""
    assert "taken" not in FILTERS


# --- nothing is left open --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("block", "left"),
    [
        ("plain", None),
        ("```sh\n<details>\n```", None),
        ("````\n```\n````", None),
        ("a `<details>` b", None),
        ("<details>\n<summary>x</summary>\n\ny\n\n</details>", None),
        ("a<br>b<img src=x><br/>", None),
        ("<!-- said -->", None),
        ("```sh\nx", "a fence"),
        ("~~~\n```\nx", "a fence"),
        ("````\n```", "a fence"),
        ("<!-- x", "a comment"),
        ("<?php", "a comment"),
        ("<!DOCTYPE", "a comment"),
        ("<![CDATA[", "a comment"),
        ("<details>", "<details>"),
        ("<Details open>", "<details>"),
        ("</details><details>", "<details>"),
        ("<pre>", "<pre>"),
        ("x</sub>", "<sub>"),
    ],
)  # fmt: skip
def test_what_would_swallow_the_rest_is_found(block: str, left: str | None) -> None:
    assert left_open(block) == left
    if left is not None:
        assert f"the block `table` leaves {left} open" in fault_in(block)


def test_the_template_of_the_page_on_github_says_its_words() -> None:
    pages = Path(__file__).parents[3] / "docs" / "github.md"
    (source,) = (block.text for block in blocks(pages.read_text("utf-8")) if block.language == "jinja")
    finding = {"checks": [{"metric": "correct", "baseline": 0.4, "candidate": 0.35}]}
    said = CustomTemplate(source, "words.md.j2").blocks({"footer": "judged by `honeyhive.yml`"}, {"finding": finding})
    assert "correct</code> | 40.0 % | 35.0 % |" in said["table"]
    assert said["footer"].strip().startswith("judged by `honeyhive.yml` · questions: [the team's page](https://")
