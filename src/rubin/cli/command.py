"""A command: its flags, what it does, and the text of its help."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rubin.words.flags import Flag, Given
from rubin.words.times import SECOND_NS, duration_text

HELP = Flag("help", "Show this help.", "yes", False, short="h", group="Global")


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a command is given. `values` holds every flag of the command, by name."""

    values: Mapping[str, Any]
    given: Given
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where a value was found: `flag`, `env` or `file`; a flag that is not here has its default."""

    @property
    def words(self) -> Sequence[str]:
        """The words that are no flags."""
        return self.given.words

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `words` is how its words are written in the usage line, "" where it takes none.

    `run` is None for a command that only gathers others.
    """

    name: str
    summary: str
    flags: tuple[Flag, ...] = ()
    run: Callable[[Arguments], int] | None = None
    words: str = ""
    most_words: int = 0
    text: str = ""
    aliases: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    defaults: Callable[[], Mapping[str, Any]] | None = None
    """Defaults of flags that help asks for, because what holds them is slow to load."""
    is_hidden: bool = False

    def find(self, name: str) -> Command | None:
        """The command below this one that has the name or the alias."""
        return next((each for each in self.commands if name in (each.name, *each.aliases)), None)


def usage(path: str, command: Command) -> str:
    """The help of a command: what it is for, how it is written, its flags by group."""
    import shutil

    width = max(60, min(shutil.get_terminal_size().columns, 120))
    lines = [command.text or command.summary, "", "Usage:"]
    if command.run:
        lines.append(f"  rubin {path}{' ' + command.words if command.words else ''} [flags]")
    shown = [each for each in command.commands if not each.is_hidden]
    if shown:
        lines += [
            f"  rubin {path} COMMAND",
            "",
            "Commands:",
            *_pairs([(each.name, each.summary) for each in shown], width),
        ]
    flags = [flag for flag in (*command.flags, HELP) if not flag.is_hidden]
    defaults = command.defaults() if command.defaults else {}
    for group in dict.fromkeys(flag.group for flag in flags):
        heads = [(_head(flag), _told(flag, defaults)) for flag in flags if flag.group == group]
        lines += ["", f"{group}:", *_pairs(heads, width)]
    return "\n".join(lines) + "\n"


def overview(commands: Sequence[tuple[str, str]], flags: Sequence[Flag]) -> str:
    """The help of `rubin` itself."""
    lines = ["Who talks to whom on this machine and in the cluster, what it cost, what was refused and why.", ""]
    lines += ["Usage:", "  rubin COMMAND [flags]", "", "Commands:", *_pairs(commands, 100)]
    lines += ["", "Flags:", *_pairs([(_head(flag), _told(flag, {})) for flag in flags], 100)]
    lines += ["", "rubin COMMAND --help says more of each. The first flows: rubin agent, then rubin observe --follow."]
    return "\n".join(lines) + "\n"


def _head(flag: Flag) -> str:
    short = f"-{flag.short}, " if flag.short else "    "
    return f"{short}--{flag.name} {flag.meta}".rstrip()


def _told(flag: Flag, defaults: Mapping[str, Any]) -> str:
    default = defaults.get(flag.name, flag.default)
    if default in (None, False, "", ()):
        return flag.help
    text = ", ".join(default) if isinstance(default, tuple) else str(default)
    text = text.lower() if flag.kind == "yes" else text
    if flag.kind == "duration":
        text = duration_text(round(default * SECOND_NS))
    return f"{flag.help} (default {text})"


def _pairs(pairs: Sequence[tuple[str, str]], width: int) -> list[str]:
    """Two columns, the second wrapped."""
    left = min(max((len(head) for head, _ in pairs), default=0), 34) + 4
    lines = []
    for head, text in pairs:
        wrapped = _wrap(text, width - left)
        start = f"  {head}"
        if len(start) >= left:
            lines.append(start)
            start = ""
        lines += [f"{start if at == 0 else '':<{left}}{line}" for at, line in enumerate(wrapped)]
    return lines


def _wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width`; textwrap's regular expressions cost more than the rest of the help."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) + 1 > width:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    return lines
