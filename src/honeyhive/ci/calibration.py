"""`honeyhive calibrate`: run files read, what they say of the thresholds, and that in words and as YAML to paste."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from decimal import Context
from pathlib import Path
from typing import Any

from honeyhive.ci.runs import read_whole_run, refuse_same_run
from honeyhive.ci.settings import Settings
from honeyhive.documents import neutralise, yaml_scalar
from honeyhive.gate.calibration.calibrate import CalibratedCheck, Calibration, Noise, Tally, calibrate
from honeyhive.gate.calibration.sensitivity import POWER
from honeyhive.gate.checks import Rule
from honeyhive.gate.markdown import NAME, one_line
from honeyhive.gate.numbers import NOTHING, amount, chance, count, datapoints, rate

_WIDE = 240
"""Nobody folds the lines of a log."""

_HEADINGS = (
    "check",
    "allowed",
    "false alarms",
    "undecided",
    "catches four times of five",
    "for at most 1 %",
    "which then catches",
)

_MEANINGS = """\
false alarms: how often the check fails although nothing has changed.
undecided: how often the data cannot tell; it fails no job unless `on-undecided: fail` says so.
catches four times of five: the smallest true change for the worse that it fails this often; smaller ones less often.
for at most 1 %: the limits with which at most 1 % of the jobs fail in which nothing has changed.
which then catches: the price of it, the smallest change that those limits fail four times of five."""


def calibrate_files(paths: Sequence[Path], settings: Settings, *, seed: int) -> Calibration:
    """The runs in these files held against each other by the settings; `InputError` where they tell nothing."""
    runs = [read_whole_run(path) for path in paths]
    refuse_same_run(paths)
    config = settings.experiment_of(runs[0])
    calibration = calibrate(runs, config.parsed_thresholds(), seed=seed)
    return replace(calibration, experiment=calibration.experiment or config.name)


def json_text(calibration: Calibration) -> str:
    """The calibration as JSON text."""
    return json.dumps(asdict(calibration), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


# --- in words --------------------------------------------------------------------------------------------------------


def lines(calibration: Calibration, *, width: int | None = None) -> Iterator[str]:
    """What there is to read, for a terminal of this width or, without one, for a log."""
    for line in (
        *_summary(calibration),
        "",
        *_table(calibration, width),
        "",
        *_notes(calibration),
        "",
        *_block(calibration),
    ):
        yield neutralise(line)


def _summary(found: Calibration) -> Iterator[str]:
    of_what = f"{len(found.runs)} runs of the same system, {datapoints(found.datapoints)}"
    left_out = f" ({count(found.left_out)} left out: not the same in all of them)" if found.left_out else ""
    yield f"calibration of {one_line(found.experiment, NAME)}: {of_what}{left_out}"
    yield from map(_noise, found.noise)
    yield (
        f"false alarms: {count(found.pairs.failed)} of {count(found.pairs.count)} ordered pairs failed; "
        f"{_share(found.resampled)} of {count(found.resampled.count)} resampled pairs (seed {found.seed})"
    )
    yield f"  {_in_plain_words(found.resampled)}"
    for candidate, baseline in found.failed_pairs[:10]:
        yield f"  failed: run {candidate} against run {baseline} as its baseline"


def _noise(noise: Noise) -> str:
    name = one_line(noise.metric, NAME)
    spread = f"between two runs ({rate(noise.lowest)} to {rate(noise.highest)})"
    if noise.pass_fail:
        return f"{name}: {rate(noise.flips)} of the datapoints flip {spread}"
    typical = amount(float(_rounded(noise.typical, 2)), noise.kind)
    return f"{name}: {rate(noise.flips)} of the datapoints change {spread}, typically by {typical}"


def _in_plain_words(tally: Tally) -> str:
    if not tally.failed:
        return f"Not one of {count(tally.count)} jobs in which nothing has changed would have failed."
    return f"A change that changes nothing would fail {chance(tally.share)}."


def _share(tally: Tally) -> str:
    return f"{rate(tally.share)} ± {_rounded(100 * tally.error, 1)}"


def _table(found: Calibration, width: int | None) -> list[str]:
    from rich.console import Console  # noqa: PLC0415 - slow to load, and only a table needs it
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in _HEADINGS:
        table.add_column(Text(heading), no_wrap=width is None)
    for check in found.checks:
        table.add_row(*map(Text, _row(check)))
    stream = io.StringIO()
    Console(file=stream, width=width or _WIDE, color_system=None, force_terminal=False).print(table)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def _row(check: CalibratedCheck) -> tuple[str, ...]:
    tally = check.resampled
    gating = "" if check.gating else " (does not fail the job)"
    return (
        f"{one_line(check.metric, NAME)} {check.rule}{gating}",
        check.allowed,
        f"{count(check.pairs.failed)} of {count(check.pairs.count)} pairs" if tally is None else rate(tally.share),
        NOTHING if tally is None else rate(tally.undecided / tally.count),
        check.why or ("fails anyway" if tally and tally.share >= POWER else _caught(check, check.caught)),
        check.suggested or NOTHING,
        _caught(check, check.then_caught),
    )


def _caught(check: CalibratedCheck, size: float | None) -> str:
    if size is None:
        return NOTHING
    what = "rise" if check.rule is Rule.MAX_INCREASE else "drop"
    if size == 0:
        return f"any {what}"
    return f"a {what} of {amount(float(_rounded(size, 2)), check.kind)}"


def _rounded(number: float, digits: int) -> str:
    """To so many significant digits: more are not known."""
    return f"{Context(prec=digits).create_decimal(repr(number)).normalize():f}"


def _notes(found: Calibration) -> Iterator[str]:
    if found.assumed:
        yield "no thresholds are configured: judged as if no metric may get worse (max-drop: 0, higher being better)"
    yield from _MEANINGS.splitlines()
    if any(check.rule is Rule.MUST_PASS for check in found.checks):
        yield "must-pass is judged on the pairs alone: it is about single datapoints, which a resample has or has not."
    bounds = [check.resampled for check in found.checks if check.rule in (Rule.MIN, Rule.MAX) and check.resampled]
    if any(tally.failed for tally in bounds):
        yield "min and max: resamples draw other datapoints, too; with the same ones each time they fail less often."
    for warning in found.warnings:
        yield f"warning: {one_line(warning, 400)}"


def _block(found: Calibration) -> Iterator[str]:
    if not found.suggested:
        return
    yield f"thresholds with at most 1 % false alarms ({_share(found.reached)} of the same resampled pairs),"
    yield "to put under your experiment in honeyhive.yml:"
    yield ""
    yield "    thresholds:"
    for name, settings in found.suggested.items():
        rules = ", ".join(f"{key}: {_value(key, value)}" for key, value in settings.items())
        yield f"      {yaml_scalar(name)}: {{{rules}}}{_price(found, name)}"


def _price(found: Calibration, name: str) -> str:
    """What a limit then catches, as a comment beside it."""
    checks = [check for check in found.checks if check.metric == name and check.then_caught is not None]
    return "".join(f"  # catches {_caught(check, check.then_caught)} four times of five" for check in checks[:1])


def _value(key: str, value: Any) -> str:
    """A value of a threshold as YAML: numbers and our own words as they are, what the user named in quotes."""
    return yaml_scalar(value) if key == "cluster" else value if isinstance(value, str) else json.dumps(value)
