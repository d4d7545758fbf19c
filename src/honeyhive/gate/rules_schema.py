"""The rules of one metric as JSON Schema: what an editor accepts in `honeyhive.yml` is what the parser accepts."""

from __future__ import annotations

from typing import Any

from honeyhive.gate.amounts import PATTERN
from honeyhive.gate.checks import Rule
from honeyhive.gate.entries import KINDS, UNPRINTABLE
from honeyhive.gate.metrics import Decide, Direction

_NUMBER_OR_TEXT = {"type": ["number", "string"], "pattern": f"^{PATTERN}$"}
_HAS_MARGIN = {"anyOf": [{"required": ["max-drop"]}, {"required": ["max-increase"]}]}
RULES_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "min": _NUMBER_OR_TEXT | {"description": "the candidate's mean may not be lower: 0.35, 35%"},
        "max": _NUMBER_OR_TEXT | {"description": "the candidate's mean may not be higher: 0.05, 5%, 2s"},
        "max-drop": _NUMBER_OR_TEXT
        | {"minimum": 0, "description": "how far it may fall against the baseline: 0.02, or 2% of it"},
        "max-increase": _NUMBER_OR_TEXT
        | {"minimum": 0, "description": "how far it may rise, where lower is better: 0.1, or 10% of the baseline"},
        "must-pass": {
            "type": "boolean",
            "description": "whether every datapoint tagged must-pass has to pass it; false exempts the metric",
        },
        "decide": {
            "enum": [decide.value for decide in Decide],
            "description": "what fails a comparison: worse and not by chance (tested, the default), worse at all "
            "(point), or not shown to be good enough (strict)",
        },
        "cluster": {
            "type": "string",
            "minLength": 1,
            "not": {"pattern": UNPRINTABLE},
            "description": "the key of inputs or metadata that datapoints share which depend on each other",
        },
        "direction": {
            "enum": [direction.value for direction in Direction],
            "description": "which way is better (default: higher; lower for latency, cost and errors)",
        },
        "range": {
            "type": "array",
            "items": _NUMBER_OR_TEXT,
            "minItems": 2,
            "maxItems": 2,
            "description": "the lowest and highest score there is; an error counts as the worst of them",
        },
        "kind": {
            "enum": list(KINDS),
            "description": "pass/fail, a number, a time in ms, a price, or a label to be the expected one "
            "(default: as the values are)",
        },
    },
    "anyOf": [{"required": [rule.value]} for rule in Rule],
    "not": {"required": ["max-drop", "max-increase"]},
    "dependentSchemas": {"decide": _HAS_MARGIN, "cluster": _HAS_MARGIN},
}
"""The JSON Schema of one metric's rules."""

KEYS: tuple[str, ...] = tuple(RULES_SCHEMA["properties"])
