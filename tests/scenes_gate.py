"""Comments to look at: one that each reason leads, and some more. Their text is in `golden/comments`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from builders_gate import (
    check,
    errors,
    flips,
    improved,
    low_power,
    metric,
    must_pass,
    order_sum,
    order_sums,
    orders,
    rate,
    regressed,
    told,
    verdict,
)
from builders_verdict import CRASH
from honeyhive.gate.checks import Place, Reason, Rule
from honeyhive.gate.comparison import Change, Removed
from honeyhive.gate.evidence import Evidence
from honeyhive.gate.metrics import Direction, Kind
from honeyhive.gate.report import Context, Dataset, render
from honeyhive.gate.verdict import Side, Verdict
from honeyhive.result import EvaluatorRef, RunResult

REPO = "https://github.com/honey/bees"
CONTEXT = Context(
    judged_at="main",
    datasets={
        "order-sums": Dataset(path="evals/orders.jsonl", line_url=f"{REPO}/blob/1a2b3c4d5e6f/evals/orders.jsonl#L")
    },
    commit_url=f"{REPO}/commit/",
    report_url=f"{REPO}/actions/runs/17/artifacts/4",
)
HOSTILE = (
    "|`</code></details>\n</summary>```\n\n# ❌\n<img src=x onerror=alert(1)> @octocat fixes #1 GH-2 "
    "[x](https://evil.example) ![x](https://evil.example/x.png) www.evil.example :tada: $x$ ~~s~~ \u202e\x1b[31m\ud800"
)
SUMMARIES = (rate(), metric())


class Scene(NamedTuple):
    """What a comment is made from."""

    findings: Sequence[Verdict]
    evidence: Mapping[str, Mapping[str, Evidence]]
    context: Context = CONTEXT

    def comment(self) -> str:
        return render(self.findings, evidence=self.evidence, context=self.context)


def scene(candidate: RunResult, baseline: RunResult | None, rules: Mapping[str, Any]) -> Scene:
    verdict, evidence = told(candidate, baseline, rules)
    return Scene([verdict], {"order-sums": evidence})


# --- a comment for each reason ---------------------------------------------------------------------------------------


def failed() -> Scene:
    changes, evidence = orders()
    found = verdict(regressed(), errors(), metrics=SUMMARIES, changes=changes)
    return Scene([found], {"order-sums": evidence}, replace(CONTEXT, attempt=2))


def passed_improved() -> Scene:
    changes, evidence = orders(swapped=True)
    found = verdict(improved(), errors(), metrics=SUMMARIES, changes=changes)
    return Scene([found], {"order-sums": evidence})


def unchanged() -> Scene:
    same = check(
        reason=Reason.UNCHANGED,
        candidate=147 / 660,
        baseline=147 / 660,
        estimate=0.0,
        lower=-0.0035138584703222754,
        upper=0.0035138584703222754,
        p=1.0,
        n=660,
        worse=0,
        better=0,
        smallest_detectable=0.010691074685595,
    )
    return Scene([verdict(same, errors(), metrics=SUMMARIES)], {})


def undecided_low_power() -> Scene:
    found = verdict(
        low_power(),
        errors(n=50),
        experiment="support-agent",
        candidate=Side(run_id="0c9d1e2f", commit="1a2b3c4d5e6f", count=50, errors=0),
        paired=50,
        metrics=(rate("reward"), metric("latency_ms", candidate=48_210.0, baseline=45_870.0, estimate=-0.051)),
        changes=(
            Change(datapoint_id="support-17", line=18, metric="reward", baseline=1.0, candidate=0.0, better=False),
            Change(datapoint_id="support-31", line=32, metric="reward", baseline=0.0, candidate=1.0, better=True),
        ),
    )
    evidence = {
        "support-17": Evidence(
            datapoint_id="support-17",
            inputs={
                "customer": "C-204",
                "task": "Please bring my parcel a day later, on Friday, and to the back door.",
            },
            ground_truth=["change_delivery", "add_note"],
            baseline_output="Your parcel now comes on Friday, and the courier knows about the back door.",
            candidate_error="TimeoutError: 60 s",
        )
    }
    return Scene([found], {"support-agent": evidence})


def no_baseline() -> Scene:
    found = verdict(
        check(reason=Reason.NO_BASELINE, candidate=280 / 660),
        check("correct", Reason.MET, rule=Rule.MIN, limit=0.35, allowed="0.35", candidate=280 / 660, n=660),
        errors(baseline=None),
        baseline=None,
        paired=0,
    )
    return Scene([found], {})


def errors_above_max() -> Scene:
    found = verdict(
        errors(58, limit=0.05, baseline=None),
        check("correct", Reason.MET, rule=Rule.MIN, limit=0.35, allowed="0.35", candidate=0.41, n=660),
        candidate=Side(run_id="5e2f7c10", commit="1a2b3c4d5e6f", count=660, errors=58),
        baseline=None,
    )
    evidence = {
        f"order-{n + 1:03}": Evidence(
            datapoint_id=f"order-{n + 1:03}",
            line=n + 1,
            inputs={"question": "What do 2 kites at $8 and a reel of string at $3 come to?"},
            ground_truth=19,
            candidate_error="RateLimitError: 429 Too Many Requests, retry after 20 s",
        )
        for n in range(7)
    }
    return Scene([found], {"order-sums": evidence})


def missing_metric() -> Scene:
    found = verdict(
        check("Correct", Reason.MISSING_METRIC, kind=None),
        errors(),
        metrics=SUMMARIES,
        warnings=("12 datapoints not in the baseline: only `min` and `max` see them",),
        added=12,
        paired=648,
    )
    return Scene([found], {})


def flipped(n: int, *, worse: int, better: int, **rules: Any) -> Scene:
    """`n` order sums of which some changed, judged by these rules for `correct`."""
    candidate, baseline = flips(n, worse=worse, better=better)
    return scene(order_sums(candidate), order_sums(baseline), {"correct": {"max-drop": 0.02} | rules})


def tones(*scores: float, first: int = 1, shop: Callable[[int], int | None] = lambda at: at) -> RunResult:
    """Replies to customers, of several shops, with a score for their tone."""
    return order_sums(
        [
            order_sum(at, score, metric="tone", metadata={} if shop(at) is None else {"shop": shop(at)})
            for at, score in enumerate(scores, start=first)
        ]
    )


def below_min() -> Scene:
    candidate, baseline = flips(200, worse=9, better=8, right=0.6)
    return scene(order_sums(candidate), order_sums(baseline), {"correct": {"min": 0.65}})


def met() -> Scene:
    candidate, baseline = flips(200, worse=9, better=8, right=0.6)
    return scene(order_sums(candidate), order_sums(baseline), {"correct": {"min": 0.5}})


def too_few() -> Scene:
    return scene(order_sums([True] * 12), None, {"latency_ms.p95": {"max": "2s"}})


def no_data() -> Scene:
    return scene(
        order_sums([[CRASH, 0.02]] * 3, metric="cost", repeats=2), None, {"cost": {"max": 0.05}, "errors": {"max": 0.5}}
    )


def no_pairs() -> Scene:
    return scene(order_sums([True, False] * 20, first=101), order_sums([True] * 40), {"correct": {"max-drop": 0.02}})


def dataset_changed() -> Scene:
    return scene(order_sums([True, False] * 20, first=15), order_sums([True] * 40), {"correct": {"max-drop": 0.02}})


def not_comparable() -> Scene:
    candidate, baseline = flips(40, worse=5, better=1)
    before, after = ((EvaluatorRef(name="correct", fingerprint=version),) for version in ("of May", "of June"))
    return scene(
        order_sums(candidate, evaluators=after),
        order_sums(baseline, evaluators=before),
        {"correct": {"max-drop": 0.02}},
    )


def one_pair() -> Scene:
    return scene(tones(4.0), tones(4.5), {"tone": {"max-drop": 0.2}})


def one_cluster(**rules: Any) -> Scene:
    candidate, baseline = tones(*[4.0, 3.5] * 10, shop=lambda at: 1), tones(*[4.5, 3.5] * 10, shop=lambda at: 1)
    return scene(candidate, baseline, {"tone": {"max-drop": 0.2, "cluster": "shop"} | rules})


def zero_baseline() -> Scene:
    return scene(order_sums([False, True] * 10), order_sums([False] * 20), {"correct": {"max-drop": "2%"}})


def unbounded_errors() -> Scene:
    broken = order_sums([4.0] * 19 + [CRASH], metric="tone")
    return scene(broken, order_sums([4.5] * 20, metric="tone"), {"tone": {"max-drop": 0.2}, "errors": {"max": 0.1}})


REASONS: Mapping[Reason, Callable[[], Scene]] = {
    Reason.MET: met,
    Reason.BELOW_MIN: below_min,
    Reason.ABOVE_MAX: errors_above_max,
    Reason.TOO_FEW: too_few,
    Reason.NO_DATA: no_data,
    Reason.MISSING_METRIC: missing_metric,
    Reason.REGRESSED: failed,
    Reason.UNCHANGED: unchanged,
    Reason.IMPROVED: passed_improved,
    Reason.WITHIN_MARGIN: lambda: flipped(1000, worse=3, better=2),
    Reason.APPARENT_DROP: lambda: flipped(200, worse=9, better=4),
    Reason.NEAR_LIMIT: lambda: flipped(260, worse=5, better=0),
    Reason.LOW_POWER: undecided_low_power,
    Reason.NO_BASELINE: no_baseline,
    Reason.NO_PAIRS: no_pairs,
    Reason.DATASET_CHANGED: dataset_changed,
    Reason.NOT_COMPARABLE: not_comparable,
    Reason.ONE_PAIR: one_pair,
    Reason.ONE_CLUSTER: one_cluster,
    Reason.ZERO_BASELINE: zero_baseline,
    Reason.UNBOUNDED_ERRORS: unbounded_errors,
}
"""A comment that each reason leads."""


# --- and for what else there is to see -------------------------------------------------------------------------------


def must_pass_failed() -> Scene:
    sums = [order_sum(at, at not in (3, 8, 17, 20), tags=("must-pass",) if at < 20 else ()) for at in range(1, 41)]
    sums[7] = replace(sums[7], retry=order_sum(8))
    return scene(order_sums(sums), order_sums([at != 17 for at in range(1, 41)]), {"correct": {"max-drop": 0.2}})


def must_pass_flaky() -> Scene:
    sums = [order_sum(at, at not in (4, 9), tags=("must-pass",)) for at in range(1, 13)]
    sums[3], sums[8] = (replace(one, retry=order_sum(one.index + 1)) for one in (sums[3], sums[8]))
    return scene(order_sums(sums), None, {})


def must_pass_untagged() -> Scene:
    return scene(order_sums([True] * 12), None, {"correct": {"must-pass": True}})


def removed_datapoints() -> Scene:
    kept = [at % 10 < 7 for at in range(176)]
    return scene(
        order_sums(kept), order_sums([*kept, *[False] * 23, True]), {"correct": {"max-drop": 0.02, "min": 0.65}}
    )


def aggregates() -> Scene:
    sums = [
        order_sum(at, 0.05 if at % 2 else 0.06, metric="cost", duration_ms=900.0 if at % 10 else 2_400.0)
        for at in range(1, 101)
    ]
    rules = {"latency_ms.p95": {"max": "2s"}, "cost.total": {"max": 5}, "cost.median": {"max": 0.06}}
    return scene(order_sums(sums), None, rules)


def clusters() -> Scene:
    ours, theirs = [4.0, 3.5, 4.5, 4.1] * 50, [4.1, 3.4, 4.6, 4.2] * 49 + [3.5, 4.5, 4.1, 4.2]

    def shop(at: int) -> int | None:
        return None if at < 4 else at // 5

    rules = {"tone": {"max-drop": 0.02, "cluster": "shop", "range": [1, 5]}}
    return scene(tones(*ours, shop=shop), tones(*theirs, shop=shop), rules)


def repeats_and_labels() -> Scene:
    ours, theirs = ([[True, at % 5 > k, at % 7 > 0] for at in range(60)] for k in (0, 1))
    rules = {"correct": {"max-drop": 0.05, "min": 0.5}}
    return scene(order_sums(ours, repeats=3), order_sums(theirs, repeats=3), rules)


def relabelled() -> Scene:
    ours, theirs = [1, 2, 1, 3] * 50, [1, 2, 1, 3] * 44 + [1, 3, 1, 2] * 6
    runs = [
        order_sums(order_sum(at, label, metric="category", ground_truth=1) for at, label in enumerate(labels, 1))
        for labels in (ours, theirs)
    ]
    return scene(runs[0], runs[1], {"category": {"kind": "label", "max-drop": 0.02}})


def several_experiments() -> Scene:
    changes, evidence = orders()
    slow = check(
        "latency_ms",
        kind=Kind.LATENCY,
        direction=Direction.LOWER,
        rule=Rule.MAX_INCREASE,
        limit=0.1,
        allowed="10%",
        gating=False,
        baseline=812.1,
        candidate=1_204.0,
        estimate=-0.46,
        lower=-0.52,
        upper=-0.41,
        p=1e-12,
        n=500,
    )
    tone = check(
        "tone",
        Reason.WITHIN_MARGIN,
        kind=Kind.SCORE,
        limit=0.2,
        allowed="0.2",
        baseline=4.312,
        candidate=4.287,
        estimate=-0.025,
        lower=-0.08,
        upper=0.03,
        p=0.23,
        n=500,
        smallest_detectable=0.081,
    )
    replies = verdict(slow, tone, errors(n=500), experiment="replies", paired=500, metrics=())
    evidence["order-004"] = replace(evidence["order-004"], ground_truth="31\n(dollars)")
    failing = verdict(regressed(), errors(3), metrics=SUMMARIES, changes=changes[:2])
    own_gate = ("lowers `correct.min` 0.35 → 0.10; judged by main's 0.35",)
    return Scene(
        [replies, verdict(low_power(), experiment="support-agent"), failing],
        {"order-sums": evidence},
        replace(CONTEXT, own_gate=own_gate),
    )


def hostile(name: str = HOSTILE) -> Scene:
    place = Place(datapoint_id=name, line=17)
    found = verdict(
        regressed(name),
        must_pass(name, not_passed=(place,), flaky=(place,)),
        check(name, Reason.MET, rule=Rule.MIN, limit=0.3, candidate=0.35, n=660),
        experiment=name,
        candidate=Side(run_id=name, commit=name, branch=name, count=660, errors=0),
        baseline=Side(run_id=name, commit=name, branch=name, count=660, errors=0, chosen=name),
        metrics=(
            rate(name, lower=0.32, upper=0.38, removed=0.1, all_passed=0.2, baseline_all_passed=0.3),
            metric(name + "2"),
        ),
        removed=2,
        removed_datapoints=(Removed(datapoint_id=name, line=3, scores={name: 0.0}),),
        changes=(Change(datapoint_id=name, line=17, metric=name, baseline=1.0, candidate=0.0, better=False),),
        warnings=(name,),
    )
    evidence = Evidence(
        datapoint_id=name,
        inputs={"question": name, "@octocat": name},
        ground_truth=name,
        candidate_output=name,
        baseline_output=[name],
        baseline_error=None,
    )
    context = Context(
        judged_by=name,
        judged_at=name,
        datasets={name: Dataset(path=name, line_url=f"{REPO}/{name}#L")},
        commit_url=f"javascript:{name}",
        report_url=f"{REPO}/{name}",
        own_gate=(name,),
    )
    return Scene([found], {name: {name: evidence}}, context)


OTHERS: Mapping[str, Callable[[], Scene]] = {
    "must-pass-failed": must_pass_failed,
    "must-pass-flaky": must_pass_flaky,
    "must-pass-untagged": must_pass_untagged,
    "strict-apparent-drop": lambda: flipped(200, worse=9, better=4, decide="strict"),
    "strict-low-power": lambda: flipped(50, worse=5, better=5, decide="strict"),
    "strict-one-cluster": lambda: one_cluster(decide="strict"),
    "point-regressed": lambda: flipped(200, worse=9, better=4, decide="point"),
    "point-within-margin": lambda: flipped(200, worse=5, better=4, decide="point"),
    "removed-datapoints": removed_datapoints,
    "aggregates": aggregates,
    "clusters": clusters,
    "repeats": repeats_and_labels,
    "relabelled": relabelled,
    "several-experiments": several_experiments,
    "hostile": hostile,
}

COMMENTS: Mapping[str, Callable[[], Scene]] = {
    **{reason.value.replace("_", "-"): scene for reason, scene in REASONS.items()},
    **OTHERS,
}
"""By the name of the file with the comment."""
