"""`honeyhive gate` from its first look around to its last word."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from honeyhive.ci import platform, telling
from honeyhive.ci.account import OURS, Account, NoAccount, account_of_experiments
from honeyhive.ci.annotations import Located, annotate
from honeyhive.ci.boundary import boundary
from honeyhive.ci.commands import Annotation
from honeyhive.ci.conclusion import Conclusion, cancelled, conclude, exit_code, overall
from honeyhive.ci.config import ConfigFile
from honeyhive.ci.edge import Edge
from honeyhive.ci.github.checks import Check, check_run, conclusion_of, summary_of
from honeyhive.ci.inputs import Inputs, read_inputs
from honeyhive.ci.keeping import keep
from honeyhive.ci.lastwords import LAST_WORDS
from honeyhive.ci.outlet import OUTLET
from honeyhive.ci.ownership import give_to_owner_of
from honeyhive.ci.patience import AFTER_HONEYHIVE, AFTER_THE_COMMENT, AFTER_THE_STORE, patience_with
from honeyhive.ci.pipeline import Judged, run_gate
from honeyhive.ci.preparing import Preparation
from honeyhive.ci.reporting import COMMENT, REPORT_DIR
from honeyhive.ci.rows import relative
from honeyhive.ci.secrets import passed_secrets, secrets_of_checkout
from honeyhive.ci.settings import Settings, load_settings
from honeyhive.ci.storing import store_of
from honeyhive.ci.telling import run_url
from honeyhive.ci.template import template_of
from honeyhive.ci.whereabouts.situation import Kind
from honeyhive.ci.whereabouts.surroundings import Surroundings, look_around
from honeyhive.documents import neutralise
from honeyhive.errors import Cancelled, HoneyHiveError, ReportingError


def gate(
    given: Mapping[str, Any], environ: Mapping[str, str], directory: Path, echo: Callable[[str], None]
) -> Conclusion:
    """Run, compare, report; what is left to print, and the exit code.

    Raises what keeps it from beginning; an earlier gate's report is gone by then.
    """
    try:
        inputs = read_inputs(given, environ)
    except HoneyHiveError:
        with suppress(HoneyHiveError):  # what was wrong first is what is said
            telling.clear(directory / (given.get("working-directory") or "") / REPORT_DIR)
        raise
    report_dir = directory / (inputs.working_directory or "") / REPORT_DIR
    with ExitStack() as stack:
        try:
            around = stack.enter_context(look_around(inputs, environ, directory))
        except HoneyHiveError:
            telling.clear(report_dir)
            raise
        OUTLET.learn(secrets_of_checkout(around.root))
        edge = Edge(environ=environ, echo=echo, report_dir=around.directory / REPORT_DIR)
        # What user code has left may take long to take away: only when all is told.
        account = stack.enter_context(account_of_experiments(edge.environ))
        # A container's user is root: the next step, which is not, has to be able to take away what we leave.
        stack.callback(give_to_owner_of, around.root, [around.directory / name for name in OURS])
        try:
            preparation = _begun(inputs, around, given, edge=edge, directory=directory)
        except HoneyHiveError as error:
            telling.clear(report_dir)
            _tell_why_not(error, inputs, around, edge)
            raise
        try:
            template = stack.enter_context(template_of(preparation.settings, around))
            return _gated(replace(preparation, template=template), edge, account)
        except HoneyHiveError as error:  # such as a signal before there was anything to tell
            _tell_why_not(error, inputs, around, edge)
            raise


def _begun(
    inputs: Inputs, around: Surroundings, given: Mapping[str, Any], *, edge: Edge, directory: Path
) -> Preparation:
    settings = load_settings(given, edge.environ, directory=directory, base=around.rules)
    OUTLET.learn(passed_secrets(edge.environ, settings.pass_env))
    missing = [name for name in settings.pass_env if name not in edge.environ]
    for line in (*opening_lines(settings, around), *(f"pass-env: {name} is not set in this job" for name in missing)):
        edge.echo(neutralise(line))
    telling.begin(settings, edge.report_dir)
    store = store_of(settings.store, inputs, around, edge.environ)
    platform.prepare(settings, edge.environ)
    return Preparation(settings=settings, around=around, store=store, now=datetime.now(UTC))


def _tell_why_not(error: HoneyHiveError, inputs: Inputs, around: Surroundings, edge: Edge) -> None:
    patience_with(around)
    told = telling.tell_why_not(error, inputs, around, edge)
    for line in (*told.lines, *(f"warning: {problem}" for problem in told.problems)):
        edge.echo(neutralise(line))


def _gated(preparation: Preparation, edge: Edge, account: Account | NoAccount) -> Conclusion:
    judged: tuple[Judged, ...] = ()
    try:
        with _check_run(preparation) as check:
            with boundary(preparation.around, edge, account) as inside:
                judged = run_gate(preparation, inside)
            preparation.around.repository.begin_anew()
            problems, lines = _told(judged, preparation, edge, check)
    except Cancelled as error:
        if not judged:
            raise
        return _stopped(error, judged, edge)
    problems += check.problems if check is not None else []
    found, place = _concluded(judged, preparation, problems), relative(edge.report_dir / COMMENT, Path.cwd())
    return replace(found, lines=(*found.lines, *lines, f"report: {place}"))


def _told(
    judged: Sequence[Judged], preparation: Preparation, edge: Edge, check: Check | None
) -> tuple[list[ReportingError], tuple[str, ...]]:
    """Tell it everywhere: what could not be told, and what there is to say of the rest."""
    problems: list[ReportingError] = []

    def write_outputs(url: str = "") -> None:
        code = _concluded(judged, preparation, problems).exit_code
        problem = telling.attempted(lambda: telling.write_outputs(judged, edge, exit_code=code, comment_url=url))
        problems.extend([problem] if problem else [])

    def send() -> None:
        budget = patience.leaving(AFTER_HONEYHIVE)
        problems.extend(LAST_WORDS.telling(lambda: platform.send(judged, preparation.settings, edge, budget=budget)))

    stopped = exit_code(judged) > Cancelled.first_exit_code
    if stopped:  # what is told over a network may take all the time that is left
        write_outputs()
    patience = patience_with(preparation.around)
    patience.leaving(AFTER_THE_COMMENT)
    report, told = telling.tell(judged, preparation, edge)
    unsent = telling.attempted(send)
    patience.leaving(AFTER_THE_STORE)
    kept = keep(judged, preparation)
    patience.leaving(0.0)
    problems += [*told.problems, *([unsent] if unsent else []), *kept.problems]
    if not stopped:  # who stops the job meanwhile has the outputs written by `_stopped`
        write_outputs(told.url)
    if check is not None:
        found = _concluded(judged, preparation, problems)
        ended, title = conclusion_of(overall(judged), found.exit_code), " ".join(found.lines[0].split())
        check.conclude(ended, title=title, summary=summary_of(report), annotations=_places(judged, preparation))
    return problems, (*told.lines, *kept.lines)


def _concluded(judged: Sequence[Judged], preparation: Preparation, problems: Sequence[ReportingError]) -> Conclusion:
    settings = preparation.settings
    places = (*preparation.template.annotations, *_places(judged, preparation))
    return conclude(judged, settings.policies, problems, strict=settings.strict_reporting, places=places)


def _stopped(error: Cancelled, judged: Sequence[Judged], edge: Edge) -> Conclusion:
    """The end of a gate that was stopped after it had judged: the verdict, and that not all was told of it."""
    telling.attempted(lambda: telling.write_outputs(judged, edge, exit_code=error.exit_code, comment_url=""))
    return cancelled(judged, error)


@contextmanager
def _check_run(preparation: Preparation) -> Iterator[Check | None]:
    """The check run that the settings ask for, from now until the block is left."""
    settings, around = preparation.settings, preparation.around
    name, head = settings.check_run, around.situation.head or around.situation.commit
    if name is None or around.github is None or head is None or around.situation.is_fork:
        yield None
        return
    with check_run(around.github, name, head, details_url=run_url(around.situation)) as check:
        yield check


def _places(judged: Sequence[Judged], preparation: Preparation) -> tuple[Annotation, ...]:
    """What is worth a line in the diff."""
    around = preparation.around
    located = [
        Located(finding=item.finding, dataset=around.in_repository(Path(item.config.dataset))) for item in judged
    ]
    own_gate = (*preparation.settings.own_gate, *(change for item in judged for change in item.own_gate))
    placed = [replace(change, file=around.in_repository(Path(change.file))) for change in own_gate if change.file]
    return annotate(located, placed)


def opening_lines(settings: Settings, around: Surroundings) -> Iterator[str]:
    """Where the gate is, what judges, and what the change does about it: the first lines of the log."""
    situation = around.situation
    if situation.job is not None:
        number = f" {situation.number}" if situation.number else ""
        head = f", commit {situation.head[:7]}" if situation.head else ""
        of = f" of {situation.base_ref}" if situation.base_ref else ""
        how = f" ({situation.base.words}{of})" if situation.base else ""
        tagged = situation.kind is Kind.RELEASE  # which is held against the release before it
        base = "" if tagged or not around.base_commit else f", starts from {around.base_commit[:7]}{how}"
        what = situation.event if situation.kind is Kind.BRANCH else situation.kind.value
        yield f"{what}{number}{head}{base}"
    yield from situation.notes
    if isinstance(around.rules, ConfigFile):
        yield f"judged by {around.config} of {around.base_name}"
    for change in settings.own_gate:
        yield f"this change {change.text}"
