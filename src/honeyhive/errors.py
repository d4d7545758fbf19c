"""One tree of errors. Each says what is wrong, where, the way out, and the exit code it stands for.

HoneyHiveError            70  a fault of ours
├── InputError             2  the user's input is wrong
│   ├── ConfigError           … in `honeyhive.yml`, a flag or an action input
│   ├── DatasetError          … in a dataset
│   ├── UserCodeError         … in a `module:callable` that cannot be loaded
│   ├── ArgumentError         … in the arguments of a function of ours; a `ValueError` too
│   ├── InstallError          … in the requirements that `install` names
│   └── JudgeError            … at the endpoint of a judging model
├── RunFileError           3  a run file cannot be read, or is not whole
├── NoDecisionError        4  nothing to decide with
│   └── RepositoryError       … a git repository that cannot be read or reached
├── ReportingError         5  the result stands, but some place where it should be told is not reached
│   ├── StoreError            … a run cannot be kept for the next gates
│   ├── GitHubError           … GitHub, by its API
│   │   └── GitHubPermissionError 401, 403 or 404: the token may not do that
│   └── ApiError              … HoneyHive, by its API
│       ├── ApiUnreachableError   no connection, or no answer in time
│       ├── ApiAnswerError        an answer that is not what the API describes
│       └── ApiStatusError        an answer with an error status
│           ├── ApiKeyError           401 or 403: the key
│           ├── ApiNotFoundError      404
│           └── ApiBusyError          429: too many requests
└── Cancelled    129/130/143  stopped by a signal; what was finished is kept
"""

from __future__ import annotations


class HoneyHiveError(Exception):
    """What every error of ours is: a message, a hint at the way out, and the place where that is known.

    `details` is text of several lines to be shown above it, such as the traceback of the user's own code.
    """

    exit_code = 70
    title = "Internal error"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        details: str = "",
        file: str | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        """`line` and `column` count from 1; `file` is the path as the user knows it."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details
        self.file = file
        self.line = line
        self.column = column

    @property
    def place(self) -> str:
        """`file:line:column`, as much of it as is known; empty where nothing is."""
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)

    def __str__(self) -> str:
        """Place, message and hint in one line."""
        place = f"{self.place}: " if self.place else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.message}{hint}"


class InputError(HoneyHiveError):
    """The user's input or configuration is wrong."""

    exit_code = 2
    title = "Wrong input"


class ConfigError(InputError):
    """`honeyhive.yml`, a flag or an action input is wrong; `path` leads to the key, as far as it is known."""

    title = "Wrong configuration"

    def __init__(  # noqa: PLR0913 - what every error knows, and the path
        self,
        message: str,
        *,
        hint: str = "",
        details: str = "",
        path: tuple[str | int, ...] = (),
        file: str | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        """The path is relative to whatever was being read; who knows the file adds the place."""
        super().__init__(message, hint=hint, details=details, file=file, line=line, column=column)
        self.path = path


class DatasetError(InputError):
    """The dataset cannot be read as one."""

    title = "Wrong dataset"


class UserCodeError(InputError):
    """The user's function or evaluator cannot be loaded."""

    title = "Cannot load your code"


class ArgumentError(InputError, ValueError):
    """An argument of a function of ours is wrong, or one that it needs is not given."""

    title = "Wrong argument"


class InstallError(InputError):
    """The user's requirements cannot be installed together with ours."""

    title = "Cannot install your requirements"


class JudgeError(InputError):
    """A judging model could not be asked: its endpoint, the key, or too many refusals."""

    title = "The judge cannot be asked"


class RunFileError(HoneyHiveError):
    """A run file is malformed or not whole."""

    exit_code = 3
    title = "Broken run"


class NoDecisionError(HoneyHiveError):
    """There is nothing to decide with: the baseline is missing, unusable or not comparable."""

    exit_code = 4
    title = "No decision"


class RepositoryError(NoDecisionError):
    """A git repository, or what should be in it, cannot be read or reached."""

    title = "Git"


class ReportingError(HoneyHiveError):
    """The verdict stands, but some place where it should be told cannot be written."""

    exit_code = 5
    title = "Reporting failed"


class StoreError(ReportingError):
    """A run cannot be kept in the store where the next gates look for their baseline."""

    title = "Baseline not saved"


class GitHubError(ReportingError):
    """GitHub could not be told, or asked; `request` is its method and path, `status` that of HTTP if there was one."""

    title = "GitHub not reached"

    def __init__(self, message: str, *, hint: str = "", request: str = "", status: int | None = None) -> None:
        """The message says what happened, without the token."""
        super().__init__(message, hint=hint)
        self.request = request
        self.status = status


class GitHubPermissionError(GitHubError):
    """The token may not do that, or is none; the hint names the permission."""

    title = "The token may not do that"


class ApiError(ReportingError):
    """HoneyHive could not be told, or asked; `request` is its method and path."""

    title = "HoneyHive not reached"

    def __init__(self, message: str, *, hint: str = "", request: str = "") -> None:
        """The message says what happened, without the key."""
        super().__init__(message, hint=hint)
        self.request = request


class ApiUnreachableError(ApiError):
    """No connection to the API, or no whole answer in time."""


class ApiAnswerError(ApiError):
    """The API's answer is not what it describes."""


class ApiStatusError(ApiError):
    """The API answered with an error; `status` is that of HTTP, `retry_after` the seconds that it asks to wait."""

    def __init__(
        self, message: str, *, status: int, retry_after: float | None = None, hint: str = "", request: str = ""
    ) -> None:
        """The message quotes what the answer says, within bounds."""
        super().__init__(message, hint=hint, request=request)
        self.status = status
        self.retry_after = retry_after


class ApiKeyError(ApiStatusError):
    """The API refuses the key."""

    title = "HoneyHive refuses the key"


class ApiNotFoundError(ApiStatusError):
    """The API does not have what was asked for."""


class ApiBusyError(ApiStatusError):
    """The API has too much to do: try later."""


class Cancelled(HoneyHiveError):  # noqa: N818 - the word of GitHub and of the run file's status
    """The run was stopped by a signal: 129 after SIGHUP, 130 after SIGINT, 143 after SIGTERM."""

    title = "Cancelled"
    first_exit_code = 128

    def __init__(self, message: str, *, signal_number: int, hint: str = "") -> None:
        """The exit code follows the shell's rule, 128 + signal."""
        super().__init__(message, hint=hint)
        self.exit_code = self.first_exit_code + signal_number


class HoneyHiveWarning(UserWarning):
    """Something that the user should know and that stops nothing."""
