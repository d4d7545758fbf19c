"""The error that most datapoints ended in, in one line: `commonest_error()`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TypeVar

from honeyhive.gate.comparison import Comparison
from honeyhive.gate.markdown import one_line
from honeyhive.result import Failed, Fault, Outcome

K = TypeVar("K")

_KINDS = 1_000
"""How many different errors are told apart; messages may all differ."""
_LENGTH = 200


def commonest_error(comparison: Comparison, ways_out: Mapping[str, str]) -> str:
    """What the candidate's errors have in common, where most of its datapoints went wrong; else empty.

    It is the commonest type, with the message that it has most often: messages may name their datapoint.
    A type for which there is a way out is told it.
    """
    if not comparison.errors or 2 * comparison.errors < comparison.count:
        return ""
    types: Counter[str] = Counter()
    faults: Counter[Fault] = Counter()
    for fault in filter(None, map(_first_of, comparison.candidate.outcomes)):
        _count(types, fault.type)
        _count(faults, fault)
    ((name, times),) = types.most_common(1)
    fault = next((fault for fault, _ in faults.most_common() if fault.type == name), Fault(type=name, message=""))
    like = "" if faults[fault] == times else "such as "
    way_out = f" — {ways_out[name]}" if name in ways_out else ""
    return (
        f"the commonest error: {like}{one_line(str(fault), _LENGTH)} ({times:,} of {types.total():,} errors){way_out}"
    )


def _count(seen: Counter[K], key: K) -> None:
    if key in seen or len(seen) < _KINDS:
        seen[key] += 1


def _first_of(outcome: Outcome) -> Fault | None:
    return outcome.fault if isinstance(outcome, Failed) else next(iter(outcome.faults.values()), None)
