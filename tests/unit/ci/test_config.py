"""honeyhive.yml: what it may say, and where and why it may not say something else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from honeyhive.ci.config import ConfigFile, ExperimentConfig, parse_config, read_config, to_names, to_seconds
from honeyhive.errors import ConfigError
from honeyhive.gate.checks import Rule
from honeyhive.gate.thresholds import Margin
from honeyhive.gate.verdict import Policy

WHOLE = """\
version: 1
experiments:
  - name: qa
    function: app:answer
    dataset: qa.jsonl
"""


def read(folder: Path, text: str) -> ConfigFile:
    (folder / "honeyhive.yml").write_text(text, encoding="utf-8")
    return read_config(folder / "honeyhive.yml", "honeyhive.yml").config


def refused(folder: Path, text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read(folder, text)
    return caught.value


# --- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("60s", 60), ("500ms", 0.5), ("2m", 120), ("1h", 3600), (" 1.5 s ", 1.5), (0.25, 0.25), (90, 90)],
)
def test_a_time_is_seconds(written: str | float, seconds: float) -> None:
    assert to_seconds(written) == pytest.approx(seconds)


@given(
    st.floats()
    | st.integers()
    | st.text(max_size=8)
    | st.none()
    | st.booleans()
    | st.lists(st.integers(), max_size=2)
    | st.from_regex(r"\A[0-9]{1,400}(\.[0-9]{1,3})? ?(ms|s|m|h|d)?\Z")
)
@example(10**400)
@example("9" * 400 + "s")
@example("٣s")
def test_whatever_is_written_is_a_time_above_zero_or_refused(written: object) -> None:
    found = seconds_or_complaint(written)
    if isinstance(found, str):
        assert "60s" in found
    else:
        assert 0 < found < 864_000
        assert not isinstance(written, bool)


def seconds_or_complaint(written: object) -> float | str:
    try:
        return to_seconds(written)
    except ValueError as error:
        return str(error)


# --- names -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.text(st.characters(exclude_characters=",\n"), max_size=9)), st.sampled_from([",", "\n", " ,\n"]))
def test_names_in_a_text_are_the_names_in_a_list(names: list[str], separator: str) -> None:
    found = to_names(separator.join(names))
    assert found == to_names(names) == to_names(tuple(names))
    assert found == tuple(name.strip() for name in names if name.strip())


@given(st.none() | st.integers() | st.lists(st.integers(), min_size=1) | st.dictionaries(st.text(), st.text()))
def test_what_is_no_list_of_names_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="not a name or a list of names"):
        to_names(value)


# --- a file that is right --------------------------------------------------------------------------------------------


def test_a_short_file_has_every_default(tmp_path: Path) -> None:
    (experiment,) = read(tmp_path, WHOLE).experiments
    assert experiment == ExperimentConfig(name="qa", function="app:answer", dataset="qa.jsonl")
    assert (experiment.max_workers, experiment.repeats, experiment.timeout) == (10, 1, 600)
    assert experiment.parsed_thresholds() == ()


def test_everything_may_be_said(tmp_path: Path) -> None:
    text = f"""{WHOLE}\
    inputs: question
    ground-truth: answer
    id: qid
    evaluators: app:exact, app:close
    max-workers: 16
    repeats: 3
    timeout: 500ms
    baseline: main.jsonl
    thresholds:
      exact: {{min: 35%, max-drop: 1e-3}}
      close: {{max-drop: 2%}}
      latency_ms: {{max: 500ms}}
on-undecided: fail
on-missing-baseline: fail
on-incomparable: warn
install: requirements.txt
python-version: "3.12"
python-path: [src]
pass-env: |
  OPENAI_API_KEY
  OTHER_KEY
time-limit: 1h
"""
    config = read(tmp_path, text)
    (experiment,) = config.experiments
    assert experiment.inputs == ("question",)
    assert experiment.evaluators == ("app:exact", "app:close")
    assert experiment.timeout == 0.5
    exact, close, latency = experiment.parsed_thresholds()
    assert (exact.bounds, exact.margins) == ({Rule.MIN: 0.35}, {Rule.MAX_DROP: Margin(value=0.001)})
    assert close.margins == {Rule.MAX_DROP: Margin(value=0.02, relative=True)}
    assert latency.bounds == {Rule.MAX: 500.0}
    assert (config.on_undecided, config.on_incomparable) == (Policy.FAIL, Policy.WARN)
    assert config.pass_env == ("OPENAI_API_KEY", "OTHER_KEY")
    assert config.time_limit == 3600


def test_a_byte_order_mark_is_no_character_of_it(tmp_path: Path) -> None:
    assert read(tmp_path, f"\ufeff{WHOLE}").version == 1


# --- a file that is wrong --------------------------------------------------------------------------------------------

WRONG = {
    "an unknown key, at its place, with the nearest known one": (
        WHOLE + "    evaluatorz: app:exact\n",
        "honeyhive.yml:6:5: experiments[0].evaluatorz: unknown key",
        "did you mean evaluators?",
    ),
    "an unknown key at the top": (WHOLE + "treshold: {}\n", "honeyhive.yml:6:1: treshold: unknown key", "known: "),
    "a key with an underscore": (
        WHOLE + "    max_workerz: 3\n",
        "honeyhive.yml:6:5: experiments[0].max_workerz: unknown key",
        "did you mean max-workers?",
    ),
    "a missing key": (
        "version: 1\nexperiments:\n  - name: qa\n    dataset: qa.jsonl\n",
        "honeyhive.yml:3:5: experiments[0].function: missing",
        "the function under test, as module:callable",
    ),
    "no version": (WHOLE.removeprefix("version: 1\n"), "honeyhive.yml:1:1: version: missing", "the version of this"),
    "another version": (
        WHOLE.replace("version: 1", "version: 2"),
        "honeyhive.yml:1:1: version: should be 1, not 2",
        "the version of this format",
    ),
    "no experiments": (
        "version: 1\nexperiments: []\n",
        "honeyhive.yml:2:1: experiments: an empty list",
        "what the gate runs",
    ),
    "one experiment where a list belongs": (
        "version: 1\nexperiments:\n  name: qa\n",
        "honeyhive.yml:2:1: experiments: should be a list, not a mapping",
        "what the gate runs",
    ),
    "an experiment that is text": (
        "version: 1\nexperiments: [qa]\n",
        'honeyhive.yml:2:15: experiments[0]: should be a mapping, not "qa"',
        "",
    ),
    "a number where text belongs": (
        WHOLE.replace("name: qa", "name: 1e-3"),
        "honeyhive.yml:3:5: experiments[0].name: should be text, not 0.001",
        "write it in quotes",
    ),
    "nothing where text belongs": (
        WHOLE.replace("app:answer", ""),
        "honeyhive.yml:4:5: experiments[0].function: should be text, not null",
        "module:callable",
    ),
    "a name with a slash": (
        WHOLE.replace("name: qa", "name: ../qa"),
        'honeyhive.yml:3:5: experiments[0].name: "../qa" is no name',
        "letters, digits, dot, dash, underscore",
    ),
    "text where a number belongs": (
        WHOLE + "    max-workers: many\n",
        'honeyhive.yml:6:5: experiments[0].max-workers: should be a whole number, not "many"',
        "how many datapoints run at the same time",
    ),
    "a number that is too small": (
        WHOLE + "    repeats: 0\n",
        "honeyhive.yml:6:5: experiments[0].repeats: should be greater than or equal to 1, not 0",
        "how often each datapoint runs",
    ),
    "a number that is too large": (
        WHOLE + "    max-workers: 1001\n",
        "honeyhive.yml:6:5: experiments[0].max-workers: should be less than or equal to 1000, not 1001",
        "",
    ),
    "no time": (
        WHOLE + "    timeout: soon\n",
        'honeyhive.yml:6:5: experiments[0].timeout: not a time: write 60s, 500ms, 2m or 1h, not "soon"',
        "time for each call of the function",
    ),
    "a word that is no policy": (
        WHOLE + "on-undecided: maybe\n",
        "honeyhive.yml:6:1: on-undecided: should be 'warn' or 'fail', not \"maybe\"",
        "when the data cannot tell",
    ),
    "numbers for names": (
        WHOLE + "    evaluators: [1]\n",
        "honeyhive.yml:6:5: experiments[0].evaluators: not a name or a list of names, not a list",
        "module:callable",
    ),
    "a threshold that is no mapping": (
        WHOLE + "    thresholds: 0.9\n",
        "honeyhive.yml:6:5: experiments[0].thresholds: should be a mapping, not 0.9",
        "metric: rules",
    ),
    "an unknown rule": (
        WHOLE + "    thresholds:\n      exact: {max-drpo: 0.1}\n",
        'honeyhive.yml:7:15: thresholds.exact: unknown rule "max-drpo"',
        "did you mean max-drop?",
    ),
    "a rule that is no number": (
        WHOLE + "    thresholds:\n      exact:\n        min: high\n",
        'honeyhive.yml:8:9: thresholds.exact.min: "high" is not a',
        "0.02, 2%, 1e-3",
    ),
    "two experiments of one name": (
        WHOLE + "  - {name: qa, function: app:other, dataset: qa.jsonl}\n",
        'honeyhive.yml:6:6: two experiments are called "qa"',
        "give each a name of its own",
    ),
    "a list at the top": ("- version: 1\n", "honeyhive.yml:1: not a mapping of settings", "`version: 1`"),
    "nothing at all": ("", "honeyhive.yml:1: not a mapping of settings", "`version: 1`"),
    "a duplicate key": (WHOLE + "version: 1\n", 'honeyhive.yml:6:1: duplicate key "version"', "plain YAML"),
    "broken YAML": (WHOLE + "  : [\n", "honeyhive.yml:6:3: did not find expected", "plain YAML"),
    "an alias": (WHOLE + "    id: *anchor\n", "honeyhive.yml:6:9: an alias", "plain YAML"),
}


@pytest.mark.parametrize(("text", "said", "hint"), WRONG.values(), ids=list(WRONG))
def test_what_is_wrong_is_told_by_place_with_what_would_be_right(
    tmp_path: Path, text: str, said: str, hint: str
) -> None:
    error = refused(tmp_path, text)
    assert f"{error.place}: {error.message}".startswith(said)
    assert hint in error.hint
    assert error.exit_code == 2


def test_a_missing_file_is_named_as_the_user_named_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file") as caught:
        read_config(tmp_path / "evals.yml", "evals.yml")
    assert (caught.value.file, caught.value.hint) == ("evals.yml", "create it, or name another with --config")


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it is no regular file"):
        read_config(tmp_path, "evals")


def test_bytes_that_are_no_text_are_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "honeyhive.yml").write_bytes(b"version: \xff\n")
    with pytest.raises(ConfigError, match="not UTF-8") as caught:
        read_config(tmp_path / "honeyhive.yml", "honeyhive.yml")
    assert caught.value.hint == "save it as UTF-8"


def test_a_misspelt_key_is_told_before_the_key_that_is_missing_for_it(tmp_path: Path) -> None:
    path = tmp_path / "honeyhive.yml"
    path.write_text("version: 1\nexperiments:\n  - name: a\n    fuction: app:answer\n    dataset: d.jsonl\n")
    with pytest.raises(ConfigError, match="unknown key") as refused:
        read_config(path, "honeyhive.yml")
    assert (refused.value.line, refused.value.column) == (4, 5)
    assert "did you mean function?" in refused.value.hint


# --- a text, and its places ------------------------------------------------------------------------------------------


def test_a_text_is_read_like_the_file_that_holds_it(tmp_path: Path) -> None:
    assert parse_config(WHOLE, "main") == read(tmp_path, WHOLE)
    assert parse_config(f"\ufeff{WHOLE}", "main") == read(tmp_path, WHOLE)
    with pytest.raises(ConfigError) as caught:
        parse_config(WHOLE.replace("dataset", "datasett"), "honeyhive.yml of main")
    assert (caught.value.place, caught.value.message) == (
        "honeyhive.yml of main:5:5",
        "experiments[0].datasett: unknown key",
    )


def test_the_line_of_a_part_is_that_of_the_nearest_thing_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "honeyhive.yml"
    path.write_text(WHOLE + "    thresholds:\n      exact:\n        min: 0.5\n", encoding="utf-8")
    written = read_config(path, "evals.yml")
    assert written.file == "evals.yml"
    assert written.line(("experiments", 0, "thresholds", "exact", "min")) == 8
    assert written.line(("experiments", 0, "thresholds", "exact", "max")) == 7
    assert written.line(("experiments", 0, "repeats")) == 3
    assert written.line(("store",)) == 1
