"""Short ways to build what the gate's words and comments are made from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from builders import failed, run, scored
from builders_verdict import CRASH
from honeyhive.gate.checks import Check, Reason, Rule, Status
from honeyhive.gate.comparison import Change, compare
from honeyhive.gate.evidence import Evidence
from honeyhive.gate.metrics import Direction, Kind
from honeyhive.gate.thresholds import parse_thresholds, with_default_errors
from honeyhive.gate.verdict import Case, MetricSummary, Policies, Side, Verdict, judge
from honeyhive.result import Failed, Outcome, RunResult

GOLDEN = Path(__file__).parent / "golden" / "comments"

STATUSES = {
    Reason.MET: Status.PASSED,
    Reason.BELOW_MIN: Status.FAILED,
    Reason.ABOVE_MAX: Status.FAILED,
    Reason.NO_DATA: Status.FAILED,
    Reason.MISSING_METRIC: Status.FAILED,
    Reason.REGRESSED: Status.FAILED,
    Reason.UNCHANGED: Status.PASSED,
    Reason.IMPROVED: Status.PASSED,
    Reason.WITHIN_MARGIN: Status.PASSED,
}


def check(metric: str = "correct", reason: Reason = Reason.REGRESSED, **fields: Any) -> Check:
    """A check with the status that its reason stands for; a pass/fail metric that may drop by 2 points."""
    usual: dict[str, Any] = {
        "kind": Kind.RATE,
        "direction": Direction.HIGHER,
        "rule": Rule.MAX_DROP,
        "limit": 0.02,
        "allowed": "0.02",
        "status": STATUSES.get(reason, Status.UNDECIDED),
    }
    return Check(metric=metric, reason=reason, **(usual | fields))


def regressed(metric: str = "correct", **fields: Any) -> Check:
    """A model that adds up orders worse than the one before it: 121 of 660 datapoints worse, 72 better."""
    found: dict[str, Any] = {
        "candidate": 231 / 660,
        "baseline": 280 / 660,
        "estimate": -0.07424242424242425,
        "lower": -0.10839051656401778,
        "upper": -0.03964573721241725,
        "p": 0.00020343013357924846,
        "p_adjusted": 0.00020343013357924846,
        "n": 660,
        "worse": 121,
        "better": 72,
        "smallest_detectable": 0.050222022596816254,
        "needed": 3_695,
    }
    return check(metric, Reason.REGRESSED, **(found | fields))


def improved(metric: str = "correct", **fields: Any) -> Check:
    """The same two models the other way round."""
    found: dict[str, Any] = {
        "candidate": 280 / 660,
        "baseline": 231 / 660,
        "estimate": 0.07424242424242425,
        "lower": 0.03964573721241725,
        "upper": 0.10839051656401778,
        "p": 0.9997965698664207,
        "p_adjusted": 0.9997965698664207,
        "n": 660,
        "worse": 72,
        "better": 121,
        "smallest_detectable": 0.050222022596816254,
        "needed": 3_695,
    }
    return check(metric, Reason.IMPROVED, **(found | fields))


def low_power(metric: str = "reward", **fields: Any) -> Check:
    """A support agent on 50 datapoints, the same model twice."""
    found: dict[str, Any] = {
        "limit": 0.05,
        "allowed": "0.05",
        "candidate": 0.4,
        "baseline": 0.44,
        "estimate": -0.04,
        "lower": -0.15649129857095245,
        "upper": 0.07956822164787553,
        "p": 0.29052734375,
        "p_adjusted": 0.29052734375,
        "n": 50,
        "worse": 7,
        "better": 5,
        "smallest_detectable": 0.23497110156487377,
        "needed": 647,
    }
    return check(metric, Reason.LOW_POWER, **(found | fields))


def errors(wrong: int = 0, n: int = 660, limit: float = 0.0, **fields: Any) -> Check:
    """The bound on the share of datapoints that may go wrong."""
    share = wrong / n
    return check(
        "errors",
        Reason.ABOVE_MAX if share > limit else Reason.MET,
        **(
            {
                "direction": Direction.LOWER,
                "rule": Rule.MAX,
                "limit": limit,
                "allowed": str(limit),
                "candidate": share,
                "baseline": 0.0,
                "n": n,
            }
            | fields
        ),
    )


def must_pass(metric: str = "correct", passed: int = 38, n: int = 40, **fields: Any) -> Check:
    """What became of the datapoints that have to pass."""
    reason = Reason.BELOW_MIN if passed < n else Reason.MET if n else Reason.NO_DATA
    found: dict[str, Any] = {"limit": 1.0, "allowed": "true", "candidate": passed / n if n else None, "n": n}
    return check(metric, reason, rule=Rule.MUST_PASS, **(found | fields))


def metric(name: str = "latency_ms", **fields: Any) -> MetricSummary:
    """A metric that no check need be about."""
    usual: dict[str, Any] = {
        "kind": Kind.LATENCY,
        "direction": Direction.LOWER,
        "candidate": 790.2,
        "baseline": 812.1,
        "estimate": 0.027,
        "n": 660,
    }
    return MetricSummary(metric=name, **(usual | fields))


def rate(name: str = "correct", **fields: Any) -> MetricSummary:
    """A pass/fail metric's summary."""
    usual: dict[str, Any] = {
        "kind": Kind.RATE,
        "direction": Direction.HIGHER,
        "candidate": 231 / 660,
        "baseline": 280 / 660,
        "estimate": -0.07424242424242425,
    }
    return metric(name, **(usual | fields))


def verdict(*checks: Check, **fields: Any) -> Verdict:
    """The verdict of these checks on 660 order sums, with a baseline unless `baseline=None`."""
    statuses = {one.status for one in checks if one.gating}
    worst = next((status for status in (Status.FAILED, Status.UNDECIDED) if status in statuses), Status.PASSED)
    usual: dict[str, Any] = {
        "verdict": worst,
        "experiment": "order-sums",
        "candidate": Side(
            run_id="5e2f7c10-8b1d-4f7e-9a40-2d1f5c7e9b11", commit="1a2b3c4d5e6f", branch="shorter", count=660, errors=0
        ),
        "baseline": Side(
            run_id="77ab0d35-1c2e-4a5b-8d6f-0e9c8b7a6543",
            commit="9f8e7d6c5b4a",
            branch="main",
            count=660,
            errors=0,
            chosen="first parent, run 2 hours ago",
        ),
        "paired": 660,
        "added": 0,
        "removed": 0,
        "edited": 0,
        "metrics": (metric(),),
        "changes": (),
        "warnings": (),
        "exit_code": 1 if worst is Status.FAILED else 0,
    }
    return Verdict(checks=checks, **(usual | fields))


def orders(*, metric: str = "correct", swapped: bool = False) -> tuple[tuple[Change, ...], dict[str, Evidence]]:
    """Some of the datapoints that changed, and what both runs answered; `swapped`: the other way round."""
    rows = json.loads((GOLDEN / "orders.json").read_text("utf-8"))
    changes: list[Change] = []
    evidence: dict[str, Evidence] = {}
    for got_worse, row in [(True, row) for row in rows["worse"]] + [(False, row) for row in rows["better"]]:
        found = Evidence(**row)
        if swapped:
            found = Evidence(
                **(row | {"candidate_output": found.baseline_output, "baseline_output": found.candidate_output})
            )
        better = got_worse is swapped
        changes.append(
            Change(
                datapoint_id=found.datapoint_id,
                line=found.line,
                metric=metric,
                baseline=0.0 if better else 1.0,
                candidate=1.0 if better else 0.0,
                better=better,
            )
        )
        evidence[found.datapoint_id] = found
    return tuple(changes), evidence


# --- two runs of order sums, judged ----------------------------------------------------------------------------------


def order_sum(at: int, given: Any = True, *, repeat: int = 0, metric: str = "correct", **fields: Any) -> Outcome:
    """What became of the order sum in line `at`: its score, or `CRASH`."""
    pieces, price = 2 + at % 7, 3 + at % 5
    right = given is True or (not isinstance(given, bool) and at % 2 == 0)
    known: dict[str, Any] = {
        "index": at - 1,
        "line": at,
        "repeat": repeat,
        "inputs": {"question": f"What do {pieces} mugs at ${price} each come to?"},
        "ground_truth": pieces * price,
        "duration_ms": 700.0 + 10 * (at % 23),
    } | fields
    if given is CRASH:
        return failed(f"order-{at:03}", known, error="no answer after 3 tries")
    answer = pieces * price if right else pieces + price
    return scored(f"order-{at:03}", {"output": f"Answer: {answer}"} | known, **{metric: given})


def order_sums(given: Iterable[Any], *, metric: str = "correct", first: int = 1, **header: Any) -> RunResult:
    """A run with these scores from line `first` on; what is an outcome already stays it, a list is of repeats."""
    found: list[Outcome] = []
    for at, one in enumerate(given, start=first):
        repeats = one if isinstance(one, list) else [one]
        found += [
            each if isinstance(each, Outcome) else order_sum(at, each, repeat=repeat, metric=metric)
            for repeat, each in enumerate(repeats)
        ]
    return run(found, **({"name": "order-sums", "evaluators": ()} | header))


def flips(n: int, *, worse: int = 0, better: int = 0, right: float = 0.7) -> tuple[list[bool], list[bool]]:
    """Candidate and baseline scores of `n` datapoints, those that changed spread among the others."""
    same = n - worse - better
    passing = round(same * right)
    pairs = [(False, True)] * worse + [(True, False)] * better
    pairs += [(True, True)] * passing + [(False, False)] * (same - passing)
    Random(7).shuffle(pairs)
    return [ours for ours, _ in pairs], [theirs for _, theirs in pairs]


def told(
    candidate: RunResult, baseline: RunResult | None, rules: Mapping[str, Any], policies: Policies | None = None
) -> tuple[Verdict, dict[str, Evidence]]:
    """The verdict on two runs, and what they hold of the datapoints that it names."""
    thresholds = with_default_errors(parse_thresholds(rules))
    ours = replace(candidate, run_id="5e2f7c10-8b1d-4f7e-9a40-2d1f5c7e9b11", git={"commit_hash": "1a2b3c4d5e6f"})
    theirs = baseline and replace(
        baseline,
        run_id="77ab0d35-1c2e-4a5b-8d6f-0e9c8b7a6543",
        git={"commit_hash": "9f8e7d6c5b4a", "branch": "main"},
    )
    case = Case(
        experiment="order-sums",
        comparison=compare(ours, theirs, [threshold.metric for threshold in thresholds]),
        thresholds=thresholds,
        policies=policies or Policies(),
        chosen="first parent, run 2 hours ago",
    )
    verdict = judge([case])[0]
    named = {change.datapoint_id for change in verdict.changes}
    named |= {place.datapoint_id for check in verdict.checks for place in check.not_passed}
    return verdict, _held(list(ours.outcomes), list(theirs.outcomes) if theirs else [], named)


def _held(ours: Sequence[Outcome], theirs: Sequence[Outcome], named: set[str]) -> dict[str, Evidence]:
    before = {outcome.datapoint_id: outcome for outcome in theirs if outcome.repeat == 0}
    return {
        outcome.datapoint_id: Evidence(
            datapoint_id=outcome.datapoint_id,
            line=outcome.line,
            inputs=outcome.inputs,
            ground_truth=outcome.ground_truth,
            candidate_output=None if isinstance(outcome, Failed) else outcome.output,
            candidate_error=str(outcome.fault) if isinstance(outcome, Failed) else None,
            baseline_output=getattr(before.get(outcome.datapoint_id), "output", None),
        )
        for outcome in ours
        if outcome.repeat == 0 and (outcome.datapoint_id in named or isinstance(outcome, Failed))
    }
