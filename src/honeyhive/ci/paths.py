"""Which changes matter to an experiment: its `paths`, as in .gitignore, and the files that always matter to it."""

from __future__ import annotations

import posixpath
import re
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pathspec import GitIgnoreSpec

from honeyhive.documents import in_one_line, shown
from honeyhive.errors import ConfigError

LONGEST_PATTERN, MOST_STARS = 200, 4
"""A pattern is matched by trying where each of its `*` may end: more of them could take hours on a hostile name."""
LONGEST_NAME = 400
"""The name of a file that is longer than this counts as one that matters, without being held against a pattern."""
_NAMED, _WIDTH = 3, 80
_STARS = re.compile(r"\*+")


@dataclass(frozen=True, kw_only=True)
class Relevance:
    """Whether a change matters to an experiment; `reason` is a sentence for the log and the comment, code in backticks.

    It has no full stop, and strangers' names in it are on one line.
    """

    relevant: bool
    reason: str


def is_relevant(changed: Collection[str] | None, patterns: Sequence[str], always: Collection[str]) -> Relevance:
    """Whether one of the files that changed matters to an experiment with these `paths`.

    All names are as git has them, from the repository's root on with `/`; `always` are files that matter whatever the
    patterns say. Where it is not known what has changed (`None`), the change matters. Raises `ConfigError` for a
    pattern that cannot be meant.
    """
    spec = read_patterns(patterns)
    if spec is None:
        return Relevance(relevant=True, reason="every change matters to it: it has no `paths`")
    if changed is None:
        return Relevance(relevant=True, reason="it is not known which files have changed")
    whatever = {posixpath.normpath(name) for name in always}
    names = sorted(changed)
    for name in names:
        why = _why(name, spec, patterns, whatever)
        if why:
            return Relevance(relevant=True, reason=why)
    return Relevance(relevant=False, reason=_none_of(names, patterns))


def read_patterns(patterns: Sequence[str]) -> GitIgnoreSpec | None:
    """The patterns, the last that matches a file decides, `!` negates; `None` where there is none.

    Raises `ConfigError` that names the pattern which is wrong, or matches nothing.
    """
    for pattern in patterns:
        _refuse(pattern)
    if patterns and all(pattern.startswith("!") for pattern in patterns):
        raise ConfigError(
            f"paths: {shown(patterns[0])} takes away from nothing, so that no change would ever matter",
            hint='begin with what matters, such as "**"',
            path=("paths",),
        )
    return GitIgnoreSpec.from_lines(patterns) if patterns else None


def _refuse(pattern: str) -> None:
    """Raise `ConfigError` for a pattern that is none, that matches nothing, or that could take hours to match."""
    if len(pattern) > LONGEST_PATTERN or len(_STARS.findall(pattern)) > MOST_STARS:
        raise _wrong(pattern, f"is too long, or has more than {MOST_STARS} `*`", "write it as several patterns")
    if not pattern.isprintable():
        raise _wrong(pattern, "has a character that cannot be seen", "write it anew")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # what `re` says of `[[:alpha:]]`
            compiled = GitIgnoreSpec.from_lines([pattern]).patterns
    except (ValueError, re.error, FutureWarning) as error:
        raise _wrong(pattern, "is no pattern", "write it as in .gitignore: bot/**, *.py, !bot/README.md") from error
    if all(part.include is None for part in compiled):
        raise _wrong(pattern, "matches no file", "write it as in .gitignore: bot/**, *.py, !bot/README.md")


def _wrong(pattern: str, what: str, hint: str) -> ConfigError:
    return ConfigError(f"paths: {shown(pattern)} {what}", hint=hint, path=("paths",))


def _why(name: str, spec: GitIgnoreSpec, patterns: Sequence[str], always: set[str]) -> str | None:
    """Why a file that changed matters; `None` where it does not."""
    if name in always:
        return f"{_code(name)} has changed"
    if len(name) > LONGEST_NAME:
        return f"{_code(name)} has changed, whose name is too long to be held against `paths`"
    # A backslash in a name of git's is part of the name, on every system.
    found = spec.check_file(name, separators=())
    if not found.include or found.index is None:
        return None
    return f"{_code(name)} has changed, which matches {_code(patterns[found.index])}"


def _none_of(names: Sequence[str], patterns: Sequence[str]) -> str:
    if not names:
        return "no file has changed"
    rest = len(patterns) - _NAMED
    listed = ", ".join(map(_code, patterns[:_NAMED])) + (f" and {rest} more" if rest > 0 else "")
    what = listed if len(patterns) == 1 else f"its `paths` ({listed})"
    if len(names) == 1:
        return f"{_code(names[0])}, the only file that changed, does not match {what}"
    return f"none of the {len(names):,} files that changed matches {what}"


def _code(text: str) -> str:
    """A name between backticks, in one line and of bounded length; a backtick in it gives way to its look-alike."""
    clean = in_one_line(text).replace("`", "ˋ")
    return f"`{clean if len(clean) <= _WIDTH else clean[: _WIDTH - 1] + '…'}`"
