"""`@evaluator` and `@aevaluator`: an evaluator with settings and a name to be found by."""

from __future__ import annotations

import ast
import difflib
import functools
import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, overload

from honeyhive.documents import plain
from honeyhive.errors import ArgumentError, UserCodeError
from honeyhive.experiments.evaluators.fingerprints import Described, callable_name, describe
from honeyhive.experiments.evaluators.grades import MAX_METRIC_NAME, Returned, to_grades
from honeyhive.experiments.evaluators.registry import Registered, register, registered
from honeyhive.experiments.evaluators.settings import NAMES, Settings, read_settings
from honeyhive.result import Fault


class DecoratedEvaluator(Described):
    """An evaluator with settings. Called, it gives what they make of its value; `raw()` is the function alone.

    Called on its own it knows no ground truth but what it is given: a label stays a text.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str,
        settings: Settings,
        asynchronous: bool,
        version: Any = None,
    ) -> None:
        """Takes over the function's name, documentation and signature."""
        functools.update_wrapper(self, function)
        self.function = function
        self.name = name
        self.settings = settings
        self.asynchronous = asynchronous
        self.version = version

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the settings make of the function's values; a coroutine of it where that is asynchronous."""
        if self.asynchronous:
            return self._later(args, kwargs)
        return self._concluded([self.function(*args, **kwargs) for _ in range(self.settings.repeat)])

    def raw(self, *args: Any, **kwargs: Any) -> Any:
        """What the function itself returns, without settings."""
        return self.function(*args, **kwargs)

    def with_settings(self, written: Mapping[str, Any]) -> DecoratedEvaluator:
        """The same evaluator with other settings where these are given, and arguments of the function's own."""
        changed = {name: value for name, value in written.items() if name in NAMES}
        given = {name: value for name, value in written.items() if name not in NAMES}
        settings = read_settings(changed)
        merged = Settings(**{name: getattr(settings if name in changed else self.settings, name) for name in NAMES})
        return self._of(_given(self.function, given), merged)

    def of(self, function: Callable[..., Any]) -> DecoratedEvaluator:
        """The settings of this one on another function, under the same name."""
        return self._of(function, self.settings)

    def described(self) -> dict[str, Any]:
        """The function's own description, and what the settings add to it."""
        settings = self.settings.described()
        if self.version is not None:
            settings["version"] = plain(self.version)
        described = describe(self.function)
        return {"evaluator": described, "settings": settings} if settings else described

    def __get__(self, instance: Any, owner: type | None = None) -> DecoratedEvaluator:
        """As a method it is bound to its object, like the function that it is made of."""
        bind = getattr(self.function, "__get__", None)
        if instance is None or bind is None:
            return self
        return self.of(bind(instance, owner))

    def __repr__(self) -> str:
        """What it is called."""
        return f"<evaluator {self.name}>"

    def _of(self, function: Callable[..., Any], settings: Settings) -> DecoratedEvaluator:
        return DecoratedEvaluator(
            function,
            name=self.name,
            settings=settings,
            asynchronous=self.asynchronous,
            version=self.version,
        )

    async def _later(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        values = []
        for _ in range(self.settings.repeat):
            value = self.function(*args, **kwargs)
            values.append(await value if inspect.isawaitable(value) else value)
        return self._concluded(values)

    def _concluded(self, values: list[Any]) -> Any:
        if len(values) == 1 and not self.settings.changes_value and not self.settings.asserts:
            return values[0]
        settled = self.settings.settle(values)
        if self.settings.asserts and not isinstance(settled.value, str):  # whether a label is right shows in a run
            self._assert(settled)
        return settled.whole()

    def _assert(self, settled: Returned) -> None:
        for metric, grade in to_grades(self.name, settled, None).items():
            found = self.settings.weighed(grade)
            if isinstance(found, Fault):
                raise AssertionError(f"{metric}: {found.message}")  # noqa: TRY004 - it is what `asserts` promises


class EvaluatorDecorator:
    """What `evaluator` and `aevaluator` are: `@evaluator`, `@evaluator(repeat=3)`, `evaluator["name"]`."""

    def __init__(self, *, asynchronous: bool) -> None:
        self._asynchronous = asynchronous

    @overload
    def __call__(self, function: Callable[..., Any], /, **settings: Any) -> DecoratedEvaluator: ...
    @overload
    def __call__(
        self, function: None = None, /, **settings: Any
    ) -> Callable[[Callable[..., Any]], DecoratedEvaluator]: ...
    def __call__(self, function: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
        """Make an evaluator of a function, and let it be found by its name.

        Settings: `name`, `repeat`, `transform`, `aggregate`, `checker`, `target`, `asserts`, `weight` (in the order
        and with the meaning that `Settings` gives them), `version` (part of the fingerprint), and `wraps`: the name of
        another evaluator, or `{name: settings}`, which is called in place of the function. Any other keyword is an
        argument that the function is given with every call.
        """
        if function is None:
            return functools.partial(self._decorate, settings)
        return self._decorate(settings, function)

    def __getitem__(self, name: str) -> Registered:
        """The evaluator of that name, or `UnknownEvaluatorError`, which is a `KeyError`."""
        return registered(name)

    def _decorate(self, written: Mapping[str, Any], function: Callable[..., Any]) -> DecoratedEvaluator:
        if not callable(function):
            raise ArgumentError(f"an evaluator is a function, not a {type(function).__name__}")
        name = _read_name(written.get("name"), function)
        try:
            made = self._made(name, {key: value for key, value in written.items() if key != "name"}, function)
        except (ArgumentError, UserCodeError) as error:
            raise type(error)(f"evaluator {name!r}: {error.message}", hint=error.hint) from error
        register(made)
        return made

    def _made(self, name: str, written: dict[str, Any], function: Callable[..., Any]) -> DecoratedEvaluator:
        version, wraps = written.pop("version", None), written.pop("wraps", None)
        settings = read_settings({key: written.pop(key) for key in [*written] if key in NAMES})
        function = _given(function, written) if wraps is None else _Wrapping(function, *_read_wraps(wraps, written))
        asynchronous = self._asynchronous or _is_asynchronous(function)
        return DecoratedEvaluator(function, name=name, settings=settings, asynchronous=asynchronous, version=version)


evaluator = EvaluatorDecorator(asynchronous=False)
aevaluator = EvaluatorDecorator(asynchronous=True)


class _Wrapping(Described):
    """Calls the evaluator that goes by a name by now, with settings of its own; the function only lends its name."""

    def __init__(self, function: Callable[..., Any], wrapped: str, overrides: Mapping[str, Any]) -> None:
        if _has_body(function):
            raise ArgumentError(
                f"it wraps {wrapped!r}, which is called in its place: its own body would never run",
                hint="leave the body empty (`...`), or call the other evaluator in it and drop `wraps`",
            )
        functools.update_wrapper(self, function)
        self._wrapped = wrapped
        self._overrides = overrides
        other = self._other()
        self.asynchronous = other.asynchronous
        self.__signature__ = inspect.signature(other)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._other()(*args, **kwargs)

    def described(self) -> dict[str, Any]:
        return {"wraps": self._other().described()}

    def _other(self) -> Registered:
        found = registered(self._wrapped)
        return found.with_settings(self._overrides) if self._overrides else found


def _read_wraps(written: Any, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The name of the other evaluator, and what it is to do otherwise than it does by itself."""
    if isinstance(written, str):
        return written, dict(given)
    if isinstance(written, Mapping) and len(written) == 1:
        ((name, settings),) = written.items()
        if isinstance(name, str) and (settings is None or isinstance(settings, Mapping)):
            return name, {**(settings or {}), **given}
    raise ArgumentError("wraps: it names no evaluator", hint='such as wraps="other" or wraps={"other": {"repeat": 3}}')


def _read_name(written: Any, function: Callable[..., Any]) -> str:
    name = callable_name(function) if written is None else written
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > MAX_METRIC_NAME:
        raise ArgumentError(
            f"an evaluator cannot be called {plain(name)!r}",
            hint=f"its name is that of a metric: text of at most {MAX_METRIC_NAME} characters, in one line",
        )
    return name


def _given(function: Callable[..., Any], given: Mapping[str, Any]) -> Callable[..., Any]:
    """The function with arguments of its own already given; `ArgumentError` where it has no such parameter."""
    if not given:
        return function
    parameters = inspect.signature(function).parameters
    if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        for name in given:
            if name not in parameters:
                near = difflib.get_close_matches(name, [*_WORDS, *parameters], n=1)
                raise ArgumentError(
                    f"{name!r} is no setting, and no parameter of {callable_name(function)}",
                    hint=f"did you mean {near[0]}?" if near else f"settings: {', '.join(_WORDS)}",
                )
    return functools.partial(function, **given)


def _is_asynchronous(function: Callable[..., Any]) -> bool:
    if isinstance(function, functools.partial):
        return _is_asynchronous(function.func)
    if isinstance(function, DecoratedEvaluator | _Wrapping):
        return function.asynchronous
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _has_body(function: Callable[..., Any]) -> bool:
    """Whether a function does anything; what has no readable source is taken to do nothing."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return False
    if not isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    return not all(
        isinstance(line, ast.Pass) or (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
        for line in tree.body
    )


_WORDS = ("name", "version", "wraps", *sorted(NAMES))
