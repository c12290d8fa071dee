from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rubin.dissect.conversation import Piece, Speaker
from rubin.dissect.protocols.framing import OUTSTANDING
from rubin.dissect.protocols.postgresql import POSTGRESQL, PostgreSQL
from tests.dissect.speaking import MS, START, Said, brief, client, everything, heard, said, server, talk

claims = POSTGRESQL.claims


def message(kind, body=b""):
    return kind + pack(">I", len(body) + 4) + body


def startup(**settings_):
    body = pack(">I", 0x30000) + b"".join(f"{k}\0{v}\0".encode() for k, v in settings_.items()) + b"\0"
    return pack(">I", len(body) + 4) + body


def query(text):
    return message(b"Q", text.encode() + b"\0")


def parse(text, name=""):
    return message(b"P", f"{name}\0{text}\0".encode() + pack(">H", 0))


def bind(*values, name="", portal=""):
    body = f"{portal}\0{name}\0".encode() + pack(">HH", 0, len(values))
    return message(b"B", body + b"".join(pack(">I", len(value)) + value for value in values) + pack(">H", 0))


def execute(portal=""):
    return message(b"E", portal.encode() + b"\0" + pack(">I", 0))


def describe():
    return message(b"D", b"P\0")


def row(*values):
    return message(b"D", pack(">H", len(values)) + b"".join(pack(">I", len(value)) + value for value in values))


def columns(*names):
    fields = (name.encode() + b"\0" + pack(">IHIhIH", 0, 0, 25, -1, 0xFFFFFFFF, 0) for name in names)
    return message(b"T", pack(">H", len(names)) + b"".join(fields))


def complete(tag):
    return message(b"C", tag.encode() + b"\0")


def error(code, text="secret", severity="ERROR"):
    return message(b"E", f"S{severity}\0V{severity}\0C{code}\0M{text}\0\0".encode())


SYNC, READY = message(b"S"), message(b"Z", b"I")
PARSED, BOUND, NO_DATA, FLUSH = message(b"1"), message(b"2"), message(b"n"), message(b"H")
OK, STATUS = message(b"R", pack(">I", 0)), message(b"S", b"server_version\x0015.3\0")
SSL, CANCEL = pack(">II", 8, 80877103), pack(">IIII", 16, 80877102, 4711, 0x5EC)
LOGIN = (client(startup(user="joe", database="shop")), server(OK, STATUS, message(b"K", pack(">II", 1, 2)), READY))


def answer(count=1, value=b"x"):
    return columns("a") + row(value) * count + complete(f"SELECT {count}") + READY


def test_logging_in_and_a_query():
    found = talk(
        PostgreSQL(),
        client(startup(user="joe", database="shop", application_name="psql")),
        server(message(b"R", pack(">I", 10) + b"SCRAM-SHA-256\0\0")),
        client(message(b"p", b"SCRAM-SHA-256\0secret")),
        server(message(b"R", pack(">I", 11) + b"secret")),
        client(message(b"p", b"secret")),
        server(message(b"R", pack(">I", 12) + b"secret"), OK, STATUS, READY),
        client(query("SELECT * FROM users WHERE name = 'secret'")),
        server(columns("name"), row(b"secret"), row(b"secret2"), after_ms=7),
        server(complete("SELECT 2"), READY),
    )
    assert brief(found) == [("STARTUP", "shop", "ok"), ("SELECT", "SELECT * FROM users WHERE name = ?", "ok")]
    login, select = found
    assert login.attributes == (("database", "shop"), ("user", "joe"))
    assert select.attributes == (("database", "shop"), ("user", "joe"), ("tables", "users"), ("rows", "2"))
    assert select.answered_ns - select.started_ns == 7 * MS
    assert select.request_bytes == len(query("SELECT * FROM users WHERE name = 'secret'"))
    assert select.response_bytes == len(
        columns("name") + row(b"secret") + row(b"secret2") + complete("SELECT 2") + READY
    )
    assert "secret" not in everything(found)


def test_errors_are_told_by_code_and_name():
    found = talk(
        PostgreSQL(),
        *LOGIN,
        client(query("SELECT * FROM nosuch")),
        server(error("42P01", 'relation "secret" does not exist'), READY),
        client(query("SELECT 1/0")),
        server(error("ZZ999"), READY),
    )
    assert brief(found)[1:] == [
        ("SELECT", "SELECT * FROM nosuch", "42P01 undefined_table"),
        ("SELECT", "SELECT ?/?", "ZZ999"),
    ]
    assert all(one.failed for one in found[1:])
    assert "secret" not in everything(found)


@pytest.mark.parametrize("code", ["28P01", "3D000"])
def test_a_login_that_is_refused(code):
    (one,) = talk(
        PostgreSQL(),
        client(startup(user="joe")),
        server(message(b"R", pack(">I", 5) + b"salt")),
        client(message(b"p", b"md5secret\0")),
        server(error(code, severity="FATAL")),
    )
    assert (one.method, one.target, one.failed, one.error[:5]) == ("STARTUP", "joe", True, code)
    assert ("severity", "FATAL") in one.attributes


def test_several_statements_of_one_query_and_what_an_error_keeps_from_being_executed():
    found = talk(
        PostgreSQL(),
        *LOGIN,
        client(query("BEGIN; INSERT INTO t VALUES (1); DELETE FROM t; COMMIT")),
        server(complete("BEGIN"), complete("INSERT 0 1"), error("23503"), READY),
    )
    assert [(one.method, one.error) for one in found[1:]] == [
        ("BEGIN", ""),
        ("INSERT", ""),
        ("DELETE", "23503 foreign_key_violation"),
        ("COMMIT", "aborted"),
    ]
    assert len({one.started_ns for one in found[1:]}) == 1


def test_prepared_statements():
    found = talk(
        PostgreSQL(),
        *LOGIN,
        client(parse("SELECT a FROM t WHERE b = $1", "s1"), message(b"D", b"Ss1\0"), FLUSH),
        server(PARSED, message(b"t", pack(">HI", 1, 25)), columns("a")),
        client(bind(b"secret", name="s1"), execute(), SYNC),
        server(BOUND, row(b"secret"), complete("SELECT 1"), READY),
        client(bind(b"secret", name="s1"), describe(), execute(), SYNC),
        server(BOUND, NO_DATA, complete("SELECT 0"), READY),
        client(bind(b"secret", name="unheard of"), execute(), SYNC),
        server(BOUND, complete("UPDATE 7"), READY),
    )
    assert brief(found)[1:] == [
        ("SELECT", "SELECT a FROM t WHERE b = ?", "ok"),
        ("SELECT", "SELECT a FROM t WHERE b = ?", "ok"),
        ("", "", "ok"),
    ]
    assert found[-1].attributes[-1] == ("rows", "7")
    assert "secret" not in everything(found)


def test_a_statement_that_cannot_be_prepared_is_told_and_one_that_can_is_not():
    found = talk(
        PostgreSQL(),
        *LOGIN,
        client(parse("SELECT 1"), message(b"D", b"S\0"), SYNC),
        server(PARSED, NO_DATA, READY),
        client(parse("SELECT nosuch"), message(b"D", b"S\0"), SYNC),
        server(error("42703"), READY),
        client(parse("SELECT nosuch"), message(b"D", b"S\0"), FLUSH),
        server(error("42703")),
        client(SYNC),
        server(READY),
        client(query("SELECT 2")),
        server(answer()),
    )
    assert brief(found)[1:] == [
        ("SELECT", "SELECT nosuch", "42703 undefined_column"),
        ("SELECT", "SELECT nosuch", "42703 undefined_column"),
        ("SELECT", "SELECT ?", "ok"),
    ]


def test_pipelined_executions_are_exchanges_of_their_own():
    verbs = ("INSERT", "UPDATE", "DELETE")
    texts = ("INSERT INTO t VALUES ($1)", "UPDATE t SET a = $1", "DELETE FROM t")
    found = talk(
        PostgreSQL(),
        *LOGIN,
        client(*(parse(text) + bind(b"secret") + execute() for text in texts), SYNC),
        server(*(PARSED + BOUND + complete(f"{verb} 0 1") for verb in verbs), READY),
        client(parse(texts[0]), bind(), execute(), SYNC, parse(texts[1]), bind(), execute(), SYNC),
        server(PARSED, BOUND, error("23505"), READY, PARSED, BOUND, complete("UPDATE 1"), READY),
    )
    assert [(one.method, one.error) for one in found[1:]] == [
        *((verb, "") for verb in verbs),
        ("INSERT", "23505 unique_violation"),
        ("UPDATE", ""),
    ]


def test_copy_function_call_and_words_in_between():
    data = message(b"d", b"secret\n")
    found = talk(
        PostgreSQL(),
        *LOGIN,
        client(query("COPY t FROM STDIN")),
        server(message(b"G", b"\0\0\1\0\0")),
        client(data, data, message(b"c")),
        server(message(b"N", b"SNOTICE\0VNOTICE\0C00000\0Msecret\0\0"), complete("COPY 2"), READY),
        server(message(b"A", pack(">I", 7) + b"secret\0secret\0")),
        client(query("COPY t TO STDOUT")),
        server(message(b"H", b"\0\0\1\0\0"), data, data, message(b"c"), complete("COPY 2"), READY),
        client(message(b"F", pack(">IHHH", 1234, 0, 0, 0))),
        server(message(b"V", pack(">I", 6) + b"secret"), READY),
        client(message(b"X")),
    )
    assert brief(found)[1:] == [
        ("COPY", "COPY t FROM STDIN", "ok"),
        ("COPY", "COPY t TO STDOUT", "ok"),
        ("FUNCTION", "1234", "ok"),
    ]
    assert "secret" not in everything(found)


def test_copy_in_of_more_than_is_heard():
    packets = [
        *LOGIN,
        client(query("COPY t FROM STDIN")),
        server(message(b"G", b"\0\0\1\0\0")),
        *(client(*(message(b"d", b"secret %d\n" % i) for i in range(100))) for _ in range(5)),
        client(message(b"c")),
        server(complete("COPY 500"), READY),
        client(query("SELECT 1")),
        server(answer()),
    ]
    assert [(one.method, one.attributes[-1][1]) for one in said(PostgreSQL(), heard(packets, 300))[1:]] == [
        ("COPY", "500"),
        ("SELECT", "1"),
    ]


def test_encryption_ends_the_conversation_and_its_refusal_does_not():
    conversation = PostgreSQL()
    assert talk(conversation, client(SSL), server(b"S"), client(b"\x16\x03\x01" * 9)) == []
    assert conversation.over
    conversation = PostgreSQL()
    assert len(talk(conversation, client(SSL), server(b"N"), *LOGIN)) == 1
    assert not conversation.over


def test_cancelling_and_replication_end_it_too():
    conversation = PostgreSQL()
    assert brief(talk(conversation, client(CANCEL))) == [("CANCEL", "", "?")]
    assert conversation.over
    conversation = PostgreSQL()
    found = talk(conversation, *LOGIN, client(query("START_REPLICATION 0/0")), server(message(b"W", b"\0\0\0")))
    assert len(found) == 2
    assert conversation.over


def test_a_server_that_goes_says_why():
    found = talk(PostgreSQL(), *LOGIN, server(error("57P01", severity="FATAL")))
    assert (found[-1].started_ns, found[-1].error) == (0, "57P01 admin_shutdown")


def test_a_long_answer_ends_where_the_client_asks_anew():
    long = answer(100, b"x" * 50)
    packets = [
        *LOGIN,
        client(query("SELECT 1 FROM a")),
        server(long),
        client(query("SELECT 2 FROM b")),
        server(answer()),
    ]
    found = said(PostgreSQL(), heard(packets, 880))
    assert [(one.target, one.response_bytes) for one in found[1:]] == [
        ("SELECT ? FROM a", len(long)),
        ("SELECT ? FROM b", len(answer())),
    ]


def test_the_end_of_a_long_answer_is_found_again():
    rows = row(b"x" * 50) * 40
    packets = [
        *LOGIN,
        client(query("SELECT 1")),
        server(columns("a"), rows),
        server(rows[:-33]),
        server(rows[-33:], complete("SELECT 80"), READY),
    ]
    found = said(PostgreSQL(), heard(packets, 880))
    assert found[-1].attributes[-1] == ("rows", "80")
    assert found[-1].response_bytes == len(columns("a") + rows + rows + complete("SELECT 80") + READY)


def test_a_message_that_covers_the_gap_costs_nothing():
    packets = [
        *LOGIN,
        client(query("SELECT 1 WHERE a = '" + "secret" * 300 + "'")),
        server(columns("a"), row(b"y" * 3000)),
        server(complete("SELECT 1"), READY),
    ]
    found = said(PostgreSQL(), heard(packets, 880))
    assert found[-1].attributes[-1] == ("rows", "1")
    assert found[-1].target == "SELECT ? WHERE a = ?"
    assert "secret" not in everything(found)


def test_parameters_longer_than_what_is_heard():
    packets = [
        *LOGIN,
        client(parse("INSERT INTO t VALUES ($1)"), bind(b"secret" * 500), execute(), SYNC),
        server(PARSED, BOUND, complete("INSERT 0 1"), READY),
        client(query("SELECT 1")),
        server(answer()),
    ]
    found = said(PostgreSQL(), heard(packets, 880))
    assert [(one.method, one.attributes[-1]) for one in found[1:]] == [
        ("INSERT", ("rows", "1")),
        ("SELECT", ("rows", "1")),
    ]
    assert "secret" not in everything(found)


def test_joined_in_the_middle():
    packets = [
        server(row(b"x"), complete("SELECT 9"), READY),
        client(query("SELECT 1")),
        server(answer()),
        client(bind(name="s"), execute(), SYNC),
        server(BOUND, complete("SELECT 1"), READY),
    ]
    assert brief(talk(PostgreSQL(), *packets, joined=True)) == [("SELECT", "SELECT ?", "ok"), ("", "", "ok")]


def test_what_nobody_answers_is_told_once():
    conversation = PostgreSQL()
    said(conversation, heard([*LOGIN, client(query("SELECT 1"))]), end=False)
    assert list(conversation.unanswered(START)) == []
    assert brief(list(conversation.unanswered(1 << 62))) == [("SELECT", "SELECT ?", "?")]
    assert list(conversation.unanswered(1 << 62)) == []
    assert talk(conversation, server(answer()), client(query("SELECT a")), server(answer()))[0].target == "SELECT a"


def test_requests_without_end_take_no_more_than_so_much():
    conversation = PostgreSQL()
    for number in range(10_000):
        unit = query("SELECT 1") if number % 2 else parse("SELECT 2") + bind() + execute() + SYNC
        list(conversation.client(Piece(unit, START + number)))
        assert len(conversation._order.waiting) <= OUTSTANDING
    for number in range(10_000):
        list(conversation.client(Piece(parse("SELECT 1", f"s{number}") + bind(name=f"s{number}") + execute(), START)))
    assert len(conversation._prepared) <= 512
    assert sum(len(unit.exchanges) for unit in conversation._order.waiting) <= OUTSTANDING


@pytest.mark.parametrize(
    ("data", "speaker"),
    [
        (startup(user="a"), Speaker.CLIENT),
        (SSL, Speaker.CLIENT),
        (CANCEL, Speaker.CLIENT),
        (query("select 1"), Speaker.CLIENT),
        (query("select " + "a, " * 900)[:880], Speaker.CLIENT),
        (parse("select 1") + bind() + execute() + SYNC, Speaker.CLIENT),
        (bind(b"x", name="s1") + execute() + SYNC, Speaker.CLIENT),
        (query("hello"), None),
        (message(b"p", b"secret\0"), None),
        (OK + STATUS + READY, Speaker.SERVER),
        (message(b"R", pack(">I", 10) + b"SCRAM-SHA-256\0\0"), Speaker.SERVER),
        (answer(), Speaker.SERVER),
        (answer(100)[:880], Speaker.SERVER),
        (PARSED + BOUND + complete("INSERT 0 1") + READY, Speaker.SERVER),
        (error("42P01") + READY, Speaker.SERVER),
        (READY, None),
        (row(b"x") * 3, None),
    ],
)
def test_whom_it_claims(data, speaker):
    assert claims(data) is speaker


def _exchange(number, rows, extended):
    """A query and its answer, which carry the same number."""
    text = f"SELECT a FROM t{number} WHERE b = 'secret'"
    asked = parse(text) + bind(b"secret") + execute() + SYNC if extended else query(text)
    head = PARSED + BOUND if extended else b""
    failed = error(f"{number:05d}") + READY
    return asked, head + columns("a") + row(b"secret") * rows + failed


@st.composite
def _talks(draw, pipelined):
    kinds = draw(st.lists(st.tuples(st.integers(0, 60), st.booleans()), min_size=1, max_size=25))
    packets: list[Said] = list(LOGIN)
    waiting: list[bytes] = []
    if pipelined:  # it is known from the start that this client does not wait
        asked, answers = zip(*(_exchange(90_000 + i, 0, False) for i in range(3)), strict=True)
        packets += [client(*asked), server(*answers)]
    for number, (rows, extended) in enumerate(kinds):
        asked, answered = _exchange(number, rows, extended)
        packets.append(client(asked, after_ms=draw(st.sampled_from([1, 3, 500])) if not waiting else 1))
        waiting.append(answered)
        while waiting and (not pipelined or draw(st.booleans())):
            answered = waiting.pop(0)
            cut = draw(st.one_of(st.just(0), st.integers(min(40, len(answered)), len(answered))))
            packets += [server(part) for part in (answered[:cut], answered[cut:]) if part]
    packets += [server(answered) for answered in waiting]
    return packets


@settings(max_examples=200, deadline=None)
@given(st.booleans().flatmap(_talks), st.booleans(), st.data())
def test_no_answer_is_ever_paired_with_another_request(packets, side, data):
    first = 4 if packets[2].data.count(b"SELECT") > 1 else 2
    lost = data.draw(st.sets(st.sampled_from(range(first, max(len(packets), first + 1))), max_size=5))
    lost = {number for number in lost if number < len(packets) and packets[number].client == side}
    found = said(PostgreSQL(), heard(packets, data.draw(st.sampled_from([300, 500, 880, 1 << 20])), lost))
    assert _paired_with_another(found) == []
    assert "secret" not in everything(found)


@settings(max_examples=200, deadline=None)
@given(st.booleans().flatmap(_talks), st.integers(0, 60), st.randoms(use_true_random=False))
def test_nor_where_most_of_what_both_say_is_lost(packets, percent, random):
    first = 4 if packets[2].data.count(b"SELECT") > 1 else 2
    lost = {number for number in range(first, len(packets)) if random.randrange(100) < percent}
    assert _paired_with_another(said(PostgreSQL(), heard(packets, lost=lost))) == []


def _paired_with_another(found):
    told = [one for one in found if one.error[:5].isdigit() and one.target.startswith("SELECT a FROM t")]
    return [one for one in told if int(one.error[:5]) != int(one.target.split()[3][1:])]


def test_an_answer_behind_a_gap_is_told_when_it_is_certain_whose_it_is():
    packets = [client(query("SELECT a")), server(complete("SELECT 1"), READY), client(query("SELECT b"))]
    packets += [server(columns("b"), row(b"secret") * 9), server(row(b"secret"), error("22012"), READY)]
    conversation = PostgreSQL()
    assert brief(said(conversation, heard(packets, joined=True, lost={3}), end=False)) == [("SELECT", "SELECT a", "ok")]
    asked = client(query("SELECT c"))
    for lost, told in ((set(), "22012 division_by_zero"), ({5}, "?")):
        conversation = PostgreSQL()
        behind = [*packets, asked, client(query("SELECT d"))]
        found = brief(said(conversation, heard(behind, joined=True, lost={3, *lost})))
        assert ("SELECT", "SELECT b", told) in found
        assert conversation.unpaired == len(lost)


@settings(max_examples=50, deadline=None)
@given(st.booleans().flatmap(_talks))
def test_what_is_heard_whole_is_told_whole(packets):
    asked = sum(packet.data.count(b"SELECT a") for packet in packets if packet.client)
    found = said(PostgreSQL(), heard(packets))
    assert len(found) == 1 + asked
    assert all(one.answered_ns and (one.failed or one.method == "STARTUP") for one in found)


@settings(max_examples=50, deadline=None)
@given(st.booleans().flatmap(_talks), st.data())
def test_how_it_is_cut_into_packets_does_not_matter(packets, data):
    pieces = []
    for packet in packets:
        at = data.draw(st.integers(0, len(packet.data)))
        pieces += [Said(packet.client, part) for part in (packet.data[:at], packet.data[at:]) if part]
    assert brief(said(PostgreSQL(), heard(pieces))) == brief(said(PostgreSQL(), heard(packets)))
