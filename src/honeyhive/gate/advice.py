"""What there is to do about a check, for someone who knows no statistics: what it means, and the way out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from honeyhive.gate import figures
from honeyhive.gate.checks import INCOMPARABLE, Cause, Check, Reason, Rule
from honeyhive.gate.metrics import Decide, Direction, Kind
from honeyhive.gate.numbers import about, amount, datapoints
from honeyhive.gate.words import are, fall, unproven
from honeyhive.result import ERRORS

PLAN = "honeyhive compare --plan CANDIDATE BASELINE"
"""The command that shows how many datapoints settle an open question."""


def of(check: Check) -> str:
    """What it means and what to do next, in one line; empty where there is nothing to do."""
    return " ".join(filter(None, (meaning(check), way_out(check))))


def meaning(check: Check) -> str:
    """What the numbers mean, where that does not go without saying."""
    if unproven(check) and check.reason in (Reason.APPARENT_DROP, Reason.NEAR_LIMIT, Reason.LOW_POWER):
        return "These datapoints prove neither that it got worse than allowed nor that it held."
    match check.reason:
        case Reason.APPARENT_DROP:
            return f"It looks worse than allowed, but that may be luck: {datapoints(check.n)} cannot tell."
        case Reason.NEAR_LIMIT:
            return f"It probably got worse; whether by more than allowed, {datapoints(check.n)} cannot tell."
        case Reason.LOW_POWER:
            beyond = "" if check.limit == 0 else " beyond the limit"
            return f"No {fall(check)}{beyond} was seen, but with {datapoints(check.n)} one cannot be ruled out."
        case Reason.NO_DATA if check.rule is not Rule.MUST_PASS:
            return "Every datapoint went wrong, or is one that the metric does not apply to."
        case Reason.ONE_CLUSTER:
            return "Datapoints of one cluster get better and worse together, so that all of these count as one."
        case _:
            return ""


def way_out(check: Check) -> str:
    """What to do next; empty where there is nothing to do."""
    if check.cause in _RUN_AGAIN:
        return _again(_RUN_AGAIN[check.cause], check)
    if check.cause is not None:
        return _OF_CAUSES[check.cause]
    write = _of_must_pass if check.rule is Rule.MUST_PASS else _WAYS_OUT.get(check.reason)
    said = write(check) if write else _WAY_OUT.get(check.reason, "")
    if check.gating or not said:
        return said
    return f"{said} Time measured on another day does not fail the job; a `max` does."


def _regressed(check: Check) -> str:
    allow = f"If the {fall(check)} is intended, allow it: a larger `{check.rule.value}`."
    steady = ""
    if check.decide is Decide.POINT:
        steady = " `decide: point` takes every change for real: it is for what gives the same outputs each time."
    return f"{_read_worse(check)} {allow}{steady}"


def _read_worse(check: Check) -> str:
    match check.kind:
        case Kind.LATENCY:
            return "Look for what takes longer now."
        case Kind.COST:
            return "Look for what costs more now."
        case _:
            return "Read the datapoints that got worse."


def _settle(check: Check) -> str:
    rule = check.rule.value
    if check.limit == 0:
        return f"No number of datapoints rules out the smallest {fall(check)}: allow a little, with a `{rule}` above 0."
    ways = [f"Add datapoints{_takes(check)}", *_other_ways(check)]
    return f"{', or '.join(ways)}. `{PLAN}` shows how many settle it, best on two runs of the same code."


def _takes(check: Check) -> str:
    if check.needed is None:
        return ""
    needed = about(check.needed) + _in_clusters(check, check.needed)
    seen = f"to see a {fall(check)} of {amount(check.limit, check.kind)}"
    return f" ({seen} takes about {needed}, there {are(check.n)})"


def _other_ways(check: Check) -> Iterator[str]:
    if check.repeats_needed is not None:
        yield f"set `repeats: {check.repeats_needed}`"
    if check.needed is not None and check.smallest_detectable is not None:
        yield f"allow more with a larger `{check.rule.value}`: these show {fall(check)}s of {figures.detectable(check)}"


def _in_clusters(check: Check, needed: int) -> str:
    if check.clusters is None or not check.n:
        return ""
    return f" in {about(needed / check.n * check.clusters)} clusters"


def _read_and_settle(check: Check) -> str:
    return f"{_read_worse(check)} {_settle(check)}"


def _beyond_bound(check: Check) -> str:
    if check.metric == ERRORS:
        return "Read the errors of the datapoints that went wrong."
    which = _WORST.get(check.kind, "with the worst scores")
    return f"Read the datapoints {which}. If the `{check.rule.value}` asks too much, change it."


def _rerun_baseline(check: Check) -> str:
    if check.reason is not Reason.NOT_COMPARABLE:
        return _again("dataset", check)
    return f"{_again('evaluator', check)} If a model grades, pin its version, so that it does not change by itself."


def _again(what: str, check: Check) -> str:
    """What scored or asked otherwise tells nothing of the change; in CI nobody has to run anything for a new one."""
    said = (
        f"Only a baseline that ran again with today's {what} can tell: the next push to the default branch makes one, "
        "as does `honeyhive run` there."
    )
    if not check.gating or check.reason not in INCOMPARABLE:
        return said
    return f"{said} Until then merging is a maintainer's decision, or `on-incomparable: warn` leaves it open."


def _without_percent(check: Check) -> str:
    if check.kind in (Kind.LATENCY, Kind.COST):
        return "Set a `max` instead: a cap needs no baseline."
    return f"Give `{check.rule.value}` in the metric's own unit instead of %."


def _of_must_pass(check: Check) -> str:
    match check.reason:
        case Reason.BELOW_MIN:
            return (
                "Read the datapoints that did not pass. Take the tag `must-pass` off those that need not pass any more."
            )
        case Reason.NO_DATA:
            bound = "`min: 1`" if check.direction is Direction.HIGHER else "`max: 0`"
            return f'Write `"tags": ["must-pass"]` on the datapoints that have to pass, or say {bound} if all have to.'
        case Reason.MET if check.flaky:
            return "Look at the datapoints that passed only when tried again: they may fail next time."
        case _:
            return _WAY_OUT.get(check.reason, "")


_WORST: dict[Kind | None, str] = {Kind.LATENCY: "that took longest", Kind.COST: "that cost most"}

_WAYS_OUT: dict[Reason, Callable[[Check], str]] = {
    Reason.REGRESSED: _regressed,
    Reason.BELOW_MIN: _beyond_bound,
    Reason.ABOVE_MAX: _beyond_bound,
    Reason.APPARENT_DROP: _read_and_settle,
    Reason.NEAR_LIMIT: _read_and_settle,
    Reason.LOW_POWER: _settle,
    Reason.NO_PAIRS: _rerun_baseline,
    Reason.DATASET_CHANGED: _rerun_baseline,
    Reason.NOT_COMPARABLE: _rerun_baseline,
    Reason.ZERO_BASELINE: _without_percent,
}

_RUN_AGAIN: dict[Cause | None, str] = {Cause.NOT_IN_BASELINE: "evaluators", Cause.OTHER_KIND: "evaluator"}

_OF_CAUSES = {
    Cause.ONLY_ERRORS: "Read the errors of the datapoints that went wrong.",
    Cause.NO_AGGREGATE: "Aggregates are `mean`, `median`, `total` and `p1` to `p99`.",
    Cause.NOTHING_EXPECTED: "Let the evaluator return `(label == expected, label)`, or give the datapoints a ground "
    "truth that is a number, as the labels are.",
    Cause.NO_CLUSTER_KEY: "Let `cluster` name a key of the datapoints' inputs or metadata.",
    Cause.ONLY_NUMBERS: "Say `kind: rate` of the metric that they have to pass, or `errors: {must-pass: true}` if it "
    "is enough that they do not go wrong.",
    Cause.NO_TIME: "Set a `max` instead: a cap needs no baseline.",
    Cause.UNTOLD: "Let an evaluator of that name give it for every datapoint, 0 where there is none.",
}

_WAY_OUT = {
    Reason.TOO_FEW: "Add datapoints, or bound the `median`, which needs only one.",
    Reason.NO_DATA: "Read the errors, then the evaluator.",
    Reason.MISSING_METRIC: "Look at the names that the evaluators give their scores: the threshold needs the same "
    "spelling.",
    Reason.NO_BASELINE: "The first baseline comes from the default branch: a gate that runs on pushes there saves one. "
    "Or make one with `honeyhive run --out FILE`, and name it with `baseline: FILE`.",
    Reason.ONE_PAIR: "Add datapoints, or set a `min` or `max`: a bound needs no pairs.",
    Reason.ONE_CLUSTER: "Add datapoints of other clusters, or let `cluster` name a key that tells more of them apart.",
    Reason.UNBOUNDED_ERRORS: "Set `range: [lo, hi]` for this metric, so that an error counts as its worst score; and "
    "read the errors.",
}
