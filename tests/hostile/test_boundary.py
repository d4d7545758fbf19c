"""User code beside a token: it reaches neither the token, nor the runner, nor the decision.

Here it runs as the gate's own user, as it does outside of the container; what another user keeps from it is in
`tests/container/test_boundary.py`.
"""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyhive.documents import neutralise
from hostile.hearing import hear
from hostile.scene import Scene

parts = st.sampled_from(["::", ":", "##[", "#", "[", "]", "ERROR", "add-mask", "stop-commands", " ", "\t", "\r", "\n"])
odd = st.sampled_from(["\x0b", "\x1c", "\x85", "\u00a0", "\u2028", "\u3000", "\ufeff", "\u200b", "\x1b[m", "\0", "%0A"])
FORMS = r"""
forms = ["::error::EVIL", "::ERROR file=a::EVIL", "  ::set-output name=verdict::EVIL", "\t\v\f::notice::EVIL",
         "\u00a0\u2028\u3000::warning::EVIL", "\x85::debug::EVIL", "\x1c\x1f::group::EVIL", "fine\r::add-mask::EVIL",
         "##[error]EVIL", "in the middle ##[add-mask]EVIL", "###[group]EVIL", "##[endgroup]##[error]EVIL",
         "::save-state name=isPost::EVIL", "::add-path::/EVIL", "::set-env name=PATH::EVIL", "::echo::on",
         "\ufeff::error::EVIL", "\u200b::error::EVIL", "#\u200b#[error]EVIL", "\x1b[0m::error::EVIL",
         "é" * 65535 + "::error::EVIL", "x" * 65536 + "::add-mask::PASSED", "::add-matcher::/EVIL",
         "##[stop-commands]EVIL", "::stop-commands::EVIL"]
for stream in (sys.stdout, sys.stderr):
    for form in forms:
        stream.buffer.write(form.encode() + b"\n")
    stream.buffer.write(b"\xff\xfe::error::EVIL\n\xc3")
    stream.buffer.flush()
"""
UNENDED = 'os.write(1, b"::group::EVIL"); os.write(2, b"  ::stop-commands::EVI")\n'


def wrong_everywhere(trick: str) -> str:
    """A function that does this at one datapoint, and answers none rightly: it has earned a red verdict."""
    indented = "".join(f"    {line}\n" for line in trick.strip("\n").splitlines())
    return f"if number == 5:\n{indented}return None"


def test_an_honest_change_passes(scene: Scene) -> None:
    scene.gate().holds(0, "PASSED     doubling", finished=12)


# --- what it prints --------------------------------------------------------------------------------------------------


@given(st.lists(parts | odd, max_size=14).map("".join) | st.text(max_size=60))
def test_no_text_is_a_command_once_it_is_harmless(text: str) -> None:
    assert hear(neutralise(text)).commands == ()


def test_nothing_that_it_prints_is_obeyed_and_our_verdict_still_is(scene: Scene) -> None:
    scene.app(wrong_everywhere(FORMS + UNENDED))
    after = scene.gate().holds(1, "exact", finished=12)
    assert after.heard.log.count("EVIL") > 20, "it is shown, as it was written"
    assert after.verdict == "failed"


@pytest.mark.parametrize("end", ["os._exit(9)", "os.kill(os.getpid(), 9)"], ids=["it exits", "it kills itself"])
def test_what_it_leaves_unended_on_a_line_is_not_ours_to_go_on_with(scene: Scene, end: str) -> None:
    scene.app(FORMS + UNENDED + end, at=5)
    after = scene.gate().holds(3, "7 of 12 datapoints have no outcome", finished=5)
    assert after.verdict == "broken"


def test_when_we_are_killed_nobody_else_writes_to_the_runner(scene: Scene) -> None:
    """It has a pipe of its own: the runner's is closed as soon as we are gone."""
    scene.app('while True: sys.stdout.write("::error::EVIL\\n" * 1000)', at=5)
    going = scene.start("gate")
    after = scene.signalled(going, signal.SIGKILL, when=(scene.workspace / "honeyhive-report/run.jsonl").exists)
    assert after.exit_code == -signal.SIGKILL
    assert after.strange_commands() == []
    assert after.leaks() == []


# --- what it finds ---------------------------------------------------------------------------------------------------


def test_its_environment_holds_nothing_of_the_job(scene: Scene) -> None:
    scene.app('print(">>", json.dumps(dict(os.environ)), sys.argv); return dict(os.environ)', at=5)
    scene.gate().holds(0, ">> {", finished=12)


def test_a_token_that_the_checkout_left_is_told_with_the_way_out(scene: Scene) -> None:
    scene.project.git("config", "http.https://github.com/.extraheader", "AUTHORIZATION: basic YTpi")
    warning = ".git/config holds a credential, which your code can read: `persist-credentials: false` mends that"
    scene.gate().holds(0, warning, "your code runs as the job's own user", finished=12)


def test_without_one_nothing_is_said_of_it(scene: Scene) -> None:
    assert "credential" not in scene.gate().holds(0).heard.log


# --- what it writes --------------------------------------------------------------------------------------------------

SPOILING = {
    "writes to them": 'path.write_text("verdict=passed\\nBASH_ENV=EVIL\\n")',
    "takes them away": "path.unlink()",
    "puts a folder there": "path.unlink(); path.mkdir(); (path / 'x').touch()",
    "puts a link there": "path.unlink(); path.symlink_to('/etc/passwd')",
    "forbids them to us": "path.write_text('EVIL'); path.chmod(0)",
}


@pytest.mark.parametrize("what", SPOILING.values(), ids=list(SPOILING))
def test_the_command_files_are_what_they_were_but_for_ours(scene: Scene, what: str) -> None:
    names = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE")
    before = {name: scene.command_file(name).lstat() for name in names}
    scene.command_file("GITHUB_ENV").write_text("KEPT=1\n")
    folder = str(scene.command_file("GITHUB_ENV").parent)
    scene.app(wrong_everywhere(f"for path in Path({folder!r}).iterdir():\n    {what}"))
    after = scene.gate().holds(1, "exact")
    assert after.verdict == "failed"
    assert after.told("GITHUB_ENV") == "KEPT=1\n"
    assert after.told("GITHUB_PATH") == after.told("GITHUB_STATE") == ""
    assert not [name for name in names if "EVIL" in after.told(name)]
    assert {name: scene.command_file(name).lstat().st_mode for name in names} == {
        name: found.st_mode for name, found in before.items()
    }


@pytest.mark.parametrize(
    "place", [".", "..", "../x", "/tmp", ".git", "sub/.GIT/hooks", "honeyhive-report", ".honeyhive"]
)
def test_what_is_not_its_own_cannot_be_made_writable(scene: Scene, place: str) -> None:
    scene.config(writable=[place])
    scene.gate().holds(2, "writable: ")
