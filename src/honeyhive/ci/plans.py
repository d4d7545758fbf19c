"""What `compare --plan` does: read a run, plan with what it tells of chance, say it in sentences and tables."""

from __future__ import annotations

import dataclasses
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from honeyhive.ci.config import MOST
from honeyhive.ci.runs import read_baseline, read_whole_run, refuse_same_run
from honeyhive.ci.settings import Settings
from honeyhive.documents import neutralise
from honeyhive.gate.chance import Source
from honeyhive.gate.checks import Reason
from honeyhive.gate.markdown import NAME, one_line
from honeyhive.gate.metrics import Direction, Kind
from honeyhive.gate.numbers import about, amount, count, datapoints, rate, score
from honeyhive.gate.plan import Plan, Row, Unit, plan
from honeyhive.gate.student import saturated
from honeyhive.result import BUILT_IN

_WIDTH = 120
_ASIDE = {
    Reason.NO_BASELINE: "it has no score of this",
    Reason.NOT_COMPARABLE: "another evaluator scored it",
    Reason.NO_PAIRS: "no datapoint is the same in both runs",
    Reason.ONE_PAIR: "only one datapoint is the same in both runs",
    Reason.ONE_CLUSTER: "all datapoints are of one cluster",
    Reason.ZERO_BASELINE: "a change from 0 has no percentage",
}


@dataclass(frozen=True, kw_only=True)
class Planned:
    """The plans of a run's metrics, and the runs that they are made from."""

    experiment: str
    candidate: str
    baseline: str | None
    plans: tuple[Plan, ...]


def plan_files(candidate: Path, baseline: Path | None, settings: Settings) -> Planned:
    """The plans of a run file, with another for the pairs. What the thresholds say of their metrics holds here too.

    Raises `RunFileError` where the candidate is not whole, `NoDecisionError` where the baseline is not.
    """
    run = read_whole_run(candidate)
    held_against = None if baseline is None else read_baseline(baseline).run
    refuse_same_run([path for path in (candidate, baseline) if path is not None])
    config = settings.experiment_of(run)
    thresholds = config.parsed_thresholds()
    # Who only bounds the errors, or how long it takes, wants to see no drop of it.
    metrics = [given.metric for given in thresholds if given.margins or given.metric.name not in BUILT_IN]
    return Planned(
        experiment=run.name or config.name,
        candidate=run.run_id,
        baseline=held_against.run_id if held_against else None,
        plans=plan(run, held_against, metrics),
    )


def json_text(planned: Planned) -> str:
    """The plans as JSON text: every number finite, or null."""
    found = {"schema": 1} | dataclasses.asdict(planned)
    return json.dumps(found, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def lines(planned: Planned) -> Iterator[str]:
    """What to print: of each metric a sentence, its table, and what would make it better known."""
    for number, found in enumerate(planned.plans):
        if number:
            yield ""
        yield neutralise(f"{one_line(found.metric, NAME)}: {_sentence(found)}")
        yield from _table(found)
        for note in _notes(found):
            yield f"  {note}"


# --- in a sentence ---------------------------------------------------------------------------------------------------


def _sentence(found: Plan) -> str:
    if found.source is None:
        return "no datapoint has a score" if not found.n else "its scores tell nothing of how much is chance"
    repeats = "1 repeat" if found.repeats == 1 else f"{count(found.repeats)} repeats"
    return f"{_chance(found)}; {datapoints(found.n)}, {repeats}: {_shown(found)}"


def _chance(found: Plan) -> str:
    """How much is chance, and how that is known."""
    two_runs = found.source is Source.BASELINE and found.repeats == 1
    between = "between these two runs" if two_runs else "from one repeat to another"
    if found.flips is not None:
        share = f"{rate(min(1.0, found.flips))} of the datapoints differ"
        if found.source is Source.ASSUMED:
            return f"assumed that {share} between two runs of the same system, as is usual"
        return f"about {share} {between}" + (" without one being better" if two_runs else "")
    if found.sd == 0:
        return f"nothing differs by chance {between}"
    if found.source is Source.ASSUMED:
        return f"its datapoints differ by at most {_size(found)} between two runs, as far as they lie apart in this one"
    return f"its datapoints differ by about {_size(found)} {between}"


def _size(found: Plan) -> str:
    sd = found.sd or 0.0
    match found.kind:
        case Kind.LATENCY:
            return amount(saturated(math.expm1(min(sd, 700))), found.kind)
        case Kind.COST:
            return f"{amount(sd, found.kind)} of the mean"
        case _:
            return score(sd)


def _shown(found: Plan) -> str:
    fall = _fall(found)
    if found.smallest_detectable is not None:
        too = ", perhaps smaller ones too" if _at_most(found) else ""
        return f"{fall}s of {amount(found.smallest_detectable, found.kind)} or more show, four times of five{too}"
    if found.sd == 0 and any(row.repeats for row in found.rows):
        return f"every {fall} shows"
    return f"no {fall} shows, however large"


def _notes(found: Plan) -> Iterator[str]:
    if found.aside is not None:
        yield f"The baseline tells nothing of it: {_ASIDE[found.aside]}."
    if found.source is not None and not found.rows:
        yield "Its mean is 0, which has no hundredths: give it a `range`."
    if found.source in (Source.REPEATS, Source.ASSUMED) and found.cluster is not None:
        yield "As if no datapoint depended on another: what those of one cluster share only a second run would tell."
    if found.source in (Source.ASSUMED, None) and found.n:
        yield "A second run of the same code would tell, as BASELINE, or a run with `repeats`."


# --- in a table ------------------------------------------------------------------------------------------------------


def _table(found: Plan) -> Iterator[str]:
    """The rows in columns, plain on a terminal too: what is printed can be copied as it is, and is always the same."""
    if not found.rows:
        return
    from rich.console import Console  # noqa: PLC0415 - slow to load, and needed for nothing else
    from rich.table import Table  # noqa: PLC0415 - as above

    repeats = "1 repeat" if found.repeats == 1 else f"{count(found.repeats)} repeats"
    at_most = ", at most" if _at_most(found) else ""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column(f"to see a {_fall(found)} of")
    table.add_column(f"datapoints (at {repeats}){at_most}", justify="right")
    table.add_column(f"or repeats (of these {datapoints(found.n)}){at_most}", justify="right")
    for row in found.rows:
        table.add_row(*_cells(row, found))
    console = Console(file=io.StringIO(), width=_WIDTH, force_terminal=False, color_system=None, markup=False)
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        yield f"  {line.rstrip()}"


def _cells(row: Row, found: Plan) -> tuple[str, str, str]:
    drop = amount(row.drop, found.kind)
    if found.unit in (Unit.RANGE, Unit.MEAN):
        drop = f"{drop} ({row.hundredths} % of the {found.unit})"
    repeats = "no number is enough" if row.repeats is None else about(row.repeats)
    if row.repeats is not None and row.repeats > MOST:
        repeats = f"more than {count(MOST)}"
    return drop, "more than is practical" if row.datapoints is None else about(row.datapoints), repeats


def _fall(found: Plan) -> str:
    return "rise" if found.direction is Direction.LOWER else "drop"


def _at_most(found: Plan) -> bool:
    return found.source is Source.ASSUMED and found.sd is not None
