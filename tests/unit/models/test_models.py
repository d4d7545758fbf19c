"""The wire shapes: requests say what was given, answers are read as they come."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from honeyhive.models.generated import (
    CreateRunRequest,
    CreateRunResponse,
    Datapoint,
    Datapoint1,
    Dataset,
    Detail,
    EvaluationRun,
    ExperimentComparisonResponse,
    ExperimentResultResponse,
    MetricComparison,
    Metrics,
    UpdateRunRequest,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


# --- requests --------------------------------------------------------------------------------------------------------


def test_a_request_sends_what_was_given_and_nothing_else() -> None:
    request = UpdateRunRequest(status="completed", event_ids=[], name=None)
    assert request.to_wire() == {"status": "completed", "event_ids": []}


@given(st.dictionaries(st.text(), JSON))
def test_what_users_say_is_sent_as_they_said_it(metadata: dict[str, Any]) -> None:
    assert CreateRunRequest(metadata=metadata).to_wire() == {"metadata": metadata}


def test_the_project_is_accepted_and_not_sent() -> None:
    request = CreateRunRequest(project="p", name="n")
    assert request.project == "p"
    assert request.to_wire() == {"name": "n"}


def test_a_passing_range_sends_only_its_limits() -> None:
    request = CreateRunRequest(passing_ranges={"accuracy": {"min": 0.5}})
    assert request.to_wire() == {"passing_ranges": {"accuracy": {"min": 0.5}}}


@pytest.mark.parametrize("given", [{"nmae": "n"}, {"status": "done"}, {"event_ids": "e"}, {"metadata": []}])
def test_a_wrong_request_is_refused_before_it_is_sent(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CreateRunRequest(**given)


# --- answers ---------------------------------------------------------------------------------------------------------


def test_ids_may_be_numbers_and_lists_may_be_missing_or_null() -> None:
    run = EvaluationRun.model_validate({"id": 7, "run_id": 8.5, "event_ids": None, "metadata": None})
    assert (run.id, run.run_id, run.event_ids, run.metadata, run.results) == ("7", "8.5", [], {}, {})


def test_unknown_keys_are_kept_whatever_they_are_called() -> None:
    hostile = {"id": "r", "__class__": 1, "model_fields": 2, "copy": 3, "": 4, "extra": {"deep": [1]}}
    run = EvaluationRun.model_validate(hostile)
    assert isinstance(run, EvaluationRun)
    assert callable(run.model_copy)
    assert run.model_extra == {name: value for name, value in hostile.items() if name != "id"}


def test_the_id_of_a_created_run_may_stand_in_the_run() -> None:
    assert CreateRunResponse.model_validate({"evaluation": {"run_id": "inner"}}).run_id == "inner"
    assert CreateRunResponse.model_validate({"run_id": "outer", "evaluation": {"run_id": "inner"}}).run_id == "outer"
    with pytest.raises(ValidationError):
        CreateRunResponse.model_validate({"evaluation": {}})


def test_what_a_stranger_sent_is_not_repeated_in_the_error() -> None:
    with pytest.raises(ValidationError) as refused:
        ExperimentResultResponse.model_validate({"status": ["s3cret"], "success": "s3cret"})
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("key", ["id", "_id"])
def test_datasets_and_datapoints_have_an_id_under_either_name(key: str) -> None:
    assert Dataset.model_validate({key: "d", "datapoints": [1, "b"]}).datapoints == ["1", "b"]
    assert Datapoint.model_validate({key: "d"}).id == "d"


def test_answers_share_no_list() -> None:
    one, other = ExperimentResultResponse(status="s", success=True), ExperimentResultResponse(status="s", success=True)
    one.metrics.details.append(Detail(metric_name="m"))
    one.passed.append("x")
    assert (other.metrics.details, other.passed) == ([], [])


@given(JSON)
def test_a_datapoints_metrics_are_read_whatever_they_are(metric: Any) -> None:
    (read,) = Datapoint1.model_validate(
        {"metrics": [metric]} if not isinstance(metric, dict) else {"metrics": [{"name": "m", "value": metric}]}
    ).metrics
    assert read.value == metric


def test_a_detail_may_stand_among_a_datapoints_metrics() -> None:
    detail = Detail(metric_name="m", value=0.5, explanation="half")
    datapoint = Datapoint1(datapoint_id="d", metrics=[detail])
    (metric,) = datapoint.metrics
    assert (metric.name, metric.value, metric.explanation) == ("m", 0.5, "half")


# --- results ---------------------------------------------------------------------------------------------------------


def test_a_metric_is_found_by_its_name() -> None:
    metrics = Metrics(details=[Detail(metric_name=name, aggregate=n) for n, name in enumerate(["a", "b", "a"])])
    found = metrics.get_metric("a")
    assert found is not None
    assert found.aggregate == 0
    assert metrics.get_metric("c") is None
    assert metrics.list_metrics() == ["a", "b"]


@pytest.mark.parametrize(
    ("details", "score"),
    [
        ([], None),
        ([(0.5, None)], None),
        ([(1, 1.0), (0.5, 3.0)], 0.625),
        ([(1, 1.0), (0.0, None)], 1.0),
        ([(True, 1.0), (False, 1.0)], 0.5),
        ([(1, 1.0), (None, 1.0)], None),
        ([(1, 1.0), ("good", 1.0)], None),
        ([(1, 0.0)], None),
        ([(float("nan"), 1.0)], None),
    ],
)
def test_the_score_is_the_weighted_mean_and_missing_is_not_zero(
    details: list[tuple[Any, float | None]], score: float | None
) -> None:
    made = [Detail(metric_name=f"m{n}", aggregate=value, weight=weight) for n, (value, weight) in enumerate(details)]
    assert Metrics(details=made).score == score


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf")])
def test_a_weight_is_a_number_from_zero_on(weight: float) -> None:
    with pytest.raises(ValidationError):
        Detail(metric_name="m", weight=weight)


def test_an_aggregate_keeps_its_type() -> None:
    kinds = [Detail(metric_name="m", aggregate=value).aggregate for value in (True, 1, 1.0, "one", None)]
    assert [type(value) for value in kinds] == [bool, int, float, str, type(None)]


def test_metrics_that_changed_are_told_by_the_platforms_counts() -> None:
    comparison = ExperimentComparisonResponse.model_validate(
        {
            "metrics": [
                {
                    "metric_name": "both",
                    "old_aggregate": 1,
                    "new_aggregate": 1,
                    "improved_count": 2,
                    "degraded_count": 2,
                },
                {
                    "metric_name": "worse",
                    "old_aggregate": 0.5,
                    "new_aggregate": 0.75,
                    "degraded_count": 1,
                    "improved_count": 0,
                },
                {"metric_name": "same", "improved_count": 0, "degraded_count": 0},
            ]
        }
    )
    assert comparison.list_improved_metrics() == ["both"]
    assert comparison.list_degraded_metrics() == ["both", "worse"]


def test_without_counts_a_metric_changed_as_its_aggregate_did() -> None:
    comparison = ExperimentComparisonResponse.model_validate(
        {
            "metrics": [
                {"metric_name": "up", "old_aggregate": 1, "new_aggregate": 2},
                {"metric_name": "down", "difference": -1},
                {"metric_name": "words", "old_aggregate": "a", "new_aggregate": "b"},
            ]
        }
    )
    assert comparison.list_improved_metrics() == ["up"]
    assert comparison.list_degraded_metrics() == ["down"]


def test_a_delta_says_all_that_is_known() -> None:
    comparison = ExperimentComparisonResponse.model_validate(
        {"metrics": [{"metric_name": "m", "old_aggregate": 0.5, "new_aggregate": 0.75, "found_count": 2}]}
    )
    delta = comparison.get_metric_delta("m")
    assert delta is not None
    assert (delta["delta"], delta["old_aggregate"], delta["new_aggregate"], delta["found_count"]) == (
        0.25,
        0.5,
        0.75,
        2,
    )
    assert comparison.get_metric_delta("other") is None
    assert MetricComparison(metric_name="m").delta is None
