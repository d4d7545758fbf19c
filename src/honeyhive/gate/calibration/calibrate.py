"""What the gate's own thresholds do where nothing has changed: several runs of one system make a `Calibration`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from honeyhive.errors import ConfigError
from honeyhive.gate.calibration import reruns
from honeyhive.gate.calibration.rehearsal import RESAMPLES, Rehearsal
from honeyhive.gate.calibration.resampling import Pool
from honeyhive.gate.calibration.sensitivity import Sensitivity
from honeyhive.gate.calibration.suggestion import Suggestion, failed, suggest
from honeyhive.gate.checks import Check, Rule, Status
from honeyhive.gate.metrics import Direction, Kind
from honeyhive.gate.statistics import TIE
from honeyhive.gate.student import mean, saturated
from honeyhive.gate.thresholds import Threshold, parse_threshold, with_default_errors
from honeyhive.gate.verdict import overall
from honeyhive.result import BUILT_IN, ERRORS, LATENCY, RunResult

SCHEMA = 1

SURELY = 0.001
"""So seldom do the runs of one system differ this much in any of their pairs, that it is worth a warning."""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How often something failed, was left undecided and passed.

    `share` is that of the failed; `error` is one standard error of it, which is never 0: √(q(1 − q)/n) with
    q = (failed + 1)/(n + 2). It is what the number of resamples leaves open, not what the number of datapoints does.
    """

    failed: int
    undecided: int
    passed: int
    share: float
    error: float

    @property
    def count(self) -> int:
        """How many there were."""
        return self.failed + self.undecided + self.passed


@dataclass(frozen=True, kw_only=True)
class Noise:
    """What one metric does between two runs: the share of the datapoints whose score is another.

    `flips` is the mean over all pairs of runs, `lowest` and `highest` are of one pair. `typical` is the size of a
    change, the root of the mean square over all datapoints; for cost as a share of the mean.
    """

    metric: str
    kind: Kind | None
    pass_fail: bool
    flips: float
    lowest: float
    highest: float
    typical: float


@dataclass(frozen=True, kw_only=True)
class CalibratedCheck:
    """One rule of the user's: how often it fails without a change, what it catches, and what would fail less often.

    `resampled` is `None` where there are only the pairs to go by. `caught` is the smallest drop that fails four times
    of five, as a fall of the mean (latency, cost: a rise, as a share); where it is `None`, `why` says so. `suggested`
    is `None` where no limit would do; `then_caught` is what it would catch.
    """

    metric: str
    rule: Rule
    kind: Kind | None
    allowed: str
    gating: bool
    pairs: Tally
    resampled: Tally | None
    caught: float | None
    why: str
    suggested: str | None
    then_caught: float | None


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What several runs of the same system say about the thresholds; `assumed` where there were none.

    `failed_pairs` are candidate and baseline as numbers of runs, from 1. `suggested` are thresholds that fail at most
    1 % of the resampled pairs, as YAML has them; `reached` is what they come to.
    """

    schema: int = SCHEMA
    experiment: str
    runs: tuple[str, ...]
    datapoints: int
    left_out: int
    seed: int
    assumed: bool
    noise: tuple[Noise, ...]
    pairs: Tally
    failed_pairs: tuple[tuple[int, int], ...]
    resampled: Tally
    trials: int
    checks: tuple[CalibratedCheck, ...]
    suggested: Mapping[str, Mapping[str, Any]]
    reached: Tally
    warnings: tuple[str, ...]


def calibrate(
    runs: Sequence[RunResult], thresholds: tuple[Threshold, ...], *, seed: int = 0, most: int = RESAMPLES
) -> Calibration:
    """Judge every pair of the runs by the thresholds, and seeded resamples of them, in which nothing has changed.

    Without thresholds every metric of the evaluators is held to no drop at all. There are at most `most` resamples, of
    large datasets fewer, so that it takes seconds. Raises `InputError` where the runs are not of one system on one
    dataset, and `ConfigError` where a threshold is about none of their metrics.
    """
    reruns.refuse_other_systems(runs)
    pool = Pool(runs, thresholds)
    reruns.refuse_other_datasets(pool)
    reruns.refuse_unknown_metrics(thresholds, pool)
    wanted = thresholds or tuple(_assumed(pool))
    rehearsal = Rehearsal(pool, with_default_errors(wanted), seed=seed, most=most)
    found = suggest(rehearsal.rules, rehearsal.judged)
    reached = rehearsal.judged if found.thresholds == rehearsal.rules else rehearsal.judge(found.thresholds)
    return Calibration(
        experiment=runs[0].name,
        runs=tuple(run.run_id for run in runs),
        datapoints=len(pool),
        left_out=max(map(len, pool.tables)) - len(pool),
        seed=seed,
        assumed=not thresholds,
        noise=tuple(_noise(pool)),
        pairs=tally(map(overall, rehearsal.pairs.values())),
        failed_pairs=tuple((ours + 1, theirs + 1) for (ours, theirs), c in rehearsal.pairs.items() if failed(c)),
        resampled=tally(map(overall, rehearsal.judged)),
        trials=rehearsal.trials,
        checks=tuple(_checks(rehearsal, found)),
        suggested=_settings(wanted, rehearsal, found),
        reached=tally(map(overall, reached)),
        warnings=(*reruns.warnings(pool, rehearsal.thresholds), *_apart(rehearsal)),
    )


def tally(statuses: Iterable[Status]) -> Tally:
    """The statuses counted."""
    counts = Counter(statuses)
    n, wrong = counts.total(), counts[Status.FAILED]
    likely = (wrong + 1) / (n + 2)
    return Tally(
        failed=wrong,
        undecided=counts[Status.UNDECIDED],
        passed=counts[Status.PASSED],
        share=wrong / n if n else 0.0,
        error=math.sqrt(likely * (1 - likely) / max(1, n)),
    )


def _apart(rehearsal: Rehearsal) -> Iterator[str]:
    """Warnings where pairs differ by more than the resamples, in which the runs are mixed, know of."""
    for (ours, theirs), checks in rehearsal.pairs.items():
        likely = min((check.p for check in checks if check.p is not None and check.gating), default=1.0)
        if likely * len(rehearsal.pairs) * len(checks) < SURELY:
            yield (
                f"run {ours + 1} is worse than run {theirs + 1} by more than chance explains: if they are not of the "
                "same system, nothing here holds; if they are, false alarms are more frequent than said here"
            )
    unreliable: dict[str, None] = {}
    for checks in rehearsal.pairs.values():
        unreliable |= {p.datapoint_id: None for c in checks if c.rule is Rule.MUST_PASS for p in c.not_passed}
    if unreliable:
        named = ", ".join([*unreliable][:5]) + (f" and {len(unreliable) - 5} more" if len(unreliable) > 5 else "")
        yield (
            f"not every run passes {named}, which must pass: a job fails whenever they do not, whatever the limits; "
            "mend them, or take the tag off"
        )


def _assumed(pool: Pool) -> Iterator[Threshold]:
    """No drop at all, of every metric but those that every run has."""
    for name, column in pool.columns.items():
        if name not in BUILT_IN and any(column.measured):
            cost = column.metric.kind is Kind.COST
            rule = Rule.MAX_DROP if column.metric.direction is Direction.HIGHER else Rule.MAX_INCREASE
            with suppress(ConfigError):  # a name that no threshold can be about
                yield parse_threshold(name, {rule.value: "0%" if cost else 0})


def _noise(pool: Pool) -> Iterator[Noise]:
    for name, column in pool.columns.items():
        known = column.known
        if name == LATENCY or (name == ERRORS and not any(known)):
            continue
        pairs = [column.paired(pool.pair(*runs)) for runs in combinations(range(len(pool.runs)), 2)]
        deltas = [scores.deltas for scores in pairs if scores.candidate]
        shares = [sum(abs(delta) > TIE for delta in of_pair) / len(of_pair) for of_pair in deltas]
        if shares:
            scale = abs(mean(known)) if column.metric.kind is Kind.COST else 1.0
            yield Noise(
                metric=name,
                kind=column.metric.kind,
                pass_fail=all(scores.pass_fail for scores in pairs),
                flips=mean(shares),
                lowest=min(shares),
                highest=max(shares),
                typical=_root_mean_square([delta for of_pair in deltas for delta in of_pair], scale),
            )


def _root_mean_square(deltas: Sequence[float], scale: float) -> float:
    """√(Σ d²/n) in units of `scale`, 0 where that is 0: around 0, for which run comes first says nothing."""
    largest = max(abs(saturated(delta)) for delta in deltas)
    if not largest or not scale:
        return 0.0
    return saturated(math.sqrt(mean([(saturated(delta) / largest) ** 2 for delta in deltas])) * largest / scale)


def _checks(rehearsal: Rehearsal, found: Suggestion) -> Iterator[CalibratedCheck]:
    """Every check of the pairs with what the resamples say of it; the same checks come in every one of them."""
    suggested = {threshold.name: threshold for threshold in found.thresholds}
    resampled = _by_key(rehearsal.judged)
    for (name, rule), of_pairs in _by_key(rehearsal.pairs.values()).items():
        checks, new = resampled.get((name, rule)), suggested.get(name)
        caught, then = _caught(rehearsal, found, of_pairs[0]) if checks else (Sensitivity(), None)
        hopeless = checks is None or new is None or (name, rule) in found.hopeless
        yield CalibratedCheck(
            metric=name,
            rule=rule,
            kind=of_pairs[0].kind,
            allowed=of_pairs[0].allowed,
            gating=of_pairs[0].gating,
            pairs=tally(check.status for check in of_pairs),
            resampled=tally(check.status for check in checks) if checks else None,
            caught=caught.caught,
            why=caught.why,
            suggested=None if hopeless or new is None else new.written(rule),
            then_caught=then,
        )


def _by_key(jobs: Iterable[Sequence[Check]]) -> dict[tuple[str, Rule], list[Check]]:
    found: dict[tuple[str, Rule], list[Check]] = {}
    for checks in jobs:
        for check in checks:
            found.setdefault((check.metric, check.rule), []).append(check)
    return found


def _caught(rehearsal: Rehearsal, found: Suggestion, check: Check) -> tuple[Sensitivity, float | None]:
    """The smallest drop that a comparison catches as it is, and with what is suggested."""
    if check.rule not in (Rule.MAX_DROP, Rule.MAX_INCREASE):
        return Sensitivity(), None
    caught = rehearsal.sensitivity(check.metric, check.rule, rehearsal.rules)
    if caught.caught is None or found.thresholds == rehearsal.rules:
        return caught, caught.caught
    return caught, rehearsal.sensitivity(check.metric, check.rule, found.thresholds).caught


def _settings(wanted: Sequence[Threshold], rehearsal: Rehearsal, found: Suggestion) -> dict[str, dict[str, Any]]:
    """The thresholds to write down: the user's, with the limits that were found; the usual ones only where changed."""
    before = {threshold.name: threshold for threshold in rehearsal.rules}
    given = {threshold.name for threshold in wanted}
    after = {threshold.name: threshold for threshold in found.thresholds}
    settings: dict[str, dict[str, Any]] = {}
    for threshold in rehearsal.thresholds:
        name = threshold.name
        new = after.get(name)
        if name in given or (new and new != before[name]):
            limits = replace(threshold, bounds=new.bounds, margins=new.margins) if new else threshold
            settings[name] = limits.settings()
    return settings
