from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rubin.dissect.conversation import Piece, Speaker
from rubin.dissect.protocols.framing import OUTSTANDING
from rubin.dissect.protocols.mysql import MYSQL, MySQL
from tests.dissect.speaking import MS, START, Said, brief, client, everything, heard, said, server, talk

claims = MYSQL.claims
DB, LONG_PASSWORD, COMPRESS, PROTOCOL_41, SSL, SECURE, DEPRECATE_EOF = 8, 1, 32, 512, 2048, 32768, 1 << 24


def packet(number, body):
    return len(body).to_bytes(3, "little") + bytes([number & 255]) + body


def greeting(flags=DEPRECATE_EOF, version=b"8.0.36"):
    flags |= PROTOCOL_41 | SECURE | DB | SSL | COMPRESS
    body = b"\x0a" + version + b"\0" + pack("<I", 7) + b"secret12" + b"\0" + pack("<H", flags & 0xFFFF) + b"\x2d"
    return packet(
        0, body + pack("<HHB", 2, flags >> 16, 21) + bytes(10) + b"secret123456\0" + b"mysql_native_password\0"
    )


def login(flags=DEPRECATE_EOF, user=b"joe", database=b"shop"):
    head = pack("<IIB", flags | PROTOCOL_41 | SECURE | DB, 1 << 24, 45) + bytes(23)
    return packet(1, head + user + b"\0" + b"\x06secret" + database + b"\0" + b"mysql_native_password\0")


def command(code, body=b""):
    return packet(0, bytes([code]) + body)


def query(text):
    return command(3, text.encode())


def ok(number=1, rows=0, status=2, head=b"\0"):
    return packet(number, head + bytes([rows, 0]) + pack("<HH", status, 0))


def eof(number, status=2):
    return packet(number, b"\xfe" + pack("<HH", 0, status))


def error(code, state=b"HY000", number=1):
    return packet(number, b"\xff" + pack("<H", code) + b"#" + state + b"secret")


def column(number, name=b"a"):
    texts = (b"def", b"shop", b"t", b"t", name, name)
    return packet(number, b"".join(bytes([len(text)]) + text for text in texts) + b"\x0c" + bytes(12))


def result(*rows, deprecate=True, first=1, status=2):
    packets = [packet(first, b"\1"), column(first + 1)]
    if not deprecate:
        packets.append(eof(first + 2))
    for row in rows:
        head = bytes([len(row)]) if len(row) < 251 else b"\xfc" + pack("<H", len(row))
        packets.append(packet(first + len(packets), head + row))
    number = first + len(packets)
    packets.append(ok(number, status=status, head=b"\xfe") if deprecate else eof(number, status))
    return b"".join(packets)


LOGIN = (server(greeting()), client(login()), server(ok(2)))
OLD_LOGIN = (server(greeting(0)), client(login(0)), server(ok(2)))


def test_logging_in_and_a_query():
    answer = result(b"secret", b"secret2")
    found = talk(
        MySQL(),
        *LOGIN,
        client(query("SELECT * FROM users WHERE name = 'secret'")),
        server(answer[:20], after_ms=5),
        server(answer[20:]),
    )
    assert brief(found) == [("CONNECT", "shop", "ok"), ("SELECT", "SELECT * FROM users WHERE name = ?", "ok")]
    who = (("database", "shop"), ("user", "joe"), ("server_version", "8.0.36"))
    assert [one.attributes for one in found] == [who, (*who, ("tables", "users"))]
    assert (found[1].response_bytes, found[1].answered_ns - found[1].started_ns) == (len(answer), 5 * MS)
    assert "secret" not in everything(found)


def test_a_login_in_several_steps_and_one_that_is_refused():
    switch = packet(2, b"\xfecaching_sha2_password\0secret\0")
    steps = (server(greeting()), client(login()), server(switch), client(packet(3, b"secret")))
    found = talk(MySQL(), *steps, server(packet(4, b"\1\3")), server(ok(5)))
    found += talk(MySQL(), *steps, server(error(1045, b"28000", 4)))
    found += talk(MySQL(), server(packet(0, b"\xff" + pack("<H", 1040) + b"Too many connections")))
    assert brief(found) == [
        ("CONNECT", "shop", "ok"),
        ("CONNECT", "shop", "1045 28000 ER_ACCESS_DENIED_ERROR"),
        ("CONNECT", "", "1040 ER_CON_COUNT_ERROR"),
    ]
    assert [one.status for one in found] == [0, 1045, 1040]
    assert "secret" not in everything(found)


@pytest.mark.parametrize("deprecate", [True, False])
def test_results_of_every_kind(deprecate):
    more = result(b"x", deprecate=deprecate, status=10)
    second = result(deprecate=deprecate, first=more.count(b"\0\0") and 5 + (not deprecate), status=2)
    found = talk(
        MySQL(),
        *(LOGIN if deprecate else OLD_LOGIN),
        client(query("SELECT 1")),
        server(result(deprecate=deprecate)),
        client(query("SELECT 1; SELECT 2")),
        server(more, second),
        client(query("UPDATE t SET a = 'secret'")),
        server(ok(rows=3)),
        client(query("SELECT nosuch")),
        server(error(1054, b"42S22")),
        client(query("SELECT 3")),
        server(packet(1, b"\1"), column(2), *(() if deprecate else (eof(3),)), error(1317, number=4)),
        client(command(0x0E)),
        server(ok()),
    )
    assert brief(found)[1:] == [
        ("SELECT", "SELECT ?", "ok"),
        ("SELECT", "SELECT ?; SELECT ?", "ok"),
        ("UPDATE", "UPDATE t SET a = ?", "ok"),
        ("SELECT", "SELECT nosuch", "1054 42S22 ER_BAD_FIELD_ERROR"),
        ("SELECT", "SELECT ?", "1317 HY000 ER_QUERY_INTERRUPTED"),
        ("PING", "", "ok"),
    ]
    assert found[2].response_bytes == len(more + second)
    assert ("rows", "3") in found[3].attributes


@pytest.mark.parametrize("deprecate", [True, False])
@pytest.mark.parametrize("joined", [True, False])
def test_prepared_statements(deprecate, joined):
    prepared = packet(1, b"\0" + pack("<IHHBH", 7, 1, 1, 0, 0))
    ends = (eof(3),) if not deprecate else ()
    last = (eof(5),) if not deprecate else ()
    run = command(0x17, pack("<IBI", 7, 0, 1) + b"\0\1\xfd\0\6secret")
    packets = [
        client(command(0x16, b"SELECT a FROM t WHERE b = ?")),
        server(prepared, column(2), *ends, column(4 - deprecate), *last),
        client(run),
        server(result(b"secret", deprecate=deprecate)),
        client(command(0x18, pack("<IH", 7, 0) + b"secret")),
        client(run),
        server(error(1205)),
        client(command(0x19, pack("<I", 7))),
        client(run),
        server(error(1243)),
        client(command(0x01)),
    ]
    before = () if joined else (LOGIN if deprecate else OLD_LOGIN)
    found = talk(MySQL(), *before, *packets, joined=joined)
    assert brief(found)[not joined :] == [
        ("PREPARE", "SELECT a FROM t WHERE b = ?", "ok"),
        ("SELECT", "SELECT a FROM t WHERE b = ?", "ok"),
        ("SELECT", "SELECT a FROM t WHERE b = ?", "1205 HY000 ER_LOCK_WAIT_TIMEOUT"),
        ("EXECUTE", "", "1243 HY000 ER_UNKNOWN_STMT_HANDLER"),
    ]
    assert "secret" not in everything(found)


def test_other_commands_and_a_file():
    found = talk(
        MySQL(),
        *LOGIN,
        client(command(2, b"other")),
        server(ok()),
        client(command(9)),
        server(packet(1, b"Uptime: 1")),
        client(command(4, b"t\0")),
        server(column(1), column(2), eof(3)),
        client(command(0x1F)),
        server(ok()),
        client(query("LOAD DATA LOCAL INFILE 'secret' INTO TABLE t")),
        server(packet(1, b"\xfbsecret")),
        client(packet(2, b"secret\n" * 100), packet(3, b"")),
        server(ok(4, rows=100)),
        client(command(0x12, b"secret")),
    )
    assert [(one.method, one.target) for one in found[1:]] == [
        ("INIT_DB", "other"),
        ("STATISTICS", ""),
        ("FIELD_LIST", ""),
        ("RESET_CONNECTION", ""),
        ("LOAD", "LOAD DATA LOCAL INFILE ? INTO TABLE t"),
    ]
    assert found[3].attributes[0] == ("database", "other")
    assert found[-1].attributes[-2:] == (("tables", "t"), ("rows", "100"))
    assert "secret" not in everything(found)


def test_what_cannot_be_read_ends_the_conversation():
    conversation = MySQL()
    hello = packet(1, pack("<IIB", SSL | PROTOCOL_41, 1 << 24, 45) + bytes(23))
    assert talk(conversation, server(greeting()), client(hello), client(b"\x16\x03\x01")) == []
    assert conversation.over
    conversation = MySQL()
    assert len(talk(conversation, server(greeting()), client(login(COMPRESS)), server(ok(2)))) == 1
    assert conversation.over
    conversation = MySQL()
    talk(conversation, *LOGIN, client(command(0x12, b"binlog")))
    assert conversation.over


def test_query_attributes_are_not_shown():
    flagged = [client(command(3, b"\0\1SELECT 'secret'")), server(ok()), client(command(3, b"\1\1\0\1secret SELECT 1"))]
    found = talk(MySQL(), *LOGIN, *flagged, server(ok()))
    assert brief(found)[1:] == [("SELECT", "SELECT ?", "ok"), ("QUERY", "", "ok")]
    assert "secret" not in everything(found)


def test_a_backslash_escapes_nothing_where_the_session_says_so():
    packets = [client(query("SET sql_mode = 'x'")), server(ok(status=0x202)), client(query("SELECT 'a\\' , 'secret'"))]
    assert "secret" not in everything(talk(MySQL(), *LOGIN, *packets))


def test_messages_of_more_than_is_heard():
    long = result(*[b"secret" * 8] * 100)
    packets = [
        *LOGIN,
        client(query("INSERT INTO t VALUES ('" + "secret" * 500 + "')")),
        server(ok(rows=1)),
        client(query("SELECT 1 FROM a")),
        server(long),
        client(query("SELECT 2 FROM b")),
        server(result(b"secret" * 500)),
        client(query("SELECT 3 FROM c")),
        server(result(b"x")),
    ]
    found = said(MySQL(), heard(packets, 880))
    assert [(one.method, one.response_bytes) for one in found[1:]] == [
        ("INSERT", len(ok())),
        ("SELECT", len(long)),
        ("SELECT", len(result(b"secret" * 500))),
        ("SELECT", len(result(b"x"))),
    ]
    assert found[1].request_bytes == len(packets[3].data)
    assert "secret" not in everything(found)


def test_more_than_16_megabytes():
    most = 0xFFFFFF
    long = b"INSERT INTO t VALUES ('" + b"s" * (most + 100)
    first = packet(0, b"\3" + long[: most - 1])
    second = packet(1, long[most - 1 :])
    row = packet(3, b"\xfe" + b"s" * (most - 1)) + packet(4, b"\xfe" + b"s" * 50)
    packets = [
        client(first),
        client(second),
        server(ok(2, rows=1)),
        client(query("SELECT 1")),
        server(packet(1, b"\1") + column(2) + row),
        server(ok(5, head=b"\xfe")),
    ]
    found = said(MySQL(), heard([*LOGIN, *packets], 880))
    assert [(one.method, one.request_bytes) for one in found[1:]] == [
        ("INSERT", len(first + second)),
        ("SELECT", len(query("SELECT 1"))),
    ]
    assert all(one.answered_ns for one in found)


def test_what_nobody_answers_is_told_once():
    conversation = MySQL()
    said(conversation, heard([*LOGIN, client(query("SELECT 1"))]), end=False)
    assert list(conversation.unanswered(START)) == []
    assert brief(list(conversation.unanswered(1 << 62))) == [("SELECT", "SELECT ?", "?")]
    assert list(conversation.unanswered(1 << 62)) == []


def test_requests_without_end_take_no_more_than_so_much():
    conversation = MySQL()
    for number in range(10_000):
        list(conversation.client(Piece(query(f"SELECT {number}"), START + number)))
        assert len(conversation._order.waiting) <= OUTSTANDING
    for number in range(2_000):
        list(conversation.client(Piece(command(0x16, b"SELECT 1"), START + 10**12 + number * 10**9)))
        list(conversation.server(Piece(packet(1, b"\0" + pack("<IHHBH", number, 0, 0, 0, 0)), START + 10**12)))
    assert 0 < len(conversation._prepared) <= 512


@pytest.mark.parametrize(
    ("data", "speaker"),
    [
        (greeting(), Speaker.SERVER),
        (greeting(version=b"5.5.5-10.11.6-MariaDB"), Speaker.SERVER),
        (query("select 1"), Speaker.CLIENT),
        (query("select " + "a, " * 900)[:880], Speaker.CLIENT),
        (command(0x16, b"select 1"), Speaker.CLIENT),
        (command(0x17, pack("<IBI", 7, 0, 1)), Speaker.CLIENT),
        (query("hello"), None),
        (result(b"x"), Speaker.SERVER),
        (error(1146, b"42S02"), Speaker.SERVER),
        (ok(), None),
    ],
)
def test_whom_it_claims(data, speaker):
    assert claims(data) is speaker


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=60), st.integers(-1, 60)), max_size=20), st.booleans())
def test_any_bytes(pieces, logged_in):
    before = heard(LOGIN) if logged_in else []
    found = said(MySQL(), before + [(who, Piece(data, START, skipped)) for who, data, skipped in pieces])
    assert all(one.protocol == "mysql" for one in found)


@st.composite
def _talks(draw, pipelined):
    kinds = draw(st.lists(st.integers(0, 60), min_size=1, max_size=25))
    packets: list[Said] = list(LOGIN)
    waiting: list[bytes] = []
    if pipelined:  # it is known from the start that this client does not wait
        packets += [client(*[command(0x0E)] * 3), server(*[ok()] * 3)]
    for number, rows in enumerate(kinds):
        packets.append(client(query(f"SELECT a FROM t{number} WHERE b = 'secret'"), after_ms=1 if waiting else 3))
        waiting.append(result(*[b"secret"] * rows)[: -len(ok())] + error(5000 + number, number=3 + rows))
        while waiting and (not pipelined or draw(st.booleans())):
            answered = waiting.pop(0)
            cut = draw(st.one_of(st.just(0), st.integers(min(40, len(answered)), len(answered))))
            packets += [server(part) for part in (answered[:cut], answered[cut:]) if part]
    return packets + [server(answered) for answered in waiting]


@settings(max_examples=200, deadline=None)
@given(st.booleans().flatmap(_talks), st.booleans(), st.data())
def test_no_answer_is_ever_paired_with_another_request(packets, side, data):
    lost = data.draw(st.sets(st.sampled_from(range(5, max(len(packets), 6))), max_size=5))
    lost = {number for number in lost if number < len(packets) and packets[number].client == side}
    found = said(MySQL(), heard(packets, data.draw(st.sampled_from([100, 300, 880, 1 << 20])), lost))
    for one in found:
        if one.status and one.target.startswith("SELECT a FROM t"):
            assert one.status - 5000 == int(one.target.split()[3][1:])
    assert "secret" not in everything(found)


@settings(max_examples=50, deadline=None)
@given(st.booleans().flatmap(_talks), st.data())
def test_what_is_heard_whole_is_told_whole_however_it_is_cut(packets, data):
    found = said(MySQL(), heard(packets))
    assert len(found) == 1 + sum(packet.data.count(b"SELECT") + packet.data.count(command(0x0E)) for packet in packets)
    assert all(one.answered_ns for one in found)
    pieces = []
    for one in packets:
        at = data.draw(st.integers(0, len(one.data)))
        pieces += [Said(one.client, part) for part in (one.data[:at], one.data[at:]) if part]
    assert brief(said(MySQL(), heard(pieces))) == brief(found)
