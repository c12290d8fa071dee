"""The handshake of TLS is read as far as it is in clear; real handshakes come from OpenSSL."""

import ssl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rubin.dissect.conversation import Piece
from rubin.dissect.protocols.certificates import certificate
from rubin.dissect.protocols.ja4 import ja4
from rubin.dissect.protocols.tls import TLS, TLS_HANDSHAKE, claims, is_encrypted
from rubin.dissect.protocols.tls_hello import client_hello, server_hello
from rubin.dissect.protocols.tls_suites import suite_name
from tests.dissect.pieces import CLIENT, SERVER, heard, pieces, with_gaps
from tests.dissect.tls_talks import SHOWN, TLS12, TLS13, context, extension, handshake, hello, record

# --- whole handshakes ----------------------------------------------------------------------------


def test_a_handshake_of_1_3_shows_who_is_asked_and_what_is_agreed_on():
    packets, asks = handshake()
    conversation = TLS()
    (told,) = heard(pieces(packets), conversation)
    assert conversation.over
    assert (told.protocol, told.method, told.target, told.version) == ("tls", "HANDSHAKE", "localhost", "TLSv1.3")
    assert (told.started_ns, told.answered_ns, told.failed, told.error) == (1, 2, False, "")
    facts = dict(told.attributes)
    assert facts.pop("ja4").startswith("t13d")
    assert facts == {"alpn_offered": "h2,http/1.1", "cipher": (asks.cipher() or "?")[0]}
    assert told.attributes == tuple(sorted(told.attributes))
    assert "hunter2" not in repr(told)


def test_a_handshake_of_1_2_shows_the_certificate():
    packets, _ = handshake(server=context(ssl.PROTOCOL_TLS_SERVER, most=TLS12))
    (told,) = heard(pieces(packets), TLS())
    facts = dict(told.attributes)
    assert (told.version, told.target, told.failed) == ("TLSv1.2", "localhost", False)
    assert facts.pop("ja4").startswith("t13d")
    assert facts.pop("cipher") == "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
    assert facts == {"alpn": "h2", "alpn_offered": "h2,http/1.1", **SHOWN}


def untrusting(most) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.maximum_version = most
    return made


def demanding(most) -> ssl.SSLContext:
    made = context(ssl.PROTOCOL_TLS_SERVER, most=most)
    made.verify_mode = ssl.CERT_REQUIRED
    return made


@pytest.mark.parametrize(
    ("client", "server", "version", "status", "error"),
    [
        (untrusting(TLS12), None, "TLSv1.2", 48, "unknown_ca"),
        (untrusting(TLS13), None, "TLSv1.3", 48, "unknown_ca"),  # OpenSSL's clients say it in clear
        (None, demanding(TLS12), "TLSv1.2", 40, "handshake_failure"),
        (
            context(ssl.PROTOCOL_TLS_CLIENT, most=TLS12),
            context(ssl.PROTOCOL_TLS_SERVER, TLS13),
            "",
            70,
            "protocol_version",
        ),
    ],
)
def test_who_gives_up_says_why(client, server, version, status, error):
    packets, _ = handshake(client, server)
    (told,) = heard(pieces(packets), TLS())
    assert (told.version, told.failed, told.status, told.error) == (version, True, status, error)
    assert told.target == "localhost"
    assert told.answered_ns == 2


@pytest.mark.parametrize(("most", "version"), [(TLS12, "TLSv1.2"), (TLS13, "TLSv1.3")])
def test_an_earlier_session_may_go_on(most, version):
    client, server = context(ssl.PROTOCOL_TLS_CLIENT, most=most), context(ssl.PROTOCOL_TLS_SERVER)
    packets, asks = handshake(client, server)
    assert "resumed" not in dict(heard(pieces(packets), TLS())[0].attributes)
    packets, _ = handshake(client, server, asks.session)
    (told,) = heard(pieces(packets), TLS())
    assert (told.version, dict(told.attributes)["resumed"], told.failed) == (version, "yes", False)


def test_a_server_may_ask_for_another_hello():
    server = context(ssl.PROTOCOL_TLS_SERVER)
    server.set_ecdh_curve("secp521r1")
    packets, _ = handshake(server=server)
    (told,) = heard(pieces(packets), TLS())
    assert dict(told.attributes)["retry"] == "yes"
    assert (told.version, told.started_ns, told.answered_ns, told.failed) == ("TLSv1.3", 1, 2, False)


@pytest.mark.parametrize(("length", "error"), [(19, "encrypted_alert"), (53, "")])
def test_an_encrypted_alert_is_known_by_its_length(length, error):
    packets, _ = handshake()
    conversation = TLS()
    assert heard(pieces([*packets[:2], (CLIENT, record(20, b"\1"))]), conversation) == []
    (told,) = conversation.client(Piece(record(23, bytes(length)), 4))
    assert (told.version, told.error, told.failed) == ("TLSv1.3", error, bool(error))


def test_who_hangs_up_has_failed():
    packets, _ = handshake()
    (told,) = heard(pieces([packets[0], (CLIENT, b"\x15\x03\x03\0\2\1\0")]), TLS())
    assert (told.failed, told.error, told.answered_ns) == (True, "close_notify", 0)


def test_a_hello_that_nobody_answers_is_told_when_it_is_old():
    packets, _ = handshake()
    conversation = TLS()
    assert heard(pieces(packets[:1]), conversation) == []
    assert conversation.unanswered(1) == []
    (told,) = conversation.unanswered(2)
    assert (told.target, told.started_ns, told.answered_ns, told.version) == ("localhost", 1, 0, "")
    assert conversation.over
    assert conversation.unanswered(1 << 60) == []


# --- what is missing -----------------------------------------------------------------------------


SNI = extension(0, b"\0\7\0\0\4shop")
KEY_SHARE = extension(51, b"\x11\xec" * 610)  # as long as X25519MLKEM768


def test_of_a_hello_that_is_cut_only_what_is_there_is_told():
    packets, _ = handshake()
    for extensions, target in (((SNI, KEY_SHARE), "shop"), ((KEY_SHARE, SNI), "")):
        asked = record(22, hello(*extensions), 1)
        (told,) = heard(pieces([(CLIENT, asked), *packets[1:]], 880), TLS())
        assert (told.target, told.version) == (target, "TLSv1.3")
        assert "ja4" not in dict(told.attributes)
        (told,) = heard(pieces([(CLIENT, asked), *packets[1:]], 3500), TLS())
        assert (told.target, "ja4" in dict(told.attributes)) == ("shop", True)


def test_a_hello_in_several_records_and_packets_is_one():
    body = record(22, hello(KEY_SHARE, SNI), 1)[5:]
    asked = record(22, body[:3]) + record(22, body[3:700]) + record(22, body[700:])
    conversation = TLS()
    assert heard(pieces([(CLIENT, asked[:2]), (CLIENT, asked[2:900]), (CLIENT, asked[900:])]), conversation) == []
    (told,) = conversation.unanswered(1 << 60)
    assert told.target == "shop"
    assert "ja4" in dict(told.attributes)


def test_what_follows_a_record_that_is_cut_is_found():
    asked = record(22, hello(KEY_SHARE, SNI), 1)
    conversation = TLS()
    assert conversation.client(Piece(asked[:300], 1)) == []
    (told,) = conversation.client(Piece(asked[-5:] + record(21, b"\2\x50"), 2, len(asked) - 305))
    assert (told.error, told.status, told.started_ns, told.target) == ("internal_error", 80, 1, "")


def test_of_a_certificate_that_is_cut_only_what_is_there_is_told():
    packets, _ = handshake(server=context(ssl.PROTOCOL_TLS_SERVER, most=TLS12))
    asked, answered, *rest = pieces(packets)
    shown = []
    for cut in range(700):
        piece = answered[1]._replace(data=packets[1][1][:cut])
        after = [(x, y._replace(skipped=700 - cut if x is SERVER else 0)) for x, y in rest]
        (told,) = heard([asked, (SERVER, piece), *after], TLS())
        known = {name: x for name, x in told.attributes if name in SHOWN}
        shown.append(len(known))
        assert SHOWN["names"].startswith(known.pop("names", ""))
        assert known.items() <= SHOWN.items()
    assert shown == sorted(shown)
    assert {*shown} == {0, 1, 2, 3, 4}


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_nothing_wrong_is_said_of_what_has_gaps(data):
    most = data.draw(st.sampled_from((TLS12, TLS13)))
    packets = PACKETS[most]
    said, complete = with_gaps(data.draw, packets)
    conversation = TLS()
    told = [*heard(said, conversation), *conversation.unanswered(1 << 60)]
    assert len(told) <= 1
    (whole,) = heard(pieces(packets), TLS())
    for exchange in told:
        assert exchange.target in ("", "localhost")
        assert exchange.version in ("", whole.version)
        assert not exchange.failed
        known, true = dict(exchange.attributes), dict(whole.attributes)
        assert true.pop("names", "").startswith(known.pop("names", ""))
        assert known.items() <= true.items()
        if complete:
            assert (exchange.target, exchange.version, exchange.attributes) == (
                whole.target,
                whole.version,
                whole.attributes,
            )


PACKETS = {most: handshake(context(ssl.PROTOCOL_TLS_CLIENT, most=most))[0] for most in (TLS12, TLS13)}
RECORDS = st.builds(
    record, st.sampled_from((20, 21, 22, 23)), st.binary(max_size=80), st.sampled_from((None, 1, 2, 11))
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.one_of(st.binary(max_size=60), RECORDS), st.integers(-1, 90))))
def test_no_bytes_do_harm(said):
    conversation, told = TLS(), []
    for time_ns, (client, data, skipped) in enumerate(said, 1):
        claims(data), is_encrypted(data)
        piece = Piece(data, time_ns, skipped if skipped < 9 else 0)
        told += (conversation.client if client else conversation.server)(piece)
    told += conversation.unanswered(1 << 60)
    assert len(told) <= 1


@given(st.binary(max_size=200))
def test_no_hello_and_no_certificate_does_harm(data):
    for made in (client_hello(data), client_hello(hello(data)), server_hello(data), certificate(data)):
        assert repr(made)
    ja4(client_hello(hello(data)))


# --- certificates, names -------------------------------------------------------------------------


def test_suites_have_names():
    assert [suite_name(number) for number in (0x1301, 0x1234, 0)] == ["TLS_AES_128_GCM_SHA256", "0x1234", ""]


# --- who speaks ----------------------------------------------------------------------------------


def test_who_says_hello():
    for packets in PACKETS.values():
        assert [claims(data) for _, data in packets] == [CLIENT, SERVER] + [None] * (len(packets) - 2)
        assert [is_encrypted(data) for _, data in packets][-1]
        assert not any(is_encrypted(data) for _, data in packets[:2])
    assert claims(record(22, hello(KEY_SHARE), 1)[:11]) is CLIENT
    assert (TLS_HANDSHAKE.name, TLS_HANDSHAKE.claims, TLS_HANDSHAKE.converse) == ("tls", claims, TLS)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x16\x03\x01",
        b"\x16\x03\x01\x00\x50\x01\x00\x00",
        b"\x16\x03\x01\x00\x50\x0b\x00\x00\x4c\x03\x03" + bytes(60),
        b"\x16\x03\x01\x00\x50\x01\x00\x00\x02\x03\x03" + bytes(60),
        b"\x16\x03\x01\x00\x50\x01\x00\x00\x4c\x07\x07" + bytes(60),
        b"\x16\xfe\xfd\x00\x50\x01\x00\x00\x4c\xfe\xfd" + bytes(60),  # DTLS
        b"GET / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\n",
    ],
)
def test_others_are_not_claimed(data):
    assert claims(data) is None
    assert not is_encrypted(data)
