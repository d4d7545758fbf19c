"""The gate's runs on HoneyHive: sent by the process that has the key, and never in the verdict's way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid5

import pytest

from platform_server import Kind, PlatformServer
from projects import APP, Done, Project, new_project

SPYING = APP.replace(
    "def double(inputs):",
    """import os, pathlib

def double(inputs):
    seen = "\\n".join(f"{name}={value}" for name, value in os.environ.items())
    pathlib.Path("seen.txt").write_text(seen)""",
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = new_project(tmp_path / "project", count=5)
    project.write("app.py", SPYING)
    return project


@pytest.fixture
def server() -> Iterator[PlatformServer]:
    with PlatformServer() as server:
        yield server


def keys(server: PlatformServer) -> dict[str, str]:
    return {"HH_API_KEY": server.key, "HH_API_URL": server.url}


def test_with_a_key_the_run_appears_there_and_the_users_code_never_sees_the_key(
    project: Project, server: PlatformServer
) -> None:
    done = project.gate(env=keys(server))
    assert (done.exit_code, done.errors) == (0, [])
    (run,) = server.runs.values()
    assert (run.value["status"], len(run.value["event_ids"])) == ("completed", 5)
    assert {session.value["outputs"]["result"] for session in server.sessions.values()} == {0, 2, 4, 6, 8}
    assert all(session.value["metrics"] == {"exact": True} for session in server.sessions.values())
    assert server.violations == []
    assert f"doubling: 5 of 5 sessions are on HoneyHive, run {project.lines()[0]['run_id']}" in done.out
    assert server.key not in (project.folder / "seen.txt").read_text("utf-8")
    assert server.key not in done.out + done.err + done.summary
    assert all(
        server.key.encode() not in file.read_bytes()
        for file in (project.folder / "honeyhive-report").rglob("*")
        if file.is_file()
    )


def test_the_key_may_come_as_an_input(project: Project, server: PlatformServer) -> None:
    inputs = {"INPUT_API-KEY": server.key, "INPUT_SERVER-URL": server.url, "INPUT_PROJECT": "demo"}
    assert project.gate(env=inputs).exit_code == 0
    assert len(server.sessions) == 5
    assert server.key not in (project.folder / "seen.txt").read_text("utf-8")


@pytest.mark.parametrize("kind", ["500", "401", "refuse"])
def test_a_platform_that_fails_is_a_warning_and_changes_no_verdict(
    project: Project, server: PlatformServer, kind: Kind
) -> None:
    server.fail("*", "/", kind)
    done = project.gate(env=keys(server))
    assert (done.exit_code, done.errors) == (0, [])
    (warning,) = [line for line in done.err.splitlines() if "HoneyHive" in line and line.startswith("::warning")]
    assert "not everything was sent" in warning
    assert "honeyhive upload honeyhive-report/run.jsonl" in warning

    server.mend()
    uploaded = project.honeyhive("upload", "honeyhive-report/run.jsonl", env=keys(server))
    assert (uploaded.exit_code, uploaded.errors) == (0, [])
    assert [run.value["status"] for run in server.runs.values()] == ["completed"]
    assert len(server.sessions) == 5


def test_a_run_that_breaks_is_sent_as_far_as_it_came(project: Project, server: PlatformServer) -> None:
    project.write("app.py", APP.replace('2 * inputs["number"]', '(__import__("os")._exit(9))'))
    done = project.gate(env=keys(server))
    assert done.exit_code == 3
    assert [run.value["status"] for run in server.runs.values()] == ["failed"]


def test_without_a_key_nothing_is_sent_anywhere(project: Project, server: PlatformServer) -> None:
    assert project.gate(env={"HH_API_URL": server.url}).exit_code == 0
    assert server.requests == []


def test_a_server_that_is_none_is_a_warning(project: Project) -> None:
    done = project.gate(env={"HH_API_KEY": "key", "HH_API_URL": "ftp://nowhere"})
    assert done.exit_code == 0
    assert "the runs are not on HoneyHive" in done.err


# --- code that would write into another run --------------------------------------------------------------------------

VICTIM = "99999999-9999-4999-8999-999999999999"
FORGING = f"""
import json, os
from pathlib import Path
import honeyhive.runlines as lines
from honeyhive.tracer import current_tracer

VICTIM = "{VICTIM}"
REPORT = Path("honeyhive-report")
header, attempt = lines.RunHeader.to_line, lines._attempt

def add_spans(*sessions):
    attributes = [[{{"key": "honeyhive.session_id", "value": {{"stringValue": one}}}}] for one in sessions]
    span = {{"traceId": "a" * 32, "spanId": "b" * 16, "parentSpanId": None, "name": "forged", "events": [],
            "status": {{}}, "kind": "SPAN_KIND_INTERNAL", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}}
    scope = {{"scope": {{"name": "forged"}}, "spans": [{{**span, "attributes": one}} for one in attributes]}}
    line = {{"resourceSpans": [{{"resource": {{"attributes": []}}, "scopeSpans": [scope]}}]}}
    with (REPORT / "run.spans.jsonl").open("a") as file:
        file.write(json.dumps(line, separators=(",", ":")) + "\\n")

def trick(number):
    pass

def double(inputs):
    trick(inputs["number"])
    return 2 * inputs["number"]

def exact(outputs, inputs, ground_truth):
    return outputs == ground_truth
"""


def forge(project: Project, server: PlatformServer, app: str) -> Done:
    """The gate on code that does something to the run's files besides."""
    project.write("app.py", FORGING + app)
    project.config({"max-workers": 1})
    return project.gate(env=keys(server))


def sent(server: PlatformServer) -> str:
    """All that the server was sent."""
    return json.dumps([[one.path, one.body] for one in server.requests])


def test_a_run_file_with_the_id_of_another_run_is_neither_judged_nor_sent(
    project: Project, server: PlatformServer
) -> None:
    done = forge(project, server, 'lines.RunHeader.to_line = lambda self: {**header(self), "run_id": VICTIM}\n')
    assert project.lines()[0]["run_id"] == VICTIM
    assert done.exit_code == 3
    assert "that of another run" in done.error
    assert "cannot be sent to HoneyHive" in done.err
    assert server.requests == []


def test_a_run_that_breaks_is_not_sent_either_where_it_is_another(project: Project, server: PlatformServer) -> None:
    app = """
lines.RunHeader.to_line = lambda self: {**header(self), "run_id": VICTIM}

def trick(number):
    os._exit(9)
"""
    assert forge(project, server, app).exit_code == 3
    assert server.requests == []


def test_sessions_go_by_ids_that_the_code_has_no_say_in(project: Project, server: PlatformServer) -> None:
    app = """
lines._attempt = lambda outcome: {**attempt(outcome), "session_id": VICTIM}

def trick(number):
    add_spans(VICTIM)
"""
    done = forge(project, server, app)
    assert (done.exit_code, done.errors) == (0, [])
    (run_id,) = server.runs
    names = [f"{outcome['datapoint_id']}/{outcome['repeat']}" for outcome in project.outcomes()]
    assert server.runs[run_id].value["event_ids"] == [str(uuid5(UUID(run_id), name)) for name in names]
    assert server.sessions.keys() == set(server.runs[run_id].value["event_ids"])
    assert VICTIM not in sent(server)


def test_the_code_does_not_put_its_run_under_a_dataset_of_the_platforms(
    project: Project, server: PlatformServer
) -> None:
    done = forge(project, server, 'lines.RunHeader.to_line = lambda self: {**header(self), "dataset_id": VICTIM}\n')
    assert done.exit_code == 0
    assert len(server.sessions) == 5
    assert VICTIM not in sent(server)


def test_spans_of_another_session_are_left_out_and_counted(project: Project, server: PlatformServer) -> None:
    app = """
def trick(number):
    own = current_tracer().session_id
    if number == 1:
        add_spans(own, VICTIM)
    if number == 2:
        add_spans(VICTIM, own)
    if number == 3:
        add_spans(own)
"""
    done = forge(project, server, app)
    assert (done.exit_code, done.errors) == (0, [])
    assert "5 of 5 sessions are on HoneyHive" in done.out
    assert "a line of the spans file cannot be sent" in done.out
    assert VICTIM not in sent(server)
    assert len([one for one in server.spans.values() if one.value["name"] == "forged"]) == 1
    assert len(server.spans) == 6
    assert server.violations == []


@pytest.mark.parametrize(
    "plant",
    [
        '(REPORT / "run.sent.jsonl").symlink_to("../secret.txt")',
        'os.mkfifo(REPORT / "run.sent.jsonl")',
        '(REPORT / "run.sent.jsonl").write_text(json.dumps({"type": "ledger", "server": "https://theirs.example"}))',
    ],
)
def test_what_the_code_has_put_in_the_place_of_the_ledger_is_not_believed(
    project: Project, server: PlatformServer, plant: str
) -> None:
    project.write("secret.txt", "a secret")
    done = forge(project, server, f"def trick(number):\n    if number == 4:\n        {plant}\n")
    assert (done.exit_code, done.errors) == (0, [])
    assert "5 of 5 sessions are on HoneyHive" in done.out
    assert (project.folder / "secret.txt").read_text() == "a secret"


@pytest.mark.parametrize(
    "plant",
    [
        'os.replace(REPORT / "run.spans.jsonl", "away"); (REPORT / "run.spans.jsonl").symlink_to("../away")',
        'os.replace(REPORT / "run.spans.jsonl", "away"); os.mkfifo(REPORT / "run.spans.jsonl")',
        '(REPORT / "run.sent.jsonl").mkdir()',
    ],
)
def test_what_cannot_be_read_safely_is_a_warning_and_changes_no_verdict(
    project: Project, server: PlatformServer, plant: str
) -> None:
    done = forge(project, server, f"def trick(number):\n    if number == 4:\n        {plant}\n")
    assert (done.exit_code, done.errors) == (0, [])
    assert "sent to HoneyHive" in done.err
    assert server.spans == {}


def test_what_is_uploaded_later_goes_by_the_same_ids(project: Project, server: PlatformServer) -> None:
    server.fail("PUT", "/events", "500")
    done = forge(project, server, 'lines._attempt = lambda outcome: {**attempt(outcome), "session_id": VICTIM}\n')
    assert done.exit_code == 0
    assert "honeyhive upload honeyhive-report/run.jsonl" in done.err
    server.mend()
    uploaded = project.honeyhive("upload", "honeyhive-report/run.jsonl", env=keys(server))
    assert (uploaded.exit_code, uploaded.errors) == (0, [])
    (run,) = server.runs.values()
    assert len(run.value["event_ids"]) == len(server.sessions) == 5
    assert VICTIM not in sent(server)


def test_what_a_later_experiment_makes_of_the_run_file_of_an_earlier_one_is_neither_shown_nor_sent(
    project: Project, server: PlatformServer
) -> None:
    project.write(
        "later.py",
        """
import pathlib

def double(inputs):
    file = pathlib.Path("honeyhive-report/first/run.jsonl")
    file.write_text(file.read_text().replace('"exact":false', '"exact":true'))
    return 2 * inputs["number"]
""",
    )
    project.write("app.py", APP.replace('2 * inputs["number"]', "None"))
    rules = {"thresholds": {"exact": {"min": 0.9}}}
    project.config({"name": "first", **rules}, {"name": "second", "function": "later:double", **rules})
    done = project.gate(env=keys(server))
    assert done.exit_code == 1
    assert "FAILED     first: exact is 0 %" in done.out
    assert "first: its run file was changed after it was judged, and is not sent to HoneyHive" in done.err
    assert [run.value["name"] for run in server.runs.values()] == ["second"]
