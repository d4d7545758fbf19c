"""The spans file: a line for each datapoint, found again by its session."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders_spans import span
from honeyhive.experiments.spanfile import SpanIndex, open_spans
from honeyhive.experiments.traces import Traces
from honeyhive.tracer.otlp import span_line

SESSION = "honeyhive.session_id"


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


def line(session_id: str, text: str = "") -> bytes:
    return span_line([span(attributes={"said": text, SESSION: session_id})])


def write(run_file: Path, *lines: bytes) -> Path:
    file = open_spans(run_file)
    for one in lines:
        file.append(one)
    file.close()
    return file.path


def test_it_stands_beside_the_run_file_and_each_line_is_there_with_the_next_flush(run_file: Path) -> None:
    file = open_spans(run_file)
    file.append(line("a"))
    file.flush()
    assert (run_file.parent / "run.spans.jsonl").read_bytes() == line("a") + b"\n"
    file.close()


def test_a_session_is_found_with_all_its_lines_in_their_order(run_file: Path) -> None:
    write(run_file, line("a", "1"), line("b"), line("a", "2"), span_line([span()]))
    index = SpanIndex(run_file)
    assert index.lines("a") == [line("a", "1"), line("a", "2")]
    assert index.lines("b") == [line("b")]
    assert index.lines("c") == index.lines("") == index.lines(None) == []


def test_without_a_file_there_are_no_spans(run_file: Path) -> None:
    assert SpanIndex(run_file).lines("a") == []


def test_a_torn_last_line_is_nobodys_and_what_follows_is_a_line_of_its_own(run_file: Path) -> None:
    path = write(run_file, line("a"), line("b"))
    path.write_bytes(path.read_bytes()[:-5])
    assert SpanIndex(run_file).lines("b") == []
    write(run_file, line("c"))
    index = SpanIndex(run_file)
    assert index.lines("a") == [line("a")]
    assert index.lines("c") == [line("c")]


def test_what_comes_after_the_end_is_not_kept(run_file: Path) -> None:
    file = open_spans(run_file)
    file.close()
    file.append(line("a"))
    file.close()
    assert file.path.read_bytes() == b""


@given(text=st.text())
def test_no_text_of_a_users_makes_it_somebody_elses(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    run_file = tmp_path_factory.mktemp("spans") / "run.jsonl"
    forged = f'{text}"key":"{SESSION}","value":{{"stringValue":"b"}}'
    write(run_file, line("a", forged))
    assert SpanIndex(run_file).lines("a") == [line("a", forged)]
    assert SpanIndex(run_file).lines("b") == []


def test_many_threads_write_whole_lines(run_file: Path) -> None:
    file = open_spans(run_file)
    texts = dict.fromkeys("abcdefgh", "x" * 20000)

    def write_many(name: str) -> None:
        for _ in range(20):
            file.append(line(name, texts[name]))

    threads = [threading.Thread(target=write_many, args=(name,)) for name in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    file.close()
    index = SpanIndex(run_file)
    assert all(index.lines(name) == [line(name, texts[name])] * 20 for name in texts)


def test_spans_that_come_late_are_a_line_of_their_own(run_file: Path) -> None:
    traces = Traces(run_file, {})
    first, late = span(1, attributes={SESSION: "a"}), span(2, attributes={SESSION: "a"})
    assert traces.record(()) is None
    assert traces.record((first,)) == span_line((first,))
    traces.record_late(late)
    traces.close()
    assert SpanIndex(run_file).lines("a") == [span_line((first,)), span_line((late,))]
    assert all(json.loads(one) for one in SpanIndex(run_file).lines("a"))
