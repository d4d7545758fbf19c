"""What a runner makes of a step's output: commands obeyed, masks applied, the rest shown.

After github.com/actions/runner, src/Runner.Worker/ActionCommandManager.cs and src/Runner.Common/ActionCommand.cs: a
line whose first visible characters are `::` is a command (version 2), and so is what begins with `##[` anywhere in it
(version 1); after `stop-commands` none is until its token is said; what `add-mask` names is `***` from then on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

KNOWN = frozenset(
    {
        "add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group", "internal-set-repo-path",
        "notice", "remove-matcher", "save-state", "set-env", "set-output", "stop-commands", "warning",
    }
)  # fmt: skip
"""The commands that a runner has; what is no command of its is text."""
OURS = frozenset({"add-mask", "debug", "endgroup", "error", "group", "notice", "warning"})
"""Those that we may give."""
_LINE_END = re.compile(r"\r\n|\r|\n")
_SECOND = re.compile(r"\A\s*::(?P<name>[^\s:]+)(?:\s+(?P<properties>.*?))?::(?P<data>.*)\Z", re.DOTALL)
_FIRST = re.compile(r"##\[(?P<name>[^\s\]]+)(?:\s+(?P<properties>[^\]]*))?\](?P<data>.*)\Z", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command as the runner understands it."""

    name: str
    properties: Mapping[str, str]
    data: str


@dataclass(frozen=True, kw_only=True)
class Heard:
    """The log as it is shown, the commands that were obeyed, in their order, and what is masked by the end."""

    log: str
    commands: tuple[Command, ...]
    masks: tuple[str, ...]
    stopped: bool
    """Whether commands are still stopped at the end: then nothing of ours is obeyed any more."""

    def said(self, name: str) -> list[str]:
        """The data of the commands of this name."""
        return [command.data for command in self.commands if command.name == name]


def hear(output: str) -> Heard:
    """What a runner makes of the output of a step."""
    listening = _Listening()
    shown = [line for raw in _LINE_END.split(output) for line in listening.to(raw)]
    return Heard(
        log="\n".join(shown),
        commands=tuple(listening.commands),
        masks=tuple(listening.masks),
        stopped=listening.token is not None,
    )


class _Listening:
    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.masks: list[str] = []
        self.token: str | None = None

    def to(self, line: str) -> Iterator[str]:
        """Take a line; what of it is shown."""
        command = _command(line)
        if command is not None and self.token is not None:
            if command.name == self.token:
                self.token = None
                return
            command = None
        if command is None or command.name not in KNOWN:
            yield self._masked(line)
            return
        self.commands.append(command)
        if command.name == "add-mask":
            self.masks += [part for part in (command.data, *_LINE_END.split(command.data)) if part]
            yield "::add-mask::***"
        elif command.name == "stop-commands":
            self.token = command.data
        else:
            yield self._masked(line)

    def _masked(self, line: str) -> str:
        for mask in sorted(self.masks, key=len, reverse=True):
            line = line.replace(mask, "***")
        return line


def _command(line: str) -> Command | None:
    found = _SECOND.match(line) or _FIRST.search(line)
    if found is None:
        return None
    pairs = (pair.partition("=") for pair in re.split("[,;]", found["properties"] or ""))
    properties = {name.strip(): _unescaped(value) for name, _, value in pairs if name.strip()}
    return Command(name=found["name"].lower(), properties=properties, data=_unescaped(found["data"]))


def _unescaped(text: str) -> str:
    text = text.replace("%0D", "\r").replace("%0A", "\n").replace("%3A", ":").replace("%2C", ",")
    return text.replace("%25", "%")
