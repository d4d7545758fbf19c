"""Which evaluator gives each metric of a run, where one gives several: `Sources`."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from honeyhive.gate.columns import admit
from honeyhive.gate.must_pass import with_missing_scores
from honeyhive.result import BUILT_IN, EvaluatorRef, Fault, Outcome, RunResult, Scored

_OTHER_EVALUATOR = Fault(type="OtherEvaluator", message="another evaluator gives this metric elsewhere in the run")


class Sources:
    """The evaluator of each metric; of several that give one, the first that an outcome names stands.

    The metric that is called like an evaluator of the run is that evaluator's, whoever else claims it; the built-in
    ones are nobody's. Raises `RunFileError` where there are too many of them.
    """

    def __init__(self, evaluators: Sequence[EvaluatorRef]) -> None:
        self._own = frozenset(evaluator.name for evaluator in evaluators) - {*BUILT_IN}
        # `None` for a metric that has scores of which nobody says where they are from.
        self._givers: dict[str, str | None] = {name: name for name in self._own}
        admit(len(self._givers))

    @property
    def metrics(self) -> frozenset[str]:
        """The metrics of which an evaluator is known."""
        return frozenset(name for name, giver in self._givers.items() if giver is not None)

    def of(self, metric: str) -> str | None:
        """The evaluator that gives the metric, as far as it is known."""
        return self._givers.get(metric)

    def beside(self, evaluator: str) -> list[str]:
        """The metrics that the evaluator gives beside one of its own name."""
        return sorted(name for name, giver in self._givers.items() if giver == evaluator and name != evaluator)

    def learn(self, outcome: Scored) -> None:
        """Take the next outcome of the run."""
        said = {metric: None for metric, score in outcome.scores.items() if score is not None}
        for metric, evaluator in {**said, **outcome.sources}.items():
            if metric not in BUILT_IN:
                self._givers.setdefault(metric, evaluator)
        admit(len(self._givers))

    def settled(self, outcome: Scored) -> Scored:
        """The outcome with a fault for each metric that another evaluator gave here than the one that stands."""
        taken = {
            metric: _OTHER_EVALUATOR
            for metric, score in outcome.scores.items()
            if score is not None and metric in self._givers and self._said(outcome, metric) != self._givers[metric]
        }
        return replace(outcome, faults={**taken, **outcome.faults}) if taken else outcome

    def completed(self, outcome: Outcome, metrics: frozenset[str]) -> Outcome:
        """The outcome, and its retry, with a fault for each score that is another evaluator's or, of these, missing."""
        if outcome.retry is not None:
            outcome = replace(outcome, retry=self.completed(outcome.retry, metrics))
        return with_missing_scores(self.settled(outcome), metrics) if isinstance(outcome, Scored) else outcome

    def _said(self, outcome: Scored, metric: str) -> str | None:
        return outcome.sources.get(metric, metric if metric in self._own else None)


class Gaps:
    """What the outcomes of a run know of, by row: what they lack is told once it is known which metrics have scores."""

    def __init__(self) -> None:
        # By what is known, and whether anything went wrong: outcomes are many, and alike.
        self._rows: defaultdict[tuple[frozenset[str], bool], array[int]] = defaultdict(lambda: array("i"))

    def add(self, row: int, outcome: Scored) -> None:
        """Take the next outcome."""
        self._rows[frozenset((*outcome.scores, *outcome.faults)), bool(outcome.faults)].append(row)

    def of(self, metrics: frozenset[str]) -> Iterator[tuple[int, frozenset[str], bool]]:
        """For each outcome that lacks some of these: its row, those that it lacks, and whether it went wrong anyway."""
        for (known, erred), rows in self._rows.items():
            missing = metrics - known
            yield from ((row, missing, erred) for row in rows) if missing else ()


def completed(run: RunResult) -> Iterator[Outcome]:
    """The run's outcomes with a fault for each score that should be there and is not, or is another evaluator's.

    A score should be there where an evaluator of the run, or one that some outcome names, gave it elsewhere.
    """
    sources, measured = Sources(run.evaluators), set[str]()
    for outcome in run.outcomes:
        if isinstance(outcome, Scored):
            sources.learn(outcome)
            found = sources.settled(outcome)
            measured |= {name for name, score in found.scores.items() if score is not None and name not in found.faults}
    metrics = sources.metrics & measured
    for outcome in run.outcomes:
        yield sources.completed(outcome, metrics)
