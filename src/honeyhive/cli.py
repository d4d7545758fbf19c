"""The command `honeyhive`: reads the command line, introduces the parts to each other, prints, and exits.

The parts are imported where they are needed, so that `--help` need not wait for them.
"""

from __future__ import annotations

import dataclasses
import io
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from honeyhive.ci import options
from honeyhive.ci.baselines.commands import baseline
from honeyhive.ci.ending import (
    annotate,
    complain,
    end_with_parent,
    error_file_of,
    leave,
    listen_for_signals,
    listen_no_more,
    our_fault,
    say,
    warn_in_a_line,
)
from honeyhive.ci.outlet import OUTLET
from honeyhive.ci.secrets import given_secrets, known_secrets
from honeyhive.ci.writing import named_as_given, writing
from honeyhive.errors import HoneyHiveError, InputError

if TYPE_CHECKING:
    from honeyhive.ci.conclusion import Conclusion
    from honeyhive.ci.settings import Settings


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=False)
@click.version_option(package_name="honeyhive", prog_name="honeyhive")
def cli() -> None:
    """Decide whether a change to an AI product may be merged.

    Run your function over a dataset, score it, compare it with a baseline datapoint by datapoint, and fail the job
    when a metric got worse than you allow.

    \b
    Start here:
      honeyhive run --function app:answer --dataset qa.jsonl --evaluators app:exact --out main.jsonl
      ... change something ...
      honeyhive gate --function app:answer --dataset qa.jsonl --evaluators app:exact \\
                     --baseline main.jsonl --thresholds 'exact: {max-drop: 0.02}'

    \b
    Exit codes: 0 passed, 1 a threshold failed, 2 wrong input, 3 broken or incomplete run, 4 no decision,
    5 not everything was told: a baseline not saved, a report not posted (strict-reporting), a run not sent (upload).
    """


@cli.command()
@options.configuration
@options.experiment
@click.option("--out", type=options.PATH, metavar="FILE", help="The run file to write (.jsonl, .jsonl.gz).")
@click.option("--resume", is_flag=True, help="Go on with an unfinished run file: what it holds is not run again.")
@click.option("--retry-errors", is_flag=True, help="With --resume: run failed datapoints again.")
@click.option("--error-file", type=options.PATH, hidden=True)
@click.option("--run-id", hidden=True)
@click.option("--besides", type=options.PATH, hidden=True)
def run(
    *,
    out: Path | None,
    resume: bool,
    retry_errors: bool,
    error_file: Path | None,
    run_id: str | None,
    besides: Path | None,
    **flags: Any,
) -> None:
    """Run an experiment and write its run file.

    Exits with 0 once every datapoint has an outcome, failed ones included: judging is the business of `gate` and
    `compare`.
    """
    from honeyhive.ci import console
    from honeyhive.ci.loaded import load_experiment
    from honeyhive.ci.platform import find_client, following
    from honeyhive.ci.storing import keep_here
    from honeyhive.documents import neutralise
    from honeyhive.experiments.running import run_experiment

    if error_file is not None:
        end_with_parent()
    settings = _settings(flags)
    if len(settings.experiments) != 1:
        names = ", ".join(experiment.name for experiment in settings.experiments)
        raise InputError("several experiments", hint=f"choose one with --experiment: {names}")
    config = settings.experiments[0]
    target = out or Path(".honeyhive", "runs", f"{config.name}.jsonl")
    here = Path.cwd()  # the user's code may go elsewhere
    whole = here / target
    experiment = dataclasses.replace(load_experiment(config, settings, besides), run_id=run_id)
    client = find_client(os.environ) if error_file is None else None  # the parent that waits for us sends it itself
    with (
        console.progress_on(sys.stderr, config.name) as observer,
        writing(target),
        named_as_given(whole, target),
        following(client, target, os.environ, workers=config.max_workers) as (delivery, platform_lines),
    ):
        result = run_experiment(
            experiment,
            out=whole,
            resume=resume,
            retry_errors=retry_errors,
            observer=observer,
            follower=delivery,
        )
    if error_file is None:  # else the parent says it all in its verdict
        for line in (*console.run_lines(result), *platform_lines):
            say(line)
        say(f"run file: {target}")
        if out is None and (kept := keep_here(whole, os.environ, here)):
            say(neutralise(kept))


@cli.command()
@click.argument("candidate", type=options.PATH)
@click.argument("baseline", type=options.PATH, required=False)
@options.configuration
@options.decision
@click.option("--plan", is_flag=True, help="Judge nothing: say how many datapoints and repeats show which drop.")
@click.option(
    "--json",
    "json_file",
    type=options.PATH,
    metavar="FILE",
    help="Write the comparison, or the plan, as JSON; - for standard output.",
)
@click.option(
    "--markdown", type=options.PATH, metavar="FILE", help="Write the comment as Markdown; - for standard output."
)
def compare(
    *, candidate: Path, baseline: Path | None, plan: bool, json_file: Path | None, markdown: Path | None, **flags: Any
) -> None:
    """Compare two run files and judge the first by your thresholds.

    CANDIDATE is the run under judgement, BASELINE the run that it is held against. With --plan, which needs neither
    thresholds nor BASELINE, two runs of the same code tell most.
    """
    if plan:
        _print_plan(candidate, baseline, json_file, markdown, flags)
        return
    if baseline is None:
        raise click.UsageError("Missing argument 'BASELINE'.", click.get_current_context())
    from honeyhive.ci import conclusion, reporting

    settings = _settings(flags, whole=False)
    judged = reporting.judge_files(candidate, baseline, settings)
    quiet = Path("-") in (json_file, markdown)
    if json_file:
        _write(json_file, reporting.json_text(judged.finding))
    if markdown:
        _write(markdown, reporting.comment([judged], settings))
    _conclude(conclusion.conclude([judged], settings.policies), quiet=quiet)


@cli.command()
@click.argument("runs", type=options.PATH, nargs=-1, required=True)
@options.configuration
@options.thresholds
@click.option("--seed", type=int, default=0, metavar="N", help="Of the resamples.  [default: 0]")
@click.option(
    "--json",
    "json_file",
    type=options.PATH,
    metavar="FILE",
    help="Write the calibration as JSON; - for standard output.",
)
def calibrate(*, runs: tuple[Path, ...], seed: int, json_file: Path | None, **flags: Any) -> None:
    """Say how far your thresholds can be trusted, from two or more runs of the same system.

    RUNS are run files of the same code on the same dataset: what differs between them is chance.
    """
    from honeyhive.ci import calibration

    calibrated = calibration.calibrate_files(runs, _settings(flags, whole=False), seed=seed)
    if json_file:
        _write(json_file, calibration.json_text(calibrated))
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in () if json_file == Path("-") else calibration.lines(calibrated, width=width):
        say(line)


@cli.command()
@click.argument("comparison", type=options.PATH)
@click.option(
    "--candidate", type=options.PATH, metavar="RUN", help="The candidate's run file, to show inputs and outputs."
)
@click.option("--baseline", type=options.PATH, metavar="RUN", help="The baseline's run file, to show its outputs.")
@click.option(
    "--markdown",
    type=options.PATH,
    default=Path("-"),
    metavar="FILE",
    help="Where to write it.  [default: standard output]",
)
def report(*, comparison: Path, candidate: Path | None, baseline: Path | None, markdown: Path) -> None:
    """Render the comment from a comparison: the JSON that `compare --json` or `gate` wrote."""
    from honeyhive.ci import reporting

    _write(markdown, reporting.comment_of_json(comparison, candidate, baseline))


@cli.command()
@options.configuration
@options.experiment
@options.decision
@options.baseline
@click.option(
    "--install", metavar="REQUIREMENTS", help="A requirements file, project folder or packages for your code."
)
@click.option("--python-version", metavar="VERSION", help="The Python that your code runs on, with --install.")
@click.option("--pass-env", multiple=True, metavar="NAME", help="An environment variable that your code may see.")
@click.option(
    "--writable", multiple=True, metavar="DIR", help="A folder that your code may write to, in the container."
)
@click.option("--time-limit", metavar="TIME", help="Time for the whole run of one experiment.")
@click.option("--api-key", metavar="KEY", help="The HoneyHive key; in HH_API_KEY nobody sees it.")
@options.platform
@options.github
def gate(**flags: Any) -> None:
    """Run the experiments, compare with the baseline, report, and exit with the verdict.

    Your code runs in a process of its own. The report is in honeyhive-report/.
    """
    from honeyhive.ci import gating, reporting
    from honeyhive.ci.inputs import Mode, action_inputs
    from honeyhive.ci.reports import posting

    given = options.given(flags)
    OUTLET.learn(given_secrets(given))
    OUTLET.only_tells = True
    OUTLET.mask_for_runner(os.environ)
    if {**action_inputs(os.environ), **given}.get("mode") == Mode.PUBLISH:
        _conclude(posting.post(given, os.environ, Path.cwd(), Path(reporting.REPORT_DIR), say))
    _conclude(gating.gate(given, os.environ, Path.cwd(), say))


@cli.command()
@click.argument("folder", type=options.PATH, default=Path("honeyhive-report"))
@options.token
def publish(*, folder: Path, **flags: str | None) -> None:
    """Post the report that another job has made: that of a fork, whose own job may not comment.

    FOLDER is the report folder, or one with several of them. For a workflow on workflow_run; nothing in the folder is
    believed that GitHub does not confirm, and none of it is run.
    """
    from honeyhive.ci.reports import posting

    given = options.given(flags)
    OUTLET.learn(given_secrets(given))
    OUTLET.only_tells = True
    OUTLET.mask_for_runner(os.environ)
    _conclude(posting.post(given, os.environ, Path.cwd(), folder, say))


@cli.command()
@click.argument("runs", type=options.PATH, nargs=-1, required=True)
@options.platform
def upload(*, runs: tuple[Path, ...], **flags: str | None) -> None:
    """Send runs to HoneyHive: what it does not have of them yet, each thing once.

    RUNS are run files. Needs an API key, in HH_API_KEY; exits with 5 where something could not be sent.
    """
    from honeyhive.ci.platform import upload_runs

    for line in upload_runs(runs, os.environ, project=flags["project"], server_url=flags["server_url"]):
        say(line)


@cli.command()
@click.argument("what", type=click.Choice(["config", "comparison"]), default="config")
def schema(*, what: str) -> None:
    """Print the JSON Schema of honeyhive.yml, or of the comparison that `compare --json` writes.

    Point your editor at it:  honeyhive schema > .honeyhive.schema.json
    """
    from honeyhive.ci import schemas

    say(schemas.schema_text(what))


cli.add_command(baseline)


def main() -> NoReturn:
    """Run the command line, end with its exit code, and say in one line what went wrong."""
    listen_for_signals()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what it cannot write is written as an escape
            stream.reconfigure(errors="backslashreplace")
    error_file = error_file_of(sys.argv)
    OUTLET.learn(known_secrets(os.environ))
    warn_in_a_line()
    try:
        cli.main(prog_name="honeyhive", standalone_mode=False)
        code = 0
    except _Verdict as verdict:
        code = verdict.exit_code
    except HoneyHiveError as error:
        code = complain(error, error_file)
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        command = context.command_path if context else "honeyhive"
        code = complain(InputError(error.format_message(), hint=f"{command} --help says what there is"), error_file)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - what nobody could explain is a fault of ours
        code = complain(our_fault(error), error_file)
    leave(code)


class _Verdict(Exception):  # noqa: N818 - it carries an exit code past click
    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


def _settings(flags: dict[str, Any], *, whole: bool = True) -> Settings:
    from honeyhive.ci.settings import load_settings

    return load_settings(options.given(flags), {}, directory=Path.cwd(), whole=whole)


def _print_plan(
    run: Path, baseline: Path | None, json_file: Path | None, markdown: Path | None, flags: dict[str, Any]
) -> None:
    from honeyhive.ci import plans

    if markdown:
        raise InputError("--plan has no Markdown", hint="give --json FILE, or read what it prints")
    planned = plans.plan_files(run, baseline, _settings(flags, whole=False))
    if json_file:
        _write(json_file, plans.json_text(planned))
    for line in () if json_file == Path("-") else plans.lines(planned):
        say(line)


def _write(path: Path, text: str) -> None:
    from honeyhive.ci.publish import write_file
    from honeyhive.documents import neutralise

    if path == Path("-"):
        say(neutralise(text.rstrip("\n")))
    else:
        with writing(path):
            write_file(path, text)


def _conclude(found: Conclusion, *, quiet: bool = False) -> None:
    """Print what was decided, annotations last, and end with the verdict's exit code."""
    listen_no_more()
    for line in () if quiet else found.lines:
        say(line)
    for annotation in found.annotations:
        annotate(annotation)
    raise _Verdict(found.exit_code)
