from __future__ import annotations

from typing import Any

import pytest

from builders import failed, run, scored
from builders_verdict import CRASH, FAULT, compared, outcomes, scores
from honeyhive.gate import warnings
from honeyhive.result import EvaluatorRef, RunResult


def warned(candidate: RunResult, baseline: RunResult | None, **rules: Any) -> list[str]:
    return list(warnings.of(compared(candidate, baseline, rules)))


def test_of_two_runs_of_the_same_there_is_nothing_to_say() -> None:
    assert warned(scores("m", [True, False]), scores("m", [True, True])) == []
    assert warned(scores("m", [True, False]), None) == []


# --- the dataset -----------------------------------------------------------------------------------------------------


def test_datapoints_that_are_gone_are_counted() -> None:
    assert warned(scores("m", [1]), scores("m", [1, 1])) == [
        "1 datapoint of the baseline no longer in the dataset: not compared"
    ]
    assert warned(scores("m", [1]), scores("m", [1] * 1_201)) == [
        "1,200 datapoints of the baseline no longer in the dataset: not compared"
    ]


def test_removing_what_scored_badly_lifts_a_mean_and_that_is_said() -> None:
    (said,) = warned(scores("m", [True] * 2), scores("m", [True] * 2 + [False]))
    assert said == (
        "1 datapoint of the baseline no longer in the dataset: not compared. There they scored worse than the others "
        "(`m` 0 %, the others 100 %): without them a mean looks better, whatever this change does"
    )


def test_removing_what_scored_well_is_no_way_to_look_better() -> None:
    (said,) = warned(scores("m", [False]), scores("m", [False, True]))
    assert said.endswith("not compared")
    lower: dict[str, Any] = {"m": {"max-increase": 0.1}}
    assert "(`m` 2, the others 1)" in warned(scores("m", [1]), scores("m", [1, 2]), **lower)[0]
    assert warned(scores("m", [2]), scores("m", [2, 1]), **lower)[0].endswith("not compared")


def test_of_many_metrics_two_are_named() -> None:
    kept, gone = (dict.fromkeys("abcd", score) for score in (0.9, 0.2))
    both = run([scored("1", **kept), scored("2", **gone)], evaluators=())
    (said,) = warned(run([scored("1", **kept)], evaluators=()), both)
    assert "(`a` 0.2, the others 0.9, `b` 0.2, the others 0.9 and 2 more)" in said


def test_datapoints_that_are_new_are_seen_by_bounds_only() -> None:
    assert warned(scores("m", [1, 1, 1]), scores("m", [1])) == [
        "2 datapoints not in the baseline: only `min` and `max` see them"
    ]


def test_datapoints_that_were_edited_are_not_compared() -> None:
    edited = run([scored("EXT-0000", {"inputs": "other"}, m=1)], evaluators=())
    assert warned(edited, scores("m", [1])) == ["1 datapoint changed inputs or ground truth: not compared"]


def test_a_limited_run_is_called_a_partial_view_and_misses_nothing() -> None:
    assert warned(scores("m", [1, 1], limit=2), scores("m", [1] * 9)) == [
        "a partial view: only the first 2 datapoints of the dataset ran (`limit`)"
    ]
    assert warned(scores("m", [1], limit=1), None) == [
        "a partial view: only the first 1 datapoint of the dataset ran (`limit`)"
    ]


# --- what a metric applies to ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("applicable", "said"),
    [
        (100, []),
        (95, []),
        (94, ["`m` applies to 94.0 % of the datapoints, in the baseline to 100 %"]),
        (1, ["`m` applies to 1.0 % of the datapoints, in the baseline to 100 %"]),
    ],
)
def test_more_than_five_points_of_change_in_coverage_are_worth_a_word(applicable: int, said: list[str]) -> None:
    partly, whole = [1.0] * applicable + [None] * (100 - applicable), [1.0] * 100
    assert warned(scores("m", partly), scores("m", whole)) == said


def test_a_metric_that_applies_to_more_than_before_is_worth_a_word_too() -> None:
    assert warned(scores("m", [1, 1]), scores("m", [1, None])) == [
        "`m` applies to 100 % of the datapoints, in the baseline to 50.0 %"
    ]


@pytest.mark.parametrize("error", [CRASH, FAULT])
def test_an_error_is_not_a_matter_of_coverage(error: Exception) -> None:
    assert warned(scores("m", [True, error]), scores("m", [True, True])) == []
    crashed = run([scored("a", {"duration_ms": 1.0}), failed("b", {"duration_ms": None})])
    assert warned(crashed, run([scored("a"), scored("b")])) == []


@pytest.mark.parametrize(
    ("candidate", "baseline"), [([None, None], [1, 1]), ([1, 1], [None, None]), ([1, 1], [CRASH, None])]
)
def test_a_metric_that_one_run_does_not_have_has_no_coverage(candidate: list[Any], baseline: list[Any]) -> None:
    assert not [said for said in warned(scores("m", candidate), scores("m", baseline)) if "applies" in said]


def test_a_baseline_with_many_errors_is_worth_a_word() -> None:
    errors: list[Any] = [*[True] * 18, CRASH, CRASH]
    said = warned(scores("m", [True] * 20), scores("m", errors))
    assert said == ["in the baseline 2 of 20 datapoints went wrong: beside it, any change looks good"]
    few: list[Any] = [*[True] * 19, CRASH]
    assert not warned(scores("m", [True] * 20), scores("m", few))


# --- how it was scored -----------------------------------------------------------------------------------------------


def test_scores_outside_of_their_range_are_worth_a_word() -> None:
    said = ["`m` has scores outside of its range from 0 to 10: then an error need not count as the worst score"]
    assert warned(scores("m", [11]), scores("m", [1]), m={"max-drop": 1, "range": [0, 10]}) == said
    assert warned(scores("m", [1]), scores("m", [-1]), m={"max-drop": 1, "range": [0, 10]}) == said
    assert warned(scores("m", [1]), scores("m", [10]), m={"max-drop": 1, "range": [0, 10]}) == []
    assert warned(scores("m", [85]), None, m={"max-drop": 0.1, "kind": "rate"})[0].startswith("`m` has scores outside")


def test_an_evaluator_that_changed_is_named() -> None:
    refs = [(EvaluatorRef(name="m", fingerprint=value), EvaluatorRef(name="x", fingerprint="same")) for value in "ab"]
    assert warned(*(scores("m", [1], evaluators=ref) for ref in refs)) == [
        "the evaluator `m` is not the one that scored the baseline: their scores are not comparable"
    ]


def test_another_number_of_repeats_is_worth_a_word() -> None:
    once, thrice = scores("m", [[True]]), scores("m", [[True, True, True]], repeats=3)
    assert warned(thrice, once) == ["3 repeats of each datapoint, in the baseline 1"]
    assert warned(once, thrice) == ["1 repeat of each datapoint, in the baseline 3"]


def test_labels_that_changed_are_counted_for_information() -> None:
    rules: dict[str, Any] = {"category": {"kind": "label", "max-drop": 0.1}}

    def labels(given: list[int]) -> RunResult:
        return run([scored(str(at), {"ground_truth": 1}, category=one) for at, one in enumerate(given)], evaluators=())

    assert warned(labels([1, 2, 3, 1]), labels([1, 3, 2, 1]), **rules) == [
        "`category`: 50.0 % of the labels changed (2 of 4); for information, what is tested is whether they are right"
    ]
    assert warned(labels([1, 2]), labels([1, 2]), **rules) == []


def test_datapoints_without_a_cluster_are_counted() -> None:
    rules: dict[str, Any] = {"m": {"max-drop": 0.1, "cluster": "talk"}}

    def talks(*given: int | None) -> RunResult:
        known = ({"metadata": {} if talk is None else {"talk": talk}} for talk in given)
        return run([scored(str(at), fields, m=0.5) for at, fields in enumerate(known)], evaluators=())

    assert warned(talks(1, None, 2), talks(1, None, 2), **rules) == [
        "1 datapoint has no `talk`, which `cluster` of `m` names: it counts as one cluster"
    ]
    assert warned(talks(None, None, 2), talks(1, None, 2), **rules) == [
        "2 datapoints have no `talk`, which `cluster` of `m` names: they count as one cluster"
    ]
    assert warned(talks(1, 2), talks(1, 2), **rules) == []


def test_a_name_cannot_break_the_line() -> None:
    (said,) = warned(scores("a\nb", [11]), None, **{"a\nb": {"min": 1, "range": [0, 10]}})
    assert said.startswith("`a b` has scores outside")


def test_everything_worth_a_word_is_said() -> None:
    candidate = run([*outcomes("m", [1, None, None]), scored("EXT-0003", {"inputs": "x"}, m=1)], evaluators=())
    baseline = run(outcomes("m", [1, 1, 1, 1, 1]), evaluators=(), repeats=2)
    assert warned(candidate, baseline) == [
        "1 datapoint of the baseline no longer in the dataset: not compared",
        "1 datapoint changed inputs or ground truth: not compared",
        "`m` applies to 50.0 % of the datapoints, in the baseline to 100 %",
        "1 repeat of each datapoint, in the baseline 2",
    ]


def test_a_tag_that_was_taken_off_is_named() -> None:
    tagged = [scored(f"EXT-{at}", {"index": at, "line": at + 1, "tags": ("must-pass",)}, m=True) for at in range(2)]
    without = [scored("EXT-0", {"line": 1}, m=True), tagged[1]]
    assert warned(run(without), run(tagged)) == [
        "no longer tagged `must-pass`, as in the baseline: `EXT-0`; whether they pass is nobody's business now"
    ]
    assert warned(run(tagged), run(tagged)) == []


def test_a_cap_is_about_those_that_did_not_crash() -> None:
    candidate = run([failed("EXT-0", {"duration_ms": None}), scored("EXT-1", {"index": 1}, m=True)])
    assert list(warnings.of(compared(candidate, None), {"latency_ms"})) == [
        "`latency_ms` is of 1 of 2 datapoints: what went wrong has none"
    ]
    assert list(warnings.of(compared(candidate, None))) == []


def test_a_cap_is_about_those_that_tell_what_they_cost() -> None:
    told, silent, crashed = scored("EXT-0", cost=1.0), scored("EXT-1", {"index": 1}), failed("EXT-2", {"index": 2})
    free = scored("EXT-2", {"index": 2}, cost=None)
    for rest, why in (
        ([], "some do not tell theirs"),
        ([crashed], "what went wrong has none, and some do not tell theirs"),
        ([free], "some do not tell theirs"),
    ):
        found = compared(run([told, silent, *rest], evaluators=()), None)
        assert list(warnings.of(found, {"cost"})) == [f"`cost` is of 1 of {2 + len(rest)} datapoints: {why}"]
    assert list(warnings.of(compared(run([told, free], evaluators=()), None), {"cost"})) == []


# --- where it ran ----------------------------------------------------------------------------------------------------


def in_environments(candidate: dict[str, Any], baseline: dict[str, Any]) -> list[str]:
    return warned(scores("m", [1], environment=candidate), scores("m", [1], environment=baseline))


def test_another_environment_is_told_once() -> None:
    before = {"python": "3.11.9", "system": "Linux", "packages": {"openai": "1.2.0", "httpx": "0.28.1"}}
    after = {"python": "3.12.1", "system": "Linux", "packages": {"openai": "1.3.0", "httpx": "0.28.1"}}
    assert in_environments(after, before) == [
        "not the same environment as the baseline's: `python` 3.12.1 (there 3.11.9), `openai` 1.3.0 (there 1.2.0)"
    ]
    assert in_environments(before, before) == []


def test_what_one_of_the_runs_does_not_say_of_its_environment_is_no_difference() -> None:
    assert in_environments({"python": "3.12.1"}, {}) == []
    assert in_environments({}, {"python": "3.12.1"}) == []
    assert in_environments({"packages": {"openai": "1"}}, {"packages": {"httpx": "1"}}) == []
    assert in_environments({"python": None}, {"python": "3.12.1"}) == []
    assert in_environments({"python": ["3.12.1"]}, {"python": "3.12.1"}) == []


def test_of_many_differences_four_are_told() -> None:
    (said,) = in_environments(dict.fromkeys("abcdef", "2"), dict.fromkeys("abcdef", "1"))
    assert said.endswith("`d` 2 (there 1) and 2 more")


def test_an_environment_cannot_break_the_line() -> None:
    (said,) = in_environments({"py`th\non": "3\n::error::x"}, {"py`th\non": "2"})
    assert said == "not the same environment as the baseline's: `pyˋth on` 3 ::error::x (there 2)"
