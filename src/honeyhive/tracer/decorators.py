"""`trace` and `atrace`: a function of the user's as a span each time it is called."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, Unpack, overload

from opentelemetry.util.types import AttributeValue

from honeyhive.tracer.attributes import MAX_LEAVES, attribute
from honeyhive.tracer.enrichment import KINDS, Enrichment, enrichment_attributes
from honeyhive.tracer.generators import TracedAsyncGenerator, TracedGenerator
from honeyhive.tracer.recording import Recording
from honeyhive.tracer.tracer import HoneyHiveTracer, current_tracer, default_tracer

F = TypeVar("F")
C = TypeVar("C", bound=type)

_NOT_INPUTS = ("self", "cls", "tracer")


@overload
def trace(function: F, /) -> F: ...
@overload
def trace(
    event_type: str | None = None,
    /,
    *,
    event_name: str | None = None,
    tracer: HoneyHiveTracer | None = None,
    **enrichment: Unpack[Enrichment],
) -> Callable[[F], F]: ...
@overload
def trace(
    *,
    event_type: str,
    event_name: str | None = None,
    tracer: HoneyHiveTracer | None = None,
    **enrichment: Unpack[Enrichment],
) -> Callable[[F], F]: ...
def trace(
    function: Any = None,
    /,
    *,
    event_type: str = "tool",
    event_name: str | None = None,
    tracer: HoneyHiveTracer | None = None,
    **enrichment: Any,
) -> Any:
    """Make each call of the function a span: `@trace`, `@trace()`, or with what stands on each of its spans.

    The span has the arguments and what comes back, or the exception, and belongs to `tracer`, the current one, or the
    default; outside of all of these the function just runs. It may be asynchronous, or a generator: then the span
    lasts until it is exhausted or closed. What it returns and raises is what it would without.
    """
    if isinstance(function, str):
        event_type, function = function, None
    if inspect.isclass(function):
        raise TypeError(f"trace() is for functions, and {function.__name__} is a class: trace_class() is for those")
    if unknown := enrichment.keys() - set(KINDS):
        raise TypeError(f"trace() got an unexpected keyword argument {min(unknown)!r}")

    def decorate(function: Any) -> Any:
        if isinstance(function, classmethod | staticmethod):
            return type(function)(decorate(function.__func__))
        name = getattr(function, "__qualname__", type(function).__qualname__)
        said = {"honeyhive_event_type": event_type, "honeyhive_event_name": event_name or name.rpartition(".")[2]}
        return _wrap(
            _Traced(
                function=function,
                name=event_name or f"{getattr(function, '__module__', None)}.{name}",
                attributes={**said, **enrichment_attributes(enrichment)},
                tracer=tracer,
            )
        )

    return decorate if function is None else decorate(function)


atrace = trace
"""`trace`, by the name that the published SDKs have for asynchronous functions."""


def trace_class(owner: C) -> C:
    """Make each call of the public methods that the class itself has a span, named `Class.method`, as `trace` does."""
    for name, method in tuple(vars(owner).items()):
        if not name.startswith("_") and (inspect.isfunction(method) or isinstance(method, classmethod | staticmethod)):
            setattr(owner, name, trace(event_name=f"{owner.__name__}.{name}")(method))
    return owner


@dataclass(frozen=True, kw_only=True)
class _Traced:
    """A function, and what stands on each of its spans."""

    function: Any
    name: str
    attributes: Mapping[str, AttributeValue]
    tracer: HoneyHiveTracer | None
    parameters: inspect.Signature | None = field(init=False)

    def __post_init__(self) -> None:
        try:
            parameters = inspect.signature(self.function)
        except (TypeError, ValueError):  # some that are written in C have none
            parameters = None
        object.__setattr__(self, "parameters", parameters)

    def begin(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Recording | None:
        """The recording of one call; `None` where there is no tracer."""
        tracer = self.tracer or current_tracer() or default_tracer()
        if tracer is None:
            return None
        around = tracer.context()
        span = tracer.provider.get_tracer("honeyhive").start_span(self.name, around)
        span.set_attributes({**self.attributes, **self._inputs(arguments, keywords)})
        return Recording(span, around)

    def _inputs(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> dict[str, AttributeValue]:
        try:
            given = self.parameters.bind_partial(*arguments, **keywords).arguments if self.parameters else keywords
        except TypeError:  # so will the call itself, and better
            given = keywords
        named = [(name, value) for name, value in given.items() if name not in _NOT_INPUTS]
        return {f"honeyhive_inputs.{name}": attribute(value) for name, value in named[:MAX_LEAVES]}


def _wrap(traced: _Traced) -> Any:
    function = traced.function
    called = function if inspect.isroutine(function) else type(function).__call__
    if inspect.isasyncgenfunction(function) or inspect.isasyncgenfunction(called):
        wrapper: Callable[..., Any] = _async_generator(traced)
    elif inspect.isgeneratorfunction(function) or inspect.isgeneratorfunction(called):
        wrapper = _generator(traced)
    elif inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called):
        wrapper = _coroutine(traced)
    else:
        wrapper = _plain(traced)
    return functools.update_wrapper(wrapper, function)


def _plain(traced: _Traced) -> Callable[..., Any]:
    function = traced.function

    def call(*arguments: Any, **keywords: Any) -> Any:
        recording = traced.begin(arguments, keywords)
        if recording is None:
            return function(*arguments, **keywords)
        with recording:
            answer = function(*arguments, **keywords)
            recording.answer(answer)
            return answer

    return call


def _coroutine(traced: _Traced) -> Callable[..., Any]:
    function = traced.function

    async def call(*arguments: Any, **keywords: Any) -> Any:
        recording = traced.begin(arguments, keywords)
        if recording is None:
            return await function(*arguments, **keywords)
        with recording:
            answer = await function(*arguments, **keywords)
            recording.answer(answer)
            return answer

    return call


def _generator(traced: _Traced) -> Callable[..., Any]:
    function = traced.function

    def call(*arguments: Any, **keywords: Any) -> Generator[Any, Any, Any]:
        recording = traced.begin(arguments, keywords)
        inner = function(*arguments, **keywords)
        return (yield from (inner if recording is None else TracedGenerator(inner, recording)))

    return call


def _async_generator(traced: _Traced) -> Callable[..., Any]:
    function = traced.function

    async def call(*arguments: Any, **keywords: Any) -> AsyncGenerator[Any, Any]:
        recording = traced.begin(arguments, keywords)
        inner = function(*arguments, **keywords)
        steps = inner if recording is None else TracedAsyncGenerator(inner, recording)
        step = steps.asend(None)
        try:
            while True:
                item = await step
                try:
                    step = steps.asend((yield item))
                except GeneratorExit:
                    await steps.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - whatever is thrown in goes to the generator
                    step = steps.athrow(error)
        except StopAsyncIteration:
            return

    return call
