"""Runs kept as the baselines of the changes to come."""

from __future__ import annotations

from collections.abc import Sequence

from honeyhive.ci.baselines.listing import entry_of
from honeyhive.ci.pipeline import Judged
from honeyhive.ci.preparing import Preparation, is_kept_in_a_store
from honeyhive.ci.telling import Told, changed
from honeyhive.documents import neutralise
from honeyhive.errors import InputError, NoDecisionError, ReportingError, RunFileError, StoreError
from honeyhive.gate.verdict import Verdict


def keep(judged: Sequence[Judged], preparation: Preparation) -> Told:
    """Keep each run as the baseline of the changes to come, where this is what they start from."""
    problems: list[ReportingError] = []
    lines: list[str] = []
    for item in judged:
        concerned = preparation.around.situation.saves and is_kept_in_a_store(item.config)
        if concerned and isinstance(item.finding, Verdict):
            try:
                lines.append(_kept(item, preparation))
            except StoreError as error:
                problems.append(error)
    return Told(problems=tuple(problems), lines=tuple(lines))


def _kept(item: Judged, preparation: Preparation) -> str:
    """Keep one run, and say so; `StoreError` where that cannot be done."""
    name, store = item.finding.experiment, preparation.store
    try:
        if not item.is_as_judged:
            raise changed(item)
        entry = entry_of(item.run_file, preparation.around.situation, preparation.now)
        store.save(item.run_file, entry)
    except (InputError, NoDecisionError, RunFileError) as error:
        message = f"{name}: the run is not saved as a baseline: {error.message}"
        raise StoreError(message, hint=error.hint) from error
    return neutralise(f"{name}: saved in {store.name} as the baseline of {entry.commit[:7]}")
