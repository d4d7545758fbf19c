"""JSON and YAML, strictly: text in, values with their places out; values in, stable text out.

Strict means: no duplicate keys, no NaN or infinity, no number that loses its value, no YAML tags, aliases or
merges, nothing nested deeper than `MAX_DEPTH`. What is refused is refused by line and column.
"""

from honeyhive.documents.harmless import in_one_line, neutralise
from honeyhive.documents.json_text import load_json, load_json_prefix
from honeyhive.documents.malformed import MAX_DEPTH, Malformed, shown
from honeyhive.documents.plain import canonical_json, compact_json, plain
from honeyhive.documents.yaml_text import YamlDocument, load_yaml, yaml_scalar

__all__ = [
    "MAX_DEPTH",
    "Malformed",
    "YamlDocument",
    "canonical_json",
    "compact_json",
    "in_one_line",
    "load_json",
    "load_json_prefix",
    "load_yaml",
    "neutralise",
    "plain",
    "shown",
    "yaml_scalar",
]
