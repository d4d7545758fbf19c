"""A change is judged by the rules of its base; what it does to them is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyhive.ci.config import ConfigFile, ExperimentConfig, WrittenConfig, parse_config
from honeyhive.ci.rules.own_gate import OwnGateChange, own_gate
from honeyhive.ci.rules.tightening import judged_config, stricter_policies, tightened, without_base
from honeyhive.documents import load_yaml
from honeyhive.errors import ConfigError
from honeyhive.gate.checks import Rule
from honeyhive.gate.markdown import prose
from honeyhive.gate.thresholds import parse_thresholds, with_default_errors
from honeyhive.gate.verdict import Policy

BASE = """\
version: 1
experiments:
  - name: qa
    function: app:answer
    dataset: qa.jsonl
    evaluators: [evals:correct, evals:polite]
    repeats: 3
    thresholds:
      correct: {min: 0.35, max-drop: 0.02}
      latency_ms.p95: {max: 2s}
"""


def config(text: str) -> ConfigFile:
    return parse_config(text, "honeyhive.yml")


def written(text: str) -> WrittenConfig:
    return WrittenConfig(config=config(text), document=load_yaml(text), file="honeyhive.yml")


def changes(own: str, base: str = BASE) -> list[OwnGateChange]:
    return list(own_gate(config(base), written(own), file="honeyhive.yml"))


def said(own: str, base: str = BASE) -> list[str]:
    return [change.text for change in changes(own, base)]


def with_line(line: str, instead: str) -> str:
    assert line in BASE
    return BASE.replace(line, instead)


def experiment(**fields: Any) -> ExperimentConfig:
    return ExperimentConfig.model_validate({"name": "qa", "function": "app:f", "dataset": "qa.jsonl", **fields})


# --- what judges -----------------------------------------------------------------------------------------------------


def test_the_code_and_the_rows_are_the_changes_and_the_rules_are_the_bases() -> None:
    own = config("""\
version: 1
experiments:
  - name: qa
    function: app:better
    dataset: new.jsonl
    inputs: [question]
    ground-truth: answer
    id: number
    timeout: 5s
    max-workers: 2
    evaluators: [evals:polite, evals:brief]
    repeats: 1
    baseline: none
    paths: docs/
    thresholds: {correct: {min: 0}}
""")
    (judged,) = judged_config(config(BASE), own).experiments
    assert (judged.function, judged.dataset, judged.timeout, judged.max_workers) == ("app:better", "new.jsonl", 5, 2)
    assert (judged.inputs, judged.ground_truth, judged.id) == (("question",), "answer", "number")
    assert judged.evaluators == ("evals:correct", "evals:polite", "evals:brief")
    assert (judged.repeats, judged.baseline, judged.paths) == (3, None, ())
    assert judged.thresholds == config(BASE).experiments[0].thresholds


def test_an_experiment_that_the_change_removes_is_run_and_one_that_it_adds_is_judged_by_its_own_rules() -> None:
    own = config("version: 1\nexperiments: [{name: new, function: app:f, dataset: n.jsonl, repeats: 2}]\n")
    removed, added = judged_config(config(BASE), own).experiments
    assert removed == config(BASE).experiments[0]
    assert added == own.experiments[0]


def test_a_change_that_removes_the_file_is_judged_as_if_it_were_there() -> None:
    base = config(BASE + "install: six\n")
    assert judged_config(base, None) == base


def test_policies_and_store_are_the_bases_and_what_code_needs_to_run_is_the_changes() -> None:
    own = config(
        BASE
        + "on-undecided: warn\non-incomparable: warn\nstore: 'file:mine'\ninstall: new.txt\npython-version: '3.13'\n"
        + "python-path: lib\npass-env: KEY\nwritable: build\ntime-limit: 5m\n"
    )
    base = config(BASE + "on-undecided: fail\nstore: 'git:runs'\ninstall: old.txt\npass-env: OTHER\nwritable: cache\n")
    judged = judged_config(base, own)
    assert (judged.on_undecided, judged.on_incomparable, judged.store) == (Policy.FAIL, Policy.FAIL, "git:runs")
    assert (judged.install, judged.python_version, judged.python_path) == ("new.txt", "3.13", ("lib",))
    assert (judged.pass_env, judged.writable, judged.time_limit) == (("OTHER",), ("cache",), 300)
    assert said(BASE + "writable: [build, cache]\n", BASE + "writable: cache\n") == [
        "adds `build` to `writable`: its code may write there from the merge on"
    ]


def test_an_evaluator_called_like_one_of_the_base_does_not_take_its_place() -> None:
    own = config(with_line("[evals:correct, evals:polite]", "[mine:correct, evals:polite]"))
    assert judged_config(config(BASE), own).experiments[0].evaluators == ("evals:correct", "evals:polite")
    assert said(with_line("[evals:correct, evals:polite]", "[mine:correct, evals:polite]")) == [
        "removes the evaluator `evals:correct`; it is run all the same",
        "adds the evaluator `mine:correct`, called like one of the base: it runs from the merge on",
    ]


# --- what is said of it ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "instead", "sentence", "at"),
    [
        ("min: 0.35", "min: 0.10", "lowers `correct.min` 0.35 → 0.1; judged by 0.35", 9),
        ("min: 0.35", "min: 0.5", "raises `correct.min` 0.35 → 0.5; judged by 0.35", 9),
        ("max-drop: 0.02", "max-drop: 3%", "changes `correct.max-drop` 0.02 → 3%; judged by 0.02", 9),
        ("max-drop: 0.02", "max-drop: 0.1", "raises `correct.max-drop` 0.02 → 0.1; judged by 0.02", 9),
        (", max-drop: 0.02", "", "removes `correct.max-drop` 0.02; judged by it all the same", 9),
        ("max: 2s", "max: 3s", "raises `latency_ms.p95.max` 2000 → 3000; judged by 2000", 10),
        ("max: 2s", "max: 1s", "lowers `latency_ms.p95.max` 2000 → 1000; judged by 2000", 10),
        ("      latency_ms.p95: {max: 2s}\n", "", "removes `latency_ms.p95.max` 2000; judged by it all the same", 8),
        ("max: 2s}", "max: 2s}\n      polite: {min: 0.9}", "adds `polite.min` 0.9: judges from the merge on", 11),
        ("max: 2s}", "max: 2s}\n      errors: {max: 0.5}", "raises `errors.max` 0.05 → 0.5; judged by 0.05", 11),
        ("min: 0.35", "min: 35%", None, 0),
        ("0.02}", "0.02, decide: point}", "changes `correct.decide` tested → point; judged by tested", 9),
        ("0.02}", "0.02, must-pass: false}", "adds `correct.must-pass` false: judges from the merge on", 9),
        ("0.02}", "0.02, cluster: topic}", "adds `correct.cluster` topic: judges from the merge on", 9),
        ("repeats: 3", "repeats: 1", "lowers `repeats` 3 → 1; judged by 3", 7),
        ("repeats: 3", "repeats: 9", "raises `repeats` 3 → 9; judged by 3", 7),
        ("repeats: 3", "repeats: 3\n    baseline: none", "changes `baseline` auto → none; judged by auto", 8),
        ("repeats: 3", "repeats: 3\n    baseline: auto", None, 0),
        ("repeats: 3", "repeats: 3\n    paths: [a, b]", "changes `paths` any file → a, b; judged by any file", 8),
        ("qa.jsonl", "few.jsonl", "changes `dataset` `qa.jsonl` → `few.jsonl`; the rows of the base are run too", 5),
        (
            "qa.jsonl",
            "qa.jsonl\n    id: n",
            "changes what the columns mean (`id`); the rows of the base are run too",
            6,
        ),
        ("app:answer", "app:other", "changes `function` `app:answer` → `app:other`", 4),
        (", evals:polite]", "]", "removes the evaluator `evals:polite`; it is run all the same", 6),
        ("polite]", "polite, a:b]", "adds the evaluator `a:b`: it is run, and judges from the merge on", 6),
        ("[evals:correct, evals:polite]", "[evals:polite, evals:correct]", None, 0),
        ("repeats: 3", "repeats: 3\n    timeout: 5s\n    max-workers: 2", None, 0),
    ],
)
def test_what_a_change_does_to_its_own_gate_is_said_where_it_does_it(
    line: str, instead: str, sentence: str | None, at: int
) -> None:
    found = changes(with_line(line, instead))
    assert [change.text for change in found] == ([] if sentence is None else [sentence])
    assert [(change.file, change.line) for change in found] == ([] if sentence is None else [("honeyhive.yml", at)])


@pytest.mark.parametrize(
    ("top", "sentence", "loosens"),
    [
        ("on-incomparable: warn", "changes `on-incomparable` fail → warn; judged by fail", True),
        ("on-undecided: fail", "changes `on-undecided` warn → fail; judged by warn", False),
        ("store: 'file:x'", "changes `store` the default → file:x; the default is used", True),
    ],
)
def test_a_policy_or_store_that_a_change_sets_is_said(top: str, sentence: str, loosens: bool) -> None:
    (change,) = changes(f"{BASE}{top}\n")
    assert (change.text, change.line, change.loosens) == (sentence, 11, loosens)


def test_what_loosens_comes_first() -> None:
    own = with_line("min: 0.35, max-drop: 0.02", "min: 0.5, max-drop: 0.9").replace("max: 2s", "max: 1s")
    assert [(change.text.split()[1], change.loosens) for change in changes(own)] == [
        ("`correct.max-drop`", True),
        ("`correct.min`", False),
        ("`latency_ms.p95.max`", False),
    ]


def test_where_there_are_several_experiments_each_change_names_its_own() -> None:
    other = "  - {name: safety, function: app:answer, dataset: s.jsonl}\n"
    found = changes(with_line("min: 0.35", "min: 0.3").replace("  - name: qa", f"{other}  - name: qa"))
    assert [(change.text, change.experiment) for change in found] == [
        ("`qa`: lowers `correct.min` 0.35 → 0.3; judged by 0.35", "qa"),
        ("adds the experiment `safety`: judged by its own rules", "safety"),
    ]


def test_an_experiment_that_is_renamed_is_one_removed_and_one_added() -> None:
    assert said(with_line("name: qa", "name: qb")) == [
        "removes the experiment `qa`; it is run as the base has it",
        "adds the experiment `qb`: judged by its own rules",
    ]


def test_a_file_that_is_removed_is_said() -> None:
    (change,) = own_gate(config(BASE), None, file="evals/honeyhive.yml")
    assert change.text == "removes `evals/honeyhive.yml`; judged by the rules of the base all the same"
    assert change.loosens


def test_a_base_without_rules_is_said() -> None:
    (said,) = without_base("honeyhive.yml", None)
    assert said.text == "is judged by its own rules: the base has no `honeyhive.yml` yet"


def test_naming_the_first_metric_that_must_pass_leaves_the_others_out() -> None:
    (first,) = changes(with_line("0.02}", "0.02, must-pass: true}"))
    assert first.loosens
    base = BASE.replace("max: 2s}", "max: 2s}\n      polite: {must-pass: true}")
    (second,) = changes(base.replace("0.02}", "0.02, must-pass: true}"), base)
    assert not second.loosens


def test_how_a_comparison_is_decided_goes_with_the_comparison() -> None:
    base = with_line("0.02}", "0.02, decide: strict}")
    assert said(with_line(", max-drop: 0.02", ""), base) == [
        "removes `correct.max-drop` 0.02; judged by it all the same"
    ]
    (change,) = changes(BASE, base)
    assert (change.text, change.loosens) == ("changes `correct.decide` strict → tested; judged by strict", True)
    (change,) = changes(base)
    assert not change.loosens


def test_names_of_strangers_stay_within_their_backticks() -> None:
    own = with_line("max: 2s}", 'max: 2s}\n      "x` @everyone [a](https://a.example) `y": {min: 0.1}')
    (sentence,) = said(own)
    assert sentence.count("`") == 2
    assert prose(sentence) == "adds `xˋ @everyone [a](https://a.example) ˋy.min` 0.1: judges from the merge on"


numbers = st.sampled_from([0, 0.1, 0.35, 0.5, 1])
rules = st.fixed_dictionaries(
    {"min": numbers},
    optional={
        "max": numbers,
        "max-drop": numbers | st.sampled_from(["2%", "10%"]),
        "must-pass": st.booleans(),
    },
)
thresholds = st.dictionaries(st.sampled_from(["correct", "polite", "correct.mean"]), rules, max_size=3).map(
    lambda found: {
        name: {key: rule for key, rule in given.items() if "." not in name or key in ("min", "max")}
        for name, given in found.items()
    }
)


@given(thresholds, thresholds)
def test_there_is_something_to_say_unless_the_rules_are_the_same(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    text = "version: 1\nexperiments: [{name: qa, function: 'a:f', dataset: d.jsonl}]\n"
    base, own = (ConfigFile(version=1, experiments=(experiment(thresholds=given),)) for given in (before, after))
    found = own_gate(base, WrittenConfig(config=own, document=load_yaml(text), file="h.yml"), file="h.yml")
    assert bool(found) is (set(map(str, parse_thresholds(before))) != set(map(str, parse_thresholds(after))))


# --- inputs ----------------------------------------------------------------------------------------------------------


def inputs_over(base: Mapping[str, Any], given: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    found, refused = tightened(experiment(thresholds=base), {"thresholds": given})
    assert all(change.loosens and change.experiment == "qa" for change in refused)
    return found.thresholds, [change.text.removeprefix("by an input, ") for change in refused]


@pytest.mark.parametrize(
    ("base", "given", "judged", "refused"),
    [
        ({"min": 0.35}, {"min": 0.5}, {"min": 0.5}, []),
        ({"min": 0.35}, {"min": 0.1}, {"min": 0.35}, ["lowers `correct.min` 0.35 → 0.1; judged by 0.35"]),
        ({"min": 0.35}, {"min": "35%"}, {"min": 0.35}, []),
        ({"max": 0.5}, {"max": 0.4}, {"max": 0.4}, []),
        ({"max": 0.5}, {"max": 0.6}, {"max": 0.5}, ["raises `correct.max` 0.5 → 0.6; judged by 0.5"]),
        ({"min": 0.35}, {"max": 0.9}, {"min": 0.35, "max": 0.9}, []),
        ({"max-drop": 0.02}, {"max-drop": 0.01}, {"max-drop": 0.01}, []),
        (
            {"max-drop": 0.02},
            {"max-drop": 0.03},
            {"max-drop": 0.02},
            ["raises `correct.max-drop` 0.02 → 0.03; judged by 0.02"],
        ),
        (
            {"max-drop": 0.02},
            {"max-drop": "1%"},
            {"max-drop": 0.02},
            ["changes `correct.max-drop` 0.02 → 1%; judged by 0.02"],
        ),
        ({"max-drop": 0.02, "decide": "strict"}, {"max-drop": 0.01}, {"max-drop": 0.01, "decide": "strict"}, []),
        (
            {"max-drop": 0.02},
            {"max-drop": 0.02, "decide": "strict"},
            {"max-drop": 0.02, "decide": "strict"},
            [],
        ),
        (
            {"max-drop": 0.02},
            {"max-drop": 0.02, "decide": "point"},
            {"max-drop": 0.02},
            ["changes `correct.decide` tested → point; judged by tested"],
        ),
        (
            {"max-drop": 0.02, "decide": "strict"},
            {"max-drop": 0.02, "decide": "point"},
            {"max-drop": 0.02, "decide": "strict"},
            ["changes `correct.decide` strict → point; judged by strict"],
        ),
        ({"min": 0.3}, {"max-drop": 0.1, "decide": "point"}, {"min": 0.3, "max-drop": 0.1, "decide": "point"}, []),
        ({"min": 3, "range": [0, 10]}, {"min": 4, "range": [0, 5]}, {"min": 4, "range": [0, 10]}, []),
        (
            {"min": 0.3, "must-pass": True},
            {"must-pass": False},
            {"min": 0.3, "must-pass": True},
            ["changes `correct.must-pass` true → false; judged by true"],
        ),
        (
            {"min": 0.3},
            {"must-pass": False},
            {"min": 0.3},
            ["changes `correct.must-pass` what is usual → false; judged by what is usual"],
        ),
        (
            {"min": 0.3},
            {"must-pass": True},
            {"min": 0.3},
            ["changes `correct.must-pass` what is usual → true; judged by what is usual"],
        ),
    ],
)
def test_of_two_rules_the_stricter_one_judges(
    base: Mapping[str, Any], given: Mapping[str, Any], judged: Mapping[str, Any], refused: list[str]
) -> None:
    assert inputs_over({"correct": base}, {"correct": given}) == ({"correct": judged}, refused)


def test_a_metric_that_the_base_has_no_rule_for_is_added_as_it_is_written() -> None:
    base = {"correct": {"min": 0.35}}
    assert inputs_over(base, {"polite": {"min": "90%"}, "latency_ms.p95": {"max": "2s"}}) == (
        {**base, "polite": {"min": "90%"}, "latency_ms.p95": {"max": "2s"}},
        [],
    )


def test_another_metric_has_to_pass_only_where_the_base_names_some() -> None:
    named = {"correct": {"must-pass": True}}
    assert inputs_over(named, {"polite": {"must-pass": True}}) == ({**named, "polite": {"must-pass": True}}, [])
    unnamed = {"correct": {"min": 0.35}}
    judged, refused = inputs_over(unnamed, {"polite": {"must-pass": True}})
    assert judged == unnamed
    assert refused == ["changes `polite.must-pass` what is usual → true; judged by what is usual"]


def test_errors_may_not_be_allowed_more_than_is_usual() -> None:
    assert inputs_over({}, {"errors": {"max": 0.5}}) == (
        {},
        ["raises `errors.max` 0.05 → 0.5; judged by 0.05"],
    )
    assert inputs_over({}, {"errors": {"max": 0}}) == ({"errors": {"max": 0}}, [])


def test_which_way_is_better_is_the_bases_to_say() -> None:
    with pytest.raises(ConfigError, match="for the base, correct is better when it is higher"):
        inputs_over({"correct": {"min": 0.35}}, {"correct": {"max-increase": 0.1}})
    judged, refused = inputs_over({"correct": {"min": 0.35}}, {"correct": {"max": 1, "direction": "lower"}})
    assert judged == {"correct": {"min": 0.35, "max": 1}}
    assert not refused
    _, refused = inputs_over({}, {"toxic": {"max": 0.1, "direction": "lower"}})
    assert refused == ["says that `toxic` is better when it is lower; the base has no rule for it, and it is judged so"]


def test_rules_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"thresholds\.correct\.min: 90 can never be reached"):
        inputs_over({"correct": {"min": 0.35, "kind": "rate"}}, {"correct": {"min": 90}})


@given(thresholds, thresholds)
def test_whatever_inputs_say_no_rule_of_the_base_gets_looser(
    base: Mapping[str, Any], given_: Mapping[str, Any]
) -> None:
    judged = {one.name: one for one in parse_thresholds(inputs_over(base, given_)[0])}
    for before in parse_thresholds(base):
        after = judged[before.name]
        assert after.bounds.get(Rule.MIN, 0) >= before.bounds.get(Rule.MIN, 0)
        assert after.bounds.get(Rule.MAX, 1) <= before.bounds.get(Rule.MAX, 1)
        assert before.must_pass is None or after.must_pass is before.must_pass or after.must_pass
        for rule, margin in before.margins.items():
            assert after.margins[rule].relative is margin.relative
            assert after.margins[rule].value <= margin.value
    named = {one.name for one in with_default_errors(parse_thresholds(base)) if one.must_pass}
    assert {name for name, one in judged.items() if one.must_pass} >= named
    assert named or not any(one.must_pass for one in judged.values())


def test_inputs_say_what_is_run_and_nothing_that_judges_less() -> None:
    base = experiment(evaluators=["a:x"], repeats=3, paths=["src/"])
    given = {"function": "app:g", "dataset": "b.jsonl", "max_workers": 2, "evaluators": ("b:x", "b:y"), "repeats": 2}
    found, refused = tightened(base, {**given, "paths": ("docs/",), "baseline": "none"})
    assert (found.function, found.dataset, found.max_workers) == ("app:g", "b.jsonl", 2)
    assert (found.evaluators, found.repeats, found.paths, found.baseline) == (("a:x", "b:y"), 3, ("src/",), None)
    assert [change.text for change in refused] == [
        "by an input, lowers `repeats` 3 → 2; judged by 3",
        "by an input, changes `baseline` `auto` → `none`; judged by `auto`",
        "by an input, gives other `paths` than the base; those of the base hold",
    ]
    assert tightened(base, {"repeats": 5})[0].repeats == 5


@pytest.mark.parametrize(
    ("of_base", "given", "judged", "refused"),
    [
        (None, "rerun", "rerun", 0),
        (None, "auto", None, 0),
        ("release", "main", "release", 1),
        ("main", "main", "main", 0),
        ("main", "none", "main", 1),
        ("auto", "main", "auto", 1),
    ],
)
def test_a_baseline_by_input_counts_where_the_base_names_none(
    of_base: str | None, given: str, judged: str | None, refused: int
) -> None:
    found, said_ = tightened(experiment(baseline=of_base), {"baseline": given})
    assert (found.baseline, len(said_)) == (judged, refused)


@pytest.mark.parametrize(
    ("of_base", "given", "judged", "refused"),
    [
        ("fail", Policy.WARN, Policy.FAIL, ["by an input, changes `on-undecided` fail → warn; judged by fail"]),
        ("fail", None, Policy.FAIL, []),
        ("warn", Policy.FAIL, Policy.FAIL, []),
        ("warn", Policy.WARN, Policy.WARN, []),
    ],
)
def test_of_two_policies_the_one_that_fails_holds(
    of_base: str, given: Policy | None, judged: Policy, refused: list[str]
) -> None:
    found, said_ = stricter_policies(config(f"{BASE}on-undecided: {of_base}\n"), {"on_undecided": given})
    assert found["on_undecided"] is judged
    assert [change.text for change in said_] == refused
