from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from honeyhive.gate.comment import (
    MARKER,
    Part,
    Section,
    compose,
    fits_a_comment,
    has_marker,
    is_overtaken,
    merged,
    parse,
)
from honeyhive.gate.report import part
from honeyhive.gate.shortening import length
from scenes_gate import COMMENTS, failed, hostile

MARKDOWN = MarkdownIt("commonmark").enable("table")
URL = "https://github.com/honey/bees/actions/runs/17"
OLD, NEW = "1a2b3c4d5e6f" + "0" * 28, "5d6e7f8a9b0c" + "0" * 28


def section(name: str = "order-sums", *, job: int = 1, **fields: Any) -> Section:
    """The section of an experiment in a job."""
    usual: dict[str, Any] = {
        "key": hashlib.sha256(f"{job} {name!r}".encode()).hexdigest()[:16],
        "group": f"{job:016x}",
        "run_id": 17,
        "attempt": 1,
        "head_sha": NEW,
        "verdict": "passed",
        "experiment": name,
        "part": Part(head=f"✅ {name}: held", body=f"body of {name}", folds=(f"<details>\n{name}\n\n</details>",)),
    }
    return Section(**(usual | fields))


def names(sections: tuple[Section, ...]) -> list[str]:
    return [one.experiment for one in sections]


# --- there and back --------------------------------------------------------------------------------------------------

hashes = st.text("0123456789abcdef", min_size=8, max_size=32)
lines = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=40)
blocks = (
    st.lists(
        lines
        | st.sampled_from(
            ["```", "<details>", "</details>", "| a | b |", MARKER, "<!-- honeyhive:end 0123456789abcdef -->", "-->"]
        ),
        max_size=6,
    )
    .map("\n".join)
    .filter(lambda text: text.strip("\n"))
)
parts = st.builds(
    Part,
    head=lines.filter(str.strip),
    body=blocks | st.just(""),
    folds=st.lists(blocks, max_size=3).map(tuple),
)
sections = st.builds(
    Section,
    key=hashes,
    group=hashes,
    run_id=st.integers(0, 2**63 - 1),
    attempt=st.integers(0, 1000),
    head_sha=st.just("") | hashes,
    verdict=st.sampled_from(["broken", "failed", "undecided", "passed", "skipped"]),
    experiment=st.text(st.characters(codec="utf-8"), max_size=250),
    part=parts,
    report_url=st.none() | st.just(URL) | st.text(st.characters(codec="utf-8"), max_size=3_000),
)


@given(st.lists(sections, max_size=5, unique_by=lambda one: one.key))
def test_what_is_put_together_can_be_read_back(found: list[Section]) -> None:
    body = compose(found)
    back = parse(body)
    assert compose(back) == body
    sent = {one.stamp: one for one in found}
    assert {one.stamp for one in back} == sent.keys()
    for one in back:
        was = sent[one.stamp]
        assert (one.group, one.head_sha, one.verdict) == (was.group, was.head_sha, was.verdict)
        assert one.part.head == neutral(" ".join(was.part.head.split()))
        assert (one.part.body, one.part.folds) == (neutral(was.part.body), tuple(map(neutral, was.part.folds)))


def neutral(text: str) -> str:
    """The text as it may stand in a section."""
    return text.strip("\n").replace("<!-- honeyhive", "<!\u200b-- honeyhive")


@pytest.mark.parametrize("name", COMMENTS)
def test_real_sections_come_back_as_they_went(name: str) -> None:
    scene = COMMENTS[name]()
    sent = tuple(
        section(
            finding.experiment, job=at, part=part(finding, scene.evidence.get(finding.experiment, {}), scene.context)
        )
        for at, finding in enumerate(scene.findings)
    )
    back = parse(compose(sent))
    assert {one.part for one in back} == {one.part for one in sent}


@given(blocks)
def test_no_text_can_be_a_delimiter(text: str) -> None:
    forged = compose([section("forged")])
    body = compose([section(part=Part(head="❌ a", body=f"```\n{forged}\n{text}\n```", folds=(forged,)))])
    assert names(parse(body)) == ["order-sums"]


def test_a_section_that_quotes_its_own_comment_stays_one_section() -> None:
    quoted = compose([section()])
    body = compose([section(part=Part(head="❌ a", body=quoted))])
    (back,) = parse(compose([section(part=Part(head="❌ a", body=body))]))
    assert "body of order-sums" in back.part.body


def test_the_first_line_is_the_marker() -> None:
    body = compose([section()])
    assert body.split("\n")[0] == MARKER
    assert has_marker(body)
    assert has_marker(MARKER + "\r\nmore")
    assert not has_marker("hello\n" + body)
    assert not has_marker(f"> {MARKER}")


def test_a_comment_without_the_marker_has_no_sections() -> None:
    assert parse("hello\n" + compose([section()])) == ()


def test_a_browser_that_ends_lines_in_its_own_way_does_no_harm() -> None:
    body = compose([section("a"), section("b")])
    assert parse(body.replace("\n", "\r\n")) == parse(body)


@given(st.data())
def test_of_an_edited_comment_the_whole_sections_are_left(data: st.DataObject) -> None:
    sent = [section("a"), section("b", verdict="failed"), section("c")]
    body = compose(sent).split("\n")
    start = data.draw(st.integers(1, len(body)))
    end = data.draw(st.integers(start, len(body)))
    inserted = data.draw(st.lists(st.sampled_from([*body, "text"]), max_size=3))
    back = parse("\n".join([*body[:start], *inserted, *body[end:]]))
    assert {one.stamp for one in back} <= {one.stamp for one in sent}
    assert all(one.part.head in {other.part.head for other in sent} for one in back if one.part.head)


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ('"verdict":"passed"', '"verdict":"perfect"'),
        ('"run_id":17', '"run_id":-1'),
        ('"run_id":17', '"run_id":"17"'),
        ('"run_id":17', '"run_id":17,'),
        ('"run_id":17', f'"run_id":{10**30}'),
        ('"texts":3', '"texts":2'),
        ("### ✅ a: held", "gone"),
        ("<!-- honeyhive:fold", "<!-- honeyhive:body"),
        ("<!-- honeyhive:end", "<!-- honeyhive:end of"),
    ],
)
def test_a_section_whose_stamp_or_shape_was_changed_is_left_out(was: str, now: str) -> None:
    body = compose([section("a"), section("b")])
    assert was in body
    assert names(parse(body.replace(was, now, 1))) == ["b"]


# --- what it looks like ----------------------------------------------------------------------------------------------


def test_a_section_alone_has_the_great_heading() -> None:
    assert "\n\n## ✅ order-sums: held\n\n" in compose([section()])


def test_several_have_one_heading_over_all_and_the_worst_comes_first() -> None:
    body = compose([section("b"), section("c", verdict="failed"), section("a", job=2), section("d", verdict="broken")])
    headings = [line for line in body.split("\n") if line.startswith("#")]
    assert headings[0] == "## 💥 1 of 4 experiments broken, 1 failed, 2 passed"
    assert [line[-7] for line in headings[1:]] == ["d", "c", "a", "b"]
    assert all(line.startswith("### ") for line in headings[1:])


def test_a_section_of_an_older_commit_says_so() -> None:
    body = compose([section("a"), section("b", run_id=16, head_sha=OLD)])
    said = "Of an older commit, `1a2b3c4`: of the newest one, `5d6e7f8`, this job has not told anything yet."
    assert body.count(said) == 1
    assert body.index("### ✅ b") < body.index(said) < body.index("body of b")
    assert parse(body)[1].part == section("b").part
    assert body.count("Of an older commit") == 1


def test_the_newest_commit_may_be_known_from_elsewhere() -> None:
    assert "Of an older commit, `5d6e7f8`: of the newest one, `1a2b3c4`" in compose([section()], head_sha=OLD)


def test_no_delimiter_is_seen_and_nothing_in_it_acts() -> None:
    body = compose([section("--> @octocat <b> #1")])
    tokens = MARKDOWN.parse(body)
    comments = [token.content for token in tokens if token.type == "html_block" and "honeyhive" in token.content]
    assert all(text.strip().startswith("<!--") and text.strip().endswith("-->") for text in comments)
    stamps = [line for line in body.split("\n") if line.startswith("<!-- honeyhive:section")]
    assert len(stamps) == 1
    assert not re.search(r"[<>@#]", stamps[0][4:-3])


def test_what_a_section_shows_is_what_its_part_is() -> None:
    scene = failed()
    shown = part(scene.findings[0], scene.evidence["order-sums"], scene.context)
    body = compose([section(part=shown)])
    visible = re.sub(r"<!-- honeyhive.*-->\n\n|\n\n<!-- honeyhive:end.*-->", "", body)
    assert visible == f"## {shown.head}\n\n{shown.body}\n\n" + "\n\n".join(shown.folds)


# --- making it fit ---------------------------------------------------------------------------------------------------


def large(name: str, verdict: str, **fields: Any) -> Section:
    text = "🐝 some words " * 300
    folds = tuple(f"<details>\n\nfold {at} of {name}\n\n```text\n{text}\n```\n\n</details>" for at in range(3))
    return section(
        name, verdict=verdict, part=Part(head=f"{name}: head", body=f"body of {name}\n\n{text}", folds=folds), **fields
    )


def shown(body: str) -> dict[str, tuple[int, bool]]:
    """How many folds there are of each experiment, and whether its body is there."""
    return {one.experiment: (len(one.part.folds), bool(one.part.body)) for one in parse(body) if one.part.head}


@pytest.mark.parametrize(
    ("passed", "failed", "expected"),
    [
        (2, 1, {"p0": (3, True), "p1": (2, True), "f0": (3, True)}),
        (2, 3, {"p0": (0, True), "p1": (0, True), "f0": (3, True), "f1": (2, True), "f2": (2, True)}),
    ],
)
def test_folds_of_what_passed_go_first(passed: int, failed: int, expected: dict[str, tuple[int, bool]]) -> None:
    room = sum(folds + body for folds, body in expected.values()) * 4_600 + 400 * len(expected)
    sent = [large(f"p{n}", "passed") for n in range(passed)] + [large(f"f{n}", "failed") for n in range(failed)]
    body = compose(sent, report_url=URL, fits=lambda text: length(text) <= room)
    assert shown(body) == expected


def test_bodies_of_what_passed_go_before_those_of_what_failed_and_headings_stay() -> None:
    sent = [large(f"p{n}", "passed") for n in range(12)] + [large(f"f{n}", "failed") for n in range(12)]
    found = shown(compose(sent))
    assert fits_a_comment(compose(sent))
    assert all(folds == 0 for folds, _ in found.values())
    bodies = {name for name, (_, body) in found.items() if body}
    assert bodies == {*(f"f{n}" for n in range(12)), "p0"} or bodies <= {f"f{n}" for n in range(12)}
    assert len(found) == 24


def test_a_partial_view_says_so_and_links_the_whole() -> None:
    sent = [large(f"e{n}", "failed", report_url=f"{URL}{n}") for n in range(4)]
    body = compose(sent)
    said = "<sub>A partial view, shortened to fit into a comment; the full reports have it all: "
    assert body.endswith(f"\n\n{said}[e2]({URL}2), [e3]({URL}3)</sub>")
    assert "A partial view" not in compose(sent[:1])


def test_a_partial_view_stays_one_when_another_job_writes() -> None:
    body = compose([large(f"e{n}", "failed") for n in range(4)], report_url=URL)
    (fourth,) = (one for one in parse(body) if one.experiment == "e3")
    assert not fourth.part.whole
    assert "A partial view" in compose([fourth])


def test_sections_that_do_not_fit_are_counted_and_remembered() -> None:
    sent = [section(f"{n:03}", part=Part(head="h" * 500), verdict="failed") for n in range(120)]
    body = compose(sent)
    assert fits_a_comment(body)
    found = re.search(r"\n\n… and ([0-9]+) more\.\n\n", body)
    assert found
    back = parse(body)
    assert sum(1 for one in back if not one.part.head) == int(found[1])
    assert len(back) == 120
    assert compose(back) == body


def test_however_many_sections_there_are_the_comment_fits() -> None:
    sent = [section(f"{n:03}", report_url=f"{URL}/{n}") for n in range(900)]
    body = compose(sent)
    assert fits_a_comment(body)
    assert body.startswith(f"{MARKER}\n\n## ✅ 900 of 900 experiments passed\n")
    assert re.search(r"\n\n… and [0-9]+ more\.\n\n<sub>A partial view", body)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["failed", "passed"]), st.integers(0, 3)), min_size=1, max_size=12),
    st.integers(3_000, 60_000),
)
def test_no_fence_and_no_fold_is_cut(wanted: list[tuple[str, int]], room: int) -> None:
    sent = []
    for at, (verdict, folds) in enumerate(wanted):
        whole = large(f"e{at:02}", verdict)
        sent.append(replace(whole, part=replace(whole.part, folds=whole.part.folds[:folds])))
    body = compose(sent, fits=lambda text: length(text) <= room)
    assert length(body) <= room or not shown(body)
    tokens = MARKDOWN.parse(body)
    html = "".join(token.content for token in tokens if token.type == "html_block")
    assert html.count("<details>") == html.count("</details>")
    assert all(token.content.rstrip().endswith("words") for token in tokens if token.type == "fence")


def test_a_hostile_scene_leaves_the_comment_whole() -> None:
    scene = hostile()
    (finding,) = scene.findings
    shown = part(finding, scene.evidence[finding.experiment], scene.context)
    (back,) = parse(compose([section(finding.experiment, part=shown)]))
    assert back.part == shown


# --- several jobs, one comment ---------------------------------------------------------------------------------------


def test_ours_replace_those_with_the_same_key() -> None:
    before, after = section("a"), section("a", run_id=18, verdict="failed")
    assert merged((before,), (after,)) == (after,)


def test_those_of_another_job_stay() -> None:
    other, ours = section("a", job=2), section("a")
    assert set(merged((other,), (ours,))) == {other, ours}


def test_an_experiment_that_our_run_no_longer_has_goes_away() -> None:
    gone, ours = section("gone"), section("a", run_id=18)
    assert merged((gone,), (ours,)) == (ours,)


def test_another_step_of_the_same_job_takes_nothing_away() -> None:
    first, second = section("first"), section("second")
    assert set(merged((first,), (second,))) == {first, second}


@pytest.mark.parametrize("newer", [{"run_id": 18}, {"attempt": 2}, {"run_id": 18, "attempt": 1}])
def test_an_older_run_writes_over_nothing(newer: dict[str, int]) -> None:
    there, ours = section("a", **newer), section("a", **({"attempt": 5} if "run_id" in newer else {}))
    assert is_overtaken((there,), (ours,))
    assert merged((there,), (ours,)) == (there,)


def test_an_older_run_does_not_bring_back_what_a_newer_one_no_longer_has() -> None:
    there, ours = section("a", attempt=2), section("gone")
    assert is_overtaken((there,), (ours,))
    assert merged((there,), (ours,)) == (there,)


def test_a_rerun_is_newer() -> None:
    there, ours = section("a"), section("a", attempt=2)
    assert not is_overtaken((there,), (ours,))
    assert merged((there,), (ours,)) == (ours,)


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4), st.sets(st.sampled_from("abc"), min_size=1)), max_size=6)
)
def test_in_whatever_order_runs_are_merged_the_newest_of_each_job_is_left(
    runs: list[tuple[int, int, set[str]]],
) -> None:
    newest: dict[int, int] = {}
    there: tuple[Section, ...] = ()
    for job, run_id, experiments in runs:
        there = merged(there, tuple(section(name, job=job, run_id=run_id) for name in sorted(experiments)))
        newest[job] = max(run_id, newest.get(job, 0))
    for job, run_id in newest.items():
        left = [one for one in there if one.group == f"{job:016x}"]
        assert {one.run_id for one in left} == {run_id}
        wanted = set().union(*(names for of, run, names in runs if (of, run) == (job, run_id)))
        assert {one.experiment for one in left} == wanted
