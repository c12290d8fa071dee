"""Codes of DNS answers in the words that people look for."""

import pytest

from rubin.model.messages import DNS, Message, MessageType
from rubin.words.facts import said
from rubin.words.rcodes import ended, rcode


def test_a_code_has_its_name_or_its_number() -> None:
    names = [rcode(number) for number in (0, 3, 5, 23, 12)]
    assert names == ["NOERROR", "NXDOMAIN", "REFUSED", "BADCOOKIE", "RCODE 12"]


ENDS = [
    (Message(protocol="http", status=503), "503"),
    (Message(protocol="mysql", status=1146, error="no such table"), "1146 no such table"),
    (Message(protocol="dns", status=3, failed=True, dns=DNS("x.", rcode=3)), "NXDOMAIN"),
    (Message(protocol="dns", dns=DNS("x.", rcode=2)), "SERVFAIL"),
    (Message(protocol="dns", dns=DNS("x.")), ""),
    (Message(protocol="dns"), ""),
    (Message(protocol="redis", error="ERR"), "ERR"),
]


@pytest.mark.parametrize(("message", "text"), ENDS)
def test_how_an_answer_ended(message: Message, text: str) -> None:
    assert ended(message) == text


def test_the_bracket_of_a_flow_has_the_name() -> None:
    dns = Message(MessageType.RESPONSE, "dns", status=3, failed=True, dns=DNS("x.", rcode=3))
    assert said(dns) == "failed: NXDOMAIN"
