"""What is settled of an experiment before any of its code runs: its rows, its baseline, whether it matters at all."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from honeyhive.ci.baselines.ages import counted
from honeyhive.ci.baselines.choice import Chosen, choose
from honeyhive.ci.cleaning import rows_with_secrets
from honeyhive.ci.config import ConfigFile, ExperimentConfig
from honeyhive.ci.paths import is_relevant
from honeyhive.ci.rows import BaseRows, columns_of, open_dataset, relative
from honeyhive.ci.rules.own_gate import OwnGateChange, code
from honeyhive.ci.runs import Baseline, read_baseline
from honeyhive.ci.settings import AUTO, NO_BASELINE, RERUN, Settings, is_path
from honeyhive.ci.stores.entry import Store
from honeyhive.ci.template import Template
from honeyhive.ci.whereabouts.situation import Kind
from honeyhive.ci.whereabouts.surroundings import Surroundings
from honeyhive.errors import DatasetError
from honeyhive.experiments.dataset import Dataset
from honeyhive.experiments.overlay import Overlay
from honeyhive.gate.broken import Skipped
from honeyhive.result import ERRORS

_SELECTED_ON = (Kind.PULL_REQUEST, Kind.QUEUE, Kind.PUSH)
"""Where `paths` selects: everything runs by night, by hand and on a release."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """An experiment whose input has been read and found right.

    `baseline` is what it is held against, `chosen` how that came about. `own_gate` is what the change does to the rows
    and to a baseline that are in the repository. `reruns` is whether the base is to be run first.
    """

    config: ExperimentConfig
    dataset: Dataset | Overlay
    base_rows: BaseRows | None
    baseline: Baseline | None
    chosen: Chosen
    notes: tuple[str, ...] = ()
    own_gate: tuple[OwnGateChange, ...] = ()
    run_file: Path
    run_id: str
    reruns: bool = False


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What preparing takes besides the experiment: the settings, the surroundings, the store, and the time.

    `template` is the user's for the comment.
    """

    settings: Settings
    around: Surroundings
    store: Store
    now: datetime
    template: Template = field(default_factory=Template)

    def prepare(self, config: ExperimentConfig, run_file: Path) -> Prepared | Skipped:
        """Everything about the experiment, read and checked; or why it need not run."""
        base = self._base_config(config)
        unconcerned = self._unconcerned(config, base)
        if unconcerned is not None:
            return unconcerned
        chosen, edits = self._chosen(config)
        rows = self._base_rows(base or config) if self.around.situation.judged_by_base else None
        dataset = open_dataset(config, self.settings, base_rows=rows)
        return Prepared(
            config=config,
            dataset=dataset,
            base_rows=rows,
            baseline=read_baseline(chosen.file) if chosen.file else None,
            chosen=chosen,
            notes=chosen.notes,
            own_gate=(*edits, *self._about_rows(config, dataset, rows), *self._about_evaluators(config, chosen)),
            run_file=run_file,
            run_id=str(uuid.uuid4()),
            reruns=config.baseline == RERUN and not chosen.missing,
        )

    def _base_config(self, config: ExperimentConfig) -> ExperimentConfig | None:
        rules = self.around.rules
        known = rules.experiments if isinstance(rules, ConfigFile) else ()
        return next((found for found in known if found.name == config.name), None)

    def _unconcerned(self, config: ExperimentConfig, base: ExperimentConfig | None) -> Skipped | None:
        if not config.paths or self.around.situation.kind not in _SELECTED_ON:
            return None
        always = [self.around.config, config.dataset, *([base.dataset] if base else [])]
        places = [place for name in always if (place := self.around.in_repository(Path(name))) is not None]
        found = is_relevant(self._changed(config), config.paths, places)
        return None if found.relevant else Skipped(experiment=config.name, reason=found.reason)

    def _changed(self, config: ExperimentConfig) -> tuple[str, ...] | None:
        """What has changed: on a push since the last run that is kept, for a push before may have left none."""
        around = self.around
        if around.situation.kind is not Kind.PUSH:
            return around.changed
        entry, commit = self._chosen(config)[0].entry, around.situation.commit
        return around.history.changed(entry.commit, commit) if entry is not None and commit is not None else None

    def _base_rows(self, base: ExperimentConfig) -> BaseRows | None:
        """The dataset of the base, in a file of ours; `None` where the base has none there."""
        content = self.around.base_file(Path(base.dataset))
        if content is None:
            return None
        path = self.around.folder / "base" / base.name / Path(base.dataset).name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        rows = BaseRows(path=path, columns=columns_of(base))
        with suppress(DatasetError):  # told by who finds no overlay
            rows = replace(rows, left_out=rows_with_secrets(rows.opened(self.settings.limit)))
        return rows

    def _about_rows(
        self, config: ExperimentConfig, dataset: Dataset | Overlay, rows_of_base: BaseRows | None
    ) -> Iterator[OwnGateChange]:
        """What the change does to rows that the base has."""
        base = self.around.base_name
        if not isinstance(dataset, Overlay):
            if rows_of_base is not None:
                text = f"is run on its own rows alone: {code(config.dataset)} of {base} cannot be read"
                yield OwnGateChange(text=text, loosens=True, experiment=config.name)
            return
        if rows_of_base is not None and rows_of_base.left_out:
            without = counted(len(rows_of_base.left_out), "row")
            text = f"is run without {without} of {code(config.dataset)} of {base}: a secret of this job is in there"
            yield OwnGateChange(text=text, file=config.dataset, loosens=True, experiment=config.name)
        bounded = any(rule.bounds for rule in config.parsed_thresholds() if rule.metric.name != ERRORS)
        if dataset.added and bounded:
            text = f"adds {counted(dataset.added, 'row')} to {code(config.dataset)}: `min` and `max` judge them, too"
            yield OwnGateChange(text=text, experiment=config.name)
        for verb, rows, so in (
            ("removes", dataset.removed, f"run all the same, as {base} has them"),
            ("edits", dataset.edited, f"run as {base} has them, too"),
            ("changes tags or metadata of", dataset.retagged, f"run as {base} has them"),
        ):
            if rows.count:
                named = ", ".join(code(name) for name in rows.ids) + (" …" if rows.count > len(rows.ids) else "")
                text = f"{verb} {counted(rows.count, 'row')} of {code(config.dataset)} ({named}): {so}"
                yield OwnGateChange(text=text, file=config.dataset, loosens=True, experiment=config.name)

    def _about_evaluators(self, config: ExperimentConfig, chosen: Chosen) -> Iterator[OwnGateChange]:
        """Which evaluators may be others than the base's, where there is no run that would tell."""
        around = self.around
        if not around.situation.judged_by_base or chosen.file is not None or config.baseline == RERUN:
            return
        for reference in config.evaluators:
            files = [*module_files(reference, self.settings)]
            before = {path: content for path in files if (content := around.base_file(path)) is not None}
            now = {path: path.read_bytes() for path in files if path.is_file()}
            edited = [path for path in files if before.get(path) != now.get(path)]
            if before and edited:  # a package beside a module of its name is what Python takes
                name = relative(edited[0], around.root)
                text = (
                    f"edits {code(str(name))}, which has the evaluator {code(reference)}: there is no run that "
                    "would tell whether it scores as before"
                )
                yield OwnGateChange(text=text, loosens=True, experiment=config.name)

    def _chosen(self, config: ExperimentConfig) -> tuple[Chosen, tuple[OwnGateChange, ...]]:
        """The baseline, and what the change does to it."""
        wanted = config.baseline or AUTO
        if wanted == NO_BASELINE:
            return Chosen(file=None, words="", missing="`baseline` is `none`"), ()
        if wanted == RERUN and self.around.base_commit is None:
            return Chosen(file=None, words="", missing="there is no commit before this one to run again"), ()
        if wanted == RERUN:
            return Chosen(file=None, words="run again in this job"), ()
        if is_path(wanted):
            return self._of_path(wanted, config)
        found = choose(
            config.name,
            wanted,
            situation=self.around.situation,
            store=self.store,
            history=self.around.history,
            folder=self.around.folder / "baselines" / config.name,
            now=self.now,
        )
        return found, ()

    def _of_path(self, name: str, config: ExperimentConfig) -> tuple[Chosen, tuple[OwnGateChange, ...]]:
        """A run file by its path: as the base has it, where the change is judged by the base and git knows the file."""
        path = self.settings.directory / name
        if not self.around.situation.judged_by_base:
            return Chosen(file=relative(path, Path.cwd()), words=""), ()
        content = self.around.base_file(path)
        if content is None:
            return self._not_of_the_base(name, path, config)
        copy = self.around.folder / "baselines" / config.name / path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)
        base = self.around.base_name
        edited = not path.is_file() or path.read_bytes() != content
        text = f"edits the baseline {code(name)}; judged by the one of {base}"
        change = OwnGateChange(text=text, file=name, loosens=True, experiment=config.name)
        return Chosen(file=copy, words=f"{name} of {base}"), (change,) if edited else ()

    def _not_of_the_base(
        self, name: str, path: Path, config: ExperimentConfig
    ) -> tuple[Chosen, tuple[OwnGateChange, ...]]:
        place, head = self.around.in_repository(path), self.around.situation.commit
        if place is None or (head is not None and not self.around.repository.leads_to(head, place)):
            return Chosen(file=relative(path, Path.cwd()), words=""), ()  # git does not know it: a step has made it
        text = f"brings the baseline {code(name)} itself; it judges the changes after it"
        change = OwnGateChange(text=text, file=name, loosens=True, experiment=config.name)
        missing = f"`{name}` is new in this change: it judges the changes after it"
        return Chosen(file=None, words="", missing=missing), (change,)


def module_files(reference: str, settings: Settings) -> Iterator[Path]:
    """Where the module of a `module:callable` may be, by its name."""
    place = Path(*reference.partition(":")[0].split("."))
    for folder in (".", *settings.python_path):
        yield settings.directory / folder / place.with_suffix(".py")
        yield settings.directory / folder / place / "__init__.py"


def is_kept_in_a_store(config: ExperimentConfig) -> bool:
    """Whether the baselines of an experiment come out of the store, so that its runs belong there."""
    wanted = config.baseline or AUTO
    return wanted not in (NO_BASELINE, RERUN) and not is_path(wanted)
