"""A command with all that it starts: heard line by line, and ended to the last of them. Real processes throughout."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType

import psutil
import pytest

from honeyhive.ci.config import ExperimentConfig
from honeyhive.ci.edge import Edge
from honeyhive.ci.processes import ProcessTree, run_to_end
from honeyhive.ci.settings import Settings, load_settings
from honeyhive.ci.worker import PASSED_ON, child_environment, run_in_child
from projects import PATIENCE, SECRETS, Project, new_project

PR_CAPBSET_DROP = 24
SLEEP = "import time; time.sleep(1000)"


def run(code: str, folder: Path, *, limit: float | None = PATIENCE, **environment: str) -> tuple[int | None, list[str]]:
    """Run Python code as the command: its exit code, and the lines that were heard."""
    heard: list[str] = []
    exit_code = run_to_end(
        [sys.executable, "-I", "-c", code],
        environment=environment,
        directory=folder,
        time_limit=limit,
        echo=heard.append,
    )
    return exit_code, heard


def drop(capabilities: Iterable[int]) -> None:
    """Take rights of root away from whatever this process becomes."""
    for capability in capabilities:
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def without_the_right_to_kill() -> None:
    drop([5])


def is_running(pid: int) -> bool:
    """A zombie that nobody has waited for yet has ended too."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def running_children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True) if is_running(child.pid)}


# --- how it ends -----------------------------------------------------------------------------------------------------


def test_the_exit_code_is_the_commands_own(tmp_path: Path) -> None:
    assert run("", tmp_path) == (0, [])
    assert run("raise SystemExit(7)", tmp_path) == (7, [])


def test_a_signal_is_a_negative_exit_code(tmp_path: Path) -> None:
    assert run("import os; os.kill(os.getpid(), 9)", tmp_path) == (-9, [])


def test_a_command_whose_time_runs_out_is_ended(tmp_path: Path) -> None:
    code = f"import os; open('pid', 'w').write(str(os.getpid())); {SLEEP}"
    assert run(code, tmp_path, limit=0.5)[0] is None
    if (tmp_path / "pid").exists():  # it may not have come that far
        assert not is_running(int((tmp_path / "pid").read_text()))


def test_a_command_that_is_asked_to_end_may_put_its_things_in_order(tmp_path: Path) -> None:
    code = f"""
import signal
from pathlib import Path
def leave(*_):
    Path("left").touch()
    raise SystemExit
signal.signal(signal.SIGTERM, leave)
print("ready", flush=True)
{SLEEP}
"""
    tree = ProcessTree([sys.executable, "-c", code], environment=os.environ, directory=tmp_path)
    with os.fdopen(os.dup(tree.output)) as output:
        assert output.readline() == "ready\n"
    tree.stop()
    assert tree.wait(PATIENCE) == 0
    tree.end()
    tree.close()
    assert (tmp_path / "left").exists()


class Interrupted(Exception):  # noqa: N818 - what a signal is made into
    pass


@pytest.fixture
def interrupting() -> Iterator[None]:
    """SIGUSR1 raises `Interrupted` in this process."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, interrupt)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("interrupting")
def test_on_an_exception_the_command_is_ended_first(tmp_path: Path) -> None:
    pids: list[int] = []

    def hear(line: str) -> None:
        pids.append(int(line))
        os.kill(os.getpid(), signal.SIGUSR1)

    code = f"import os; print(os.getpid(), flush=True); {SLEEP}"
    with pytest.raises(Interrupted):
        run_to_end([sys.executable, "-c", code], environment=os.environ, directory=tmp_path, time_limit=None, echo=hear)
    assert not is_running(pids[0])


# --- what it leaves behind -------------------------------------------------------------------------------------------

SETSID = """
import subprocess
subprocess.Popen(["sh", "-c", "echo $$ > pid.new; mv pid.new pid; exec sleep 1000"], start_new_session=True,
                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
"""
DOUBLE_FORK = """
import os, time
from pathlib import Path
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 64)
        Path("pid.new").write_text(str(os.getpid()))
        Path("pid.new").rename("pid")
        time.sleep(1000)
    os._exit(0)
os.wait()
"""
NOHUP = """
import subprocess
subprocess.run("(nohup sh -c 'echo $$ > pid.new; mv pid.new pid; exec sleep 1000' >/dev/null 2>&1 &)", shell=True)
"""
STUBBORN = """
import os, signal, time
from pathlib import Path
if os.fork() == 0:
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    Path("pid.new").write_text(str(os.getpid()))
    Path("pid.new").rename("pid")
    time.sleep(1000)
"""
SPAWNING = """
import os, time
from pathlib import Path
if os.fork() == 0:
    os.setsid()
    while True:
        if os.fork():
            os._exit(0)
        Path("pid.new").write_text(str(os.getpid()))
        Path("pid.new").rename("pid")
"""
WAIT = """
import time
from pathlib import Path
while not Path("pid").exists():
    time.sleep(0.01)
"""


@pytest.mark.parametrize(
    "daemon", [SETSID, DOUBLE_FORK, NOHUP, STUBBORN], ids=["setsid", "double fork", "nohup", "deaf to signals"]
)
def test_no_process_is_left_behind(tmp_path: Path, daemon: str) -> None:
    exit_code, _ = run(daemon + WAIT, tmp_path, PATH=os.environ["PATH"])
    assert exit_code == 0
    assert not is_running(int((tmp_path / "pid").read_text()))


def test_a_process_that_keeps_moving_on_is_caught(tmp_path: Path) -> None:
    before = running_children()
    run(SPAWNING + WAIT, tmp_path)
    assert running_children() <= before
    assert not is_running(int((tmp_path / "pid").read_text()))


def test_a_process_that_holds_the_output_keeps_nobody_waiting(tmp_path: Path) -> None:
    code = f"""
import os, time
print("before", flush=True)
if os.fork() == 0:
    os.setsid()
    open("pid.new", "w").write(str(os.getpid()))
    os.rename("pid.new", "pid")
    time.sleep(1000)
{WAIT}"""
    assert run(code, tmp_path) == (0, ["before"])


BECOME_ANOTHER = """
import os, time
os.setuid(54321)
os.closerange(0, 64)
os.rename("pid.new", "pid")
time.sleep(1000)
"""
A_DAEMON_DOES = """
import os
if os.fork() == 0:
    os.setsid()
    exec(another)
"""
ENDED = r"""
import sys, time
from pathlib import Path
from honeyhive.ci.edge import Edge
from honeyhive.ci.processes import ProcessTree, run_to_end
from honeyhive.errors import RunFileError

def command(code):
    return [sys.executable, "-c", f"another = {another!r}\n{code}"]

def run(code):
    try:
        run_to_end(command(code), environment={}, directory=Path("."), time_limit=None, echo=print)
    except RunFileError as error:
        print(error.message.rpartition(": ")[2])

def stop(code):
    tree = ProcessTree(command(code), environment={}, directory=Path("."))
    while not Path("pid").exists():
        time.sleep(0.01)
    tree.stop()
    print(*(process.pid for process in tree.end()))
"""


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(
    "ending", [f"run({A_DAEMON_DOES + WAIT!r})", "stop(another)"], ids=["a daemon", "the command itself"]
)
def test_a_process_that_cannot_be_ended_is_told_and_not_waited_for(tmp_path: Path, ending: str) -> None:
    """As after `sudo`, which is free for all on GitHub's machines."""
    (tmp_path / "pid.new").touch()
    tmp_path.chmod(0o777)
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"another = {BECOME_ANOTHER!r}\n{ENDED}\n{ending}"],
        cwd=tmp_path,
        preexec_fn=without_the_right_to_kill,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    os.kill(int(done.stdout), signal.SIGKILL)


def test_processes_that_were_there_before_are_none_of_its_business(tmp_path: Path) -> None:
    mine = subprocess.Popen([sys.executable, "-c", SLEEP])
    try:
        run("", tmp_path)
        assert mine.poll() is None
    finally:
        mine.kill()
        mine.wait()


# --- what is heard of it ---------------------------------------------------------------------------------------------


def test_output_and_errors_arrive_line_by_line_in_the_order_written(tmp_path: Path) -> None:
    lines = "for n in range(3): print(n, file=(sys.stdout, sys.stderr)[n % 2], flush=True)"
    code = f"import sys\n{lines}\nprint('end', end='')"
    assert run(code, tmp_path)[1] == ["0", "1", "2", "end"]


def test_no_command_of_the_users_code_reaches_the_runner(tmp_path: Path) -> None:
    code = r"""
import sys
for text in ("::error::x", "  ::set-output name=verdict::passed", "a\r::x", "b ##[error]c", "\v::x",
             "x" * 65536 + "::y"):
    sys.stdout.write(text + "\n")
sys.stdout.buffer.write(b"\xff::z\n")
"""
    assert run(code, tmp_path)[1] == [
        *(": :error::x", "  : :set-output name=verdict::passed", "a", ": :x", "b # #[error]c", "\v: :x"),
        *("x" * 65536, ": :y", "\ufffd::z"),
    ]


def test_a_listener_that_has_gone_keeps_nobody_waiting(tmp_path: Path) -> None:
    heard = 0

    def hear(_line: str) -> None:
        nonlocal heard
        heard += 1
        raise BrokenPipeError

    code = "for n in range(100_000): print(n)"
    command = [sys.executable, "-c", code]
    assert run_to_end(command, environment={}, directory=tmp_path, time_limit=PATIENCE, echo=hear) == 0
    assert heard == 100_000


def test_the_command_runs_where_and_with_what_it_is_told(tmp_path: Path) -> None:
    code = "import os; print(os.getcwd()); print(sorted(set(os.environ) - {'LC_CTYPE'})); print(repr(input()))"
    exit_code, heard = run(f"try:\n  {code}\nexcept EOFError: print('nothing to read')", tmp_path, A="1")
    assert (exit_code, heard) == (0, [str(tmp_path), "['A']", "nothing to read"])


# --- what it sees of us ----------------------------------------------------------------------------------------------

DOCKERS_CAPABILITIES = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31}
"""What root may do in a container: not look into other processes, for one."""
PEEK = """
import os
from pathlib import Path
for name in ("environ", "mem", "fd/0", "maps"):
    try:
        print(f"could read {name}:", Path(f"/proc/{os.getppid()}/{name}").open("rb").read(1))
    except PermissionError:
        print(f"could not read {name}")
"""


def as_in_a_container() -> None:
    drop(set(range(41)) - DOCKERS_CAPABILITIES)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_the_users_code_cannot_look_into_the_process_with_the_token(tmp_path: Path) -> None:
    ours = f"""
import os, sys
from pathlib import Path
from honeyhive.ci.edge import Edge
from honeyhive.ci.processes import run_to_end
run_to_end([sys.executable, "-c", {PEEK!r}], environment={{}}, directory=Path("."), time_limit=60, echo=print)
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", ours],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **SECRETS},
        preexec_fn=as_in_a_container,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [f"could not read {name}" for name in ("environ", "mem", "fd/0", "maps")]


# --- the run of an experiment ----------------------------------------------------------------------------------------


def test_the_users_code_sees_what_is_allowed_and_what_pass_env_names() -> None:
    environ = dict.fromkeys((*PASSED_ON, "LC_ALL", "OPENAI_API_KEY", "STRIPE_KEY", "PYTHONPATH"), "x")
    environ |= dict.fromkeys(SECRETS, "secret")
    seen = child_environment(environ, ["OPENAI_API_KEY", "NOT_SET"])
    assert seen.keys() == {*PASSED_ON, "LC_ALL", "OPENAI_API_KEY"}
    assert not [name for name in PASSED_ON if "TOKEN" in name or name.startswith(("INPUT_", "ACTIONS_", "PYTHON"))]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return new_project(tmp_path / "project")


def edge() -> Edge:
    return Edge(environ=os.environ, echo=lambda _: None, report_dir=Path("unused"))


def settings(project: Project) -> tuple[ExperimentConfig, Settings]:
    found = load_settings({}, {}, directory=project.folder)
    return found.experiments[0], found


def test_an_experiment_runs_in_a_child_and_leaves_its_run_file(project: Project) -> None:
    config, found = settings(project)
    out = project.folder / "run.jsonl"
    ending = run_in_child(config, found, out=out, edge=edge())
    assert (ending.exit_code, ending.error) == (0, None)
    assert [outcome["output"] for outcome in project.outcomes("run.jsonl")] == [2 * n for n in range(10)]


ERROR_FILE = """
import os, sys
from pathlib import Path
Path(sys.argv[sys.argv.index("--error-file") + 1]).write_text({said!r})
os._exit(2)
"""


@pytest.mark.parametrize(
    "said",
    ["", "{", "[]", "null", "{}", '{"title": "x"}', '"' + "x" * 70_000 + '"', "\x00", '{"message": "' + "x" * 70_000],
)
def test_an_error_that_cannot_be_read_is_none(project: Project, said: str) -> None:
    project.write("app.py", ERROR_FILE.format(said=said))
    config, found = settings(project)
    ending = run_in_child(config, found, out=project.folder / "x", edge=edge())
    assert (ending.exit_code, ending.error) == (2, None)


def test_an_error_is_made_one_line(project: Project) -> None:
    said = json.dumps({"message": "a\n::error::b", "hint": 3, "title": "\n", "file": "f\r", "line": "7"})
    project.write("app.py", ERROR_FILE.format(said=said))
    config, found = settings(project)
    ending = run_in_child(config, found, out=project.folder / "x", edge=edge())
    assert ending.error
    assert (ending.error.message, ending.error.hint, ending.error.title) == ("a ::error::b", "3", "")
    assert (ending.error.file, ending.error.line) == ("f", None)


def test_threads_of_ours_end_with_the_command(tmp_path: Path) -> None:
    run("print(1)", tmp_path)
    deadline = time.monotonic() + PATIENCE
    while [thread for thread in threading.enumerate() if thread.name == "honeyhive-output"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
