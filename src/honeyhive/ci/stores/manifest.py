"""The entry of a run as the file beside it: written, and read without trusting who has written it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict
from datetime import datetime
from typing import Annotated
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from honeyhive.ci.stores.entry import SCHEMA, Entry
from honeyhive.documents import canonical_json

_LONGEST = 100
_TAKEN = ("readme.md",)
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def _aware(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("should name its time zone")
    return text


_Text = Annotated[str, Field(min_length=1, max_length=255)]
_Time = Annotated[_Text, AfterValidator(_aware)]


class _Manifest(BaseModel):
    """What stands in the file; whatever else does is of a later version, and left to it."""

    model_config = ConfigDict(extra="ignore", strict=True)

    schema_: Annotated[int, Field(alias="schema", ge=1)]
    experiment: _Text
    commit: str = Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")
    run_id: _Text
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=1)
    event: _Text
    ref: _Text | None = None
    tag: _Text | None = None
    repository: _Text | None = None
    repository_id: int | None = None
    is_fork: bool = False
    started_at: _Time | None = None
    saved_at: _Time
    datapoints: int | None = Field(None, ge=0)


def to_manifest(entry: Entry) -> bytes:
    """The entry as a file: the same entry, the same bytes."""
    return canonical_json({"schema": SCHEMA, **asdict(entry)}).encode("utf-8", "replace") + b"\n"


def from_manifest(content: bytes) -> Entry:
    """The entry that the file is of; `ValueError` with the reason where it is of none."""
    try:
        found = _Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{where or 'the file'}: {first['msg'].lower()}") from None
    if found.schema_ > SCHEMA:
        raise ValueError(f"schema {found.schema_} is newer than this honeyhive reads ({SCHEMA}): update honeyhive")
    return Entry(**found.model_dump(exclude={"schema_"}))


def place_of(entry: Entry) -> str:
    """Where the run is kept, without an ending: `EXPERIMENT/COMMIT-RUNID`."""
    return f"{folder_of(entry.experiment)}/{entry.commit}-{file_name(entry.run_id)}"


def folder_of(experiment: str) -> str:
    """The folder of the experiment's runs."""
    return file_name(experiment)


def file_name(text: str) -> str:
    """The text as the name of a file anywhere: itself where it can be one, else what is left of it and a hash."""
    if _PLAIN.fullmatch(text) and len(text) <= _LONGEST and text.lower() not in _TAKEN:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    readable = quote(text, safe="", errors="replace").replace("%", "_").lstrip("._-~")
    return f"{readable[: _LONGEST - 17] or 'run'}~{digest}"
