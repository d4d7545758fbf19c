"""Code that makes files of eight terabytes by one call: the job ends soon, and with what was finished before."""

from __future__ import annotations

import pytest

from hostile.scene import Scene

VAST = "os.truncate('{}', 2**43)"
TWICE = [{"name": "first"}, {"name": "second", "function": "late:double"}]


@pytest.mark.parametrize("name", ["run.jsonl", "run.spans.jsonl"])
def test_what_the_run_leaves_is_cut_back_to_what_was_written(scene: Scene, name: str) -> None:
    """With a secret of the job to look for in it: without one nobody reads all of it."""
    scene.app("Path('honeyhive-report/run.spans.jsonl').touch()\n" + VAST.format(f"honeyhive-report/{name}"), at=6)
    scene.gate("--time-limit", "60s").holds(3, "bytes long, which no run is", finished=6)
    assert (scene.workspace / "honeyhive-report" / name).stat().st_size < 2**20


def test_a_run_that_is_cut_back_can_be_gone_on_with(scene: Scene) -> None:
    scene.app(
        f"if not Path('done').exists():\n    {VAST.format('honeyhive-report/run.jsonl')}; Path('done').touch()", at=6
    )
    scene.gate().holds(3)
    scene.honeyhive("run", "--resume", "--out", "honeyhive-report/run.jsonl").holds(0, finished=12)


def test_a_run_file_that_is_vast_is_gone_on_with_as_far_as_it_is_one(scene: Scene) -> None:
    scene.honeyhive("run", "--out", "run.jsonl").holds(0)
    with (scene.workspace / "run.jsonl").open("r+b") as stream:
        stream.truncate(2**43)
    scene.honeyhive("run", "--resume", "--out", "run.jsonl").holds(0)
    assert (scene.workspace / "run.jsonl").stat().st_size < 2**20


def test_a_base_whose_run_is_vast_decides_nothing(scene: Scene) -> None:
    scene.app(f"out = sys.argv[sys.argv.index('--out') + 1]\n{VAST.format('OUT')}".replace("'OUT'", "out"), at=6)
    scene.config({"baseline": "rerun", "thresholds": {"exact": {"max-drop": 0.1}}})
    scene.project.commit("Make it vast")
    scene.app()
    scene.project.commit("Make it small")
    scene.gate().holds(4, "cannot be run again", "bytes long, which no run is")


def test_a_baseline_that_is_made_vast_decides_nothing(scene: Scene) -> None:
    scene.honeyhive("run", "--out", "main.jsonl").holds(0)
    scene.app(VAST.format("main.jsonl"), at=6)
    scene.config({"baseline": "main.jsonl", "thresholds": {"exact": {"max-drop": 0.1}}})
    went = scene.gate()
    (scene.workspace / "main.jsonl").unlink()
    went.holds(4, "the baseline was changed while the experiment ran", finished=12)


def test_a_run_that_the_next_experiment_makes_vast_is_not_handed_on(scene: Scene) -> None:
    first = "honeyhive-report/first/run.jsonl"
    scene.project.write("late.py", (scene.workspace / "app.py").read_text().replace("pass", VAST.format(first)))
    scene.config(*TWICE)
    went = scene.gate()
    (scene.workspace / first).unlink()
    went.holds(0)
    assert "changed after it was judged" in went.heard.log
