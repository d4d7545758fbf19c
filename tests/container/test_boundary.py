"""The process boundary in the image: user code as another user, who reaches neither token nor verdict."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from container.project import Project
from container.runner import SECRETS, Runner
from container.users import BEE, UID, app, owned_by_the_runner, owners, seen

HEADER = "AUTHORIZATION: basic eC1hY2Nlc3MtdG9rZW46Z2hzXzAxMjM0NTY3ODk="
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can give the workspace to the runner's user")


# --- who it is -------------------------------------------------------------------------------------------------------


def test_it_is_a_user_of_its_own_with_no_group_and_no_right_of_root(runner: Runner, project: Project) -> None:
    body = """
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
return {name: status[name].split() for name in ("Uid", "Gid", "Groups", "CapPrm", "CapEff", "NoNewPrivs")}
"""
    assert seen(runner, project, body) == {
        "Uid": [str(UID)] * 4,
        "Gid": [str(UID)] * 4,
        "Groups": [],
        "CapPrm": ["0" * 16],
        "CapEff": ["0" * 16],
        "NoNewPrivs": ["1"],
    }


def test_nothing_gives_it_the_rights_of_root_back(runner: Runner, project: Project) -> None:
    body = """
setuid = [path for folder in ("/usr/bin", "/usr/sbin") for path in Path(folder).iterdir()
          if path.is_file() and path.stat().st_mode & 0o4000 and path.stat().st_uid == 0]
said = [subprocess.run(["su", "root", "-c", "id -u"], stdin=-3, capture_output=True, text=True).stdout,
        subprocess.run("sudo -n id -u", shell=True, capture_output=True, text=True).stdout]
return [len(setuid) > 0, said, tried(os.setuid, 0), tried(os.setgroups, [0]), tried(os.chown, os.environ["HOME"], 0, 0)]
"""
    refused = "PermissionError"
    assert seen(runner, project, body) == [True, ["", ""], refused, refused, refused]


# --- what it reads ---------------------------------------------------------------------------------------------------


def test_it_reads_nothing_of_the_process_with_the_token(runner: Runner, project: Project) -> None:
    body = """
names = ("environ", "mem", "maps", "fd", "cwd", "root", "task/1/environ")
reads = {"fd": os.listdir, "cwd": os.readlink, "root": os.readlink}
return {name: tried(reads.get(name, lambda path: open(path).read(1)), f"/proc/1/{name}") for name in names}
"""
    assert set(seen(runner, project, body).values()) == {"PermissionError"}


def test_it_has_no_way_to_the_engine_whose_socket_a_runner_mounts(runner: Runner, project: Project) -> None:
    runner.folder.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as engine, contextlib.chdir(runner.folder):
        engine.bind("docker.sock")  # a relative name: a socket's may have 107 bytes
        Path("docker.sock").chmod(0o660)
        engine.listen()
        runner = replace(runner, options=("-v", f"{runner.folder}/docker.sock:/var/run/docker.sock"))
        body = 'import socket; return tried(socket.socket(socket.AF_UNIX).connect, "/var/run/docker.sock")'
        assert seen(runner, project, body) == "PermissionError"


def test_it_finds_no_secret_in_any_file_that_it_can_read(runner: Runner, project: Project) -> None:
    """The whole machine is looked through, the token that older checkouts leave in git's configuration among it."""
    temporary = runner.folder / "_temp" / "runner_temp"
    temporary.mkdir(parents=True)
    runner = Runner(**{**vars(runner), "options": ("-v", f"{temporary}:/github/runner_temp")})
    credentials = temporary / "git-credentials-1.config"
    credentials.write_text(f'[http "https://github.com/"]\n\textraheader = {HEADER}\n')
    project.git("config", "http.https://github.com/.extraheader", HEADER)
    included = "/github/runner_temp/git-credentials-1.config"
    project.git("config", "includeIf.gitdir:/github/workspace/.git.path", included)
    (runner.workspace / "other" / ".git").mkdir(parents=True)
    (runner.workspace / "other" / ".git" / "config").write_text(credentials.read_text())
    (runner.mounts["/github/home"]).mkdir(parents=True)
    (runner.mounts["/github/home"] / ".netrc").write_text(f"password {SECRETS['GITHUB_TOKEN']}\n")
    wanted = [*SECRETS.values(), HEADER]
    body = f"""
wanted = [bytes.fromhex(secret) for secret in {[secret.encode().hex() for secret in wanted]!r}]
found = []
for top, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(top, name) not in ("/usr", "/sys")]
    if top == "/proc":
        folders[:] = [name for name in folders if name.isdigit() and name != str(os.getpid())]
        files = []
    for name in files:
        path = os.path.join(top, name)
        try:
            with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
                content = stream.read(2**20) or b""
        except OSError:
            continue
        if any(secret in content for secret in wanted):
            found.append(path)
return found
"""
    (runner.workspace / ".gitignore").write_text("other/\n")
    assert seen(runner, project, body) == []
    header = project.lines()[0]
    assert header["git"]["commit_hash"] == project.git("rev-parse", "HEAD"), "the run knows its commit all the same"
    assert header["git"]["is_dirty"] is False
    assert project.git("config", "http.https://github.com/.extraheader") == HEADER
    for path, mode in ((credentials, 0o644), (project.folder / ".git" / "config", 0o644), (temporary, 0o755)):
        assert path.stat().st_mode & 0o777 == mode
        assert path.stat().st_uid == (BEE if path.is_relative_to(project.folder) else 0)


# --- what it writes --------------------------------------------------------------------------------------------------

WRITING = """
places = ["/github/workspace", "/github/workspace/.git", "/github/workspace/honeyhive-report", "/github/file_commands",
          "/github/home", "/github/workflow", "/opt/honeyhive", "/usr/local/lib", "/etc", "/"]
files = ["app.py", "numbers.jsonl", "honeyhive.yml", ".git/HEAD", "honeyhive-report/report.json"]
new = {place: tried(Path(place, "new").touch) for place in places}
old = {name: tried(Path("/github/workspace", name).open, "a") for name in files}
mine = {name: tried(Path(os.environ[name], "new").touch) for name in ("HOME", "TMPDIR")}
return [set(new.values()) | set(old.values()) <= {"PermissionError", "FileNotFoundError"}, {**new, **old}, mine]
"""


def test_it_writes_nowhere_but_in_a_home_and_a_scratch_of_its_own(runner: Runner, project: Project) -> None:
    refused, tried, mine = seen(runner, project, WRITING)
    assert refused, tried
    assert mine == {"HOME": "done", "TMPDIR": "done"}


def test_it_writes_where_the_user_lets_it_and_the_owner_has_it_afterwards(runner: Runner, project: Project) -> None:
    project.write("cache/kept.txt", "as it was\n")
    (project.folder / "cache" / "link").symlink_to("../app.py")
    os.link(project.folder / "honeyhive.yml", project.folder / "cache" / "twin.yml")
    body = """
Path("cache/deep/er").mkdir(parents=True)
Path("cache/deep/er/new.txt").write_text("mine")
Path("cache/kept.txt").write_text("changed")
Path("cache/setuid").write_text("")
Path("cache/setuid").chmod(0o4755)
os.symlink("/etc/passwd", "cache/passwd")
Path("made/by/us/new.txt").write_text("made")
return [tried(Path("cache", name).open, "a") for name in ("link", "twin.yml")]
"""
    assert seen(runner, project, body, writable="cache, made/by/us") == ["PermissionError", "PermissionError"]
    assert (project.folder / "cache" / "kept.txt").read_text() == "changed"
    assert (project.folder / "made" / "by" / "us" / "new.txt").read_text() == "made"
    assert owners(project.folder) == {BEE}
    assert not (project.folder / "cache" / "setuid").stat().st_mode & 0o4000


def test_what_it_may_write_is_not_reached_by_a_link(runner: Runner, project: Project) -> None:
    (project.folder / "cache").symlink_to(".git")
    project.change(app("return 1"))
    owned_by_the_runner(runner)
    step = runner.step({"baseline": "none", "limit": "1", "writable": "cache"})
    assert step.exit_code == 2, step.log
    assert "no link on the way there" in step.errors[0]
    assert owners(project.folder / ".git") == {BEE}


def test_the_report_belongs_to_the_owner_of_the_workspace(runner: Runner, project: Project) -> None:
    owned_by_the_runner(runner)
    step = runner.step({"baseline": "auto", "store": "file:.honeyhive/runs"})
    assert step.exit_code == 0, step.log
    assert owners(project.folder) == {BEE}
    assert (project.folder / ".honeyhive" / "runs").is_dir()


def test_a_gate_that_cannot_begin_leaves_nothing_of_root_either(runner: Runner, project: Project) -> None:
    owned_by_the_runner(runner)
    step = runner.step({"function": "no_such_module:f"})
    assert step.exit_code == 2, step.log
    assert owners(project.folder) == {BEE}


def test_the_code_of_the_base_is_run_again_by_it_too(runner: Runner, project: Project) -> None:
    project.change(app("return os.getuid()"))
    project.change(app("return [os.getuid()]"))
    owned_by_the_runner(runner)
    step = runner.step({"baseline": "rerun", "limit": "3", "thresholds": "exact: {max-drop: 0.9}"})
    assert step.exit_code == 0, step.log
    assert "running" in step.log
    assert [outcome["output"] for outcome in project.outcomes()] == [[UID]] * 3
    assert owners(project.folder) == {BEE}


def test_a_workspace_that_it_cannot_read_is_told_with_the_way_out(runner: Runner, project: Project) -> None:
    owned_by_the_runner(runner)
    project.folder.chmod(0o700)
    step = runner.step()
    assert step.exit_code == 2, step.log
    assert "your code cannot get at /github/workspace" in step.errors[0]
    assert "chmod -R o+rX" in step.errors[0]


def test_a_step_that_is_cancelled_leaves_what_was_finished_to_the_owner(runner: Runner, project: Project) -> None:
    project.change(app("time.sleep(0 if inputs['number'] < 5 else 60)\nreturn 1"))
    owned_by_the_runner(runner)
    process = runner.start({"max-workers": "1"}, {})
    began, run_file = time.monotonic(), project.folder / "honeyhive-report" / "run.jsonl"
    while not run_file.exists() or run_file.read_text().count("outcome") < 5:
        assert process.poll() is None
        assert time.monotonic() - began < 60
        time.sleep(0.1)
    runner.signal("TERM")
    step = runner.finish(process)
    assert step.exit_code == 143, step.log
    assert len(project.outcomes()) >= 5
    assert owners(project.folder) == {BEE}


# --- what it leaves running ------------------------------------------------------------------------------------------

DAEMONS = r"""
for ways in range(4):
    if os.fork() == 0:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if os.fork() == 0:
            late = open("cache/late", "a", buffering=1)
            while True:
                late.write(f"{time.time_ns()}\n")
                time.sleep(0.001)
                tried(os.kill, 1, signal.SIGTERM)
                tried(Path("honeyhive-report/report.json").write_text, "late")
        os._exit(0)
return 1
"""
BOMB = r"""
if os.fork() == 0:
    os.setsid()
    open("cache/late", "w").write(str(time.time_ns()))
    while True:
        try:
            os.fork()
        except OSError:
            pass
time.sleep(1)
return 1
"""
RABBIT = r"""
if os.fork() == 0:
    os.setsid()
    late = os.open("cache/late", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while True:
        if os.fork():
            os._exit(0)
        os.write(late, b"%d\n" % time.time_ns())
time.sleep(1)
return 1
"""


@pytest.mark.parametrize(
    "body",
    [DAEMONS, BOMB, RABBIT],
    ids=["daemons that are deaf to signals", "a fork bomb", "one that is another process every time"],
)
def test_nothing_of_it_lives_when_the_verdict_is_made(runner: Runner, project: Project, body: str) -> None:
    runner = Runner(**{**vars(runner), "options": ("--pids-limit", "600")})
    began = time.monotonic()
    project.change(app(body))
    owned_by_the_runner(runner)
    step = runner.step({"baseline": "none", "limit": "1", "writable": "cache"})
    assert time.monotonic() - began < 60
    assert step.exit_code == 0, step.log
    assert [line["type"] for line in project.lines()] == ["run", "outcome", "end"]
    report = project.folder / "honeyhive-report" / "report.json"
    assert json.loads(report.read_text())
    late = (project.folder / "cache" / "late").read_text().splitlines()
    assert max(int(line) for line in late if line) < report.stat().st_mtime_ns
