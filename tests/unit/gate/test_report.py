from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from builders_gate import (
    GOLDEN,
    check,
    errors,
    improved,
    low_power,
    metric,
    must_pass,
    rate,
    regressed,
    verdict,
)
from honeyhive.gate import templating
from honeyhive.gate.broken import Broken, Finding, Skipped
from honeyhive.gate.checks import Place, Reason, Rule, Status
from honeyhive.gate.comparison import Change, Removed
from honeyhive.gate.evidence import Evidence, select, text_of
from honeyhive.gate.headline import by_weight
from honeyhive.gate.metrics import Direction, Kind
from honeyhive.gate.removals import removals
from honeyhive.gate.report import MOST_CHARACTERS, Context, part, render
from honeyhive.gate.verdict import Verdict
from scenes_gate import COMMENTS, CONTEXT, REASONS, REPO

MARKDOWN = MarkdownIt("commonmark").enable("table")


# --- whole comments --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMENTS)
def test_the_comment_is_the_golden_one(name: str) -> None:
    golden, written = GOLDEN / f"{name}.md", COMMENTS[name]().comment()
    if os.environ.get("UPDATE_GOLDEN") == "1":
        golden.write_text(written, "utf-8")
    assert written.encode() == golden.read_bytes(), "UPDATE_GOLDEN=1 writes it anew"


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_leads_a_golden_comment(reason: Reason) -> None:
    (found,) = REASONS[reason]().findings
    assert by_weight(found.checks)[0].reason is reason


def test_every_golden_comment_has_its_scene() -> None:
    assert {path.stem for path in GOLDEN.glob("*.md")} == COMMENTS.keys()


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
    cells = columns = 0
    for token in tokens:
        if token.type == "tr_close":
            assert cells == (columns or cells) > 1
            columns, cells = cells, 0
        columns = 0 if token.type == "table_open" else columns
        cells += token.type in ("td_open", "th_open")
    assert not any(line.startswith("|") for t in tokens if t.type == "inline" for line in t.content.split("\n"))


@pytest.mark.parametrize("name", COMMENTS)
def test_a_comment_is_well_formed(name: str) -> None:
    assert_well_formed(COMMENTS[name]().comment())


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
    comment = render([found], evidence={})
    assert comment.count("Read the datapoints that got worse.") == 1
    assert "\n`a`, `b`: **What to do:** Read the datapoints that got worse." in comment


def test_what_to_do_stands_in_the_open_where_something_failed_or_is_undecided() -> None:
    comment = render([verdict(low_power(), exit_code=4)], evidence={})
    opened = comment.partition("<details>")[0]
    assert "\n`reward`: No drop beyond the limit was seen, but with 50 datapoints one cannot be ruled out. " in opened
    assert " **What to do:** Add datapoints (to see a drop of 5 pts takes about 650, there are 50)" in opened
    assert "What to do</summary>" not in comment


def test_what_else_there_is_to_do_is_folded() -> None:
    slow = regressed("latency_ms", kind=Kind.LATENCY, direction=Direction.LOWER, gating=False)
    comment = render([verdict(regressed(), errors(3), slow)], evidence={})
    opened, _, folded = comment.partition("<summary>What else to do</summary>")
    assert "`correct`: **What to do:**" in opened
    assert "\n- `errors`: Read the errors" in folded
    assert "\n- `latency_ms`: Look for what takes longer" in folded


def test_what_passed_has_its_advice_folded() -> None:
    slow = regressed("latency_ms", kind=Kind.LATENCY, direction=Direction.LOWER, gating=False)
    comment = render([verdict(improved(), slow)], evidence={})
    assert "**What to do:**" not in comment
    assert "<summary>What to do</summary>\n\n- `latency_ms`: " in comment


# --- what had to pass, what is gone, what repeats say ----------------------------------------------------------------


def test_what_had_to_pass_and_did_not_is_shown_first_and_in_full_once() -> None:
    place = Place(datapoint_id="1", line=4)
    found = verdict(must_pass(not_passed=(place,)), regressed(), metrics=(rate(),), changes=(change("1"), change("2")))
    evidence = {"1": Evidence(datapoint_id="1", inputs="long " * 40, candidate_output="x")}
    shown = select(found, evidence)
    assert [row.datapoint_id for row in shown.not_passed] == ["1"]
    assert [row.datapoint_id for row in shown.in_full] == ["1", "2"]
    comment = render([found], evidence={"order-sums": evidence})
    assert comment.count("<code>1</code> in full") == 1
    assert comment.index("**Must pass, and did not**, by `correct`:") < comment.index("**Worse** by `correct`")


def test_what_had_to_pass_and_went_wrong_is_not_listed_twice() -> None:
    wrong = {"1": Evidence(datapoint_id="1", candidate_error="E: no")}
    shown = select(verdict(must_pass(not_passed=(Place(datapoint_id="1", line=4),))), wrong)
    assert (shown.not_passed[0].line, shown.not_passed[0].candidate, shown.erred) == (4, "error: E: no", ())


def test_what_passed_only_when_tried_again_is_named_in_the_notes() -> None:
    places = tuple(Place(datapoint_id=f"d{n}", line=None) for n in range(21))
    comment = render([verdict(must_pass(passed=40, flaky=places[:2]))], evidence={})
    assert "\n- `correct`: `d0`, `d1` passed only when tried again (flaky)\n" in comment
    assert "`d19` and more passed only" in render([verdict(must_pass(passed=40, flaky=places))], evidence={})


def test_the_metric_of_an_aggregate_is_the_one_whose_datapoints_are_shown() -> None:
    total = check("cost.total", Reason.ABOVE_MAX, kind=Kind.COST, rule=Rule.MAX, limit=5.0, candidate=6.5)
    found = select(verdict(total, improved(), changes=(change("1", "cost"), change("2"))), {})
    assert found.metrics == ("cost",)


def gone(number: int, **scores: float) -> Removed:
    return Removed(datapoint_id=f"d{number}", line=number, scores=scores)


def test_of_removed_datapoints_twenty_are_listed() -> None:
    removed = tuple(gone(number, correct=0.0) for number in range(25))
    found = verdict(improved(), metrics=(rate(removed=0.0),), removed=31, removed_datapoints=removed)
    comment = render([found], evidence={})
    assert "<b>31 datapoints are no longer in the dataset</b>" in comment
    assert "| `correct` | 0 % | 42.4 % |" in comment
    assert "| `d19` line 19 | ❌ |" in comment
    assert "`d20`" not in comment
    assert "… and 11 more." in comment
    assert "The removed ones scored worse by `correct`: " in comment


def test_one_removed_datapoint_is_one() -> None:
    found = verdict(improved(), metrics=(rate(removed=1.0),), removed=1, removed_datapoints=(gone(3, correct=1.0),))
    comment = render([found], evidence={})
    assert "<b>1 datapoint is no longer in the dataset</b>" in comment
    assert "scored worse" not in comment


def test_removed_datapoints_are_shown_by_the_metrics_with_a_check() -> None:
    metrics = (rate("a", removed=0.2), rate(removed=0.1), rate("errors", removed=0.0), metric(removed=900.0))
    found = verdict(improved(), errors(), metrics=metrics, removed=1, removed_datapoints=(gone(3, correct=0.0, a=1.0),))
    shown = removals(found)
    assert shown is not None
    assert [mean.metric for mean in shown.means] == ["correct"]
    unchecked = removals(replace(found, checks=()))
    assert unchecked is not None
    assert [mean.metric for mean in unchecked.means] == ["a", "correct"]
    assert unchecked.rows[0][1] == ("✅", "❌")


def test_where_nothing_is_paired_nothing_is_held_against_the_removed() -> None:
    found = verdict(metrics=(rate(removed=0.1, estimate=None),), removed_datapoints=(gone(3, correct=0.0),))
    shown = removals(found)
    assert shown is not None
    assert (shown.means[0].others, shown.worse, shown.others_known) == ("–", (), False)


def test_nothing_removed_is_nothing_to_show() -> None:
    assert removals(verdict(improved())) is None


def test_the_limits_of_a_rate_stand_beside_its_bound() -> None:
    bound = check("correct", Reason.MET, rule=Rule.MIN, limit=0.3, allowed="0.3", candidate=0.35, n=660)
    found = verdict(bound, errors(), metrics=(rate(lower=0.32, upper=0.381), rate("errors", lower=0.0, upper=0.01)))
    comment = render([found], evidence={})
    assert "- `correct`: 35.0 % of these 660 datapoints; of all such datapoints probably between 32.0 %" in comment
    assert "- `errors`: " not in comment


def test_what_passed_every_time_is_told_with_the_baseline_where_there_is_one() -> None:
    repeated = rate(all_passed=0.683, baseline_all_passed=0.517)
    said = "- `correct`: 68.3 % of the datapoints passed every time they ran"
    assert f"{said}, in main 51.7 %.\n" in render([verdict(improved(), metrics=(repeated,))], evidence={})
    assert f"{said}.\n" in render([verdict(errors(), metrics=(repeated,), baseline=None)], evidence={})


def test_what_cannot_be_compared_shows_no_change_and_no_power() -> None:
    apart = replace(regressed(), reason=Reason.NOT_COMPARABLE, status=Status.UNDECIDED)
    comment = render([verdict(apart)], evidence={})
    assert "| `correct` | 42.4 % | 35.0 % | – | −2 pts |" in comment
    assert "What this dataset can show" not in comment


def test_a_template_cannot_show_what_no_filter_has_made_safe() -> None:
    environment = templating.TEMPLATES["comment.md.j2"].environment
    with pytest.raises(TypeError, match="shows a str without a filter"):
        environment.from_string("{{ name }}").render(name="<b>")
    with pytest.raises(TypeError, match="shows a float"):
        environment.from_string("{{ 0.5 }}").render()


@settings(max_examples=30, deadline=None)
@given(st.text(), st.text(), st.text())
def test_no_text_changes_the_structure(name: str, text: str, other: str) -> None:
    place = Place(datapoint_id=text, line=None)
    found = verdict(
        regressed(name),
        must_pass(name, not_passed=(place,), flaky=(place,)),
        errors(3),
        experiment=other,
        changes=(Change(datapoint_id=text, line=3, metric=name, baseline=1.0, candidate=0.0, better=False),),
        warnings=(text, other),
        metrics=(rate(name, removed=0.1, all_passed=0.5), metric(other + "x")),
        removed_datapoints=(Removed(datapoint_id=text, line=None, scores={name: 0.0}),),
    )
    evidence = Evidence(datapoint_id=text, inputs=text, ground_truth={name: text}, candidate_error=other)
    assert_well_formed(render([found], evidence={other: {text: evidence}}, context=CONTEXT))


# --- one experiment's part -------------------------------------------------------------------------------------------

BROKEN = Broken(
    experiment="gsm8k",
    title="Incomplete run",
    message="12 of 660 datapoints have no outcome",
    hint="run it again",
    exit_code=3,
    expected=660,
    finished=648,
    details=("missing: line 4", "```"),
)
SKIPPED = Skipped(experiment="gsm8k", reason="none of the 3 changed files matters to it: `docs/a.md` and 2 more")


@pytest.mark.parametrize("name", COMMENTS)
def test_a_part_is_a_heading_then_what_stands_in_the_open_then_the_folds(name: str) -> None:
    scene = COMMENTS[name]()
    for finding in scene.findings:
        shown = part(finding, scene.evidence.get(finding.experiment, {}), scene.context)
        assert "\n" not in shown.head
        assert not shown.head.startswith("#")
        assert all(fold.startswith("<details>\n") and fold.endswith("\n</details>") for fold in shown.folds)
        for kept in range(len(shown.folds) + 1):
            assert_well_formed("\n\n".join([f"## {shown.head}", shown.body, *shown.folds[:kept]]))


def test_a_comment_on_one_experiment_is_its_part() -> None:
    (finding,) = (scene := COMMENTS["regressed"]()).findings
    shown = part(finding, scene.evidence["order-sums"], scene.context)
    assert scene.comment() == "\n\n".join([f"## {shown.head}", shown.body, *shown.folds]) + "\n"


def test_a_part_ends_with_who_judged_and_what() -> None:
    context = replace(CONTEXT, attempt=2)
    body = part(verdict(regressed()), {}, context).body
    assert re.search(
        r"\n<sub>judged by `honeyhive\.yml` of main · run `[0-9a-f-]{36}` · attempt 2 · commit `1a2b3c4`</sub>$", body
    )


@pytest.mark.parametrize("finding", [BROKEN, SKIPPED, verdict(regressed())], ids=["broken", "skipped", "verdict"])
def test_each_part_says_what_the_change_does_to_its_own_gate_and_what_is_to_be_noted(finding: Finding) -> None:
    context = Context(own_gate=["lowers `correct.min`"] * 22, notes=["told by the job of a @fork"])
    shown = part(finding, {}, context)
    assert "\n> told by the job of a @&#8203;fork\n" in shown.body
    assert "<b>This pull request changes its own gate</b>" in shown.body
    assert shown.body.count("\n- lowers `correct.min`") == 20
    assert "\n- … and 2 more\n" in shown.body


def test_what_is_broken_says_why_and_the_way_out() -> None:
    shown = part(BROKEN, {}, CONTEXT)
    assert shown.head == "💥 gsm8k: no verdict"
    assert shown.body.startswith(
        "**Incomplete run**: 12 of 660 datapoints have no outcome\n\nWhat to do: run it again\n"
    )
    assert "\n648 of 660 datapoints were finished.\n" in shown.body
    assert "````text\nmissing: line 4\n```\n````" in shown.body


def test_what_was_skipped_says_why() -> None:
    shown = part(SKIPPED, {}, CONTEXT)
    assert shown.head == "⏭️ gsm8k: not run"
    assert shown.body.startswith("none of the 3 changed files matters to it: `docs/a.md` and 2 more\n")
    assert shown.folds == ()


def test_broken_comes_first_and_skipped_last() -> None:
    passed, failed = verdict(improved(), experiment="fine"), verdict(regressed(), experiment="worse")
    comment = render([SKIPPED, passed, BROKEN, failed], evidence={})
    assert comment.startswith(
        "## 💥 1 of 4 experiments broken, 1 failed, 1 passed, 1 skipped\n\n### 💥 gsm8k: no verdict\n"
    )
    headings = [line[4] for line in comment.split("\n") if line.startswith("### ")]
    assert headings == ["💥", "❌", "✅", "⏭"]


def test_the_jobs_of_a_matrix_are_told_apart_by_their_label() -> None:
    shown = part(verdict(regressed()), {}, replace(CONTEXT, label="large | 3.12"))
    assert shown.head.startswith("❌ order-sums (large &#124; 3.12): `correct` fell 7.4 points")


def test_texts_in_full_are_as_many_as_there_is_room_for() -> None:
    shown = part(large("worse"), everything("some words " * 300), CONTEXT)
    texts = shown.folds[-1]
    assert texts.startswith("<details>\n<summary>These datapoints in full</summary>\n")
    assert 10_000 < len(texts) < 31_000
    left_out = re.search(r"\n… and ([0-9]+) more\.\n\n</details>$", texts)
    assert left_out
    assert texts.count("</code> in full</summary>") + int(left_out[1]) == 10


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


@pytest.mark.parametrize(("experiments", "checks"), [(1, 1), (1, 200), (3, 1), (8, 200), (40, 40)])
def test_the_comment_fits_whatever_is_in_it(experiments: int, checks: int) -> None:
    verdicts = [large(f"e{n}", checks=checks) for n in range(experiments)]
    comment = render(verdicts, evidence={v.experiment: everything() for v in verdicts}, context=CONTEXT)
    assert len(comment.encode("utf-16-le")) // 2 <= MOST_CHARACTERS
    assert_well_formed(comment)
    assert comment.endswith("</sub>\n") == (experiments > 1)


def test_texts_go_before_datapoints_and_what_passed_before_what_failed() -> None:
    verdicts = [large("worse"), large("fine", status=Status.PASSED)]
    evidence = {verdict.experiment: everything("some words " * 90) for verdict in verdicts}
    comment = render(verdicts, evidence=evidence, context=CONTEXT)
    fell, fine = comment.split("### ✅ fine")
    assert "in full</summary>" in fell
    assert "in full</summary>" not in fine
    assert "| `d0` line 0 |" in fine
    assert "A partial view, shortened to fit; [the full report has it all]" in fine


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
