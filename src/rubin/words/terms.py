"""A filter as people write it: terms, the same in chips, on a command line and in a URL.

    chip               command line             URL
    to-port=443        --to-port 443            to-port=443
    not to-port=53     --not --to-port 53       not.to-port=53
    encrypted          --encrypted              encrypted=1
    to-port=443,8443   --to-port 443,8443       to-port=443,8443

The last is two terms, in either spelling, and is given back as such: `to-port=443&to-port=8443`. Which values have no
commas of their own, and may be written so, is `filter_flags.values_of`.

What terms mean together is Hubble's (`filter_flags.filters_of`): of one name any, of all names each; those with `not`
make one filter of their own, and what passes it is left out.
"""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

from rubin.errors import UsageError
from rubin.model.filter import FlowFilter
from rubin.words import flags
from rubin.words.filter_flags import NOT, each_filter, filter_flags, filters_of, values_of
from rubin.words.flags import Flag, Given

_NOT = f"{NOT}."
_BARE = "1"
_ON = (_BARE, "true", "")
_PROGRAMS = ("rubin", "hubble")
_FLAGS = {flag.name: flag for flag in filter_flags() if flag.name != NOT}
_ORDER = {name: place for place, name in enumerate(_FLAGS)}


@dataclass(frozen=True, slots=True)
class Term:
    """One filter flag with its value; `value` is "" for a flag that takes none."""

    name: str
    value: str = ""
    negated: bool = False

    @property
    def chip(self) -> str:
        """As it stands in a chip."""
        return f"{'not ' if self.negated else ''}{self.name}{'=' if self.value else ''}{self.value}"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a query or a command line asks for: terms in order, and the rest by name, which is not about flows."""

    terms: tuple[Term, ...] = ()
    rest: tuple[tuple[str, str], ...] = ()


def filters(terms: Iterable[Term]) -> tuple[list[FlowFilter], list[FlowFilter]]:
    """The allowing and the denying filters. Raises UsageError, also for a value that is several."""
    return filters_of((_flag(term), _single(term) or "true", term.negated) for term in terms)


def canonical(terms: Iterable[Term]) -> tuple[Term, ...]:
    """The same, each once, in the order of the table: what asks the same is written the same."""
    return tuple(sorted(dict.fromkeys(terms), key=lambda term: (term.negated, _ORDER.get(term.name, 0))))


def words_of(terms: Iterable[Term]) -> list[str]:
    """As words of a command line."""
    words = []
    for term in terms:
        words += ["--not"] if term.negated else []
        bare = _flag(term).bare is not None
        attached = term.value.startswith("-")  # a value that looks like a flag
        words += (
            [f"--{term.name}"]
            if bare
            else [f"--{term.name}={term.value}"]
            if attached
            else [f"--{term.name}", term.value]
        )
    return words


def command_of(terms: Iterable[Term], command: str = "rubin observe", more: Sequence[str] = ()) -> str:
    """As a line for a shell."""
    return shlex.join([*command.split(), *words_of(terms), *more])


def query_of(terms: Iterable[Term]) -> str:
    """As a URL's query, without its question mark."""
    return "&".join(
        f"{_NOT if term.negated else ''}{term.name}={quote(term.value or _BARE, '/:,*@!~', errors='replace')}"
        for term in terms
    )


def asked_by_query(query: str) -> Asked:
    """What a URL's query asks for; names that are no filter's are the rest, in their order.

    Raises UsageError for a value that its filter does not take.
    """
    terms, rest = [], []
    for key, value in parse_qsl(query.removeprefix("?"), keep_blank_values=True):
        name = key.removeprefix(_NOT)
        if name not in _FLAGS:
            rest.append((key, value))
            continue
        terms += of_value(name, value, key.startswith(_NOT))
    filters(terms)
    return Asked(tuple(terms), tuple(rest))


def of_value(name: str, value: str, negated: bool) -> list[Term]:
    """What a filter with its value in a chip or a URL asks for: a term for each value between commas. Raises
    UsageError, also for a filter that does not exist.
    """
    flag = _flag(Term(name))
    if flag.bare is not None:
        if value.lower() not in _ON:
            raise UsageError(f"{name} takes no value", f"{name}=1; {_NOT}{name}=1 for all others")
        return [Term(name, "", negated)]
    if not value:
        raise UsageError(f"{name} needs a value", f"{name}={flag.meta}")
    return [Term(name, one, negated) for one in values_of(flag, value)]


def asked_by_command(line: str, other_flags: Iterable[Flag] = ()) -> Asked:
    """What a command line asks for, `hubble observe …` or `rubin observe …`, with or without these words.

    The rest are other flags that are known, by name. Raises UsageError.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"'{line}' is no command line", "a quotation mark is missing") from error
    if words[:1] == ["$"]:
        words = words[1:]
    if words and words[0].rpartition("/")[2] in _PROGRAMS:
        words = words[1:]
    return asked_by_given(flags.read((*filter_flags(), *other_flags), words))


def asked_by_given(given: Given) -> Asked:
    """What flags that were typed ask for. Raises UsageError."""
    terms = [
        Term(flag.name, "" if flag.bare is not None else text, negated) for flag, text, negated in each_filter(given)
    ]
    filters(terms)
    return Asked(tuple(terms), tuple((flag.name, text) for flag, text in given.flags if flag.kind != "filter"))


def _single(term: Term) -> str:
    """Its value: written down, several would come back as several terms."""
    if len(values_of(_flag(term), term.value)) > 1:
        raise UsageError(f"--{term.name} cannot be '{term.value}' in one term", "a term for each value")
    return term.value


def _flag(term: Term) -> Flag:
    flag = _FLAGS.get(term.name)
    if flag is None:
        import difflib

        near = difflib.get_close_matches(term.name, _FLAGS, 1)
        raise UsageError(f"filter '{term.name}' does not exist", near[0] if near else "rubin observe --help")
    return flag
