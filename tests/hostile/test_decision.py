"""Code that lies, forges and rewrites: the decision is made by what we have counted ourselves."""

from __future__ import annotations

import pytest

from hostile.scene import Scene

RULES = {"exact": {"min": 0.5}}
RUN = "honeyhive-report/run.jsonl"

REWRITE = """
path = Path("honeyhive-report/run.jsonl")
lines = [json.loads(line) for line in path.read_text().splitlines()]
while len(lines) < 12:
    time.sleep(0.01)
    lines = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}}")]
header, outcomes = lines[0], lines[1:]
outcomes.append(outcomes[-1] | {{"datapoint_id": "EXT-n11", "index": 11, "line": 12, "inputs": {{"number": 11}},
                                "ground_truth": 22, "output": 22, "content_hash": None}})
{trick}
end = {{"type": "end", "finished": len(outcomes), "status": "completed"}}
path.write_text("".join(json.dumps(line) + "\\n" for line in [header, *outcomes, end]))
os._exit(0)
"""
"""Waits for the file to hold all that came before, writes one of its own, complete in itself, and ends."""

LIES = {
    "a datapoint is dropped": "outcomes.pop(3)",
    "a datapoint is dropped and fewer are expected": "outcomes.pop(3); header['expected'] = 11",
    "a datapoint is there twice": "outcomes[3] = outcomes[4]",
    "a datapoint is invented": "outcomes[3]['datapoint_id'] = 'EXT-easy'",
    "a datapoint is made easier": "outcomes[3] |= {'inputs': {'number': 0}, 'ground_truth': 0, 'content_hash': None}",
    "another dataset is claimed": "header['dataset']['sha256'] = '0' * 64",
    "another run is claimed": "header['run_id'] = '00000000-0000-4000-8000-000000000000'",
    "a score is no number": "outcomes[3]['scores'] = {'exact': float('nan')}",
    "a line is no object": "outcomes[3] = 7",
    "a line is a command": "outcomes[3]['datapoint_id'] = '\\n::error::x'",
}


@pytest.mark.parametrize("trick", LIES.values(), ids=list(LIES))
def test_a_run_file_that_the_code_rewrote_is_not_believed(scene: Scene, trick: str) -> None:
    scene.app(REWRITE.format(trick=trick), at=11)
    assert scene.gate().holds(3).verdict == "broken"


def test_the_rewriting_would_be_believed_if_it_were_true(scene: Scene) -> None:
    """Or else the tests before would show nothing: it holds just the scores that the code could have reported."""
    scene.app(REWRITE.format(trick="pass"), at=11)
    scene.gate().holds(0, finished=12)


REPLACED = {
    "is removed": "path.unlink()",
    "is emptied": "path.write_text('')",
    "is a folder": "path.unlink(); path.mkdir()",
    "is a pipe": "path.unlink(); os.mkfifo(path)",
    "is a link to itself": "path.unlink(); path.symlink_to(path.name)",
    "is a link to what has no end": "path.unlink(); path.symlink_to('/dev/zero')",
    "is gone with its folder": "import shutil; shutil.rmtree(path.parent)",
    "has a file for its folder": "import shutil; shutil.rmtree(path.parent); path.parent.touch()",
}


@pytest.mark.parametrize("trick", REPLACED.values(), ids=list(REPLACED))
def test_a_run_file_that_is_none_any_more_is_not_waited_for(scene: Scene, trick: str) -> None:
    scene.app(f"path = Path({RUN!r}); {trick}", at=11)
    assert scene.gate().holds(3).verdict == "broken"


def test_code_that_changes_our_own_modules_in_its_process_changes_no_count(scene: Scene) -> None:
    patch = """
from honeyhive.runfile import RunWriter
honest = RunWriter.append_line
RunWriter.append_line = lambda self, line: honest(self, line) if b"EXT-n1" not in line else None
"""
    scene.project.write("app.py", patch + (scene.workspace / "app.py").read_text())
    scene.gate().holds(3, "3 of 12 datapoints have no outcome", finished=9)


def test_what_the_code_prints_is_no_result(scene: Scene) -> None:
    lies = r"""
print('PASSED     doubling: exact is 100 %')
print('{"type":"end","finished":12,"status":"completed"}')
print('::set-output name=verdict::passed EVIL')
return None
"""
    scene.app(lies)
    assert scene.gate().holds(1, "exact", finished=12).verdict == "failed"


@pytest.mark.parametrize(
    "trick",
    ["path.write_text(path.read_text().replace('\"exact\":true', '\"exact\":false'))", "path.unlink()"],
    ids=["rewrites", "removes"],
)
def test_a_baseline_that_the_code_changes_decides_nothing(scene: Scene, trick: str) -> None:
    assert scene.honeyhive("run", "--out", "main.jsonl").exit_code == 0
    scene.app(f"path = Path('main.jsonl'); {trick}", at=11)
    scene.config({"baseline": "main.jsonl", "thresholds": {"exact": {"max-drop": 0.02}}})
    scene.gate().holds(4, "main.jsonl: the baseline was changed while the experiment ran")


def test_a_dataset_that_the_code_empties_is_judged_as_it_was_before(scene: Scene) -> None:
    scene.app("Path('numbers.jsonl').write_text('')", at=11)
    scene.gate().holds(0, finished=12)


def test_a_configuration_that_the_code_rewrites_judges_nothing(scene: Scene) -> None:
    scene.app("Path('honeyhive.yml').write_text('version: 1'); return None")
    assert scene.gate().holds(1, "exact").verdict == "failed"


def test_who_kills_the_gate_gets_no_green_job(scene: Scene) -> None:
    scene.app("os.kill(os.getppid(), signal.SIGTERM); threading.Event().wait()", at=5)
    assert scene.gate().holds(143, "stopped by SIGTERM", finished=5).verdict == "broken"


# --- what went wrong is named ----------------------------------------------------------------------------------------

COMMONEST = {
    "every time the same": ("raise ValueError('no answer')", "the commonest error: ValueError: no answer (12 of 12"),
    "each time with another message": (
        "raise KeyError(f'no answer for {number}')",
        "the commonest error: such as KeyError: ",
    ),
    "mostly": (
        "if number < 3: raise OSError('no line')\nif number < 9: raise ValueError('no answer')",
        "the commonest error: ValueError: no answer (6 of 9 errors)",
    ),
    "with a command and without end": (
        "raise ValueError('\\n::error::x ##[error]y' + 'x' * 100_000)",
        "the commonest error: ValueError",
    ),
}


@pytest.mark.parametrize(("trick", "words"), COMMONEST.values(), ids=list(COMMONEST))
def test_where_most_datapoints_went_wrong_the_one_line_says_how(scene: Scene, trick: str, words: str) -> None:
    scene.app(trick)
    found = scene.gate()
    assert (found.exit_code, len(found.heard.said("error"))) == (1, 1)
    assert words in found.error
    assert len(found.error) < 1_000


def test_where_few_datapoints_went_wrong_none_of_them_is_the_commonest(scene: Scene) -> None:
    scene.app("raise ValueError('no answer')", at=5)
    assert "commonest" not in scene.gate().holds(1, "errors 8.3 %").error
