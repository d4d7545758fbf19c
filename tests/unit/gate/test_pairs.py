from __future__ import annotations

import dataclasses
import math
from array import array
from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyhive.gate.metrics import Direction, Kind, Metric
from honeyhive.gate.pairs import PairedScores, Pairs
from honeyhive.gate.statistics import clustered_t, paired_log_t, paired_sign, paired_t, ratio_of_totals

SCORE = Metric(name="m", kind=Kind.SCORE)
RATE = Metric(name="m", kind=Kind.RATE, bounds=(0.0, 1.0))
COST = Metric(name="cost", kind=Kind.COST, direction=Direction.LOWER)
LATENCY = Metric(name="latency_ms", kind=Kind.LATENCY, direction=Direction.LOWER)

OURS, THEIRS = [0.2, 0.9, 0.5, 0.7, 0.1, 0.3], [0.5, 0.8, 0.5, 0.9, 0.6, 0.2]
TALKS = [1, 1, 2, 2, 3, 3]


def paired(metric: Metric, candidate: Sequence[float], baseline: Sequence[float], **fields: Any) -> PairedScores:
    return PairedScores(metric=metric, rows=range(len(candidate)), candidate=candidate, baseline=baseline, **fields)


def pairs(metric: Metric, candidate: Sequence[float], baseline: Sequence[float], **fields: Any) -> Pairs:
    found = paired(metric, candidate, baseline, **fields).tested()
    assert found is not None
    return found


def test_of_no_pair_there_is_no_test() -> None:
    for metric in (SCORE, RATE, COST, LATENCY):
        assert paired(metric, [], []).tested() is None
        assert paired(metric, [], [], clusters=[]).tested() is None


def test_each_kind_has_its_test() -> None:
    deltas = [ours - theirs for ours, theirs in zip(OURS, THEIRS, strict=True)]
    assert pairs(SCORE, OURS, THEIRS).test == paired_t(deltas)
    assert pairs(RATE, OURS, THEIRS).test == paired_t(deltas)
    assert pairs(COST, OURS, THEIRS).test == ratio_of_totals(THEIRS, OURS)
    assert pairs(LATENCY, OURS, THEIRS).test == paired_log_t(THEIRS, OURS)
    assert pairs(RATE, [0, 0, 1], [1, 0, 0], pass_fail=True).test == paired_sign(3, 1, 1)


def test_each_kind_has_its_test_with_clusters() -> None:
    deltas = [ours - theirs for ours, theirs in zip(OURS, THEIRS, strict=True)]
    assert pairs(SCORE, OURS, THEIRS, clusters=TALKS).test == clustered_t(deltas, TALKS)
    assert pairs(COST, OURS, THEIRS, clusters=TALKS).test == ratio_of_totals(THEIRS, OURS, clusters=TALKS)
    assert pairs(LATENCY, OURS, THEIRS, clusters=TALKS).test == paired_log_t(THEIRS, OURS, clusters=TALKS)
    passes = pairs(RATE, [0, 0, 1, 1], [1, 1, 1, 1], clusters=[1, 1, 2, 2], pass_fail=True)
    assert passes.test == clustered_t([-1.0, -1.0, 0.0, 0.0], [1, 1, 2, 2])
    assert (passes.pass_fail, passes.worse, passes.better) == (True, 2, 0)


def test_what_is_worse_is_judged_by_the_metrics_direction() -> None:
    lower = dataclasses.replace(SCORE, direction=Direction.LOWER)
    higher_found, lower_found = pairs(SCORE, OURS, THEIRS), pairs(lower, OURS, THEIRS)
    assert (higher_found.worse, higher_found.better) == (3, 2)
    assert (lower_found.worse, lower_found.better) == (2, 3)
    assert list(paired(lower, [3.0], [1.0]).deltas) == [-2.0]
    assert (lower_found.candidate, lower_found.baseline) == (higher_found.candidate, higher_found.baseline)


def test_what_took_no_time_is_left_out_with_its_cluster() -> None:
    candidate, baseline = [200.0, 0.0, 50.0, 90.0], [100.0, 100.0, 0.0, 30.0]
    found = pairs(LATENCY, candidate, baseline, clusters=[1, 2, 3, 4])
    assert found.n == 4
    assert found.test == paired_log_t([100.0, 30.0], [200.0, 90.0], clusters=[1, 4])
    assert pairs(LATENCY, [0.0], [5.0]).test is None


def test_means_are_of_all_pairs() -> None:
    found = pairs(SCORE, [1.0, 2.0, 6.0], [0.0, 0.0, 3.0])
    assert (found.n, found.candidate, found.baseline) == (3, 3.0, 1.0)


# --- whatever the numbers are ----------------------------------------------------------------------------------------

EXTREMES = [1e308, -1e308, 1.7976931348623157e308, 5e-324, -0.0, 0.0, 1.0, 1e-9, 0.1 + 0.2, 0.3]
NUMBERS = st.sampled_from(EXTREMES) | st.floats(allow_nan=False, allow_infinity=False)
METRICS = [SCORE, dataclasses.replace(SCORE, direction=Direction.LOWER), RATE, COST, LATENCY]


@pytest.mark.parametrize(("metric", "clustered"), list(product(METRICS, [False, True])))
@given(st.lists(st.tuples(NUMBERS, NUMBERS, st.integers(0, 3)), min_size=1, max_size=8))
def test_every_number_is_finite_or_missing(
    metric: Metric, clustered: bool, given: list[tuple[float, float, int]]
) -> None:
    candidate, baseline = (array("d", (row[side] for row in given)) for side in (0, 1))
    clusters = [cluster for _, _, cluster in given] if clustered else None
    found = pairs(metric, candidate, baseline, clusters=clusters)
    assert found.worse + found.better <= found.n == len(given)
    for number in (found.candidate, found.baseline, *(dataclasses.astuple(found.test) if found.test else ())):
        assert number is None or math.isfinite(number)


@pytest.mark.parametrize("metric", METRICS)
@given(st.lists(st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)), min_size=2, max_size=12))
def test_clusters_of_one_are_no_clusters(metric: Metric, given: list[tuple[float, float]]) -> None:
    candidate, baseline = ([row[side] for row in given] for side in (0, 1))
    alone = pairs(metric, candidate, baseline).test
    each = pairs(metric, candidate, baseline, clusters=range(len(given))).test
    assert alone is not None
    assert each is not None
    assert each.effective_clusters == pytest.approx(len(given))
    for name in ("n", "changed", "estimate", "lower", "upper", "p", "p_better"):
        known = getattr(alone, name)
        assert getattr(each, name) == (None if known is None else pytest.approx(known, rel=1e-6, abs=1e-9))


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=8))
def test_no_run_is_worse_than_itself(given: list[tuple[float, float]]) -> None:
    scores = [score for score, _ in given]
    for metric in METRICS:
        found = pairs(metric, scores, scores)
        assert (found.worse, found.better) == (0, 0)
        assert found.test is None or found.test.changed == 0
