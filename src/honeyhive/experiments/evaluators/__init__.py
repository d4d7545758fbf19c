"""Evaluators: the user's callables that give an output its scores, under whatever form they come."""

from statistics import mean, median, mode

from honeyhive.experiments.evaluators.decorators import DecoratedEvaluator, aevaluator, evaluator
from honeyhive.experiments.evaluators.fingerprints import callable_name, fingerprint
from honeyhive.experiments.evaluators.grades import EvalResult, Grade, to_grade
from honeyhive.experiments.evaluators.grading import Evaluator, run_evaluators, to_evaluator
from honeyhive.experiments.evaluators.settings import Settings

__all__ = [
    "DecoratedEvaluator",
    "EvalResult",
    "Evaluator",
    "Grade",
    "Settings",
    "aevaluator",
    "callable_name",
    "evaluator",
    "fingerprint",
    "mean",
    "median",
    "mode",
    "run_evaluators",
    "to_evaluator",
    "to_grade",
]
