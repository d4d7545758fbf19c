"""The user's callables by name: what is found, and what is said where nothing is."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from honeyhive.errors import Cancelled, UserCodeError
from honeyhive.experiments.loading import load_callable, prepend_paths

Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes the user's modules; they can be imported until the test is over."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    prepend_paths([tmp_path])

    def write_module(path: str, text: str) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(textwrap.dedent(text), encoding="utf-8")

    yield write_module
    for name in set(sys.modules) - before:
        del sys.modules[name]


def refusal(reference: str) -> UserCodeError:
    with pytest.raises(UserCodeError) as caught:
        load_callable(reference)
    return caught.value


APP = """
    import functools

    LIMIT = 5
    _secret = len

    def answer(inputs):
        return inputs

    def answer_politely(inputs):
        return inputs

    class Judge:
        threshold = 0.5

        def score(self, outputs):
            return 1.0

        @staticmethod
        def lenient(outputs):
            return 1.0

        @property
        def broken(self):
            raise RuntimeError("no model")

        def __getattr__(self, name):
            if name == "stubborn":
                raise LookupError("not here either")
            raise AttributeError(name)

    judge = Judge()
    partial = functools.partial(answer, 1)
"""


# --- what is found ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("app:answer", "answer"),
        ("app:Judge", "Judge"),
        ("app:judge.score", "score"),
        ("app:Judge.lenient", "lenient"),
        ("app:_secret", "len"),
        ("app:functools.partial", "partial"),
        ("evals.deep.app:answer", "answer"),
    ],
)
def test_a_callable_is_found_by_module_and_dotted_name(write: Write, reference: str, name: str) -> None:
    write("app.py", APP)
    write("evals/deep/app.py", APP)
    assert load_callable(reference).__name__ == name


def test_a_callable_object_is_given_as_it_is(write: Write) -> None:
    write("app.py", APP)
    assert load_callable("app:partial")() == 1


def test_the_first_of_the_paths_is_the_foremost(tmp_path: Path, write: Write) -> None:
    for folder in ("one", "two"):
        write(f"{folder}/both.py", f"def name(): return {folder!r}")
        write(f"{folder}/only_{folder}.py", f"def name(): return {folder!r}")
    prepend_paths([tmp_path / "one", tmp_path / "two"])
    assert sys.path[:2] == [str(tmp_path / "one"), str(tmp_path / "two")]
    assert [load_callable(f"{module}:name")() for module in ("both", "only_one", "only_two")] == ["one", "one", "two"]


# --- what is not -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", ["", "app", "app:", ":answer", ":", " : ", "app.answer", "answer()"])
def test_what_is_no_reference_is_told_what_one_looks_like(reference: str) -> None:
    error = refusal(reference)
    assert error.message == f"{reference!r} is not of the form module:callable"
    assert error.hint == "for example evals.app:answer"


@pytest.mark.parametrize(
    ("reference", "module"), [("no_such:f", "no_such"), ("no_such.app:f", "no_such"), ("app.more:f", "app.more")]
)
def test_a_missing_module_is_named_with_the_place_where_it_was_looked_for(
    tmp_path: Path, write: Write, reference: str, module: str
) -> None:
    write("app.py", APP)
    error = refusal(reference)
    assert error.message == f"{reference}: there is no module {module!r} in {tmp_path}"
    assert "python-path" in error.hint
    assert error.details == ""


@pytest.mark.parametrize(
    ("reference", "message", "hint"),
    [
        ("app:anser", "app has no 'anser'", "did you mean answer, answer_politely?"),
        ("app:Answer", "app has no 'Answer'", "did you mean answer, answer_politely?"),
        ("app:judge.scor", "Judge has no 'scor'", "did you mean score?"),
        ("app:Judge.lenint", "Judge has no 'lenint'", "did you mean lenient?"),
        ("app:zzz", "app has no 'zzz'", "it has: Judge, answer, answer_politely, partial"),
        ("app:LIMIT.real_part", "int has no 'real_part'", "it has: as_integer_ratio, "),
        ("app:answer..x", "function has no ''", "it has: no callables"),
        ("app:judge.score.x", "method has no 'x'", "it has: no callables"),
    ],
)
def test_a_missing_name_comes_with_those_that_are_like_it(
    write: Write, reference: str, message: str, hint: str
) -> None:
    write("app.py", APP)
    error = refusal(reference)
    assert error.message == f"{reference}: {message}"
    assert error.hint.startswith(hint)


def test_a_module_without_callables_says_so(write: Write) -> None:
    write("empty.py", "LIMIT = 5")
    assert refusal("empty:answer").hint == "it has: no callables"


@pytest.mark.parametrize(("reference", "kind"), [("app:LIMIT", "int"), ("app:Judge.threshold", "float")])
def test_what_cannot_be_called_is_refused(write: Write, reference: str, kind: str) -> None:
    write("app.py", APP)
    assert refusal(reference).message == f"{reference} is a {kind}, not a callable"


def test_an_attribute_that_raises_is_the_users_to_mend(write: Write) -> None:
    write("app.py", APP)
    error = refusal("app:judge.broken")
    assert error.message == "app:judge.broken: 'broken' of Judge cannot be had: RuntimeError: no model"
    assert 'raise RuntimeError("no model")' in error.details
    assert "LookupError: not here either" in refusal("app:judge.stubborn").message


# --- what fails at its import ----------------------------------------------------------------------------------------


def test_an_import_error_shows_the_users_frames_and_no_other(tmp_path: Path, write: Write) -> None:
    write("app.py", "from evals.model import answer")
    write("evals/model.py", "def load():\n    raise OSError('no weights')\n\nanswer = load()\n")
    error = refusal("app:answer")
    assert error.message == "app:answer: importing app failed: OSError: no weights"
    assert error.hint == "mend the module; its traceback is above"
    files = re.findall(r'File "(.*?)", line (\d+)', error.details)
    model = str(tmp_path / "evals" / "model.py")
    assert files == [(str(tmp_path / "app.py"), "1"), (model, "4"), (model, "2")]
    assert error.details.endswith("OSError: no weights\n")


def test_the_causes_of_an_import_error_are_shown_the_same_way(tmp_path: Path, write: Write) -> None:
    write(
        "app.py",
        """
        import importlib
        try:
            importlib.import_module("evals.model")
        except OSError as error:
            try:
                raise ValueError("no model") from error
            except ValueError:
                raise RuntimeError("no app")
        """,
    )
    write("evals/model.py", "raise OSError('no weights')")
    details = refusal("app:answer").details
    assert [name in details for name in ("OSError", "ValueError", "RuntimeError")] == [True, True, True]
    assert {Path(file).parent for file in re.findall(r'File "(.*?)"', details)} == {tmp_path, tmp_path / "evals"}


def test_a_folder_that_is_called_like_another_is_the_users(write: Write) -> None:
    write("honeyhive_evals/importlib/__init__.py", "raise OSError('here')")
    assert "honeyhive_evals" in refusal("honeyhive_evals.importlib:answer").details


def test_a_requirement_that_is_missing_is_not_a_missing_module(write: Write) -> None:
    write("app.py", "import no_such_requirement")
    error = refusal("app:answer")
    assert error.message.startswith("app:answer: importing app failed: ModuleNotFoundError: No module named")
    assert error.hint == "add it to your requirements (`install`)"
    assert "import no_such_requirement" in error.details


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import sys; sys.exit('not today')", "SystemExit: not today"),
        ("raise SystemExit", "SystemExit"),
        ("def answer(:", "SyntaxError: "),
        ("answer = undefined", "NameError: name 'undefined' is not defined"),
        ("class Odd(Exception):\n    def __str__(self): return 1/0\nraise Odd", "Odd: <its message cannot be printed"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("raise ImportError", "ImportError"),
        ("raise ModuleNotFoundError", "ModuleNotFoundError"),
    ],
)
def test_whatever_a_module_raises_is_told_and_ends_nothing(write: Write, text: str, said: str) -> None:
    write("app.py", text)
    assert refusal("app:answer").message.startswith(f"app:answer: importing app failed: {said}")


@pytest.mark.parametrize("signal", ["KeyboardInterrupt()", "Cancelled('stopped by SIGTERM', signal_number=15)"])
def test_a_signal_during_the_import_goes_on(write: Write, signal: str) -> None:
    write("app.py", f"from honeyhive.errors import Cancelled\nraise {signal}")
    with pytest.raises((KeyboardInterrupt, Cancelled)):
        load_callable("app:answer")


# --- whose modules are whose -----------------------------------------------------------------------------------------

SHADOWED = """
import sys
from pathlib import Path

from honeyhive.experiments.running import Experiment, run_experiment
from honeyhive.experiments.dataset import Dataset
from honeyhive.experiments.evaluators import to_evaluator
from honeyhive.experiments.loading import load_callable, prepend_paths

folder = Path(sys.argv[1])
dataset = Dataset.open("qa.jsonl", workspace=folder)
for name in sys.stdlib_module_names:
    (folder / f"{name}.py").write_text("raise RuntimeError(__name__ + ' is not ours')")
prepend_paths([folder])
before = set(sys.modules)
run = run_experiment(
    Experiment(
        name="qa",
        function=load_callable("users:answer"),
        evaluators=(to_evaluator(load_callable("users:exact")), to_evaluator(load_callable("users:fails"))),
        dataset=dataset,
        timeout=60.0,
    ),
    out=folder / sys.argv[2],
)
print(run.complete, [outcome.scores for outcome in run.outcomes])
print({name.partition(".")[0] for name in set(sys.modules) - before} - before)
"""
USERS = """
async def answer(inputs):
    import json
    return json.dumps(inputs)

def exact(outputs, expected):
    return outputs == expected

def fails(outputs):
    raise ValueError("no")
"""


@pytest.mark.parametrize("out", ["run.jsonl", "run.jsonl.gz"])
def test_no_file_of_the_users_stands_in_for_a_module_of_ours(tmp_path: Path, out: str) -> None:
    (tmp_path / "users.py").write_text(USERS, encoding="utf-8")
    (tmp_path / "qa.jsonl").write_text('{"inputs": {"q": 1}, "ground_truth": "{\\"q\\": 1}"}\n', encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", "-c", SHADOWED, tmp_path, out], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["True [{'exact': True}]", "{'users'}"]
