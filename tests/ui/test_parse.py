"""What is typed or pasted: chips, commands, URLs, guesses."""

from shlex import quote

import pytest
from hypothesis import given

from rubin.errors import UsageError
from rubin.store.ring import Ring
from rubin.ui.answers.parse import of_query, parsed
from rubin.words.terms import command_of, query_of
from tests.asked import shop
from tests.words.test_terms import joined, some_terms

CHIPS = [
    ("to-port=443 not verdict=DROPPED", "to-port=443&not.verdict=DROPPED"),
    ("  to-port=443   to-port=80 ", "to-port=443&to-port=80"),
    ("not.to-port=53", "not.to-port=53"),
    ("to-port=443,8443 not namespace=shop,blog", "to-port=443&to-port=8443&not.namespace=shop&not.namespace=blog"),
    ("rubin observe --not --to-port 443,8443", "not.to-port=443&not.to-port=8443"),
    ("/flows?to-port=443%2C8443", "to-port=443&to-port=8443"),
    ("encrypted", "encrypted=1"),
    ("not encrypted=1", "not.encrypted=1"),
    ("'http-path=a&b'", "http-path=a%26b"),
    ("from-label='app=cart,tier in (a,b)'", "from-label=app%3Dcart,tier%20in%20%28a,b%29"),
    ("hubble observe --to-port 443 -f --not --verdict DROPPED", "to-port=443&not.verdict=DROPPED"),
    ("$ rubin observe flows -n shop --last 20 -o json", "namespace=shop"),
    ("rubin observe --server tls://x:1 --since 5m --http-status 5+", "http-status=5%2B"),
    ("--from-pod shop/web", "from-pod=shop/web"),
    ("http://127.0.0.1:12000/flows?to-port=443&v.scope=pod&not.to-port=53", "to-port=443&not.to-port=53"),
    ("/map?verdict=DROPPED", "verdict=DROPPED"),
    ("to-port=443&verdict=DROPPED", "to-port=443&verdict=DROPPED"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "query"), CHIPS)
def test_it_is_understood_however_it_is_written(text: str, query: str) -> None:
    found = parsed(text, Ring())
    assert (found["query"], found["guess"]) == (query, "")
    assert of_query(found["query"])["chips"] == found["chips"]


GUESSES = [
    ("10.0.0.1", "ip=10.0.0.1", "an address"),
    ("fd00::/64", "ip=fd00::/64", "a network"),
    ("443", "port=443", "a port"),
    (":8080", "port=8080", "a port"),
    ("dropped", "verdict=DROPPED", "a verdict"),
    ("dns", "protocol=dns", "a protocol"),
    ("0af76519-16cd-43dd-8448-eb211c80319c", "uuid=0af76519-16cd-43dd-8448-eb211c80319c", "a flow's UUID"),
    ("web", "workload=web", "a workload"),
    ("web-7d4b", "pod=shop/web-7d4b", "a pod"),
    ("shop", "namespace=shop", "a namespace"),
    ("postgres", "process=postgres", "a process"),
    ("api.example.com", "fqdn=api.example.com", "a DNS name"),
    ("blog/front-1", "pod=blog/front-1", "a pod"),
]


@pytest.mark.parametrize(("text", "query", "taken"), GUESSES)
def test_a_word_by_itself_is_guessed_and_the_guess_is_told(text: str, query: str, taken: str) -> None:
    found = parsed(text, shop())
    assert (found["query"], found["guess"]) == (query, f"'{text}' was taken for {taken}")
    assert parsed(f"not {text}", shop())["query"] == f"not.{query}"


def test_times_come_along() -> None:
    found = parsed("rubin observe --since 5m --to-port 443", Ring())
    assert found["rest"] == {"since": "5m"}
    assert found["command"] == "rubin observe --to-port 443 --since 5m"
    url = parsed("/flows?since=5m&v.scope=pod&to-port=443", Ring())
    assert url["rest"] == {"since": "5m", "v.scope": "pod"}


@given(some_terms())
def test_chips_commands_and_urls_say_the_same(asked) -> None:
    query = of_query(query_of(asked))["query"]
    assert parsed(command_of(asked), Ring())["query"] == query
    found = of_query(query)
    assert parsed(found["command"], Ring())["chips"] == found["chips"]


@given(some_terms())
def test_chips_may_list_their_values(asked) -> None:
    text = " ".join(("not " if one.negated else "") + quote(one.chip.removeprefix("not ")) for one in joined(asked))
    assert parsed(text, Ring())["query"] == of_query(query_of(asked))["query"]


WRONG = [
    ("to-prt=443", "filter 'to-prt' does not exist"),
    ("to-port=x", "x"),
    ("to-port=", "to-port needs a value"),
    ("to-port=443,", "--to-port cannot be '443,'"),
    ("to-port=443,x", "x"),
    ("encrypted=maybe", "encrypted takes no value"),
    ("not", "a 'not' has nothing behind it"),
    ("from-label='app", "a quotation mark is missing"),
    ("rubin observe --nothing", "flag '--nothing' does not exist"),
    ("nobody-of-that-name", "nobody is called 'nobody-of-that-name'"),
    ("<script>", "nobody is called"),
    ("http://x/?to-port=a", "a"),
    ("encrypted unencrypted", "cannot be combined"),
]


@pytest.mark.parametrize(("text", "sentence"), WRONG)
def test_what_makes_no_sense_says_so(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as raised:
        parsed(text, shop())
    assert sentence in raised.value.sentence
