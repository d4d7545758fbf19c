"""The older generation's names: the same experiment under its arguments, its result, and one warning."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

import honeyhive
import honeyhive.evaluation
import honeyhive.experiments
from honeyhive.errors import ArgumentError
from honeyhive.evaluation import EvaluationResult, aevaluator, evaluate, evaluator
from honeyhive.runfile import read_run

ROWS = [{"inputs": {"q": letter}, "ground_truths": {"answer": letter.upper()}} for letter in "ab"]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "my-suite"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("HH_API_KEY", raising=False)


def shout(inputs: Any, ground_truths: Any) -> Any:
    return {"answer": inputs["q"].upper()}


@evaluator()
def right(outputs: Any, inputs: Any, ground_truths: Any) -> bool:
    return bool(outputs == ground_truths)


@aevaluator
async def length(outputs: Any) -> int:
    return len(outputs["answer"])


def test_its_arguments_may_come_in_its_order() -> None:
    dataset = {"id": "mine", "name": "Mine", "data": ROWS}
    with pytest.warns(DeprecationWarning, match=r"from honeyhive\.experiments import evaluate") as told:
        result = evaluate(None, "project", "letters", "suite", shout, dataset, [right, length])
    assert len(told) == 1
    assert Path(told[0].filename) == Path(__file__)
    assert (result.name, result.suite, result.status, result.success) == ("letters", "suite", "completed", True)
    assert read_run(Path(str(result.run_file))).dataset_id == "EXT-mine"


def test_its_result_has_the_older_parts_and_the_newer() -> None:
    with pytest.warns(DeprecationWarning, match="older spelling"):
        result = evaluate(function=shout, dataset=ROWS, evaluators=[right, length], print_results=False)
    assert isinstance(result, EvaluationResult)
    assert result.data == {
        "input": [{"q": "a"}, {"q": "b"}],
        "output": [{"answer": "A"}, {"answer": "B"}],
        "metrics": [{"right": True, "length": 1}] * 2,
        "metadata": [{}, {}],
        "ground_truth": [{"answer": "A"}, {"answer": "B"}],
    }
    assert result.stats["duration_s"] >= 0
    assert result.session_ids == [datapoint.session_id for datapoint in result.datapoints]
    assert result.suite == "my-suite"
    detail = result.metrics.get_metric("right")
    assert detail is not None
    assert detail.aggregate == 1.0


def test_what_went_wrong_is_in_its_metadata() -> None:
    def broken(inputs: Any) -> Any:
        raise ValueError("no")

    with pytest.warns(DeprecationWarning, match="older spelling"):
        result = evaluate(function=broken, dataset=ROWS, print_results=False)
    assert result.data["metadata"] == [{"error": "ValueError: no (test_older_names.py:75 in broken)"}] * 2
    assert result.data["output"] == [None, None]


def test_it_writes_its_data_to_a_file_named_like_the_suite() -> None:
    with pytest.warns(DeprecationWarning, match="older spelling"):
        result = evaluate(function=shout, dataset=ROWS, suite="letters", print_results=False)
    result.to_json()
    assert json.loads(Path("letters.json").read_text("utf-8")) == result.data


@pytest.mark.parametrize("suite", ["../up", "a/b", ".", "..", "a\0b", "pack\nage"])
def test_a_suite_that_leads_elsewhere_writes_nothing(suite: str) -> None:
    with pytest.warns(DeprecationWarning, match="older spelling"):
        result = evaluate(function=shout, dataset=ROWS, suite=suite, print_results=False)
    with pytest.raises(ArgumentError, match="not a file name"):
        result.to_json()


def test_called_as_the_newer_one_it_does_what_that_does() -> None:
    with pytest.warns(DeprecationWarning, match="older spelling"):
        result = honeyhive.evaluate(shout, dataset=ROWS, evaluators=[right], aggregate_function="sum")
    detail = result.metrics.get_metric("right")
    assert detail is not None
    assert detail.aggregate == 2.0


def test_without_a_function_there_is_nothing_to_do() -> None:
    with pytest.warns(DeprecationWarning, match="older spelling"), pytest.raises(ValueError, match="no function"):
        evaluate(dataset=ROWS)


def test_every_public_name_is_there_and_importing_it_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for package in (honeyhive, honeyhive.experiments, honeyhive.evaluation):
            assert all(getattr(package, name) is not None for name in package.__all__)
