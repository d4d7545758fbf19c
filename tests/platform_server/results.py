"""What the platform makes of a run: its result, its metrics, its comparison with another."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platform_server.spans import SESSION, attributes
from platform_server.state import Kept, State

METRIC = "honeyhive_metrics."

MetricKey = tuple[str, str, str]
"""Name of the metric, name and type of the event that has it."""


def _percentile(share: float) -> Callable[[Sequence[float]], float]:
    return lambda values: sorted(values)[min(len(values) - 1, int(share * len(values)))]


AGGREGATES: Mapping[str, Callable[[Sequence[float]], float]] = {
    "average": statistics.fmean,
    "median": statistics.median,
    "min": min,
    "max": max,
    "sum": sum,
    "count": len,
    "p90": _percentile(0.9),
    "p95": _percentile(0.95),
    "p99": _percentile(0.99),
}


@dataclass(frozen=True, kw_only=True)
class Point:
    """One session of a run, as the result has it."""

    datapoint_id: str | None
    session_id: str
    metrics: Mapping[MetricKey, Any]
    error: Any

    @property
    def passed(self) -> bool:
        """No error, and no metric that says no."""
        return not self.error and not any(value is False for value in self.metrics.values())

    @property
    def scores(self) -> Mapping[MetricKey, float]:
        """The metrics that are numbers; yes is 1, no is 0."""
        return {key: float(value) for key, value in self.metrics.items() if isinstance(value, int | float)}

    @property
    def label(self) -> str:
        """What the result calls it."""
        return self.datapoint_id or self.session_id


def points(state: State, run: Kept) -> Sequence[Point]:
    """The sessions of the run: those that it names, and those that name it."""
    run_id, named = run.value["run_id"], run.value["event_ids"]
    own = [key for key, kept in state.sessions.items() if kept.value.get("metadata", {}).get("run_id") == run_id]
    linked = dict.fromkeys([*(key for key in named if key in state.sessions), *own])
    metrics = _of_spans(state)
    return [_point(state.sessions[session_id].value, metrics.get(session_id, {})) for session_id in linked]


def _of_spans(state: State) -> Mapping[str, Mapping[MetricKey, Any]]:
    found: dict[str, dict[MetricKey, Any]] = {}
    for kept in state.spans.values():
        span = attributes(kept.value) | {"name": kept.value["name"]}
        found.setdefault(str(span.get(SESSION)), {}).update(_of_span(span))
    return found


def _point(session: Mapping[str, Any], of_spans: Mapping[MetricKey, Any]) -> Point:
    own = {(name, session["event_name"], "session"): value for name, value in session.get("metrics", {}).items()}
    return Point(
        datapoint_id=session.get("metadata", {}).get("datapoint_id"),
        session_id=session["session_id"],
        metrics=own | dict(of_spans),
        error=session.get("error"),
    )


def _of_span(span: Mapping[str, Any]) -> Iterator[tuple[MetricKey, Any]]:
    event = str(span.get("honeyhive_event_name", span["name"])), str(span.get("honeyhive_event_type", "tool"))
    for key, value in span.items():
        if key.startswith(METRIC):
            yield (key.removeprefix(METRIC), *event), value


def result(state: State, run: Kept, aggregate: str) -> dict[str, Any]:
    """The run's result; without a false metric and without an error it is a success."""
    found = points(state, run)
    failed = [point.label for point in found if not point.passed]
    return {
        "status": run.value["status"],
        "success": not failed,
        "passed": [point.label for point in found if point.passed],
        "failed": failed,
        "metrics": {
            "aggregation_function": aggregate,
            "details": [_detail(key, found, aggregate) for key in _keys(found)],
        },
        "datapoints": [_datapoint(point) for point in found],
        "event_details": [{"event_name": name, "event_type": kind} for name, kind in _events(found)],
        "run_object": run.value,
    }


def _keys(found: Sequence[Point]) -> Sequence[MetricKey]:
    return list(dict.fromkeys(key for point in found for key in point.scores))


def _events(found: Sequence[Point]) -> Sequence[tuple[str, str]]:
    return list(dict.fromkeys(key[1:] for point in found for key in point.metrics))


def _named(key: MetricKey) -> dict[str, str]:
    return {"metric_name": key[0], "metric_type": "CLIENT_SIDE", "event_name": key[1], "event_type": key[2]}


def _detail(key: MetricKey, found: Sequence[Point], aggregate: str) -> dict[str, Any]:
    having = [point for point in found if key in point.scores]
    values = [point.scores[key] for point in having]
    return _named(key) | {
        "aggregate": AGGREGATES[aggregate](values),
        "values": values,
        "datapoints": {
            "passed": [point.label for point in having if point.metrics[key] is not False],
            "failed": [point.label for point in having if point.metrics[key] is False],
        },
    }


def _datapoint(point: Point) -> dict[str, Any]:
    metrics = [
        {"name": name, "event_name": event, "event_type": kind, "value": value, "passed": value is not False}
        for (name, event, kind), value in point.metrics.items()
    ]
    own = {"datapoint_id": point.datapoint_id, "session_id": point.session_id}
    return own | {"passed": point.passed, "metrics": metrics}


def metrics(state: State, run: Kept) -> dict[str, Any]:
    """The run's sessions with their metrics."""
    named = [
        {
            "event_id": point.session_id,
            "session_id": point.session_id,
            "event_type": "session",
            "metadata": {"datapoint_id": point.datapoint_id, "run_id": run.value["run_id"]},
            "metrics": {key[0]: value for key, value in point.metrics.items()},
        }
        for point in points(state, run)
    ]
    return {"events": named}


def comparison(state: State, new: Kept, old: Kept, aggregate: str) -> dict[str, Any]:
    """The two runs, over the datapoints that both have."""
    sides = [{point.label: point for point in points(state, run)} for run in (old, new)]
    common = [label for label in sides[1] if label in sides[0]]
    before, after = ([side[label] for label in common] for side in sides)
    keys = [key for key in _keys(after) if key in _keys(before)]
    return {
        "metrics": [_change(key, before, after, aggregate) for key in keys],
        "commonDatapoints": common,
        "event_details": [
            {"event_name": name, "event_type": kind, "presence": "both"}
            for name, kind in _events(after)
            if (name, kind) in _events(before)
        ],
        "old_run": old.value,
        "new_run": new.value,
    }


def _change(key: MetricKey, before: Sequence[Point], after: Sequence[Point], aggregate: str) -> dict[str, Any]:
    pairs = [
        (new.label, old.scores[key], new.scores[key])
        for old, new in zip(before, after, strict=True)
        if key in old.scores and key in new.scores
    ]
    groups = {
        "improved": [label for label, old, new in pairs if new > old],
        "degraded": [label for label, old, new in pairs if new < old],
        "same": [label for label, old, new in pairs if new == old],
    }
    values = {"old_values": [old for _, old, _ in pairs], "new_values": [new for _, _, new in pairs]}
    counts = {"found_count": len(pairs)} | {f"{name}_count": len(labels) for name, labels in groups.items()}
    return _named(key) | _aggregates(values, aggregate) | counts | groups | values


def _aggregates(values: Mapping[str, Sequence[float]], aggregate: str) -> dict[str, float]:
    if not values["old_values"]:
        return {}
    old, new = (AGGREGATES[aggregate](values[side]) for side in ("old_values", "new_values"))
    found = {"old_aggregate": old, "new_aggregate": new, "difference": new - old}
    return found if old == 0 else found | {"percentage_change": 100 * (new - old) / old}
