"""HTTP/2 and gRPC in clear become exchanges, whole or full of gaps; what is not known is not said."""

from random import Random

import h2.errors
import hpack
import pytest

from rubin.dissect.conversation import Piece
from rubin.dissect.protocols.hpack import Table
from rubin.dissect.protocols.http2 import HTTP2, HTTP2_OVER_TCP, claims
from rubin.dissect.protocols.http2_frames import PREFACE
from tests.dissect.http2_talks import SECRET, Talk, headers, long_talk
from tests.dissect.pieces import CLIENT, SERVER, heard, pieces

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_request_and_its_answer_are_one_exchange():
    talk = Talk()
    stream = talk.ask(
        f"/cart/7?key={SECRET}#{SECRET}",
        ("user-agent", "curl/8"),
        ("authorization", f"Bearer {SECRET}"),
        ("cookie", f"id={SECRET}"),
        ("x-tenant", SECRET),
        ("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01"),
        method="POST",
        body=SECRET.encode(),
    )
    talk.answer(stream, 404, ("set-cookie", f"id={SECRET}"), ("server", "nginx"), body=SECRET.encode())
    (asked_ns, asked), (answered_ns, answered) = ((at, x) for at, (_, x) in enumerate(talk.packets, 1) if x[3] == 1)
    (told,) = heard(pieces(talk.packets), HTTP2())
    redacted = "HUBBLE_REDACTED"
    assert (told.protocol, told.version, told.method, told.authority) == ("http", "HTTP/2", "POST", "shop")
    assert (told.target, told.status, told.failed, told.error) == ("/cart/7", 404, True, "")
    assert (told.started_ns, told.answered_ns, told.trace_id) == (asked_ns, answered_ns, TRACE)
    assert told.attributes == (
        ("authorization", redacted),
        ("cookie", redacted),
        ("traceparent", redacted),
        ("user-agent", "curl/8"),
        ("x-tenant", redacted),
    )
    assert (told.request_bytes, told.response_bytes) == (len(asked), len(answered))
    assert SECRET not in repr(told)


def test_a_call_of_grpc_ends_with_its_status():
    talk = Talk()
    grpc = [("content-type", "application/grpc+proto"), ("te", "trailers"), ("x-secret-bin", SECRET)]
    body = b"\0" + len(SECRET).to_bytes(4) + SECRET.encode()
    found, missing, early = (talk.ask("/shop.v1.Cart/Get", *grpc, method="POST", body=body) for _ in range(3))
    talk.answer(found, 200, *grpc[:1], body=body, trailers=[("grpc-status", "0")])
    talk.answer(missing, 200, *grpc[:1], body=body, trailers=[("grpc-status", "5"), ("grpc-message", SECRET)])
    talk.answer(early, 200, *grpc[:1], ("grpc-status", "14"), ("grpc-message", SECRET))
    told = heard(pieces(talk.packets), HTTP2())
    assert [(x.protocol, x.failed, x.error, x.status) for x in told] == [
        ("grpc", False, "", 200),
        ("grpc", True, "NOT_FOUND", 200),
        ("grpc", True, "UNAVAILABLE", 200),
    ]
    assert [dict(x.attributes)["grpc-status"] for x in told] == ["0", "5", "14"]
    assert {x.target for x in told} == {"/shop.v1.Cart/Get"}
    assert SECRET not in repr(told)


def test_an_interim_answer_is_no_answer():
    talk = Talk()
    stream = talk.ask("/upload")
    talk.server.send_headers(stream, [(":status", "103"), ("link", SECRET)])
    talk.send()
    talk.answer(stream, 201)
    (told,) = heard(pieces(talk.packets), HTTP2())
    assert (told.status, told.answered_ns) == (201, len(talk.packets))


def test_streams_end_out_of_order():
    talk = Talk()
    streams = [talk.ask(f"/{number}") for number in range(5)]
    for stream in reversed(streams):
        talk.answer(stream, 200 + stream)
    assert [(x.target, x.status) for x in heard(pieces(talk.packets), HTTP2())] == [
        (f"/{stream // 2}", 200 + stream) for stream in reversed(streams)
    ]


def test_a_stream_that_is_reset_has_failed():
    talk = Talk()
    refused, cancelled = talk.ask("/refused"), talk.ask("/cancelled")
    talk.server.reset_stream(refused, h2.errors.ErrorCodes.REFUSED_STREAM)
    talk.send()
    talk.server.send_headers(cancelled, [(":status", "200")], end_stream=True)  # under way when it is cancelled
    late = talk.server.data_to_send()
    talk.client.reset_stream(cancelled, h2.errors.ErrorCodes.CANCEL)
    told = heard(pieces([*talk.packets, (CLIENT, talk.client.data_to_send()), (SERVER, late)]), HTTP2())
    assert [(x.target, x.error, x.failed, x.status) for x in told] == [
        ("/refused", "REFUSED_STREAM", True, 0),
        ("/cancelled", "CANCEL", True, 0),
    ]


@pytest.mark.parametrize(("code", "error"), [(0, "GOAWAY"), (11, "ENHANCE_YOUR_CALM"), (0x99, "0x99")])
def test_streams_that_the_server_will_not_look_at_have_failed(code, error):
    talk = Talk()
    first, _ = talk.ask("/first"), talk.ask("/second")
    away = b"\0\0\x08\x07\0\0\0\0\0" + first.to_bytes(4) + code.to_bytes(4)
    told = heard(pieces([*talk.packets, (SERVER, away)]), HTTP2())
    assert [(x.target, x.error, x.failed) for x in told] == [("/second", error, True)]


def test_requests_without_an_answer_are_told_when_they_are_old():
    talk = Talk()
    talk.ask("/old")
    answered = talk.ask("/streaming")
    talk.answer(answered, 200, body=b"x", end=False)
    young = talk.ask("/young")
    conversation = HTTP2()
    assert heard(pieces(talk.packets), conversation) == []
    assert [x.target for x in conversation.unanswered(len(talk.packets))] == ["/old"]
    assert [x.target for x in conversation.unanswered(len(talk.packets) + 1)] == ["/young"]
    assert list(conversation.unanswered(1 << 60)) == []
    assert young == answered + 2


def test_open_streams_are_bounded():
    conversation, encoder = HTTP2(), hpack.Encoder()
    told = []
    for stream in range(1, 2401, 2):
        told += conversation.client(Piece(headers(stream, encoder.encode([(":path", f"/{stream}")])), stream))
    assert [x.target for x in told] == [f"/{stream}" for stream in range(1, 401, 2)]


def test_a_block_with_padding_priority_and_continuations_is_one():
    block = hpack.Encoder().encode([(":method", "PUT"), (":path", "/a/b"), ("user-agent", "x" * 200)])
    first = headers(1, b"\x03" + bytes(5) + block[:2] + b"pad", 0x28 | 1)
    rest = headers(1, block[2:9], 0, 9) + headers(1, b"", 0, 9) + headers(1, block[9:], 4, 9)
    conversation = HTTP2()
    heard(pieces([(CLIENT, PREFACE + first), (CLIENT, rest)]), conversation)
    (told,) = conversation.unanswered(1 << 60)
    assert (told.method, told.target, told.started_ns, told.request_bytes) == ("PUT", "/a/b", 1, len(first + rest))
    assert told.attributes == (("user-agent", "x" * 200),)


def test_a_promise_keeps_the_table_in_step():
    encoder = hpack.Encoder()
    promise = encoder.encode([(":method", "GET"), (":path", "/style.css")])
    answers = [encoder.encode([(":status", "418"), ("x-a", "b")]) for _ in range(2)]
    talk = Talk()
    stream = talk.ask("/")
    said = headers(stream, (2).to_bytes(4) + promise, 4, 5) + headers(2, answers[0]) + headers(stream, answers[1])
    assert [(x.target, x.status) for x in heard(pieces([*talk.packets, (SERVER, said)]), HTTP2())] == [("/", 418)]


def test_the_table_is_bounded():
    table = Table(lambda _: True)
    for number in range(1000):
        table.decode(b"\x40\x01a\x04%04d" % number)
    fields, whole = table.decode(b"\xbe\xff\x00\xff\x80\x02")  # the newest, one that is known, one that is not
    assert fields == [(b"a", b"0999"), (b"a", b"0934"), (b"", b"")]
    assert whole


def test_a_new_size_of_the_table_is_no_header():
    encoder, conversation = hpack.Encoder(), HTTP2()
    frames = []
    for stream, size in ((1, 4096), (3, 40), (5, 0), (7, 65536)):
        encoder.header_table_size = size
        frames.append((CLIENT, headers(stream, encoder.encode([(":path", "/a/b"), ("user-agent", f"agent/{size}")]))))
    heard(pieces(frames), conversation)
    told = conversation.unanswered(1 << 60)
    assert {x.target for x in told} == {"/a/b"}
    assert [x.attributes for x in told] == [(("user-agent", f"agent/{size}"),) for size in (4096, 40, 0, 65536)]


def test_a_continuation_of_another_stream_is_none():
    conversation = HTTP2()
    heard(pieces([(CLIENT, headers(1, b"\x82\x04\x02/a", 0) + headers(3, b"\x0f\x2b\x01x", 4, 9))]), conversation)
    assert [(x.target, x.attributes) for x in conversation.unanswered(1 << 60)] == [("/a", ())]


def test_trailers_of_a_request_that_has_been_answered_are_no_request():
    talk = Talk()
    stream = talk.ask("/early", method="POST", end=False)
    talk.answer(stream, 413)
    trailers = headers(stream, b"\x00\x01a\x01b")
    conversation = HTTP2()
    (told,) = heard(pieces([*talk.packets, (CLIENT, trailers)]), conversation)
    assert (told.target, told.status, told.request_bytes) == ("/early", 413, 0)  # of the request there was more to come
    assert conversation.unanswered(1 << 60) == []


BOMBS = {
    "one entry many times": b"\x40\x01a\x7f\xe1\x1e" + b"x" * 4000 + b"\xbe" * 12000,
    "many continuations": b"\x00\x01a\x01b" * 20000,
    "an endless integer": b"\xff" * 100,
    "an index beyond everything": b"\xff\xff\xff\xff\x7f",
    "huffman that is none": b"\x00\x81\xff\x00",
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_of_headers_does_no_harm(bomb):
    parts = [bomb[at : at + 10000] for at in range(0, len(bomb), 10000)]
    frames = headers(1, b"\x82\x84" + parts[0], 0) + b"".join(headers(1, part, 0, 9) for part in parts[1:])
    conversation = HTTP2()
    heard(pieces([(CLIENT, PREFACE + frames + headers(1, b"", 4, 9) + headers(3, b"\x83\xbe"))]), conversation)
    told = list(conversation.unanswered(1 << 60))
    assert [(x.method, x.target) for x in told] == [("GET", "/"), ("POST", "")]
    assert len(repr(told)) < 5000


# --- who speaks ----------------------------------------------------------------------------------


def test_who_speaks_is_seen_at_any_point_of_a_connection():
    packets = long_talk(4).packets
    for speaker, data in packets:
        assert claims(data) in (speaker, None)
    assert [claims(data) for _, data in packets[:2]] == [CLIENT, None]
    asked = [data for speaker, data in packets if speaker is CLIENT and data[3] == 1]
    assert [claims(data) for data in asked] == [CLIENT] * 4
    assert [claims(data[:20]) for data in asked] == [CLIENT] * 4


def test_the_dissector_has_its_name():
    assert (HTTP2_OVER_TCP.name, HTTP2_OVER_TCP.claims, HTTP2_OVER_TCP.converse) == ("http2", claims, HTTP2)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PRI",
        b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"\x16\x03\x01\x00\x50\x01\x00\x00\x4c\x03\x03" + bytes(70),
        b"\x17\x03\x03\x00\x20" + bytes(32),
        b"*1\r\n$4\r\nPING\r\n",
        b"\x00\x00\x00\x08\x04\xd2\x16\x2f",  # PostgreSQL's SSLRequest
        b"\x00\x00\x00\x2a\x00\x03\x00\x09\x00\x00\x00\x01\x00\x09consumer-1" + bytes(20),  # Kafka
        b"\x4a\x00\x00\x00\x0a8.0.36\x00" + bytes(60),  # MySQL
        b"\x00\x1d\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04shop" + bytes(10),  # DNS over TCP
        bytes(100),
        b"\xff" * 100,
    ],
)
def test_others_are_not_claimed(data):
    assert claims(data) is None


def test_random_bytes_are_not_claimed():
    chance = Random(7)
    for _ in range(20000):
        data = chance.randbytes(60)
        assert claims(data) is None
        assert claims(b"\0\0" + data) is None
