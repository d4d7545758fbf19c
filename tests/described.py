"""The published description of the API, in the folder `shared` beside the repository: what it asks for and answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

SPECS = Path(__file__).resolve().parents[1].parent / "shared" / "specs"

_KINDS = ("object", "array", "string", "number", "integer", "boolean", "null")


def described() -> dict[str, Any]:
    if not SPECS.is_dir():
        return {"paths": {}, "components": {"schemas": {}}}
    read: dict[str, Any] = yaml.safe_load((SPECS / "honeyhive-api.yaml").read_text("utf-8"))
    return read


API = described()


def resolved(schema: Any) -> Any:
    """The schema with every reference replaced by what it refers to."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return resolved(API["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
        return {name: resolved(item) for name, item in schema.items()}
    return [resolved(item) for item in schema] if isinstance(schema, list) else schema


def operation(line: str) -> dict[str, Any]:
    method, _, path = line.partition(" ")
    found: dict[str, Any] = resolved(API["paths"][path][method.lower()])
    return found


def body_schema(line: str) -> dict[str, Any]:
    schema: dict[str, Any] = operation(line)["requestBody"]["content"]["application/json"]["schema"]
    return schema


def kinds(schema: Mapping[str, Any]) -> set[str]:
    """The JSON types that a schema allows; all of them where it does not say."""
    if "type" in schema:
        return {schema["type"]} if isinstance(schema["type"], str) else set(schema["type"])
    parts = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    return set().union(*map(kinds, parts)) if parts else set(_KINDS)


def full(schema: Mapping[str, Any], *, required_only: bool) -> Any:
    """A value that the schema describes: every key, or only the required ones."""
    for part in schema.get("anyOf", schema.get("oneOf", schema.get("allOf", [])))[:1]:
        return full(part, required_only=required_only)
    if "enum" in schema:
        return schema["enum"][0]
    kind = next(kind for kind in _KINDS if kind in kinds(schema))
    if kind == "object":
        names = schema.get("required", []) if required_only else schema.get("properties", {})
        return {name: full(schema["properties"][name], required_only=required_only) for name in names}
    if kind == "array":
        items = schema.get("items")
        return [full(items, required_only=required_only)] if items else []
    return {"string": "x", "number": 0.5, "integer": 1, "boolean": True, "null": None}[kind]


def strict(schema: Any) -> Any:
    """The schema with nothing allowed besides what it names, where it names anything."""
    if not isinstance(schema, dict):
        return [strict(item) for item in schema] if isinstance(schema, list) else schema
    made = {name: strict(item) for name, item in schema.items()}
    return {"additionalProperties": False, **made} if isinstance(schema.get("properties"), dict) else made


def with_extras(value: Any) -> Any:
    """The value with keys that nobody knows, everywhere."""
    if isinstance(value, dict):
        return {**{name: with_extras(item) for name, item in value.items()}, "new_key": {"deep": [1]}, "__class__": 1}
    return [with_extras(item) for item in value] if isinstance(value, list) else value


def answer_schema(line: str) -> dict[str, Any] | None:
    content = operation(line)["responses"]["200"].get("content")
    return content["application/json"]["schema"] if content else None
