"""What the runner takes for a command is ours alone, and ours is one line whatever the text."""

from __future__ import annotations

import re
from unicodedata import category

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from honeyhive.ci.commands import Annotation, Level, error_annotation
from honeyhive.documents import neutralise
from honeyhive.errors import ConfigError, HoneyHiveError
from often import OFTEN

parts = st.sampled_from(["::", ":", "##[", "#", "[", "]", "error", "set-output name=a", " ", "\t", "\r", "\n", "\x0b"])
spaces = st.sampled_from(["\x1c", "\x85", "\u00a0", "\u2028", "\u3000", "\ufeff", "\u200b", "\x1b[m", "\0"])
hostile = st.lists(parts | spaces, max_size=12).map("".join)
texts = hostile | st.text(max_size=40)


def commands(text: str) -> list[str]:
    """The lines that the runner would take for a command, as its `ActionCommand` reads them.

    It compares by the rules of a language, in which a character without a width may count for nothing.
    """
    text = "".join(char for char in text if char in "\r\n\t\x0b\x0c\x85" or category(char) not in ("Cc", "Cf"))
    return [line for line in re.split(r"\r\n|\r|\n", text) if line.lstrip().startswith("::") or "##[" in line]


@OFTEN
@given(texts)
@example("\r::x")
@example("a\r\n\n ::error::x")
@example("###[error]##[error]x")
@example("\x1c\u2028::error::x")
@example("\u200b: \ufeff:error::x")
@example("\u200b:\ufeff:error::x")
@example("#\u200b#\0[error]x")
def test_no_line_is_a_command_any_more(text: str) -> None:
    assert not commands(neutralise(text))


@OFTEN
@given(texts)
def test_what_is_no_command_stays_as_it_is(text: str) -> None:
    if not commands(text):
        assert neutralise(text) == text


@OFTEN
@given(texts)
def test_nothing_is_lost(text: str) -> None:
    assert neutralise(text).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    ("line", "harmless"),
    [
        ("::error::x", ": :error::x"),
        ("  ::set-output name=verdict::passed", "  : :set-output name=verdict::passed"),
        ("::::x", ": :::x"),
        ("see ##[error]x", "see # #[error]x"),
        ("std::vector", "std::vector"),
        ("# [x](y)", "# [x](y)"),
    ],
)
def test_a_command_is_still_readable(line: str, harmless: str) -> None:
    assert neutralise(line) == harmless


def unescaped(text: str) -> str:
    for written, meant in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(written, meant)
    return text


@OFTEN
@given(st.text(min_size=1, max_size=30), texts, st.none() | st.text(min_size=1), st.none() | st.integers(1, 99))
def test_an_annotation_is_one_line_and_says_what_can_be_shown_of_what_it_was_given(
    title: str, message: str, file: str | None, line: int | None
) -> None:
    written = Annotation(level=Level.ERROR, title=title, message=message, file=file, line=line).command()
    assert "\n" not in written
    assert "\r" not in written
    found = re.fullmatch(r"::error ([^:]*)::(.*)", written, re.DOTALL)
    assert found
    properties = dict(part.split("=", 1) for part in found[1].split(","))
    expected = {"title": title} | ({"file": file} if file else {}) | ({"line": str(line)} if line else {})
    shown = {
        name: re.sub("[^\r\n]", lambda char: char[0] if char[0].isprintable() else " ", text)
        for name, text in {**expected, "message": message}.items()
    }
    assert {name: unescaped(value) for name, value in {**properties, "message": found[2]}.items()} == shown


def test_a_message_without_end_is_cut() -> None:
    written = Annotation(level=Level.NOTICE, title="Long", message="x" * 10_000).command()
    assert written == f"::notice title=Long::{'x' * 4_000}"


def test_on_a_terminal_an_annotation_is_a_sentence() -> None:
    annotation = Annotation(level=Level.WARNING, title="Reporting failed", message="the disk is full")
    assert annotation.plain() == "warning: Reporting failed: the disk is full"


def test_an_error_says_where_what_and_the_way_out() -> None:
    error = ConfigError("unknown key", hint="did you mean name?", file="honeyhive.yml", line=3, column=5)
    assert error_annotation(error) == Annotation(
        level=Level.ERROR,
        title="Wrong configuration",
        message="honeyhive.yml:3:5: unknown key — did you mean name?",
        file="honeyhive.yml",
        line=3,
    )


def test_an_error_without_place_and_hint_is_its_message() -> None:
    assert error_annotation(HoneyHiveError("lost")).command() == "::error title=Internal error::lost"
