"""Whose rules judge: a change is judged by the configuration of its base, and inputs may only be stricter.

Plain values in, plain values out. The workflow that gives the inputs is a file of the change, as `honeyhive.yml` is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from honeyhive.ci.config import ConfigFile, ExperimentConfig, kebab
from honeyhive.ci.rules.own_gate import POLICIES, Difference, OwnGateChange, added_evaluators, code, moved
from honeyhive.errors import ConfigError
from honeyhive.gate.checks import Rule
from honeyhive.gate.entries import usual_direction
from honeyhive.gate.metrics import Decide, Direction, Metric
from honeyhive.gate.thresholds import Threshold, parse_thresholds, with_default_errors
from honeyhive.gate.verdict import Policy

_UNDER_TEST = ("function", "dataset", "inputs", "ground_truth", "id", "max_workers", "timeout")
"""What an experiment tries out, and how fast: the change's own affair."""

_SURROUNDINGS = ("install", "python_version", "python_path", "time_limit")
"""What the code of the change needs to run."""

_MUST_PASS = Rule.MUST_PASS.value
_DECIDE = "decide"


@dataclass(frozen=True)
class NoConfig:
    """The base has no configuration file: the change is judged by its own rules."""


def without_base(file: str, own: ConfigFile | None) -> tuple[OwnGateChange, ...]:
    """That the change is judged by its own rules, as its base has no `file`; what it asks of the job is not given."""
    text = f"is judged by its own rules: the base has no {code(file)} yet"
    asked = {"pass-env": own.pass_env, "writable": own.writable} if own else {}
    return (
        OwnGateChange(text=text, loosens=True),
        *(
            OwnGateChange(text=f"asks for {code(name)} in `{key}`: given from the merge on, or by the input `{key}`")
            for key, names in asked.items()
            for name in names
        ),
    )


def judged_config(base: ConfigFile, own: ConfigFile | None) -> ConfigFile:
    """What a change is run and judged by: its code and its datasets, by the rules of the base.

    An experiment that `own` lacks is as the base has it; all of them are where `own` is `None`. One that only `own`
    has comes after those of the base, as it is. Evaluators that the change adds come after those of the base.
    """
    if own is None:
        return base
    theirs = {experiment.name: experiment for experiment in own.experiments}
    judged = tuple(_judged(experiment, theirs.pop(experiment.name, None)) for experiment in base.experiments)
    surroundings = {name: getattr(own, name) for name in _SURROUNDINGS}
    return base.model_copy(update={"experiments": (*judged, *theirs.values()), **surroundings})


def _judged(base: ExperimentConfig, own: ExperimentConfig | None) -> ExperimentConfig:
    if own is None:
        return base
    evaluators = (*base.evaluators, *added_evaluators(base.evaluators, own.evaluators))
    return base.model_copy(update={name: getattr(own, name) for name in _UNDER_TEST} | {"evaluators": evaluators})


# --- inputs ----------------------------------------------------------------------------------------------------------


def tightened(judged: ExperimentConfig, given: Mapping[str, Any]) -> tuple[ExperimentConfig, tuple[OwnGateChange, ...]]:
    """An experiment of the base with what inputs say of it, by field; and what of that would have loosened its rules.

    Of two rules the stricter one holds, and the base's where that cannot be told. Raises `ConfigError` where the
    input's thresholds do not fit the base's.
    """
    update = {name: given[name] for name in _UNDER_TEST if name in given}
    refused: list[str] = []
    if "evaluators" in given:
        update["evaluators"] = (*judged.evaluators, *added_evaluators(judged.evaluators, given["evaluators"]))
    if "repeats" in given:
        update["repeats"] = max(judged.repeats, given["repeats"])
        if given["repeats"] < judged.repeats:
            refused.append(f"lowers `repeats` {judged.repeats} → {given['repeats']}; judged by {judged.repeats}")
    # To hold it against nothing, against a run of the change's own choice, or to run it at other times alone, is never
    # stricter; to run the base again is no looser than to take the run that it has.
    if judged.baseline is None and given.get("baseline") == "rerun":
        update["baseline"] = "rerun"
    elif "baseline" in given and given["baseline"] != (judged.baseline or "auto"):
        before, after = code(judged.baseline or "auto"), code(given["baseline"])
        refused.append(f"changes `baseline` {before} → {after}; judged by {before}")
    if "paths" in given and given["paths"] != judged.paths:
        refused.append("gives other `paths` than the base; those of the base hold")
    if "thresholds" in given:
        stricter = _Stricter.of(judged.thresholds)
        update["thresholds"] = stricter.with_all(given["thresholds"])
        refused += stricter.refused
    return judged.model_copy(update=update), _by_input(refused, judged.name)


def stricter_policies(
    base: ConfigFile, given: Mapping[str, Policy | None]
) -> tuple[Mapping[str, Policy], tuple[OwnGateChange, ...]]:
    """The policies of the base with those that inputs give, by field: what fails for one of them fails."""
    found, refused = {}, []
    for field_name in POLICIES:
        before, after = getattr(base, field_name), given.get(field_name)
        found[field_name] = Policy.FAIL if Policy.FAIL in (before, after) else Policy.WARN
        if before is Policy.FAIL and after is Policy.WARN:
            refused.append(f"changes `{kebab(field_name)}` fail → warn; judged by fail")
    return found, _by_input(refused, None)


def _by_input(refused: Iterable[str], experiment: str | None) -> tuple[OwnGateChange, ...]:
    return tuple(OwnGateChange(text=f"by an input, {text}", loosens=True, experiment=experiment) for text in refused)


@dataclass(frozen=True, kw_only=True)
class _Stricter:
    """The thresholds of the base while others are laid over them, rule by rule.

    What is written stays as it is written: only the rules that get stricter are replaced. What a metric is like is the
    base's to say, wherever it says anything of that metric.
    """

    settings: Mapping[str, Any]
    thresholds: Mapping[str, Threshold]
    refused: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> _Stricter:
        """The base's thresholds, the usual limit of `errors` among them."""
        known = with_default_errors(parse_thresholds(settings))
        return cls(settings=settings, thresholds={threshold.name: threshold for threshold in known})

    def with_all(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The settings with what is stricter in those given; the rest of them is among `refused` afterwards."""
        settings = {name: dict(rules) for name, rules in self.settings.items()}
        for threshold in parse_thresholds(given):
            rules = self._rules(threshold, given[threshold.name])
            if any(rule.value in rules for rule in Rule) or (threshold.name in settings and rules):
                settings[threshold.name] = {**settings.get(threshold.name, {}), **rules}
        parse_thresholds(settings)
        return settings

    def _rules(self, given: Threshold, written: Mapping[str, Any]) -> dict[str, Any]:
        metric, base = self._metric(given.metric.name), self.thresholds.get(given.name)
        if metric is None:
            rules = {key: value for key, value in written.items() if key != _MUST_PASS}
            if given.metric.direction is not usual_direction(given.metric):
                self.refused.append(
                    f"says that {code(given.metric.name)} is better when it is {given.metric.direction.value}; "
                    "the base has no rule for it, and it is judged so"
                )
        else:
            _refuse_other_direction(given, metric)
            held = [rule for rule in (*given.bounds, *given.margins) if self._is_stricter(base, given, rule)]
            rules = {rule.value: written[rule.value] for rule in held} | self._decide(base, given)
        return rules | self._must_pass(base, given)

    def _metric(self, name: str) -> Metric | None:
        """The metric as the base knows it; `None` where it has no rule for it."""
        return next((known.metric for known in self.thresholds.values() if known.metric.name == name), None)

    def _is_stricter(self, base: Threshold | None, given: Threshold, rule: Rule) -> bool:
        if base is None or (rule not in base.bounds and rule not in base.margins):
            return True
        if base.written(rule) == given.written(rule):
            return False
        verb, looser = moved(base, given, rule)
        if looser:
            self._refuse(given, rule.value, (base.written(rule), given.written(rule)), verb)
        return not looser

    def _decide(self, base: Threshold | None, given: Threshold) -> dict[str, Any]:
        before = base.decide if base is not None and base.margins else None
        if not given.margins or given.decide is before:
            return {}
        if before is None or given.decide is Decide.STRICT:
            return {} if given.decide is Decide.TESTED else {_DECIDE: given.decide.value}
        # The estimate alone and the test: which of them passes more depends on the data.
        if given.decide is not Decide.TESTED:
            self._refuse(given, _DECIDE, (before.value, given.decide.value))
        return {}

    def _must_pass(self, base: Threshold | None, given: Threshold) -> dict[str, Any]:
        """Another metric that has to pass; where the base names none all of them have to, and naming one is less."""
        before = None if base is None else base.must_pass
        if given.must_pass is None or given.must_pass is before:
            return {}
        if given.must_pass and any(known.must_pass for known in self.thresholds.values()):
            return {_MUST_PASS: True}
        words = {True: "true", False: "false", None: "what is usual"}
        self._refuse(given, _MUST_PASS, (words[before], words[given.must_pass]))
        return {}

    def _refuse(self, given: Threshold, key: str, moved: tuple[str, str], verb: str = "changes") -> None:
        difference = Difference(threshold=given.name, key=key, before=moved[0], after=moved[1], verb=verb, loosens=True)
        self.refused.append(difference.sentence)


def _refuse_other_direction(given: Threshold, metric: Metric) -> None:
    fitting = Rule.MAX_DROP if metric.direction is Direction.HIGHER else Rule.MAX_INCREASE
    for rule in given.margins:
        if rule is not fitting:
            raise ConfigError(
                f"thresholds.{given.name}.{rule}: for the base, {metric.name} is better when it is {metric.direction}",
                hint=f"say {fitting}",
            )


def of_experiments(changes: Sequence[OwnGateChange], names: Iterable[str]) -> tuple[OwnGateChange, ...]:
    """Those of the changes that are about one of these experiments, or about all of them; what loosens first."""
    run = {None, *names}
    return tuple(sorted((one for one in changes if one.experiment in run), key=lambda one: not one.loosens))
