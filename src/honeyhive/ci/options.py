"""The flags that several commands share, by what they are about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]
PATH = click.Path(path_type=Path)


def _options(*decorators: Command) -> Command:
    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def given(flags: dict[str, Any]) -> dict[str, Any]:
    """The flags that were given, by their names outside."""
    return {name.replace("_", "-"): value for name, value in flags.items() if value not in (None, ())}


_config = click.option(
    "--config", metavar="FILE", help="The configuration file.  [default: honeyhive.yml where it exists]"
)
configuration = _options(
    _config,
    click.option(
        "--experiment", multiple=True, metavar="NAME", help="Which experiment; without a file, what to call it."
    ),
)
experiment = _options(
    click.option(
        "--function", metavar="MODULE:CALLABLE", help="What is tested: called with the inputs of each datapoint."
    ),
    click.option("--dataset", metavar="FILE", help="JSONL, JSON, CSV or YAML in this repository."),
    click.option(
        "--evaluators",
        multiple=True,
        metavar="MODULE:CALLABLE",
        help="What scores an output. Repeat it, or use commas.",
    ),
    click.option("--inputs", multiple=True, metavar="COLUMN", help="Flat rows: the columns that are inputs."),
    click.option("--ground-truth", metavar="COLUMN", help="Flat rows: the column that holds the expected answer."),
    click.option("--id", metavar="COLUMN", help="Flat rows: the column that holds the datapoint's id."),
    click.option("--max-workers", metavar="N", help="How many datapoints run at the same time.  [default: 10]"),
    click.option("--repeats", metavar="K", help="How often each datapoint runs.  [default: 1]"),
    click.option("--timeout", metavar="TIME", help="Time for each call of the function: 60s, 2m.  [default: 10m]"),
    click.option("--limit", metavar="N", help="Run only the first N datapoints."),
    click.option("--python-path", multiple=True, metavar="DIR", help="Where else to import your code from."),
    click.option("--working-directory", metavar="DIR", help="Where everything is relative to.  [default: here]"),
)
thresholds = click.option(
    "--thresholds",
    multiple=True,
    metavar="RULES",
    help="What is allowed: 'accuracy: {max-drop: 0.02}, errors: {max: 0}'.",
)
decision = _options(
    thresholds,
    click.option("--on-undecided", metavar="warn|fail", help="When the data cannot tell.  [default: warn]"),
    click.option("--on-missing-baseline", metavar="warn|fail", help="When there is no baseline.  [default: warn]"),
    click.option("--on-incomparable", metavar="warn|fail", help="When dataset or evaluator changed.  [default: fail]"),
)
platform = _options(
    click.option("--project", metavar="NAME", help="The project on HoneyHive.  [default: HH_PROJECT]"),
    click.option("--server-url", metavar="URL", help="The address of HoneyHive's API.  [default: HH_API_URL]"),
)
baseline = _options(
    click.option(
        "--baseline",
        metavar="WHAT",
        help="What to compare with: auto, none, rerun, a run file, a run's id, a commit or branch.  [default: auto]",
    ),
    click.option(
        "--paths",
        multiple=True,
        metavar="PATTERN",
        help="Run only if one of these files has changed, as in .gitignore.",
    ),
)
store = click.option(
    "--store",
    metavar="STORE",
    help="Where runs are kept for the next gates: git:BRANCH, file:DIR, honeyhive:.  "
    "[default: git:honeyhive-runs in CI, else file:.honeyhive/runs]",
)
token = click.option("--github-token", metavar="TOKEN", help="The job's token; in GITHUB_TOKEN nobody sees it.")
github = _options(
    store,
    token,
    click.option("--mode", metavar="gate|publish", help="publish: post the report that another job has made."),
    click.option("--comment", metavar="true|false", help="Whether to comment on the pull request.  [default: true]"),
    click.option("--comment-key", metavar="KEY", help="Tells the jobs of a matrix apart in the comment."),
    click.option("--check-run", metavar="NAME", help="Make a check run of that name, besides the job's own."),
    click.option("--strict-reporting", metavar="true|false", help="Fail when something cannot be reported."),
    click.option(
        "--allow-pull-request-target", metavar="true|false", help="Run on pull_request_target, with the base's code."
    ),
)
stored = _options(
    _config,
    store,
    token,
    click.option("--working-directory", metavar="DIR", help="Where everything is relative to.  [default: here]"),
    platform,
)
"""For commands that look after the runs in a store."""
of_experiment = click.option("--experiment", metavar="NAME", help="Those of one experiment alone.")
