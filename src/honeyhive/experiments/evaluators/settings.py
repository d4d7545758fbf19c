"""The settings of an evaluator: what is made of the values that its calls return."""

from __future__ import annotations

import numbers
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any

from honeyhive.errors import ArgumentError
from honeyhive.experiments.evaluators.grades import Grade, Returned, joined_notes, read_returned, to_score
from honeyhive.experiments.evaluators.steps import Step, read_step
from honeyhive.experiments.evaluators.targets import Target, read_target
from honeyhive.result import Fault

MAX_REPEATS = 100


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is made of the values that an evaluator returns, in this order.

    1. The evaluator is called `repeat` times.
    2. `transform` makes another value of each.
    3. `aggregate` makes one of all; several without one become their mean, where true is 1 and false is 0, labels
       the most frequent one, mappings the same key by key.
    4. `checker` says whether that is good enough, given the `target`; a `target` alone is compared as `Target` says.
       What it says, true or false, is the score.
    5. `asserts` makes an error of a score that is not true.

    A value `None`, not applicable, takes no part: it is neither transformed, aggregated nor checked. `weight` is how
    much the metric counts beside others in one number over all of them.
    """

    repeat: int = 1
    transform: Step | None = None
    aggregate: Step | None = None
    checker: Step | None = None
    target: Target | None = None
    weight: float | None = None
    asserts: bool = False

    @property
    def changes_value(self) -> bool:
        """Whether what comes out may be anything else than what one call returned."""
        made_of_it = (self.transform, self.aggregate, self.checker, self.target)
        return self.repeat > 1 or any(setting is not None for setting in made_of_it)

    def settle(self, results: Sequence[Any]) -> Returned:
        """What the calls, which gave these results, come to; raises what the settings' own code raises."""
        calls = [read_returned(result) for result in results]
        if not self.changes_value and len(calls) == 1:
            return calls[0]
        transformed = [self._transformed(call, result) for call, result in zip(calls, results, strict=True)]
        return self._checked(self._aggregated(transformed, results), results)

    def weighed(self, grade: Grade | Fault) -> Grade | Fault:
        """The grade with its weight; the fault in its place where it is not true and `asserts` is on."""
        if isinstance(grade, Fault):
            return grade
        if self.asserts and not grade.score:
            target = "" if self.target is None else f"; the target is {self.target}"
            note = "" if grade.note is None else f" ({grade.note})"
            return Fault(type="AssertionError", message=f"the score is {grade.score}{note}{target}")
        return grade if self.weight is None else replace(grade, weight=self.weight)

    def _transformed(self, call: Returned, result: Any) -> Returned:
        if call.value is None or self.transform is None:
            return call
        return call.with_value(self.transform(value=call.value, result=result))

    def _aggregated(self, calls: Sequence[Returned], results: Sequence[Any]) -> Returned:
        applying = [call for call in calls if call.value is not None]
        if self.aggregate is None or not applying:
            return combined(calls)
        values = [_sound(call.value) for call in applying]
        around = combined([replace(call, value=None) for call in calls])
        return around.with_value(self.aggregate(values=values, results=list(results)))

    def _checked(self, one: Returned, results: Sequence[Any]) -> Returned:
        if one.value is None or (self.checker is None and self.target is None):
            return one
        value = _sound(one.value)
        if self.checker is None:
            return replace(one, value=self.target is not None and self.target.met_by(value))
        result = results[0] if len(results) == 1 else list(results)
        target = None if self.target is None else self.target.value
        found = one.with_value(self.checker(value=value, target=target, result=result))
        return replace(found, value=_truth(found.value))

    def described(self) -> dict[str, Any]:
        """What a fingerprint knows of them: all that decides about a score, as far as it is set."""
        steps = {"transform": self.transform, "aggregate": self.aggregate, "checker": self.checker}
        described = {name: step.described() for name, step in steps.items() if step is not None}
        if self.repeat > 1:
            described["repeat"] = self.repeat
        if self.target is not None:
            described["target"] = self.target.described()
        if self.asserts:
            described["asserts"] = True
        return described


def read_settings(written: Mapping[str, Any]) -> Settings:
    """The settings as they are written, those that are `None` left out; `ArgumentError` names the one that is wrong."""
    read: dict[str, Any] = {}
    for name, value in written.items():
        if value is None:
            continue
        try:
            read[name] = _READERS[name](value)
        except ArgumentError as error:
            raise ArgumentError(f"{name}: {error.message}", hint=error.hint) from error
    return Settings(**read)


def _read_repeat(written: Any) -> int:
    if isinstance(written, bool) or not isinstance(written, int) or not 1 <= written <= MAX_REPEATS:
        raise ArgumentError(f"{written!r} is no number of calls", hint=f"a whole number from 1 to {MAX_REPEATS}")
    return written


def _read_weight(written: Any) -> float:
    score = to_score(written)
    if score is None or isinstance(score, bool | Fault) or score < 0:
        raise ArgumentError(f"{written!r} is no weight", hint="a number that is not negative")
    return float(score)


def _read_asserts(written: Any) -> bool:
    if not isinstance(written, bool):
        raise ArgumentError(f"{written!r} is neither True nor False", hint="it says whether a false score is an error")
    return written


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "repeat": _read_repeat,
    "transform": partial(read_step, "transform"),
    "aggregate": partial(read_step, "aggregate"),
    "checker": partial(read_step, "checker"),
    "target": read_target,
    "weight": _read_weight,
    "asserts": _read_asserts,
}
NAMES = frozenset(_READERS)


# --- several calls ---------------------------------------------------------------------------------------------------


def combined(calls: Sequence[Returned]) -> Returned:
    """One for several calls: the mean of numbers, the most frequent label, mappings key by key."""
    if len(calls) == 1:
        return calls[0]
    keys = dict.fromkeys(key for call in calls for key in call.extras)
    return Returned(
        value=_combined_values([call.value for call in calls]),
        note=joined_notes([call.note for call in calls]),
        extras={key: _combined_key(key, [call.extras for call in calls]) for key in keys},
    )


def _combined_key(key: Any, mappings: Sequence[Mapping[Any, Any]]) -> Any:
    """The values that the calls gave under a key, those that gave one."""
    return combined([read_returned(mapping[key]) for mapping in mappings if key in mapping]).whole()


def _combined_values(values: Sequence[Any]) -> Any:
    applying = [value for value in values if value is not None]
    if not applying:
        return None
    if all(isinstance(value, Mapping) for value in applying):
        keys = dict.fromkeys(key for mapping in applying for key in mapping)
        return {key: _combined_key(key, applying) for key in keys}
    if all(isinstance(value, str) for value in applying):
        return statistics.mode(applying)
    return statistics.mean(_number(value) for value in applying)


def _number(value: Any) -> float:
    score = to_score(value)
    if score is None or isinstance(score, Fault):
        message = "gave None" if score is None else score.message
        raise TypeError(f"{message}; several calls need an aggregate for that")
    return int(score) if isinstance(score, bool) else score


def _sound(value: Any) -> Any:
    """The value, a number as a score has it: no comparison says anything of one that is not finite."""
    if not isinstance(value, numbers.Real | Decimal):
        return value
    score = to_score(value)
    if isinstance(score, Fault):
        raise ValueError(score.message)  # noqa: TRY004 - its type is right
    return score


def _truth(value: Any) -> bool:
    score = to_score(value)
    if score is None or isinstance(score, Fault):
        raise TypeError(f"the checker gave a {type(value).__name__}, not True or False")
    return bool(score)
