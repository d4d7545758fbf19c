"""Inputs of a GitHub Action, and the flags of the same names: what they may say, read once."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from honeyhive.ci.config import CONFIG_FILE, MOST, Names, Paths, PathText, Seconds, explain, kebab
from honeyhive.documents import Malformed, compact_json, load_json
from honeyhive.errors import ConfigError
from honeyhive.gate.verdict import Policy


def _to_integer(value: Any) -> Any:
    """Inputs and flags are text; what is no number is left for the complaint."""
    return int(value) if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() else value


def _to_switch(value: Any) -> Any:
    """`true` and `false`, in the spellings that YAML has for them."""
    known = {"true": True, "false": False}
    if isinstance(value, str) and value.strip().lower() in known:
        return known[value.strip().lower()]
    if isinstance(value, bool):
        return value
    raise ValueError("should be true or false")


def _to_key(value: Any) -> Any:
    """The matrix of a job, as `toJSON(matrix)` gives it, in a line; `null`, where there is none, is no key."""
    if not isinstance(value, str):
        return value
    try:
        said = load_json(value)
    except Malformed:
        said = value
    if isinstance(said, Mapping):
        said = ", ".join(f"{name}: {_text(part)}" for name, part in said.items())
    return " ".join(_text(said).split()) or None if said is not None else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else compact_json(value).decode()


class Mode(StrEnum):
    """What the action does."""

    GATE = "gate"
    PUBLISH = "publish"


Texts = Annotated[tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]
Switch = Annotated[bool, BeforeValidator(_to_switch)]
Key = Annotated[str | None, BeforeValidator(_to_key)]
_Integer = Annotated[int, BeforeValidator(_to_integer), Field(ge=1, strict=True)]


class Inputs(BaseModel):
    """What flags or action inputs say; `None` where they say nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=kebab, populate_by_name=True)

    config: PathText | None = Field(None, description="the configuration file (default: honeyhive.yml)")
    experiment: Annotated[Names | None, Field(description="which experiments of it (default: all)")] = None
    function: str | None = Field(None, description="the function under test, as module:callable")
    dataset: PathText | None = Field(None, description="the dataset's path in the repository")
    evaluators: Names | None = Field(None, description="what scores an output: module:callable, one or several")
    inputs: Names | None = Field(None, description="flat rows: the columns that are inputs")
    ground_truth: str | None = Field(None, description="flat rows: the column that holds the expected answer")
    id: str | None = Field(None, description="flat rows: the column that holds the datapoint's id")
    thresholds: Texts | None = Field(
        None, description="what is allowed, for use without a file: 'accuracy: {max-drop: 0.02}'"
    )
    max_workers: _Integer | None = Field(None, le=MOST, description="how many datapoints run at the same time")
    repeats: _Integer | None = Field(None, le=MOST, description="how often each datapoint runs")
    timeout: Seconds | None = Field(None, description="time for each call of the function: 60s")
    time_limit: Seconds | None = Field(None, description="time for the whole run of one experiment: 20m")
    limit: _Integer | None = Field(None, description="run only the first so many datapoints")
    baseline: PathText | None = Field(
        None, description="what to compare with: auto, none, rerun, a run file, a run's id, a commit or branch"
    )
    store: str | None = Field(
        None, description="where runs are kept for the next gates: git:BRANCH, file:DIR, honeyhive:"
    )
    paths: Names | None = Field(None, description="run only if one of these files has changed, as in .gitignore")
    on_undecided: Policy | None = Field(None, description="when the data cannot tell: warn or fail")
    on_missing_baseline: Policy | None = Field(None, description="when there is no baseline: warn or fail")
    on_incomparable: Policy | None = Field(None, description="when dataset or evaluator changed: fail or warn")
    install: str | None = Field(None, description="requirements file, pyproject folder or packages for your code")
    python_version: str | None = Field(None, description="the Python that your code runs on, with install")
    python_path: Paths | None = Field(None, description="folders to import your code from")
    pass_env: Names | None = Field(None, description="environment variables that your code may see")
    writable: Names | None = Field(
        None, description="folders of the workspace that your code may write to, in the container"
    )
    working_directory: PathText | None = Field(None, description="where everything is relative to")
    api_key: str | None = Field(None, repr=False, description="your HoneyHive key: the runs appear there too")
    project: str | None = Field(None, description="the project on HoneyHive (default: the one of the key)")
    server_url: str | None = Field(None, description="the address of HoneyHive's API, if it is your own")
    mode: Mode | None = Field(None, description="gate, or publish: post the report that another job has made")
    github_token: str | None = Field(None, repr=False, description="the job's token: reads the base, comments, saves")
    comment: Switch | None = Field(None, description="whether to comment on the pull request: true or false")
    comment_key: Key = Field(None, description="tells the jobs of a matrix apart in the comment")
    check_run: str | None = Field(
        None, description="the name of a check run to make besides the job's own (default: none)"
    )
    strict_reporting: Switch | None = Field(None, description="fail when something cannot be reported: true or false")
    allow_pull_request_target: Switch | None = Field(
        None, description="run on pull_request_target, with the code of the base: true or false"
    )


def action_inputs(environ: Mapping[str, str]) -> dict[str, str]:
    """The inputs of a GitHub Action: `INPUT_<NAME>`, the name in upper case with its hyphens; empty is not given."""
    names = [definition.alias or name for name, definition in Inputs.model_fields.items()]
    found = {name: environ.get(f"INPUT_{name.upper()}", "").strip() for name in names}
    return {name: value for name, value in found.items() if value}


def read_inputs(flags: Mapping[str, Any], environ: Mapping[str, str]) -> Inputs:
    """What `flags` (by kebab-case name) over the action inputs say; `ConfigError` that names what makes no sense."""
    try:
        return Inputs.model_validate({**action_inputs(environ), **flags})
    except ValidationError as error:
        message, hint = explain(error.errors(include_url=False)[0], Inputs)
        raise ConfigError(message, hint=hint) from error


def config_name(inputs: Inputs) -> str:
    """The configuration file's name as the user knows it: relative to the working directory."""
    return inputs.config or CONFIG_FILE
