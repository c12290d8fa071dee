"""HTTP/1 by columns: from packets to exchanges, whatever happens to the packets."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rubin.dissect.conversation import Dissector, Exchange, Piece, Speaker
from rubin.dissect.dissectors import DISSECTORS
from rubin.dissect.redaction import Redaction
from rubin.dissect.stage import ENOUGH, NEVER, Stage
from rubin.model.messages import Message, Messages, MessageType
from tests.dissect.said import Connection, Listener, Packet, answer, get

SECOND = 1_000_000_000


def pairs(messages: list[Message]) -> list[tuple[str, int]]:
    return [(message.target, message.status) for message in messages]


def test_an_exchange_has_what_was_asked_and_what_came_of_it() -> None:
    wire, listener = Connection(7), Listener()
    trace = "0af7651916cd43dd8448eb211c80319c"
    asked = get("/items/5?token=secret#x", f"Traceparent: 00-{trace}-b7ad6b7169203331-01", method="DELETE")
    packets = [wire.client(asked), wire.server(answer(404, b"none"), 250_000)]
    assert listener.hear(packets) == [
        Message(
            type=MessageType.EXCHANGE,
            protocol="http",
            method="DELETE",
            authority="shop.test",
            target="/items/5",
            version="HTTP/1.1",
            status=404,
            failed=True,
            latency_ns=250_000,
            request_bytes=len(asked),
            response_bytes=len(answer(404, b"none")),
            trace_id=trace,
            attributes=(("host", "shop.test"), ("traceparent", "HUBBLE_REDACTED")),
        )
    ]
    assert listener.told[0][:2] == (7, True)


def test_what_was_handed_to_tls_has_its_own_kind_of_url() -> None:
    wire, listener = Connection(7, secured=True), Listener()
    [told] = listener.hear([wire.client(get("/cart")), wire.server(answer(200))])
    assert (told.secured, told.url) == (True, "https://shop.test/cart")


def test_a_connection_is_used_again_and_again_and_many_at_once_in_any_batches() -> None:
    wires = [Connection(key + 1) for key in range(20)]
    packets = []
    for turn in range(30):
        packets += [wire.client(get(f"/{wire.key}/{turn}")) for wire in wires]
        packets += [wire.server(answer(200 + turn, b"x" * (turn * 100))) for wire in wires]
    for size in (1, 7, 100, len(packets)):
        listener = Listener()
        listener.hear(*(packets[at : at + size] for at in range(0, len(packets), size)))
        assert sorted((key, *pairs([message])[0]) for key, _, message in listener.told) == sorted(
            (wire.key, f"/{wire.key}/{turn}", 200 + turn) for wire in wires for turn in range(30)
        )
        assert listener.stage.lost == 0


@pytest.mark.parametrize("together", [True, False])
def test_requests_before_their_answers_are_answered_in_order(together: bool) -> None:
    wire, listener = Connection(1), Listener()
    asked = [get(f"/{number}") for number in range(5)]
    answers = [answer(200 + number, b"y" * 10) for number in range(5)]
    packets = [wire.client(b"".join(asked))] if together else [wire.client(one) for one in asked]
    packets += [wire.server(b"".join(answers))] if together else [wire.server(one) for one in answers]
    assert pairs(listener.hear(packets)) == [(f"/{number}", 200 + number) for number in range(5)]


def test_an_answer_begins_in_the_packet_in_which_another_ends() -> None:
    wire, listener = Connection(1), Listener()
    packets = [wire.client(get("/a") + get("/b"))]
    whole = answer(200, b"z" * 3000) + answer(201, b"w")
    packets += [wire.server(whole[:2800]), wire.server(whole[2800:])]
    assert pairs(listener.hear(packets)) == [("/a", 200), ("/b", 201)]


@pytest.mark.parametrize(
    "first",
    [
        get("/first", method="HEAD"),
        get("/first"),
        get("/first", "Content-Length: 2000", method="POST") + b"GET /inside HTTP/1.1\r\n\r\n" * 80 + b"q" * 80,
    ],
)
def test_bodies_that_are_not_there_and_bodies_that_look_like_heads(first: bytes) -> None:
    wire, listener = Connection(1), Listener()
    bodiless = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\n\r\n"
    to_head = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
    body = b"HTTP/1.1 500 inside\r\nContent-Length: 3\r\n\r\n" * 50
    packets = [wire.client(first[at : at + 700]) for at in range(0, len(first), 700)]
    said = to_head if first.startswith(b"HEAD") else bodiless
    packets += [wire.server(said), wire.client(get("/second"))]
    whole = answer(200, body)
    packets += [wire.server(whole[at : at + 410]) for at in range(0, len(whole), 410)]
    packets += [wire.client(get("/third")), wire.server(answer(202))]
    told = pairs(listener.hear(packets))
    assert told == [("/first", 200 if said is to_head else 304), ("/second", 200), ("/third", 202)]


def test_interim_answers_are_none_and_an_upgrade_ends_the_reading() -> None:
    wire, listener = Connection(1), Listener()
    packets = [
        wire.client(get("/upload", "Expect: 100-continue", "Content-Length: 3", method="PUT")),
        wire.server(b"HTTP/1.1 100 Continue\r\n\r\n"),
        wire.client(b"abc"),
        wire.server(answer(201)),
        wire.client(get("/socket", "Upgrade: websocket")),
        wire.server(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"),
        wire.server(answer(500)),
    ]
    assert pairs(listener.hear(packets)) == [("/upload", 201), ("/socket", 101)]
    assert [slots for _, slots in listener.stage.wishes()] == [1, ENOUGH]


def test_chunks_end_where_they_end() -> None:
    wire, listener = Connection(1), Listener()
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    small = head + b"3\r\nabc\r\n0\r\n\r\n"
    large = [head + b"1000\r\n" + b"c" * 0x500, b"c" * 0xB00 + b"\r\n0\r\n\r\n"]
    packets = [wire.client(get("/small")), wire.server(small), wire.client(get("/large"))]
    packets += [wire.server(part) for part in large]
    packets += [wire.client(get("/next")), wire.server(answer(204))]
    told = listener.hear(packets)
    assert pairs(told) == [("/small", 200), ("/large", 200), ("/next", 204)]
    assert told[0].response_bytes == len(small)


@pytest.mark.parametrize("cut", range(20, 200, 7))
def test_of_a_head_that_is_cut_nothing_is_told_that_is_not_there(cut: int) -> None:
    wire, listener = Connection(1, captured=cut), Listener()
    asked = get("/some/path", "Content-Length: 123456", "X: " + "y" * 200, method="POST")
    [told] = listener.hear([wire.client(asked), wire.server(answer(200, b"z" * 300))]) or [Message()]
    assert told.target in ("", "/some/path")
    assert told.authority in ("", "shop.test")
    assert told.request_bytes in (0, len(asked) + 123456)
    assert told.response_bytes in (0, len(answer(200, b"z" * 300)))


def test_packets_sent_again_or_out_of_order_change_nothing() -> None:
    wire, listener = Connection(1), Listener()
    packets = []
    for number in range(6):
        asked = wire.client(get(f"/{number}"))
        whole = answer(200 + number, b"b" * 2000)
        first, second = wire.server(whole[:1000]), wire.server(whole[1000:])
        packets += [asked, asked, second, first, first] if number % 2 else [asked, first, second, second]
    assert pairs(listener.hear(packets)) == [(f"/{number}", 200 + number) for number in range(6)]
    assert listener.wait(wire.clock + 100 * SECOND) == []


def test_a_lost_answer_costs_one_exchange_and_is_not_called_unanswered() -> None:
    wire, listener = Connection(1), Listener()
    packets = [wire.client(get("/a")), wire.server(answer(201)), wire.client(get("/b"))]
    wire.server(answer(202, b"never seen"))
    packets += [wire.client(get("/c")), wire.server(answer(203))]
    assert pairs(listener.hear(packets)) == [("/a", 201), ("/c", 203)]
    assert listener.wait(wire.clock + 10 * SECOND) == []
    listener.wait(wire.clock + 1000 * SECOND)
    assert listener.stage.lost == 1


def test_who_waits_is_told_once_and_answered_later() -> None:
    wire, listener = Connection(1), Listener()
    assert listener.hear([wire.client(get("/slow"))]) == []
    [waits] = listener.wait(wire.clock + 3 * SECOND)
    assert (waits.type, waits.target, waits.status, waits.latency_ns) == (MessageType.REQUEST, "/slow", 0, 0)
    assert listener.wait(wire.clock + 5 * SECOND) == []
    [late] = listener.hear([wire.server(answer(200), 6 * SECOND)])
    assert (late.type, late.target, late.status, late.latency_ns) == (MessageType.RESPONSE, "/slow", 200, 6 * SECOND)


def test_the_same_ports_again_are_another_connection() -> None:
    listener, clock = Listener(), 1_000_000_000
    for start in (5, 0xF0000000, 0x40000000, 0x10000):
        wire = Connection(9, next={True: start, False: start ^ 0x55555555}, clock=clock)
        told = listener.hear([wire.client(get(f"/{start}")), wire.server(answer(200))])
        assert pairs(told) == [(f"/{start}", 200)]
        clock = wire.clock


def test_a_connection_that_began_before_we_listened_is_understood_from_the_next_request_on() -> None:
    wire, listener = Connection(1, opener=0, from_start=False), Listener()
    packets = [wire.server(b"tail of something"), wire.server(answer(500, b"for a request that we did not see"))]
    packets += [wire.client(get("/seen")), wire.server(answer(200))]
    assert pairs(listener.hear(packets)) == [("/seen", 200)]
    assert listener.stage.lost == 1


def test_full_tables_are_left_while_requests_wait() -> None:
    wire, listener = Connection(1), Listener()
    listener.hear([wire.client(get("/before", "traceparent: 00-" + "ab" * 16 + "-" + "cd" * 8 + "-00"))])
    listener.messages = Messages()
    listener.messages.texts.code("something else")
    [told] = listener.hear([wire.server(answer(200))])
    assert (told.target, told.method, told.authority, told.trace_id) == ("/before", "GET", "shop.test", "ab" * 16)


def test_passwords_in_targets_stay_here() -> None:
    wire, listener = Connection(1), Listener()
    asked = b"GET http://user:secret@proxied.test/path?q=secret HTTP/1.1\r\nHost: proxied.test\r\n\r\n"
    [told] = listener.hear([wire.client(asked), wire.server(answer(200))])
    assert told.url == "http://user:HUBBLE_REDACTED@proxied.test/path"
    assert "secret" not in repr(told)


def test_what_is_no_http_is_left_alone_after_some_packets() -> None:
    wire, listener = Connection(1), Listener()
    random_bytes = random.Random(5)
    packets = [wire.client(random_bytes.randbytes(300)) for _ in range(20)]
    assert listener.hear(packets) == []
    assert [slots for _, slots in listener.stage.wishes()] == [NEVER]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_loss_makes_a_wrong_pair(data: st.DataObject) -> None:
    """Each path carries the number that its answer's status carries; packets go missing, come twice and too early."""
    draw = data.draw
    wires = [Connection(key + 1) for key in range(draw(st.integers(1, 4)))]
    packets: list[Packet] = []
    number = 0
    for _ in range(draw(st.integers(1, 12))):
        wire = wires[draw(st.integers(0, len(wires) - 1))]
        body = b"b" * draw(st.sampled_from([0, 5, 900, 3000]))
        asked, said = b"", b""
        for _ in range(draw(st.integers(1, 3))):
            number += 1
            asked += get(f"/{wire.key}/{number}")
            said += answer(200 + number, body)
        for whole, from_client in ((asked, True), (said, False)):
            size = draw(st.sampled_from([400, 1448, 65000]))
            packets += [wire.say(from_client, whole[at : at + size]) for at in range(0, len(whole), size)]
    seen = [packet for packet in packets if draw(st.integers(0, 9)) > 0]
    for at in range(len(seen) - 1):
        if draw(st.integers(0, 9)) == 0:
            seen[at], seen[at + 1] = seen[at + 1], seen[at]
    size = draw(st.sampled_from([1, 3, 1000]))
    listener = Listener()
    listener.hear(*(seen[at : at + size] for at in range(0, len(seen), size)))
    for key, answered, message in listener.told:
        assert answered
        assert message.target == f"/{key}/{message.status - 200}"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=200), st.integers(0, 3)), max_size=12))
def test_any_bytes_are_survived(said: list[tuple[bool, bytes, int]]) -> None:
    starts = (b"", b"GET / HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: ", b"POST /x?y HTTP/1.0\r\nHost:")
    wire, listener = Connection(1), Listener()
    packets = [wire.say(from_client, starts[start] + noise) for from_client, noise, start in said]
    listener.hear([packet for packet in packets if packet.data])
    listener.wait(wire.clock + 1000 * SECOND)


def test_memory_is_bounded_whoever_asks_without_being_answered() -> None:
    stage = Stage()
    stage.turns.waiting.MOST = 100
    listener, wire = Listener(stage), Connection(1)
    for turn in range(10):
        listener.hear([wire.client(get(f"/{turn}/{number}")) for number in range(50)])
    assert len(stage.turns.waiting) == 100
    assert stage.lost == 400


class Broken:
    """A dissector that claims everything and reads nothing."""

    over = False
    unpaired = 0

    def client(self, piece: Piece) -> list[Exchange]:
        raise ValueError("broken")

    server = client

    def unanswered(self, before_ns: int) -> list[Exchange]:
        return []


def test_a_dissector_that_fails_is_counted_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    broken = Dissector("http", lambda _: Speaker.CLIENT, Broken)
    listener = Listener(Stage((broken,)))
    wires = [Connection(1), Connection(2)]
    for wire in wires:
        assert listener.hear([wire.client(b"anything at all")]) == []
    assert listener.stage.talks.failures == 2
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_one_that_fails_to_say_whose_a_packet_is_costs_no_other() -> None:
    def claims(_: bytes) -> Speaker:
        raise IndexError("broken")

    listener, wire = Listener(Stage((Dissector("kafka", claims, Broken), *DISSECTORS))), Connection(1)
    listener.hear([wire.client(b"*1\r\n$4\r\nPING\r\n")])
    assert [one.protocol for one in listener.hear([wire.server(b"+PONG\r\n")])] == ["redis"]
    assert listener.stage.talks.failures == 1


def test_connections_given_up_for_room_are_counted() -> None:
    listener = Listener(Stage((Dissector("http", lambda _: Speaker.CLIENT, Broken),)))
    listener.stage.talks.MOST = 1
    for key in (1, 2):
        listener.stage.talks.begin(key, Dissector("http", lambda _: None, Broken), True)
    assert listener.stage.lost == 1


def test_headers_are_told_of_whole_and_of_cut_requests() -> None:
    wire, listener = Connection(1, captured=99), Listener()
    fields = ("User-Agent: curl/8", "Cookie: id=secret", "X-Long: " + "x" * 100)
    packets = []
    for path in ("/a", "/b?c=secret", "http://user:secret@shop.test/"):
        packets += [wire.client(get(path, *fields)), wire.server(answer(200))]
    heard = listener.hear(packets)
    kept = (("cookie", "HUBBLE_REDACTED"), ("host", "shop.test"), ("user-agent", "curl/8"))
    assert [told.attributes for told in heard[:2]] == [kept, kept]
    assert heard[2].attributes == kept[1:]
    assert "secret" not in repr([heard, listener.messages.texts._arena.tobytes()])


def test_what_is_asked_for_is_told_and_no_credential() -> None:
    asked_for = Redaction(http_urlquery=False, http_headers_deny=("x-none",))
    wire, listener = Connection(1), Listener(Stage(redaction=asked_for))
    asked = get("/pay?page=2&token=secret", "Authorization: Bearer secret", "X-Tenant: acme")
    [told] = listener.hear([wire.client(asked), wire.server(answer(200))])
    assert told.target == "/pay?page=2&token=HUBBLE_REDACTED"
    assert told.attributes == (("authorization", "HUBBLE_REDACTED"), ("host", "shop.test"), ("x-tenant", "acme"))
    assert "secret" not in repr([told, listener.messages.texts._arena.tobytes()])
