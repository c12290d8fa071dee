"""What is asked for: terms and times, as people type them, as they are shown, and as a command."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from rubin.model.filter import Filters, FlowFilter
from rubin.store.ring import Ring
from rubin.ui.answers.parse import parsed
from rubin.words import terms
from rubin.words.filter_flags import NOT, filter_flags
from rubin.words.terms import Term
from rubin.words.times import moment_ns

_FLAGS = {flag.name: flag for flag in filter_flags() if flag.name != NOT}
_TIMES = ("since", "until")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for: terms in their order, times as they were typed, and what a bare word was taken for."""

    terms: tuple[Term, ...] = ()
    since: str = ""
    until: str = ""
    guess: str = ""
    allow: Sequence[FlowFilter] = field(default=(), compare=False)
    deny: Sequence[FlowFilter] = field(default=(), compare=False)

    @property
    def chips(self) -> str:
        """As it stands in the line, and can be typed again."""
        times = [f"{name}={getattr(self, name)}" for name in _TIMES if getattr(self, name)]
        return " ".join([*(_quoted(term.chip) for term in self.terms), *map(_quoted, times)])

    def command(self, command: str = "rubin observe", more: Sequence[str] = ()) -> str:
        """The command line that shows the same; it follows where no end is asked for."""
        times = [word for name in _TIMES if getattr(self, name) for word in (f"--{name}", getattr(self, name))]
        follow = () if self.until else ("--follow",)
        return terms.command_of(self.terms, command, (*more, *times, *follow))

    @property
    def query(self) -> str:
        """The query of a link, without its question mark."""
        times = [f"{name}={quote(getattr(self, name))}" for name in _TIMES if getattr(self, name)]
        return "&".join(filter(None, [terms.query_of(self.terms), *times]))

    def filters(self) -> Filters:
        """To judge flows with; CEL is loaded only where it is asked for. Raises UsageError."""
        if not any(each.cel_expression for each in (*self.allow, *self.deny)):
            return Filters(self.allow, self.deny)
        from rubin.wire.cel import compile_cel

        return Filters(self.allow, self.deny, compile_cel)

    def times_ns(self, now_ns: int) -> tuple[int | None, int | None]:
        """Since and until; None is no limit. Raises UsageError."""
        since = moment_ns("since", self.since, now_ns) if self.since else None
        return since, moment_ns("until", self.until, now_ns) if self.until else None

    def with_terms(self, more: Iterable[Term]) -> "Question":
        """And these, each once. Raises UsageError where they do not go together."""
        return made(tuple(dict.fromkeys((*self.terms, *more))), self.since, self.until)


def made(asked: Sequence[Term], since: str = "", until: str = "", guess: str = "") -> Question:
    """A question of these terms. Raises UsageError for a value or a pair that is not understood."""
    allow, deny = terms.filters(asked)
    question = Question(tuple(asked), since, until, guess, allow, deny)
    question.filters()
    question.times_ns(1)
    return question


def read(text: str, ring: Ring) -> Question:
    """The question that the text asks, as the browser's filter line reads it: chips, a command, a link, or a word that
    is guessed with the names of the flows held. Raises UsageError.
    """
    if not text.strip():
        return made(())
    answer = parsed(text, ring)
    rest: dict[str, str] = answer["rest"]
    found = terms.asked_by_query(answer["query"]).terms
    return made(found, rest.get("since", ""), rest.get("until", ""), answer["guess"])


def completion(text: str, names: Iterable[str] = ()) -> str:
    """The whole text with its last word completed; "" where nothing fits. `names`: pods as `namespace/name`."""
    head, space, word = text.rpartition(" ")
    name, equals, value = word.partition("=")
    if not word:
        return ""
    options = _values(name, names) if equals else (*_FLAGS, NOT, *_TIMES)
    start = value if equals else name
    found = next((option for option in options if option.startswith(start) and option != start), "")
    return f"{head}{space}{name + equals if equals else ''}{found}" if found else ""


def _values(name: str, names: Iterable[str]) -> Iterable[str]:
    flag = _FLAGS.get(name)
    if flag is None:
        return ()
    kind = name.removeprefix("from-").removeprefix("to-")
    if kind == "pod":
        return sorted(names)
    if kind == "namespace":
        return sorted({each.partition("/")[0] for each in names if "/" in each})
    return flag.values


def _quoted(chip: str) -> str:
    """A chip with blanks in its value in quotation marks, its `not` outside of them."""
    head, blank, rest = ("not ", "", chip[4:]) if chip.startswith("not ") else ("", "", chip)
    return f"{head}{blank}{shlex.quote(rest) if ' ' in rest else rest}"
