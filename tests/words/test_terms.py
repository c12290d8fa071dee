"""One grammar in three spellings: each gives back what another was made of."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.errors import UsageError
from rubin.model.fields import FIELDS
from rubin.words import terms
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


@pytest.mark.parametrize("query", ["to-port=x", "from-pod=a&pod=b", "verdict=GONE", "http-path=(", "not.to-ip=1.2.3"])
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
