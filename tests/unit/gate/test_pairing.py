from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import failed, run, scored
from builders_verdict import CRASH, FAULT, Given, compared, judged, outcomes, pass_fail, scores
from honeyhive.gate.checks import Reason, Status
from honeyhive.gate.comparison import KEPT, Comparison, MetricComparison, compare
from honeyhive.gate.verdict import Verdict
from honeyhive.result import TAG_MUST_PASS, Outcome, RunResult, Score

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the folder `shared` beside the repository")
WORKED: dict[str, Any] = json.loads((SHARED / "verdict-examples.json").read_text("utf-8")) if SHARED.is_dir() else {}

# --- what was removed from the dataset -------------------------------------------------------------------------------


def without(run_before: RunResult, *ids: int) -> RunResult:
    gone = {f"EXT-{at:04}" for at in ids}
    return run([one for one in run_before.outcomes if one.datapoint_id not in gone], evaluators=())


def test_what_was_removed_is_named_with_what_it_scored_in_the_order_of_the_dataset() -> None:
    before = list(outcomes("m", [0.9, 0.1, CRASH, FAULT, None, 0.4]))
    random.Random(1).shuffle(before)
    found = compared(scores("m", [0.9]), run(before, evaluators=()), {"m": {"min": 0, "range": [0, 1]}})
    assert [(one.datapoint_id, one.line) for one in found.removed_datapoints] == [
        (f"EXT-{at:04}", at + 1) for at in range(1, 6)
    ]
    assert [dict(one.scores) for one in found.removed_datapoints] == [
        {"m": 0.1, "latency_ms": 1.5, "errors": 0.0},
        {"m": 0.0, "errors": 1.0},
        {"m": 0.0, "latency_ms": 1.5, "errors": 1.0},
        {"latency_ms": 1.5, "errors": 0.0},
        {"m": 0.4, "latency_ms": 1.5, "errors": 0.0},
    ]
    assert found.removed == 5


def test_no_more_than_fifty_are_named_and_all_are_counted() -> None:
    found = compare(scores("m", [True]), scores("m", [True] * 200))
    assert found.removed == 199
    assert [one.line for one in found.removed_datapoints] == list(range(2, KEPT + 2))


def test_the_mean_of_what_was_removed_is_told() -> None:
    baseline = scores("m", [True] * 90 + [False] * 10)
    found = judged(without(baseline, *range(90, 100)), baseline, {"m": {"max-drop": 0.02}})
    (summary,) = (metric for metric in found.metrics if metric.metric == "m")
    assert (summary.removed, summary.baseline, summary.candidate) == (0.0, 1.0, 1.0)


def test_nothing_was_removed_where_all_is_there() -> None:
    found = judged(*pass_fail(9, worse=2), {"correct": {"max-drop": 0.02}})
    assert found.removed_datapoints == ()
    assert {metric.removed for metric in found.metrics} == {None}


def test_a_metric_that_the_baseline_does_not_have_says_nothing_of_what_was_removed() -> None:
    baseline = run([*outcomes("other", [1]), failed("EXT-0009", {"index": 9})])
    found = compared(scores("m", [True]), baseline, {"m": {"min": 0, "kind": "rate"}})
    assert [dict(one.scores) for one in found.removed_datapoints] == [{"errors": 1.0}]


def test_an_edited_datapoint_is_not_a_removed_one() -> None:
    candidate = run([replace(one, content_hash="new") for one in outcomes("m", [True, True])], evaluators=())
    found = compare(candidate, scores("m", [True, True, True]))
    assert (found.edited, found.removed, found.paired) == (2, 1, 0)


@given(st.lists(st.booleans(), min_size=2, max_size=40), st.data())
def test_removing_failures_never_passes_unseen(passed: list[bool], data: st.DataObject) -> None:
    """Whoever takes what fails out of the dataset is told of it: with the names, and beside the mean."""
    baseline = scores("m", passed)
    candidate = scores("m", [one and data.draw(st.booleans()) for one in passed])
    failing = [at for at, one in enumerate(candidate.outcomes) if not one.scores["m"]]  # type: ignore[union-attr]  # all scored
    gone = data.draw(st.sets(st.sampled_from(failing), min_size=1)) if failing else set()
    rules = {"m": {"max-drop": 0.02, "min": 0.5, "decide": data.draw(st.sampled_from(["tested", "point", "strict"]))}}
    before, after = judged(candidate, baseline, rules), judged(without(candidate, *gone), baseline, rules)
    if before.verdict is Status.FAILED and after.verdict is not Status.FAILED:
        assert after.removed == len(gone) > 0
        assert [one.line for one in after.removed_datapoints] == [at + 1 for at in sorted(gone)]
        assert [one.scores["m"] for one in after.removed_datapoints] == [passed[at] for at in sorted(gone)]
        assert any("no longer in the dataset" in warning for warning in after.warnings)


# --- what need not pass any more -------------------------------------------------------------------------------------


def must_pass(*at: int, of: int = 6, edited: int = -1, **header: Any) -> RunResult:
    """A run of some datapoints, of which these have to pass; one of them may have other content."""
    found = [
        replace(
            one,
            tags=(TAG_MUST_PASS,) if one.index in at else ("slow",),
            content_hash="new" if one.index == edited else one.content_hash,
        )
        for one in outcomes("m", [True] * of)
    ]
    return run(random.Random(2).sample(found, of), evaluators=(), **header)


def lines(comparison: Comparison) -> list[int | None]:
    return [place.line for place in comparison.untagged]


def test_datapoints_whose_tag_was_taken_off_are_named_in_the_order_of_the_dataset() -> None:
    found = compare(must_pass(1), must_pass(0, 1, 3, 5))
    assert [place.datapoint_id for place in found.untagged] == ["EXT-0000", "EXT-0003", "EXT-0005"]
    assert lines(found) == [1, 4, 6]


def test_a_datapoint_that_was_removed_with_its_tag_is_named_too() -> None:
    found = compare(must_pass(0, of=3), must_pass(0, 1, 4))
    assert (lines(found), found.removed) == ([2, 5], 3)


def test_a_datapoint_is_the_same_though_its_content_changed() -> None:
    assert lines(compare(must_pass(0, 1, edited=1), must_pass(0, 1))) == []
    assert lines(compare(must_pass(0, edited=1), must_pass(0, 1))) == [2]


def test_a_tag_that_is_new_or_still_there_is_none_that_is_missed() -> None:
    assert lines(compare(must_pass(0, 1, 2), must_pass(0, 1))) == []
    assert lines(compare(must_pass(0), None)) == []
    assert lines(compare(must_pass(), must_pass())) == []


def test_what_a_limited_run_did_not_come_to_has_kept_its_tag() -> None:
    assert lines(compare(must_pass(0, of=3, limit=3), must_pass(0, 1, 4))) == [2]
    assert lines(compare(must_pass(0, of=3, limit=9), must_pass(0, 1, 4))) == [2, 5]


def test_no_more_untagged_datapoints_are_named_than_anybody_reads() -> None:
    assert lines(compare(must_pass(of=80), must_pass(*range(80), of=80))) == list(range(1, KEPT + 1))


def test_one_repeat_with_the_tag_is_enough() -> None:
    both = [replace(one, tags=(TAG_MUST_PASS,) if one.repeat else ()) for one in outcomes("m", [[True, True]])]
    assert lines(compare(run(both, repeats=2), must_pass(0, of=1))) == []


# --- labels ----------------------------------------------------------------------------------------------------------

LABEL: dict[str, Any] = {"class": {"max-drop": 0.1, "kind": "label"}}


def classified(labels: Sequence[Any], truths: Sequence[Any], notes: Sequence[str] | None = None) -> RunResult:
    return run(
        [
            scored(
                f"EXT-{at}",
                {"index": at, "ground_truth": truth, "notes": {} if notes is None else {"class": notes[at]}},
                **{"class": label},
            )
            for at, (label, truth) in enumerate(zip(labels, truths, strict=True))
        ],
        evaluators=(),
    )


def test_labels_are_compared_by_whether_they_are_right() -> None:
    truths = [1, 2, 3, 1]
    found = compared(classified([1, 2, 2, 3], truths), classified([1, 1, 3, 2], truths), LABEL).metrics["class"]
    assert found.pairs is not None
    assert (found.pairs.pass_fail, found.pairs.worse, found.pairs.better) == (True, 1, 1)
    assert (found.candidate.mean, found.relabelled) == (0.5, 3)


def test_the_share_of_the_labels_that_changed_is_told() -> None:
    truths = [1] * 10
    verdict = judged(classified([1] * 8 + [2, 3], truths), classified([1] * 8 + [3, 2], truths), LABEL)
    (summary,) = (metric for metric in verdict.metrics if metric.metric == "class")
    assert (summary.relabelled, verdict.checks[0].reason) == (0.2, Reason.UNCHANGED)


def test_an_evaluator_that_compares_labels_itself_tells_them_in_its_notes() -> None:
    truths = ["refund"] * 3
    candidate = classified([True, False, False], truths, ["refund", "sale", "sale"])
    baseline = classified([True, False, False], truths, ["refund", "sale", "other"])
    found = compared(candidate, baseline, LABEL).metrics["class"]
    assert (found.candidate.mean, found.relabelled) == (1 / 3, 1)


def test_a_crash_is_not_the_expected_label() -> None:
    baseline = classified([1, 1], [1, 1])
    candidate = run([*list(baseline.outcomes)[:1], failed("EXT-1", {"index": 1, "ground_truth": 1})], evaluators=())
    found = compared(candidate, baseline, LABEL).metrics["class"]
    assert (found.candidate.mean, found.pairs and found.pairs.worse) == (0.5, 1)


def test_only_labels_are_relabelled() -> None:
    found = compare(*pass_fail(9, worse=3)).metrics["correct"]
    assert found.relabelled is None
    assert compared(classified([1], [1]), None, LABEL).metrics["class"].relabelled is None


# --- clusters --------------------------------------------------------------------------------------------------------


def talks(metric: str, given: Sequence[Given], names: Sequence[Any], where: str = "inputs") -> RunResult:
    """A run whose datapoints belong to talks; `None` for one that belongs to none."""
    named = [{} if name is None else {"talk": name} for name in names]
    pairs = zip(outcomes(metric, given), named, strict=True)
    return run([_in_talk(one, name, where) for one, name in pairs], evaluators=())


def _in_talk(one: Outcome, name: Mapping[str, Any], where: str) -> Outcome:
    return replace(one, inputs=name) if where == "inputs" else replace(one, metadata=name)


def clustered(
    candidate: Sequence[Given], baseline: Sequence[Given], names: Sequence[Any], where: str = "inputs", **rules: Any
) -> tuple[MetricComparison, Verdict]:
    thresholds = {"m": {"max-drop": 0.1, "cluster": "talk", **rules}}
    ours, theirs = (talks("m", given, names, where) for given in (candidate, baseline))
    return compared(ours, theirs, thresholds).metrics["m"], judged(ours, theirs, thresholds)


@needs_shared
@pytest.mark.parametrize("where", ["inputs", "metadata"])
def test_four_talks_of_three_are_worth_four_datapoints(where: str) -> None:
    (case,) = (case for case in WORKED["numeric"] if case["name"] == "clusters: 4 talks of 3")
    found, verdict = clustered(case["candidate"], case["baseline"], case["cluster"], where)
    assert found.pairs is not None
    test, (check,) = found.pairs.test, verdict.checks
    assert test is not None
    expected = {"delta": "estimate", "sd": "sd", "se": "se", "df": "df", "p": "p", "changed": "changed"}
    assert {key: getattr(test, name) for key, name in expected.items()} == {
        key: pytest.approx(case[key], rel=1e-6) for key in expected
    }
    assert (check.status, check.reason, check.clusters) == (case["verdict"], case["reason"], 4.0)
    assert check.p == pytest.approx(case["p"], rel=1e-6)
    assert check.estimate == pytest.approx(case["delta"], rel=1e-6)
    assert check.smallest_detectable == pytest.approx(case["mde80"], rel=1e-6)
    assert found.unclustered == 0


def test_datapoints_of_no_talk_are_one_cluster_together_and_are_counted() -> None:
    candidate, baseline = [0.1, 0.2, 0.3, 0.4, 0.3, 0.1], [0.5] * 6
    found, verdict = clustered(candidate, baseline, ["a", "a", "b", "b", None, None])
    assert (found.unclustered, verdict.checks[0].clusters) == (2, 3.0)
    lone, _ = clustered(candidate, baseline, [None] * 6)
    assert lone.unclustered == 6
    assert lone.pairs is not None
    assert lone.pairs.test is not None
    assert lone.pairs.test.effective_clusters == 1.0


def test_one_cluster_shows_no_spread_and_is_undecided() -> None:
    _, verdict = clustered([0.1, 0.2, 0.3], [0.5] * 3, ["a", "a", "a"])
    (check,) = verdict.checks
    assert (check.status, check.reason) == (Status.UNDECIDED, Reason.ONE_CLUSTER)
    assert check.estimate == pytest.approx(-0.3)
    assert (check.p, check.p_adjusted, check.lower) == (None, None, None)
    assert verdict.exit_code == 0


def test_one_large_cluster_among_small_ones_is_about_one() -> None:
    names = ["a"] * 20 + ["b"]
    _, verdict = clustered([0.1] * 20 + [0.2], [0.5] * 21, names)
    (check,) = verdict.checks
    assert check.reason is Reason.ONE_CLUSTER
    assert check.clusters == pytest.approx(441 / 401)


def test_a_cluster_takes_the_proof_that_its_datapoints_alone_would_give() -> None:
    names = [at // 9 for at in range(40)]
    ours, theirs = (talks("m", given, names) for given in ([False] * 9 + [True] * 31, [True] * 40))
    alone, clustered = (
        judged(ours, theirs, {"m": {"max-drop": 0.02, **cluster}}).checks[0] for cluster in ({}, {"cluster": "talk"})
    )
    assert (alone.reason, clustered.reason) == (Reason.REGRESSED, Reason.APPARENT_DROP)
    assert alone.estimate == clustered.estimate


def test_pass_fail_in_clusters_still_counts_worse_and_better() -> None:
    _, verdict = clustered([False, True, True, True], [True, True, True, False], ["a", "a", "b", "b"])
    assert (verdict.checks[0].worse, verdict.checks[0].better, verdict.checks[0].clusters) == (1, 1, 2.0)


def test_the_cluster_is_that_of_the_candidate() -> None:
    thresholds = {"m": {"max-drop": 0.1, "cluster": "talk"}}
    candidate = talks("m", [0.1, 0.2, 0.3], ["a", "b", "c"], "metadata")
    baseline = talks("m", [0.5, 0.5, 0.5], ["a", "a", "a"], "metadata")
    (check,) = judged(candidate, baseline, thresholds).checks
    assert check.clusters == 3.0


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 5)), min_size=2, max_size=30))
def test_how_a_talk_is_called_changes_nothing(given: list[tuple[bool, bool, int]]) -> None:
    candidate, baseline = ([row[side] for row in given] for side in (0, 1))
    numbers = [talk for _, _, talk in given]
    _, by_number = clustered(candidate, baseline, numbers)
    _, by_name = clustered(candidate, baseline, [f"talk {-number}" for number in numbers])
    assert by_number.checks == by_name.checks


# --- several repeats that all pass -----------------------------------------------------------------------------------


def passes(counts: Sequence[int], trials: int) -> RunResult:
    given: list[Given] = [[at < count for at in range(trials)] for count in counts]
    return scores("correct", given, repeats=trials)


@needs_shared
def test_how_often_all_repeats_pass_is_as_it_was_worked_out() -> None:
    case = WORKED["pass_hat_k"]
    found = compare(passes(case["c"], case["trials"]), None).metrics["correct"]
    assert found.candidate.mean == pytest.approx(case["pass1"])
    assert found.all_passed == (0.25, None)  # of four datapoints, one passed all four times
    assert compare(passes([min(count, 2) for count in case["c"]], 2), None).metrics["correct"].all_passed[0] == 0.5


def test_both_runs_tell_how_often_all_repeats_pass() -> None:
    verdict = judged(passes([3, 3, 1], 3), passes([3, 2, 2], 3), {"correct": {"max-drop": 0.1}})
    summary = verdict.metrics[0]
    assert (summary.all_passed, summary.baseline_all_passed) == (2 / 3, 1 / 3)
    once = judged(*pass_fail(9), {"correct": {"max-drop": 0.1}}).metrics[0]
    assert (once.all_passed, once.baseline_all_passed) == (None, None)


SCORES: st.SearchStrategy[Score] = st.sampled_from([True, False, None])


@given(st.lists(st.lists(SCORES, min_size=3, max_size=3), min_size=1, max_size=9))
def test_all_repeats_pass_no_more_often_than_one_of_them(given: list[list[Score]]) -> None:
    complete = [repeats for repeats in given if None not in repeats]
    found = compare(scores("m", given, repeats=3), None).metrics["m"].all_passed[0]
    if not complete:
        assert found is None
    else:
        assert found == pytest.approx(sum(all(repeats) for repeats in complete) / len(complete))
