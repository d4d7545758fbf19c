"""Files that are none, and formats that are bombs: refused quickly and within bounds, and nothing is half written."""

from __future__ import annotations

import gzip
import json
import os
import resource
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hostile.scene import Aftermath, Scene

MEMORY = 2**30
"""Bytes of addresses, for each process of a gate: what is not bounded ends there, and not with the words expected."""
ROW = {"id": "a", "inputs": {"number": 1}, "ground_truth": 2}
Make = Callable[[Path], object]


def gate(scene: Scene, *flags: str, away: Path | None = None) -> Aftermath:
    """Run the gate within that memory; what is `away` is taken away afterwards, for nobody can look through it."""
    going = scene.start("gate", *flags)
    resource.prlimit(going.process.pid, resource.RLIMIT_AS, (MEMORY, MEMORY))
    aftermath = scene.finish(going)
    if away is not None:
        away.unlink()
    return aftermath


def holding(content: str | bytes) -> Make:
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content.encode())


def hole(size: int) -> Make:
    """A file of so many NULs, which take no room on the disk."""

    def make(path: Path) -> None:
        with path.open("wb") as stream:
            stream.truncate(size)

    return make


def link(to: str) -> Make:
    return lambda path: path.symlink_to(to)


def socket_at(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the address of a socket is no longer than 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(here)


IRREGULAR: dict[str, Make] = {
    "a pipe that nobody writes to": os.mkfifo,
    "a link to a device without end": link("/dev/zero"),
    "a folder": Path.mkdir,
    "a socket": socket_at,
    "a link to itself": lambda path: path.symlink_to(path.name),
}


def irregular() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in IRREGULAR.items()])


# --- the configuration -----------------------------------------------------------------------------------------------


@irregular()
def test_a_configuration_that_is_no_file_is_refused(scene: Scene, make: Make) -> None:
    (scene.workspace / "honeyhive.yml").unlink()
    make(scene.workspace / "honeyhive.yml")
    gate(scene).holds(2, "honeyhive.yml")


CONFIGURATIONS = {
    "a disk full of it": (hole(8 * 2**30), "more than 1,048,576 bytes"),
    "a million of empty lists": (holding("x: [" + "[]," * 400_000 + "]"), "more than 1,048,576 bytes"),
    "aliases of aliases": (holding("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"), "2:8: an alias"),
    "a merge": (holding("a: {x: 1}\nb:\n  <<: {x: 1}\n"), "a merge key"),
    "a tag that would run something": (holding("a: !!python/object/apply:os.system [id]\n"), "a YAML tag"),
    "nested without end": (holding("[" * 100_000), "nested deeper than 100 levels"),
    "UTF-16": (lambda path: path.write_text("version: 1\n", encoding="utf-16"), "not UTF-8"),
    "a NUL": (holding("version: 1\0"), "which YAML does not allow"),
    "a key twice": (holding("version: 1\nversion: 1\n"), 'duplicate key "version"'),
    "an integer of a million digits": (holding("version: " + "9" * 1_000_000), "does not fit 64 bits"),
}


@pytest.mark.parametrize(("make", "words"), [pytest.param(*case, id=name) for name, case in CONFIGURATIONS.items()])
def test_a_configuration_that_is_a_bomb_is_refused(scene: Scene, make: Make, words: str) -> None:
    make(scene.workspace / "honeyhive.yml")
    gate(scene, away=scene.workspace / "honeyhive.yml").holds(2, "honeyhive.yml", words)


def test_a_byte_order_mark_before_the_configuration_is_no_fault(scene: Scene) -> None:
    path = scene.workspace / "honeyhive.yml"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    gate(scene).holds(0, "PASSED     doubling", finished=12)


PATHS = {
    "config": ("a" * 5_000, "config: not a path"),
    "dataset": ("d/" * 1_001 + "x.jsonl", "dataset: not a path"),
    "baseline": (f"./{'a' * 300}.jsonl", "baseline: not a path"),
    "working-directory": ("w" * 256, "working-directory: not a path"),
    "python-path": ("p" * 256, "python-path: not a path"),
}


@pytest.mark.parametrize(("name", "path", "words"), [(name, *case) for name, case in PATHS.items()], ids=[*PATHS])
def test_a_path_that_no_file_can_have_is_refused_by_its_setting(scene: Scene, name: str, path: str, words: str) -> None:
    gate(scene, f"--{name}", path).holds(2, words)


def test_a_nul_in_a_path_is_refused(scene: Scene) -> None:
    scene.config({"dataset": "a\0b.jsonl"}, **{"python-path": ["a\0b"]})
    gate(scene).holds(2, "not a path: it is too long, or has a NUL in it")


def test_a_list_of_packages_may_be_longer_than_any_path(scene: Scene) -> None:
    scene.config(install=" ".join(f"--evil-{number}" for number in range(2_000)))
    gate(scene).holds(2, "has an option in it")


# --- the dataset -----------------------------------------------------------------------------------------------------


def with_dataset(scene: Scene, name: str, make: Make) -> Path:
    path = scene.workspace / name
    make(path)
    scene.config({"dataset": name})
    return path


@irregular()
def test_a_dataset_that_is_no_file_is_refused(scene: Scene, make: Make) -> None:
    with_dataset(scene, "odd.jsonl", make)
    gate(scene).holds(2, "odd.jsonl: ")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("../../../secret.jsonl", "outside the workspace"),
        ("/etc/passwd", "outside the workspace"),
        ("out/secret.jsonl", "leads out of the workspace by a symbolic link"),
        ("/dev/stdin", "outside the workspace"),
    ],
)
def test_a_dataset_is_in_the_repository(scene: Scene, path: str, words: str) -> None:
    (scene.runner.folder / "secret.jsonl").write_text(json.dumps(ROW))
    (scene.workspace / "out").symlink_to(scene.runner.folder)
    scene.config({"dataset": path})
    gate(scene).holds(2, words)


def jsonl(text: str) -> Make:
    return holding(f"{json.dumps(ROW)}\n{text}\n")


def repeated(part: bytes, times: int, *, before: bytes = b"", after: bytes = b"") -> Make:
    def make(path: Path) -> None:
        with path.open("wb") as stream:
            stream.write(before)
            for _ in range(times):
                stream.write(part)
            stream.write(after)

    return make


LONG = "a line of more than 16,777,216 bytes"
DATASETS = {
    "a line of 8 GiB": ("x.jsonl", hole(8 * 2**30), LONG),
    "a text that fills the memory": ("x.jsonl", repeated(b"a" * 2**20, 40, before=b'{"id":"'), LONG),
    "a list of 8 GiB": ("x.json", hole(8 * 2**30), "more than 67,108,864 bytes"),
    "a list of millions of lists": (
        "x.json",
        repeated(b"[]," * 2**10, 22_000, before=b"["),
        "more than 67,108,864 bytes",
    ),
    "a sequence of millions of mappings": ("x.yaml", repeated(b"- {}\n" * 2**10, 2**10), "characters of YAML"),
    "a cell of 8 GiB": ("x.csv", hole(8 * 2**30), LONG),
    "a row of a million lines": (
        "x.csv",
        repeated(b'"a\n",' * 2**10, 2**12),
        "a row of more than 16,777,216 characters",
    ),
    "a cell that is too long": ("x.csv", holding(f'id,number\na,"{"1" * 200_000}"\n'), "a cell of more than"),
    "a header of thousands of columns": (
        "x.csv",
        holding(",".join([f"c{n}" for n in range(200_000)] + ["c0"])),
        "two columns",
    ),
    "half of a character": (
        "x.jsonl",
        jsonl('{"id": "b", "inputs": {"number": "\\ud83d"}}'),
        "x.jsonl:2:35: half of a character",
    ),
    "a key that is half of a character": ("x.json", holding('[{"inputs": {"\\uDE00": 1}}]'), "half of a character"),
    "a key twice in a long text": (
        "x.jsonl",
        jsonl('{"b":"' + '\\\\\\"' * 10**6 + '","a":1,"a":2}'),
        'duplicate key "a"',
    ),
    "an integer of millions of digits": (
        "x.jsonl",
        jsonl('{"inputs": {"number": ' + "9" * 5_000_000 + "}}"),
        "fit 64 bits",
    ),
    "a number that is infinite": ("x.jsonl", jsonl('{"inputs": {"number": 1e400}}'), "fit a 64-bit float"),
    "what is no number": ("x.jsonl", jsonl('{"inputs": {"number": NaN}}'), "NaN is not a JSON number"),
    "an id twice": ("x.jsonl", jsonl(json.dumps(ROW)), 'two datapoints with the id "a": line 1 and line 2'),
    "nested without end": ("x.json", holding("[" * 3_000_000), "nested deeper than 100 levels"),
    "UTF-16": ("x.jsonl", lambda path: path.write_text(json.dumps(ROW), encoding="utf-16"), "not UTF-8"),
    "a NUL in the text": ("x.jsonl", jsonl("\0"), "x.jsonl:2:1: not text: a NUL byte"),
    "cut off": ("x.jsonl", jsonl('{"inputs": {"number": '), "ends in the middle of a value"),
    "aliases of aliases": ("x.yaml", holding("- &a [x, x]\n- [*a, *a]\n"), "an alias"),
    "an archive": ("x.jsonl.gz", repeated(gzip.compress(bytes(2**24)), 64), '".gz" file'),
}


@pytest.mark.parametrize(("name", "make", "words"), [pytest.param(*case, id=name) for name, case in DATASETS.items()])
def test_a_dataset_that_is_a_bomb_is_refused(scene: Scene, name: str, make: Make, words: str) -> None:
    path = with_dataset(scene, name, make)
    gate(scene, away=path).holds(2, name, words)


@pytest.mark.parametrize("name", ["a\n::error::EVIL.jsonl", "--limit=1.jsonl", "-", "e\u0301\u202e.jsonl", " a .jsonl"])
def test_a_file_may_be_called_anything(scene: Scene, name: str) -> None:
    name = name if name.endswith(".jsonl") else f"{name}.jsonl"
    with_dataset(scene, name, lambda path: shutil.copy(scene.workspace / "numbers.jsonl", path))
    gate(scene).holds(0, "PASSED     doubling", finished=12)


# --- a run file that is the baseline ----------------------------------------------------------------------------------

RUN = {"type": "run", "schema": 1, "run_id": "r", "name": "doubling", "expected": 1}
OUTCOME = {"type": "outcome", "datapoint_id": "EXT-n0", "scores": {"exact": True}, "error": None}
END = {"type": "end", "finished": 1, "status": "completed"}


def lines(*values: Any) -> bytes:
    return b"".join(f"{value if isinstance(value, str) else json.dumps(value)}\n".encode() for value in values)


@irregular()
def test_a_baseline_that_is_no_file_is_refused(scene: Scene, make: Make) -> None:
    make(scene.workspace / "main.jsonl")
    gate(scene, "--baseline", "./main.jsonl").holds(2, "main.jsonl: ")


BASELINES = {
    "a line of 8 GiB": ("m.jsonl", hole(8 * 2**30), "longer than 67,108,864 bytes"),
    "ends of lines without end": (
        "m.jsonl.gz",
        repeated(gzip.compress(b"\n" * 2**24), 640, before=gzip.compress(lines(RUN))),
        "100 times its size",
    ),
    "zeros without end": ("m.jsonl.gz", repeated(gzip.compress(bytes(2**24)), 640), "longer than 67,108,864 bytes"),
    "archive that is cut off": ("m.jsonl.gz", holding(gzip.compress(lines(RUN, OUTCOME, END))[:-30]), "incomplete"),
    "garbage after an archive": (
        "m.jsonl.gz",
        holding(gzip.compress(lines(RUN, OUTCOME)) + b"garbage"),
        "Not a gzipped file",
    ),
    "cut off": ("m.jsonl", holding(lines(RUN, OUTCOME)[:-9]), "incomplete: 0 of 1 outcomes"),
    "a schema of the future": ("m.jsonl", holding(lines(RUN | {"schema": 99})), "schema 99 is newer"),
    "what is no number": (
        "m.jsonl",
        holding(lines(RUN, json.dumps(OUTCOME).replace("true", "NaN"), END)),
        "expected value",
    ),
    "a datapoint twice": (
        "m.jsonl",
        holding(lines(RUN | {"expected": 2}, OUTCOME, OUTCOME, END | {"finished": 2})),
        "is there twice",
    ),
    "a count that is not so": ("m.jsonl", holding(lines(RUN, OUTCOME, END | {"finished": 7})), "counts 7 outcomes"),
    "nested without end": ("m.jsonl", holding(lines(RUN, '{"type":' + "[" * 500_000, END)), "recursion limit"),
    "a million metrics": (
        "m.jsonl",
        holding(lines(RUN, OUTCOME | {"scores": {f"m{n}": 1 for n in range(10**6)}}, END)),
        "more than 1,000 metrics",
    ),
    "a key that is a command": (
        "m.jsonl",
        holding(lines(RUN, OUTCOME | {"scores": {"\n::set-output::" + "x" * 10**6: "no"}}, END)),
        "scores.",
    ),
    "an integer of millions of digits": (
        "m.jsonl",
        holding('{"type":"run","expected":' + "9" * 3_000_000),
        "out of range",
    ),
    "half of a character": (
        "m.jsonl",
        holding(lines(RUN, json.dumps(OUTCOME).replace("EXT-n0", "\\ud800"), END)),
        "hex escape",
    ),
    "a file of the machine": (
        "../../../etc.txt",
        holding("root:x:0:0:root:/root:/bin/sh\n"),
        "not a line of a run file",
    ),
}


@pytest.mark.parametrize(("name", "make", "words"), [pytest.param(*case, id=name) for name, case in BASELINES.items()])
def test_a_baseline_that_is_a_bomb_decides_nothing(scene: Scene, name: str, make: Make, words: str) -> None:
    path = scene.workspace / name
    make(path)
    held = gate(scene, "--baseline", f"./{name}", away=path).holds(4, words)
    assert len(held.error) < 1_000
    assert "root:x" not in held.output


# --- what is written -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["honeyhive-report", "honeyhive-report/second"])
def test_a_report_is_not_written_through_a_link_of_the_change(scene: Scene, place: str) -> None:
    elsewhere = scene.runner.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "comment.md").write_text("precious")
    (scene.workspace / place).parent.mkdir(exist_ok=True)
    (scene.workspace / place).symlink_to(elsewhere)
    scene.config({}, {"name": "second"})
    gate(scene).holds(2, f"{place}: is a link, and nothing is written through it")
    assert [path.name for path in elsewhere.iterdir()] == ["comment.md"]
    assert (elsewhere / "comment.md").read_text() == "precious"


def test_a_link_that_the_code_puts_in_the_place_of_the_report_is_not_written_through(scene: Scene) -> None:
    elsewhere = scene.runner.folder / "elsewhere"
    elsewhere.mkdir()
    scene.app(f"os.rename('honeyhive-report', 'moved'); os.symlink({str(elsewhere)!r}, 'honeyhive-report')", at=11)
    held = gate(scene)
    assert held.exit_code == 3, held.output
    assert "is a link, and nothing is written through it" in held.output
    assert [*elsewhere.iterdir()] == []


@pytest.mark.parametrize("kind", ["pipe", "folder", "link that leads nowhere"])
def test_a_run_file_is_not_written_where_something_else_is(scene: Scene, kind: str) -> None:
    place = scene.workspace / "honeyhive-report" / "run.jsonl"
    place.parent.mkdir()
    makes: dict[str, Make] = {"pipe": os.mkfifo, "folder": Path.mkdir, "link that leads nowhere": link("../made")}
    makes[kind](place)
    gate(scene).holds(2, "run.jsonl: is there, and is no file")
    assert not (scene.workspace / "made").exists()


def test_a_run_file_that_is_a_link_leaves_what_it_leads_to(scene: Scene) -> None:
    (scene.workspace / "honeyhive-report").mkdir()
    (scene.workspace / "honeyhive-report" / "run.jsonl").symlink_to("../app.py")
    before = (scene.workspace / "app.py").read_text()
    gate(scene).holds(0, "PASSED     doubling", finished=12)
    assert (scene.workspace / "app.py").read_text() == before


@pytest.fixture
def small_disk() -> Iterator[Callable[[Path, int], None]]:
    """Mounts a disk of so many bytes."""
    mounted: list[Path] = []

    def mount(place: Path, size: int) -> None:
        place.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("only root may mount a disk")
        mounted.append(place)

    yield mount
    for place in mounted:
        subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_full_ends_the_run_and_what_was_finished_is_kept(
    scene: Scene, small_disk: Callable[[Path, int], None]
) -> None:
    small_disk(scene.workspace / "honeyhive-report", 12 * 2**10)
    scene.app("return 'x' * 12_000", at=5)
    gate(scene).holds(3, "No space left on device", finished=5)


def test_a_disk_that_is_full_at_the_end_changes_no_verdict(
    scene: Scene, small_disk: Callable[[Path, int], None]
) -> None:
    report = scene.workspace / "honeyhive-report"
    small_disk(report, 64 * 2**10)
    scene.app("Path('honeyhive-report/fill').write_bytes(bytes(44 * 2**10))", at=0)
    held = gate(scene).holds(0, "PASSED     doubling", "No space left on device", finished=12)
    assert held.verdict == "passed"
    assert [path.name for path in report.iterdir() if path.name.startswith(".")] == []


def test_of_outputs_that_do_not_fit_none_is_written(scene: Scene, small_disk: Callable[[Path, int], None]) -> None:
    disk = scene.runner.folder / "small"
    small_disk(disk, 8 * 2**10)
    earlier = "earlier=step\n" * 314  # of a page of 4,096 bytes, 14 are left: so many are written, and then no more
    (disk / "output").write_text(earlier)
    (disk / "filled").write_bytes(bytes(4 * 2**10))
    scene.runner.job["GITHUB_OUTPUT"] = str(disk / "output")  # type: ignore[index]  # a dictionary, as the scene makes it
    gate(scene).holds(0, "the outputs cannot be written: [Errno 28] No space left on device", finished=12)
    assert (disk / "output").read_text() == earlier


def test_a_report_folder_that_is_read_only_is_said_before_anything_is_run(
    scene: Scene, small_disk: Callable[[Path, int], None]
) -> None:
    report = scene.workspace / "honeyhive-report"
    small_disk(report, 64 * 2**10)
    (report / "comment.md").write_text("of an earlier gate")
    subprocess.run(["mount", "-o", "remount,ro", str(report)], check=True)
    gate(scene).holds(2, "honeyhive-report: cannot be cleared for a new report: Read-only file system")
    assert (report / "comment.md").read_text() == "of an earlier gate"


def test_a_baseline_that_cannot_be_saved_leaves_those_that_were(
    scene: Scene, small_disk: Callable[[Path, int], None]
) -> None:
    store = scene.runner.folder / "store"
    small_disk(store, 16 * 2**10)
    scene.config({"baseline": "auto"}, store=f"file:{store}")
    scene.project.commit("Keep runs")
    gate(scene).holds(0, "PASSED     doubling", "saved in")
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    (store / "filled").write_bytes(b"x" * 2**10)
    with (store / "filled").open("ab", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(2**10))
        except OSError:
            pass
    scene.project.write("README.md", "next")
    scene.project.commit("Next")
    gate(scene).holds(5, "No space left on device")
    after = {path: path.read_bytes() for path in store.rglob("*") if path.is_file() and path.name != "filled"}
    assert before.items() <= after.items()
    assert not [path for path in after if path.name.startswith(".")]
