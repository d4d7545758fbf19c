"""All checks of one experiment together: `Verdict`, the one value that JSON, comment and outputs come from."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from honeyhive.gate import advice, warnings, words
from honeyhive.gate.causes import by_known_evaluator, cause_of
from honeyhive.gate.checks import INCOMPARABLE, Check, Reason, Status
from honeyhive.gate.comparison import Change, Comparison, MetricComparison, Removed
from honeyhive.gate.markdown import NAME, one_line
from honeyhive.gate.metrics import Direction, Kind
from honeyhive.gate.must_pass import must_pass_checks
from honeyhive.gate.rules import Contest, bound_checks, contest_check
from honeyhive.gate.samples import wilson
from honeyhive.gate.statistics import holm
from honeyhive.gate.thresholds import Threshold
from honeyhive.result import RunResult

SCHEMA = 1


class Policy(StrEnum):
    """What an open question does to the job."""

    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True)
class Policies:
    """The user's answer to each kind of open question."""

    on_undecided: Policy = Policy.WARN
    on_missing_baseline: Policy = Policy.WARN
    on_incomparable: Policy = Policy.FAIL

    def on(self, reason: Reason) -> Policy:
        """The answer to a check that is undecided for this reason."""
        answers = {
            "on-undecided": self.on_undecided,
            "on-missing-baseline": self.on_missing_baseline,
            "on-incomparable": self.on_incomparable,
        }
        return answers[policy_on(reason)]


def policy_on(reason: Reason) -> str:
    """The policy that a check which is undecided for this reason goes by, as the user writes it."""
    if reason is Reason.NO_BASELINE:
        return "on-missing-baseline"
    return "on-incomparable" if reason in INCOMPARABLE else "on-undecided"


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two runs, in a line. `count` is its datapoints, `errors` those of them that went wrong."""

    run_id: str
    commit: str | None = None
    branch: str | None = None
    count: int
    errors: int
    chosen: str | None = None


@dataclass(frozen=True, kw_only=True)
class MetricSummary:
    """A metric of the candidate, whether or not a threshold is about it; means, `None` where there is none.

    `candidate` and `baseline` are over the pairs where there are pairs. `lower` and `upper` are 95 % limits (each
    one-sided) of the candidate's own rate, for pass/fail metrics of one repeat. `removed` is the baseline's mean over
    the datapoints that the candidate does not have, `relabelled` the share of the pairs with another label. The chance
    that all repeats of a datapoint pass is in `all_passed` and `baseline_all_passed`.
    """

    metric: str
    kind: Kind | None
    direction: Direction
    candidate: float | None
    baseline: float | None
    estimate: float | None
    n: int
    lower: float | None = None
    upper: float | None = None
    removed: float | None = None
    relabelled: float | None = None
    all_passed: float | None = None
    baseline_all_passed: float | None = None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the gate decided about one experiment, and everything that it decided on.

    `no_baseline` says why there is none, and how the first one comes about.
    """

    schema: int = SCHEMA
    verdict: Status
    experiment: str
    candidate: Side
    baseline: Side | None
    paired: int
    added: int
    removed: int
    edited: int
    checks: tuple[Check, ...]
    metrics: tuple[MetricSummary, ...]
    changes: tuple[Change, ...]
    removed_datapoints: tuple[Removed, ...] = ()
    warnings: tuple[str, ...]
    no_baseline: str | None = None
    exit_code: int


@dataclass(frozen=True, kw_only=True)
class Case:
    """One experiment before the gate: its comparison, the user's rules, and how the baseline was chosen.

    `no_baseline` says why there is none. `commit` is the change's own where the code that ran is a merge of it, and
    `baseline_commit` and `baseline_branch` where the baseline comes from, as far as that is known better than by the
    runs. `judged_by_base` is whether the change has to hold by the evaluators that the baseline was scored with.
    """

    experiment: str
    comparison: Comparison
    thresholds: tuple[Threshold, ...]
    policies: Policies = Policies()
    chosen: str | None = None
    no_baseline: str | None = None
    commit: str | None = None
    baseline_commit: str | None = None
    baseline_branch: str | None = None
    judged_by_base: bool = False
    warnings: tuple[str, ...] = ()


def judge(cases: Sequence[Case]) -> tuple[Verdict, ...]:
    """One verdict a case, in the order given.

    The comparisons of all cases are one family: to fail one takes p <= 0.05 after Holm's correction over all.
    Raises `ConfigError` where a threshold makes no sense for what its metric turned out to be.
    """
    return tuple(_verdict(case, checks) for case, checks in zip(cases, checked(cases), strict=True))


def checked(cases: Sequence[Case]) -> list[list[Check]]:
    """What `judge` decides, without the words for it: the checks of each case."""
    contests = [list(_contests(case)) for case in cases]
    tested = [contest for family in contests for contest in family if contest.p is not None]
    adjusted = dict(zip(map(id, tested), holm([contest.p or 0.0 for contest in tested]), strict=True))
    return [
        [*(contest_check(contest, adjusted.get(id(contest))) for contest in family), *_contracts(case)]
        for case, family in zip(cases, contests, strict=True)
    ]


def _contests(case: Case) -> Iterator[Contest]:
    for threshold in _settled(case):
        for rule, margin in threshold.margins.items():
            yield Contest(
                comparison=case.comparison,
                found=case.comparison.metrics[threshold.name],
                threshold=threshold,
                rule=rule,
                margin=margin,
            )


def _contracts(case: Case) -> Iterator[Check]:
    comparison, thresholds = case.comparison, list(_settled(case))
    for threshold in thresholds:
        yield from bound_checks(comparison, threshold)
    metrics = {name: (found.metric, found.measured) for name, found in comparison.metrics.items()}
    yield from must_pass_checks(metrics, comparison.tagged, thresholds)


def _settled(case: Case) -> Iterator[Threshold]:
    for threshold in case.thresholds:
        kind = case.comparison.metrics[threshold.metric.name].metric.kind
        yield threshold.settled(kind) if kind else threshold


def _verdict(case: Case, checks: Sequence[Check]) -> Verdict:
    seen = [name for name, found in case.comparison.metrics.items() if found.measured]
    if case.judged_by_base:
        checks = [by_known_evaluator(check, case.comparison) for check in checks]
    checks = [replace(check, cause=cause_of(check, case.comparison)) for check in checks]
    checks = [replace(c, message=words.message(c), advice=_advice(c, seen, case.no_baseline)) for c in checks]
    comparison = case.comparison
    return Verdict(
        verdict=overall(checks),
        experiment=case.experiment,
        candidate=_candidate_side(case),
        baseline=_baseline_side(case),
        paired=comparison.paired,
        added=comparison.added,
        removed=comparison.removed,
        edited=comparison.edited,
        checks=tuple(checks),
        metrics=tuple(_summary(name, found) for name, found in comparison.metrics.items()),
        changes=comparison.changes,
        removed_datapoints=() if comparison.candidate.limit else comparison.removed_datapoints,
        warnings=(
            *case.warnings,
            *warnings.of(comparison, {threshold.metric.name for threshold in case.thresholds if threshold.bounds}),
        ),
        no_baseline=case.no_baseline if comparison.baseline is None else None,
        exit_code=_exit_code(checks, case.policies),
    )


def _advice(check: Check, seen: Sequence[str], no_baseline: str | None) -> str:
    """What to do; where a metric is missing, also which ones there are."""
    if check.reason is Reason.NO_BASELINE and no_baseline:
        return no_baseline
    said = advice.of(check)
    if check.reason is not Reason.MISSING_METRIC or check.cause is not None:
        return said
    names = tuple(one_line(name, NAME) for name in seen)
    near = difflib.get_close_matches(one_line(check.metric, NAME), names, n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    return f"{said}{meant} There are: {', '.join(names)}."


def overall(checks: Sequence[Check]) -> Status:
    """What the checks that gate come to together."""
    statuses = {check.status for check in checks if check.gating}
    for status in (Status.FAILED, Status.UNDECIDED):
        if status in statuses:
            return status
    return Status.PASSED


def _exit_code(checks: Sequence[Check], policies: Policies) -> int:
    gating = [check for check in checks if check.gating]
    if any(check.status is Status.FAILED for check in gating):
        return 1
    fatal = any(policies.on(check.reason) is Policy.FAIL for check in gating if check.status is Status.UNDECIDED)
    return 4 if fatal else 0


def _candidate_side(case: Case) -> Side:
    comparison = case.comparison
    side = _side(comparison.candidate, comparison.count, comparison.errors)
    return replace(side, commit=case.commit or side.commit)


def _baseline_side(case: Case) -> Side | None:
    comparison = case.comparison
    if comparison.baseline is None:
        return None
    side = _side(comparison.baseline, comparison.baseline_count, comparison.baseline_errors)
    commit, branch = case.baseline_commit or side.commit, case.baseline_branch or side.branch
    return replace(side, chosen=case.chosen, commit=commit, branch=branch)


def _side(run: RunResult, count: int, errors: int) -> Side:
    commit, branch = run.git.get("commit_hash"), run.git.get("branch")
    return Side(
        run_id=run.run_id,
        commit=commit if isinstance(commit, str) else None,
        branch=branch if isinstance(branch, str) else None,
        count=count,
        errors=errors,
    )


def _summary(name: str, found: MetricComparison) -> MetricSummary:
    pairs, baseline = found.pairs, found.baseline
    lower, upper = _limits(found)
    relabelled = found.relabelled
    return MetricSummary(
        metric=name,
        kind=found.metric.kind,
        direction=found.metric.direction,
        candidate=pairs.candidate if pairs else found.candidate.mean,
        baseline=pairs.baseline if pairs else (baseline.mean if baseline else None),
        estimate=pairs.test.estimate if pairs and pairs.test else None,
        n=pairs.n if pairs else found.candidate.n,
        lower=lower,
        upper=upper,
        removed=found.removed.mean if found.removed and found.removed.n else None,
        relabelled=relabelled / pairs.n if relabelled is not None and pairs else None,
        all_passed=found.all_passed[0],
        baseline_all_passed=found.all_passed[1],
    )


def _limits(found: MetricComparison) -> tuple[float | None, float | None]:
    """What the candidate's own rate may really be, on datapoints of this kind (Wilson); of a rate alone."""
    sample = found.candidate
    if found.metric.kind is not Kind.RATE or not sample.n or any(score not in (0, 1) for score in sample.scores):
        return None, None
    limits = wilson(round(sum(sample.scores)), sample.n)
    return limits.lower, limits.upper
