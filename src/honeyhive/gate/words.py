"""What a check says to someone who knows no statistics, in one line; what there is to do stands in `advice`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from honeyhive.gate import figures
from honeyhive.gate.aggregates import split
from honeyhive.gate.checks import Cause, Check, Place, Reason, Rule, Status
from honeyhive.gate.figures import UNITS, Figures
from honeyhive.gate.markdown import NAME, one_line
from honeyhive.gate.metrics import Decide, Direction
from honeyhive.gate.must_pass import NAMED
from honeyhive.gate.numbers import NOTHING, TIE, about, amount, chance, count, datapoints, value

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
"""The reasons that the pairs gave."""

_OPEN = {
    Reason.NO_BASELINE: "there is no baseline to compare with yet",
    Reason.NO_PAIRS: "no datapoint is the same in both runs",
    Reason.DATASET_CHANGED: "too few datapoints are the same in both runs",
    Reason.NOT_COMPARABLE: "its evaluator is not the one that scored the baseline",
    Reason.ONE_PAIR: "too few datapoints have a score in both runs",
    Reason.ZERO_BASELINE: "the baseline is 0, so a change in % means nothing",
    Reason.UNBOUNDED_ERRORS: "some datapoints went wrong, and without a range nothing says what they count as",
    Reason.NO_DATA: "no datapoint has a score",
    Reason.MISSING_METRIC: "no datapoint of this change has this metric",
}
_CAUSES = {
    Cause.NOT_IN_BASELINE: "the baseline has no score of it",
    Cause.ONLY_ERRORS: "every datapoint that it applies to went wrong",
    Cause.NO_AGGREGATE: "what stands behind the dot is no aggregate of this metric",
    Cause.NOTHING_EXPECTED: "nothing says which label is the expected one",
    Cause.NO_CLUSTER_KEY: "no datapoint has the key that `cluster` names",
    Cause.ONLY_NUMBERS: "the datapoints tagged `must-pass` have numbers, which neither pass nor fail",
    Cause.OTHER_KIND: "it passes or fails in one run, and is a number in the other",
    Cause.NO_TIME: "times of 0 cannot be compared in %",
    Cause.UNTOLD: "some datapoints do not tell theirs, so that the total may be larger",
}
_UNPROVEN = "fails because the change has to prove itself (`decide: strict`)"
_IN_A_LINE = 5
"""How many datapoints a line names."""


def message(check: Check) -> str:
    """One line: the metric, how it moved, what was allowed, and what speaks for it."""
    metric = one_line(check.metric, NAME)
    if check.rule is Rule.MUST_PASS:
        return f"{metric}: {evidence(check) if check.cause else _must_pass_message(check)}"
    shown = figures.of_check(check)
    if check.reason is Reason.UNCHANGED:
        return f"{metric}: unchanged, {evidence(check)}"
    if check.reason in COMPARED:
        said = "; ".join([_of_all(check), *_test_words(check, shown), *_power_words(check), *_proof_words(check)])
        return f"{metric} {_moved(shown)}({shown.change}, allowed {_short(shown)}): {said}"
    now = "" if check.candidate is None else f" {shown.candidate}"
    return f"{metric}{now} (allowed {shown.allowed}): {evidence(check)}"


def evidence(check: Check) -> str:
    """What speaks for the status, without the numbers that stand beside it in a table, and without any stranger's text.

    The datapoints that had to pass and did not are counted here; who may show their ids names them.
    """
    if check.cause is None and check.rule is Rule.MUST_PASS:
        return _must_pass_words(check)
    unknown = _OPEN.get(check.reason) if check.cause is None else _CAUSES[check.cause]
    if unknown is not None:
        return "; ".join([unknown, *_proof_words(check)])
    shown = figures.of_check(check)
    match check.reason:
        case Reason.MET | Reason.BELOW_MIN | Reason.ABOVE_MAX:
            return _bound_words(check, shown)
        case Reason.TOO_FEW:
            return f"needs at least {datapoints(least(check))}, there {are(check.n)}"
        case Reason.ONE_CLUSTER:
            return "; ".join([_one_cluster(check), *_proof_words(check)])
        case Reason.UNCHANGED:
            return f"0 of {count(check.n)} datapoints differ"
        case _:
            said = [*_counts(check), *_clusters(check), *_test_words(check, shown), *_proof_words(check)]
            return "; ".join(said) or datapoints(check.n)


def fall(check: Check) -> str:
    """What it is called when the metric gets worse."""
    return "rise" if check.direction is Direction.LOWER else "drop"


def unproven(check: Check) -> bool:
    """Whether it failed only because the change has to prove itself: nothing shows that it got worse than allowed."""
    strict = check.decide is Decide.STRICT and check.status is Status.FAILED
    return strict and check.reason not in (Reason.REGRESSED, Reason.MISSING_METRIC)


def are(number: int) -> str:
    """`is 1`, `are 12`."""
    return "is 1" if number == 1 else f"are {count(number)}"


def least(check: Check) -> int:
    """How many scores the check's aggregate takes."""
    aggregate = split(check.metric)[1]
    return aggregate.least if aggregate else 1


def clustered(check: Check) -> str:
    """How many datapoints there are, and how many clusters they are worth: `200 datapoints in 40 clusters`."""
    shown = datapoints(check.n)
    if check.clusters is None:
        return shown
    whole = round(check.clusters)
    clusters = "1 cluster" if whole == 1 else f"{count(whole)} clusters"
    # Clusters of different size are worth fewer than there are.
    return f"{shown} {'in' if abs(check.clusters - whole) <= TIE * whole else 'that count as'} {clusters}"


def power(check: Check) -> str:
    """What the pairs can show, and what it would take to show the margin."""
    shown = f"{fall(check)}s of {figures.detectable(check)} or more, four times of five."
    if check.needed is None:
        return shown
    return f"{shown} To see {amount(check.limit, check.kind)}: about {about(check.needed)} datapoints."


def spread(check: Check, lower: float | None, upper: float | None) -> str:
    """What the candidate's own rate says of all datapoints of this kind; empty where no limits are known."""
    if lower is None or upper is None or check.candidate is None or not check.n:
        return ""
    here, low, high = (value(share, check.kind) for share in (check.candidate, lower, upper))
    these = "this 1 datapoint" if check.n == 1 else f"these {datapoints(check.n)}"
    return f"{here} of {these}; of all such datapoints probably between {low} and {high}."


def _moved(shown: Figures) -> str:
    if NOTHING in (shown.baseline, shown.candidate):
        return ""
    return f"{shown.baseline} → {shown.candidate} "


def _short(shown: Figures) -> str:
    """The margin without the unit that stands before it."""
    unit = next((unit for unit in UNITS[:2] if shown.change.endswith(unit)), None)
    return shown.allowed if unit is None else shown.allowed.removesuffix(" pts").removesuffix(" pt")


def _of_all(check: Check) -> str:
    whole = clustered(check)
    of_which = count(check.n) if check.clusters is None else whole
    return next((f"{counts} of {of_which}" for counts in _counts(check)), whole)


def _counts(check: Check) -> Iterator[str]:
    """For pass/fail metrics only: of scores, more can get worse while the mean gets better."""
    if check.worse is not None and check.better is not None:
        yield f"{count(check.worse)} worse, {count(check.better)} better"


def _clusters(check: Check) -> Iterator[str]:
    if check.clusters is not None:
        yield clustered(check)


def _test_words(check: Check, shown: Figures) -> Iterator[str]:
    if check.decide is Decide.POINT:  # chance was not asked
        return
    # Of a drop near the limit it is the single test that says that it is one.
    p = check.p if check.p_adjusted is None or check.reason is Reason.NEAR_LIMIT else check.p_adjusted
    if check.reason in (Reason.REGRESSED, Reason.APPARENT_DROP, Reason.NEAR_LIMIT) and p is not None:
        yield f"by chance alone {chance(p)}"
    if check.reason in (Reason.WITHIN_MARGIN, Reason.NEAR_LIMIT, Reason.LOW_POWER) and check.lower is not None:
        yield f"at worst {shown.worst}"


def _power_words(check: Check) -> Iterator[str]:
    if check.reason in (Reason.APPARENT_DROP, Reason.LOW_POWER) and check.smallest_detectable is not None:
        yield f"this dataset shows {fall(check)}s of {figures.detectable(check)} or more"


def _proof_words(check: Check) -> Iterator[str]:
    if unproven(check):
        yield _UNPROVEN


def _one_cluster(check: Check) -> str:
    together = "all" if check.clusters is None or check.clusters <= 1 + TIE else "most"
    return f"{together} of its {datapoints(check.n)} belong to one cluster"


def _bound_words(check: Check, shown: Figures) -> str:
    wrong = figures.wrong(check)
    if wrong:
        return f"{count(wrong)} of {datapoints(check.n)} went wrong"
    match check.reason:
        case Reason.MET:
            return "met"
        case Reason.BELOW_MIN:
            return f"{shown.beyond} too low"
        case _:
            return f"{shown.beyond} too high"


# --- what has to pass ------------------------------------------------------------------------------------------------


def _must_pass_words(check: Check) -> str:
    failed = check.n - figures.passed(check)
    if check.reason is Reason.MISSING_METRIC:
        return _OPEN[check.reason]
    if not check.n:
        return "no datapoint is tagged `must-pass`"
    said = [f"{count(failed)} did not pass" if failed else "met"]
    if check.flaky:
        said.append(f"{_flaky_count(check)} passed only when tried again (flaky)")
    return "; ".join(said)


def _must_pass_message(check: Check) -> str:
    if check.reason is Reason.MISSING_METRIC or not check.n:
        return _must_pass_words(check)
    passed = figures.passed(check)
    said = [f"{figures.of_check(check).candidate} must-pass datapoints passed"]
    if check.not_passed:
        said.append(f"{_named(check.not_passed, check.n - passed)} did not")
    if check.flaky:
        said.append(f"{_named(check.flaky, len(check.flaky))} passed only when tried again (flaky)")
    return "; ".join(said)


def _flaky_count(check: Check) -> str:
    return f"{NAMED} or more" if len(check.flaky) == NAMED else count(len(check.flaky))


def _named(places: Sequence[Place], number: int) -> str:
    """The first of the datapoints by id and line, and how many more there are."""
    shown = [one_line(place.datapoint_id, NAME) + _line(place) for place in places[:_IN_A_LINE]]
    if number > len(shown):
        return f"{', '.join(shown)} and {count(number - len(shown))} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def _line(place: Place) -> str:
    return "" if place.line is None else f" (line {count(place.line)})"
