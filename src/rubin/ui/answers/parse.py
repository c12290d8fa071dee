"""What a person typed or pasted, understood: chips, the query of a URL, a command line, or a guess that says itself."""

import re
import shlex
from collections.abc import Iterable, Sequence
from ipaddress import ip_network
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from rubin.errors import UsageError
from rubin.model.tables import Endpoint, Tables
from rubin.model.values import PROTOCOL_NAMES, VERDICTS
from rubin.query.places import sound
from rubin.store.ring import Ring
from rubin.words import terms
from rubin.words.filter_flags import NOT, filter_flags
from rubin.words.flags import Flag
from rubin.words.terms import Asked, Term

Answer = dict[str, Any]

_FLAGS = {flag.name: flag for flag in filter_flags() if flag.name != NOT}
_VALUES = ("since", "until", "last", "first", "number", "server", "output", "time-format", "color", "input-file",
           "field-mask", "timeout", "request-timeout", "config", "tls-ca-cert-files", "tls-client-cert-file",
           "tls-client-key-file", "tls-server-name", "basic-auth-username", "basic-auth-password", "kube-context",
           "kube-namespace", "port-forward-port", "kubeconfig", "allowlist", "denylist")  # fmt: skip
_SWITCHES = ("follow", "all", "print-node-name", "numeric", "ip-translation", "print-policy-names", "silent-errors",
             "tls", "tls-allow-insecure", "port-forward", "auto-port-forward", "debug",
             "print-raw-filters")  # fmt: skip
_SHORT = {"follow": "f", "output": "o", "debug": "D", "silent-errors": "s"}
_OTHERS = (
    *(Flag(name, "", "text", "", _SHORT.get(name, "")) for name in _VALUES),
    *(Flag(name, "", "yes", False, _SHORT.get(name, "")) for name in _SWITCHES),
)
"""What else stands in a command that was pasted: of no meaning here, but for the times."""
_COMMANDS = ("rubin", "hubble", "$")
_TIMES = ("since", "until")
_MOST_LETTERS = 8_000
_DOMAIN = re.compile(r"(\*\.)?([a-z0-9_-]+\.)+[a-z]{2,}\.?", re.IGNORECASE)
_MOST_ROWS = 200_000


class _Guess(NamedTuple):
    """A term, and what it was taken for."""

    term: Term
    words: str


def parsed(text: str, ring: Ring) -> Answer:
    """`query`, `chips`, `rest`, `guess` ("" where nothing was guessed), `command`. Raises UsageError."""
    text = text.strip()
    if len(text) > _MOST_LETTERS:
        raise UsageError(f"{len(text):,} letters are too many", f"{_MOST_LETTERS:,} at most")
    if "://" in text.partition(" ")[0] or (text.startswith("/") and "?" in text):
        return _answer(terms.asked_by_query(urlsplit(text).query))
    words = _words(text)
    if words and (words[0].rpartition("/")[2] in _COMMANDS or words[0].startswith("-")):
        return _answer(terms.asked_by_command(text, _OTHERS))
    if words == [text] and "=" in text and ("&" in text or text.startswith(f"{NOT}.")):  # what is quoted is a chip
        return _answer(terms.asked_by_query(text))
    return _by_chips(words, ring)


def of_query(query: str) -> Answer:
    """The same of a query as it stands in a URL. Raises UsageError."""
    return _answer(terms.asked_by_query(query))


def _answer(asked: Asked, guess: str = "") -> Answer:
    wanted = terms.canonical(asked.terms)
    terms.filters(wanted)
    rest = {name: value for name, value in asked.rest if name in _TIMES or name.startswith("v.")}
    times = [word for name in _TIMES if rest.get(name) for word in (f"--{name}", rest[name])]
    return {
        "query": terms.query_of(wanted),
        "chips": [{"name": one.name, "value": one.value, "not": one.negated, "text": one.chip} for one in wanted],
        "rest": rest,
        "guess": guess,
        "command": terms.command_of(wanted, more=times),
    }


def _by_chips(words: Sequence[str], ring: Ring) -> Answer:
    """Chips, and words by themselves that are guessed."""
    found: list[Term] = []
    rest: list[tuple[str, str]] = []
    guesses, negated = [], False
    for word in words:
        if word.lower() == NOT and not negated:
            negated = True
            continue
        name, equals, value = word.partition("=")
        if equals and name in _TIMES:
            rest.append((name, value))
        elif equals and (name in _FLAGS or re.fullmatch(r"[a-z0-9.-]+", name)):
            found += terms.of_value(name.removeprefix(f"{NOT}."), value, negated != name.startswith(f"{NOT}."))
        elif word in _FLAGS and _FLAGS[word].bare is not None:
            found.append(Term(word, "", negated))
        else:
            guess = _guess(word, ring)
            found.append(Term(guess.term.name, guess.term.value, negated))
            guesses.append(f"'{word}' was taken for {guess.words}")
        negated = False
    if negated:
        raise UsageError("a 'not' has nothing behind it", "not to-port=53")
    return _answer(Asked(tuple(found), tuple(rest)), "; ".join(guesses))


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"'{text[:80]}' is not understood: a quotation mark is missing", "close it") from error


def _guess(word: str, ring: Ring) -> _Guess:
    """What a word by itself most likely is. Raises UsageError where nothing of the name is known."""
    for made in (_of_number(word), _of_address(word), _of_word(word)):
        if made is not None:
            return made
    return _of_name(word, ring)


def _of_number(word: str) -> _Guess | None:
    digits = word.removeprefix(":")
    if digits.isdecimal() and digits.isascii() and 0 < int(digits[:6]) < 65_536:
        return _Guess(Term("port", digits), "a port")
    return None


def _of_address(word: str) -> _Guess | None:
    try:
        ip_network(word, strict=False)
    except ValueError:
        return None
    return _Guess(Term("ip", word), "a network" if "/" in word else "an address")


def _of_word(word: str) -> _Guess | None:
    if word.upper() in VERDICTS:
        return _Guess(Term("verdict", word.upper()), "a verdict")
    if word.lower() in PROTOCOL_NAMES:
        return _Guess(Term("protocol", word.lower()), "a protocol")
    try:
        return _Guess(Term("uuid", str(UUID(word))), "a flow's UUID")
    except ValueError:
        return None


def _of_name(word: str, ring: Ring) -> _Guess:
    """Somebody of that name in the flows that are held; else a DNS name, else a pod."""
    for tables in {id(view.tables): view.tables for view in ring.scan(as_stored=True) if len(view)}.values():
        made = _known(word, tables)
        if made is not None and sound([made.term]):
            return made
    made = _Guess(Term("fqdn", word), "a DNS name") if _DOMAIN.fullmatch(word) else None
    namespace, slash, name = word.partition("/")
    if slash and namespace and name:
        made = _Guess(Term("pod", word), "a pod")
    if made is None or not sound([made.term]):
        way_on = "a filter with its value, such as to-port=443 or from-pod=shop/cart"
        raise UsageError(f"nobody is called '{word[:80]}' in the flows that are held", way_on)
    return made


def _known(word: str, tables: Tables) -> _Guess | None:
    endpoints: Iterable[Endpoint] = tables.endpoints.rows[1:_MOST_ROWS]
    namespaces = False
    for one in endpoints:
        if any(workload.name == word for workload in one.workloads):
            return _Guess(Term("workload", word), "a workload")
        if one.service.name == word:
            return _Guess(Term("service", f"{one.service.namespace or 'default'}/{word}"), "a service")
        if word and one.pod_name == word:
            return _Guess(Term("pod", f"{one.namespace}/{word}"), "a pod")
        if word.rstrip(".") in (name.rstrip(".") for name in one.names):
            return _Guess(Term("fqdn", word.rstrip(".")), "a DNS name")
        namespaces = namespaces or one.namespace == word
    if namespaces:
        return _Guess(Term("namespace", word), "a namespace")
    if any(process.command == word for process in tables.processes.rows[1:_MOST_ROWS]):
        return _Guess(Term("process", word), "a process")
    return None
