"""Ready evaluators: for a list of evaluators as they are, or called with options first.

    from honeyhive.experiments.ready import exact_match, numeric_tolerance

    evaluators=[exact_match, numeric_tolerance(absolute=0.01)]

In `honeyhive.yml`: `honeyhive.experiments.ready:exact_match`. What cannot be compared is an error of the evaluator,
never a pass: a ground truth that is missing, an output of another kind, an empty text to look for.

Where an output or a ground truth is a mapping, `key` (`expected_key` for the ground truth alone) says which of its
values is meant. Without one it is the only value; of two mappings, the one under the only key that both have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from honeyhive.errors import JudgeError
from honeyhive.lazily import lazily

if TYPE_CHECKING:
    from honeyhive.experiments.ready.documents import json_schema, json_valid
    from honeyhive.experiments.ready.judge import model_graded
    from honeyhive.experiments.ready.quantities import numeric_tolerance
    from honeyhive.experiments.ready.texts import contains, exact_match, levenshtein_ratio, regex_match

__all__ = [
    "JudgeError",
    "contains",
    "exact_match",
    "json_schema",
    "json_valid",
    "levenshtein_ratio",
    "model_graded",
    "numeric_tolerance",
    "regex_match",
]

_HOMES = {
    **dict.fromkeys(("contains", "exact_match", "levenshtein_ratio", "regex_match"), f"{__name__}.texts"),
    **dict.fromkeys(("json_schema", "json_valid"), f"{__name__}.documents"),
    "model_graded": f"{__name__}.judge",
    "numeric_tolerance": f"{__name__}.quantities",
}

NAMES = tuple(_HOMES)
"""What the ready evaluators are called."""

__getattr__ = lazily(__name__, _HOMES)
