"""What a session has used of models, and what of it is not counted twice."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders_spans import identity, span
from honeyhive.result import Fault
from honeyhive.tracer import HoneyHiveTracer
from honeyhive.tracer.usage import usage

IN, OUT, COST = "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.cost"


def test_without_spans_or_usage_there_is_no_metric() -> None:
    assert usage([]) == {}
    assert usage([span(1), span(2, inside=1, attributes={"gen_ai.request.model": "m"})]) == {}


def test_calls_beside_each_other_add_up() -> None:
    calls = [span(n, inside=9, attributes={IN: 10 * n, OUT: n, COST: 0.5}) for n in (1, 2, 3)]
    assert usage([*calls, span(9)]) == {"tokens.input": 60, "tokens.output": 6, "cost": 1.5}
    assert isinstance(usage(calls)["tokens.input"], int)
    assert isinstance(usage(calls)["cost"], float)


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        ("tokens.input", "gen_ai.usage.input_tokens"),
        ("tokens.input", "gen_ai.usage.prompt_tokens"),
        ("tokens.input", "llm.usage.prompt_tokens"),
        ("tokens.input", "llm.token_count.prompt"),
        ("tokens.output", "gen_ai.usage.output_tokens"),
        ("tokens.output", "gen_ai.usage.completion_tokens"),
        ("tokens.output", "llm.usage.completion_tokens"),
        ("tokens.output", "llm.token_count.completion"),
        ("cost", "gen_ai.usage.cost"),
        ("cost", "operation.cost"),
        ("cost", "llm.cost.total"),
    ],
)
def test_each_name_of_a_metric_is_read(metric: str, name: str) -> None:
    assert usage([span(1, attributes={name: 7})]) == {metric: 7}


def test_of_two_names_on_one_span_one_counts() -> None:
    assert usage([span(1, attributes={IN: 10, "gen_ai.usage.prompt_tokens": 10})]) == {"tokens.input": 10}


def test_of_spans_in_each_other_the_innermost_counts() -> None:
    agent, wrapper, call = (
        span(1, attributes={IN: 30, OUT: 3}),
        span(3, inside=2, attributes={IN: 10, OUT: 1}),
        span(4, inside=3, attributes={IN: 10, OUT: 1}),
    )
    between = span(2, inside=1)
    another = span(5, inside=1, attributes={IN: 20, OUT: 2})
    expected = {"tokens.input": 30, "tokens.output": 3}
    assert usage([agent, between, wrapper, call, another]) == expected
    assert usage([call, another, wrapper, between, agent]) == expected, "in whatever order they ended"


def test_each_metric_is_of_its_own_spans() -> None:
    agent, call = span(1, attributes={IN: 99, COST: 0.25}), span(2, inside=1, attributes={IN: 10})
    assert usage([agent, call]) == {"tokens.input": 10, "cost": 0.25}


def test_spans_of_different_traces_are_not_in_each_other() -> None:
    one = span(attributes={IN: 1}, context=identity(1, trace_id=1))
    another = span(inside=1, attributes={IN: 2}, context=identity(2, trace_id=2))
    assert usage([one, another]) == {"tokens.input": 3}


def test_a_parent_that_is_not_there_or_a_ring_of_parents_is_no_matter() -> None:
    assert usage([span(1, inside=8, attributes={IN: 5})]) == {"tokens.input": 5}
    ring = [span(1, inside=2), span(2, inside=1), span(3, inside=2, attributes={IN: 5})]
    assert usage(ring) == {"tokens.input": 5}


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (-1, "-1"),
        (-0.5, "-0.5"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (True, "True"),
        ("12", '"12"'),
        ([1], "a list"),
        (2**60, "1152921504606846976"),
        pytest.param(10**5000, "an integer of 16,610 bits", id="huge"),
    ],
)
def test_a_value_that_cannot_be_right_makes_its_metric_unknown(bad: object, said: str) -> None:
    spans = [span(1, attributes={IN: 10, OUT: 1}), span(2, name="chat", attributes={IN: bad, OUT: 1})]
    message = f'the span "chat" says that its {IN} is {said}'
    assert usage(spans) == {"tokens.input": Fault(type="UsageError", message=message), "tokens.output": 2}


def test_what_a_fault_quotes_is_short_and_on_one_line() -> None:
    (fault,) = usage([span(name="a\n" * 9_000, attributes={COST: "::error::x\n" * 9_000})]).values()
    assert isinstance(fault, Fault)
    assert len(str(fault)) < 250
    assert "\n" not in str(fault)


def test_of_values_that_cannot_be_right_the_first_is_told() -> None:
    spans = [
        span(1, name="fine", attributes={COST: 1.0}),
        *(span(n, name=f"bad-{n}", attributes={COST: -n}) for n in (2, 3)),
    ]
    assert str(usage(spans)["cost"]).startswith('UsageError: the span "bad-2" says that its gen_ai.usage.cost is -2')


def test_a_wrong_sum_of_an_agent_is_no_matter_where_its_calls_are_known() -> None:
    assert usage([span(1, attributes={IN: -1}), span(2, inside=1, attributes={IN: 10})]) == {"tokens.input": 10}


def test_nothing_used_is_zero_and_not_missing() -> None:
    assert usage([span(1, attributes={IN: 0, COST: 0.0})]) == {"tokens.input": 0, "cost": 0.0}


def test_a_value_that_is_none_is_not_told() -> None:
    assert usage([span(1, attributes={IN: None, "gen_ai.usage.prompt_tokens": 4})]) == {"tokens.input": 4}


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 8)), max_size=8))
def test_the_innermost_are_all_that_counts_in_any_tree(made: list[tuple[int, int]]) -> None:
    parents = {number: min(parent, number - 1) or None for number, (_, parent) in enumerate(made, 1)}
    spans = [span(n, inside=parents[n], attributes={IN: tokens}) for n, (tokens, _) in enumerate(made, 1)]
    leaves = [tokens for n, (tokens, _) in enumerate(made, 1) if n not in parents.values()]
    assert usage(spans) == ({"tokens.input": sum(leaves)} if made else {})


def test_it_reads_the_spans_of_a_session() -> None:
    tracer = HoneyHiveTracer(is_evaluation=True)
    with tracer.active(), tracer.span("root"):
        tracer.provider.get_tracer("openai").start_span("chat", attributes={IN: 3, OUT: 1}).end()
        assert usage(tracer.spans) == {"tokens.input": 3, "tokens.output": 1}
