"""What the ready evaluators have in common: options, a name, a fingerprint, and how the compared values are found."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from honeyhive.documents import plain, shown
from honeyhive.errors import ArgumentError
from honeyhive.experiments.evaluators.fingerprints import Described

_GIVEN = ("outputs", "inputs", "ground_truth")


@dataclass(frozen=True, kw_only=True)
class Ready(Described):
    """An evaluator with options; `name` is that of its metric."""

    name: str | None = None
    called: ClassVar[str]
    edition: ClassVar[int] = 1
    """Part of the fingerprint in place of the code: another number where the same options score otherwise."""

    @property
    def __name__(self) -> str:
        """The name of the metric: the one that is given, or the evaluator's own."""
        return self.name or self.called

    def __call__(self, outputs: Any, inputs: Any = None, ground_truth: Any = None) -> Any:
        """The score of an output."""
        return self.judge(outputs, inputs, ground_truth)

    def judge(self, outputs: Any, inputs: Any, ground_truth: Any) -> Any:
        """The score of an output, or `(score, note)`; raises where there is nothing to compare."""
        raise NotImplementedError

    def options(self) -> dict[str, Any]:
        """The options that decide about a score."""
        fields = [field.name for field in dataclasses.fields(self) if field.init and field.name != "name"]
        return {name: getattr(self, name) for name in fields}

    def described(self) -> dict[str, Any]:
        """Which evaluator it is, in which edition, with which options."""
        return {"ready": self.called, "edition": self.edition, "options": plain(self.options())}


@dataclass(frozen=True, kw_only=True)
class Configurable(Ready):
    """One that needs no option: it judges as it is, and called with options alone gives one that has them."""

    @property
    def __signature__(self) -> inspect.Signature:
        """That of an evaluator."""
        parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in _GIVEN]
        return inspect.Signature(parameters)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The score of an output; with options alone, the evaluator that has them."""
        if args or any(name in kwargs for name in _GIVEN):
            return super().__call__(*args, **kwargs)
        return self.having(kwargs)

    def having(self, options: Mapping[str, Any]) -> Self:
        """The same with these options; `ArgumentError` where it has no such option."""
        known = [field.name for field in dataclasses.fields(self) if field.init]
        for name in options:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"it has: {', '.join(known)}"
                raise ArgumentError(f"{self.called} has no option {name!r}", hint=hint)
        return dataclasses.replace(self, **options)


@dataclass(frozen=True, kw_only=True)
class Comparing(Ready):
    """One that compares an output with the ground truth."""

    key: str | None = None
    expected_key: str | None = None

    def compared(self, outputs: Any, ground_truth: Any) -> tuple[Any, Any]:
        """The two values that are meant; `ValueError` where that is not to be told."""
        if ground_truth is None:
            raise ValueError("there is no ground truth to compare with")
        key = self.key
        if key is None and self.expected_key is None and _are_mappings(outputs, ground_truth):
            key = _common_key(outputs, ground_truth)
        output = value_of(outputs, key, "the output")
        expected = value_of(ground_truth, self.expected_key or key, "the ground truth")
        if expected is None:
            raise ValueError("there is no ground truth to compare with: it is None")
        return output, expected


def value_of(given: Any, key: str | None, what: str) -> Any:
    """The value that is meant: of a mapping, that of the key or the only one; anything else as it is."""
    if not isinstance(given, Mapping):
        return given
    if key is not None:
        if key not in given:
            raise ValueError(f"{what} has no key {shown(key)}; it has: {_keys(given)}")
        return given[key]
    if len(given) != 1:
        raise ValueError(f"{what} is a mapping of {len(given)} values: say which by `key` ({_keys(given)})")
    return next(iter(given.values()))


def text_of(value: Any, what: str) -> str:
    """The value, which is text; `TypeError` where it is not."""
    if not isinstance(value, str):
        raise TypeError(f"{what} is a {type(value).__name__}, not text")
    return value


def _are_mappings(outputs: Any, ground_truth: Any) -> bool:
    return isinstance(outputs, Mapping) and isinstance(ground_truth, Mapping)


def _common_key(outputs: Mapping[Any, Any], ground_truth: Mapping[Any, Any]) -> Any:
    """The only key that both have; none where each has but one value, whatever its key."""
    common = [key for key in ground_truth if key in outputs]
    if len(common) == 1:
        return common[0]
    if len(outputs) == len(ground_truth) == 1:
        return None
    raise ValueError(
        f"the output ({_keys(outputs)}) and the ground truth ({_keys(ground_truth)}) have {len(common)} keys in "
        "common: say which is compared by `key`"
    )


def _keys(given: Mapping[Any, Any]) -> str:
    keys = [shown(str(plain(key))) for key in list(given)[:10]]
    return ", ".join(keys) + (", …" if len(given) > 10 else "") or "none"
