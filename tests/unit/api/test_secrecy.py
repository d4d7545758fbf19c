"""A secret is taken out of text however it is escaped there."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyhive.api.secrecy import beginning, without

SECRETS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=40)
FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
    "JSON with slashes escaped": lambda text: json.dumps(text)[1:-1].replace("/", r"\/"),
    "JSON in numbers": lambda text: "".join(f"\\u{ord(character):04X}" for character in text),
    "Python": lambda text: repr(f"{text}'\"")[1:-4],
    "Python's bytes": lambda text: repr(text.encode())[2:-1],
    "a URL": lambda text: quote(text, safe=""),
    "HTML": html.escape,
    "HTML in numbers": lambda text: "".join(f"&#x{ord(character):X};" for character in text),
    "HTML in decimals": lambda text: "".join(f"&#{ord(character)};" for character in text),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@given(secret=SECRETS)
def test_every_form_is_taken_out(form: Callable[[str], str], secret: str) -> None:
    assert without(secret, f"<{form(secret)}>", "\x00") == "<\x00>"


@given(st.text(st.characters(max_codepoint=0x7E)))
def test_what_does_not_hold_it_stays(text: str) -> None:
    assert without("hh-secret-key", text, "***") == text


def test_of_a_long_text_no_more_is_looked_at_than_is_needed() -> None:
    secret = "secret/key"
    text = r"secret\/key " * 10_000
    assert beginning(secret, text, "***", 40)[:40] == ("*** " * 10)
    assert len(beginning(secret, text, "***", 40)) < 3_000
