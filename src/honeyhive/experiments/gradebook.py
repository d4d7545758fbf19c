"""What a datapoint has been given: scores, notes and faults by metric, readable at any moment by another thread."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from honeyhive.experiments.evaluators import Grade
from honeyhive.result import Fault, Score


class Gradebook:
    """Takes grades on one thread. A metric has a score or a fault, never both, and one giver.

    `owned` are the metrics that belong to somebody before anything is said: the evaluators' own and the built-in ones.
    """

    def __init__(self, owned: Collection[str]) -> None:
        self._owned = owned
        self._measured: set[str] = set()
        self._graded: set[str] = set()
        self._scores: dict[str, Score] = {}
        self._sources: dict[str, str] = {}
        self._notes: dict[str, str] = {}
        self._faults: dict[str, Fault] = {}

    def measure(self, told: Mapping[str, Score | Fault]) -> None:
        """Take what the run itself has measured; an evaluator of that name has its own idea of it."""
        for metric, value in told.items():
            if metric not in self._owned:
                self._measured.add(metric)
                self._put(metric, value if isinstance(value, Fault) else Grade(score=value))

    def grade(self, evaluator: str, grades: Mapping[str, Grade | Fault] | Fault) -> None:
        """Take what an evaluator has given: by metric, or its own failure."""
        for metric, grade in ({evaluator: grades} if isinstance(grades, Fault) else grades).items():
            if metric == evaluator:
                self._put(metric, grade)
            elif self._is_anothers(metric, evaluator):
                message = f"gave a metric {metric!r}, which another evaluator gives, or the run itself"
                self._put(evaluator, Fault(type="ValueError", message=message))
            else:
                self._sources[metric] = evaluator
                self._put(metric, grade)
        self._graded.add(evaluator)

    def graded(self) -> frozenset[str]:
        """The evaluators that have had their say."""
        return frozenset(self._graded)

    def told(self, faults: Mapping[str, Fault] | None = None) -> dict[str, Any]:
        """What a `Scored` says of it, with these faults added."""
        # Faults first: what becomes one in the meantime is still a score, and is not lost between the two.
        found = {**self._faults, **(faults or {})}
        scores, notes = dict(self._scores), dict(self._notes)
        return {
            "faults": found,
            "scores": {metric: score for metric, score in scores.items() if metric not in found},
            "notes": {metric: note for metric, note in notes.items() if metric not in found},
            "sources": dict(self._sources),
        }

    def _is_anothers(self, metric: str, evaluator: str) -> bool:
        return metric in self._owned or metric in self._measured or self._sources.get(metric, evaluator) != evaluator

    def _put(self, metric: str, grade: Grade | Fault) -> None:
        if isinstance(grade, Fault):
            self._faults[metric] = grade
            return
        if grade.note is not None:
            self._notes[metric] = grade.note
        self._scores[metric] = grade.score
