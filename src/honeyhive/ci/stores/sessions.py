"""An outcome as a session of HoneyHive holds it: what is written into it besides, and the line made of it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from honeyhive.documents import canonical_json, compact_json
from honeyhive.experiments.platform.bodies import PlatformRun
from honeyhive.models.generated import Event
from honeyhive.result import Outcome, content_hash
from honeyhive.runlines import outcome_line, parse_line, retry_line

Part = Literal["inputs", "ground_truth", "output"]
PARTS: tuple[Part, ...] = ("inputs", "ground_truth", "output")
_UNDER: Mapping[Part, str] = {"inputs": "inputs", "ground_truth": "ground_truth", "output": "result"}
"""The key under which a session has what is no object, and the ground truth always."""


class Record(BaseModel):
    """What a session does not say of its outcome: all of its line but inputs, ground truth and output.

    Those are in `outcome` too where the session's own would not come back as they were; else they are under a key of
    their own in the session where `wrapped` names them.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    outcome: dict[str, Any]
    retry: dict[str, Any] | None = None
    wrapped: tuple[Part, ...] = ()


def record_of(outcome: Outcome, run: PlatformRun) -> str:
    """The record of an outcome of the run, as the text that its session gets."""
    line, told = from_json(outcome_line(outcome)), _told(outcome, run)
    line.pop("enrichment", None)
    wrapped = [part for part in PARTS if _is(told[part], {_UNDER[part]: line[part]})]
    plain = [part for part in PARTS if part not in wrapped and part != "ground_truth" and _is(told[part], line[part])]
    left = {*wrapped, *plain}
    if content_hash(line["inputs"], line["ground_truth"]) != line["content_hash"]:
        left -= {"inputs", "ground_truth"}  # cut when it was recorded: then only the hash is of the whole
    kept = {key: value for key, value in line.items() if key not in left}
    found: dict[str, Any] = {"outcome": kept, "wrapped": [part for part in wrapped if part in left]}
    if outcome.retry is not None:
        found["retry"] = from_json(retry_line(outcome.retry))
    return compact_json(found).decode()


def lines_of(text: Any, session: Event) -> tuple[bytes, ...]:
    """The lines of the run file that a record and its session come to; `ValueError` where one is not as it was."""
    if not isinstance(text, str):
        raise ValueError("it does not say how its outcome was recorded")  # noqa: TRY004 - a stranger's answer
    try:
        record = Record.model_validate_json(text)
    except ValidationError as error:
        raise ValueError("what it says of its outcome cannot be read") from error
    line: dict[str, Any] = {**record.outcome, **{part: _part(part, record, session) for part in PARTS}}
    given = PARTS[:2]
    if any(part not in record.outcome for part in given) and content_hash(*(line[part] for part in given)) != line.get(
        "content_hash"
    ):
        raise ValueError("its inputs or its ground truth are not what they were")
    lines = [compact_json(one) for one in (line, record.retry) if one is not None]
    for one in lines:
        parse_line(one)
    return tuple(lines)


def _part(part: Part, record: Record, session: Event) -> Any:
    if part in record.outcome:
        return record.outcome[part]
    found = {"inputs": session.inputs, "ground_truth": session.feedback, "output": session.outputs}[part]
    if part not in record.wrapped:
        return found
    if not isinstance(found, Mapping) or _UNDER[part] not in found:
        raise ValueError(f"it has lost its {part.replace('_', ' ')}")
    return found[_UNDER[part]]


def _told(outcome: Outcome, run: PlatformRun) -> dict[Part, Any]:
    """What the session was told of each part, of its feedback only the ground truth."""
    update = run.event_update(outcome, "")
    truth = {key: value for key, value in update.get("feedback", {}).items() if key == "ground_truth"}
    return {
        "inputs": run.session(outcome, "", b"")["inputs"],
        "ground_truth": truth,
        "output": update.get("outputs"),
    }


def _is(told: Any, value: Any) -> bool:
    return bool(told) and isinstance(told, Mapping) and canonical_json(told) == canonical_json(value)
