"""What is recorded of a run holds no secret, and stays what it was but for that."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

from builders import failed, header, scored
from honeyhive.documents.redactor import NO_SECRETS, Redactor
from honeyhive.experiments.recorded import Cleaning, without_secrets
from honeyhive.result import EvaluatorRef, Failed, Scored
from honeyhive.runlines import outcome_line

SECRET = "hh_live_7f3c+9a1b/2d5e"
REDACTOR = Redactor(frozenset({SECRET}))


def test_an_outcome_is_what_its_line_tells() -> None:
    cleaning = Cleaning(REDACTOR)
    found = scored("EXT-a", {"output": {"key": SECRET}, "index": 4, "inputs": {"n": 1.50}}, exact=True)
    outcome, line = cleaning.recorded(found, is_retry=False)
    assert isinstance(outcome, Scored)
    assert (outcome.output, outcome.scores, outcome.index, outcome.key) == (
        {"key": "***"},
        {"exact": True},
        4,
        found.key,
    )
    assert json.loads(line) == json.loads(outcome_line(found).replace(SECRET.encode(), b"***"))
    outcome, line = cleaning.recorded(failed("EXT-b", error=f"401 {SECRET}"), is_retry=True)
    assert SECRET.encode() not in line
    assert cleaning.told == "2 lines of this run held a secret, which is *** there"


def test_without_a_secret_outcome_and_line_are_what_they_were() -> None:
    found = scored("EXT-a", {"output": "as it was"}, exact=1.0)
    for redactor in (REDACTOR, NO_SECRETS):
        cleaning = Cleaning(redactor)
        outcome, line = cleaning.recorded(found, is_retry=False)
        assert outcome is found
        assert (line, cleaning.told) == (outcome_line(found), None)
        assert cleaning(line) is line


def test_a_metric_that_is_called_like_a_secret_has_another_name_and_a_score_that_is_one_fails_its_datapoint() -> None:
    cleaning = Cleaning(Redactor(frozenset({SECRET, "73519284"})))
    outcome, _ = cleaning.recorded(scored("EXT-a", None, **{SECRET: 0.5}), is_retry=False)
    assert isinstance(outcome, Scored)
    assert outcome.scores == {"***": 0.5}
    outcome, line = cleaning.recorded(scored("EXT-b", {"index": 1}, size=73519284), is_retry=False)
    assert isinstance(outcome, Failed)
    assert outcome.fault.message == "its result cannot be recorded: a secret stands where a number has to"
    assert b"73519284" not in line


def test_a_header_keeps_what_the_run_is_known_by() -> None:
    said = header(
        metadata={"key": SECRET},
        git={"branch": f"with-{SECRET}"},
        evaluators=(EvaluatorRef(name=SECRET, fingerprint="f"),),
    )
    clean = without_secrets(said, REDACTOR)
    assert (clean.metadata, clean.git) == ({"key": "***"}, {"branch": "with-***"})
    assert clean.evaluators == (EvaluatorRef(name="***", fingerprint="f"),)
    assert (clean.run_id, clean.dataset_sha256, clean.expected) == (said.run_id, said.dataset_sha256, said.expected)
    assert without_secrets(said, NO_SECRETS) is said


def test_lines_are_counted_from_all_threads() -> None:
    cleaning, line = Cleaning(REDACTOR), json.dumps({"said": SECRET}).encode()
    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(cleaning, [line] * 200)) == {b'{"said":"***"}'}
    assert str(cleaning.told).startswith("200 lines ")
