"""What HoneyHive is told of a run, its sessions and what became of them."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders_spans import span
from honeyhive.experiments.platform.bodies import BASELINE, RECORD, PlatformRun, as_uuid
from honeyhive.result import Failed, Fault, Outcome, Scored
from honeyhive.tracer.otlp import span_line

RUN_ID = "55aeb984-30c1-496e-8d58-afe7e3ae7b52"
GIT = {"branch": "main", "is_dirty": False, "pr_number": 7, "absent": {"merge_base": "not searched for"}}
IDS = {"run_id": RUN_ID, "dataset_id": "EXT-d", "datapoint_id": "EXT-1", "source": "evaluation"}


def a_run(**fields: Any) -> PlatformRun:
    return PlatformRun(**{"run_id": RUN_ID, "name": "qa", "dataset_id": "EXT-d", **fields})


def scored(**fields: Any) -> Scored:
    return Scored(
        **{
            "index": 0,
            "datapoint_id": "EXT-1",
            "session_id": "s-1",
            "content_hash": "0",
            "output": None,
            "scores": {},
            **fields,
        }
    )


def failed(**fields: Any) -> Failed:
    fault = Fault(type="ValueError", message="no answer")
    return Failed(
        **{"index": 0, "datapoint_id": "EXT-1", "session_id": "s-1", "content_hash": "0", "fault": fault, **fields}
    )


# --- the run ---------------------------------------------------------------------------------------------------------


def test_a_run_of_an_external_dataset_says_so_in_its_metadata() -> None:
    body = a_run(git=GIT, metadata={"team": "bees"}, datapoint_ids=["EXT-1"]).create_request().to_wire()
    assert body == {
        "run_id": RUN_ID,
        "name": "qa",
        "status": "pending",
        "metadata": {
            "team": "bees",
            "offline_dataset_id": "EXT-d",
            "git": {"branch": "main", "is_dirty": False, "pr_number": 7},
        },
        "configuration": {},
        "datapoint_ids": ["EXT-1"],
        "event_ids": [],
    }


def test_a_run_of_a_dataset_of_the_platforms_names_it() -> None:
    body = a_run(dataset_id="ds1").create_request().to_wire()
    assert body["dataset_id"] == "ds1"
    assert body["metadata"] == {}


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("completed", "completed"),
        ("cancelled", "cancelled"),
        ("stopped", "cancelled"),
        ("failed", "failed"),
        (None, "failed"),
    ],
)
def test_a_run_ends_as_the_platform_knows_it(status: str | None, told: str) -> None:
    body = a_run(git=GIT).update_request(status, ["s-1", "s-2"]).to_wire()
    assert (body["status"], body["event_ids"]) == (told, ["s-1", "s-2"])
    assert body["metadata"] == a_run(git=GIT).create_request().to_wire()["metadata"]  # it may replace what there is


def test_no_metadata_of_the_users_makes_a_run_a_baseline() -> None:
    body = a_run(metadata={BASELINE: "{}", "team": "bees"}).create_request().to_wire()
    assert BASELINE not in body["metadata"]
    assert body["metadata"]["team"] == "bees"


# --- its sessions ----------------------------------------------------------------------------------------------------


def test_a_session_has_the_ids_and_no_metadata_of_the_users_hides_them() -> None:
    run = a_run(metadata={"run_id": "mine", "source": "mine", "team": "bees"}, git=GIT)
    body = run.session(scored(inputs={"q": "a"}), "s-1", b"")
    assert body["metadata"] == {"branch": "main", "is_dirty": False, "pr_number": 7, "team": "bees", **IDS}
    assert body["inputs"] == {"q": "a"}
    assert (body["session_id"], body["session_name"], body["source"]) == ("s-1", "qa", "evaluation")
    assert "project" not in body
    assert "start_time" not in body


def test_a_session_begins_with_its_first_span() -> None:
    spans = span_line([span(1), span(2, attributes={"said": '"startTimeUnixNano":"1"'})])
    assert a_run(project="p").session(scored(), "s-1", spans)["start_time"] == 1_795_329_672_728
    assert a_run(project="p").session(scored(), "s-1", spans)["project"] == "p"


def test_a_record_comes_with_the_metadata_that_the_session_has() -> None:
    said = {"metadata": {"tier": "gold", RECORD: "forged", "run_id": "mine"}}
    body = a_run(git=GIT).record_update(scored(enrichment=said), "s-1", "the record")
    known = {"branch": "main", "is_dirty": False, "pr_number": 7, "tier": "gold", **IDS}
    assert body == {"event_id": "s-1", "metadata": {**known, RECORD: "the record"}}
    update = a_run(git=GIT).event_update(scored(enrichment={"metadata": {"tier": "gold"}}), "s-1")
    assert update["metadata"] == known


def test_repeats_are_told_apart() -> None:
    assert a_run(repeats=2).session(scored(repeat=1), "s-1", b"")["metadata"]["repeat"] == 1
    assert "repeat" not in a_run().session(scored(), "s-1", b"")["metadata"]


@pytest.mark.parametrize(("inputs", "told"), [("text", {"inputs": "text"}), (None, {}), ({1: "a"}, {"1": "a"})])
def test_inputs_are_an_object(inputs: Any, told: dict[str, Any]) -> None:
    assert a_run().session(scored(inputs=inputs), "s-1", b"")["inputs"] == told


@pytest.mark.parametrize("name", ["", "run-1", "55AEB984-30C1-496E-8D58-AFE7E3AE7B52", "{" + RUN_ID + "}", "a\ud800"])
def test_a_name_that_is_no_uuid_becomes_one_and_always_the_same(name: str) -> None:
    found = as_uuid(name)
    assert str(UUID(found)) == found == as_uuid(name)
    assert found != RUN_ID
    assert as_uuid(found) == found
    assert as_uuid(name, within="run-1") != as_uuid(name, within="run-2")


def test_what_the_code_said_of_its_session_does_not_move_it_to_another_run() -> None:
    said = {"metadata": {"run_id": "theirs", "datapoint_id": "EXT-9", "source": "theirs", "tier": "gold"}}
    assert a_run().event_update(scored(enrichment=said), "s-1")["metadata"] == {**IDS, "tier": "gold"}


# --- what became of them ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "told"),
    [("text", {"result": "text"}), (0, {"result": 0}), ([1], {"result": [1]}), ({"answer": "A"}, {"answer": "A"})],
)
def test_outputs_are_an_object(output: Any, told: dict[str, Any]) -> None:
    assert a_run().event_update(scored(output=output), "s-1")["outputs"] == told


@pytest.mark.parametrize("truth", [{}, "", 0, False])
def test_a_ground_truth_that_is_empty_is_there_and_one_that_is_missing_is_not(truth: Any) -> None:
    assert a_run().event_update(scored(ground_truth=truth), "s-1")["feedback"] == {"ground_truth": truth}
    assert a_run().event_update(scored(), "s-1") == {"event_id": "s-1"}


def test_scores_go_under_their_names_with_their_notes_and_what_has_none_is_left_out() -> None:
    outcome = scored(scores={"exact": True, "length": 0, "tone": None}, notes={"exact": "the same"}, duration_ms=1.5)
    body = a_run().event_update(outcome, "p-1")
    assert body == {
        "event_id": "p-1",
        "metrics": {"exact": True, "length": 0, "exact_explanation": "the same"},
        "duration": 1.5,
    }


def test_a_failure_is_told_with_the_metadata_that_there_was() -> None:
    run = a_run(git={"branch": "main"})
    body = run.event_update(failed(), "s-1")
    assert body == {"event_id": "s-1", "metadata": {**IDS, "branch": "main", "error": "ValueError: no answer"}}
    assert run.session(failed(), "s-1", b"")["error"] == "ValueError: no answer"


def test_evaluators_that_failed_are_named() -> None:
    outcome = scored(faults={"strict": Fault(type="LookupError", message="no rule")})
    body = a_run().event_update(outcome, "s-1")
    assert body["metadata"] == {**IDS, "evaluator_errors": {"strict": "LookupError: no rule"}}


def test_what_the_code_said_of_its_session_is_there_and_a_score_is_not_hidden_by_it() -> None:
    said = {
        "metadata": {"tier": "gold"},
        "metrics": {"exact": 9, "steps": 2},
        "config": {"m": 1},
        "feedback": "no object",
    }
    body = a_run().event_update(scored(scores={"exact": False}, enrichment=said, ground_truth="A"), "s-1")
    assert body["metadata"] == {**IDS, "tier": "gold"}
    assert body["metrics"] == {"exact": False, "steps": 2}
    assert body["config"] == {"m": 1}
    assert body["feedback"] == {"ground_truth": "A"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(inputs=JSON, output=JSON, truth=JSON, metadata=st.dictionaries(st.text(), JSON, max_size=3), fails=st.booleans())
def test_whatever_the_users_values_are_the_ids_are_ours_and_all_of_it_is_json(
    inputs: Any, output: Any, truth: Any, metadata: dict[str, Any], fails: bool
) -> None:
    run = a_run(metadata=metadata)
    outcome: Outcome = (
        failed(inputs=inputs, ground_truth=truth)
        if fails
        else scored(inputs=inputs, output=output, ground_truth=truth, enrichment={"metadata": {}})
    )
    session, update = run.session(outcome, "s-1", b""), run.event_update(outcome, "s-1")
    assert {key: session["metadata"][key] for key in IDS} == IDS
    assert update["event_id"] == "s-1"
    for body in (session, update, run.create_request().to_wire(), run.update_request("completed", []).to_wire()):
        assert json.loads(json.dumps(body, allow_nan=False)) == body
