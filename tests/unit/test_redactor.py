"""A secret is taken out of text and values however it is written there, and nothing else is."""

from __future__ import annotations

import base64
import html
import json
import random
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from honeyhive.documents import compact_json
from honeyhive.documents.redactor import MARK, NO_SECRETS, Redactor
from honeyhive.documents.spellings import _ESCAPE, _unescape, _unescaped
from often import OFTEN

SEEN = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
SECRETS = st.text(SEEN, min_size=8, max_size=40).filter(lambda text: "*" not in text)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=8, max_size=20).filter(
    lambda text: "*" not in text and len(text.strip()) > 7 and len("".join(filter(str.isprintable, text))) > 7
)
AROUND = st.text(st.sampled_from("ab\\n%0 '\"&#;xuAg=="), max_size=6)
FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
    "JSON with slashes escaped": lambda text: json.dumps(text)[1:-1].replace("/", r"\/"),
    "JSON in numbers": lambda text: "".join(f"\\u{ord(character):04X}" for character in text),
    "Python": lambda text: repr(f"{text}'\"")[1:-4],
    "Python's bytes": lambda text: repr(text.encode())[2:-1],
    "a URL": lambda text: quote(text, safe=""),
    "a URL in lower case": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "a form": quote_plus,
    "a URL in a URL": lambda text: quote(quote(text, safe=""), safe=""),
    "JSON in a URL": lambda text: quote(json.dumps(text)[1:-1], safe=""),
    "HTML": html.escape,
    "HTML in HTML": lambda text: html.escape(html.escape(text)),
    "HTML in numbers": lambda text: "".join(f"&#x{ord(character):X};" for character in text),
    "HTML in decimals": lambda text: "".join(f"&#{ord(character)};" for character in text),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "letter by letter": "\n".join,
    "lines of JSON": lambda text: json.dumps("\n".join(text))[1:-1],
    "two lines": lambda text: f"{text[:5]}\r\n\t{text[5:]}",
    "two lines of a URL": lambda text: quote(f"{text[:5]}\n{text[5:]}", safe=""),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@OFTEN
@given(secret=SECRETS)
def test_every_form_is_taken_out(form: Callable[[str], str], secret: str) -> None:
    if form is FORMS["lines of JSON"]:  # what a backslash of its own escapes, nobody can tell from the ends of lines
        secret = secret.replace("\\", "/")
    clean = Redactor(frozenset({secret})).text(f"<{form(secret)}>")
    # At either end a backslash, with the letter that it may belong to, tells nothing.
    assert re.fullmatch(r"<(\\[nt0abfrv]?)*\*\*\*(\\[nt0abfrv]?)*>", clean, re.IGNORECASE)


@OFTEN
@given(secret=WORDS, form=st.sampled_from(["as it is", "JSON", "a URL", "HTML"]), before=AROUND, after=AROUND)
@example(secret="nsecret-1", form="as it is", before="\\", after="")
def test_whatever_stands_around_it_it_is_taken_out(secret: str, form: str, before: str, after: str) -> None:
    redactor = Redactor(frozenset({secret}))
    written = FORMS[form](secret)
    clean = redactor.text(before + written + after)
    assert written not in clean
    assert redactor.text(clean) == clean
    assert not redactor.finds(clean.encode())


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode], ids=["standard", "for URLs"])
@OFTEN
@given(secret=SECRETS, before=st.binary(max_size=20), after=st.binary(max_size=8), wrapped=st.booleans())
def test_base64_of_what_holds_it_is_taken_out(
    encode: Callable[[bytes], bytes], secret: str, before: bytes, after: bytes, wrapped: bool
) -> None:
    text = encode(before + secret.encode() + after).decode()
    text = "\n".join(text[at : at + 7] for at in range(0, len(text), 7)) if wrapped else text
    clean = Redactor(frozenset({secret})).text(text)
    assert MARK in clean
    left = "".join(clean.partition(MARK)[2].split())
    assert len(left) <= len(encode(after)) + 3


@OFTEN
@given(st.text())
def test_what_does_not_hold_it_stays(text: str) -> None:
    assert Redactor(frozenset({"hh-secret-key", 'a"b\\c/d<e>é&'})).text(text) == text


def test_without_secrets_nothing_is_looked_at() -> None:
    text, value = "text", {"a": ["b"]}
    assert Redactor().text(text) is text
    assert Redactor().value(value) is value


def test_its_repr_tells_nothing() -> None:
    assert "hunter22" not in repr(Redactor(frozenset({"hunter22"})))


@OFTEN
@given(secret=SECRETS, key=AROUND, before=AROUND, after=AROUND)
def test_a_value_keeps_its_structure(secret: str, key: str, before: str, after: str) -> None:
    redactor = Redactor(frozenset({secret}))
    clean = redactor.value({f"k{secret}": [1, True, None, {"deep": (f"{before}{secret}{after}", 2.5)}], "other": key})
    assert list(clean) == [f"k{MARK}", "other"]
    assert clean[f"k{MARK}"][:3] == [1, True, None]
    assert secret not in clean[f"k{MARK}"][3]["deep"][0]
    assert clean[f"k{MARK}"][3]["deep"][1] == 2.5


def test_a_number_may_be_the_secret() -> None:
    assert Redactor(frozenset({"1234567890"})).value([1234567890, 12345]) == [MARK, 12345]


def test_each_line_of_a_key_is_a_secret_and_short_ones_are_not() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nkeyend\n-----END PRIVATE KEY-----\n"
    redactor = Redactor(frozenset({key}))
    assert redactor.text(f"x {key} x") == f"x {MARK}\n x"
    assert redactor.text("a MIIEvQIBADANBgkqhkiG9w0BAQEFAASC b keyend") == f"a {MARK} b keyend"


def test_one_secret_in_another_leaves_nothing_of_the_longer() -> None:
    assert Redactor(frozenset({"hunter22", "my-hunter22-long"})).text("<my-hunter22-long>") == f"<{MARK}>"


@OFTEN
@given(secret=SECRETS, text=st.text(SEEN, max_size=30), sizes=st.lists(st.integers(1, 9), min_size=1, max_size=30))
@example(secret="%41bcdefgh", text="%", sizes=[1])
def test_a_stream_gives_what_the_whole_text_would(secret: str, text: str, sizes: list[int]) -> None:
    redactor = Redactor(frozenset({secret}))
    whole = f"{text}\n{quote(secret, safe='')}{text}{secret} \n{secret[:5]}\n{secret[5:]}.{secret[:-1]}".encode()
    stream, given_out, at = redactor.stream(), b"", 0
    while at < len(whole):
        size = sizes[at % len(sizes)]
        given_out += stream.take(whole[at : at + size])
        assert not redactor.finds(given_out)
        at += size
    given_out += stream.end()
    assert not redactor.finds(given_out)
    assert given_out.count(MARK.encode()) >= 1


def test_a_line_that_is_no_secret_comes_out_at_once_and_one_that_may_be_with_the_next() -> None:
    stream = Redactor(frozenset({"hunter22"})).stream()
    assert stream.take(b"a line\n", by_line=True) == b"a line\n"
    assert stream.take(b"say hunt\n", by_line=True) == b""
    assert stream.take(b"ing\n", by_line=True) == b"say hunt\ning\n"
    assert stream.take(b"hunter\n", by_line=True) == b""
    assert stream.take(b"\n", by_line=True) == b""
    assert stream.take(b"22 it is\n", by_line=True) == b"*** it is\n"
    assert stream.take(b"hunt", by_line=True) == b""
    assert stream.end() == b"hunt"


def test_white_space_without_end_is_not_kept_for_ever() -> None:
    stream = Redactor(frozenset({"hunter22"})).stream()
    given_out = stream.take(b"hunt\n", by_line=True)
    given_out += b"".join(stream.take(b"\n", by_line=True) for _ in range(100_000))
    assert given_out.startswith(b"hunt\n")


@pytest.mark.parametrize("text", ["\\", "\\n", "%25", "&amp;", "&#0", "hunter2", "hunte", " ", "\\u0068"])
def test_text_that_almost_matches_takes_no_longer_than_its_length(text: str) -> None:
    # Twenty million bytes: anything worse than linear would not come to an end.
    assert not Redactor(frozenset({"hunter22"})).finds((text * (20_000_000 // len(text))).encode())


def test_the_fast_way_to_unescape_comes_to_the_same() -> None:
    parts = [
        b"\\",
        b"n",
        b"u",
        b"0041",
        b"x",
        b"%",
        b"25",
        b"&",
        b"amp;",
        b"#",
        b"ud83d",
        b"ude00",
        b'"',
        b"\xc2\xa0",
        b"U",
    ]
    chosen = random.Random(5)
    for _ in range(20_000):
        text = b"".join(chosen.choices(parts, k=chosen.randint(1, 14)))
        assert _unescape(text) == _ESCAPE.sub(_unescaped, text)


def test_of_a_long_text_no_more_is_looked_at_than_is_needed() -> None:
    redactor = Redactor(frozenset({"secret/key"}))
    text = r"secret\/key " * 10_000
    assert redactor.beginning(text, 40)[:39] == " ".join([MARK] * 10)
    assert len(redactor.beginning(text, 40)) < 3_000


# --- lines of our own ------------------------------------------------------------------------------------------------

USUAL = ("as it is", "JSON", "JSON in JSON", "a URL", "HTML", "hex", "letter by letter", "two lines")


@pytest.mark.parametrize("form", USUAL)
@OFTEN
@given(secret=SECRETS)
def test_a_line_of_ours_is_cleaned_of_secrets_as_they_are_usually_written(form: str, secret: str) -> None:
    if form in ("JSON in JSON", "letter by letter", "two lines"):  # a backslash may pass for one of the escapes
        secret = secret.replace("\\", "/")
    redactor = Redactor(frozenset({secret}))
    text = FORMS[form](secret)
    line = compact_json({"type": "outcome", "output": {"said": f"<{text}>", text: [text]}, "index": 3})
    assert redactor.touches(line)
    clean = redactor.own_line(line)
    assert not redactor.finds(clean)
    assert json.loads(clean)["index"] == 3


def test_a_line_of_ours_without_a_secret_is_the_same_object_and_its_own_keys_stay() -> None:
    line = b'{"session_id":"7","output":"a\\nb"}'
    assert Redactor(frozenset({"hunter2-hunter2"})).own_line(line) is line
    assert NO_SECRETS.own_line(line) is line
    assert Redactor(frozenset({"session_id"})).own_line(line) == line
