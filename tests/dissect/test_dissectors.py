"""What holds for every protocol whose connections have a conversation each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.dissect.conversation import Piece
from rubin.dissect.dissectors import DISSECTORS
from rubin.dissect.protocols.dns import DNS_OVER_TCP
from rubin.dissect.protocols.kafka import KAFKA
from rubin.dissect.protocols.mysql import MYSQL
from rubin.dissect.protocols.postgresql import POSTGRESQL
from rubin.model.messages import MessageType
from tests.dissect.said import Connection, Listener
from tests.dissect.speaking import START, said

OTHERS = [
    ("tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200))),
    ("http", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("ssh", b"SSH-2.0-OpenSSH_9.2\r\n"),
    ("smtp", b"EHLO example.org\r\n"),
    ("postgresql", b"Q\0\0\0\x0dselect 1\0"),
    ("postgresql", b"\0\0\0\x08\x04\xd2\x16\x2f"),
    ("postgresql", b"\0\0\0\x20\0\3\0\0user\0joe\0database\0shop\0\0"),
    ("mysql", b"\x09\0\0\0\x03select 1"),
    ("redis", b"*1\r\n$4\r\nPING\r\n"),
    ("none", bytes(100)),
    ("none", b""),
]
_by_name = pytest.mark.parametrize("dissector", DISSECTORS, ids=lambda one: one.name)
_anything = st.tuples(st.booleans(), st.binary(max_size=60), st.integers(-1, 60), st.booleans())


@_by_name
@pytest.mark.parametrize(("name", "data"), OTHERS)
def test_what_others_say_is_not_claimed(dissector, name, data):
    assert dissector.claims(data) is None or name == dissector.name


@pytest.mark.parametrize("dissector", [POSTGRESQL, MYSQL, KAFKA], ids=lambda one: one.name)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_not_claimed(dissector, data):
    assert dissector.claims(data) is None


@_by_name
@given(pieces=st.lists(_anything, max_size=20))
def test_any_bytes(dissector, pieces):
    found = said(dissector.converse(), [(who, Piece(data, START, gap, cut)) for who, data, gap, cut in pieces])
    assert all(one.protocol in (dissector.name, "http", "grpc") for one in found)


def test_what_cannot_be_paired_is_counted_and_the_stage_knows():
    listener, wire = Listener(), Connection(1)
    listener.hear([wire.client(b"*1\r\n$4\r\nPING\r\n" * 2)])
    wire.server(b"+PONG\r\n")  # is lost
    told = listener.hear([wire.server(b"+PONG\r\n")])
    assert [(one.method, one.type) for one in told] == [("PING", MessageType.REQUEST)] * 2
    assert listener.stage.lost == 2


@pytest.mark.parametrize("dissector", [KAFKA, DNS_OVER_TCP], ids=lambda one: one.name)
def test_an_answer_to_nobody_is_counted(dissector):
    conversation = dissector.converse()
    answer = {"kafka": b"\0\0\0\6\0\0\0\7\0\0", "dns": b"\0\x13\0\7\x81\x80\0\1\0\0\0\0\0\0\1a\0\0\1\0\1"}[
        dissector.name
    ]
    assert list(conversation.server(Piece(answer, START))) == []
    assert conversation.unpaired == 1
