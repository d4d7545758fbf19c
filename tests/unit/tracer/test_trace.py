"""`trace`: each call is a span, and the function does what it did without."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from opentelemetry import context
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from honeyhive.tracer import HoneyHiveTracer, atrace, current_tracer, set_default_tracer, trace, trace_class


@pytest.fixture
def tracer() -> Iterator[HoneyHiveTracer]:
    made = HoneyHiveTracer(is_evaluation=True)
    with made.active():
        yield made


def only(tracer: HoneyHiveTracer) -> ReadableSpan:
    (span,) = tracer.spans
    return span


def facts(span: ReadableSpan) -> dict[str, Any]:
    """What stands on a span of the call itself."""
    of_the_session = ("honeyhive.", "honeyhive_metadata.source", "traceloop.", "honeyhive_duration_ms")
    return {key: value for key, value in (span.attributes or {}).items() if not key.startswith(of_the_session)}


# --- what stands on a span -------------------------------------------------------------------------------------------


def test_a_call_is_a_span_with_its_arguments_and_its_answer(tracer: HoneyHiveTracer) -> None:
    @trace
    def solve(question: str, *, depth: int = 1, **more: Any) -> dict[str, Any]:
        return {"answer": question.upper(), "steps": {"count": depth, "list": [1, 2]}}

    assert solve("why", depth=2, extra=[1.5]) == {"answer": "WHY", "steps": {"count": 2, "list": [1, 2]}}
    span = only(tracer)
    assert span.name == f"{__name__}.{solve.__qualname__}"
    assert facts(span) == {
        "honeyhive_event_type": "tool",
        "honeyhive_event_name": "solve",
        "honeyhive_inputs.question": "why",
        "honeyhive_inputs.depth": 2,
        "honeyhive_inputs.more": '{"extra":[1.5]}',
        "honeyhive_outputs.result.answer": "WHY",
        "honeyhive_outputs.result.steps.count": 2,
        "honeyhive_outputs.result.steps.list": "[1,2]",
    }
    duration = (span.attributes or {})["honeyhive_duration_ms"]
    assert isinstance(duration, float)
    assert duration >= 0
    assert span.status.status_code is StatusCode.UNSET


def test_what_a_decorator_says_stands_on_each_span(tracer: HoneyHiveTracer) -> None:
    @trace(
        event_type="model",
        event_name="ask",
        config={"model": "m-1", "temperature": 0.5},
        metadata={"team": "x", "run_id": "another"},
        metrics={"n": 1},
        feedback={"good": True},
        inputs={"more": "in"},
        outputs={"more": "out"},
    )
    def solve() -> None: ...

    solve()
    solve()
    for span in tracer.spans:
        assert span.name == "ask"
        assert facts(span) == {
            "honeyhive_event_type": "model",
            "honeyhive_event_name": "ask",
            "honeyhive_config.model": "m-1",
            "honeyhive_config.temperature": 0.5,
            "honeyhive_metadata.team": "x",
            "honeyhive_metrics.n": 1,
            "honeyhive_feedback.good": True,
            "honeyhive_inputs.more": "in",
            "honeyhive_outputs.more": "out",
            "honeyhive_outputs.result": "null",
        }


@pytest.mark.parametrize("decorate", [trace, trace(), atrace, trace("tool"), trace(event_type="tool")])
def test_every_spelling_of_the_decorator(tracer: HoneyHiveTracer, decorate: Callable[..., Any]) -> None:
    @decorate
    def solve(x: int) -> int:
        """Solve it."""
        return x + 1

    assert (solve(1), solve(x=2)) == (2, 3)
    assert [facts(span)["honeyhive_event_type"] for span in tracer.spans] == ["tool", "tool"]
    assert (solve.__name__, solve.__doc__, str(inspect.signature(solve))) == (
        "solve",
        "Solve it.",
        "(x: 'int') -> 'int'",
    )


def test_a_setting_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match="event_kind"):
        trace(event_kind="tool")  # type: ignore[call-overload]  # that is what is tested
    with pytest.raises(TypeError, match="Solver is a class"):

        @trace
        class Solver: ...


def test_calls_in_each_other_are_spans_in_each_other(tracer: HoneyHiveTracer) -> None:
    @trace
    def inner() -> str:
        return otel.get_current_span().get_span_context().span_id.__str__()

    @trace
    def outer() -> str:
        return inner()

    with tracer.span("root") as root:
        current = outer()
    inner_span, outer_span, _ = tracer.spans
    assert inner_span.context is not None
    assert inner_span.context.span_id == int(current)
    assert inner_span.parent is not None
    assert inner_span.parent == outer_span.context
    assert outer_span.parent == root.get_span_context()


# --- kinds of callables ----------------------------------------------------------------------------------------------


class Solver:
    @trace
    def method(self, x: int) -> int:
        return x

    @trace
    @classmethod
    def outside_of_a_classmethod(cls, x: int) -> str:
        return f"{cls.__name__} {x}"

    @classmethod
    @trace
    def inside_of_a_classmethod(cls, x: int) -> str:
        return f"{cls.__name__} {x}"

    @trace
    @staticmethod
    def outside_of_a_staticmethod(x: int) -> int:
        return x

    @staticmethod
    @trace
    def inside_of_a_staticmethod(x: int) -> int:
        return x

    async def __call__(self, x: int) -> int:
        return x


def test_methods_of_each_kind(tracer: HoneyHiveTracer) -> None:
    solver = Solver()
    assert solver.method(1) == 1
    assert Solver.outside_of_a_classmethod(2) == solver.outside_of_a_classmethod(2) == "Solver 2"
    assert Solver.inside_of_a_classmethod(3) == "Solver 3"
    assert (Solver.outside_of_a_staticmethod(4), solver.inside_of_a_staticmethod(5)) == (4, 5)
    given = [{k: v for k, v in facts(span).items() if "inputs" in k} for span in tracer.spans]
    assert given == [{"honeyhive_inputs.x": x} for x in (1, 2, 2, 3, 4, 5)]
    assert tracer.spans[0].name == f"{__name__}.Solver.method"


def test_the_tracer_is_no_input(tracer: HoneyHiveTracer) -> None:
    @trace
    def solve(x: int, tracer: HoneyHiveTracer) -> int:
        return x

    assert solve(1, tracer=tracer) == 1
    assert [key for key in facts(only(tracer)) if "inputs" in key] == ["honeyhive_inputs.x"]


def test_partials_builtins_and_objects_that_can_be_called(tracer: HoneyHiveTracer) -> None:
    def add(x: int, y: int) -> int:
        return x + y

    assert trace(functools.partial(add, 1))(2) == 3
    assert trace(len)([1, 2]) == 2
    assert trace(dict.fromkeys)("a") == {"a": None}
    assert asyncio.run(trace(Solver())(7)) == 7
    assert [facts(span).get("honeyhive_outputs.result") for span in tracer.spans] == [3, 2, None, 7]


def test_a_coroutine_function_stays_one_and_its_span_lasts_until_it_is_done(tracer: HoneyHiveTracer) -> None:
    @trace
    async def inner(x: int) -> int:
        await asyncio.sleep(0)
        return x

    @atrace(event_type="chain")
    async def outer() -> list[int]:
        return list(await asyncio.gather(*(asyncio.create_task(inner(x)) for x in range(3))))

    assert inspect.iscoroutinefunction(inner)
    assert asyncio.run(outer()) == [0, 1, 2]
    *inside, around = tracer.spans
    assert [span.parent for span in inside] == [around.context] * 3
    assert sorted(facts(span)["honeyhive_outputs.result"] for span in inside) == [0, 1, 2]
    assert facts(around)["honeyhive_outputs.result"] == "[0,1,2]"


def test_an_awaitable_that_a_plain_function_gives_is_passed_on(tracer: HoneyHiveTracer) -> None:
    async def work() -> int:
        return 5

    @trace
    def start() -> Any:
        return work()

    assert asyncio.run(start()) == 5


class Base:
    def inherited(self) -> int:
        return 0


@trace_class
class Traced(Base):
    constant = 5

    def method(self, x: int) -> int:
        return self._hidden(x)

    async def asynchronous(self, x: int) -> int:
        return x

    @classmethod
    def of_the_class(cls, x: int) -> str:
        return f"{cls.__name__} {x}"

    @staticmethod
    def of_nothing(x: int) -> int:
        return x

    @property
    def quality(self) -> int:
        return 1

    def _hidden(self, x: int) -> int:
        return x


def test_a_class_is_traced_by_its_own_public_methods(tracer: HoneyHiveTracer) -> None:
    one = Traced()
    assert (one.method(1), asyncio.run(one.asynchronous(2)), one.of_the_class(3)) == (1, 2, "Traced 3")
    assert (Traced.of_nothing(4), one.inherited(), one.quality, Traced.constant) == (4, 0, 1, 5)
    assert [(span.name, facts(span)["honeyhive_inputs.x"]) for span in tracer.spans] == [
        ("Traced.method", 1),
        ("Traced.asynchronous", 2),
        ("Traced.of_the_class", 3),
        ("Traced.of_nothing", 4),
    ]
    assert inspect.iscoroutinefunction(one.asynchronous)


def test_the_older_home_of_the_decorators_is_there() -> None:
    from honeyhive.tracer import custom, enrich_span

    assert (custom.trace, custom.atrace, custom.enrich_span) == (trace, atrace, enrich_span)


# --- generators ------------------------------------------------------------------------------------------------------


@trace
def counting(count: int) -> Iterator[Any]:
    with trace_of("inside"):
        for number in range(count):
            leaf(number)
            yield number


@trace
def leaf(number: int) -> None: ...


def trace_of(name: str) -> Any:
    found = current_tracer()
    return found.span(name) if found else functools.partial(otel.use_span, otel.INVALID_SPAN)()


def test_the_span_of_a_generator_lasts_until_it_is_exhausted(tracer: HoneyHiveTracer) -> None:
    assert inspect.isgeneratorfunction(counting)
    ended = []
    with tracer.span("root") as root:
        for _ in counting(3):
            ended.append([span.name for span in tracer.spans])
            assert otel.get_current_span() is root, "between two items it is not current"
    leaf_name = f"{__name__}.leaf"
    assert ended == [[leaf_name], [leaf_name] * 2, [leaf_name] * 3]
    *leaves, inside, generator, _ = tracer.spans
    assert [span.parent for span in leaves] == [inside.context] * 3, "its own context is as it left it"
    assert facts(generator)["honeyhive_outputs.result"] == "[0,1,2]"
    assert facts(generator)["honeyhive_inputs.count"] == 3
    assert inside.parent == generator.context
    assert generator.parent == root.get_span_context()


def test_a_generator_that_is_closed_early_ends_its_span_without_an_error(tracer: HoneyHiveTracer) -> None:
    items = counting(10)
    next(items)
    assert len(tracer.spans) == 1
    items.close()  # type: ignore[attr-defined]  # it is a generator
    span = tracer.spans[-1]
    assert (span.status.status_code, facts(span)["honeyhive_outputs.result"]) == (StatusCode.UNSET, "[0]")
    next(counting(10))  # nobody holds it
    assert len(tracer.spans) == 6


def test_what_is_sent_thrown_and_returned_goes_through(tracer: HoneyHiveTracer) -> None:
    @trace
    def echo() -> Any:
        got = yield "first"
        try:
            got = yield got
        except KeyError:
            got = yield "caught"
        return got

    def around() -> Any:
        return (yield from echo())

    items: Any = around()
    assert [next(items), items.send("sent"), items.throw(KeyError("x"))] == ["first", "sent", "caught"]
    with pytest.raises(StopIteration) as end:
        items.send("last")
    assert end.value.value == "last"
    assert facts(only(tracer))["honeyhive_outputs.result"] == '["first","sent","caught"]'


def test_of_many_items_the_first_are_put_down(tracer: HoneyHiveTracer) -> None:
    assert sum(trace(iter_to)(1_000)) == 499_500
    assert str(facts(only(tracer))["honeyhive_outputs.result"]).endswith('98,99,"… 900 more"]')


def iter_to(count: int) -> Iterator[int]:
    yield from range(count)


def test_a_generator_that_raises_is_a_span_that_failed(tracer: HoneyHiveTracer) -> None:
    @trace
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(broken())
    assert only(tracer).status.status_code is StatusCode.ERROR


@trace
async def astream(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(0)
        yield number
    if count == 0:
        raise ValueError("nothing")


def test_an_asynchronous_generator_is_as_one_that_is_not(tracer: HoneyHiveTracer) -> None:
    async def consume() -> list[int]:
        with tracer.span("root") as root:
            found = []
            async for number in astream(3):
                assert otel.get_current_span() is root
                assert tracer.spans == ()
                found.append(number)
            return found

    assert inspect.isasyncgenfunction(astream)
    assert asyncio.run(consume()) == [0, 1, 2]
    assert facts(tracer.spans[0])["honeyhive_outputs.result"] == "[0,1,2]"


def test_an_asynchronous_generator_that_is_closed_or_raises(tracer: HoneyHiveTracer) -> None:
    async def close_early() -> None:
        items = astream(10)
        await anext(items)
        await items.aclose()  # type: ignore[attr-defined]  # it is a generator

    async def fail() -> None:
        with pytest.raises(ValueError, match="nothing"):
            await anext(astream(0))

    async def throw() -> None:
        items: Any = astream(10)
        await anext(items)
        with pytest.raises(KeyError):
            await items.athrow(KeyError("x"))

    for play in (close_early, fail, throw):
        asyncio.run(play())
    codes = [span.status.status_code for span in tracer.spans]
    assert codes == [StatusCode.UNSET, StatusCode.ERROR, StatusCode.ERROR]


def test_what_is_sent_to_an_asynchronous_generator_goes_through(tracer: HoneyHiveTracer) -> None:
    @trace
    async def echo() -> Any:
        got = yield "first"
        try:
            yield got
        except KeyError:
            yield "caught"

    async def play() -> list[Any]:
        items: Any = echo()
        return [await anext(items), await items.asend("sent"), await items.athrow(KeyError("x"))]

    assert asyncio.run(play()) == ["first", "sent", "caught"]
    assert asyncio.run(collect(echo)) == ["first", None]


async def collect(make: Callable[[], Any]) -> list[Any]:
    return [item async for item in make()]


# --- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raised", [ValueError("broken"), KeyboardInterrupt("stop"), SystemExit(3)])
def test_an_exception_is_put_down_and_goes_on(tracer: HoneyHiveTracer, raised: BaseException) -> None:
    @trace
    def solve() -> None:
        raise raised

    with pytest.raises(type(raised)) as caught:
        solve()
    assert caught.value is raised
    span = only(tracer)
    (event,) = span.events
    told = dict(event.attributes or {})
    assert (event.name, told["exception.type"]) == ("exception", type(raised).__name__)
    assert told["exception.message"] == str(raised)
    assert "in solve" in str(told["exception.stacktrace"])
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == f"{type(raised).__name__}: {raised}"
    assert facts(span)["honeyhive_error"] == str(raised)
    assert "honeyhive_outputs.result" not in facts(span)


def test_a_cancelled_coroutine_is_a_span_that_failed(tracer: HoneyHiveTracer) -> None:
    @trace
    async def wait() -> None:
        await asyncio.Event().wait()

    async def cancel() -> None:
        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert only(tracer).status.status_code is StatusCode.ERROR


def test_a_coroutine_that_nobody_finishes_has_not_failed(
    tracer: HoneyHiveTracer, caplog: pytest.LogCaptureFixture
) -> None:
    @trace
    async def wait() -> None:
        await asyncio.sleep(0)

    before = context.get_current()
    here, elsewhere = wait(), wait()
    here.send(None)
    here.close()
    contextvars.copy_context().run(elsewhere.send, None)
    elsewhere.close()
    assert context.get_current() is before
    assert [span.status.status_code for span in tracer.spans] == [StatusCode.UNSET] * 2
    assert caplog.records == []


def test_a_wrong_call_raises_what_it_would(tracer: HoneyHiveTracer) -> None:
    @trace
    def solve(x: int) -> int:
        return x

    with pytest.raises(TypeError, match="unexpected keyword argument 'y'"):
        solve(y=1)  # type: ignore[call-arg]  # that is what is tested
    assert facts(only(tracer))["honeyhive_inputs.y"] == 1


class Hostile(Exception):  # noqa: N818 - it is a value, too
    def __str__(self) -> str:
        raise RuntimeError("no text of me")

    __repr__ = __str__

    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError("no items of me")

    @property
    def nbytes(self) -> int:
        raise RuntimeError("no size of me")

    def isoformat(self) -> str:
        raise RuntimeError("no date of me")


def test_values_that_cannot_be_written_change_nothing(tracer: HoneyHiveTracer) -> None:
    ring: list[Any] = []
    ring.append(ring)
    deep: Any = 0
    for _ in range(100_000):
        deep = [deep]
    given = [Hostile(), ring, deep, object(), "\ud800", float("nan"), 10**5_000, {1: {2: Hostile()}}, "x" * 10**6]

    @trace
    def same(value: Any) -> Any:
        return value

    for value in given:
        assert same(value) is value
    for span in tracer.spans:
        assert all(len(str(value)) < 70_000 for value in facts(span).values())
    shown = [facts(span).get("honeyhive_inputs.value") for span in tracer.spans]
    assert shown[0] == f"<{__name__}.Hostile, which raises RuntimeError>"
    assert shown[3] == "<builtins.object>"
    assert shown[5] == "nan"
    assert str(shown[8]).endswith("… (1,000,000 characters)")
    while isinstance(deep, list):  # else Python takes it apart in one recursion too many
        deep = deep.pop()


def test_an_exception_without_a_text_goes_on_as_it_is(tracer: HoneyHiveTracer) -> None:
    raised = Hostile()

    @trace
    def solve() -> None:
        raise raised

    with pytest.raises(Hostile) as caught:
        solve()
    assert caught.value is raised
    assert only(tracer).status.status_code is StatusCode.ERROR
    with pytest.raises(Hostile), tracer.span("block"):
        raise raised


# --- whose span it is ------------------------------------------------------------------------------------------------


def test_outside_of_any_tracer_the_function_just_runs() -> None:
    @trace
    def solve(x: int) -> int:
        return x + otel.get_current_span().is_recording()

    async def collect() -> list[int]:
        return [item async for item in astream(2)] + [await trace(Solver())(5)]

    assert solve(1) == 1
    assert list(iter_to(2)) == list(trace(iter_to)(2))
    assert asyncio.run(collect()) == [0, 1, 5]


def test_the_default_tracer_has_what_is_outside_of_any_other() -> None:
    default, current, given = (HoneyHiveTracer(is_evaluation=True) for _ in range(3))

    def solve() -> None:
        trace(lambda: None)()

    set_default_tracer(default)
    try:
        trace(solve)()
        with current.active():
            trace(solve)()
            trace(tracer=given)(solve)()
    finally:
        set_default_tracer(None)
    trace(solve)()
    assert [len(tracer.spans) for tracer in (default, current, given)] == [2, 2, 2]
    for tracer in (default, current, given):
        inner, outer = tracer.spans
        assert (inner.parent, outer.parent) == (outer.context, None)


def test_a_span_that_ends_after_its_datapoint_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    tracer = HoneyHiveTracer(is_evaluation=True)

    @trace
    def solve() -> str:
        spans = tracer.close()
        assert [span.status.status_code for span in spans] == [StatusCode.ERROR]
        return "done"

    with tracer.active():
        assert solve() == "done"
    assert caplog.records == []
