"""One sentence that says what happened to an experiment, led by the check that matters most."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from honeyhive.gate import figures
from honeyhive.gate.checks import Check, Reason, Rule, Status
from honeyhive.gate.markdown import NAME, one_line
from honeyhive.gate.metrics import Kind
from honeyhive.gate.numbers import NOTHING, amount, count, datapoints, written
from honeyhive.gate.verdict import Verdict
from honeyhive.gate.words import are, evidence, fall, least, unproven
from honeyhive.result import ERRORS

_POINTS = re.compile(r" pt(?=s?$)")

Naming = Callable[[str], str]
"""How a sentence writes the name of a metric."""

_SEVERITY = (Status.FAILED, Status.UNDECIDED, Status.PASSED)
_TELLING = (
    *(Reason.REGRESSED, Reason.MISSING_METRIC, Reason.NO_DATA, Reason.BELOW_MIN, Reason.ABOVE_MAX),
    *(Reason.NO_BASELINE, Reason.NO_PAIRS, Reason.DATASET_CHANGED, Reason.NOT_COMPARABLE),
    *(Reason.APPARENT_DROP, Reason.NEAR_LIMIT, Reason.UNBOUNDED_ERRORS, Reason.ZERO_BASELINE, Reason.ONE_PAIR),
    *(Reason.ONE_CLUSTER, Reason.LOW_POWER, Reason.TOO_FEW),
    *(Reason.IMPROVED, Reason.WITHIN_MARGIN, Reason.UNCHANGED, Reason.MET),
)
"""Of two checks with the same status, the one whose reason stands first tells more."""


def plain_name(metric: str) -> str:
    """A metric's name in a line of a log."""
    return one_line(metric, NAME)


def headline(verdict: Verdict, *, name: Naming = plain_name) -> str:
    """What happened, in one sentence without its full stop; `name` writes the names of metrics."""
    ranked = by_weight(verdict.checks)
    if not ranked:
        return "nothing was checked"
    lead = ranked[0]
    return _sentence(lead, name(lead.metric)) + _others(lead, ranked[1:])


def summary_line(verdict: Verdict) -> str:
    """The verdict in one line of a log: `FAILED gsm8k: correct fell 7.4 points, 42.4 % → 35.0 %`."""
    return f"{verdict.verdict.value.upper()} {one_line(verdict.experiment, NAME)}: {headline(verdict)}"


def by_weight(checks: Sequence[Check]) -> list[Check]:
    """The checks with those first that decide the job and say most; else in the order given."""
    return sorted(checks, key=lambda c: (not c.gating, _SEVERITY.index(c.status), _telling(c)))


def _telling(check: Check) -> float:
    """A metric may be missing because everything went wrong: then that is what has to be told first.

    That nothing did goes without saying.
    """
    first = _TELLING.index(check.reason)
    if check.metric == ERRORS and check.reason is Reason.ABOVE_MAX:
        return _TELLING.index(Reason.MISSING_METRIC) - 0.5
    return first + 0.5 if check.metric == ERRORS and check.reason is Reason.MET else first


def _others(lead: Check, rest: Sequence[Check]) -> str:
    if lead.status is Status.PASSED or lead.reason is Reason.NO_BASELINE or not lead.gating:
        return ""
    more = sum(1 for check in rest if check.gating and check.status is lead.status)
    said = "failed" if lead.status is Status.FAILED else "undecided"
    return f", and {more} more {'check' if more == 1 else 'checks'} {said}" if more else ""


def _sentence(check: Check, name: str) -> str:
    if check.cause is not None:
        return f"{name} {'failed' if check.status is Status.FAILED else 'is open'}: {evidence(check)}"
    if check.rule is Rule.MUST_PASS and check.n:
        return _had_to_pass(check, name)
    if check.rule is Rule.MUST_PASS and check.reason is Reason.NO_DATA:
        return "no datapoint is tagged must-pass"
    if unproven(check):
        return f"{name} could not be shown to hold: {_unproven(check)}"
    write = _SENTENCES.get(check.reason)
    return write(check, name) if write else _OPEN[check.reason].replace("{name}", name)


def _had_to_pass(check: Check, name: str) -> str:
    failed = check.n - figures.passed(check)
    which = f"{count(failed or check.n)} of {count(check.n)} must-pass datapoints"
    if check.n == 1:
        which = "the only must-pass datapoint"
    if failed:
        return f"{which} went wrong" if check.metric == ERRORS else f"{which} did not pass {name}"
    again = f", {count(len(check.flaky))} only when tried again (flaky)" if check.flaky else ""
    return f"{which} passed{again}" if check.metric == ERRORS else f"{which} passed {name}{again}"


def _unproven(check: Check) -> str:
    match check.reason:
        case Reason.APPARENT_DROP | Reason.NEAR_LIMIT:
            return _moved(check, "it")
        case Reason.LOW_POWER:
            more = f" of more than {_size(check.limit, check)}" if check.limit else ""
            return f"too few datapoints to rule out a {fall(check)}{more}"
        case Reason.ONE_CLUSTER:
            return "its datapoints belong to one cluster"
        case Reason.ZERO_BASELINE:
            return "its baseline is 0"
        case Reason.UNBOUNDED_ERRORS:
            return "datapoints went wrong, and it has no range"
        case _:
            return "too few datapoints to compare"


def _moved(check: Check, name: str) -> str:
    shown = figures.of_check(check)
    change = shown.change.removeprefix("typically ")
    size = _spelled(change.lstrip("+−"))
    by = "" if check.kind in (Kind.RATE, Kind.LATENCY, Kind.COST) else "by "
    verb = "rose" if change.startswith("+") else "fell"
    if check.reason is Reason.IMPROVED:
        verb = "improved"
    means = "" if change != shown.change or NOTHING in (shown.baseline, shown.candidate) else _means(shown)
    return f"{name} {verb} {by}{size}{means}"


def _size(change: float | None, check: Check) -> str:
    return _spelled(amount(change, check.kind))


def _spelled(shown: str) -> str:
    return _POINTS.sub(" point", shown)


def _means(shown: figures.Figures) -> str:
    return f", {shown.baseline} → {shown.candidate}"


def _held(check: Check, name: str) -> str:
    shown = figures.of_check(check)
    if check.reason is Reason.UNCHANGED or shown.baseline == shown.candidate:
        return f"{name} unchanged at {shown.candidate}"
    return f"{name} held{_means(shown)}"


def _bounded(check: Check, name: str) -> str:
    shown, bound = figures.of_check(check), written(check.limit, check.kind)
    least = check.rule is Rule.MIN
    if check.reason is Reason.MET:
        return f"{name} is {shown.candidate}, {'at least' if least else 'at most'} {bound} as required"
    if check.metric == ERRORS:
        what = "attempts" if figures.wrong(check) is None else "datapoints"
        return f"{shown.candidate} of the {what} went wrong, {bound} allowed"
    return (
        f"{name} is {shown.candidate}, {'below' if least else 'above'} the {bound} {'required' if least else 'allowed'}"
    )


def _maybe_luck(check: Check, name: str) -> str:
    return f"{_moved(check, name)}, which may be luck"


def _near_limit(check: Check, name: str) -> str:
    return f"{_moved(check, name)}, maybe more than the {_size(check.limit, check)} allowed"


def _cannot_tell(check: Check, name: str) -> str:
    verb = "rose" if fall(check) == "rise" else "fell"
    by = f" by more than {_size(check.limit, check)}" if check.limit else ""
    return f"too few datapoints to tell whether {name} {verb}{by}"


def _one_cluster(check: Check, name: str) -> str:
    verb = "rose" if fall(check) == "rise" else "fell"
    return f"nothing tells whether {name} {verb}: its datapoints belong to one cluster"


def _too_few(check: Check, name: str) -> str:
    return f"{name} needs at least {datapoints(least(check))}, there {are(check.n)}"


def _nothing_yet(check: Check, name: str) -> str:
    now = "" if check.candidate is None else f", {name} is {figures.of_check(check).candidate}"
    return f"nothing to compare with yet{now}"


_SENTENCES: dict[Reason, Callable[[Check, str], str]] = {
    Reason.REGRESSED: _moved,
    Reason.IMPROVED: _moved,
    Reason.WITHIN_MARGIN: _held,
    Reason.UNCHANGED: _held,
    Reason.APPARENT_DROP: _maybe_luck,
    Reason.NEAR_LIMIT: _near_limit,
    Reason.LOW_POWER: _cannot_tell,
    Reason.ONE_CLUSTER: _one_cluster,
    Reason.TOO_FEW: _too_few,
    Reason.MET: _bounded,
    Reason.BELOW_MIN: _bounded,
    Reason.ABOVE_MAX: _bounded,
    Reason.NO_BASELINE: _nothing_yet,
}

_OPEN = {
    Reason.NO_PAIRS: "nothing to compare: no datapoint is the same in both runs",
    Reason.DATASET_CHANGED: "the dataset changed too much to compare",
    Reason.NOT_COMPARABLE: "{name} cannot be compared: its evaluator changed",
    Reason.ONE_PAIR: "too few datapoints to compare {name}",
    Reason.ZERO_BASELINE: "{name} cannot be compared in %: its baseline is 0",
    Reason.UNBOUNDED_ERRORS: "{name} is open: datapoints went wrong, and it has no range",
    Reason.NO_DATA: "{name} has no score for any datapoint",
    Reason.MISSING_METRIC: "{name} is missing: no datapoint has it",
}
