"""Files whole or not at all; outputs and summary as the runner reads them."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from honeyhive.ci.publish import SUMMARY_LIMIT, append_outputs, append_summary, write_file, write_json
from honeyhive.errors import ReportingError
from projects import parse_outputs

names = st.from_regex(r"\A[a-z][a-z-]{0,20}\Z")
values = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.sampled_from(["a\nb", "x<<EOF\n", "=\n\n"])


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_file_takes_the_place_of_the_one_before_and_everybody_may_read_it(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "report.md"
    write_file(target, "one")
    write_file(target, "two — zwei")
    assert target.read_text(encoding="utf-8") == "two — zwei"
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert [path.name for path in target.parent.iterdir()] == ["report.md"]


def test_what_cannot_be_written_leaves_nothing_half_done(tmp_path: Path) -> None:
    (tmp_path / "report.md").mkdir()
    with pytest.raises(OSError, match=r"report\.md"):
        write_file(tmp_path / "report.md", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]


def test_half_a_character_does_not_lose_the_report(tmp_path: Path) -> None:
    write_file(tmp_path / "report.md", "a \ud800 b")
    assert (tmp_path / "report.md").read_text(encoding="utf-8") == "a ? b"


def test_json_is_for_people_too(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"näme": [1]})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "näme": [\n    1\n  ]\n}\n'


def test_nan_is_not_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"score": float("nan")})
    assert not list(tmp_path.iterdir())


# --- the step summary ------------------------------------------------------------------------------------------------


def test_the_summary_is_added_to_what_is_there(tmp_path: Path) -> None:
    target = tmp_path / "summary.md"
    target.write_text("# Before\n")
    append_summary("## Verdict\n\n", {"GITHUB_STEP_SUMMARY": str(target)})
    assert target.read_text() == "# Before\n## Verdict\n\n"


def test_a_summary_that_github_would_drop_is_not_written(tmp_path: Path) -> None:
    target = tmp_path / "summary.md"
    target.write_text("x" * (SUMMARY_LIMIT - 10))
    with pytest.raises(ReportingError, match="full"):
        append_summary("ä" * 5, {"GITHUB_STEP_SUMMARY": str(target)})
    append_summary("ä" * 4, {"GITHUB_STEP_SUMMARY": str(target)})
    assert target.stat().st_size == SUMMARY_LIMIT


def test_a_summary_that_cannot_be_written_is_a_problem_of_the_report(tmp_path: Path) -> None:
    with pytest.raises(ReportingError, match="summary cannot be written"):
        append_summary("text", {"GITHUB_STEP_SUMMARY": str(tmp_path)})


def test_outside_a_job_there_is_nothing_to_add_to() -> None:
    append_summary("text", {})
    append_outputs({"verdict": "passed"}, {"GITHUB_OUTPUT": ""})


# --- outputs ---------------------------------------------------------------------------------------------------------


@given(st.dictionaries(names, values, max_size=5), st.dictionaries(names, values, max_size=2))
@example({"summary": "a\nghadelimiter\nb"}, {})
@example({"a": "\r\n", "b": ""}, {})
def test_outputs_arrive_as_they_were_set(first: dict[str, str], second: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "output")
        for outputs in (first, second):
            append_outputs(outputs, {"GITHUB_OUTPUT": str(target)})
        assert parse_outputs(target.read_bytes().decode()) == first | second


def test_two_values_never_share_a_delimiter(tmp_path: Path) -> None:
    target = tmp_path / "output"
    append_outputs({"a": "1", "b": "2"}, {"GITHUB_OUTPUT": str(target)})
    delimiters = [line.partition("<<")[2] for line in target.read_text().splitlines() if "<<" in line]
    assert len(set(delimiters)) == 2
    assert all(len(delimiter) > 32 for delimiter in delimiters)


def test_outputs_that_cannot_be_written_are_a_problem_of_the_report(tmp_path: Path) -> None:
    with pytest.raises(ReportingError, match="outputs cannot be written"):
        append_outputs({"verdict": "passed"}, {"GITHUB_OUTPUT": os.fspath(tmp_path)})


def test_an_output_of_json_is_one_value(tmp_path: Path) -> None:
    summary = json.dumps([{"message": "a\nb", "verdict": "passed"}])
    append_outputs({"summary": summary}, {"GITHUB_OUTPUT": str(tmp_path / "output")})
    assert json.loads(parse_outputs((tmp_path / "output").read_text())["summary"])[0]["message"] == "a\nb"
