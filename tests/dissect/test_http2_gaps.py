"""HTTP/2 full of gaps: what is not known is not said, and nothing wrong is."""

import hpack
from hypothesis import given, settings
from hypothesis import strategies as st

from rubin.dissect.conversation import Exchange, Piece
from rubin.dissect.protocols.http2 import HTTP2, claims
from rubin.dissect.protocols.http2_frames import PREFACE
from tests.dissect.http2_talks import KINDS, SECRET, Talk, headers, long_talk
from tests.dissect.pieces import CLIENT, SERVER, heard, pieces, with_gaps


def number_of(exchange: Exchange) -> int:
    return int(dict(exchange.attributes).get("x-request-id", -1))


def right(exchange: Exchange) -> bool:
    """Whether what is said is true, and goes together."""
    kinds = {int(x[-1]) for x in (exchange.target, dict(exchange.attributes).get("user-agent", "")) if x}
    kinds |= {exchange.status - 210} if exchange.status else set()
    kinds |= {number_of(exchange) % KINDS} if number_of(exchange) >= 0 else set()
    known = exchange.method in ("", "POST") and exchange.authority in ("", "shop") and SECRET not in repr(exchange)
    return known and len(kinds) <= 1 and kinds <= set(range(KINDS))


def test_of_whole_packets_all_is_known():
    told = heard(pieces(long_talk().packets), HTTP2())
    assert [(number_of(x), x.target) for x in told] == [(number, f"/{number % KINDS}") for number in range(12)]
    assert all(x.status and right(x) for x in told)


def test_the_first_bytes_of_each_packet_are_enough():
    """Bodies are cut, and a long one hides frames; but requests are all known."""
    conversation = HTTP2()
    told = heard(pieces(long_talk().packets, 300), conversation)
    told += conversation.unanswered(1 << 60)
    assert sorted(number_of(x) for x in told) == list(range(12))
    assert all(x.target and right(x) for x in told)


def test_a_connection_that_is_older_than_we_are():
    """The first of each kind is said by index: of what was not seen. Nothing is made up for it."""
    talk = long_talk(15)
    begun = [at for at, (_, data) in enumerate(talk.packets) if claims(data) is CLIENT][8]  # the preface, 7 requests
    first = {CLIENT: -1, SERVER: -1}
    said = [(x, p._replace(skipped=first.pop(x, p.skipped))) for x, p in pieces(talk.packets[begun:])]
    told = heard(said, HTTP2())
    assert len(told) == 8
    assert all(right(x) for x in told)
    assert {x.method for x in told} == {"POST"}
    assert {x.target for x in told} == {""}


def test_what_was_put_into_the_table_before_a_gap_is_unknown_after_it():
    encoder = hpack.Encoder()
    asked = [encoder.encode([(":path", path)]) for path in ("/a", "/b", "/a", "/b", "/c", "/c")]
    assert len(asked[2]) == 1  # by index
    frames = [headers(2 * number + 1, block) for number, block in enumerate(asked)]
    conversation = HTTP2()
    conversation.client(Piece(PREFACE + frames[0], 1))
    for frame, skipped in zip(frames[2:], (len(frames[1]), 0, 0, 0), strict=True):
        conversation.client(Piece(frame, 2, skipped))
    assert [x.target for x in conversation.unanswered(1 << 60)] == ["/a", "", "", "/c", "/c"]


def test_of_what_has_gaps_nobody_knows_the_size():
    talk = Talk()
    stream = talk.ask("/long")
    talk.answer(stream, 200, body=b"x" * 40000, end=False)
    talk.server.send_headers(stream, [("grpc-status", "0")], end_stream=True)
    talk.send()
    for cut, known in ((16400, False), (50000, True)):
        (told,) = heard(pieces(talk.packets, cut), HTTP2())
        assert (told.target, told.status, told.response_bytes > 40000) == ("/long", 200, known)
        assert known or told.response_bytes == 0


def test_a_response_without_a_request_is_told_as_such():
    block = hpack.Encoder().encode([(":status", "503")])
    conversation = HTTP2()
    (told,) = conversation.server(Piece(headers(7, block), 5, -1))
    assert (told.status, told.failed, told.started_ns, told.answered_ns, told.method) == (503, True, 0, 5, "")


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_nothing_wrong_is_said_of_what_has_gaps(data):
    talk = long_talk(data.draw(st.integers(1, 12)))
    said, complete = with_gaps(data.draw, talk.packets)
    conversation = HTTP2()
    told = heard(said, conversation)
    if complete:
        assert [number_of(x) for x in told] == list(range(len(told)))
        assert all(x.status and x.target for x in told)
    sizes = {number_of(x): (x.request_bytes, x.response_bytes) for x in heard(pieces(talk.packets), HTTP2())}
    for exchange in [*told, *conversation.unanswered(1 << 60)]:
        assert right(exchange)
        asked, answered = sizes.get(number_of(exchange), (0, 0))
        if number_of(exchange) >= 0:
            assert exchange.request_bytes in (0, asked)
            assert exchange.response_bytes in (0, answered)


FRAMES = st.builds(
    lambda kind, flags, stream, body, length: (
        (len(body) if length is None else length).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + body
    ),
    st.integers(0, 11),
    st.sampled_from((0, 1, 4, 5, 8, 0x2D)),
    st.integers(0, 7),
    st.binary(max_size=40),
    st.one_of(st.none(), st.integers(0, 20000)),
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.one_of(st.binary(max_size=60), FRAMES), st.integers(-1, 30))))
def test_no_bytes_do_harm(said):
    conversation = HTTP2()
    for time_ns, (client, data, skipped) in enumerate(said):
        claims(data)
        told = (conversation.client if client else conversation.server)(
            Piece(data, time_ns, skipped if skipped < 9 else 0)
        )
        assert all(map(repr, told))
    assert len(list(conversation.unanswered(1 << 60))) <= len(said)
