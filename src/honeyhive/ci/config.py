"""`honeyhive.yml`: its shape, and the file read with a place for every complaint."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic_core import ErrorDetails

from honeyhive.ci.paths import read_patterns
from honeyhive.documents import Malformed, YamlDocument, load_yaml, shown
from honeyhive.errors import ConfigError
from honeyhive.gate.entries import did_you_mean
from honeyhive.gate.rules_schema import RULES_SCHEMA
from honeyhive.gate.thresholds import Threshold, parse_thresholds
from honeyhive.gate.verdict import Policy
from honeyhive.regular import read_bounded

CONFIG_FILE = "honeyhive.yml"
MAX_CONFIG = 2**20
"""No configuration is longer, in bytes."""
DEFAULT_TIMEOUT = 600.0
MOST = 1_000
"""Neither workers nor repeats are more than this: whoever writes more has mistyped."""
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST = 10 * 24 * 3600
_LONGEST_PATH, _LONGEST_NAME = 2_000, 255


def to_seconds(value: Any) -> float:
    """Seconds of `60s`, `500ms`, `2m`, `1h` or a plain number; `ValueError` for what is not a time above zero."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(min(value, _LONGEST))
    elif isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        seconds = float(match.group(1)) * _SECONDS[match.group(2)]
    else:
        raise ValueError("not a time: write 60s, 500ms, 2m or 1h")
    if not 0 < seconds < _LONGEST:
        raise ValueError("not a time between 0 and 10 days: write 60s, 500ms, 2m or 1h")
    return seconds


def to_names(value: Any) -> Any:
    """One name, a list of names, or names in a text separated by commas or newlines."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise ValueError("not a name or a list of names")
    return tuple(name.strip() for item in items for name in re.split(r"[,\n]", item) if name.strip())


def to_path(value: str) -> str:
    """A text that can be a path at all: what the operating system says of others helps nobody."""
    raw = value.encode("utf-8", "surrogatepass")
    if b"\0" in raw or len(raw) > _LONGEST_PATH or any(len(part) > _LONGEST_NAME for part in raw.split(b"/")):
        raise ValueError("not a path: it is too long, or has a NUL in it")
    return value


_DURATION_SCHEMA = {"type": ["string", "number"], "description": "a time: 60s, 500ms, 2m, 1h, or seconds"}
Seconds = Annotated[float, BeforeValidator(to_seconds), WithJsonSchema(_DURATION_SCHEMA)]
PathText = Annotated[str, AfterValidator(to_path)]
Names = Annotated[
    tuple[str, ...],
    BeforeValidator(to_names),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Paths = Annotated[Names, AfterValidator(lambda names: tuple(map(to_path, names)))]
Columns = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Count = Annotated[int, Field(ge=1, strict=True)]
Thresholds = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "additionalProperties": RULES_SCHEMA})]
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
ExperimentName = Annotated[str, Field(pattern=NAME_PATTERN)]


def kebab(name: str) -> str:
    """`max_workers` as it is written outside: `max-workers`."""
    return name.replace("_", "-")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=kebab, populate_by_name=True)


class ExperimentConfig(_Section):
    """One experiment: a function over a dataset, its evaluators and thresholds."""

    name: ExperimentName = Field(description="what the experiment is called: letters, digits, dot, dash, underscore")
    function: str = Field(description="the function under test, as module:callable")
    dataset: PathText = Field(description="the dataset's path in the repository: .jsonl, .json, .csv or .yaml")
    inputs: Columns | None = Field(None, description="flat rows: the columns that are inputs (default: all others)")
    ground_truth: str | None = Field(None, description="flat rows: the column that holds the expected answer")
    id: str | None = Field(None, description="flat rows: the column that holds the datapoint's id")
    evaluators: Names = Field((), description="what scores an output: module:callable, one or several")
    max_workers: Count = Field(10, le=MOST, description="how many datapoints run at the same time")
    repeats: Count = Field(1, le=MOST, description="how often each datapoint runs")
    timeout: Seconds = Field(DEFAULT_TIMEOUT, description="time for each call of the function (default 10m)")
    baseline: PathText | None = Field(
        None, description="what to compare with: auto, none, rerun, a run file, a run's id, a commit or branch"
    )
    paths: Names = Field((), description="run only if one of these files has changed, as in .gitignore")
    thresholds: Thresholds = Field(default_factory=dict, description="metric: rules; what is allowed")

    def parsed_thresholds(self) -> tuple[Threshold, ...]:
        """The thresholds as values; raises `ConfigError` for what makes no sense."""
        return parse_thresholds(self.thresholds)


class ConfigFile(_Section):
    """Everything that `honeyhive.yml` may say."""

    version: Literal[1] = Field(description="the version of this format")
    experiments: tuple[ExperimentConfig, ...] = Field(min_length=1, description="what the gate runs")
    on_undecided: Policy = Field(Policy.WARN, description="when the data cannot tell: warn or fail")
    on_missing_baseline: Policy = Field(Policy.WARN, description="when there is no baseline: warn or fail")
    on_incomparable: Policy = Field(Policy.FAIL, description="when dataset or evaluator changed: fail or warn")
    store: str | None = Field(
        None, description="where runs are kept for the next gates: git:BRANCH, file:DIR, honeyhive:"
    )
    install: str | None = Field(None, description="requirements file, pyproject folder or packages for your code")
    python_version: str | None = Field(None, description="the Python that your code runs on, with install")
    python_path: Paths = Field((), description="folders to import your code from, besides the working directory")
    pass_env: Names = Field((), description="environment variables that your code may see")
    writable: Names = Field((), description="folders of the workspace that your code may write to, in the container")
    time_limit: Seconds | None = Field(None, description="time for the whole run of one experiment")
    template: str | None = Field(None, description="a file in the repository that says parts of the comment otherwise")


@dataclass(frozen=True, kw_only=True)
class WrittenConfig:
    """A configuration, and where in its file each part of it stands."""

    config: ConfigFile
    document: YamlDocument
    file: str

    def line(self, path: Sequence[str | int]) -> int:
        """The line of what stands at `path`, or of the nearest thing around it that is there."""
        return self.document.place(path)[0]


def read_config(path: Path, shown_as: str) -> WrittenConfig:
    """The configuration at `path`; `shown_as` is what the user calls that file.

    Raises `ConfigError` with the line and column of the first thing that is wrong, and what would be right.
    """
    try:
        content = read_bounded(path, MAX_CONFIG)
        text = None if content is None else content.decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError("no such file", file=shown_as, hint="create it, or name another with --config") from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=shown_as, hint="name a file") from error
    except UnicodeDecodeError as error:
        raise ConfigError("not UTF-8", file=shown_as, hint="save it as UTF-8") from error
    if text is None:
        raise ConfigError(f"has more than {MAX_CONFIG:,} bytes", file=shown_as, hint="is it the right file?")
    return _parsed(text, shown_as)


def parse_config(text: str, shown_as: str) -> ConfigFile:
    """The configuration that a text is, as `read_config` has it of a file."""
    return _parsed(text.removeprefix("\ufeff"), shown_as).config


def _parsed(text: str, shown_as: str) -> WrittenConfig:
    try:
        document = load_yaml(text, most=MAX_CONFIG)
    except Malformed as error:
        raise ConfigError(
            error.message, file=shown_as, line=error.line, column=error.column, hint="it has to be plain YAML"
        ) from error
    return WrittenConfig(config=_validated(document, shown_as), document=document, file=shown_as)


def _validated(document: YamlDocument, shown_as: str) -> ConfigFile:
    if not isinstance(document.value, Mapping):
        raise ConfigError(
            "not a mapping of settings", file=shown_as, line=1, hint="begin with `version: 1` and `experiments:`"
        )
    try:
        config = ConfigFile.model_validate(document.value)
    except ValidationError as error:
        # A misspelt key is also a missing one: it is the spelling that has to be told.
        detail = min(error.errors(include_url=False), key=lambda found: found["type"] != "extra_forbidden")
        message, hint = explain(detail, ConfigFile)
        line, column = document.place(detail["loc"])
        raise ConfigError(message, hint=hint, file=shown_as, line=line, column=column) from error
    _refuse_twins(config, document, shown_as)
    for index, experiment in enumerate(config.experiments):
        try:
            experiment.parsed_thresholds()
        except ConfigError as error:
            line, column = document.place(("experiments", index, "thresholds", *error.path))
            raise ConfigError(error.message, hint=error.hint, file=shown_as, line=line, column=column) from error
        try:
            read_patterns(experiment.paths)
        except ConfigError as error:
            line, column = document.place(("experiments", index, *error.path))
            raise ConfigError(error.message, hint=error.hint, file=shown_as, line=line, column=column) from error
    return config


def _refuse_twins(config: ConfigFile, document: YamlDocument, shown_as: str) -> None:
    seen: set[str] = set()
    for index, experiment in enumerate(config.experiments):
        if experiment.name in seen:
            line, column = document.place(("experiments", index, "name"))
            raise ConfigError(
                f"two experiments are called {shown(experiment.name)}",
                hint="give each a name of its own",
                file=shown_as,
                line=line,
                column=column,
            )
        seen.add(experiment.name)


_SHOULD = {
    "string_type": "should be text",
    "int_type": "should be a whole number",
    "tuple_type": "should be a list",
    "dict_type": "should be a mapping",
    "model_type": "should be a mapping",
}


def explain(detail: ErrorDetails, model: type[BaseModel]) -> tuple[str, str]:
    """Message and hint for one complaint of Pydantic's about `model`."""
    path, given, hint = _written(detail["loc"]), detail.get("input"), _description(model, detail["loc"])
    match detail["type"]:
        case "extra_forbidden":
            known = _keys_at(model, detail["loc"][:-1])
            return f"{path}: unknown key", did_you_mean(str(detail["loc"][-1]), known)
        case "missing":
            return f"{path}: missing", hint
        case "too_short":
            return f"{path}: an empty list", hint
        case "string_pattern_mismatch":
            return f"{path}: {_shown(given)} is no name", hint
        case kind:
            said = _SHOULD.get(kind) or detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
            quotes = "; write it in quotes" if kind == "string_type" and isinstance(given, int | float) else ""
            return f"{path}: {said}, not {_shown(given)}", hint + quotes


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, list | tuple) else json.dumps(value)


def _written(location: Sequence[str | int]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _section(model: type[BaseModel], location: Sequence[str | int]) -> type[BaseModel]:
    return ExperimentConfig if model is ConfigFile and len(location) >= 2 and location[0] == "experiments" else model


def _keys_at(model: type[BaseModel], location: Sequence[str | int]) -> tuple[str, ...]:
    return tuple(field.alias or name for name, field in _section(model, location).model_fields.items())


def _description(model: type[BaseModel], location: Sequence[str | int]) -> str:
    """What the key is for, or the list around it where it is one of several."""
    names = [str(part) for part in location if isinstance(part, str)]
    section = _section(model, location)
    for described, name in ((section, names[-1:] if section is ExperimentConfig else names[:1]), (model, names[:1])):
        for field_name, field in described.model_fields.items():
            if [field.alias or field_name] == name:
                return field.description or ""
    return ""
