"""`evaluate()` without a key: what it calls, what it returns, what it keeps, what it refuses."""

from __future__ import annotations

import asyncio
import functools
import io
import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from honeyhive.errors import DatasetError, UserCodeError
from honeyhive.experiments import create_external_dataset, evaluate, evaluator, generate_datapoint_id
from honeyhive.experiments.places import RUNS
from honeyhive.experiments.printing import print_result
from honeyhive.models.generated import ExperimentResultResponse
from honeyhive.runfile import read_run

ROWS = [{"inputs": {"q": letter}, "ground_truth": {"answer": letter.upper()}} for letter in "abc"]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HH_API_KEY", "HONEYHIVE_API_KEY", "HH_PROJECT"):
        monkeypatch.delenv(name, raising=False)


def shout(inputs: Any) -> Any:
    return {"answer": inputs["q"].upper()}


def right(outputs: Any, inputs: Any, ground_truth: Any) -> bool:
    return bool(outputs == ground_truth)


def values(result: ExperimentResultResponse, metric: str) -> list[Any]:
    detail = result.metrics.get_metric(metric)
    assert detail is not None
    return detail.values


# --- what it returns -------------------------------------------------------------------------------------------------


def test_without_a_key_it_runs_returns_the_result_and_leaves_the_run_file() -> None:
    result = evaluate(shout, dataset=ROWS, evaluators=[right], name="letters")
    ids = [generate_datapoint_id(row) for row in ROWS]
    assert (result.status, result.success, result.passed, result.failed) == ("completed", True, ids, [])
    assert [(d.datapoint_id, d.passed, d.inputs, d.outputs, d.error) for d in result.datapoints] == [
        (one, True, row["inputs"], row["ground_truth"], None) for one, row in zip(ids, ROWS, strict=True)
    ]
    (detail,) = result.metrics.details
    assert (detail.metric_name, detail.aggregate, detail.values) == ("right", 1.0, [True, True, True])
    assert (detail.datapoints.passed, detail.datapoints.failed) == (ids, [])
    assert result.unsent is None

    assert result.run_file is not None
    run = read_run(Path(result.run_file))
    assert (run.run_id, run.name, run.complete, run.dataset_id) == (
        result.run_id,
        "letters",
        True,
        create_external_dataset(ROWS, "")[0],
    )
    assert result.duration_s == run.duration_s
    spans = Path(result.run_file).with_suffix(".spans.jsonl").read_text("utf-8").splitlines()
    assert [list(json.loads(line)) for line in spans] == [["resourceSpans"]] * 3


def test_what_fails_is_in_its_place_with_its_error() -> None:
    def fragile(inputs: Any) -> Any:
        if inputs["q"] == "b":
            raise ValueError("no b today")
        return shout(inputs)

    def picky(outputs: Any) -> float:
        return 1 / (0 if outputs["answer"] == "C" else 2)

    result = evaluate(fragile, dataset=ROWS, evaluators=[right, picky])
    a, b, c = result.datapoints
    assert (a.passed, b.passed, c.passed) == (True, False, False)
    assert str(b.error).startswith("ValueError: no b today (")
    assert (b.outputs, b.metrics) == (None, [])
    assert [(m.name, m.value) for m in c.metrics] == [("right", True), ("picky", None)]
    assert str(c.metrics[1].error).startswith("ZeroDivisionError: division by zero")
    assert (result.status, result.success) == ("completed", False)
    assert result.passed == [a.datapoint_id]
    assert result.failed == [b.datapoint_id, c.datapoint_id]
    assert values(result, "picky") == [0.5]


def test_what_crashed_is_among_those_that_failed_every_metric() -> None:
    def always(outputs: Any) -> bool:
        return True

    def half(inputs: Any) -> Any:
        return {"q": 1}[inputs["q"]] if inputs["q"] == "b" else 1

    result = evaluate(half, dataset=ROWS, evaluators=[always])
    detail = result.metrics.get_metric("always")
    assert detail is not None
    assert (detail.values, len(detail.datapoints.passed), len(detail.datapoints.failed)) == ([True, True], 2, 1)
    assert "KeyError: 'b'" in str(result.datapoints[1].error)
    assert "test_evaluate.py:" in str(result.datapoints[1].error)

    def broken(inputs: Any) -> None:
        raise ValueError("no")

    detail = evaluate(broken, dataset=ROWS, evaluators=[always]).metrics.get_metric("always")
    assert detail is not None
    assert (detail.aggregate, detail.values, len(detail.datapoints.failed)) == (None, [], 3)


def test_a_mapping_that_leaves_a_metric_out_has_failed_it() -> None:
    def several(outputs: Any) -> Any:
        return {"long": True} | ({"safe": True} if outputs["answer"] != "B" else {})

    result = evaluate(shout, dataset=ROWS, evaluators=[several])
    detail = result.metrics.get_metric("safe")
    assert detail is not None
    assert detail.datapoints.failed == result.failed == [result.datapoints[1].datapoint_id]


def test_scores_beyond_what_a_mean_can_be_lose_no_result() -> None:
    def huge(outputs: Any) -> float:
        return sys.float_info.max

    result = evaluate(shout, dataset=ROWS, evaluators=[huge], aggregate_function="sum")
    detail = result.metrics.get_metric("huge")
    assert detail is not None
    assert (detail.aggregate, len(detail.values)) == (None, 3)


def test_the_order_is_the_datasets_whatever_finishes_first() -> None:
    async def slow_first(inputs: Any) -> Any:
        for _ in range(300 - 30 * inputs["q"]):
            await asyncio.sleep(0)
        return inputs["q"]

    result = evaluate(slow_first, dataset=[{"inputs": {"q": n}} for n in range(10)], max_workers=10)
    assert [datapoint.outputs for datapoint in result.datapoints] == list(range(10))


@pytest.mark.parametrize(
    ("name", "value"),
    [("average", 2.0), ("mean", 2.0), ("median", 1.0), ("min", 0.0), ("max", 5.0), ("sum", 6.0)],
)
def test_the_aggregate_is_the_one_that_was_asked_for(name: str, value: float) -> None:
    rows = [{"inputs": {"n": n}} for n in (0, 1, 5)]

    def number(outputs: Any) -> Any:
        return outputs["n"]

    result = evaluate(lambda inputs: inputs, dataset=rows, evaluators=[number], aggregate_function=name)
    detail = result.metrics.get_metric("number")
    assert detail is not None
    assert detail.aggregate == value
    assert result.metrics.aggregation_function == name


def test_metrics_with_a_weight_come_to_one_score() -> None:
    @evaluator(weight=3)
    def heavy(outputs: Any) -> float:
        return 1.0

    @evaluator(weight=1)
    def light(outputs: Any) -> float:
        return 0.0

    result = evaluate(shout, dataset=ROWS, evaluators=[heavy, light, right])
    assert result.metrics.score == 0.75


def test_a_mapping_gives_a_metric_for_each_key_and_a_text_is_a_label() -> None:
    def several(outputs: Any) -> Any:
        return {"length": len(outputs), "loud": outputs.isupper()}

    def sentiment(outputs: Any) -> str:
        return "good" if outputs == "A" else "bad"

    rows = [{"inputs": {"q": "a"}, "ground_truth": "good"}, {"inputs": {"q": "b"}, "ground_truth": "good"}]
    result = evaluate(lambda inputs: inputs["q"].upper(), dataset=rows, evaluators=[several, sentiment])
    assert result.metrics.list_metrics() == ["sentiment", "length", "loud"]
    assert (values(result, "length"), values(result, "loud")) == ([1, 1], [True, True])
    assert values(result, "sentiment") == [True, False]
    assert [[m.explanation for m in d.metrics if m.name == "sentiment"] for d in result.datapoints] == [
        ["good"],
        ["bad"],
    ]


# --- how it calls ----------------------------------------------------------------------------------------------------

TRUTHS = [{}, "", 0, False, None, {"answer": "x"}]


class Callable1:
    def __call__(self, inputs: Any) -> Any:
        return [inputs]


class Callable2:
    async def __call__(self, inputs: Any, ground_truth: Any) -> Any:
        return [inputs, ground_truth]


def one(inputs: Any) -> Any:
    return [inputs]


def two(inputs: Any, ground_truth: Any) -> Any:
    return [inputs, ground_truth]


def older(inputs: Any, ground_truths: Any) -> Any:
    return [inputs, ground_truths]


async def later(inputs: Any, ground_truth: Any) -> Any:
    return [inputs, ground_truth]


def whole(datapoint: Any) -> Any:
    return [datapoint["inputs"], datapoint.get("ground_truth")]


def all_of_it(*args: Any) -> Any:
    return list(args)


def three(extra: Any, inputs: Any, ground_truth: Any) -> Any:
    return [inputs, ground_truth]


@pytest.mark.parametrize("truth", TRUTHS, ids=repr)
@pytest.mark.parametrize(
    ("function", "takes"),
    [
        (one, 1),
        (two, 2),
        (older, 2),
        (later, 2),
        (whole, 2),
        (all_of_it, 2),
        (functools.partial(three, "extra"), 2),
        (lambda inputs: [inputs], 1),
        (Callable1(), 1),
        (Callable2(), 2),
    ],
    ids=["one", "two", "older", "async", "datapoint", "args", "partial", "lambda", "object", "async object"],
)
def test_the_signature_decides_what_is_given_never_the_ground_truth(
    function: Callable[..., Any], takes: int, truth: Any
) -> None:
    row = {"inputs": {"q": 1}, "ground_truth": truth}
    result = evaluate(function, dataset=[row], print_results=False)
    assert result.datapoints[0].outputs == [{"q": 1}, truth][:takes]


@pytest.mark.parametrize("truth", TRUTHS, ids=repr)
def test_evaluators_of_every_arity_get_what_they_ask_for(truth: Any) -> None:
    def none_but_outputs(outputs: Any) -> bool:
        return bool(outputs == "out")

    def with_inputs(outputs: Any, inputs: Any) -> bool:
        return bool((outputs, inputs) == ("out", {"q": 1}))

    async def with_all(outputs: Any, inputs: Any, ground_truth: Any) -> bool:
        return bool((outputs, inputs, ground_truth) == ("out", {"q": 1}, truth))

    def by_name(outputs: Any, *, ground_truths: Any) -> bool:
        return bool(ground_truths == truth)

    evaluators: list[Callable[..., Any]] = [
        none_but_outputs,
        with_inputs,
        with_all,
        by_name,
        functools.partial(by_name),
    ]
    named = [evaluator(name=f"e{number}")(function) for number, function in enumerate(evaluators)]
    result = evaluate(lambda inputs: "out", dataset=[{"inputs": {"q": 1}, "ground_truth": truth}], evaluators=named)
    assert [(metric.name, metric.value) for metric in result.datapoints[0].metrics] == [
        (f"e{number}", True) for number in range(5)
    ]


def test_the_older_key_of_the_ground_truth_is_understood() -> None:
    row = {"inputs": {"q": "a"}, "ground_truths": {"answer": "A"}}
    assert evaluate(shout, dataset=[row], evaluators=[right]).success


def test_a_dataset_may_have_an_id_of_its_own() -> None:
    result = evaluate(shout, dataset={"id": "mine", "name": "Mine", "data": ROWS}, evaluators=[right])
    assert read_run(Path(str(result.run_file))).dataset_id == "EXT-mine"


def test_equal_rows_are_different_datapoints() -> None:
    result = evaluate(shout, dataset=[ROWS[0], ROWS[0]])
    assert len({datapoint.datapoint_id for datapoint in result.datapoints}) == 2


def test_it_works_inside_a_running_event_loop() -> None:
    async def notebook() -> ExperimentResultResponse:
        return evaluate(later, dataset=ROWS)

    assert asyncio.run(notebook()).success


def test_one_at_a_time_where_nothing_may_run_concurrently() -> None:
    at_once = []
    running: list[int] = []

    def watch(inputs: Any) -> Any:
        running.append(1)
        at_once.append(len(running))
        running.pop()
        return 1

    assert evaluate(watch, dataset=ROWS * 1, run_concurrently=False, max_workers=8).success
    assert set(at_once) == {1}


# --- what it refuses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "neither 'dataset' nor 'dataset_id'"),
        ({"dataset": ROWS, "dataset_id": "ds"}, "both 'dataset' and 'dataset_id'"),
        ({"dataset": []}, "the dataset is empty"),
        ({"dataset": {"data": []}}, "the dataset is empty"),
        ({"dataset": {"name": "x"}}, "has no 'data'"),
        ({"dataset": "rows.jsonl"}, "the dataset is a str, not a list"),
        ({"dataset": 7}, "the dataset is a int, not a list"),
        ({"dataset": ["a"]}, "must be dictionaries"),
        ({"dataset_id": "ds"}, "needs an API key"),
        ({"dataset": ROWS, "max_workers": 0}, "max_workers=0"),
        ({"dataset": ROWS, "max_workers": "4"}, "max_workers='4'"),
        ({"dataset": ROWS, "metadata": [1]}, "metadata is a list"),
        ({"dataset": ROWS, "evaluators": "right"}, "evaluators is a single one"),
        ({"dataset": ROWS, "evaluators": right}, "evaluators is a single one"),
        ({"dataset": ROWS, "evaluators": 3}, "evaluators is a int"),
        ({"dataset": ROWS, "run_id": 7}, "run_id=7"),
        ({"dataset": ROWS, "run_id": ""}, "run_id=''"),
        ({"dataset": ROWS, "aggregate_function": "mode"}, "aggregate_function='mode'"),
    ],
)
def test_arguments_that_do_not_go_together_are_a_value_error(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(shout, **arguments)
    assert not RUNS.exists()


def test_two_rows_with_one_id_are_refused() -> None:
    with pytest.raises(DatasetError, match="two datapoints with the id"):
        evaluate(shout, dataset=[{"id": 1, "inputs": {}}, {"id": 1, "inputs": {}}])


def test_a_function_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not callable"):
        evaluate("shout", dataset=ROWS)  # type: ignore[arg-type]  # what is wrong


# --- what it prints and keeps ----------------------------------------------------------------------------------------


def test_it_prints_a_table_unless_told_not_to(capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(shout, dataset=ROWS, evaluators=[right], name="letters")
    printed = capsys.readouterr().out
    assert "letters: completed, 3 of 3 datapoints passed" in printed
    assert "right" in printed
    evaluate(shout, dataset=ROWS, print_results=False)
    assert capsys.readouterr().out == ""


def test_verbose_tells_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(shout, dataset=ROWS, name="letters", verbose=True, print_results=False)
    assert "letters: 3 of 3 datapoints, 0 with errors" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_no_encoding_and_no_closed_pipe_takes_the_result_away(encoding: str) -> None:
    def broken(inputs: Any) -> None:
        raise ValueError("schön — 数")

    result = evaluate(broken, dataset=ROWS, evaluators=[right], print_results=False)
    with io.TextIOWrapper(io.BytesIO(), encoding=encoding) as stream:
        print_result(result, stream)
        assert b"ValueError: sch" in stream.buffer.getvalue()

    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    print_result(result, Closed())


def test_a_judge_without_an_answer_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    def judge(outputs: Any) -> Any:
        return None, "the judge gave no valid answer"

    evaluate(shout, dataset=ROWS, evaluators=[judge])
    assert "judge: no score at any datapoint (the judge gave no valid answer)" in capsys.readouterr().out


def test_a_result_shows_itself_in_a_line() -> None:
    result = evaluate(shout, dataset=ROWS, name="letters", print_results=False)
    assert repr(result) == str(result) == "<ExperimentResultResponse 'letters': completed, 3 of 3 datapoints passed>"


def test_what_is_printed_moves_no_cursor_and_hides_nothing() -> None:
    def spiteful(inputs: Any) -> Any:
        raise ValueError("\x1b[2J\x1b]0;title\x07\r[bold]gone[/bold]")

    def named(outputs: Any) -> Any:
        return {"  ::stop-commands::x": 1, "::x ##[error]y": 1}

    result = evaluate(spiteful, dataset=ROWS, evaluators=[named], name="\x1b[31mred\n::error::x", print_results=False)
    stream = io.StringIO()
    print_result(result, stream)
    assert "\x1b" not in stream.getvalue()
    assert "[bold]gone[/bold]" in stream.getvalue()
    result = evaluate(shout, dataset=ROWS, evaluators=[named], print_results=False)
    print_result(result, stream)
    assert "stop-commands" in stream.getvalue()
    assert not any(line.lstrip().startswith("::") or "##[" in line for line in stream.getvalue().splitlines())


def test_every_run_has_a_file_of_its_own_whatever_it_is_called() -> None:
    names = ["same", "same", "../../up", "a/b", "", "x" * 500, "qa.spans", "qa"]
    files = [evaluate(shout, dataset=ROWS, name=name, print_results=False).run_file for name in names]
    ids = ["nightly-1", "nightly-2", "nightly-1", "../../up", "a/b"]
    files += [evaluate(shout, dataset=ROWS, name="n", run_id=one, print_results=False).run_file for one in ids]
    assert len({*files}) == len(names) + len(ids)
    assert all(Path(str(file)).parent == RUNS for file in files)
    assert all(read_run(Path(str(file))).complete for file in files)
    assert not [*RUNS.glob("*.previous")]


def test_runs_at_once_under_one_name_and_id_do_not_meet() -> None:
    def run(letter: str) -> ExperimentResultResponse:
        return evaluate(
            lambda inputs: letter, dataset=ROWS * 1, name="same", run_id="same", print_results=False, max_workers=2
        )

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(run, "abcd"))
    assert [{datapoint.outputs for datapoint in result.datapoints} for result in results] == [{one} for one in "abcd"]
    assert len({result.run_file for result in results}) == 4


def test_git_does_not_see_the_runs_and_a_run_that_never_began_leaves_nothing() -> None:
    def asks_too_much(inputs: Any, ground_truth: Any, more: Any) -> None: ...

    with pytest.raises(UserCodeError):
        evaluate(asks_too_much, dataset=ROWS)
    assert [*RUNS.iterdir()] == []
    assert (RUNS.parent / ".gitignore").read_text("utf-8") == "*\n"


def test_where_no_file_can_be_written_it_says_so() -> None:
    Path(".honeyhive").write_text("in the way")
    with pytest.raises(ValueError, match="no run file can be written in"):
        evaluate(shout, dataset=ROWS)


def test_a_function_that_goes_elsewhere_does_not_take_the_run_file_with_it(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def wander(inputs: Any) -> Any:
        os.chdir(elsewhere)
        return shout(inputs)

    result = evaluate(wander, dataset=ROWS, evaluators=[right], max_workers=1)
    assert result.success
    assert (tmp_path / str(result.run_file)).is_file()
    assert list(elsewhere.iterdir()) == []


def test_the_run_id_and_the_metadata_are_the_users() -> None:
    run_id = "11111111-1111-4111-8111-111111111111"
    result = evaluate(shout, dataset=ROWS, run_id=run_id, metadata={"team": "search"})
    run = read_run(Path(str(result.run_file)))
    assert (result.run_id, run.run_id, run.metadata) == (run_id, run_id, {"team": "search"})


def test_instrumentors_are_active_during_the_run_and_no_longer() -> None:
    log = []

    class Instrumentor:
        is_instrumented_by_opentelemetry = False

        def instrument(self, *, tracer_provider: Any) -> None:
            self.tracer = tracer_provider.get_tracer("theirs")
            log.append("on")

        def uninstrument(self) -> None:
            log.append("off")

    made: list[Instrumentor] = []

    def make() -> Instrumentor:
        made.append(Instrumentor())
        return made[-1]

    def traced(inputs: Any) -> Any:
        with made[0].tracer.start_as_current_span("call of theirs"):
            return 1

    result = evaluate(traced, dataset=ROWS, instrumentors=[make])
    assert log == ["on", "off"]
    spans = Path(str(result.run_file)).with_suffix(".spans.jsonl").read_text("utf-8")
    assert spans.count("call of theirs") == 3


def test_what_is_no_instrumentor_is_refused() -> None:
    with pytest.raises(ValueError, match="no instrumentor"):
        evaluate(shout, dataset=ROWS, instrumentors=[dict])
