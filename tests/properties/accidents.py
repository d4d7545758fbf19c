"""What may become of a text on its way: bytes changed, cut out, doubled or put in, and what parsers stumble over."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

STUMBLES = (
    *(b"", b"\0", b"\r", b"\n", b"\r\n", b'"', b"'", b"\\", b",", b":", b"- ", b"#", b"%", b"`", b"|"),
    *(b"[", b"]", b"{", b"}", b"[" * 200, b'{"a":' * 200, b"{}", b"[]", b'""', b"null", b"true", b"~", b"?"),
    *(b"NaN", b"-Infinity", b"1e999", b"-1e999", b"1e-999", b"-0", b"-1", b"0", b"9" * 30, b"9" * 5_000, b"0x10"),
    *(b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xe2\x80\xae"),
    *(b"\x1b[2J", b"\\ud800", b"\\u0000", b".5"),
    *(b"\n::error::EVIL\n", b"::set-output name=a::b", b"##[error]EVIL", b"\\n::stop-commands::EVIL\\n"),
    *(b"&a ", b"*a", b"<<: *a", b"!!python/object/apply:os.system [id]", b"!!binary ", b"---\n", b"%YAML 1.1\n"),
)  # fmt: skip
"""Parts of which each was once something else to one parser than to another."""


@st.composite
def accidents(draw: st.DrawFn, texts: Sequence[bytes], *, most: int = 5) -> bytes:
    """One of the texts after some accidents, at times none; at times any bytes at all."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.binary(max_size=80) | st.lists(st.sampled_from(STUMBLES), max_size=20).map(b"".join))
    text = draw(st.sampled_from(texts))
    for _ in range(draw(st.integers(0, most))):
        begin = draw(st.integers(0, len(text)))
        end = min(len(text), begin + draw(st.integers(0, 40)))
        part = draw(st.sampled_from(["cut off", "put in", "replace", "double", "flip", "take from another"]))
        match part:
            case "cut off":
                text = text[:begin]
            case "put in":
                text = text[:begin] + draw(st.sampled_from(STUMBLES)) + text[begin:]
            case "replace":
                text = text[:begin] + draw(st.sampled_from(STUMBLES)) + text[end:]
            case "double":
                text = text[:end] + text[begin:end] + text[end:]
            case "flip":
                flipped = bytes([text[begin] ^ (1 << draw(st.integers(0, 7)))]) if begin < len(text) else b""
                text = text[:begin] + flipped + text[begin + 1 :]
            case _:
                other = draw(st.sampled_from(texts))
                start = draw(st.integers(0, len(other)))
                text = text[:begin] + other[start : start + draw(st.integers(0, 80))] + text[end:]
    return text


def accidental_lines(texts: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """The same, for texts of many lines: whole lines left out, doubled, moved and mixed besides."""
    lines = [line for text in texts for line in text.splitlines(keepends=True)]
    mixed = st.lists(st.sampled_from(lines), max_size=8).map(b"".join)
    return accidents(texts) | mixed | mixed.flatmap(lambda text: accidents([text], most=2))


ODD = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, 5e-324, -0.0, "true", "1", "NaN"])
    | st.sampled_from(["\0", "a\nb", "\r", "\x1b[2J", "\u2028", "\u202e", "\ud800", "EXT-", " ", "x" * 5_000])
    | st.sampled_from(["::error::EVIL", "\n::error::EVIL", "##[error]EVIL"])
    | st.sampled_from([[], {}, [[]], {"": {}}, [None], {"a": float("nan")}, [float("inf")]])
)  # fmt: skip
"""A value that belongs there, or that one would never think of."""


@st.composite
def altered(draw: st.DrawFn, value: Any) -> Any:
    """The value, something in it gone, in the place of another, called otherwise, or odd."""
    if not isinstance(value, dict | list) or not value or draw(st.integers(0, 9)) == 0:
        return draw(ODD)
    if isinstance(value, list):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], *draw(_instead(value[at])), *value[at + 1 :]]
    key = draw(st.sampled_from([*value]))
    match draw(st.sampled_from(["alter", "alter", "alter", "drop", "rename", "add"])):
        case "alter":
            return {**value, key: draw(altered(value[key]))}
        case "rename":
            return {
                draw(st.sampled_from([*value]) | st.text(max_size=5)) if name == key else name: value[name]
                for name in value
            }
        case "add":
            return {**value, draw(st.text(max_size=5)): draw(ODD)}
        case _:
            return {name: value[name] for name in value if name != key}


def _instead(item: Any) -> st.SearchStrategy[list[Any]]:
    return st.sampled_from([[], [item, item]]) | altered(item).map(lambda new: [new]) | ODD.map(lambda new: [item, new])


def often_altered(value: Any) -> st.SearchStrategy[Any]:
    """The value, altered up to three times."""
    return st.integers(0, 3).flatmap(lambda times: _again(st.just(value), times))


def _again(values: st.SearchStrategy[Any], times: int) -> st.SearchStrategy[Any]:
    return values if times == 0 else _again(values.flatmap(altered), times - 1)


@st.composite
def altered_lines(draw: st.DrawFn, text: bytes) -> bytes:
    """JSON lines of which one or two were altered: JSON still, but for the numbers that are none."""
    values = [json.loads(line) for line in text.decode("utf-8-sig").splitlines() if line.strip()]
    for at in draw(st.lists(st.integers(0, len(values) - 1), min_size=1, max_size=2)):
        values[at] = draw(altered(values[at]))
    return "".join(f"{json.dumps(value)}\n" for value in values).encode()
