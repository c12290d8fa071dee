"""One grammar in three spellings: each gives back what another was made of."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.errors import UsageError
from rubin.model.fields import FIELDS
from rubin.words import terms
from rubin.words.filter_flags import filter_flags, values_of
from rubin.words.flags import Flag
from rubin.words.terms import Asked, Term, asked_by_command, asked_by_query, canonical, command_of, query_of, words_of

_VALUES = {
    "ADDRESS": st.sampled_from(["10.0.0.1", "10.0.0.0/8", "fd00::1"]),
    "PORT": st.integers(1, 65535).map(str),
    "PID": st.integers(1, 9999).map(str),
    "NUMBER": st.integers(1, 9999).map(str),
    "CODE": st.sampled_from(["404", "5+"]),
    "REGEX": st.sampled_from(["^/items/[0-9]+$", "a b&c=d", "é'\"", "-v"]),
    "SELECTOR": st.sampled_from(["app=cart,tier=web", "!canary", "k8s:tier in (front,back)", "reserved:host"]),
    "KEY:VALUE": st.sampled_from(["x-tenant:acme", "accept:*/*"]),
    "UUID": st.just("6f1e5a4e-0000-4000-8000-000000000001"),
    "VERSION": st.sampled_from(["v4", "v6"]),
    "EXPRESSION": st.sampled_from(["_flow.verdict == Verdict.DROPPED && _flow.l4.TCP.source_port > 1"]),
}


def _texts(field):
    if not field.metavar:
        return st.just("")
    if field.choices:
        return st.sampled_from([one for one in field.choices if one.strip()])
    return _VALUES.get(field.metavar, st.sampled_from(["shop", "a-b.c", "x*", "é", "a b", "-x", "=", "50%"]))


ONE = st.sampled_from([flag for field in FIELDS for flag in field.flags()]).flatmap(
    lambda flag: st.builds(Term, st.just(flag.name), _texts(flag.field), st.booleans())
)


@st.composite
def some_terms(draw):
    found: list[Term] = []
    for term in draw(st.lists(ONE, max_size=6)):
        try:
            terms.filters([*found, term])
        except UsageError:
            continue  # it does not go with the others
        found.append(term)
    return tuple(found)


@given(some_terms())
def test_a_url_gives_back_the_terms(asked):
    query = query_of(asked)
    assert query.isascii()
    assert asked_by_query(query) == asked_by_query(f"?{query}") == Asked(asked)


@given(some_terms())
def test_a_command_line_gives_back_the_terms(asked):
    for command in ("rubin observe", "hubble observe", ""):
        line = command_of(asked, command)
        assert asked_by_command(line) == Asked(asked)
    assert shlex.split(command_of(asked)) == ["rubin", "observe", *words_of(asked)]


WHOLE = {"label", "node-label", "tcp-flags", "http-path", "http-url", "http-header", "dns-query", "cel-expression",
         "process", "cgroup"}  # fmt: skip
"""A comma in these is theirs: between labels and TCP flags it says "and", in the others it is a letter."""


def joined(asked):
    """The same, with the values of a name that may be listed in one term."""
    values: dict[tuple[str, bool], list[str]] = {}
    for one in asked:
        values.setdefault((one.name, one.negated), []).append(one.value)
    for (name, negated), texts in values.items():
        listed = texts[0] and _field(name).flag not in WHOLE
        yield from (Term(name, text, negated) for text in ([",".join(texts)] if listed else texts))


def _field(name):
    return next(field for field in FIELDS for flag in field.flags() if flag.name == name)


@given(some_terms())
def test_values_between_commas_are_terms_of_their_own(asked):
    once, lists = canonical(asked), list(joined(asked))
    for found in (
        asked_by_query(query_of(lists)),
        asked_by_query(query_of(lists).replace(",", "%2C")),
        asked_by_command(command_of(lists)),
    ):
        assert canonical(found.terms) == once
    assert asked_by_query(query_of(once)) == Asked(once)


def test_every_filter_has_a_place_among_those_that_take_a_list_or_do_not():
    flags = {flag.name: flag for flag in filter_flags()}
    for field in FIELDS:
        if field.metavar:
            assert (len(values_of(flags[field.flag], "x,y")) == 1) is (field.flag in WHOLE), field.flag


@given(some_terms())
def test_what_asks_the_same_is_written_the_same(asked):
    once = canonical(asked)
    assert canonical(asked[::-1]) == canonical([*asked, *asked]) == once or len({one.name for one in asked}) < len(
        asked
    )
    assert set(once) == set(asked)
    assert canonical(once) == once


@pytest.mark.parametrize(
    ("query", "chips"),
    [
        ("", []),
        ("to-port=443&to-port=8443", ["to-port=443", "to-port=8443"]),
        ("not.to-port=53&encrypted=1", ["not to-port=53", "encrypted"]),
        ("from-label=app%3Dcart%2Ctier%3Dweb", ["from-label=app=cart,tier=web"]),
        ("namespace=shop&not.reply", ["namespace=shop", "not reply"]),
        ("to-port=443,8443", ["to-port=443", "to-port=8443"]),
        ("not.namespace=shop,blog", ["not namespace=shop", "not namespace=blog"]),
        ("label=app=cart,tier=web&tcp-flags=SYN,ACK", ["label=app=cart,tier=web", "tcp-flags=SYN,ACK"]),
    ],
)
def test_a_url_in_chips(query, chips):
    assert [term.chip for term in asked_by_query(query).terms] == chips


def test_what_is_no_filter_is_kept():
    asked = asked_by_query("v.scope=pod&to-port=1&since=15m&unknown=x&v.scope=")
    assert asked == Asked(
        (Term("to-port", "1"),), (("v.scope", "pod"), ("since", "15m"), ("unknown", "x"), ("v.scope", ""))
    )
    since = Flag("since", "No older ones.")
    assert asked_by_command("$ /usr/bin/hubble observe --since 3s -n shop", [since]) == Asked(
        (Term("namespace", "shop"),), (("since", "3s"),)
    )


@pytest.mark.parametrize(
    "query",
    [
        "to-port=x",
        "from-pod=a&pod=b",
        "verdict=GONE",
        "http-path=(",
        "not.to-ip=1.2.3",
        "to-port=443,",
        "namespace=,shop",
        "pod=a,,b",
        "verdict=DROPPED,GONE",
    ],
)
def test_a_query_that_makes_no_sense(query):
    with pytest.raises(UsageError):
        asked_by_query(query)


@pytest.mark.parametrize(
    "line", ["observe --to-port", "observe --pot 1", "observe 'x", "observe --not", "--not --not --reply"]
)
def test_a_command_that_makes_no_sense(line):
    with pytest.raises(UsageError):
        asked_by_command(line)


def test_a_filter_that_is_none():
    with pytest.raises(UsageError, match="filter 'to-prt' does not exist"):
        terms.filters([Term("to-prt", "1")])
    with pytest.raises(UsageError, match="cannot be '443,80' in one term"):
        terms.filters([Term("to-port", "443,80")])
