"""The run file: what is appended is read back, whatever it is and whatever happens to the process in between."""

from __future__ import annotations

import dataclasses
import enum
import gzip
import json
import math
import os
import signal
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import evaluators, failed, header, room_for, scored, write_run
from honeyhive.errors import InputError, RunFileError
from honeyhive.result import Failed, Fault, Outcome, Scored, content_hash
from honeyhive.runfile import COMPANIONS, RunWriter, companion, is_companion, read_run, set_aside
from honeyhive.runlines import (
    MAX_LINE,
    Kept,
    OutcomeLine,
    RetryLine,
    RunHeader,
    outcome_line,
    parse_line,
    retry_line,
    to_outcome,
)

BOTH = pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
RUN = '{"type":"run","run_id":"r","expected":1}'
OUTCOME = '{"type":"outcome","datapoint_id":"a","scores":{},"error":null}'
RETRY = '{"type":"retry","datapoint_id":"a","scores":{},"error":null}'
END = '{"type":"end","finished":1,"status":"completed"}'

characters = st.characters(exclude_categories=["Cs"])
finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(characters, max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
mappings = st.dictionaries(texts, json_values, max_size=3)
attempts: dict[str, st.SearchStrategy[Any]] = {
    "index": st.integers(0, 2**40),
    "repeat": st.integers(0, 9),
    "datapoint_id": st.text(characters, min_size=1, max_size=8),
    "content_hash": st.text("0123456789abcdef", min_size=32, max_size=32),
    "line": st.none() | st.integers(1, 2**40),
    "inputs": json_values,
    "ground_truth": json_values,
    "tags": st.lists(texts, max_size=3).map(tuple),
    "metadata": mappings,
    "duration_ms": st.none() | st.floats(0, 1e12),
    "session_id": st.none() | texts,
    "enrichment": mappings,
}
faults = st.builds(Fault, type=texts, message=texts)
scores = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | finite
outcomes = st.builds(
    Scored,
    **attempts,
    output=json_values,
    scores=st.dictionaries(texts, scores, max_size=3),
    sources=st.dictionaries(texts, texts, max_size=2),
    notes=st.dictionaries(texts, texts, max_size=2),
    faults=st.dictionaries(texts, faults, max_size=2),
) | st.builds(Failed, **attempts, fault=faults)
OWN = ("duration_ms", "session_id", "enrichment", "retry")
"""What an attempt has for itself; all else that it knows is the datapoint's."""


def retried(first: Outcome, retry: Outcome) -> Outcome:
    """The outcome with a retry, which is of the same datapoint."""
    facts = {name: getattr(first, name) for name in attempts if name not in OWN}
    return dataclasses.replace(first, retry=dataclasses.replace(retry, **facts))


def counting(retries: int) -> str:
    return END.replace("1", f'1,"retries":{retries}')


def lines(path: Path, *text: str) -> Path:
    path.write_text("".join(line + "\n" for line in text), encoding="utf-8")
    return path


def ids(path: Path) -> list[str]:
    return [outcome.datapoint_id for outcome in read_run(path).outcomes]


def read_back(outcome: Outcome) -> Outcome:
    line = parse_line(outcome_line(outcome))
    assert isinstance(line, OutcomeLine)
    if outcome.retry is None:
        return to_outcome(line)
    retry = parse_line(retry_line(outcome.retry))
    assert isinstance(retry, RetryLine)
    assert retry.key == line.key == outcome.key
    return to_outcome(line, retry)


def output_read_back(value: Any) -> Any:
    found = read_back(scored("EXT-a", {"output": value}))
    assert isinstance(found, Scored)
    return found.output


def refusal(path: Path) -> RunFileError:
    with pytest.raises(RunFileError) as caught:
        list(read_run(path).outcomes)
    return caught.value


# --- what is written is what is read ---------------------------------------------------------------------------------


@settings(deadline=None)
@given(outcomes)
def test_an_outcome_is_read_back_as_it_was_written(outcome: Outcome) -> None:
    line = outcome_line(outcome)
    assert b"\n" not in line
    # `==` takes 1, 1.0 and True for the same, and their text does not.
    assert repr(_comparable(read_back(outcome))) == repr(_comparable(outcome))


@settings(deadline=None)
@given(outcomes, outcomes)
def test_an_outcome_and_its_retry_are_read_back_from_two_lines(first: Outcome, second: Outcome) -> None:
    outcome = retried(first, second)
    assert outcome.retry is not None
    assert outcome_line(outcome) == outcome_line(first)
    assert b"\n" not in retry_line(outcome.retry)
    found = read_back(outcome)
    assert found.retry is not None
    assert repr(_comparable(found.retry)) == repr(_comparable(outcome.retry))
    assert repr(_comparable(dataclasses.replace(found, retry=None))) == repr(_comparable(first))


def _comparable(outcome: Outcome) -> Outcome:
    """Scores are numbers: 1 and 1.0 are one score; `duration_ms` likewise."""
    if isinstance(outcome, Failed):
        return outcome
    kept = {
        name: score if score is None or isinstance(score, bool) else float(score) for name, score in _scores(outcome)
    }
    return dataclasses.replace(outcome, scores=kept)


def _scores(outcome: Scored) -> Iterable[tuple[str, Any]]:
    return outcome.scores.items()


@BOTH
def test_a_file_gives_its_header_and_its_outcomes_in_their_order(tmp_path: Path, suffix: str) -> None:
    written: list[Outcome] = [
        scored("EXT-c", {"index": 2}, correct=True),
        failed("EXT-a"),
        scored("EXT-b", {"index": 1}, f1=0.25),
    ]
    origin: dict[str, Any] = {"git": {"branch": "main"}, "ci": {"name": "github"}, "environment": {"python": "3.11.9"}}
    path = write_run(tmp_path / f"run{suffix}", written, **origin, limit=3, repeats=1)
    run = read_run(path)
    assert list(run.outcomes) == written
    assert list(run.outcomes) == written, "as often as it is asked for"
    assert (run.run_id, run.name, run.expected, run.finished, run.status) == ("run-1", "qa", 3, 3, "completed")
    assert (run.function, run.dataset_id, run.dataset_path, run.limit) == ("app:answer", "EXT-qa", "evals/qa.jsonl", 3)
    assert (run.evaluators, run.git, run.repeats) == (evaluators("correct"), {"branch": "main"}, 1)
    assert (run.ci, run.environment, run.dataset_count) == ({"name": "github"}, {"python": "3.11.9"}, 3)
    assert (run.dataset_sha256, run.started_at) == ("0" * 64, "2026-11-22T10:00:00+00:00")
    assert run.complete


def test_the_lines_are_those_of_the_contract(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run.jsonl", [scored("EXT-a", correct=True), failed("EXT-b")])
    first, answered, broken, end = map(json.loads, path.read_text("utf-8").splitlines())
    assert list(first) == [
        "type", "schema", "run_id", "name", "dataset_id", "dataset", "function", "function_fingerprint", "evaluators",
        "repeats", "limit", "expected", "shard", "git", "ci", "started_at", "environment",
    ]  # fmt: skip
    assert (first["type"], first["schema"]) == ("run", 1)
    assert first["dataset"] == {"path": "evals/qa.jsonl", "sha256": "0" * 64, "count": 2}
    assert first["evaluators"] == [{"name": "correct", "fingerprint": "of correct"}]
    assert list(answered) == list(broken) == [
        "type", "index", "repeat", "datapoint_id", "content_hash", "line", "inputs", "ground_truth", "tags", "metadata",
        "output", "scores", "notes", "error", "evaluator_errors", "duration_ms", "session_id",
    ]  # fmt: skip
    assert (answered["scores"], answered["error"]) == ({"correct": True}, None)
    assert (broken["scores"], broken["error"]) == ({}, {"type": "ValueError", "message": "broken"})
    assert end == {"type": "end", "finished": 2, "retries": 0, "duration_s": 0.5, "status": "completed"}


def test_sources_and_enrichment_are_in_the_line_where_there_are_any() -> None:
    said = {"metadata": {"user": "u-1"}, "feedback": {"rating": 4}}
    given = scored("EXT-a", {"sources": {"rouge1": "rouge"}, "enrichment": said}, rouge1=0.4)
    for line in (json.loads(outcome_line(given)), json.loads(retry_line(given))):
        assert (line["sources"], line["enrichment"]) == ({"rouge1": "rouge"}, said)
    assert json.loads(outcome_line(failed("EXT-a", {"enrichment": said})))["enrichment"] == said
    assert not {"sources", "enrichment"} & json.loads(outcome_line(scored("EXT-a", rouge=0.4))).keys()


def test_a_retry_has_its_key_and_what_an_attempt_has_and_nothing_else_of_the_datapoint(tmp_path: Path) -> None:
    outcome = retried(failed("EXT-a", {"repeat": 2}), scored("EXT-a", correct=True))
    path = write_run(tmp_path / "run.jsonl", [outcome, scored("EXT-b")])
    kinds = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [line["type"] for line in kinds] == ["run", "outcome", "retry", "outcome", "end"]
    assert list(kinds[2].items()) == [
        ("type", "retry"), ("datapoint_id", "EXT-a"), ("repeat", 2), ("output", "out"), ("scores", {"correct": True}),
        ("notes", {}), ("error", None), ("evaluator_errors", {}), ("duration_ms", 1.5), ("session_id", None),
    ]  # fmt: skip
    assert (kinds[-1]["finished"], kinds[-1]["retries"]) == (2, 1)


@given(st.text(st.characters(exclude_categories=()), max_size=20))
def test_any_text_stays_on_its_line_and_halves_of_characters_become_question_marks(text: str) -> None:
    line = outcome_line(scored("EXT-a", {"output": {text: [text]}, "inputs": text, "tags": (text,)}))
    assert b"\n" not in line
    found = parse_line(line)
    whole = text.encode("utf-8", "replace").decode("utf-8")
    assert isinstance(found, OutcomeLine)
    assert (found.output, found.inputs, found.tags) == ({whole: [whole]}, whole, (whole,))


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    text: str
    parts: tuple[Any, ...] = ()


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (math.nan, "nan"),
        ([math.inf, -math.inf], ["inf", "-inf"]),
        ({"b", "a"}, ["a", "b"]),
        (frozenset({3, 1, 2}), [1, 2, 3]),
        (Answer("42", (1, {2})), {"text": "42", "parts": [1, [2]]}),
        (b"\x00\xff", "00ff"),
        (bytearray(b"a"), "61"),
        (Colour.RED, "red"),
        (Decimal("1.10"), "1.10"),
        ((1, 2), [1, 2]),
        ({1: "a", None: "b", False: "c", 1.5: "d"}, {"1": "a", "null": "b", "false": "c", "1.5": "d"}),
        ({(1, 2): "a"}, {"[1,2]": "a"}),
        ({math.nan: 1}, {"nan": 1}),
        pytest.param(10**3_000, 10**3_000, id="long"),
        pytest.param(10**5_000, hex(10**5_000), id="too long"),
        (object, "<builtins.type>"),
        (print, "<builtins.builtin_function_or_method>"),
        (Path("a", "b"), "a/b"),
    ],
)
def test_what_json_has_no_word_for_is_written_as_the_nearest_thing(value: Any, kept: Any) -> None:
    assert output_read_back(value) == kept


def test_what_contains_itself_is_cut_there() -> None:
    endless: list[Any] = [1]
    endless.append(endless)
    assert output_read_back(endless) == [1, "<contains itself>"]


@pytest.mark.parametrize("depth", [1, 99, 100, 150, 197, 198, 199, 200, 201, 202, 250, 900, 20_000])
@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"k": value}], ids=["lists", "mappings"])
def test_however_deep_an_output_is_nested_its_line_can_be_read(depth: int, wrap: Callable[[Any], Any]) -> None:
    value: Any = "the answer"
    for _ in range(depth):
        value = wrap(value)
    found = output_read_back(value)
    levels = 0
    while not isinstance(found, str):
        found, levels = next(iter(found.values() if isinstance(found, dict) else found)), levels + 1
    assert (found, levels) == ("the answer", depth) if depth < 190 else levels >= 95


@pytest.mark.parametrize("depth", [100, 150, 195, 196, 197, 198, 199, 200, 201, 202, 250, 20_000])
def test_however_deep_the_output_of_a_retry_is_nested_its_line_can_be_read(depth: int) -> None:
    value: Any = "the answer"
    for _ in range(depth):
        value = [value]
    first = scored("EXT-a", {"output": [[["the first"]]]})
    found = read_back(retried(first, scored("EXT-a", {"output": value})))
    assert isinstance(found, Scored)
    assert found.output == first.output
    assert isinstance(found.retry, Scored)
    levels, kept = 0, found.retry.output
    while not isinstance(kept, str):
        kept, levels = kept[0], levels + 1
    assert (kept, levels) == ("the answer", depth) if depth < 190 else levels >= 95


def test_many_brackets_alone_change_nothing() -> None:
    rows = [{"i": index} for index in range(1_000)]
    assert output_read_back(rows) == rows


def test_an_output_that_no_line_can_hold_is_refused_before_it_is_written() -> None:
    with pytest.raises(ValueError, match="the most that is recorded of a datapoint"):
        outcome_line(scored("EXT-a", {"output": "x" * MAX_LINE}))


def test_a_retry_that_no_line_can_hold_is_refused_before_it_is_written() -> None:
    with pytest.raises(ValueError, match="the most that is recorded of a datapoint"):
        retry_line(scored("EXT-a", {"output": "x" * MAX_LINE}))


def test_a_dataset_without_a_file_has_no_path(tmp_path: Path) -> None:
    assert read_run(write_run(tmp_path / "run.jsonl", [], dataset_path=None)).dataset_path is None


# --- many threads, and the end ---------------------------------------------------------------------------------------


@BOTH
def test_appends_from_many_threads_lose_nothing(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"run{suffix}"
    writer = RunWriter.create(path, header(expected=4_000))
    start = threading.Barrier(20)

    def append(thread: int) -> None:
        start.wait()
        for number in range(200):
            writer.append(scored(f"EXT-{thread}-{number}", {"output": "x" * number}))
            if number % 50 == thread % 50:
                writer.flush()

    threads = [threading.Thread(target=append, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close(status="completed", duration_s=1.0)
    run = read_run(path)
    found = {outcome.datapoint_id for outcome in run.outcomes}
    assert found == {f"EXT-{thread}-{number}" for thread in range(20) for number in range(200)}
    assert run.finished == writer.finished == 4_000


@BOTH
def test_what_was_flushed_is_in_the_file_before_the_end(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"run{suffix}"
    writer = RunWriter.create(path, header())
    writer.append(scored("EXT-a"))
    writer.flush()
    assert ids(path) == ["EXT-a"]
    assert read_run(path).status is None
    writer.close(status="completed", duration_s=1.0)


def test_a_plain_file_has_an_outcome_at_once_and_a_compressed_one_a_batch(tmp_path: Path) -> None:
    plain = RunWriter.create(tmp_path / "run.jsonl", header())
    compressed = RunWriter.create(tmp_path / "run.jsonl.gz", header())
    for number in range(150):
        plain.append(scored(f"EXT-{number}"))
        compressed.append(scored(f"EXT-{number}"))
    assert len(ids(plain.path)) == 150
    assert len(ids(compressed.path)) == 100
    assert plain.finished == compressed.finished == 150
    plain.close(status="completed", duration_s=1.0)
    compressed.close(status="completed", duration_s=1.0)
    assert ids(plain.path) == ids(compressed.path)


@BOTH
def test_a_retry_is_no_outcome_more(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"run{suffix}"
    writer = RunWriter.create(path, header(expected=2))
    outcome = retried(failed("EXT-a"), scored("EXT-a"))
    writer.append(outcome)
    assert writer.finished == 1, "on its way or written"
    writer.flush()
    writer.append(scored("EXT-b"))
    writer.close(status="completed", duration_s=1.0)
    assert writer.finished == read_run(path).finished == 2
    assert read_run(path).complete
    assert list(read_run(path).outcomes) == [outcome, scored("EXT-b")]


def test_what_is_appended_after_the_close_is_too_late(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    writer = RunWriter.create(path, header(expected=1))
    writer.append(scored("EXT-a"))
    writer.close(status="completed", duration_s=1.0)
    writer.append(scored("EXT-b"))
    assert ids(path) == ["EXT-a"]
    assert writer.finished == read_run(path).finished == 1


def test_a_run_file_in_a_new_folder_brings_the_folder(tmp_path: Path) -> None:
    assert ids(write_run(tmp_path / "new" / "er" / "run.jsonl", [scored()])) == ["EXT-a"]


def test_a_new_run_sets_the_one_before_aside(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run.jsonl", [scored("EXT-first")])
    write_run(path, [scored("EXT-second")])
    write_run(path, [scored("EXT-third")])
    assert ids(path) == ["EXT-third"]
    assert ids(tmp_path / "run.jsonl.previous") == ["EXT-second"]


def test_an_empty_file_is_not_worth_keeping(tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").touch()
    write_run(tmp_path / "run.jsonl", [])
    assert [path.name for path in tmp_path.iterdir()] == ["run.jsonl"]


def test_a_full_disk_is_an_error_from_the_first_line_on(tmp_path: Path) -> None:
    before = write_run(tmp_path / "run.jsonl", [scored("EXT-a")]).read_bytes()
    with room_for(50), pytest.raises(OSError, match="File too large"):
        RunWriter.create(tmp_path / "run.jsonl", header())
    assert (tmp_path / "run.jsonl.previous").read_bytes() == before


def test_what_is_no_file_is_not_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")  # whoever opens it waits for who reads it
    (tmp_path / "nowhere.jsonl").symlink_to(tmp_path / "other")
    for name in ("pipe.jsonl", "nowhere.jsonl", "."):
        with pytest.raises(InputError, match="is there, and is no file"):
            RunWriter.create(tmp_path / name, header())
    assert not (tmp_path / "other").exists()


@BOTH
def test_a_file_that_takes_only_a_part_ends_there_and_can_be_resumed(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"run{suffix}"
    writer = RunWriter.create(path, header())
    writer.append(scored("EXT-a"))
    writer.flush()
    with room_for(path.stat().st_size + 50), pytest.raises(OSError, match="File too large"):
        append_and_flush(writer, failed("EXT-b", error="".join(map(chr, range(32, 500)))))
    append_and_flush(writer, scored("EXT-c"))  # there is room again, but it would stand on the torn line
    writer.close(status="failed", duration_s=1.0)
    assert ids(path) == ["EXT-a"]
    assert read_run(path).status is None
    assert finished_by_resume(path) == ["EXT-a", "EXT-b", "EXT-c"]


def append_and_flush(writer: RunWriter, outcome: Outcome) -> None:
    writer.append(outcome)
    writer.flush()


def test_a_full_disk_at_the_end_leaves_no_file_open() -> None:
    writer = RunWriter(Path("/dev/full"))
    with pytest.raises(OSError, match="No space left"):
        writer.close(status="failed", duration_s=1.0)
    writer.append(scored())
    assert writer.finished == 0


# --- a process that is killed ----------------------------------------------------------------------------------------

WRITING = """
import sys
from pathlib import Path
from builders import evaluators, failed, header, room_for, scored, write_run
from honeyhive.runfile import RunWriter

writer = RunWriter.create(Path(sys.argv[1]), header(expected=10**9))
for number in range(10**9):
    writer.append(scored(f"EXT-{number}", {"output": "x" * (number * 37 % 5_000)}))
    if number % 30 == 29:
        writer.flush()
        print(number + 1, flush=True)
"""


@BOTH
def test_what_was_flushed_survives_the_kill_of_the_process(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"run{suffix}"
    process = subprocess.Popen(
        [sys.executable, "-c", WRITING, path], stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": _python_path()}
    )
    assert process.stdout is not None
    with process, process.stdout as told:
        flushed = [int(next(told)) for _ in range(20)]
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    run = read_run(path)
    found = [outcome.datapoint_id for outcome in run.outcomes]
    assert len(found) >= flushed[-1] == 600
    assert found == [f"EXT-{number}" for number in range(len(found))]
    assert (run.finished, run.complete) == (None, False)

    writer, kept = RunWriter.resume(path, header())
    assert len(kept.done) == writer.finished == len(found)
    writer.append(scored("EXT-last"))
    writer.close(status="stopped", duration_s=1.0)
    assert ids(path) == [*found, "EXT-last"]
    assert read_run(path).finished == len(found) + 1


def _python_path() -> str:
    return str(Path(__file__).parents[1])


@pytest.mark.parametrize("last", ["end", "outcome"])
def test_a_line_torn_at_any_byte_is_not_there_and_resume_goes_on(tmp_path: Path, last: str) -> None:
    two: list[Outcome] = [scored("EXT-a"), failed("EXT-b", error="unlücky")]
    path = write_run(tmp_path / "run.jsonl", two, status="completed" if last == "end" else None, expected=3)
    whole = path.read_bytes()
    start = whole.rstrip(b"\n").rindex(b"\n") + 1
    for length in range(start, len(whole)):
        path.write_bytes(whole[:length])
        the_line_is_whole = length == len(whole) - 1
        before = ids(path)
        assert before == (["EXT-a", "EXT-b"] if last == "end" or the_line_is_whole else ["EXT-a"])
        assert (read_run(path).finished is None) is (last == "outcome" or not the_line_is_whole)
        assert finished_by_resume(path) == ["EXT-a", "EXT-b", "EXT-c"]


def test_a_retry_torn_at_any_byte_is_not_there_and_is_owed_again(tmp_path: Path) -> None:
    first, outcome = scored("EXT-a"), retried(scored("EXT-a"), failed("EXT-a", error="unlücky"))
    path = write_run(tmp_path / "run.jsonl", [outcome], status=None)
    whole = path.read_bytes()
    start = whole.rstrip(b"\n").rindex(b"\n") + 1
    for length in range(start, len(whole)):
        path.write_bytes(whole[:length])
        the_line_is_whole = length == len(whole) - 1
        assert list(read_run(path).outcomes) == [outcome if the_line_is_whole else first]
        writer, kept = RunWriter.resume(path, header(), retry=lambda _: True)
        writer._lines.close()
        assert kept.done == {hash(first.key)}
        assert kept.owed == (set() if the_line_is_whole else kept.done)
        assert path.read_bytes() == (whole if the_line_is_whole else whole[:start])


def test_a_compressed_file_cut_at_any_byte_ends_where_it_is_cut_and_resume_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl.gz"
    writer = RunWriter.create(path, header())
    first_member = path.stat().st_size
    for outcome in (scored("EXT-a", {"output": list(range(50))}), failed("EXT-b")):
        writer.append(outcome)
        writer.flush()
    last_member = path.stat().st_size
    writer.close(status="stopped", duration_s=1.0)
    whole = path.read_bytes()
    for length in range(first_member, len(whole)):
        path.write_bytes(whole[:length])
        run = read_run(path)
        found = [outcome.datapoint_id for outcome in run.outcomes]
        assert found == ["EXT-a", "EXT-b"][: len(found)]
        assert run.finished is None or found == ["EXT-a", "EXT-b"]
        if length < last_member + 18:  # its header and its checksum, so not all of what is between
            assert run.finished is None
        assert finished_by_resume(path) == ["EXT-a", "EXT-b", "EXT-c"]


def finished_by_resume(path: Path) -> list[str]:
    """Resume the run, finish what is missing of its three datapoints, and give what it then holds, in order."""
    writer, kept = RunWriter.resume(path, header())
    for key in ("EXT-a", "EXT-b", "EXT-c"):
        if hash((key, 0)) not in kept.done:
            writer.append(scored(key))
    writer.flush()
    writer._lines.close()  # `close()` waits for the disk, and this is called a thousand times
    return sorted(ids(path))


# --- resume ----------------------------------------------------------------------------------------------------------


@BOTH
def test_resume_keeps_failed_outcomes_and_drops_the_end(tmp_path: Path, suffix: str) -> None:
    before: list[Outcome] = [scored("EXT-a"), failed("EXT-b"), scored("EXT-a", {"repeat": 1})]
    path = write_run(tmp_path / f"run{suffix}", before, status="cancelled")
    writer, kept = RunWriter.resume(path, header())
    assert kept == Kept(done={hash(("EXT-a", 0)), hash(("EXT-b", 0)), hash(("EXT-a", 1))})
    assert writer.finished == 3
    writer.append(scored("EXT-b", {"repeat": 1}))
    writer.close(status="completed", duration_s=2.0)
    run = read_run(path)
    assert list(run.outcomes) == [*before, scored("EXT-b", {"repeat": 1})]
    assert (run.run_id, run.finished, run.status) == ("run-1", 4, "completed")


def test_retrying_errors_drops_failed_datapoints_and_failed_evaluators(tmp_path: Path) -> None:
    fault = Fault(type="ValueError", message="no number")
    written: list[Outcome] = [
        scored("EXT-good", correct=True),
        failed("EXT-bad"),
        scored("EXT-half", {"faults": {"f1": fault}}, correct=True),
    ]
    path = write_run(tmp_path / "run.jsonl", written)
    writer, kept = RunWriter.resume(path, header(), retry_errors=True)
    writer.close(status="stopped", duration_s=1.0)
    assert kept.done == {hash(("EXT-good", 0))}
    assert ids(path) == ["EXT-good"]


@BOTH
def test_resume_leaves_every_outcome_and_retry_where_it_is_and_tells_which_retries_are_owed(
    tmp_path: Path, suffix: str
) -> None:
    good, owed, had_it = scored("EXT-a", correct=True), failed("EXT-b"), retried(failed("EXT-c"), failed("EXT-c"))
    path = write_run(tmp_path / f"run{suffix}", [good, owed, had_it, scored("EXT-a", {"repeat": 1})])
    writer, kept = RunWriter.resume(path, header(), retry=lambda outcome: outcome.key != ("EXT-a", 0))
    keys = [hash(key) for key in (("EXT-a", 0), ("EXT-b", 0), ("EXT-c", 0), ("EXT-a", 1))]
    assert kept == Kept(done=set(keys), owed={keys[1], keys[3]}, retries=1)
    assert writer.finished == 4
    assert list(read_run(path).outcomes) == [good, owed, had_it, scored("EXT-a", {"repeat": 1})]
    for late in (scored("EXT-a", {"repeat": 1}), scored("EXT-b")):  # in whichever order they end
        writer.append_line(retry_line(late))
    writer.close(status="completed", duration_s=2.0)
    run = read_run(path)
    assert list(run.outcomes) == [
        good, retried(owed, scored("EXT-b")), had_it,
        retried(scored("EXT-a", {"repeat": 1}), scored("EXT-a", {"repeat": 1})),
    ]  # fmt: skip
    assert run.finished == 4


def test_retrying_errors_drops_a_failed_outcome_with_its_retry_and_no_other_retry(tmp_path: Path) -> None:
    wrong = retried(scored("EXT-wrong"), failed("EXT-wrong"))
    written = [failed("EXT-bad"), retried(failed("EXT-flaky"), scored("EXT-flaky")), wrong, scored("EXT-owed")]
    path = write_run(tmp_path / "run.jsonl", written)
    writer, kept = RunWriter.resume(path, header(), retry_errors=True, retry=lambda _: True)
    writer.close(status="stopped", duration_s=1.0)
    assert kept == Kept(done={hash(wrong.key), hash(("EXT-owed", 0))}, owed={hash(("EXT-owed", 0))}, retries=1)
    assert list(read_run(path).outcomes) == [wrong, scored("EXT-owed")]


@pytest.mark.parametrize("broken", [[RETRY], [OUTCOME, RETRY, RETRY], [OUTCOME, OUTCOME]])
def test_resume_refuses_what_no_reader_would_take_and_leaves_it_as_it_is(tmp_path: Path, broken: list[str]) -> None:
    path = lines(tmp_path / "run.jsonl", RUN, *broken)
    same = {"name": "", "function": None, "dataset_sha256": None, "evaluators": (), "function_fingerprint": None}
    before = path.read_bytes()
    with pytest.raises(RunFileError, match=r"is there twice|has no outcome before it") as caught:
        RunWriter.resume(path, header(**same))
    assert caught.value.line == len(broken) + 1
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"run.jsonl": before}


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"function": "app:other"}, "the function changed"),
    ({"function_fingerprint": "another"}, "the function's source changed"),
    ({"dataset_sha256": "1" * 64}, "the dataset changed"),
    ({"evaluators": evaluators("exact")}, "the evaluators changed"),
    ({"evaluators": ()}, "the evaluators changed"),
    ({"evaluators": evaluators("correct", "more")}, "the evaluators changed"),
    ({"repeats": 2}, "the repeats changed"),
    ({"limit": 2}, "the limit changed"),
    ({"function": "app:other", "limit": 2}, "the function and the limit changed"),
]


@pytest.mark.parametrize(("change", "said"), CHANGES)
def test_resume_refuses_another_run_and_says_what_changed(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = write_run(tmp_path / "run.jsonl", [scored()])
    before = path.read_bytes()
    with pytest.raises(InputError, match=said) as caught:
        RunWriter.resume(path, dataclasses.replace(header(), **change))
    assert (caught.value.file, caught.value.hint) == (str(path), "run without --resume to begin anew")
    assert path.read_bytes() == before


def test_the_order_of_evaluators_is_no_change(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run.jsonl", [scored()], evaluators=evaluators("b", "a"))
    writer, kept = RunWriter.resume(path, header(evaluators=evaluators("a", "b")))
    writer.close(status="stopped", duration_s=1.0)
    assert len(kept.done) == 1


def test_resume_of_a_broken_file_leaves_it_as_it_is_and_nothing_beside_it(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run.jsonl", [scored()], status=None)
    path.write_bytes(path.read_bytes() + b"no line\n")
    before = path.read_bytes()
    with pytest.raises(RunFileError, match="not a line of a run file"):
        RunWriter.resume(path, header())
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"run.jsonl": before}


@pytest.mark.parametrize("action", [read_run, lambda path: RunWriter.resume(path, header())], ids=["read", "resume"])
def test_what_is_no_run_file_is_refused_by_name(tmp_path: Path, action: Callable[[Path], object]) -> None:
    with pytest.raises(InputError, match="no such run file"):
        action(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="not a file"):
        action(tmp_path)
    with pytest.raises(RunFileError, match="the file is empty"):
        action(lines(tmp_path / "empty.jsonl"))
    with pytest.raises(RunFileError, match="begins with its `run` line"):
        action(lines(tmp_path / "headless.jsonl", OUTCOME))


# --- what makes a file malformed, and what does not ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ([RUN, OUTCOME, OUTCOME, END], 3, '"a", repeat 0, is there twice'),
        ([RUN, OUTCOME, RUN, END], 3, "a second `run` line"),
        ([RUN, OUTCOME, OUTCOME.replace('"a"', '"b"'), END], None, "its end line counts 1 outcomes, the file holds 2"),
        ([RUN, END], None, "its end line counts 1 outcomes, the file holds 0"),
        ([RUN, OUTCOME, END, OUTCOME.replace('"a"', '"b"'), END.replace("1", "2")], None, "counts 2 outcomes"),
        ([RUN, OUTCOME, "", END], 3, "not a line of a run file"),
        ([RUN, OUTCOME, "[]", END], 3, "its type is"),
        ([RUN, OUTCOME, '{"type": "other"}', END], 3, 'its type is "other", not one of run, outcome, retry, end'),
        ([RUN, OUTCOME, '{"type": ["run"]}', END], 3, "not one of"),
        ([RUN, OUTCOME, "{}", END], 3, "not one of"),
        ([RUN, OUTCOME.replace("null", "NaN"), END], 2, "not a line of a run file"),
        ([RUN, OUTCOME.replace("{}", '{"f1": NaN}'), END], 2, "not a line of a run file"),
        ([RUN, OUTCOME.replace("{}", '{"f1": -Infinity}'), END], 2, "not a line of a run file"),
        ([RUN, OUTCOME.replace("{}", '{"f1": 1e999}'), END], 2, "scores.f1"),
        ([RUN, OUTCOME.replace("{}", '{"f1": "0.5"}'), END], 2, "scores.f1"),
        ([RUN, OUTCOME.replace("{}", '{"f1": [1]}'), END], 2, "scores.f1"),
        ([RUN, OUTCOME.replace("{}", '{"f1": 1},"sources":{"f1":2}'), END], 2, "sources.f1"),
        ([RUN, OUTCOME.replace("{}", '{"f1": 1},"sources":["f1"]'), END], 2, "sources"),
        ([RUN, OUTCOME.replace("null", 'null,"enrichment":"text"'), END], 2, "enrichment"),
        ([RUN, OUTCOME[:-1], END], 2, "not a line of a run file"),
        ([RUN, OUTCOME.replace('"a"', '""'), END], 2, "datapoint_id"),
        ([RUN, OUTCOME.replace('"a"', '"a","repeat":-1'), END], 2, "repeat"),
        ([RUN, OUTCOME.replace("null", '{"message":"no type"}'), END], 2, "error.type: field required"),
        ([RUN, OUTCOME, RETRY, RETRY, END], 4, 'the retry of datapoint "a", repeat 0, is there twice'),
        ([RUN, OUTCOME, RETRY.replace('"a"', '"b"'), END], 3, 'the retry of datapoint "b", repeat 0, has no outcome'),
        ([RUN, OUTCOME, RETRY.replace('"a"', '"a","repeat":1'), END], 3, "repeat 1, has no outcome before it"),
        ([RUN, RETRY, OUTCOME, END], 2, "has no outcome before it"),
        ([RUN, OUTCOME, RETRY[:-1], END], 3, "not a line of a run file"),
        ([RUN, OUTCOME, RETRY.replace('"a"', '""'), END], 3, "datapoint_id"),
        ([RUN, OUTCOME, RETRY.replace('"a"', '"a","repeat":-1'), END], 3, "repeat"),
        ([RUN, OUTCOME, RETRY.replace('"datapoint_id":"a",', ""), END], 3, "datapoint_id: field required"),
        ([RUN, OUTCOME, RETRY.replace('"scores":{},', ""), END], 3, "scores: field required"),
        ([RUN, OUTCOME, RETRY.replace(',"error":null', ""), END], 3, "error: field required"),
        ([RUN, OUTCOME, RETRY.replace("{}", '{"f1":"0.5"}'), END], 3, "scores.f1"),
        ([RUN, OUTCOME, RETRY.replace("{}", '{"f1":NaN}'), END], 3, "not a line of a run file"),
        ([RUN, OUTCOME, RETRY.replace("null", '{"message":"no type"}'), END], 3, "error.type: field required"),
        ([RUN, OUTCOME, RETRY.replace("null", 'null,"duration_ms":-1'), END], 3, "duration_ms"),
        ([RUN, OUTCOME, RETRY.replace("null", 'null,"notes":{"f1":1}'), END], 3, "notes.f1"),
        ([RUN, OUTCOME, counting(1)], None, "its end line counts 1 retries, the file holds 0"),
        ([RUN, OUTCOME, RETRY, counting(0)], None, "its end line counts 0 retries, the file holds 1"),
        ([RUN, OUTCOME, counting(-1)], 3, "retries"),
        ([RUN, OUTCOME, END.replace("1", "-1")], 3, "finished"),
        ([RUN, OUTCOME, END.replace("completed", "done")], 3, "status"),
        ([RUN, OUTCOME, '{"type":"end","status":"completed"}'], 3, "finished: field required"),
    ],
)
def test_a_malformed_line_is_refused_by_its_number(
    tmp_path: Path, text: list[str], line: int | None, said: str
) -> None:
    error = refusal(lines(tmp_path / "run.jsonl", *text))
    assert said in error.message
    assert (error.file, error.line, error.exit_code) == (str(tmp_path / "run.jsonl"), line, 3)
    assert error.hint


@pytest.mark.parametrize("key", ["type", "run_id", "expected"])
def test_the_first_line_says_what_it_has_to(tmp_path: Path, key: str) -> None:
    first = {name: value for name, value in json.loads(RUN).items() if name != key}
    with pytest.raises(RunFileError) as caught:
        read_run(lines(tmp_path / "run.jsonl", json.dumps(first), OUTCOME, END))
    assert key in caught.value.message
    assert caught.value.line == 1


@pytest.mark.parametrize("key", ["type", "datapoint_id", "scores", "error"])
def test_an_outcome_says_what_it_has_to(tmp_path: Path, key: str) -> None:
    outcome = {name: value for name, value in json.loads(OUTCOME).items() if name != key}
    error = refusal(lines(tmp_path / "run.jsonl", RUN, OUTCOME.replace('"a"', '"b"'), json.dumps(outcome), END))
    assert key in error.message
    assert error.line == 3


def test_a_newer_schema_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(RunFileError, match=r"schema 2 is newer than this honeyhive reads \(1\): update honeyhive"):
        read_run(lines(tmp_path / "run.jsonl", RUN.replace("{", '{"schema":2,'), OUTCOME, END))


def test_unknown_keys_are_ignored_and_optional_ones_may_be_absent(tmp_path: Path) -> None:
    more = [line.replace("{", '{"from_the_future":[1],', 1) for line in (RUN, OUTCOME, END)]
    run = read_run(lines(tmp_path / "run.jsonl", *more))
    assert run.complete
    (only,) = run.outcomes
    assert only == Scored(index=0, datapoint_id="a", content_hash=content_hash(None, None))


def test_a_missing_content_hash_is_computed(tmp_path: Path) -> None:
    with_inputs = OUTCOME.replace("{", '{"inputs":{"q":1},"ground_truth":"x",', 1)
    (only,) = read_run(lines(tmp_path / "run.jsonl", RUN, with_inputs, RETRY, END)).outcomes
    assert only.retry is not None
    assert only.content_hash == only.retry.content_hash == content_hash({"q": 1}, "x")


def test_what_a_retry_says_of_its_datapoint_is_an_unknown_key_and_so_is_a_retry_in_an_outcome(tmp_path: Path) -> None:
    outcome = OUTCOME.replace("null", f'null,"retry":{RETRY}')
    retry = RETRY.replace("{}", '{"f1":0}').replace("null", f'null,"tags":["must-pass"],"inputs":1,"retry":{RETRY}')
    (alone,) = read_run(lines(tmp_path / "run.jsonl", RUN, outcome, END)).outcomes
    assert alone == Scored(index=0, datapoint_id="a", content_hash=content_hash(None, None))
    (joined,) = read_run(lines(tmp_path / "run.jsonl", RUN, outcome, retry, END)).outcomes
    assert joined == dataclasses.replace(alone, retry=dataclasses.replace(alone, scores={"f1": 0}))


@pytest.mark.parametrize("end", [[END], [counting(1)], []], ids=["an end", "an end that counts them", "no end"])
@pytest.mark.parametrize(
    "text",
    [
        [OUTCOME, RETRY],
        [OUTCOME.replace(":", " : "), " " + RETRY.replace(":", ": ")],
        [
            '{"datapoint_id":"a","scores":{},"error":null,"type":"outcome"}',
            RETRY.replace('"type":"retry",', "")[:-1] + ',"type":"retry"}',
        ],
    ],
    ids=["as we write them", "with spaces", "with their keys in another order"],
)
def test_a_retry_is_found_however_the_lines_are_written(tmp_path: Path, text: list[str], end: list[str]) -> None:
    run = read_run(lines(tmp_path / "run.jsonl", RUN, *text, *end))
    for _ in range(2):  # it may be iterated more than once
        (only,) = run.outcomes
        assert only.retry == dataclasses.replace(only, retry=None)


@BOTH
def test_a_retry_may_stand_far_from_its_outcome(tmp_path: Path, suffix: str) -> None:
    before = [scored(f"EXT-{number}", {"repeat": number % 2}) for number in range(300)]
    path = tmp_path / f"run{suffix}"
    writer = RunWriter.create(path, header(expected=300))
    for outcome in before:
        writer.append(outcome)
    again = [failed(f"EXT-{number}", {"repeat": number % 2}) for number in (299, 0, 7)]
    for retry in again:
        writer.append_line(retry_line(retry))
    writer.close(status="completed", duration_s=1.0)
    found = {outcome.key: outcome.retry for outcome in read_run(path).outcomes if outcome.retry is not None}
    assert found == {retry.key: retry for retry in again}


def test_a_retry_after_the_end_is_nothing(tmp_path: Path) -> None:
    (only,) = read_run(lines(tmp_path / "run.jsonl", RUN, OUTCOME, END, RETRY)).outcomes
    assert only.retry is None


def test_blank_lines_after_the_end_are_nothing(tmp_path: Path) -> None:
    assert read_run(lines(tmp_path / "run.jsonl", RUN, OUTCOME, END, "", "")).complete
    assert ids(tmp_path / "run.jsonl") == ["a"]


@pytest.mark.parametrize("after", [OUTCOME.replace('"a"', '"b"'), "garbage"])
def test_an_end_that_is_not_the_last_line_is_no_end(tmp_path: Path, after: str) -> None:
    run = read_run(lines(tmp_path / "run.jsonl", RUN, OUTCOME, END, after))
    assert (run.finished, run.status, run.complete) == (None, None, False)
    assert ids(tmp_path / "run.jsonl") == ["a"]


@pytest.mark.parametrize("first", [True, False])
def test_a_line_longer_than_ours_is_refused_before_it_fills_the_memory(tmp_path: Path, first: bool) -> None:
    path = lines(tmp_path / "run.jsonl", *([] if first else [RUN]))
    with path.open("r+b") as stream:
        stream.truncate(path.stat().st_size + 4 * MAX_LINE)  # a hole: it takes no room on the disk
    error = refusal(path)
    assert error.message == "longer than 67,108,864 bytes"
    assert error.line == (1 if first else 2)


def test_a_compressed_line_longer_than_ours_is_refused_too(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl.gz"
    part = gzip.compress(b" " * 2**20, compresslevel=1)
    path.write_bytes(gzip.compress(f"{RUN}\n".encode()) + part * (MAX_LINE // 2**20 + 1))
    assert "longer than" in refusal(path).message


@pytest.mark.parametrize("part", [b"\n", f"{OUTCOME}\n".encode()], ids=["ends of lines", "outcomes"])
def test_what_unpacks_to_a_hundred_times_its_size_is_refused(tmp_path: Path, part: bytes) -> None:
    path = tmp_path / "run.jsonl.gz"
    packed = gzip.compress(part * (2**24 // len(part)))
    path.write_bytes(gzip.compress(f"{RUN}\n".encode()) + packed * 20)
    assert refusal(path).message == "cannot be read: it unpacks to more than 100 times its size"


def test_a_key_of_a_malformed_line_is_shown_in_bounds(tmp_path: Path) -> None:
    key = "a\n::error::" + "x" * 10_000
    path = lines(tmp_path / "run.jsonl", RUN, OUTCOME.replace("{}", json.dumps({key: "odd"})))
    message = refusal(path).message
    assert message.isprintable()
    assert len(message) < 250


def damaged(text: bytes) -> Iterable[tuple[str, bytes]]:
    whole = gzip.compress(text, mtime=0)
    yield "not compressed at all", text
    yield "no gzip member after the first", whole + b"\x00\x00PK"
    yield "a flipped bit", whole[:20] + bytes([whole[20] ^ 0xFF]) + whole[21:]
    yield "a wrong checksum", whole[:-8] + bytes(4) + whole[-4:]


@pytest.mark.parametrize(
    "content", [pytest.param(content, id=name) for name, content in damaged(f"{RUN}\n{OUTCOME}\n".encode() * 50)]
)
def test_a_damaged_compressed_file_is_refused_as_a_run_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.jsonl.gz"
    path.write_bytes(content)
    assert refusal(path).file == str(path)


def test_reading_keeps_no_outcome_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    long = OUTCOME.replace("{", f'{{"output":"{"x" * 50_000}",', 1)
    lines(path, RUN, *(long.replace('"a"', f'"{number}"') for number in range(600)))
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_run(path).outcomes) == 600
        assert tracemalloc.get_traced_memory()[1] < 2**20 * 5 < path.stat().st_size / 5
    finally:
        tracemalloc.stop()


def test_a_header_knows_its_own_line() -> None:
    line: dict[str, Any] = header(ci={"event": "push"}, environment={"python": "3.11"}, limit=5).to_line()
    assert (line["ci"], line["environment"], line["limit"], line["shard"]) == (
        {"event": "push"}, {"python": "3.11"}, 5, None,
    )  # fmt: skip
    assert isinstance(header(), RunHeader)


def test_nothing_but_a_run_file_is_ever_replaced(tmp_path: Path) -> None:
    source = tmp_path / "app.py"
    source.write_text("def answer(inputs): ...\n")
    with pytest.raises(InputError, match="is not a run file") as refused:
        RunWriter.create(source, header())
    assert refused.value.file == str(source)
    assert source.read_text() == "def answer(inputs): ...\n"
    (tmp_path / "empty.jsonl").touch()
    RunWriter.create(tmp_path / "empty.jsonl", header()).close(status="completed", duration_s=0)


@pytest.mark.parametrize(
    ("name", "spans"),
    [("run.jsonl", "run.spans.jsonl"), ("run.jsonl.gz", "run.jsonl.gz.spans.jsonl"), ("run", "run.spans.jsonl")],
)
def test_what_stands_beside_a_run_file_is_named_after_it_and_goes_with_it(
    tmp_path: Path, name: str, spans: str
) -> None:
    path = tmp_path / name
    assert companion(path, "spans") == tmp_path / spans
    beside = [path, tmp_path / spans, companion(path, "sent")]
    for file in beside:
        file.write_text("old")
    set_aside(path)
    assert {file.name for file in tmp_path.iterdir()} == {f"{file.name}.previous" for file in beside}
    aside = path.with_name(f"{name}.previous")
    assert companion(aside, "spans").is_file()
    assert companion(aside, "sent").is_file()


def test_a_compressed_run_and_one_that_is_not_share_nothing(tmp_path: Path) -> None:
    plain, compressed = tmp_path / "run.jsonl", tmp_path / "run.jsonl.gz"
    for kind in COMPANIONS:
        assert companion(plain, kind) != companion(compressed, kind)
        assert is_companion(companion(plain, kind))
        assert is_companion(companion(compressed, kind))
    assert not is_companion(plain)
    assert not is_companion(compressed)


@pytest.mark.parametrize("name", ["qa.spans.jsonl", "qa.sent.jsonl", "qa.spans.jsonl.gz"])
def test_a_run_file_that_would_be_called_like_what_stands_beside_another_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="no name for a run file") as refused:
        RunWriter.create(tmp_path / name, header())
    assert refused.value.file == str(tmp_path / name)
    assert "--out" in refused.value.hint
    assert list(tmp_path.iterdir()) == []
