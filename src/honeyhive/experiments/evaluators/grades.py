"""What an evaluator returns, read once: one grade per metric, or the fault that stands in its place."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, TypeGuard

from honeyhive.documents import canonical_json, shown
from honeyhive.experiments.attempts import attempt
from honeyhive.result import BUILT_IN, Fault, Score

MAX_METRIC_NAME = 200
MAX_METRICS = 200
"""One evaluator gives no more metrics than this: each is a column of every report."""

_NOTES = ("explanation", "reasoning")


@dataclass(frozen=True, kw_only=True)
class Grade:
    """One score, the evaluator's note on it, and how much it weighs beside other metrics."""

    score: Score
    note: str | None = None
    weight: float | None = None


Grades = Mapping[str, Grade | Fault]
"""What an evaluator says of one datapoint, by metric."""


class EvalResult:
    """A score with what else is to be said of it; `explanation` is its note."""

    def __init__(self, score: Any, init_method: str | None = None, **metadata: Any) -> None:
        self.score = score
        self.init_method = init_method
        self.explanation = metadata.get("explanation")
        self.metadata = metadata

    def to_dict(self) -> dict[str, Any]:
        """The score and the metadata."""
        return {"score": self.score, "metadata": self.metadata}


@dataclass(frozen=True, kw_only=True, slots=True)
class Returned:
    """What one call of an evaluator returned, taken apart.

    `value` is what its own metric comes from, or a mapping of metrics; `extras` are further metrics, by their keys.
    """

    value: Any
    note: str | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)

    def with_value(self, value: Any) -> Returned:
        """The same once a setting has made something else of its value."""
        made = read_returned(value)
        return replace(made, note=joined_notes([self.note, made.note]), extras={**self.extras, **made.extras})

    def whole(self) -> Any:
        """All of it in one value, as an evaluator would return it."""
        noted = self.value if self.note is None else (self.value, self.note)
        if not self.extras:
            return noted
        if self.note is None or _NOTES[0] in self.extras:  # a metric of that name leaves no key for the note
            return {"score": noted, **self.extras}
        return {"score": self.value, _NOTES[0]: self.note, **self.extras}


def read_returned(returned: Any) -> Returned:
    """Take apart what an evaluator returned: a value, `(value, note)`, an object with a `score`, a mapping."""
    if returned is None or isinstance(returned, bool | int | float | str):
        return Returned(value=returned)
    if isinstance(returned, Mapping):
        return _read_mapping(returned)
    if isinstance(returned, tuple) and len(returned) == 2 and (returned[1] is None or isinstance(returned[1], str)):
        return _noted(returned[0], [returned[1]])
    if hasattr(returned, "score") and not isinstance(returned, type):
        return _noted(returned.score, [_note(getattr(returned, name, None)) for name in _NOTES])
    return Returned(value=_unboxed(returned))


def joined_notes(notes: list[str | None]) -> str | None:
    """The notes, each once, one below the other."""
    said = list(dict.fromkeys(note for note in notes if note))
    return "\n".join(said) if said else None


def to_grade(returned: Any, expected: str | None = None) -> Grade | Fault:
    """The grade of one metric; a text is a label, right where it is the `expected` one."""
    read = read_returned(returned)
    if isinstance(returned, Mapping) or read.extras:
        return Fault(type="TypeError", message=f"gave a {type(returned).__name__}, not True/False, a number or None")
    return _grade(read, expected)


def to_grades(name: str, returned: Returned, ground_truth: Any) -> dict[str, Grade | Fault]:
    """The metrics of the evaluator called `name`: its own, and one for each key of a mapping."""
    if isinstance(returned.value, Mapping):
        metrics, prefix, found = returned.value, "", {}
    else:
        metrics, prefix, found = returned.extras, f"{name}_", {name: _own_grade(name, returned, ground_truth)}
    fault = _mapping_fault(metrics, prefix) if metrics else None
    if fault is None and not metrics and not found:
        fault = Fault(type="ValueError", message="gave an empty mapping, which says nothing")
    if fault is not None:
        return {name: fault}
    for key, value in metrics.items():
        metric = f"{prefix}{key}"
        expected = _named(ground_truth, metric, key)
        if not prefix and isinstance(value, str) and expected is None and ground_truth not in (None, {}):
            found[metric] = _unheld(value)
            continue
        grade = _grade_of(value, expected)
        found[metric] = grade if prefix else _with_note(grade, returned.note)
    return found


def _own_grade(name: str, returned: Returned, ground_truth: Any) -> Grade | Fault:
    """The grade of the evaluator's own metric; a label that the ground truth says nothing of is no missing score."""
    expected = _expected(name, ground_truth)
    if isinstance(returned.value, str) and expected is None and ground_truth not in (None, {}):
        return _unheld(returned.value)
    return _grade(returned, expected)


def _unheld(label: str) -> Fault:
    message = f"gave the label {shown(label)}, and the ground truth has none to hold it against"
    return Fault(type="TypeError", message=f"{message}: give (None, label) where it is for information")


# --- mappings --------------------------------------------------------------------------------------------------------


def _read_mapping(returned: Mapping[Any, Any]) -> Returned:
    """Its `score` is the evaluator's own; without one, each key is a metric. A note belongs to all of them.

    A number under the name of a note is a metric like any other: a judge of reasoning calls its score so.
    """
    said = [name for name in _NOTES if name in returned and not _is_number(_unboxed(returned[name]))]
    rest = {key: value for key, value in returned.items() if key not in said and key != "score"}
    notes = [_note(returned[name]) for name in said]
    if "score" not in returned:
        return Returned(value=rest, note=joined_notes(notes))
    score = returned["score"]
    if isinstance(score, Mapping):
        raise TypeError(f"gave a {type(score).__name__} as its score, not True/False, a number or None")
    scored = read_returned(score)
    return Returned(value=scored.value, note=joined_notes([scored.note, *notes]), extras=rest)


def _noted(value: Any, notes: list[str | None]) -> Returned:
    if isinstance(value, Mapping):
        read = _read_mapping(value)
        return replace(read, note=joined_notes([read.note, *notes]))
    return Returned(value=_unboxed(value), note=joined_notes(notes))


def _grade_of(value: Any, expected: str | None) -> Grade | Fault:
    """The grade of one key; what it raises, being the user's object, is a fault of that key alone."""
    return attempt(lambda: to_grade(value, expected))


def _mapping_fault(metrics: Mapping[Any, Any], prefix: str) -> Fault | None:
    if len(metrics) > MAX_METRICS:
        return Fault(type="ValueError", message=f"gave {len(metrics)} metrics; {MAX_METRICS} is the most")
    return next((fault for key in metrics if (fault := _key_fault(key, prefix)) is not None), None)


def _key_fault(key: Any, prefix: str) -> Fault | None:
    if not isinstance(key, str):
        return Fault(type="TypeError", message=f"gave a metric whose name is a {type(key).__name__}, not text")
    if not key.strip() or not f"{prefix}{key}".isprintable():
        return Fault(type="ValueError", message=f"gave a metric called {shown(key)}, which is no name")
    if len(key) + len(prefix) > MAX_METRIC_NAME:
        message = f"gave a metric called {shown(key)}: longer than {MAX_METRIC_NAME} characters"
        return Fault(type="ValueError", message=message)
    if f"{prefix}{key}" in BUILT_IN:
        return Fault(type="ValueError", message=f"gave a metric called {key!r}, which every run has: rename it")
    return None


def _note(said: Any) -> str | None:
    return said if said is None or isinstance(said, str) else canonical_json(said)


def _with_note(grade: Grade | Fault, note: str | None) -> Grade | Fault:
    return replace(grade, note=note) if isinstance(grade, Grade) and grade.note is None else grade


# --- labels ----------------------------------------------------------------------------------------------------------


def _expected(name: str, ground_truth: Any) -> str | None:
    """The label that the ground truth holds for an evaluator: itself, that of its name, or its only text."""
    if isinstance(ground_truth, str):
        return ground_truth
    named = _named(ground_truth, name)
    if named is not None or not isinstance(ground_truth, Mapping) or name in ground_truth:
        return named
    texts = [value for value in ground_truth.values() if isinstance(value, str)]
    return texts[0] if len(texts) == 1 else None


def _named(ground_truth: Any, *names: str) -> str | None:
    """The text that a mapping holds under the first of these names that it has."""
    if not isinstance(ground_truth, Mapping):
        return None
    return next((ground_truth[name] for name in names if isinstance(ground_truth.get(name), str)), None)


# --- scores ----------------------------------------------------------------------------------------------------------


def _grade(returned: Returned, expected: str | None) -> Grade | Fault:
    if isinstance(returned.value, str):
        note = returned.value if returned.note is None else f"{returned.value}: {returned.note}"
        return Grade(score=None if expected is None else returned.value == expected, note=note)
    score = to_score(returned.value)
    return score if isinstance(score, Fault) else Grade(score=score, note=returned.note)


def to_score(value: Any) -> Score | Fault:
    """The value as a score: true or false, a finite number, `None`; or the fault that it is none of these."""
    value = _unboxed(value)
    if value is None or isinstance(value, bool):
        return value
    if not _is_number(value):
        return Fault(type="TypeError", message=f"gave a {type(value).__name__}, not True/False, a number or None")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    except ValueError:  # a signalling NaN of `decimal`
        number = math.nan
    if not math.isfinite(number):
        return Fault(type="ValueError", message=f"gave {number}, which is not a finite number")
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _is_number(value: Any) -> TypeGuard[float | numbers.Real | Decimal]:
    """Whether a value is true, false or a number, finite or not."""
    return isinstance(value, float | int | numbers.Real | Decimal)  # the usual ones first: the others are slow to ask


def _unboxed(value: Any) -> Any:
    """What a scalar of an array library holds; everything else as it is."""
    return value.item() if hasattr(value, "item") and getattr(value, "shape", None) == () else value
