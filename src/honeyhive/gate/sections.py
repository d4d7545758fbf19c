"""The sections of the one comment on a pull request: what they are, how they meet, how they are read back.

A section begins with a stamp that says which job wrote it, and stands between delimiters that no reader sees.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from honeyhive.gate.shortening import Part

MARKER = "<!-- honeyhive-gate -->"
"""The first line of the comment, by which it is found again."""

NAME_LENGTH, LONGEST_URL = 200, 2_000

_DELIMITER = re.compile(r"<!-- honeyhive:(section|hidden|body|fold|end) ([0-9a-f]{16})(?: (\{.*\}))? -->")
_HEADING = re.compile(r"#{2,3} (.+)")


@dataclass(frozen=True, kw_only=True)
class Section:
    """One experiment's part of the comment, and who wrote it.

    `group` is the job, `key` the experiment in it: hashes, which stay the same from one run of a workflow to the next.
    `report_url` is where the whole of a part is that had to be shortened. A section with an empty heading is one that
    did not fit at all.
    """

    key: str
    group: str
    run_id: int
    attempt: int
    head_sha: str
    verdict: str
    experiment: str
    part: Part
    report_url: str | None = None

    @property
    def version(self) -> tuple[int, int]:
        """Of two of the same group, the one with the greater is newer."""
        return self.run_id, self.attempt

    @property
    def stamp(self) -> tuple[str, int, int]:
        """What tells it from all other sections, and from itself in other runs."""
        return self.key, *self.version


def has_marker(body: str) -> bool:
    """Whether a comment's first line says that it is such a one."""
    return body.partition("\n")[0].rstrip() == MARKER


def merged(there: Sequence[Section], ours: Sequence[Section]) -> tuple[Section, ...]:
    """The sections of the comment with ours in it.

    Ours replace those with the same key, and those of our group that an older run has left. Where our group has a newer
    one, ours stay out.
    """
    newest = _newest_versions(there)
    coming = {one.key: one for one in ours if one.version >= newest.get(one.group, one.version)}
    groups = _newest_versions(coming.values())
    stay = [one for one in there if one.key not in coming and one.version >= groups.get(one.group, one.version)]
    return (*{one.key: one for one in sorted(stay, key=lambda one: one.version)}.values(), *coming.values())


def is_overtaken(there: Sequence[Section], ours: Sequence[Section]) -> bool:
    """Whether the comment has a section of our group that is newer than ours."""
    newest = _newest_versions(there)
    return any(one.version < newest.get(one.group, one.version) for one in ours)


def _newest_versions(sections: Iterable[Section]) -> dict[str, tuple[int, int]]:
    """By group."""
    newest: dict[str, tuple[int, int]] = {}
    for one in sections:
        newest[one.group] = max(one.version, newest.get(one.group, one.version))
    return newest


# --- reading ---------------------------------------------------------------------------------------------------------

_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
_Number = Annotated[int, Field(ge=0, lt=2**63)]


class Stamp(BaseModel):
    """What a section says of itself, out of sight: anybody who may edit the comment may have changed it."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    key: _Hash
    group: _Hash
    run_id: _Number
    attempt: _Number
    head_sha: str = Field("", pattern=r"^[0-9a-f]{0,64}$")
    verdict: Literal["broken", "failed", "undecided", "passed", "skipped"]
    experiment: str = Field(max_length=NAME_LENGTH)
    report_url: str | None = Field(None, max_length=LONGEST_URL)
    whole: bool = True
    texts: int = 0
    """How many texts follow: a heading, a body, folds."""

    @classmethod
    def of(cls, one: Section) -> Stamp:
        """The stamp of a section."""
        known = {name: getattr(one, name) for name in cls.model_fields if name not in ("whole", "texts")}
        return cls(**known, whole=one.part.whole, texts=sum(map(bool, one.part.texts)))


@dataclass
class _Open:
    """A section that is being read: the lines after each of its delimiters."""

    nonce: str
    stamp: str
    texts: list[tuple[str, list[str]]] = field(default_factory=list)


def parse(body: str) -> tuple[Section, ...]:
    """The sections of a comment, as far as they are whole: somebody may have edited it."""
    return tuple(_sections(body)) if has_marker(body) else ()


def _sections(body: str) -> Iterator[Section]:
    reading: _Open | None = None
    for line in body.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        found = _DELIMITER.fullmatch(line.rstrip())
        if found is None:
            if reading is not None:
                reading.texts[-1][1].append(line)
            continue
        sort, nonce, stamp = found.groups()
        if sort in ("section", "hidden"):
            reading = _Open(nonce=nonce, stamp=stamp or "", texts=[(sort, [])])
        elif reading is None or nonce != reading.nonce:
            reading = None
        elif sort != "end":
            reading.texts.append((sort, []))
        if reading is not None and sort in ("hidden", "end"):
            yield from _section(reading)
            reading = None


def _section(read: _Open) -> Iterator[Section]:
    """The section that was read; none where it is not whole."""
    try:
        stamp = Stamp.model_validate_json(read.stamp)
    except ValidationError:  # not to be repaired: its job writes it anew
        return
    (sort, first), *rest = read.texts
    heading = next((match[1] for line in first if (match := _HEADING.fullmatch(line))), "")
    texts = ["\n".join(lines).strip("\n") for _, lines in rest]
    sorts = [of for of, _ in rest]
    has_body = sorts[:1] == ["body"]
    if "body" in sorts[1:] or (sort == "section") != bool(heading) or stamp.texts != bool(heading) + len(rest):
        return
    part = Part(head=heading, body=texts[0] if has_body else "", folds=tuple(texts[has_body:]), whole=stamp.whole)
    yield Section(**stamp.model_dump(exclude={"whole", "texts"}), part=part)
