"""JSON Schemas of what people and programs write and read: the configuration file, the comparison."""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter

from honeyhive.ci.config import ConfigFile
from honeyhive.gate.verdict import Verdict

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_text(what: str) -> str:
    """The schema of `config` (honeyhive.yml) or `comparison` (`compare --json`), as JSON text."""
    return json.dumps(schema_of(what), indent=2)


def schema_of(what: str) -> dict[str, Any]:
    """The schema as a value; its title says what it describes."""
    if what == "config":
        return {"$schema": _DIALECT, **ConfigFile.model_json_schema(by_alias=True), "title": "honeyhive.yml"}
    return {"$schema": _DIALECT, **TypeAdapter(Verdict).json_schema(), "title": "HoneyHive comparison"}
