"""What a change does to the rules that judge it, in sentences: `OwnGateChange`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from honeyhive.ci.config import ConfigFile, ExperimentConfig, WrittenConfig, kebab
from honeyhive.gate.checks import Rule
from honeyhive.gate.markdown import NAME, one_line
from honeyhive.gate.metrics import Decide
from honeyhive.gate.thresholds import Threshold, with_default_errors
from honeyhive.gate.verdict import Policy

POLICIES = ("on_undecided", "on_missing_baseline", "on_incomparable")
_COLUMNS = ("inputs", "ground_truth", "id")
_RULES = tuple(rule.value for rule in Rule)
_DECIDE = "decide"


@dataclass(frozen=True, kw_only=True)
class OwnGateChange:
    """One thing that a change does to its own gate, as a clause without a subject: "lowers `correct.min` …".

    What stands between backticks is code. `file` and `line` are where the change says it, `None` where no file does.
    `loosens` is whether more would pass by it; `experiment` is the one that it is about, `None` for all of them.
    """

    text: str
    file: str | None = None
    line: int | None = None
    loosens: bool = False
    experiment: str | None = None


def own_gate(base: ConfigFile, own: WrittenConfig | None, *, file: str) -> tuple[OwnGateChange, ...]:
    """What `own`, the configuration of a change, does to the rules of its base: what loosens them first.

    `own` is `None` where the change has removed the `file`.
    """
    if own is None:
        text = f"removes {code(file)}; judged by the rules of the base all the same"
        return (OwnGateChange(text=text, file=file, loosens=True),)
    several = len({experiment.name for experiment in (*base.experiments, *own.config.experiments)}) > 1
    found = [
        OwnGateChange(
            text=f"{code(change.within)}: {change.text}" if several and change.within else change.text,
            file=own.file,
            line=own.line(change.path),
            loosens=change.loosens,
            experiment=change.within or change.experiment,
        )
        for change in (*_of_experiments(base, own.config), *_of_policies(base, own.config))
    ]
    return tuple(sorted(found, key=lambda change: not change.loosens))


def code(text: str) -> str:
    """A name as code, on one line; it cannot leave the backticks."""
    return f"`{_plain(text)}`"


def added_evaluators(known: Sequence[str], given: Sequence[str]) -> tuple[str, ...]:
    """Those of the given evaluators that are not known, and that are not called like one that is."""
    names = {_attribute(reference) for reference in known}
    return tuple(reference for reference in dict.fromkeys(given) if _attribute(reference) not in names)


@dataclass(frozen=True, kw_only=True)
class _Change:
    """A change, and the path to it in the document: of a whole `experiment`, or of something `within` one."""

    text: str
    path: tuple[str | int, ...]
    loosens: bool
    experiment: str | None = None
    within: str | None = None


def _of_experiments(base: ConfigFile, own: ConfigFile) -> Iterator[_Change]:
    theirs = {experiment.name: at for at, experiment in enumerate(own.experiments)}
    for experiment in base.experiments:
        name = experiment.name
        at = theirs.pop(name, None)
        if at is None:
            text = f"removes the experiment {code(name)}; it is run as the base has it"
            yield _Change(text=text, path=("experiments",), loosens=True, experiment=name)
            continue
        for change in _of_experiment(experiment, own.experiments[at]):
            yield replace(change, path=("experiments", at, *change.path), within=name)
    for name, at in theirs.items():
        text = f"adds the experiment {code(name)}: judged by its own rules"
        yield _Change(text=text, path=("experiments", at), loosens=False, experiment=name)


def _of_experiment(base: ExperimentConfig, own: ExperimentConfig) -> Iterator[_Change]:
    for difference in differences(base.parsed_thresholds(), own.parsed_thresholds()):
        yield _Change(text=difference.sentence, path=("thresholds", *difference.path), loosens=difference.loosens)
    yield from _of_evaluators(base.evaluators, own.evaluators)
    if base.repeats != own.repeats:
        verb, fewer = ("lowers", True) if own.repeats < base.repeats else ("raises", False)
        text = f"{verb} `repeats` {base.repeats} → {own.repeats}; judged by {base.repeats}"
        yield _Change(text=text, path=("repeats",), loosens=fewer)
    held = {
        "baseline": (base.baseline or "auto", own.baseline or "auto"),
        "paths": (_listed(base.paths), _listed(own.paths)),
    }
    for key, (before, after) in held.items():
        if before != after:
            text = f"changes `{key}` {_plain(before)} → {_plain(after)}; judged by {_plain(before)}"
            yield _Change(text=text, path=(key,), loosens=True)
    yield from _of_rows(base, own)
    if base.function != own.function:
        text = f"changes `function` {code(base.function)} → {code(own.function)}"
        yield _Change(text=text, path=("function",), loosens=False)


def _of_evaluators(base: Sequence[str], own: Sequence[str]) -> Iterator[_Change]:
    for reference in base:
        if reference not in own:
            text = f"removes the evaluator {code(reference)}; it is run all the same"
            yield _Change(text=text, path=("evaluators",), loosens=True)
    added = added_evaluators(base, own)
    for reference in dict.fromkeys(own):
        if reference in added:
            text = f"adds the evaluator {code(reference)}: it is run, and judges from the merge on"
            yield _Change(text=text, path=("evaluators",), loosens=False)
        elif reference not in base:
            text = f"adds the evaluator {code(reference)}, called like one of the base: it runs from the merge on"
            yield _Change(text=text, path=("evaluators",), loosens=False)


def _of_rows(base: ExperimentConfig, own: ExperimentConfig) -> Iterator[_Change]:
    if base.dataset != own.dataset:
        text = f"changes `dataset` {code(base.dataset)} → {code(own.dataset)}; the rows of the base are run too"
        yield _Change(text=text, path=("dataset",), loosens=True)
    for field in _COLUMNS:
        before, after = getattr(base, field), getattr(own, field)
        if before != after:
            text = f"changes what the columns mean (`{kebab(field)}`); the rows of the base are run too"
            yield _Change(text=text, path=(kebab(field),), loosens=True)


def _of_policies(base: ConfigFile, own: ConfigFile) -> Iterator[_Change]:
    for field in POLICIES:
        before, after = getattr(base, field), getattr(own, field)
        if before is not after:
            text = f"changes `{kebab(field)}` {before.value} → {after.value}; judged by {before.value}"
            yield _Change(text=text, path=(kebab(field),), loosens=after is Policy.WARN)
    yield from _added(base.pass_env, own.pass_env, "pass-env", "its code sees that variable from the merge on")
    yield from _added(base.writable, own.writable, "writable", "its code may write there from the merge on")
    if base.store != own.store:
        before, after = (_plain(store or "the default") for store in (base.store, own.store))
        text = f"changes `store` {before} → {after}; {before} is used"
        yield _Change(text=text, path=("store",), loosens=True)
    if base.template != own.template:
        text = "changes `template`: the comment is in those words from the merge on"
        yield _Change(text=text, path=("template",), loosens=False)


def _added(base: Sequence[str], own: Sequence[str], key: str, effect: str) -> Iterator[_Change]:
    for name in own:
        if name not in base:
            yield _Change(text=f"adds {code(name)} to `{key}`: {effect}", path=(key,), loosens=False)


# --- thresholds ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What two thresholds of one name say otherwise: the values of one key, in words; `None` where it is not there."""

    threshold: str
    key: str
    before: str | None
    after: str | None
    verb: str = "changes"
    loosens: bool

    @property
    def path(self) -> tuple[str, str]:
        """The way to it in the thresholds."""
        return self.threshold, self.key

    @property
    def name(self) -> str:
        """The key, as code."""
        return code(f"{self.threshold}.{self.key}")

    @property
    def sentence(self) -> str:
        """What the change does, and what judges."""
        if self.after is None:
            return f"removes {self.name} {self.before}; judged by it all the same"
        if self.before is None:
            return f"adds {self.name} {self.after}: judges from the merge on"
        return f"{self.verb} {self.name} {self.before} → {self.after}; judged by {self.before}"


def differences(base: Sequence[Threshold], own: Sequence[Threshold]) -> Iterator[Difference]:
    """What `own` says otherwise than `base`, where neither says anything of `errors` the usual limit of it included."""
    before = {threshold.name: threshold for threshold in with_default_errors(tuple(base))}
    after = {threshold.name: threshold for threshold in with_default_errors(tuple(own))}
    names_must_pass = any(threshold.must_pass for threshold in base)
    for name in dict.fromkeys((*before, *after)):
        yield from _of_threshold(name, before.get(name), after.get(name), names_must_pass=names_must_pass)


def _of_threshold(
    name: str, base: Threshold | None, own: Threshold | None, *, names_must_pass: bool
) -> Iterator[Difference]:
    before, after = _written(base), _written(own)
    keys = dict.fromkeys((*before, *after))
    if base is None or own is None:  # what such a metric is like says nothing without a rule
        keys = dict.fromkeys(key for key in keys if key in _RULES)
    elif not base.margins or not own.margins:
        keys.pop(_DECIDE, None)
    for key in keys:
        was, will = before.get(key), after.get(key)
        if was == will:
            continue
        loosens = will != Decide.STRICT.value if key == _DECIDE else True
        verb = "changes"
        if key == Rule.MUST_PASS.value:
            # Naming the first metric that has to pass leaves all others out.
            loosens = will != "true" or not names_must_pass
        elif key in _RULES and (was is None or will is None):
            loosens = will is None
        elif key in _RULES and base is not None and own is not None:
            verb, loosens = moved(base, own, Rule(key))
        yield Difference(threshold=name, key=key, before=was, after=will, verb=verb, loosens=loosens)


def moved(base: Threshold, own: Threshold, rule: Rule) -> tuple[str, bool]:
    """What becomes of a rule that both have, in a verb, and whether more passes by it; what cannot be told does."""
    if rule in (Rule.MIN, Rule.MAX):
        before, after = base.bounds[rule], own.bounds[rule]
        looser = after < before if rule is Rule.MIN else after > before
    else:
        if base.margins[rule].relative is not own.margins[rule].relative:
            return "changes", True
        before, after = base.margins[rule].value, own.margins[rule].value
        looser = after > before
    return "lowers" if after < before else "raises", looser


def _written(threshold: Threshold | None) -> Mapping[str, str]:
    """Every key of a threshold with its value in words; how it is decided too where that is the usual way."""
    if threshold is None:
        return {}
    settings = {_DECIDE: threshold.decide.value, **threshold.settings()}
    return {
        key: threshold.written(Rule(key)) if key in _RULES else _plain(str(value)) for key, value in settings.items()
    }


def _listed(paths: Sequence[str]) -> str:
    return ", ".join(paths) or "any file"


def _attribute(reference: str) -> str:
    return reference.rpartition(":")[2]


def _plain(text: str) -> str:
    return one_line(text, NAME).replace("`", "ˋ")
