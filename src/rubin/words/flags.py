"""A command line as a table of flags, read in order, in the grammar that Hubble's users type.

That grammar is pflag's: `--pod x`, `--pod=x`, `-n x`, `-nx`, `-fs`, `--tls=false`, flags before and
after words, `--` ends them. The order matters, because `--not` binds to the flag that follows. Help,
completion, the environment's and the config file's keys are made from the same table.
"""

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rubin.errors import UsageError
from rubin.words.times import duration_ns

_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag. `kind` is a key of `KINDS`; `bare` is its value where none is given."""

    name: str
    help: str
    kind: str = "text"
    default: Any = None
    short: str = ""
    bare: str | None = None
    group: str = "Other"
    metavar: str = ""
    values: tuple[str, ...] = ()
    """What completion offers; for kind `choice` nothing else is taken."""
    is_setting: bool = False
    """Also read from the environment and the config file."""
    is_hidden: bool = False

    @property
    def bare_text(self) -> str | None:
        """The value of the flag that stands alone; None when it takes the next word."""
        return "true" if self.kind == "yes" else self.bare

    @property
    def meta(self) -> str:
        """How the value is called in help; "" for a flag that may stand alone."""
        return "" if self.bare_text is not None else self.metavar or self.kind.upper()

    def parse(self, text: str) -> Any:
        """The value written as text. Raises UsageError."""
        try:
            return KINDS[self.kind](text, self.values)
        except ValueError as error:
            raise UsageError(f"--{self.name} cannot be '{text}'", str(error)) from error


@dataclass(slots=True)
class Given:
    """What was typed: flags with their texts in order, and words."""

    flags: list[tuple[Flag, str]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)
    """What stands after the first word, where reading was to stop there."""


def _number(text: str, _values: Sequence[str]) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError("a whole number, 0 or more")
    return int(text)


def _yes(text: str, _values: Sequence[str]) -> bool:
    if text not in _TRUE + _FALSE:
        raise ValueError("true or false")
    return text in _TRUE


def _choice(text: str, values: Sequence[str]) -> str:
    if text not in values:
        near = difflib.get_close_matches(text.lower(), values, 1)
        raise ValueError(near[0] if near else "one of " + ", ".join(values))
    return text


def _seconds(text: str, _values: Sequence[str]) -> float:
    return duration_ns(text) / 1e9


KINDS: dict[str, Callable[[str, Sequence[str]], Any]] = {
    "text": lambda text, _: text,
    "yes": _yes,
    "number": _number,
    "choice": _choice,
    "duration": _seconds,
    "list": lambda text, _: tuple(part for part in text.split(",") if part),  # given again: joined
    "texts": lambda text, _: (text,),  # given again: joined
    "filter": lambda text, _: text,  # given again: handled in order by filter_flags
}
REPEATED = ("list", "texts")


def read(flags: Iterable[Flag], arguments: Sequence[str], stop_at_word: bool = False) -> Given:
    """The arguments as flags and words. Raises UsageError for a flag that is not in the table."""
    table = {f"--{flag.name}": flag for flag in flags}
    table |= {f"-{flag.short}": flag for flag in table.values() if flag.short}
    given = Given()
    left = list(reversed(arguments))
    while left:
        word = left.pop()
        if word == "--":
            given.words += reversed(left)
            break
        if len(word) < 2 or word[0] != "-":
            given.words.append(word)
            if stop_at_word:
                given.rest = left[::-1]
                break
        elif word[1] == "-":
            name, equals, text = word.partition("=")
            _take(given, _find(table, name), text if equals else None, left)
        else:
            _take_short(given, table, word, left)
    return given


def _take(given: Given, flag: Flag, text: str | None, left: list[str]) -> None:
    """Note the flag with its text, its bare value or the next word."""
    if text is None:
        text = flag.bare_text
    if text is None:
        if not left:
            raise UsageError(f"--{flag.name} needs a value", f"--{flag.name} {flag.meta}")
        text = left.pop()
    given.flags.append((flag, text))


def _take_short(given: Given, table: dict[str, Flag], word: str, left: list[str]) -> None:
    """`-f`, `-fs`, `-nx`, `-n=x`, `-n x`: letters up to the first that takes a value."""
    for at, letter in enumerate(word[1:], 1):
        flag, tail = _find(table, f"-{letter}"), word[at + 1 :]
        if tail.startswith("="):
            return _take(given, flag, tail[1:], left)
        if flag.bare_text is None:
            return _take(given, flag, tail or None, left)
        _take(given, flag, None, left)
    return None


def _find(table: dict[str, Flag], name: str) -> Flag:
    flag = table.get(name)
    if flag is None:
        near = difflib.get_close_matches(name, [known for known, flag in table.items() if not flag.is_hidden], 1)
        raise UsageError(f"flag '{name}' does not exist", near[0] if near else "--help lists them all")
    return flag
