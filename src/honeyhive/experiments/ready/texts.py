"""Ready evaluators of texts: `exact_match`, `contains`, `regex_match`, `levenshtein_ratio`."""

from __future__ import annotations

import numbers
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from rapidfuzz.distance import Levenshtein

from honeyhive.documents import shown
from honeyhive.errors import ArgumentError
from honeyhive.experiments.ready.base import Comparing, Configurable, Ready, text_of, value_of

MAX_TEXT = 100_000
"""Longer texts have no Levenshtein ratio: the time it takes grows with the product of both lengths."""


@dataclass(frozen=True, kw_only=True)
class ExactMatch(Configurable, Comparing):
    """Whether the output equals the ground truth; two mappings with the same keys are compared whole.

    Kinds have to agree: text with text, number with number (1 equals 1.0, true is no number). Of texts, `strip`
    leaves white space at both ends out, `ignore_case` upper and lower case.
    """

    called: ClassVar[str] = "exact_match"
    strip: bool = False
    ignore_case: bool = False

    def judge(self, outputs: Any, inputs: Any, ground_truth: Any) -> bool:  # noqa: ARG002 - that of all evaluators
        """Whether they are equal."""
        if self.key is None and self.expected_key is None and _same_keys(outputs, ground_truth):
            return self._equal(outputs, ground_truth)
        output, expected = self.compared(outputs, ground_truth)
        if _kind(output) != _kind(expected):
            raise TypeError(f"the output is {_kind(output)} and the ground truth {_kind(expected)}")
        return self._equal(output, expected)

    def _equal(self, output: Any, expected: Any) -> bool:
        if _kind(output) != _kind(expected):
            return False
        if isinstance(expected, str):
            return self._folded(output) == self._folded(expected)
        if isinstance(expected, Mapping):
            return output.keys() == expected.keys() and all(self._equal(output[key], expected[key]) for key in expected)
        if isinstance(expected, list | tuple):
            return len(output) == len(expected) and all(map(self._equal, output, expected))
        return bool(output == expected)

    def _folded(self, text: str) -> str:
        text = text.strip() if self.strip else text
        return text.casefold() if self.ignore_case else text


@dataclass(frozen=True, kw_only=True)
class Contains(Configurable, Comparing):
    """Whether the output contains a text: `text` where it is given, else the ground truth; of a list, every one.

    With `any_of` one of a list is enough.
    """

    called: ClassVar[str] = "contains"
    text: str | Sequence[str] | None = None
    any_of: bool = False
    ignore_case: bool = False

    def judge(self, outputs: Any, inputs: Any, ground_truth: Any) -> Any:  # noqa: ARG002 - that of all evaluators
        """Whether they are in it, and which is not."""
        if self.text is None:
            output, wanted = self.compared(outputs, ground_truth)
        else:
            output, wanted = value_of(outputs, self.key, "the output"), self.text
        texts = [wanted] if isinstance(wanted, str) else wanted
        if not isinstance(texts, list | tuple) or not texts or not all(isinstance(one, str) and one for one in texts):
            raise ValueError("there is nothing to look for: it has to be a text that is not empty, or a list of such")
        within = self._folded(text_of(output, "the output"))
        missing = [one for one in texts if self._folded(one) not in within]
        if not missing or (self.any_of and len(missing) < len(texts)):
            return True
        return False, f"without {', '.join(map(shown, missing[:5]))}"

    def _folded(self, text: str) -> str:
        return text.casefold() if self.ignore_case else text


@dataclass(frozen=True, kw_only=True)
class RegexMatch(Ready):
    """Whether the output has a match of a pattern, made by `regex_match()`."""

    called: ClassVar[str] = "regex_match"
    pattern: str
    whole: bool = False
    flags: int = 0
    key: str | None = None
    compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what is no pattern, and what is in every text."""
        if not isinstance(self.pattern, str) or not self.pattern:
            raise ArgumentError("regex_match: the pattern is empty: every text would match", hint=r"such as r'\d+'")
        try:
            object.__setattr__(self, "compiled", re.compile(self.pattern, self.flags))
        except (re.error, ValueError, OverflowError, RecursionError) as error:
            raise ArgumentError(f"regex_match: {shown(self.pattern)} is no pattern: {error}") from error

    def judge(self, outputs: Any, inputs: Any, ground_truth: Any) -> bool:  # noqa: ARG002 - that of all evaluators
        """Whether it matches."""
        text = text_of(value_of(outputs, self.key, "the output"), "the output")
        match = self.compiled.fullmatch if self.whole else self.compiled.search
        return match(text) is not None


@dataclass(frozen=True, kw_only=True)
class LevenshteinRatio(Configurable, Comparing):
    """How alike the output and the ground truth are: 1 − (the fewest single edits) / (the longer one's length)."""

    called: ClassVar[str] = "levenshtein_ratio"

    def judge(self, outputs: Any, inputs: Any, ground_truth: Any) -> float:  # noqa: ARG002 - that of all evaluators
        """From 0, nothing in common, to 1, equal."""
        output, expected = self.compared(outputs, ground_truth)
        texts = text_of(output, "the output"), text_of(expected, "the ground truth")
        for what, text in zip(("the output", "the ground truth"), texts, strict=True):
            if len(text) > MAX_TEXT:
                raise ValueError(f"{what} has {len(text)} characters; {MAX_TEXT} is the most that is compared")
        return Levenshtein.normalized_similarity(*texts)


def regex_match(
    pattern: str, *, whole: bool = False, flags: int = 0, key: str | None = None, name: str | None = None
) -> RegexMatch:
    """Whether the output has a match of `pattern` (of Python's `re`) anywhere, or is one as a `whole`.

    A pattern with nested repetition may take time without end on a long output, and nothing interrupts it.
    """
    return RegexMatch(pattern=pattern, whole=whole, flags=int(flags), key=key, name=name)


exact_match = ExactMatch()
contains = Contains()
levenshtein_ratio = LevenshteinRatio()


def _same_keys(outputs: Any, ground_truth: Any) -> bool:
    mappings = isinstance(outputs, Mapping) and isinstance(ground_truth, Mapping)
    return mappings and bool(ground_truth) and outputs.keys() == ground_truth.keys()


def _kind(value: Any) -> str:
    """What a value is, in the words of JSON."""
    kinds = ((str, "text"), (bool, "true or false"), (numbers.Number, "a number"), (Mapping, "a mapping"))
    lists = (list | tuple, "a list")
    return next((word for kind, word in (*kinds, lists) if isinstance(value, kind)), f"a {type(value).__name__}")
