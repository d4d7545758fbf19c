"""The spans file: a line for each datapoint, found again by its session."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import room_for
from builders_spans import span
from honeyhive.documents.redactor import NO_SECRETS
from honeyhive.errors import HoneyHiveWarning, ReportingError
from honeyhive.experiments.recorded import Cleaning
from honeyhive.experiments.spanfile import SpanIndex, open_spans
from honeyhive.experiments.traces import Traces
from honeyhive.runlines import MAX_LINE
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


@given(length=st.integers(0, 1200))
def test_a_torn_last_line_is_cut_off_and_nothing_else_is_lost(
    tmp_path_factory: pytest.TempPathFactory, length: int
) -> None:
    run_file = tmp_path_factory.mktemp("torn") / "run.jsonl"
    lines = {name: line(name) for name in "ab"}
    path = write(run_file, *lines.values())
    path.write_bytes(path.read_bytes()[:length])
    left = [one for one in lines.values() if one + b"\n" in path.read_bytes()]
    write(run_file, line("c"))
    assert path.read_bytes().splitlines() == [*left, line("c")]


def test_a_torn_line_longer_than_a_block_is_cut_off_too(run_file: Path) -> None:
    path = write(run_file, line("a"))
    whole = path.read_bytes()
    path.write_bytes(whole + b"x" * 200_000)
    open_spans(run_file).close()
    assert path.read_bytes() == whole


def test_lines_that_are_no_json_are_counted_and_left_out(run_file: Path) -> None:
    half = line("a")[:-3]
    write(run_file, line("a", "1"), half, b"", b"\xff\xfe", line("a", "2"))
    index = SpanIndex(run_file)
    assert index.lines("a") == [line("a", "1"), line("a", "2")]
    assert index.unreadable == 2


def test_a_line_that_is_far_too_long_is_passed_over(run_file: Path) -> None:
    path = write(run_file, line("a"))
    with path.open("ab") as file:
        file.write(b"x" * (MAX_LINE + 5) + b"\n")
    write(run_file, line("b"))
    index = SpanIndex(run_file)
    assert (index.lines("a"), index.lines("b"), index.unreadable) == ([line("a")], [line("b")], 1)


def a_link(path: Path) -> None:
    path.with_name("secret").write_bytes(line("a") + b"\n")
    path.symlink_to(path.with_name("secret"))


@pytest.mark.parametrize("put", [a_link, os.mkfifo, Path.mkdir])
def test_what_is_no_file_of_its_own_is_not_read(run_file: Path, put: Callable[[Path], None]) -> None:
    put(run_file.with_name("run.spans.jsonl"))
    with pytest.raises(ReportingError) as refused:
        SpanIndex(run_file)
    assert refused.value.file == str(run_file.with_name("run.spans.jsonl"))


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
    traces = Traces(run_file, {}, Cleaning(NO_SECRETS))
    first, late = span(1, attributes={SESSION: "a"}), span(2, attributes={SESSION: "a"})
    assert traces.record(()) is None
    assert traces.record((first,)) == span_line((first,))
    traces.record_late(late)
    traces.close()
    assert SpanIndex(run_file).lines("a") == [span_line((first,)), span_line((late,))]
    assert all(json.loads(one) for one in SpanIndex(run_file).lines("a"))


def test_a_full_disk_costs_the_spans_and_one_warning(run_file: Path) -> None:
    traces = Traces(run_file, {}, Cleaning(NO_SECRETS))
    spans = [span(1, attributes={SESSION: "a"})]
    assert traces.record(spans) == span_line(spans)
    traces.flush()
    with room_for(10):
        assert traces.record(spans) == span_line(spans)
        traces.flush()
        assert traces.record(spans) == span_line(spans)  # who follows the run still has them
        traces.flush()
        with pytest.warns(HoneyHiveWarning, match="not all spans of this run could be written") as warned:
            traces.close()
    assert len(warned) == 1


def test_what_is_full_at_the_end_is_a_warning_too(run_file: Path) -> None:
    traces = Traces(run_file, {}, Cleaning(NO_SECRETS))
    traces.record([span(1, attributes={SESSION: "a"})])
    with room_for(10), pytest.warns(HoneyHiveWarning, match="not all spans of this run could be written"):
        traces.close()


def test_a_spans_file_that_cannot_be_opened_is_a_warning(run_file: Path) -> None:
    run_file.with_name("run.spans.jsonl").mkdir()
    traces = Traces(run_file, {}, Cleaning(NO_SECRETS))
    spans = [span(1, attributes={SESSION: "a"})]
    assert traces.record(spans) == span_line(spans)
    traces.flush()
    with pytest.warns(HoneyHiveWarning, match="not all spans of this run could be written"):
        traces.close()
