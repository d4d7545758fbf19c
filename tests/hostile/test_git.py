"""A checkout that fights: nothing that its repository says is run, waited for or believed, and the verdict is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hostile.scene import Aftermath, Scene
from stories import Bees, app, config, empty_repository, numbers

Do = Callable[[Scene], object]


@pytest.fixture
def scene(scene: Scene) -> Scene:
    """The job says which commit it is of: the story breaks what could be asked."""
    commit = scene.project.git("rev-parse", "HEAD")
    scene.runner = replace(scene.runner, job={**scene.runner.job, "GITHUB_SHA": commit})
    return scene


def passes(scene: Scene) -> Aftermath:
    """The gate says what it says of any checkout, and has written nothing to anybody's configuration of git."""
    held = scene.gate().holds(0, "PASSED     doubling", finished=12)
    home = Path(scene.environment()["HOME"])
    assert not [path for path in home.rglob("*") if "git" in path.name]
    return held


# --- what is no file -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "HEAD", "config", "index", "packed-refs", "shallow", "refs/heads/main", "info/exclude",
        "objects/info/alternates", "objects/pack/pack-0123456789012345678901234567890123456789.idx",
    ],
)  # fmt: skip
def test_a_pipe_in_the_repository_is_not_waited_for(scene: Scene, name: str) -> None:
    place = scene.workspace / ".git" / name
    place.unlink(missing_ok=True)
    place.parent.mkdir(exist_ok=True)
    os.mkfifo(place)
    passes(scene)


# --- what would be run -----------------------------------------------------------------------------------------------


def canary(scene: Scene) -> Path:
    return scene.runner.folder / "canary"


def trap(scene: Scene) -> str:
    """A program that leaves a canary when it is started."""
    program = scene.runner.folder / "trap"
    program.write_text(f"#!/bin/sh\n: > '{canary(scene)}'\nexit 1\n")
    program.chmod(0o755)
    return str(program)


def says(**settings: str) -> Do:
    """A configuration that says so; `TRAP` is the program, two underscores are a dot."""

    def do(scene: Scene) -> None:
        program = trap(scene)
        for name, value in settings.items():
            scene.project.git("config", name.replace("__", "."), value.replace("TRAP", program))

    return do


def filtered(key: str) -> Do:
    def do(scene: Scene) -> None:
        scene.project.write(".gitattributes", "*.jsonl filter=evil\n")
        scene.project.commit("Filter")
        says(**{f"filter.evil.{key}": "TRAP", "filter.evil.required": "true"})(scene)
        os.utime(scene.workspace / "numbers.jsonl", (1, 1))

    return do


def hooks(scene: Scene) -> None:
    for name in ("post-index-change", "fsmonitor-watchman", "reference-transaction", "post-checkout", "pre-auto-gc"):
        shutil.copy(trap(scene), scene.workspace / ".git" / "hooks" / name)


def hooks_elsewhere(scene: Scene) -> None:
    hooks(scene)
    (scene.workspace / ".git" / "hooks").rename(scene.runner.folder / "hooks")
    says(core__hooksPath=str(scene.runner.folder / "hooks"))(scene)


def signed(scene: Scene) -> None:
    head, _, message = scene.project.git("cat-file", "commit", "HEAD").partition("\n\n")
    commit = f"{head}\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n -----END PGP SIGNATURE-----\n\n{message}\n"
    command = ["git", "hash-object", "-t", "commit", "-w", "--stdin"]
    done = subprocess.run(command, cwd=scene.workspace, input=commit, check=True, capture_output=True, text=True)
    scene.project.git("update-ref", "refs/heads/main", done.stdout.strip())
    scene.runner = replace(scene.runner, job={**scene.runner.job, "GITHUB_SHA": done.stdout.strip()})
    says(gpg__program="TRAP", log__showSignature="true")(scene)


def included(scene: Scene) -> None:
    more = scene.runner.folder / "more"
    more.write_text(f'[core]\n\tfsmonitor = "{trap(scene)}"\n[filter "evil"]\n\tclean = "{trap(scene)}"\n')
    says(**{"include.path": str(more), "includeIf.onbranch:main.path": str(more)})(scene)


def submodule(scene: Scene) -> None:
    inner = scene.workspace / "inner"
    scene.project.git("clone", "--quiet", ".", "inner")
    subprocess.run(["git", "config", "core.fsmonitor", trap(scene)], cwd=inner, check=True)
    scene.project.write(".gitmodules", f'[submodule "inner"]\n\tpath = inner\n\turl = ext::{trap(scene)}\n')
    scene.project.git("-c", "core.fsmonitor=", "add", "--all")
    scene.project.git("-c", "user.name=Bee", "-c", "user.email=b@h.example", "commit", "--quiet", "-m", "Inner")
    says(**{"submodule.inner.update": "!TRAP", "submodule.recurse": "true", "status.submoduleSummary": "true"})(scene)
    canary(scene).unlink(missing_ok=True)


def promised(scene: Scene) -> None:
    """A repository that lacks an object, which it says that a program would give."""
    for path in (scene.workspace / ".git" / "objects").glob("??/*"):
        if path.stat().st_size < 60:
            path.unlink()
            break
    says(
        **{
            "extensions.partialClone": "evil", "remote.evil.url": "ext::TRAP", "remote.evil.promisor": "true",
            "protocol.allow": "always", "protocol.ext.allow": "always", "remote.evil.uploadpack": "TRAP",
        }
    )(scene)  # fmt: skip


RUNNING: dict[str, Do] = {
    "a monitor of the files": says(core__fsmonitor="TRAP"),
    "hooks": hooks,
    "hooks elsewhere": hooks_elsewhere,
    "a filter that cleans": filtered("clean"),
    "a filter that is a process": filtered("process"),
    "a pager, an editor, aliases": says(
        core__pager="TRAP", pager__status="true", core__editor="TRAP", alias__status="!TRAP", alias__config="!TRAP"
    ),
    "drivers that show differences": says(
        **{"diff.external": "TRAP", "diff.evil.textconv": "TRAP", "merge.evil.driver": "TRAP"}
    ),
    "a program that checks signatures": signed,
    "ways to a server": says(
        **{
            "core.sshCommand": "TRAP", "core.gitProxy": "TRAP", "core.askPass": "TRAP", "credential.helper": "TRAP",
            "uploadpack.packObjectsHook": "TRAP", "core.alternateRefsCommand": "TRAP", "protocol.allow": "always",
            "remote.origin.url": "ext::TRAP", "url.ext::TRAP .insteadOf": "https://",
        }
    ),
    "an included file": included,
    "a submodule": submodule,
    "an object that is promised": promised,
}  # fmt: skip


@pytest.mark.parametrize("do", [pytest.param(do, id=name) for name, do in RUNNING.items()])
def test_what_the_repository_would_run_is_not_run(scene: Scene, do: Do) -> None:
    do(scene)
    passes(scene)
    assert not canary(scene).exists()


@pytest.mark.parametrize(
    "name", ["a monitor of the files", "hooks", "a filter that cleans", "a filter that is a process"]
)
def test_the_traps_are_real(scene: Scene, name: str) -> None:
    RUNNING[name](scene)
    subprocess.run(["git", "status"], cwd=scene.workspace, check=False, capture_output=True)
    assert canary(scene).exists()


def test_what_the_job_tells_git_is_not_told_by_us(scene: Scene) -> None:
    program = trap(scene)
    scene.env |= {
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.fsmonitor", "GIT_CONFIG_VALUE_0": program,
        "GIT_CONFIG_PARAMETERS": f"'core.fsmonitor={program}'", "GIT_EXTERNAL_DIFF": program,
        "GIT_DIR": "/nowhere", "GIT_WORK_TREE": "/", "GIT_INDEX_FILE": "/dev/zero", "GIT_ASKPASS": program,
        "GIT_SSH_COMMAND": program, "GIT_PAGER": program,
        "GIT_TRACE2": str(scene.runner.folder / "trace"), "GIT_TRACE": "1",
        "GIT_OBJECT_DIRECTORY": "/nowhere", "GIT_ALTERNATE_OBJECT_DIRECTORIES": "/nowhere",
    }  # fmt: skip
    passes(scene)
    assert not canary(scene).exists()
    assert not (scene.runner.folder / "trace").exists()


# --- what would lead astray ------------------------------------------------------------------------------------------


def appended(name: str, text: str | bytes) -> Do:
    def do(scene: Scene) -> None:
        place = scene.workspace / ".git" / name
        place.parent.mkdir(exist_ok=True)
        with place.open("ab") as stream:
            stream.write(text if isinstance(text, bytes) else text.encode())

    return do


def of_another_user(scene: Scene) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to another user")
    for path in (scene.workspace, *scene.workspace.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)


def moved(pointer: Callable[[Path, Path], object]) -> Do:
    def do(scene: Scene) -> None:
        place = scene.workspace / ".git"
        elsewhere = scene.runner.folder / "elsewhere"
        place.rename(elsewhere)
        pointer(place, elsewhere)

    return do


def bare_below(scene: Scene) -> None:
    """What git would take for a repository if it looked for one from there."""
    for name in ("objects", "refs"):
        (scene.workspace / "below" / name).mkdir(parents=True)
    scene.project.write("below/HEAD", "ref: refs/heads/main\n")
    scene.project.write("below/config", f"[core]\n\tbare = false\n\tworktree = ..\n\tfsmonitor = {trap(scene)}\n")
    for name in ("app.py", "numbers.jsonl", "honeyhive.yml"):
        shutil.copy(scene.workspace / name, scene.workspace / "below" / name)


def odd_commit(scene: Scene) -> None:
    scene.project.write("more", "")
    scene.project.git("add", "--all")
    author = "Eve\x1b[2J\x07 ::set-output name=verdict::EVIL"
    identity = ["-c", f"user.name={author}", "-c", "user.email=<::error::EVIL@example.org"]
    message = "::error::EVIL\n##[set-env name=PATH]EVIL\n\x1b]0;EVIL\x07" + "x" * 100_000
    scene.project.git(*identity, "commit", "--quiet", "-m", message)
    scene.runner = replace(scene.runner, job={**scene.runner.job, "GITHUB_SHA": scene.project.git("rev-parse", "HEAD")})


def many_refs(scene: Scene) -> None:
    head = scene.project.git("rev-parse", "HEAD")
    with (scene.workspace / ".git" / "packed-refs").open("w") as stream:
        stream.write("# pack-refs with: peeled fully-peeled sorted \n")
        for start in range(0, 1_500_000, 1_000):
            stream.write("".join(f"{head} refs/heads/x{number:09d}\n" for number in range(start, start + 1_000)))


def replaced(scene: Scene) -> None:
    """The commit is said to be another, with another parent."""
    head = scene.project.git("rev-parse", "HEAD")
    tree = scene.project.git("rev-parse", "HEAD^{tree}")
    other = scene.project.git("-c", "user.name=E", "-c", "user.email=e@e.example", "commit-tree", tree, "-m", "EVIL")
    scene.project.git("update-ref", f"refs/replace/{head}", other)
    appended("info/grafts", f"{head} {other}\n")(scene)
    appended("shallow", f"{other}\n{'0' * 40}\nodd\n")(scene)


ASTRAY: dict[str, Do] = {
    "of another user": of_another_user,
    "a version of the future": says(core__repositoryFormatVersion="99"),
    "an extension that nobody knows": says(core__repositoryFormatVersion="1", extensions__evil="true"),
    "another working tree": says(core__worktree="/"),
    "a bare one": says(core__bare="true"),
    "a configuration that is torn": appended("config", "[core\n\tfsmonitor = "),
    "a configuration that includes itself": says(include__path="config"),
    "a configuration of 8 MiB": appended("config", "[a]\n" + "b = c\n" * 1_400_000),
    "an index that is none": appended("index", b"EVIL" * 10_000),
    "packed refs of 100 MB": many_refs,
    "a ref with a line end in it": appended("refs/heads/main", "\n::error::EVIL\n"),
    "a HEAD that leads out": lambda scene: (scene.workspace / ".git/HEAD").write_text("ref: ../../../../etc/passwd\n"),
    "replaced, grafted, shallow": replaced,
    "alternates that are a device": appended("objects/info/alternates", "/dev\n/proc/self\n../../../..\n"),
    "a commit of odd texts": odd_commit,
    "a link in the place of .git": moved(lambda place, elsewhere: place.symlink_to(elsewhere)),
    "a file that leads elsewhere": moved(lambda place, elsewhere: place.write_text(f"gitdir: {elsewhere}\n")),
    "a file that leads nowhere": moved(lambda place, _: place.write_text("gitdir: /nowhere\n::error::EVIL\n")),
    "no repository at all": moved(lambda *_: None),
}


@pytest.mark.parametrize("do", [pytest.param(do, id=name) for name, do in ASTRAY.items()])
def test_an_odd_repository_does_not_keep_the_gate_from_its_verdict(scene: Scene, do: Do) -> None:
    do(scene)
    held = passes(scene)
    header = json.loads((scene.workspace / "honeyhive-report/run.jsonl").read_text().splitlines()[0])
    assert header["git"].get("commit_hash") in (None, scene.environment()["GITHUB_SHA"])
    assert "\x1b" not in held.output
    assert not canary(scene).exists()


def test_a_folder_that_looks_like_a_repository_is_none(scene: Scene) -> None:
    bare_below(scene)
    held = scene.gate("--working-directory", "below")
    held.holds(0, "PASSED     doubling")
    assert not canary(scene).exists()


# --- what is passed to git --------------------------------------------------------------------------------------------

LISTENING = """#!/bin/sh
for argument in "$@"; do printf '%s\\0' "$argument"; done >> "$0.heard"
printf '\\n\\0' >> "$0.heard"
exec {git} "$@"
"""


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Bees]:
    """A repository with nothing in it."""
    with empty_repository(tmp_path / "bees") as found:
        yield found


def test_no_name_that_somebody_chose_is_an_option_of_gits(empty: Bees, tmp_path: Path) -> None:
    """Whatever things are called: git is given whole refs and hashes, or is told that options are over."""
    listener = tmp_path / "bin" / "git"
    listener.parent.mkdir()
    listener.write_text(LISTENING.format(git=shutil.which("git")))
    listener.chmod(0o755)
    odd = "--upload-pack=evil"
    empty.commit("Double numbers", app(60), numbers(20), config())
    empty.propose(7, app(60), {odd: "odd\n"})
    empty.repo.bare.git("update-ref", f"refs/heads/{odd}", empty.work.git("rev-parse", "main"))
    empty.repo.open_pull(30, head_sha=empty.repo.pulls[7].head_sha, head_ref=odd, base_ref=odd)
    path = f"{listener.parent}:{os.environ['PATH']}"
    for job in (empty.push(), empty.pull_request(30, comment="false", paths="**")):
        step = empty.run(replace(job, variables={**job.variables, "PATH": path}))
        assert step.exit_code == 0, step.log
    heard = Path(f"{listener}.heard").read_bytes().decode().split("\n\0")[:-1]
    calls = [call.split("\0")[:-1] for call in heard]
    assert {"fetch", "push", "ls-remote", "rev-list", "status"} <= {part for call in calls for part in call}
    for call in calls:
        over = call.index("--end-of-options") if "--end-of-options" in call else len(call)
        assert not [part for part in call[:over] if part.startswith(odd)], call
