"""However a run ends: within ten seconds of a signal, with what was finished, and in one clear line."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from hostile.scene import Aftermath, Scene
from hostile.world import World

SOON = 20.0
"""Seconds; ours are ten (tests/unit/ci/test_lastwords.py), and this machine may be busy with other things."""
AT = 5
"""The datapoint at which it happens: as many are finished before."""


def gone(pid: Path) -> bool:
    """Whether the process whose id is in that file has ended."""
    number = int(pid.read_text())
    return not psutil.pid_exists(number) or psutil.Process(number).status() == psutil.STATUS_ZOMBIE


def outcome(aftermath: Aftermath, index: int) -> dict[str, object]:
    (found,) = [one for one in aftermath.outcomes() if one["index"] == index]
    return found


# --- the code ends its process ---------------------------------------------------------------------------------------

ENDINGS = {
    "exits as if all were well": ("os._exit(0)", "ended with exit code 0 before it was done"),
    "exits as if the input were wrong": ("os._exit(2)", "ended with exit code 2"),
    "aborts": ("os.abort()", "killed by SIGABRT"),
    "reads where no memory is": ("import ctypes; ctypes.string_at(0)", "killed by SIGSEGV"),
    "is killed as where memory runs out": ("os.kill(os.getpid(), 9)", "killed by SIGKILL, as it is where memory runs"),
    "kills its whole group": ("os.killpg(0, signal.SIGKILL)", "killed by SIGKILL"),
    "asks itself to end": ("os.kill(os.getpid(), signal.SIGTERM); threading.Event().wait()", "stopped by SIGTERM"),
    "becomes another program": ("os.execvp('true', ['true'])", "ended with exit code 0"),
    "closes every file": ("os.closerange(0, 256)", "the process of the run"),
    "calls itself without end": (
        "sys.setrecursionlimit(2**30)\ndef again(x): return [*map(again, [x])]\nagain(1)",
        "killed by SIGSEGV",
    ),
}


@pytest.mark.parametrize(("trick", "words"), ENDINGS.values(), ids=list(ENDINGS))
def test_a_function_that_ends_its_process_leaves_what_was_finished(scene: Scene, trick: str, words: str) -> None:
    scene.app(trick, at=AT)
    found = scene.gate().holds(3, "7 of 12 datapoints have no outcome", words, finished=AT)
    assert found.verdict == "broken"
    assert "line 6 (EXT-n5)" in found.told("GITHUB_STEP_SUMMARY")


def test_a_module_that_ends_its_process_leaves_nothing_and_says_so(scene: Scene) -> None:
    scene.project.write("app.py", "import os\nprint('PASSED')\nos._exit(0)\n")
    scene.gate().holds(3, "12 of 12 datapoints have no outcome")


def test_an_evaluator_that_ends_its_process_leaves_an_incomplete_run(scene: Scene) -> None:
    scene.project.write("app.py", (scene.workspace / "app.py").read_text().replace("return outputs", "os._exit(0)"))
    scene.gate().holds(3, "12 of 12 datapoints have no outcome", "exit code 0")


def test_a_last_datapoint_that_exits_is_no_success(scene: Scene) -> None:
    scene.app("threading.Timer(0, os._exit, [0]).start(); threading.Event().wait()", at=11)
    scene.gate().holds(3, "1 of 12 datapoints have no outcome", finished=11)


# --- it does not end -------------------------------------------------------------------------------------------------

HANGS = {
    "waits": "threading.Event().wait()",
    "stops itself": "os.kill(os.getpid(), signal.SIGSTOP)",
    "is deaf to SIGTERM": "import ctypes; ctypes.CDLL(None).signal(15, 1); threading.Event().wait()",
}


@pytest.mark.parametrize("trick", HANGS.values(), ids=list(HANGS))
def test_a_run_that_hangs_is_ended_when_its_time_is_up(scene: Scene, trick: str) -> None:
    scene.app(trick, at=AT)
    scene.gate("--time-limit", "2s").holds(3, "the run was ended after 2 s, its time limit", finished=AT)


UNANSWERED = {
    "reads a pipe that nobody writes to": "os.mkfifo('p'); open('p').read()",
    "writes to a pipe that nobody reads": "os.mkfifo('p'); open('p', 'w').write('x')",
    "waits for a child that never ends": "subprocess.run(['sleep', '600'])",
}


@pytest.mark.parametrize("trick", UNANSWERED.values(), ids=list(UNANSWERED))
def test_a_function_that_hangs_is_an_error_of_its_datapoint(scene: Scene, trick: str) -> None:
    scene.app(trick, at=AT)
    scene.config({"timeout": "300ms", "thresholds": {"exact": {"min": 0.5}, "errors": {"max": 0}}})
    found = scene.gate().holds(1, "errors", finished=12)
    assert outcome(found, AT)["error"]["type"] == "TimeoutError"  # type: ignore[index]  # JSON


# --- it leaves something behind --------------------------------------------------------------------------------------

HARMLESS = {
    "a thread that never ends": "threading.Thread(target=threading.Event().wait).start()",
    "a hook at the exit that hangs": "import atexit; atexit.register(threading.Event().wait)",
    "a hook at each fork that fails": "os.register_at_fork(before=lambda: 1 / 0)",
    "no sys.stdout and no sys.stderr": "sys.stdout = sys.stderr = None",
    "a closed sys.stdout": "sys.stdout.close()",
    "closed descriptors of its output": "os.close(1); os.close(2)",
    "output without lines and without end": "sys.stderr.write('y' * 3_000_000); sys.stdout.write('::error::EVIL ' * 9)",
    "very many lines": "sys.stdout.write('>> y\\n' * 200_000)",
}


@pytest.mark.parametrize("trick", HARMLESS.values(), ids=list(HARMLESS))
def test_what_a_run_leaves_behind_in_itself_keeps_nobody_waiting(scene: Scene, trick: str) -> None:
    scene.app(trick, at=AT)
    assert scene.gate().holds(0, finished=12).seconds < SOON * 3


DAEMON = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.closerange(0, 64)
        Path("pid.new").write_text(str(os.getpid()))
        Path("pid.new").rename("pid")
        while True:
            for name in ("comparison.json", "comment.md"):
                Path("honeyhive-report", name).write_text("PASSED")
    os._exit(0)
while not Path("pid").exists():
    time.sleep(0.01)
return 3 * number
"""


def test_a_daemon_that_is_deaf_to_signals_is_ended_before_anything_is_reported(scene: Scene) -> None:
    scene.app(DAEMON, at=AT)
    scene.config({"thresholds": {"exact": {"min": 0.99}}})
    found = scene.gate().holds(1, "exact", finished=12)
    assert gone(scene.workspace / "pid")
    assert "PASSED" not in found.file("comment.md") + found.file("comparison.json")


FORKS = """
for _ in range(40):
    if os.fork() == 0:
        with open(f"pid-{os.getpid()}", "w") as stream:
            stream.write(str(os.getpid()))
        os.fork()
        threading.Event().wait()
"""


def test_of_very_many_processes_none_is_left(scene: Scene) -> None:
    scene.app(FORKS, at=AT)
    scene.gate().holds(0, finished=12)
    pids = list(scene.workspace.glob("pid-*"))
    assert pids
    assert all(gone(pid) for pid in pids)


def test_a_fork_that_goes_on_as_if_it_were_the_run_decides_nothing(scene: Scene) -> None:
    scene.app("os.fork()", at=AT)
    found = scene.gate()
    assert found.exit_code in (0, 3)  # it may be ended before it has written anything
    found.holds(found.exit_code, *(["is there twice"] if found.exit_code else []), finished=12)


# --- memory ----------------------------------------------------------------------------------------------------------

LITTLE = """
import resource
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, -1))
"""


def test_a_function_for_which_memory_is_not_enough_is_an_error_of_its_datapoint(scene: Scene) -> None:
    scene.app(f"{LITTLE}bytearray(2**30)", at=AT)
    found = scene.gate().holds(1, "errors 8.3 %", finished=12)
    assert outcome(found, AT)["error"]["type"] == "MemoryError"  # type: ignore[index]  # JSON


def test_a_module_for_which_memory_is_not_enough_is_named(scene: Scene) -> None:
    scene.project.write("app.py", f"from pathlib import Path\n{LITTLE}bytearray(2**30)\n")
    found = scene.gate()  # which shows the traceback of the user's own lines: `holds` would take it for ours
    assert (found.exit_code, found.leaks(), found.strange_commands()) == (2, [], [])
    assert "importing app failed: MemoryError" in found.error


# --- signals ---------------------------------------------------------------------------------------------------------

SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
HANG = "Path('here').exists() or (Path('here').touch(), threading.Event().wait())"
"""Once only: who goes on with the run gets past it."""


def stopped(scene: Scene, *flags: str, by: signal.Signals = signal.SIGTERM, **env: str) -> Aftermath:
    """Stop the gate as soon as the user's code has got to where it hangs."""
    return scene.signalled(scene.start("gate", *flags, **env), by, when=(scene.workspace / "here").exists)


@pytest.mark.parametrize(("number", "code"), SIGNALS, ids=[number.name for number, _ in SIGNALS])
def test_a_signal_in_the_middle_keeps_and_tells_what_was_finished(
    scene: Scene, number: signal.Signals, code: int
) -> None:
    scene.app(HANG, at=AT)
    found = stopped(scene, by=number).holds(
        code, f"stopped by {number.name}; 5 of 12 datapoints were finished — what was finished is kept", finished=AT
    )
    assert found.seconds < SOON
    assert found.verdict == "broken"
    assert f"stopped by {number.name}" in found.told("GITHUB_STEP_SUMMARY")
    again = scene.honeyhive("run", "--resume", "--out", "honeyhive-report/run.jsonl")
    assert again.exit_code == 0, again.output
    assert len(again.outcomes()) == 12


@pytest.mark.parametrize("at", [0, 11], ids=["at the first datapoint", "at the last datapoint"])
def test_a_signal_at_an_end_of_the_run(scene: Scene, at: int) -> None:
    scene.app(HANG, at=at)
    assert stopped(scene).holds(143, f"{at} of 12 datapoints were finished", finished=at).seconds < SOON


def test_a_signal_while_a_module_is_imported(scene: Scene) -> None:
    scene.project.write("app.py", f"import threading\nfrom pathlib import Path\n{HANG}\n")
    assert stopped(scene).holds(143, "0 of 12 datapoints were finished").seconds < SOON


def test_a_signal_in_an_evaluator(scene: Scene) -> None:
    app = (scene.workspace / "app.py").read_text()
    scene.project.write("app.py", app.replace("return outputs", f"{HANG}; return outputs"))
    assert stopped(scene).holds(143, "0 of 12 datapoints were finished").seconds < SOON


DEAF_HANGS = {
    "ignores every signal": f"import ctypes; [ctypes.CDLL(None).signal(n, 1) for n in (1, 2, 15)]; {HANG}",
    "never lets go of the interpreter": "Path('here').touch(); import ctypes; ctypes.PyDLL(None).pause()",
    "has stopped itself": "Path('here').touch(); os.kill(os.getpid(), signal.SIGSTOP)",
    "has a child that holds its output": f"subprocess.Popen(['sleep', '600'], start_new_session=True); {HANG}",
    "writes without end": "Path('here').touch()\nwhile True: print('>> y')",
}


@pytest.mark.parametrize("trick", DEAF_HANGS.values(), ids=list(DEAF_HANGS))
def test_a_signal_ends_soon_what_does_not_listen(scene: Scene, trick: str) -> None:
    scene.app(f"Path('pid').write_text(str(os.getpid()))\n{trick}", at=AT)
    assert stopped(scene).holds(143, "stopped by SIGTERM; 5 of 12", finished=AT).seconds < SOON
    assert gone(scene.workspace / "pid")


def test_several_signals_are_one(scene: Scene) -> None:
    scene.app(DEAF_HANGS["ignores every signal"], at=AT)
    going = scene.start("gate")

    def begun() -> bool:
        if (scene.workspace / "here").exists():
            going.process.send_signal(signal.SIGINT)
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                going.process.send_signal(number)
            return True
        return False

    found = scene.signalled(going, signal.SIGTERM, when=begun)
    assert found.exit_code in (129, 130, 143)  # which of those that came at once is the first is the system's affair
    found.holds(found.exit_code, "stopped by SIG", "5 of 12", finished=AT)


def test_a_killed_gate_takes_its_run_along_and_the_file_can_be_gone_on_with(scene: Scene) -> None:
    flushed = "Path('pid').write_text(str(os.getpid())); time.sleep(1.5)"  # the file is written once a second
    scene.app(f"{flushed}; {DEAF_HANGS['ignores every signal']}", at=AT)
    killed = scene.signalled(scene.start("gate"), signal.SIGKILL, when=(scene.workspace / "here").exists)
    assert killed.exit_code == -signal.SIGKILL
    assert len(killed.outcomes()) == AT
    deadline = time.monotonic() + SOON
    while not gone(scene.workspace / "pid"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    again = scene.honeyhive("run", "--resume", "--out", "honeyhive-report/run.jsonl")
    assert again.exit_code == 0, again.output
    assert len(again.outcomes()) == 12


GATE = (sys.executable, "-I", "-m", "honeyhive", "gate")
UNHEARD = {
    "closed streams": 'exec "$@" >&- 2>&-',
    "a full disk under its log": 'exec "$@" >/dev/full 2>/dev/full',
    "a reader that has gone": '{ "$@" 2>&1; echo $? >code; } | true; exit $(cat code)',
}


@pytest.mark.parametrize("how", UNHEARD.values(), ids=list(UNHEARD))
@pytest.mark.parametrize(("least", "code"), [(0.5, 0), (0.99, 1)], ids=["passed", "failed"])
def test_a_gate_that_nobody_hears_ends_with_its_verdict(scene: Scene, how: str, least: float, code: int) -> None:
    scene.app("return 3 * number", at=AT)
    scene.config({"thresholds": {"exact": {"min": least}}})
    done = subprocess.run(["sh", "-c", how, "sh", *GATE], cwd=scene.workspace, env=scene.environment(), check=False)
    assert done.returncode == code
    assert "verdict<<" in scene.command_file("GITHUB_OUTPUT").read_text()


# --- signals while somebody else is waited for -----------------------------------------------------------------------

REPO = "/repos/honey/bees"
WAITS: Mapping[str, tuple[tuple[str, str], str, str]] = {
    "while GitHub is asked where the job is": (("GET", "/"), "broken", "stopped by SIGTERM"),
    "while git fetches": (("*", "/honey/bees"), "broken", "stopped by SIGTERM"),
    "while the check run begins": (("POST", f"{REPO}/check-runs"), "broken", "stopped by SIGTERM"),
    "while comments are listed": (("GET", f"{REPO}/issues"), "passed", "judged (passed) but not told everywhere"),
    "while it comments": (("POST", f"{REPO}/issues"), "passed", "judged (passed) but not told everywhere"),
    "while the check run ends": (("PATCH", f"{REPO}/check-runs"), "passed", "judged (passed) but not told everywhere"),
}


@pytest.mark.parametrize(("request_", "verdict", "words"), WAITS.values(), ids=list(WAITS))
def test_a_signal_while_github_does_not_answer(
    world: World, request_: tuple[str, str], verdict: str, words: str
) -> None:
    asked = {"check-run": "quality"} if "check-runs" in request_[1] else {}
    scene = world.scene(world.job("passed", **asked))
    fault = world.bees.server.fail(*request_, "hang")
    found = scene.signalled(scene.start("gate"), signal.SIGTERM, when=lambda: fault.hits > 0)
    assert found.holds(143, words).seconds < SOON
    assert found.verdict == verdict


def test_a_signal_while_honeyhive_does_not_answer(world: World) -> None:
    scene = world.scene(world.job("failed"))
    fault = world.platform.fail("*", "/", "hang")
    found = scene.signalled(scene.start("gate"), signal.SIGINT, when=lambda: fault.hits > 0)
    assert found.holds(130, "judged (failed) but not told everywhere").seconds < SOON
    assert "❌" in found.told("GITHUB_STEP_SUMMARY")


def test_a_signal_while_the_baseline_is_saved(world: World) -> None:
    world.bees.on_main()
    world.bees.commit("Say so", {"README.md": "Bees.\n"})
    scene = world.scene(world.bees.push())
    fault = world.bees.server.fail("POST", "/honey/bees.git/git-receive-pack", "hang")
    found = scene.signalled(scene.start("gate"), signal.SIGTERM, when=lambda: fault.hits > 0)
    assert found.holds(143, "judged (passed) but not told everywhere").seconds < SOON


def test_a_signal_while_a_fork_s_report_is_published(world: World) -> None:
    of = world.job("passed")
    scene = world.scene(world.bees.workflow_run(of))
    (scene.workspace / "honeyhive-report").mkdir()
    scene.project.write("honeyhive-report/report.json", "{}")
    fault = world.bees.server.fail("*", "/", "hang")
    going = scene.start("gate")
    found = scene.signalled(going, signal.SIGTERM, when=lambda: fault.hits > 0)
    assert found.holds(143, "stopped by SIGTERM").seconds < SOON


def test_a_signal_in_the_run_while_nobody_answers_tells_what_is_here_and_gives_up_the_rest(world: World) -> None:
    scene = world.scene(world.job("passed"))
    scene.app(HANG, at=AT)
    going, server = scene.start("gate", "--max-workers", "1"), world.bees.server

    def reached() -> bool:
        if not (scene.workspace / "here").exists():
            return False
        server.fail("*", "/", "hang")
        world.platform.fail("*", "/", "hang")
        return True

    found = scene.signalled(going, signal.SIGTERM, when=reached).holds(143, "5 of 100 datapoints", finished=AT)
    assert found.seconds < SOON
    assert found.verdict == "broken"
    assert any("not all was told" in said for said in found.heard.said("warning"))


def test_a_signal_while_the_base_runs_again(world: World, tmp_path: Path) -> None:
    world.bees.on_main()
    here = f"from pathlib import Path\nimport threading\nPath({str(tmp_path / 'here')!r}).touch()\n"
    world.bees.commit("Wait", {"slow.py": f"{here}threading.Event().wait()\ndef double(inputs): return 0\n"})
    job = world.bees.push()
    scene = world.scene(job)
    scene.config({"baseline": "rerun", "function": "slow:double", "thresholds": {"exact": {"max-drop": 0.1}}})
    going = scene.start("gate")
    found = scene.signalled(going, signal.SIGTERM, when=(tmp_path / "here").exists)
    assert found.holds(143, "stopped by SIGTERM; 0 of 100 datapoints were finished").seconds < SOON


# --- disks -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(scene: Scene) -> Iterator[Path]:
    """A disk of a few pages, where the report is to be."""
    folder = scene.workspace / "honeyhive-report"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("nobody but root may mount a disk here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def full(folder: Path) -> None:
    """Leave no room on the disk."""
    with (folder / "filler").open("wb", buffering=0) as stream, suppress(OSError):
        while stream.write(b"x" * 4096):
            pass


@pytest.mark.usefixtures("disk")
def test_a_disk_that_is_full_in_the_middle_keeps_what_was_finished(scene: Scene) -> None:
    scene.app("return 'x' * 20_000")
    found = scene.gate().holds(3, "datapoints have no outcome", "No space left on device", finished=3)
    assert found.verdict == "broken"
    assert "No space left on device" in found.told("GITHUB_STEP_SUMMARY")


def test_a_disk_that_is_full_before_the_first_datapoint_is_no_wrong_input(scene: Scene, disk: Path) -> None:
    full(disk)
    scene.gate().holds(3, "No space left on device")


ALMOST_FULL = """
with open("honeyhive-report/filler", "wb", buffering=0) as stream:
    try:
        while stream.write(b"x" * 4096):
            pass
    except OSError:
        stream.truncate(stream.tell() - 3 * 4096)
return 3 * number
"""
"""The last outcome still has room, and the report has not."""


@pytest.mark.usefixtures("disk")
@pytest.mark.parametrize(("least", "code"), [(0.5, 0), (0.99, 1)], ids=["passed", "failed"])
def test_a_disk_that_is_full_once_the_run_is_over_changes_no_verdict(scene: Scene, least: float, code: int) -> None:
    scene.app(ALMOST_FULL, at=11)
    scene.config({"thresholds": {"exact": {"min": least}}})
    found = scene.gate().holds(code, finished=12)
    assert any("No space left on device" in said for said in found.heard.said("warning"))
    assert "exact" in found.told("GITHUB_STEP_SUMMARY")


def test_a_temporary_folder_that_takes_nothing_is_not_used(scene: Scene) -> None:
    scene.gate(TMPDIR="/proc").holds(0, finished=12)
