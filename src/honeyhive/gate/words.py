"""What a check says to someone who knows no statistics: one line of what happened, one of what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from honeyhive.gate import figures
from honeyhive.gate.checks import Check, Reason
from honeyhive.gate.figures import UNITS, Figures
from honeyhive.gate.markdown import NAME, one_line
from honeyhive.gate.metrics import ERRORS, Direction, Kind
from honeyhive.gate.numbers import NOTHING, about, amount, chance, count, datapoints

COMPARED = frozenset(
    {
        Reason.REGRESSED,
        Reason.IMPROVED,
        Reason.WITHIN_MARGIN,
        Reason.APPARENT_DROP,
        Reason.NEAR_LIMIT,
        Reason.LOW_POWER,
    }
)
"""The reasons that the test of the pairs gave."""

_OPEN = {
    Reason.NO_BASELINE: "there is no baseline to compare with yet",
    Reason.NO_PAIRS: "no datapoint is the same in both runs",
    Reason.DATASET_CHANGED: "too few datapoints are the same in both runs",
    Reason.NOT_COMPARABLE: "its evaluator is not the one that scored the baseline",
    Reason.ONE_PAIR: "there are too few pairs of datapoints to test",
    Reason.ZERO_BASELINE: "the baseline is 0, so a change in % means nothing",
    Reason.UNBOUNDED_ERRORS: "some datapoints went wrong, and without a range nothing says what they count as",
    Reason.NO_DATA: "no datapoint has a score",
    Reason.MISSING_METRIC: "no datapoint of this change has this metric",
}


def message(check: Check) -> str:
    """One line: the metric, how it moved, what was allowed, and what speaks for it."""
    metric = one_line(check.metric, NAME)
    shown = figures.of_check(check)
    if check.reason is Reason.UNCHANGED:
        return f"{metric}: unchanged, {evidence(check)}"
    if check.reason in COMPARED:
        said = "; ".join([_of_all(check), *_test_words(check, shown), *_power_words(check)])
        return f"{metric} {_moved(shown)}({shown.change}, allowed {_short(shown)}): {said}"
    now = "" if check.candidate is None else f" {shown.candidate}"
    return f"{metric}{now} (allowed {shown.allowed}): {evidence(check)}"


def evidence(check: Check) -> str:
    """What speaks for the status, without the numbers that stand beside it in a table."""
    if check.reason in _OPEN:
        return _OPEN[check.reason]
    shown = figures.of_check(check)
    match check.reason:
        case Reason.MET | Reason.BELOW_MIN | Reason.ABOVE_MAX:
            return _bound_words(check, shown)
        case Reason.UNCHANGED:
            return f"0 of {count(check.n)} datapoints differ"
        case _:
            said = [*_counts(check), *_test_words(check, shown)]
            return "; ".join(said) or datapoints(check.n)


def advice(check: Check) -> str:
    """What to do next; empty where there is nothing to do."""
    write = _ADVICE_ON.get(check.reason)
    said = write(check) if write else _ADVICE.get(check.reason, "")
    if check.gating or not said:
        return said
    return f"{said} Time measured on another day does not fail the job; a `max` does."


def fall(check: Check) -> str:
    """What it is called when the metric gets worse."""
    return "rise" if check.direction is Direction.LOWER else "drop"


def _moved(shown: Figures) -> str:
    if NOTHING in (shown.baseline, shown.candidate):
        return ""
    return f"{shown.baseline} → {shown.candidate} "


def _short(shown: Figures) -> str:
    """The margin without the unit that stands before it."""
    unit = next((unit for unit in UNITS[:2] if shown.change.endswith(unit)), None)
    return shown.allowed if unit is None else shown.allowed.removesuffix(" pts").removesuffix(" pt")


def _of_all(check: Check) -> str:
    return next((f"{counts} of {count(check.n)}" for counts in _counts(check)), datapoints(check.n))


def _counts(check: Check) -> Iterator[str]:
    """For pass/fail metrics only: of scores, more can get worse while the mean gets better."""
    if check.worse is not None and check.better is not None:
        yield f"{count(check.worse)} worse, {count(check.better)} better"


def _test_words(check: Check, shown: Figures) -> Iterator[str]:
    p = check.p if check.p_adjusted is None else check.p_adjusted
    if check.reason in (Reason.REGRESSED, Reason.APPARENT_DROP, Reason.NEAR_LIMIT) and p is not None:
        yield f"by chance alone {chance(p)}"
    if check.reason in (Reason.WITHIN_MARGIN, Reason.NEAR_LIMIT, Reason.LOW_POWER) and check.lower is not None:
        yield f"at worst {shown.worst}"


def _power_words(check: Check) -> Iterator[str]:
    if check.reason in (Reason.APPARENT_DROP, Reason.LOW_POWER) and check.smallest_detectable is not None:
        yield f"this dataset shows {fall(check)}s of {figures.detectable(check)} or more"


def _bound_words(check: Check, shown: Figures) -> str:
    if check.metric == ERRORS and check.candidate is not None and check.n:
        wrong = round(check.candidate * check.n)
        return f"{count(wrong)} of {datapoints(check.n)} went wrong" if wrong else "met"
    match check.reason:
        case Reason.MET:
            return "met"
        case Reason.BELOW_MIN:
            return f"{shown.beyond} too low"
        case _:
            return f"{shown.beyond} too high"


def _more_datapoints(check: Check) -> str:
    if check.needed is None:
        return "More datapoints would tell; `repeats` make each of them steadier."
    return (
        f"To see a {fall(check)} of {amount(check.limit, check.kind)} four times of five takes about "
        f"{about(check.needed)} datapoints; there are {count(check.n)}. "
        f"`repeats` make each of them steadier, a larger `{check.rule.value}` needs fewer."
    )


def _read_the_worse(check: Check) -> str:
    allow = f"If the {fall(check)} is intended, allow it: a larger `{check.rule.value}`."
    return f"Read the datapoints that got worse. {allow}"


def _worse_and_more(check: Check) -> str:
    return f"Read the datapoints that got worse. {_more_datapoints(check)}"


def _beyond_bound(check: Check) -> str:
    if check.metric == ERRORS:
        return "Read the errors of the datapoints that went wrong."
    return f"Read the datapoints with the worst scores. If the `{check.rule.value}` asks too much, change it."


def _rerun_baseline(check: Check) -> str:
    what = "evaluator" if check.reason is Reason.NOT_COMPARABLE else "dataset"
    return f"Run the baseline again with today's {what}: `honeyhive run` on the default branch."


def _without_percent(check: Check) -> str:
    if check.kind in (Kind.LATENCY, Kind.COST):
        return "Set a `max` instead: a cap needs no baseline."
    return f"Give `{check.rule.value}` in the metric's own unit instead of %."


_ADVICE_ON: dict[Reason, Callable[[Check], str]] = {
    Reason.REGRESSED: _read_the_worse,
    Reason.BELOW_MIN: _beyond_bound,
    Reason.ABOVE_MAX: _beyond_bound,
    Reason.APPARENT_DROP: _worse_and_more,
    Reason.NEAR_LIMIT: _worse_and_more,
    Reason.LOW_POWER: _more_datapoints,
    Reason.NO_PAIRS: _rerun_baseline,
    Reason.DATASET_CHANGED: _rerun_baseline,
    Reason.NOT_COMPARABLE: _rerun_baseline,
    Reason.ZERO_BASELINE: _without_percent,
}

_ADVICE = {
    Reason.NO_DATA: "Every datapoint went wrong or is one that the metric does not apply to: read the errors, then "
    "the evaluator.",
    Reason.MISSING_METRIC: "Look at the names that the evaluators give their scores: the threshold needs the same "
    "spelling.",
    Reason.NO_BASELINE: "Make one on the default branch, with `honeyhive run --out FILE`, and name it with "
    "`baseline: FILE`.",
    Reason.ONE_PAIR: "Add datapoints, or set a `min` or `max`: a bound needs no pairs.",
    Reason.UNBOUNDED_ERRORS: "Set `range: [lo, hi]` for this metric, so that an error counts as its worst score; and "
    "read the errors.",
}
