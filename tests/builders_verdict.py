"""Short ways to two runs held against each other, and to what the gate decides about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from builders import failed, run, scored
from honeyhive.gate.checks import Check
from honeyhive.gate.comparison import Comparison, compare
from honeyhive.gate.thresholds import parse_thresholds
from honeyhive.gate.verdict import Case, Policies, Verdict, judge
from honeyhive.result import Fault, Outcome, RunResult, Score

Given = Score | Exception | Sequence[Any]
"""A score; an exception that its evaluator raised, `CRASH` where the function did; or a list of repeats of that."""

CRASH = RuntimeError("the function broke")
FAULT = ValueError("the evaluator broke")


def outcomes(metric: str, given: Sequence[Given], *, first: int = 0) -> list[Outcome]:
    """One datapoint for each of the given, each with a number of its own from `first` on."""
    return [
        outcome(metric, one, at, repeat)
        for at, repeats in enumerate(given, start=first)
        for repeat, one in enumerate(repeats if isinstance(repeats, Sequence) else [repeats])
    ]


def outcome(metric: str, given: Any, at: int, repeat: int = 0) -> Outcome:
    """What became of datapoint number `at`."""
    fields: dict[str, Any] = {"index": at, "repeat": repeat, "line": at + 1}
    if given is CRASH:
        return failed(f"EXT-{at:04}", fields, error=str(given))
    if isinstance(given, Exception):
        fields["faults"] = {metric: Fault(type=type(given).__name__, message=str(given))}
        return scored(f"EXT-{at:04}", fields)
    return scored(f"EXT-{at:04}", fields, **{metric: given})


def scores(metric: str, given: Sequence[Given], **header: Any) -> RunResult:
    """A run that gave one metric these scores."""
    return run(outcomes(metric, given), **({"evaluators": ()} | header))


def pass_fail(n: int, *, worse: int = 0, better: int = 0, metric: str = "correct") -> tuple[RunResult, RunResult]:
    """Candidate and baseline of a pass/fail metric with so many datapoints that got worse and better."""
    same = [True] * (n - worse - better)
    candidate, baseline = [False] * worse + [True] * better, [True] * worse + [False] * better
    return scores(metric, candidate + same), scores(metric, baseline + same)


def compared(
    candidate: RunResult, baseline: RunResult | None, thresholds: Mapping[str, Any] | None = None
) -> Comparison:
    """The two runs held against each other, the metrics as the thresholds declare them."""
    declared = [threshold.metric for threshold in parse_thresholds(thresholds or {})]
    return compare(candidate, baseline, declared)


def case(
    candidate: RunResult,
    baseline: RunResult | None,
    thresholds: Mapping[str, Any],
    *,
    policies: Policies | None = None,
    experiment: str = "qa",
) -> Case:
    """Two runs and the user's rules, ready to be judged."""
    return Case(
        experiment=experiment,
        comparison=compared(candidate, baseline, thresholds),
        thresholds=parse_thresholds(thresholds),
        policies=policies or Policies(),
    )


def judged(
    candidate: RunResult, baseline: RunResult | None, thresholds: Mapping[str, Any], policies: Policies | None = None
) -> Verdict:
    """The verdict on two runs, alone in their job."""
    return judge([case(candidate, baseline, thresholds, policies=policies)])[0]


def only_check(candidate: RunResult, baseline: RunResult | None, **rules: Any) -> Check:
    """The check of the one rule of the one metric: `correct={"max-drop": 0.02}`."""
    (found,) = judged(candidate, baseline, rules).checks
    return found
