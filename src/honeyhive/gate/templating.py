"""The comment's templates, and the filters without which they can show nothing.

A template shows numbers by the filters of `numbers` and strangers' text by those of `markdown`; `finalize` refuses
whatever comes without one. All templates are compiled when this module is imported: nothing is read from disk, where
a user's code may have been, once there is something to decide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined, Template

from honeyhive.gate import advice, figures, markdown, numbers, words
from honeyhive.gate.broken import Broken, Finding, Skipped, verdict_of
from honeyhive.gate.checks import Check, Status
from honeyhive.gate.evidence import EXPECTED_WIDTH, INPUTS_WIDTH, OUTPUT_WIDTH
from honeyhive.gate.headline import headline
from honeyhive.gate.verdict import MetricSummary, Verdict

_SYMBOLS = {"broken": "💥", "failed": "❌", "undecided": "⚠️", "passed": "✅", "skipped": "⏭️"}
WORST_FIRST = tuple(_SYMBOLS)
"""What an experiment may come to, in a word each."""


class _Safe(str):
    """Text that may stand in the comment: our own words and numbers, or a stranger's text made harmless."""

    __slots__ = ()


def _refuse_raw(shown: Any) -> Any:
    if not isinstance(shown, _Safe):
        raise TypeError(f"a template shows a {type(shown).__name__} without a filter")
    return shown


def _safe(write: Callable[..., str]) -> Callable[..., _Safe]:
    return lambda *args, **kwargs: _Safe(write(*args, **kwargs))


def _status(check: Check) -> str:
    if check.status is Status.FAILED and not check.gating:
        return "⚠️ warning"
    return f"{_SYMBOLS[check.status]} {check.status.value}"


def _symbol(finding: Finding) -> str:
    return _SYMBOLS[verdict_of(finding)]


def overall(verdicts: Sequence[str]) -> str:
    """The first line where there is not just one experiment; `verdicts` has the worst first."""
    if not verdicts:
        return "⚠️ no experiment was judged"
    (worst, number), *rest = Counter(verdicts).items()
    also = "".join(f", {count} {word}" for word, count in rest)
    return f"{_SYMBOLS[worst]} {number} of {len(verdicts)} experiments {worst}{also}"


def _told(finding: Finding) -> str:
    """What became of an experiment, in one sentence."""
    match finding:
        case Broken():
            return "no verdict"
        case Skipped():
            return "not run"
        case Verdict():
            return headline(finding, name=markdown.code)


def _address(hash_or_line: object, prefix: str | None) -> str:
    return f"{prefix}{hash_or_line}" if prefix else ""


def _rate(summary: MetricSummary, share: float | None) -> str:
    return numbers.value(share, summary.kind)


def _means(summary: MetricSummary) -> figures.Figures:
    return figures.of_means(
        summary.kind,
        summary.direction,
        baseline=summary.baseline,
        candidate=summary.candidate,
        estimate=summary.estimate,
    )


_FILTERS: Mapping[str, Callable[..., str]] = {
    "cell": markdown.cell,
    "prose": markdown.prose,
    "code": markdown.code,
    "fenced": markdown.fenced,
    "link": markdown.link,
    "count": numbers.count,
    "datapoints": numbers.datapoints,
    "number": str,  # a figure: `figures` and `means` have formatted it
    "ours": str,  # a sentence of `words`
    "told": _told,
    "overall": overall,
    "symbol": _symbol,
    "status": _status,
    "evidence": words.evidence,
    "rate": _rate,
    "power": words.power,
    "meaning": advice.meaning,
    "way_out": advice.way_out,
}


def _environment() -> Environment:
    directory = files("honeyhive").joinpath("gate/templates")
    environment = Environment(  # noqa: S701 - Markdown, not HTML: `finalize` lets nothing pass that is not made safe
        loader=DictLoader({file.name: file.read_text("utf-8") for file in directory.iterdir()}),
        undefined=StrictUndefined,
        finalize=_refuse_raw,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update({name: _safe(write) for name, write in _FILTERS.items()})
    environment.globals.update(widths={"inputs": INPUTS_WIDTH, "expected": EXPECTED_WIDTH, "output": OUTPUT_WIDTH})
    environment.filters.update({"figures": figures.of_check, "means": _means, "at": _address})
    return environment


def _compiled() -> dict[str, Template]:
    environment = _environment()
    return {name: environment.get_template(name) for name in environment.list_templates()}


TEMPLATES: Mapping[str, Template] = _compiled()
"""By file name."""


def written(template: str, values: Mapping[str, Any], block: str | None = None) -> str:
    """What a template, or one block of it, makes of the values."""
    found = TEMPLATES[f"{template}.md.j2"]
    if block is None:
        return found.render(values).strip()
    return "".join(found.blocks[block](found.new_context(dict(values)))).strip()
