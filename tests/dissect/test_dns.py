"""DNS: messages, datagrams by columns, and the same over TCP."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rubin.dissect.conversation import Piece, Speaker
from rubin.dissect.protocols import dns
from rubin.dissect.stage import NEVER, Stage
from rubin.model.messages import DNS, Messages, MessageType
from tests.dissect.said import Connection, Listener

SECOND = 1_000_000_000
A, AAAA, CNAME, OPT = 1, 28, 5, 41


def name(text: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in text.rstrip(".").split(".") if label) + b"\0"


def query(number: int, text: str, kind: int = A, edns: bool = False) -> bytes:
    head = struct.pack("!6H", number, 0x0100, 1, 0, 0, int(edns))
    return head + name(text) + struct.pack("!HH", kind, 1) + (record(b"\0", OPT, 0, b"") if edns else b"")


def record(owner: bytes, kind: int, ttl: int, data: bytes) -> bytes:
    return owner + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def reply(number: int, text: str, *records: bytes, kind: int = A, rcode: int = 0, additional: int = 0) -> bytes:
    head = struct.pack("!6H", number, 0x8180 | rcode, 1, len(records) - additional, 0, additional)
    return head + name(text) + struct.pack("!HH", kind, 1) + b"".join(records)


POINTER = b"\xc0\x0c"
TWO = (
    record(POINTER, CNAME, 300, name("real.example.org")),
    record(name("real.example.org"), A, 60, bytes([192, 0, 2, 7])),
    record(name("real.example.org"), A, 61, bytes([192, 0, 2, 8])),
)


def test_an_exchange_over_udp_has_addresses_aliases_and_the_least_lifetime() -> None:
    wire, listener = Connection(3, tcp=False), Listener()
    packets = [
        wire.client(query(77, "www.example.org", edns=True)),
        wire.server(reply(77, "www.example.org", *TWO), 9000),
    ]
    [told] = listener.hear(packets)
    ips, rrtypes = ("192.0.2.7", "192.0.2.8"), ("CNAME", "A", "A")
    assert told.dns == DNS("www.example.org.", ips, 60, ("real.example.org.",), dns.SEEN, 0, ("A",), rrtypes)
    assert (told.type, told.protocol, told.method, told.target) == (
        MessageType.EXCHANGE,
        "dns",
        "A",
        "www.example.org.",
    )
    assert (told.latency_ns, told.failed, told.request_bytes) == (9000, False, len(packets[0].data))


def test_names_that_are_not_there_and_extended_errors_are_failures() -> None:
    wire, listener = Connection(3, tcp=False), Listener()
    bad_version = record(b"\0", OPT, 1 << 24, b"")
    packets = [wire.client(query(1, "no.example")), wire.server(reply(1, "no.example", rcode=3))]
    packets += [wire.client(query(2, "odd.example")), wire.server(reply(2, "odd.example", bad_version, additional=1))]
    assert [(one.status, one.failed) for one in listener.hear(packets)] == [(3, True), (16, True)]


def test_questions_asked_twice_are_answered_once_and_those_never_answered_told_once() -> None:
    wire, listener = Connection(3, tcp=False), Listener()
    again = wire.client(query(5, "example.org"), 5 * SECOND)
    packets = [wire.client(query(5, "example.org")), again, wire.server(reply(5, "example.org", TWO[1]), 10)]
    packets += [wire.server(reply(5, "example.org", TWO[1])), wire.client(query(6, "silent.example"))]
    told = listener.hear(packets[:1], packets[1:])
    assert [one.target for one in told] == ["example.org."]
    assert listener.stage.lost == 1  # the second answer to the same question
    [silent] = listener.wait(wire.clock + 3 * SECOND)
    assert (silent.type, silent.target, silent.dns) == (
        MessageType.REQUEST, "silent.example.", DNS("silent.example.", observation_source=dns.SEEN, qtypes=("A",)),
    )  # fmt: skip
    assert listener.wait(wire.clock + 6 * SECOND) == []


def test_other_datagrams_are_not_wanted() -> None:
    wire, listener = Connection(3, tcp=False), Listener()
    assert listener.hear([wire.client(b"\x01" * 60)]) == []
    assert [slots for _, slots in listener.stage.wishes()] == [NEVER]


def test_full_tables_are_left_while_questions_wait() -> None:
    wire, listener = Connection(3, tcp=False), Listener()
    listener.hear([wire.client(query(9, "example.org"))])
    listener.messages = Messages()
    assert [one.target for one in listener.hear([wire.server(reply(9, "example.org"))])] == ["example.org."]


@pytest.mark.parametrize("size", [1, 5, 30, 1000])
def test_over_tcp_messages_are_cut_and_joined_as_they_come(size: int) -> None:
    wire, listener = Connection(3), Listener()
    asked = [query(number, f"host{number}.example.org") for number in range(3)]
    said = [reply(number, f"host{number}.example.org", *TWO) for number in (1, 0, 2)]
    streams = [b"".join(struct.pack("!H", len(one)) + one for one in some) for some in (asked, said)]
    packets = [wire.client(streams[0])]
    packets += [wire.server(streams[1][at : at + size]) for at in range(0, len(streams[1]), size)]
    told = listener.hear(packets[:1], packets[1:])
    assert [one.target for one in told] == [f"host{number}.example.org." for number in (1, 0, 2)]


def test_who_claims_tcp_says_who_speaks() -> None:
    for message, speaker in ((query(1, "example.org"), Speaker.CLIENT), (reply(1, "example.org"), Speaker.SERVER)):
        assert dns.claims(struct.pack("!H", len(message)) + message) is speaker
    for other in (
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00" + bytes(40),
        bytes(40),
        b"*1\r\n$4\r\nPING\r\n",
    ):
        assert dns.claims(other) is None


def test_names_that_point_in_circles_and_names_too_long_are_none() -> None:
    head = struct.pack("!6H", 1, 0x0100, 1, 0, 0, 0)
    for question in (
        b"\xc0\x0c\0\x01\0\x01",
        b"\xc0\x0e\xc0\x0c\0\x01\0\x01",
        b"\x3f" + b"a" * 20,
        b"\x01a" * 500 + b"\0\0\1\0\1",
    ):
        assert dns.parse(head + question) is None


def test_what_is_no_letter_is_written_in_numbers() -> None:
    parsed = dns.parse(struct.pack("!6H", 1, 0x0100, 1, 0, 0, 0) + b"\x05a.b\n\xff\0\0\x01\0\x01")
    assert parsed is not None
    assert parsed.row.query == "a\\046b\\010\\255."


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 300))
def test_any_bytes_and_any_cut_are_survived(noise: bytes, cut: int) -> None:
    good = reply(4, "www.example.org", *TWO)
    for message in (noise, good[:cut], good[:cut] + noise, good[:12] + noise):
        dns.parse(message)
        talk = dns.Talk()
        list(talk.client(Piece(message, 1, 0)))
        list(talk.server(Piece(message, 2, -1)))
        list(talk.unanswered(5))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=80)), max_size=10))
def test_any_datagrams_are_survived(said: list[tuple[bool, bytes]]) -> None:
    wire, listener = Connection(3, tcp=False), Listener(Stage())
    listener.hear([wire.say(from_client, noise) for from_client, noise in said])
    listener.wait(wire.clock + 1000 * SECOND)
