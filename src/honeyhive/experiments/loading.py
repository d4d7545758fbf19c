"""The user's callables by name: `module:callable`, imported from the working directory."""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from honeyhive.errors import UserCodeError
from honeyhive.experiments.attempts import attempt_or, to_fault
from honeyhive.experiments.tracebacks import users_traceback


def prepend_paths(directories: Sequence[Path]) -> None:
    """Put the user's directories in front of the import path, the first one foremost.

    Called once our own modules are imported, so that a file of theirs cannot stand in for one of ours.
    """
    for directory in reversed(directories):
        sys.path.insert(0, str(directory))


def load_callable(reference: str) -> Callable[..., Any]:
    """The object that `module:callable` names (`callable` may be dotted), or `UserCodeError`."""
    module_name, separator, attribute = reference.partition(":")
    if not (separator and module_name.strip() and attribute.strip()):
        raise UserCodeError(f"{reference!r} is not of the form module:callable", hint="for example evals.app:answer")
    target: Any = _import(module_name, reference)
    for part in attribute.split("."):
        target = _attribute(target, part, reference)
    if not callable(target):
        raise UserCodeError(f"{reference} is a {type(target).__name__}, not a callable", hint="name a function")
    function: Callable[..., Any] = target
    return function


def _attribute(target: Any, name: str, reference: str) -> Any:
    found = attempt_or(lambda: (getattr(target, name),), lambda error: _attribute_error(error, target, name, reference))
    if isinstance(found, UserCodeError):
        raise found
    return found[0]


def _attribute_error(error: BaseException, target: Any, name: str, reference: str) -> UserCodeError:
    if isinstance(error, AttributeError):
        return UserCodeError(f"{reference}: {_name(target)} has no {name!r}", hint=_similar(name, target))
    return UserCodeError(
        f"{reference}: {name!r} of {_name(target)} cannot be had: {to_fault(error)}",
        hint="mend it; its traceback is above",
        details=users_traceback(error),
    )


def _import(name: str, reference: str) -> ModuleType:
    found = attempt_or(lambda: importlib.import_module(name), lambda error: _import_error(error, name, reference))
    if isinstance(found, UserCodeError):
        raise found
    return found


def _import_error(error: BaseException, name: str, reference: str) -> UserCodeError:
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing and (name == missing or name.startswith(f"{missing}.")):
        return UserCodeError(
            f"{reference}: there is no module {missing!r} in {Path.cwd()}",
            hint="name the file by its path with dots, or add its folder to python-path",
        )
    hint = "add it to your requirements (`install`)" if missing else "mend the module; its traceback is above"
    return UserCodeError(
        f"{reference}: importing {name} failed: {to_fault(error)}", hint=hint, details=users_traceback(error)
    )


def _name(target: Any) -> str:
    return target.__name__ if isinstance(target, ModuleType | type) else type(target).__name__


def _names(target: Any) -> list[str]:
    return [name for name in dir(target) if not name.startswith("_")]


def _similar(name: str, target: Any) -> str:
    # Looked up statically: only the attribute that was asked for runs the user's code.
    public = [known for known in _names(target) if callable(inspect.getattr_static(target, known, None))]
    near = difflib.get_close_matches(name, public, n=3, cutoff=0.4)
    return f"did you mean {', '.join(near)}?" if near else f"it has: {', '.join(public[:10]) or 'no callables'}"
