from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from builders_gate import GOLDEN, check, errors, improved, low_power, metric, orders, rate, regressed, verdict
from honeyhive.gate import templating
from honeyhive.gate.checks import Reason, Rule, Status
from honeyhive.gate.comparison import Change
from honeyhive.gate.evidence import Evidence, select, text_of
from honeyhive.gate.metrics import Direction, Kind
from honeyhive.gate.report import MOST_CHARACTERS, Context, Dataset, render
from honeyhive.gate.verdict import Side, Verdict

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
MARKDOWN = MarkdownIt("commonmark").enable("table")

SUMMARIES = (rate(), metric())


# --- whole comments --------------------------------------------------------------------------------------------------


def failed() -> str:
    changes, evidence = orders()
    found = verdict(regressed(), errors(), metrics=SUMMARIES, changes=changes)
    return render([found], evidence={"order-sums": evidence}, context=replace(CONTEXT, attempt=2))


def passed_improved() -> str:
    changes, evidence = orders(swapped=True)
    found = verdict(improved(), errors(), metrics=SUMMARIES, changes=changes)
    return render([found], evidence={"order-sums": evidence}, context=CONTEXT)


def unchanged() -> str:
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
    return render([verdict(same, errors(), metrics=SUMMARIES)], evidence={}, context=CONTEXT)


def undecided_low_power() -> str:
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
    return render([found], evidence={"support-agent": evidence}, context=CONTEXT)


def no_baseline() -> str:
    found = verdict(
        check(reason=Reason.NO_BASELINE, candidate=280 / 660),
        check("correct", Reason.MET, rule=Rule.MIN, limit=0.35, allowed="0.35", candidate=280 / 660, n=660),
        errors(baseline=None),
        baseline=None,
        paired=0,
    )
    return render([found], evidence={}, context=CONTEXT)


def errors_above_max() -> str:
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
    return render([found], evidence={"order-sums": evidence}, context=CONTEXT)


def missing_metric() -> str:
    found = verdict(
        check("Correct", Reason.MISSING_METRIC, kind=None),
        errors(),
        metrics=SUMMARIES,
        warnings=("12 datapoints not in the baseline: only `min` and `max` see them",),
        added=12,
        paired=648,
    )
    return render([found], evidence={}, context=CONTEXT)


def several_experiments() -> str:
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
    return render(
        [replies, verdict(low_power(), experiment="support-agent"), failing],
        evidence={"order-sums": evidence},
        context=replace(CONTEXT, own_gate=own_gate),
    )


def hostile() -> str:
    name = HOSTILE
    found = verdict(
        regressed(name),
        experiment=name,
        candidate=Side(run_id=name, commit=name, branch=name, count=660, errors=0),
        baseline=Side(run_id=name, commit=name, branch=name, count=660, errors=0, chosen=name),
        metrics=(rate(name), metric(name + "2")),
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
    return render([found], evidence={name: {name: evidence}}, context=context)


COMMENTS: Mapping[str, Callable[[], str]] = {
    write.__name__.replace("_", "-"): write
    for write in (
        *(failed, passed_improved, unchanged, undecided_low_power, no_baseline),
        *(errors_above_max, missing_metric, several_experiments, hostile),
    )
}


@pytest.mark.parametrize("name", COMMENTS)
def test_the_comment_is_the_golden_one(name: str) -> None:
    golden, written = GOLDEN / f"{name}.md", COMMENTS[name]()
    if os.environ.get("UPDATE_GOLDEN") == "1":
        golden.write_text(written, "utf-8")
    assert written.encode() == golden.read_bytes(), "UPDATE_GOLDEN=1 writes it anew"


# --- structure -------------------------------------------------------------------------------------------------------

OURS = {"details", "/details", "summary", "/summary", "b", "/b", "code", "/code", "sub", "/sub", "span", "/span"}


def assert_well_formed(comment: str, *, links: str = REPO) -> None:
    """Every table whole, every fold closed, no markup and no link but ours."""
    tokens = MARKDOWN.parse(comment)
    blocks = "".join(token.content for token in tokens if token.type == "html_block")
    spans = [child for token in tokens for child in token.children or []]
    tags = re.findall(r"<([^ >]*)", blocks + "".join(s.content for s in spans if s.type == "html_inline"))
    assert set(tags) <= OURS
    assert blocks.count("<details>") == blocks.count("</details>")
    assert not any(span.type == "image" for span in spans)
    assert all(str(span.attrs["href"]).startswith(links) for span in spans if span.type == "link_open")
    cells = 0
    for token in tokens:
        if token.type == "tr_close":
            assert cells in (4, 5, 7, 2)
            cells = 0
        cells += token.type in ("td_open", "th_open")
    assert not any(line.startswith("|") for t in tokens if t.type == "inline" for line in t.content.split("\n"))


@pytest.mark.parametrize("name", COMMENTS)
def test_a_comment_is_well_formed(name: str) -> None:
    assert_well_formed(COMMENTS[name]())


def test_what_is_undecided_says_what_that_means_for_the_job() -> None:
    assert "does not fail this job" in render([verdict(low_power())], evidence={})
    assert "fails this job" in render([verdict(low_power(), exit_code=4)], evidence={})


def test_what_failed_comes_first() -> None:
    comment = render([verdict(improved(), experiment="a"), verdict(regressed(), experiment="b")], evidence={})
    assert comment.startswith("## ❌ 1 of 2 experiments failed, 1 passed\n")
    assert comment.index("### ❌ b:") < comment.index("### ✅ a:")


def test_no_experiment_is_no_success() -> None:
    assert render([], evidence={}).startswith("## ⚠️ no experiment was judged\n")


def test_a_metric_that_does_not_gate_is_a_warning() -> None:
    assert "| ⚠️ warning | `correct` |" in render([verdict(regressed(gating=False))], evidence={})


def test_what_the_dataset_can_show_is_said_even_where_the_need_is_not_known() -> None:
    comment = render([verdict(low_power(needed=None))], evidence={})
    assert "- `reward`: drops of 23.5 pts or more, four times of five.\n" in comment


def test_the_same_advice_is_given_once() -> None:
    found = verdict(regressed("a"), regressed("b", p=0.01))
    assert "- `a`, `b`: Read the datapoints that got worse." in render([found], evidence={})


def test_a_template_cannot_show_what_no_filter_has_made_safe() -> None:
    environment = templating.TEMPLATES["comment.md.j2"].environment
    with pytest.raises(TypeError, match="shows a str without a filter"):
        environment.from_string("{{ name }}").render(name="<b>")
    with pytest.raises(TypeError, match="shows a float"):
        environment.from_string("{{ 0.5 }}").render()


@settings(max_examples=30, deadline=None)
@given(st.text(), st.text(), st.text())
def test_no_text_changes_the_structure(name: str, text: str, other: str) -> None:
    found = verdict(
        regressed(name),
        errors(3),
        experiment=other,
        changes=(Change(datapoint_id=text, line=3, metric=name, baseline=1.0, candidate=0.0, better=False),),
        warnings=(text, other),
        metrics=(metric(other + "x"),),
    )
    evidence = Evidence(datapoint_id=text, inputs=text, ground_truth={name: text}, candidate_error=other)
    assert_well_formed(render([found], evidence={other: {text: evidence}}, context=CONTEXT))


# --- making it fit ---------------------------------------------------------------------------------------------------


def large(experiment: str, *, status: Status = Status.FAILED, checks: int = 1, text: str = "🐝 word " * 400) -> Verdict:
    lead = regressed() if status is Status.FAILED else improved()
    return verdict(
        lead,
        *(improved(f"metric {n}") for n in range(checks - 1)),
        experiment=experiment,
        changes=tuple(
            Change(datapoint_id=f"d{n}", line=n, metric="correct", baseline=1.0, candidate=0.0, better=False)
            for n in range(12)
        ),
        warnings=(text,) * 30,
    )


def everything(text: str = "🐝 word " * 400) -> dict[str, Evidence]:
    return {
        f"d{n}": Evidence(
            datapoint_id=f"d{n}", inputs=text, ground_truth=text, candidate_output=text, baseline_output=text
        )
        for n in range(12)
    }


@pytest.mark.parametrize("experiments", [1, 2, 3, 8, 40, 400])
@pytest.mark.parametrize("checks", [1, 200])
def test_the_comment_fits_whatever_is_in_it(experiments: int, checks: int) -> None:
    verdicts = [large(f"e{n}", checks=checks) for n in range(experiments)]
    comment = render(verdicts, evidence={v.experiment: everything() for v in verdicts}, context=CONTEXT)
    assert len(comment.encode("utf-16-le")) // 2 <= MOST_CHARACTERS
    assert_well_formed(comment)
    assert comment.rstrip().endswith("</sub>")


def test_texts_go_before_datapoints_and_what_passed_before_what_failed() -> None:
    verdicts = [large("worse"), large("fine", status=Status.PASSED)]
    evidence = {verdict.experiment: everything("some words " * 90) for verdict in verdicts}
    comment = render(verdicts, evidence=evidence, context=CONTEXT)
    fell, fine = comment.split("### ✅ fine")
    assert "in full</summary>" in fell
    assert "in full</summary>" not in fine
    assert "| `d0` line 0 |" in fine
    assert "shortened to fit, [the full report has it all]" in fine


def test_where_all_fits_nothing_is_said_of_shortening() -> None:
    assert "shortened" not in render([verdict(regressed())], evidence={}, context=CONTEXT)


def test_experiments_that_do_not_even_fit_by_name_are_counted() -> None:
    verdicts = [verdict(regressed("|" * 60), experiment=f"{n}" + "|" * 60) for n in range(400)]
    comment = render(verdicts, evidence={})
    assert re.search(r"… and [0-9]+ more\.", comment)
    assert "shortened to fit</sub>" in comment.replace("\n", "")


def test_checks_beyond_the_first_hundred_are_counted() -> None:
    assert "… and 50 more that matter less." in render([large("e", checks=150, text="x")], evidence={})


# --- which datapoints ------------------------------------------------------------------------------------------------


def change(datapoint: str, metric: str = "correct", *, better: bool = False, **fields: Any) -> Change:
    usual = {"baseline": 0.0 if better else 1.0, "candidate": 1.0 if better else 0.0, "line": None}
    return Change(datapoint_id=datapoint, metric=metric, better=better, **(usual | fields))


def test_the_metrics_that_failed_are_the_ones_shown() -> None:
    found = select(verdict(regressed(), improved("b"), changes=(change("1", "b"), change("2"))), {})
    assert found.metrics == ("correct",)
    assert [row.datapoint_id for row in found.worse] == ["2"]


def test_several_metrics_take_turns_and_share_a_datapoint() -> None:
    changes = (change("1"), change("2"), change("3", "b"), change("1", "b"))
    found = select(verdict(regressed(), regressed("b"), metrics=(rate(), rate("b")), changes=changes), {})
    assert [row.datapoint_id for row in found.worse] == ["1", "3", "2"]
    assert [mark.metric for mark in found.worse[0].marks] == ["correct", "b"]
    assert (found.worse[0].marks[0].baseline, found.worse[0].marks[0].candidate) == ("✅", "❌")


def test_a_datapoint_that_got_worse_is_not_among_the_better() -> None:
    changes = (change("1"), change("1", "b", better=True), change("2", "b", better=True))
    found = select(verdict(regressed(), regressed("b"), changes=changes), {})
    assert [row.datapoint_id for row in found.better] == ["2"]


def test_ten_worst_and_five_best() -> None:
    changes = [change(f"w{n}") for n in range(20)] + [change(f"b{n}", better=True) for n in range(20)]
    found = select(verdict(regressed(), changes=tuple(changes)), {})
    assert [row.datapoint_id for row in found.worse] == [f"w{n}" for n in range(10)]
    assert [row.datapoint_id for row in found.better] == [f"b{n}" for n in range(5)]


def test_what_cannot_be_compared_is_no_evidence() -> None:
    found = select(verdict(check(reason=Reason.NOT_COMPARABLE), changes=(change("1"),)), {})
    assert not found.any


def test_without_a_check_all_that_changed_is_shown() -> None:
    found = select(verdict(errors(), changes=(change("1", "b"),)), {})
    assert found.metrics == ("b",)
    assert found.lead is None


def test_for_scores_the_fold_counts_nothing() -> None:
    tone = check("tone", kind=Kind.SCORE, limit=0.2, baseline=4.0, candidate=3.5, estimate=-0.5)
    summaries = (rate("tone", kind=Kind.SCORE),)
    found = verdict(tone, changes=(change("1", "tone", baseline=4.5, candidate=3.0),), metrics=summaries)
    comment = render([found], evidence={})
    assert "<b>The datapoints that changed most</b>" in comment
    assert "| `1` |  |  | 4.5 | 3 |" in comment


def test_an_error_stands_where_the_output_would() -> None:
    evidence = {
        "1": Evidence(datapoint_id="1", line=4, candidate_output="x", candidate_error="E: no", baseline_output=7)
    }
    (row,) = select(verdict(regressed(), changes=(change("1"),)), evidence).worse
    assert (row.line, row.baseline, row.candidate) == (4, "7", "error: E: no")


def test_lower_is_better_marks_the_other_way() -> None:
    summaries = (rate("errors", direction=Direction.LOWER),)
    found = verdict(errors(3), metrics=summaries, changes=(change("1", "errors", baseline=0.0, candidate=1.0),))
    assert select(found, {}).worse[0].marks[0].baseline == "✅"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("a\nb", "a\nb"),
        ({"input": "How many?"}, "How many?"),
        ({"a": "x", "b": [1, 2]}, "a: x\nb: [1, 2]"),
        ({}, ""),
        ([1, {"a": "ü"}], '[\n  1,\n  {\n    "a": "ü"\n  }\n]'),
        (18, "18"),
        (False, "false"),
        (float("nan"), '"nan"'),
    ],
)
def test_values_are_shown_as_people_read_them(value: Any, text: str) -> None:
    assert text_of(value) == text
