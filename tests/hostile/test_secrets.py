"""Secrets are in no log, comment, summary, report, run file, span or request, however the code writes them.

The code under test has one, which `pass-env` gives it; the job has others. `Aftermath.leaks()` looks for all of them,
in every form, in the output as it is printed: what a runner would mask besides does not count.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hostile.scene import KEY, PASSED, REPORT, TOKEN, Aftermath, Scene
from loopback import Loopback, Reply
from platform_server import PlatformServer
from stories import COMMENT, Bees, Job, app, config, empty_repository, numbers

OTHER = "ghp_0aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT"
"""A token that somebody has left in the repository's configuration."""
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\nEFAASCBKcwggSjAgEAAoIBAQC7\n-----END PRIVATE KEY-----\n"
SPEAK = "secret = os.environ['MODEL_API_KEY']\nimport base64, binascii, html, logging, urllib.parse\n"


@pytest.fixture(autouse=True)
def passing(scene: Scene) -> None:
    """The code is given a secret."""
    scene.env["MODEL_API_KEY"] = PASSED
    scene.secrets = (*scene.secrets, PASSED)
    scene.config(**{"pass-env": ["MODEL_API_KEY"]})


# --- what the code prints --------------------------------------------------------------------------------------------

PRINTED = {
    "as it is": "print('>> key', secret)",
    "to stderr": "print('>>', secret, file=sys.stderr)",
    "in what it logs": "logging.error('no answer for %s', secret)",
    "as JSON": "print('>>', json.dumps({'key': secret}))",
    "as JSON in JSON": "print('>>', json.dumps(json.dumps({'key': secret})))",
    "as Python": "print('>>', repr([secret]))",
    "in a URL": "print('>> https://api.example/v1?key=' + urllib.parse.quote(secret, safe=''))",
    "in HTML": "print('>>', html.escape(secret))",
    "in base64": "print('>>', base64.b64encode(secret.encode()).decode())",
    "in base64 for URLs": "print('>>', base64.urlsafe_b64encode(secret.encode()).decode())",
    "in the base64 of a header": "print('>> Basic', base64.b64encode(b'user:' + secret.encode() + b':x').decode())",
    "in base64 with lines": "print(base64.encodebytes(b'x' * 50 + secret.encode()).decode())",
    "in hex": "print('>>', secret.encode().hex())",
    "in two lines": "print(secret[:9]); print(secret[9:])",
    "in two lines from two processes": "print(secret[:9], flush=True); subprocess.run(['echo', secret[9:]])",
    "letter by letter": "print(*secret, sep='\\n')",
    "letter by letter with lines between": "print(*secret, sep='\\n\\n \\n')",
    "over what was printed": "print('\\r'.join(['so far', secret]))",
    "without an end of its line": "sys.stdout.write(secret); sys.stdout.flush()",
    "in a line without an end": "print('>>', 'x' * (2**16 - 12) + secret)",
    "as a workflow command": "print('::error::' + secret); print('##[group]' + secret)",
    "in a warning": "import warnings; warnings.warn(f'{secret} is old')",
}


@pytest.mark.parametrize("trick", PRINTED.values(), ids=list(PRINTED))
def test_what_is_printed(scene: Scene, trick: str) -> None:
    scene.app(SPEAK + trick, at=11)
    after = scene.gate().holds(0, "***", finished=12)
    assert PASSED[:12] not in after.output.replace(f"::add-mask::{PASSED}", "")


def test_the_beginning_of_a_secret_is_printed_when_it_is_known_to_be_none(scene: Scene) -> None:
    scene.app(f"print('>> begins with'); print({PASSED[:5]!r}); print('>> goes on')", at=5)
    after = scene.gate().holds(0, f">> begins with\n{PASSED[:5]}\n>> goes on", finished=12)
    assert f">> begins with\n{PASSED[:5]}\n>> goes on\n" in after.output


def test_the_last_line_of_code_that_hangs_is_seen_while_it_hangs(scene: Scene) -> None:
    # It ends as a secret begins; nothing comes after it until somebody gives up.
    wait = "for _ in range(400):\n    if Path('go').exists(): break\n    time.sleep(0.05)\nelse: Path('unseen').touch()"
    scene.app(f"print('>> loading {PASSED[:1]}', flush=True)\n{wait}", at=5)
    going = scene.start("gate")
    assert going.process.stdout is not None
    assert f">> loading {PASSED[:1]}\n" in going.process.stdout
    (scene.workspace / "go").touch()
    scene.finish(going)
    assert not (scene.workspace / "unseen").exists()


# --- what the code gives ---------------------------------------------------------------------------------------------


def outcome(after: Aftermath, index: int) -> dict[str, Any]:
    (found,) = [one for one in after.outcomes() if one["index"] == index]
    return found


GIVEN = {
    "output": ("return {'answer': [secret, {secret: 1}]}", "output"),
    "output letter by letter": ("return ' '.join(secret)", "output"),
    "exception": ("raise ValueError(f'401: {secret} is no key')", "error"),
    "exception's cause": (
        "try:\n    raise KeyError(secret)\nexcept KeyError as e:\n    raise OSError('no') from e",
        "error",
    ),
}


@pytest.mark.parametrize(("trick", "key"), GIVEN.values(), ids=list(GIVEN))
def test_what_the_function_gives_is_told_without_it(scene: Scene, trick: str, key: str) -> None:
    scene.config({"thresholds": {"exact": {"min": 0.5}, "errors": {"max": 1}}}, **{"pass-env": ["MODEL_API_KEY"]})
    scene.app(SPEAK + trick, at=5)
    after = scene.gate().holds(0, "warning: ", "held a secret", finished=12)
    assert "HoneyHiveWarning" not in after.heard.log, "it is a line of the log, without a place in our source"
    assert outcome(after, 5)[key] is not None


def test_a_variable_that_is_not_set_is_named(scene: Scene) -> None:
    scene.config(**{"pass-env": ["MODEL_API_KY"]})
    scene.gate().holds(0, "pass-env: MODEL_API_KY is not set in this job", finished=12)


EVALUATORS = {
    "note": "return {'score': outputs == ground_truth, 'explanation': f'the judge said {secret}'}",
    "exception": "raise ValueError(secret)",
    "further metric": "return {'right': outputs == ground_truth, secret: 1.0}",
}


@pytest.mark.parametrize("trick", EVALUATORS.values(), ids=list(EVALUATORS))
def test_what_an_evaluator_says_is_told_without_it(scene: Scene, trick: str) -> None:
    code = f"\n{SPEAK}\ndef grade(outputs, inputs, ground_truth):\n    {trick}\n"
    scene.app()
    scene.project.write("app.py", (scene.workspace / "app.py").read_text() + code)
    thresholds = {"exact": {"min": 0.5}, "errors": {"max": 1}}
    scene.config(
        {"evaluators": ["app:exact", "app:grade"], "thresholds": thresholds}, **{"pass-env": ["MODEL_API_KEY"]}
    )
    after = scene.gate().holds(0, finished=12)
    assert "***" in (scene.workspace / REPORT / "run.jsonl").read_text()
    assert outcome(after, 0)["scores"]["exact"] is True


def test_a_metric_that_is_called_like_a_secret_is_missing_then(scene: Scene) -> None:
    # The name is not in honeyhive.yml as the secret has it: a redacted metric may never be judged as another one.
    scene.project.write(
        "app.py",
        "import os\nsecret = os.environ['MODEL_API_KEY']\ndef double(inputs): return 2 * inputs['number']\n"
        "def exact(outputs): return {secret: True}\n",
    )
    scene.gate().holds(1, "exact", finished=12)


def test_spans_hold_none(scene: Scene) -> None:
    scene.app(
        f"{SPEAK}from honeyhive import enrich_span, trace\n"
        "@trace\ndef ask(prompt):\n    enrich_span(metadata={'key': secret, secret: 1})\n    return [prompt]\n"
        "ask(f'Authorization: {secret}')",
        at=5,
    )
    scene.gate().holds(0, finished=12)
    assert "Authorization: ***" in (scene.workspace / REPORT / "run.spans.jsonl").read_text(encoding="utf-8")


def test_code_that_writes_the_run_file_itself_is_not_believed_and_not_repeated(scene: Scene) -> None:
    scene.app(f"{SPEAK}Path('{REPORT}/run.jsonl').open('a').write('no JSON: ' + secret + chr(10))", at=5)
    scene.gate().holds(3)
    assert "no JSON: ***" in (scene.workspace / REPORT / "run.jsonl").read_text(encoding="utf-8")


def test_code_that_cannot_be_imported_says_why_without_it(scene: Scene) -> None:
    scene.project.write("app.py", "import os\nraise RuntimeError('no account for ' + os.environ['MODEL_API_KEY'])\n")
    after = scene.gate()
    assert after.exit_code == 2
    assert after.leaks() == []
    assert "no account for ***" in after.error
    assert "RuntimeError: no account for ***\n" in after.output
    assert "no account for" in after.told("GITHUB_STEP_SUMMARY")


def test_a_run_that_dies_keeps_what_was_finished_without_it(scene: Scene) -> None:
    scene.app(f"{SPEAK}if number == 7: os._exit(1)\nreturn secret")
    after = scene.gate().holds(3, finished=7)
    assert {one["output"] for one in after.outcomes()} == {"***"}


def test_a_run_that_is_cancelled_keeps_what_was_finished_without_it(scene: Scene) -> None:
    scene.app(f"{SPEAK}if number == 7: threading.Event().wait()\nreturn secret")
    run = scene.workspace / REPORT / "run.jsonl"
    going = scene.start("gate")
    after = scene.signalled(going, signal.SIGTERM, when=lambda: run.is_file() and run.read_bytes().count(b"\n") > 7)
    after.holds(143, "7 of 12", finished=7)
    assert {one["output"] for one in after.outcomes()} == {"***"}


def test_a_gate_that_is_killed_on_the_spot_leaves_what_was_finished_without_it(scene: Scene) -> None:
    # Nobody is left to clean up: the secret was never written, nor that of a variable whose name tells nothing.
    scene.env["ACCESS"] = "Zx81-Kd72-plain"
    scene.secrets = (*scene.secrets, scene.env["ACCESS"])
    scene.config(**{"pass-env": ["MODEL_API_KEY", "ACCESS"]})
    hangs = "if number == 7: threading.Event().wait()"
    scene.app(f"{SPEAK}{hangs}\nreturn {{'keys': [secret, os.environ['ACCESS']], 'split': '\\n'.join(secret)}}")
    run = scene.workspace / REPORT / "run.jsonl"
    going = scene.start("gate")
    after = scene.signalled(going, signal.SIGKILL, when=lambda: run.is_file() and run.read_bytes().count(b"\n") > 7)
    assert after.exit_code == -signal.SIGKILL
    assert [one["output"] for one in after.outcomes()] == [{"keys": ["***", "***"], "split": "***"}] * 7
    assert after.leaks() == []


def test_a_run_that_cannot_be_cleaned_before_a_runner_kills_is_no_part_of_the_report(scene: Scene) -> None:
    # Each line takes a good part of a second, and all of them much longer than a job has that is cancelled.
    scene.rows({"id": f"n{n}", "inputs": {"number": n}, "ground_truth": 2 * n} for n in range(200))
    scene.app(f"{SPEAK}return (''.join(f'%{{byte:02x}}' for byte in secret.encode()) + ' ') * 1500")
    report, put_away = scene.workspace / REPORT, scene.workspace / ".honeyhive" / "unclean"
    going = scene.start("gate")
    after = scene.signalled(going, signal.SIGTERM, when=lambda: any(report.glob(".run.jsonl.*")))
    assert put_away.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in put_away.iterdir()} == {"doubling.run.jsonl", "doubling.run.spans.jsonl"}
    shutil.rmtree(put_away)  # it is the one place that may hold it
    after.holds(143, "0 of 200")
    assert "no time to take the secrets out of its run: it lies in .honeyhive/unclean" in after.output
    assert after.seconds < 10
    assert after.verdict == "broken"
    assert "stopped by SIGTERM" in after.file("comment.md")
    assert {path.name for path in report.iterdir()} == {"comment.md", "comparison.json", "report.json"}


# --- what else the job knows -----------------------------------------------------------------------------------------


def test_the_base_that_is_run_again_tells_none(scene: Scene) -> None:
    scene.config({"baseline": "rerun"}, **{"pass-env": ["MODEL_API_KEY"]})
    scene.app(f"{SPEAK}print('>>', secret)\nif number == 3: return secret")
    scene.project.commit("Tell the key")
    scene.project.write("more.txt", "more")
    scene.project.commit("More")
    scene.gate()
    after = scene.gate()
    assert after.leaks() == []
    assert ">> ***" in after.output


def test_what_is_kept_for_the_next_gates_has_none(scene: Scene) -> None:
    scene.config({"baseline": "auto"}, store="file:kept", **{"pass-env": ["MODEL_API_KEY"]})
    scene.app(f"{SPEAK}return secret", at=5)
    scene.project.commit("Answer with the key")
    scene.gate().holds(0, "saved in file:kept", finished=12)
    assert any(path.is_file() for path in (scene.workspace / "kept").rglob("*"))


def test_what_is_sent_to_honeyhive_has_none(scene: Scene) -> None:
    with PlatformServer(key=KEY) as platform:
        scene.env |= {"HH_API_KEY": KEY, "HH_API_URL": platform.url}
        scene.secrets = (*scene.secrets, KEY)
        scene.elsewhere = lambda: [
            ("HoneyHive", json.dumps([one.path, one.body], ensure_ascii=False, default=str))
            for one in platform.requests
        ]
        scene.app(
            f"{SPEAK}from honeyhive import enrich_span\nenrich_span(metadata={{'key': secret}})\nreturn secret", at=5
        )
        scene.gate().holds(0, "12 of 12 sessions are on HoneyHive", finished=12)
        assert any("***" in json.dumps(one.body, default=str) for one in platform.requests)


@pytest.fixture
def echoing() -> Iterator[Loopback]:
    """A server that refuses everything, and says to whom."""
    server = Loopback()
    yield server
    server.close()


ECHOED = {
    "as it is": KEY,
    "as JSON": json.dumps(KEY),
    "in base64": base64.b64encode(f"user:{KEY}".encode()).decode(),
}


@pytest.mark.parametrize("said", ECHOED.values(), ids=list(ECHOED))
def test_a_platform_that_gives_the_key_back_is_not_quoted_with_it(scene: Scene, echoing: Loopback, said: str) -> None:
    echoing.usual = Reply(status=400, body=f"no account for {said}".encode())
    scene.env |= {"HH_API_KEY": KEY, "HH_API_URL": echoing.url}
    scene.secrets = (*scene.secrets, KEY)
    scene.gate().holds(0, "no account for", finished=12)


@pytest.mark.parametrize(
    "said", [TOKEN, base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()], ids=["raw", "64"]
)
def test_github_that_gives_the_token_back_is_not_quoted_with_it(scene: Scene, echoing: Loopback, said: str) -> None:
    echoing.usual = Reply(status=422, body=json.dumps({"message": f"no such token: {said}"}).encode())
    scene.env["GITHUB_API_URL"] = echoing.url
    scene.inputs["check-run"] = "gate"
    scene.gate().holds(0, "no such token: ", finished=12)


def test_a_token_in_the_checkouts_configuration_is_not_repeated(scene: Scene) -> None:
    scene.secrets = (*scene.secrets, OTHER)
    header = base64.b64encode(f"x-access-token:{OTHER}".encode()).decode()
    scene.project.git("remote", "add", "origin", f"https://bee:{OTHER}@github.com/honey/bees.git")
    scene.project.git("config", "http.https://github.com/.extraheader", f"AUTHORIZATION: basic {header}")
    scene.app("print('>> ' + Path('.git/config').read_text())\nreturn Path('.git/config').read_text()", at=5)
    after = scene.gate()
    (scene.workspace / ".git" / "config").write_text("")  # it is the checkout's, and was there before
    after.holds(0, "bee:***@github.com", finished=12)


def test_a_dataset_that_is_called_like_a_token(scene: Scene) -> None:
    (scene.workspace / "honeyhive.yml").unlink()
    scene.inputs |= {"function": "app:double", "dataset": f"{TOKEN}.jsonl", "evaluators": "app:exact"}
    scene.inputs |= {"thresholds": "exact: {min: 0.5}", "baseline": "none"}
    scene.gate().holds(2, "***.jsonl")


def test_a_dataset_with_a_secret_in_it_is_refused_by_what_it_would_tell(scene: Scene) -> None:
    rows = [{"id": f"n{n}", "inputs": {"number": n}, "ground_truth": 2 * n} for n in range(12)]
    rows[3]["inputs"] = {"number": 3, "key": "known-to-everybody"}
    scene.rows(rows)
    scene.env["MODEL_API_KEY"] = "known-to-everybody"
    scene.secrets = scene.secrets[:-1]
    scene.gate().holds(2, "numbers.jsonl:4: holds a secret of this job, the value of MODEL_API_KEY", "..._NAME")


def test_a_metric_of_honeyhive_yml_that_counts_as_a_secret_is_refused_with_the_variables_name(scene: Scene) -> None:
    scene.env["SORT_KEY"] = "exact_match"
    scene.config({"thresholds": {"exact_match": {"min": 0.5}}})
    scene.gate().holds(2, "a name in it is a secret of this job, the value of SORT_KEY", "..._NAME")


def test_ordinary_words_are_no_secrets(scene: Scene) -> None:
    # A database for the tests, a key to sort by, a variant of the prompt, and what everybody is given.
    code = "def accuracy(outputs, ground_truth): return {'accuracy': outputs['postgres'] == ground_truth}\n"
    trick = "return {'postgres': 2 * number, 'ground_truth': os.environ['GITHUB_SHA'], 'baseline': 'baseline'}"
    scene.app(trick)
    scene.project.write("app.py", (scene.workspace / "app.py").read_text() + code)
    scene.env |= {"POSTGRES_PASSWORD": "postgres", "DATABASE_URL": "postgres://postgres:postgres@localhost/bees"}
    scene.env |= {"SORT_KEY": "accuracy", "PROMPT_VARIANT": "baseline", "MODE_KEY": "ground_truth"}
    given = ["POSTGRES_PASSWORD", "DATABASE_URL", "PROMPT_VARIANT", "MODE_KEY", "GITHUB_SHA"]
    scene.config({"evaluators": ["app:accuracy"], "thresholds": {"accuracy": {"min": 0.5}}}, **{"pass-env": given})
    after = scene.gate().holds(0, finished=12)
    assert "***" not in after.file("run.jsonl") + after.file("report.json") + after.told("GITHUB_OUTPUT")


def test_a_change_that_takes_a_secret_out_of_the_dataset_passes(tmp_path: Path) -> None:
    # The base still has it: its row would be run as the base has it, and would be another one without the secret.
    rows = [{"id": f"n{n}", "inputs": {"number": n}, "ground_truth": 2 * n} for n in range(12)]
    before = [*rows, {"id": "old", "inputs": {"number": 12, "key": PASSED}, "ground_truth": 24}]
    files = [{"numbers.jsonl": "".join(f"{json.dumps(row)}\n" for row in some)} for some in (before, rows)]
    shown = {"baseline": "none", "thresholds": {"exact": {"min": 0.5}}}
    with empty_repository(tmp_path) as bees:
        bees.commit("Begin", app(60), files[0], config(shown, **{"pass-env": ["MODEL_API_KEY"]}))
        bees.propose(2, files[1])
        after = told(bees, bees.pull_request(2, token=bees.server.token(permissions=COMMENT)))
        after.holds(0, "this change is run without 1 row of `numbers.jsonl` of main: a secret", finished=12)
        assert len(after.outcomes()) == 12


def test_a_proxys_password_is_not_repeated(scene: Scene) -> None:
    scene.secrets = (*scene.secrets, "hunter2-hunter2")
    scene.env["HTTPS_PROXY"] = "http://bee:hunter2-hunter2@127.0.0.1:9"
    scene.app("print('>>', os.environ['HTTPS_PROXY'])", at=5)
    scene.gate().holds(0, "http://bee:***@127.0.0.1:9", finished=12)


def test_a_secret_of_several_lines_is_not_told_line_by_line(scene: Scene) -> None:
    scene.env["SIGNING_KEY"] = PEM
    scene.secrets = (*scene.secrets, *PEM.split("\n")[1:3])
    scene.config(**{"pass-env": ["SIGNING_KEY"]})
    scene.app("print(os.environ['SIGNING_KEY'])\nreturn os.environ['SIGNING_KEY'].splitlines()[1]", at=5)
    after = scene.gate().holds(0, finished=12)
    assert set(PEM.strip().split("\n")) <= set(after.heard.masks)


def test_a_key_in_json_is_a_secret_of_its_own(scene: Scene) -> None:
    scene.env["ACCOUNT"] = json.dumps({"type": "service_account", "private_key": f"{PEM}", "region": "eu-west-17"})
    scene.secrets = (*scene.secrets, *PEM.split("\n")[1:3])
    scene.config(**{"pass-env": ["ACCOUNT"]})
    scene.app("print('>>', json.loads(os.environ['ACCOUNT'])['private_key'])\nprint('>> eu-west-17')", at=5)
    scene.gate().holds(0, ">> eu-west-17", finished=12)


def test_what_is_plainly_no_secret_is_shown(scene: Scene) -> None:
    scene.env |= {"OPENAI_MODEL": "gpt-4o-mini-2024", "MODEL_URL": "https://models.example/v1"}
    scene.config(**{"pass-env": ["OPENAI_MODEL", "MODEL_URL"]})
    scene.app("print('>>', os.environ['OPENAI_MODEL'], os.environ['MODEL_URL'])", at=5)
    scene.gate().holds(0, ">> gpt-4o-mini-2024 https://models.example/v1", finished=12)


def test_the_jobs_tokens_reach_the_code_under_no_name(scene: Scene) -> None:
    runtime = scene.environment()["ACTIONS_RUNTIME_TOKEN"]
    scene.env |= {"COPY": TOKEN, "REMOTE": f"https://x:{TOKEN}@github.com/honey/bees", "RUNTIME": f"Bearer {runtime}"}
    scene.env["BASIC"] = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    scene.config(**{"pass-env": ["COPY", "REMOTE", "RUNTIME", "BASIC", "MODEL_API_KEY"]})
    scene.app("print('>> has', *sorted({'COPY', 'REMOTE', 'RUNTIME', 'BASIC', 'MODEL_API_KEY'} & {*os.environ}))", at=5)
    scene.gate().holds(0, ">> has MODEL_API_KEY\n", finished=12)


# --- our own words ---------------------------------------------------------------------------------------------------


def test_the_runner_is_told_what_to_mask_before_anything_else(scene: Scene) -> None:
    after = scene.gate().holds(0, finished=12)
    here = {value for name, value in scene.environment().items() if name.endswith(("TOKEN", "_KEY"))}
    assert here >= {TOKEN, PASSED}
    assert here - {""} <= set(after.heard.masks)
    first = [line for line in after.output.splitlines() if TOKEN in line]
    assert first == [f"::add-mask::{TOKEN}"]
    before = after.output[: after.output.index(f"::add-mask::{TOKEN}")]
    assert all(line.startswith("::add-mask::") for line in before.splitlines())


UNHEARD: dict[str, dict[str, str]] = {
    "a log that is a file": {},
    "a machine without a runner": {"GITHUB_ACTIONS": ""},
    "a script whose log goes through tee": {"INPUT_GITHUB-TOKEN": "", "GITHUB_TOKEN": TOKEN},
}


@pytest.mark.parametrize("where", UNHEARD)
def test_where_no_runner_listens_nothing_is_said_to_it(scene: Scene, where: str, tmp_path: Path) -> None:
    env = {**scene.environment(), **UNHEARD[where]}
    env = {name: value for name, value in env.items() if value}
    command = [sys.executable, "-I", "-m", "honeyhive", "gate"]
    with (tmp_path / "log").open("w+b") as log:
        out = log if "file" in where else subprocess.PIPE
        done = subprocess.run(command, cwd=scene.workspace, env=env, stdout=out, stderr=subprocess.STDOUT, check=False)
        log.seek(0)
        said = log.read() if done.stdout is None else done.stdout
    assert done.returncode == 0, said
    assert b"PASSED" in said
    assert b"add-mask" not in said
    assert not [secret for secret in scene.secrets if secret.encode() in said]


def test_a_fault_of_ours_is_told_without_it(scene: Scene) -> None:
    # The folder for the report cannot be one: what Python says of it names the place.
    folder = scene.workspace / f"in-{TOKEN}"
    folder.mkdir()
    (folder / "honeyhive.yml").write_text((scene.workspace / "honeyhive.yml").read_text())
    scene.inputs["working-directory"] = folder.name
    scene.gate(RUNNER_DEBUG="1").holds(2, "***")


@pytest.mark.parametrize("flag", ["--github-token", "--api-key"])
def test_a_token_on_the_command_line_is_one_too(scene: Scene, flag: str) -> None:
    scene.secrets = (*scene.secrets, OTHER)
    scene.app(f"print('>>', {OTHER[:15]!r} + {OTHER[15:]!r})", at=5)
    scene.gate(flag, OTHER, HH_API_URL="http://127.0.0.1:9").holds(0, ">> ***", finished=12)


def test_publishing_masks_first_and_names_no_token(scene: Scene) -> None:
    after = scene.honeyhive("publish", f"in-{TOKEN}").holds(2)
    assert TOKEN in after.heard.masks
    assert after.output.startswith("::add-mask::")
    assert os.linesep in after.output


def test_the_comment_and_the_branch_of_the_runs_have_none(tmp_path: Path) -> None:
    shown = {"evaluators": ["app:exact"], "thresholds": {"exact": {"max-drop": 0.02}}}
    code = "import os\nsecret = os.environ['MODEL_API_KEY']\ndef exact(outputs): return 'right' in outputs\n"
    with empty_repository(tmp_path) as bees:
        right = f"{code}def double(inputs): return 'right ' + secret\n"
        bees.commit("Begin", {"app.py": right}, numbers(40), config(shown, **{"pass-env": ["MODEL_API_KEY"]}))
        told(bees, bees.push()).holds(0, "saved in git:", finished=40)
        bees.propose(2, {"app.py": right.replace("'right '", "'wrong '")})
        told(bees, bees.pull_request(2, token=bees.server.token(permissions=COMMENT))).holds(1, finished=40)
        assert "***" in bees.comment(2).replace("\\", "")
        kept = list((tmp_path / "github").rglob("*.git"))
        log = b"".join(
            subprocess.run(
                ["git", "-C", str(path), "log", "--all", "-p", "--text"], capture_output=True, check=True
            ).stdout
            for path in kept
        )
        assert b"doubling" in log
        assert PASSED.encode() not in log


def told(bees: Bees, job: Job) -> Aftermath:
    """What a job of the repository's leaves; its code is given the secret."""
    env = {"GITHUB_TOKEN": job.token, "MODEL_API_KEY": PASSED}
    inputs = {"github-token": job.token, **job.inputs}
    secrets = (job.token, PASSED)
    return Scene(runner=bees.machine(job), server=bees.server, inputs=inputs, env=env, secrets=secrets).gate()
