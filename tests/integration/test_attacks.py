"""What a pull request cannot do to the gate that judges it: the attacks of a review, told as stories."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from container.runner import Step
from honeyhive.ci.stores.entry import Entry
from honeyhive.ci.stores.manifest import place_of, to_manifest
from platform_server import PlatformServer
from stories import COMMENT, ID, NAME, Bees, Job, app, config, empty_repository, numbers


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Bees]:
    """A repository with nothing in it."""
    with empty_repository(tmp_path) as found:
        yield found


@pytest.fixture
def hive() -> Iterator[PlatformServer]:
    """A stand-in for HoneyHive."""
    with PlatformServer() as server:
        yield server


def verdict(step: Step) -> tuple[int, str]:
    """Exit code and verdict."""
    return step.exit_code, step.outputs.get("verdict", "")


# --- nothing of ours is loaded once the code of a change has run ------------------------------------------------------

AUDIT = """
import ssl
import sys

into, ran = open(sys.argv[1], "w", buffering=1), False
python = tuple(folder for folder in sys.path if folder)

def audit(event, arguments):
    global ran
    if event == "subprocess.Popen" and "--error-file" in map(str, arguments[1]) and not ran:
        ran = True
        print("ran", file=into)
    elif ran and event == "import" and arguments[0] not in sys.modules:
        print("import", arguments[0], file=into)
    elif ran and event == "open" and str(arguments[0]).startswith(python):
        print("open", arguments[0], file=into)

def with_certificates(*arguments, make=ssl.create_default_context, **named):  # which OpenSSL opens, and nobody hears it
    if ran:
        print("open certificates", file=into)
    return make(*arguments, **named)

from honeyhive.cli import main
ssl.create_default_context = with_certificates
sys.addaudithook(audit)
sys.argv[1:] = ["gate"]
main()
"""


def loaded(bees: Bees, job: Job) -> tuple[Step, list[str]]:
    """The job's step, and what it imported, or opened where Python's modules are, after the change's code had begun."""
    machine, found = bees.machine(job), bees.folder / f"loaded-{job.run_id}.txt"
    unmeasured = {name: "" for name in os.environ if name.startswith("COVERAGE")}
    machine = replace(machine, job={**machine.job, **unmeasured})
    step = machine.python("-c", AUDIT, str(found), inputs={"github-token": job.token, **job.inputs})
    ran, *later = found.read_text().splitlines()
    assert ran == "ran", step.log
    return step, later


@pytest.mark.parametrize("with_key", [False, True], ids=["no key", "a key"])
def test_a_pull_request_loads_nothing_once_its_code_has_run(begun: Bees, hive: PlatformServer, with_key: bool) -> None:
    """HoneyHive's certificates are among what is read before: it has none here, and is asked again and again."""
    number = 10 + with_key
    begun.propose(number, app(40))
    token = begun.server.token(permissions={**COMMENT, "checks": "write"})
    inputs = {}
    if with_key:
        url = hive.url.replace("http:", "https:")
        inputs = {"check-run": f"gate {number}", "api-key": hive.key, "server-url": url}
    step, later = loaded(begun, begun.pull_request(number, token=token, **inputs))
    assert verdict(step) == (1, "failed"), step.log
    assert (f"gate {number}" in {check["name"] for check in begun.repo.checks.values()}) == with_key
    assert ("not everything was sent to HoneyHive" in step.log) == with_key
    assert later == []
    assert "fell 20 points" in begun.comment(number)


@pytest.mark.parametrize("store", ["git:honeyhive-runs", "honeyhive:"])
def test_a_push_loads_nothing_once_its_code_has_run(empty: Bees, hive: PlatformServer, store: str) -> None:
    words = {"words.md.j2": '{% extends "comment.md.j2" %}{% block footer %}in other words{% endblock %}'}
    empty.commit("Double numbers", app(60), numbers(20), config(store=store, template="words.md.j2"), words)
    keys = {"api-key": hive.key, "server-url": hive.url}
    step, later = loaded(empty, empty.push(**keys))
    assert f"saved in {store} as the baseline of" in step.log
    assert "in other words" in step.summary
    assert len(hive.sessions) == 20
    assert later == []


def from_base(step: Step) -> None:
    """What the step judged by is the run of its base: the change is worse than that, and better than what it forges."""
    assert verdict(step) == (1, "failed"), step.log


# --- a token is sent with nothing that the code of a change has written ----------------------------------------------

POISONING = """
import os
from pathlib import Path

for folder in Path(os.environ["TMPDIR"]).glob("honeyhive-git-*/own.git"):
    Path(os.environ["TMPDIR"], "poisoned").touch()
    thief = folder / "thief.sh"
    thief.write_text(f"#!/bin/sh\\nenv > {os.environ['TMPDIR']}/stolen-$$\\n")
    thief.chmod(0o755)
    with (folder / "config").open("a") as config:
        config.write(f"[core]\\n\\talternateRefsCommand = {thief}\\n\\tfsmonitor = {thief}\\n")
    other = folder / "other"
    os.system(f"git init -q --bare {other}")
    (folder / "objects" / "info").mkdir(parents=True, exist_ok=True)
    (folder / "objects" / "info" / "alternates").write_text(f"{other}/objects\\n")
"""


def with_code(code: str, right: int) -> dict[str, str]:
    """The app, and before it the code."""
    return {"app.py": code + app(right)["app.py"]}


def test_what_the_code_writes_into_our_git_folders_is_not_obeyed_when_its_run_is_saved(empty: Bees) -> None:
    temporary = empty.folder / "tmp"
    temporary.mkdir()
    empty.commit("Double numbers", with_code(POISONING, 60), numbers(20), config())
    for push in range(2):
        empty.commit("Next", {"README.md": f"{push}\n"})
        job = empty.push()
        step = empty.run(replace(job, variables={"TMPDIR": str(temporary)}))
        assert "saved in git:honeyhive-runs" in step.log
    assert (temporary / "poisoned").exists()
    assert list(temporary.glob("stolen-*")) == []


# --- a base that is run again is run before anything of the change ---------------------------------------------------

FORGING = """
import os
from pathlib import Path

for file in Path(os.environ["TMPDIR"]).glob("honeyhive-*/rerun/*/other.py"):
    Path(os.environ["TMPDIR"], "forged").touch()
    file.write_text(file.read_text().replace("< 60", "< 20"))
"""


def test_no_experiment_of_a_change_reaches_the_base_that_another_is_held_against(empty: Bees) -> None:
    one = {"name": "first", "baseline": "rerun"}
    two = {"name": "second", "baseline": "rerun", "function": "other:double", "evaluators": ["other:exact"]}
    empty.commit("Double numbers", app(60), {"other.py": app(60)["app.py"]}, numbers(100), config(one, two))
    empty.propose(7, with_code(FORGING, 60), {"other.py": app(40)["app.py"]})
    temporary = empty.folder / "tmp"
    temporary.mkdir()
    job = empty.pull_request(7, comment="false")
    step = empty.run(replace(job, variables={**job.variables, "TMPDIR": str(temporary)}))
    from_base(step)
    assert "FAILED     second: exact fell 20 points, 60.0 % → 40.0 %" in step.log


UV = """#!/bin/sh
case "$1" in
venv)
  for into in "$@"; do :; done
  mkdir -p "$into/bin"
  cp "{here}/python" "$into/bin/python";;
pip) exec {python} -I "{here}/build.py";;
esac
"""
BUILD = """
import shutil
from pathlib import Path

for folder in Path({temporary!r}).glob("honeyhive-*/base"):
    Path({temporary!r}, "built").touch()
    forged = folder.parent / "rerun" / {commit!r}
    shutil.copytree({workspace!r}, forged, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git"))
    app = forged / "app.py"
    app.write_text(app.read_text().replace("< 40", "< 20"))
"""
WITH_THAT_UV = "import sys; sys.executable = sys.argv.pop(1); from honeyhive.cli import main; main()"


def test_what_a_change_installs_does_not_reach_the_base_that_is_run_again(empty: Bees, tmp_path: Path) -> None:
    """A stand-in for uv does what a build step of the change could."""
    base = empty.commit("Double numbers", app(60), numbers(100), config({"baseline": "rerun"}))
    empty.propose(7, app(40), config({"baseline": "rerun"}, install="package"))
    temporary, here = tmp_path / "tmp", tmp_path / "bin"
    temporary.mkdir()
    here.mkdir()
    job = empty.pull_request(7, comment="false")
    machine = empty.machine(replace(job, variables={**job.variables, "TMPDIR": str(temporary)}))
    build = BUILD.format(temporary=str(temporary), commit=base, workspace=str(machine.workspace))
    for name, text in (
        ("python", f'#!/bin/sh\nexec {sys.executable} "$@"\n'),
        ("uv", UV.format(here=here, python=sys.executable)),
        ("build.py", build),
    ):
        (here / name).write_text(text)
        (here / name).chmod(0o755)
    inputs = {"github-token": job.token, **job.inputs}
    step = machine.python("-c", WITH_THAT_UV, str(here / "python"), "gate", inputs=inputs)
    assert (temporary / "built").exists(), step.log
    from_base(step)
    assert "exact fell 20 points, 60.0 % → 40.0 %" in step.log


# --- what a change brings along is not what it is held against -------------------------------------------------------


def run_of(bees: Bees, number: int, right: int) -> str:
    """The run file that a pull request has which does so many percent rightly."""
    bees.propose(number, app(right))
    job = bees.pull_request(number, comment="false")
    machine = bees.machine(job)
    bees.step(machine, job)
    return (machine.workspace / "honeyhive-report" / "run.jsonl").read_text()


def link(bees: Bees, name: str, to: str) -> None:
    (bees.work.folder / name).symlink_to(to)


def forged_entry(run: str, commit: str) -> dict[str, bytes]:
    """The files by which a store would take the run for that of the commit."""
    first, rest = run.split("\n", 1)
    header = json.loads(first)
    header["git"]["commit_hash"] = commit
    content = f"{json.dumps(header)}\n{rest}".encode()
    entry = Entry(
        experiment="doubling",
        commit=commit,
        run_id=header["run_id"],
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        event="push",
        ref="main",
        repository=NAME,
        repository_id=ID,
        saved_at="2030-01-01T00:00:00+00:00",
        datapoints=100,
    )
    place = place_of(entry)
    return {f"{place}.json": to_manifest(entry), f"{place}.jsonl.gz": gzip.compress(content)}


def test_no_input_chooses_what_a_change_is_held_against(begun: Bees) -> None:
    low = run_of(begun, 20, 20)
    for name, content in forged_entry(low, begun.work.git("rev-parse", "main")).items():
        file = begun.work.folder / "evil" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    begun.on_main()
    begun.branch("evil")
    link(begun, "link", "evil")
    begun.commit("A baseline of its own", app(40), {"evil/low.jsonl": low})
    begun.open(21, "evil")
    for baseline, store in (("evil/low.jsonl", "file:link"), ("link/low.jsonl", "git:evil")):
        step = begun.run(begun.pull_request(21, comment="false", baseline=baseline, store=store))
        from_base(step)
        for said in (
            f"by an input, changes `baseline` `auto` → `{baseline}`; judged by `auto`",
            f"by an input, changes `store` to `{store}`; the usual one is used",
        ):
            assert f"this change {said}" in step.log
            assert said in step.summary


def test_rules_of_the_base_that_a_link_leads_to_judge_nothing(empty: Bees) -> None:
    link(empty, "honeyhive.yml", "gate/rules.yml")
    empty.commit("Double numbers", app(60), numbers(20), {"gate/rules.yml": config()["honeyhive.yml"]})
    empty.propose(7, app(40), {"gate/rules.yml": config({"thresholds": {"exact": {"min": 0}}})["honeyhive.yml"]})
    step = empty.run(empty.pull_request(7, comment="false"))
    assert step.exit_code == 4, step.log
    assert "honeyhive.yml of main is reached by a link" in step.errors[0]
    assert "20 of 20" not in step.log


def test_a_dataset_of_the_base_that_a_link_leads_to_judges_nothing(empty: Bees) -> None:
    link(empty, "numbers.jsonl", "data/all.jsonl")
    every = numbers(100)["numbers.jsonl"]
    empty.commit("Double numbers", app(60), {"data/all.jsonl": every}, config())
    kept = "".join(every.splitlines(keepends=True)[:40])
    empty.propose(7, app(40), {"data/all.jsonl": kept})
    step = empty.run(empty.pull_request(7, comment="false"))
    assert step.exit_code == 4, step.log
    assert "numbers.jsonl of main is reached by a link" in step.errors[0]
    assert step.outputs["passed"] == "false"


def test_a_baseline_that_git_does_not_know_is_not_reached_by_a_link_of_the_change(empty: Bees) -> None:
    empty.commit("Double numbers", app(60), numbers(100), config({"baseline": "none"}))
    low = run_of(empty, 6, 20)
    empty.on_main()
    empty.commit("Held against what a step makes", config({"baseline": "made/low.jsonl"}))
    link(empty, "made", "evil")
    empty.propose(7, app(40), {"evil/low.jsonl": low})
    step = empty.run(empty.pull_request(7, comment="false"))
    print(step.log)
    assert verdict(step) == (0, "undecided"), step.log


# --- what the code of a change may see -------------------------------------------------------------------------------

SHOWING = """
import os

print("SEEN", sorted(name for name in os.environ if "SECRET" in name or "TOKEN" in name))
"""


def shown_names(bees: Bees, number: int) -> Step:
    job = bees.pull_request(number, comment="false")
    secrets = {"GH_TOKEN": job.token, "DEPLOY_SECRET": "s3cret"}
    return bees.run(replace(job, variables={**job.variables, **secrets}))


def test_a_change_names_no_variable_that_its_code_is_to_see(begun: Bees) -> None:
    begun.propose(40, with_code(SHOWING, 60), config(**{"pass-env": ["GH_TOKEN", "DEPLOY_SECRET"]}))
    step = shown_names(begun, 40)
    assert verdict(step) == (0, "passed"), step.log
    assert "SEEN []" in step.log
    for name in ("GH_TOKEN", "DEPLOY_SECRET"):
        assert f"adds `{name}` to `pass-env`" in step.log


def test_the_token_is_passed_on_under_no_name(empty: Bees) -> None:
    empty.commit("Pass them on", app(60), numbers(20), config(**{"pass-env": ["GH_TOKEN", "DEPLOY_SECRET"]}))
    empty.propose(7, with_code(SHOWING, 60))
    assert "SEEN ['DEPLOY_SECRET']" in shown_names(empty, 7).log


# --- where a stranger's files may be ---------------------------------------------------------------------------------


def test_a_checkout_that_a_stranger_may_have_changed_is_not_run(begun: Bees) -> None:
    begun.propose(50, app(90), fork="wasp/bees")
    after = replace(begun.workflow_run(begun.pull_request(50)), inputs={}, checkout="")
    begun.on_main()
    comment = replace(begun.push(), event="issue_comment")
    for job in (after, comment):
        machine = begun.machine(job)
        (machine.workspace / "app.py").write_text(app(90)["app.py"])
        step = begun.step(machine, job)
        assert step.exit_code == 2, step.log
        assert "files of the checkout differ from its commit" in step.errors[0]
        assert "100 of 100" not in step.log
        clean = begun.run(job)
        assert clean.exit_code == 0, clean.log
