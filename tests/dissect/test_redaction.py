"""What may be seen is shown where it is asked for; credentials are not, whatever is asked for."""

from struct import pack

import pytest

from rubin.dissect.conversation import Exchange
from rubin.dissect.dissectors import dissectors
from rubin.dissect.protocols.redis_commands import has_values, values
from rubin.dissect.redaction import REDACTED, REDACTION, Redaction, is_credential
from tests.dissect import test_kafka, test_mysql, test_postgresql, test_redis
from tests.dissect.http2_talks import SECRET, Talk
from tests.dissect.pieces import heard, pieces
from tests.dissect.speaking import Said, client, server, talk
from tests.dissect.test_kafka_records import batch, record

EVERYTHING = Redaction(
    http_urlquery=False,
    http_userinfo=False,
    http_headers_allow=(),
    http_headers_deny=("x-nothing",),
    sql_literals=False,
    values=False,
)


def told(protocol: str, redaction: Redaction, *packets: Said) -> list[Exchange]:
    """The exchanges of a connection."""
    (dissector,) = (one for one in dissectors(redaction) if one.name == protocol)
    return talk(dissector.converse(), *packets)


def shown(exchange: Exchange) -> dict[str, str]:
    """Of it, what may be different: its target and attributes."""
    return {"target": exchange.target, **dict(exchange.attributes)}


def test_of_http2_all_but_credentials_can_be_seen():
    said = Talk()
    words = ("cookie", "authorization", "proxy-authorization", "x-api-key", "x-session-id", "x-auth", "x-user-passwd")
    credentials = [(word, SECRET) for word in words]
    query = f"/pay?page=2&token={SECRET}&%70assword={SECRET}#code={SECRET}"
    stream = said.ask(query, *credentials, ("x-tenant", "acme"), ("referer", f"http://shop/{query}"))
    said.answer(stream)
    (http2,) = (one for one in dissectors(EVERYTHING) if one.name == "http2")
    (exchange,) = heard(pieces(said.packets), http2.converse())
    assert SECRET not in repr(exchange)
    seen = f"/pay?page=2&token={REDACTED}&%70assword={REDACTED}#code={REDACTED}"
    assert shown(exchange) == {
        "target": seen,
        "x-tenant": "acme",
        "referer": f"http://shop/{seen}",
        **dict.fromkeys(words, REDACTED),
    }


@pytest.mark.parametrize("name", ["authorization", "x-goog-iap-jwt", "DB_PASSWORD", "Api_Key", "pass", "user-pass"])
def test_what_is_called_a_credential_is_one(name):
    assert is_credential(name)


@pytest.mark.parametrize("name", ["author", "authority", "compass", "x-request-id", "key", "PRIMARY KEY", "user-agent"])
def test_what_is_called_otherwise_is_none(name):
    assert not is_credential(name)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("SET greeting hello EX 60", "hello EX 60"),
        ("mget a b", "b"),
        ("HSET user:1 name ann", "name ann"),
        ("GET a", ""),
        ("HSET user:1 password SECRET", None),
        ("SET session:1 SECRET", None),
        ("SET db postgres://joe:SECRET@db/shop", None),
        ("AUTH SECRET", None),
        ("HELLO 3 AUTH joe SECRET", None),
        ("CONFIG SET requirepass SECRET", None),
        ("ACL SETUSER joe >SECRET", None),
        ("MIGRATE host 6379 key 0 5000 AUTH SECRET", None),
        ("EVAL SECRET 1 a", None),
        ("UNKNOWN SECRET", None),
        ("", None),
    ],
)
def test_commands_that_have_values(words, said):
    split = [word.encode() for word in words.split()]
    assert has_values(split) == (said is not None)
    assert said is None or values(split[2:]) == said


def test_an_answer_may_be_a_credential():
    assert values([b"postgres://joe:SECRET@db/shop"]) == ""
    assert values([b"\xff" * 5000]) == "\ufffd" * 512


def test_literals_of_sql_can_be_seen_and_no_password():
    texts = {
        "SELECT * FROM t WHERE a = 'seen' -- why": "SELECT * FROM t WHERE a = 'seen'",
        f"ALTER USER joe PASSWORD '{SECRET}'": "ALTER USER joe PASSWORD ?",
        f"UPDATE users SET passwd = '{SECRET}' WHERE id = 7": "UPDATE users SET passwd = ? WHERE id = ?",
    }
    for text, wanted in texts.items():
        done = server(test_postgresql.complete("SELECT 1"), test_postgresql.READY)
        (one,) = told("postgresql", EVERYTHING, client(test_postgresql.query(text)), done)
        (other,) = told("mysql", EVERYTHING, client(test_mysql.query(text)), server(test_mysql.ok()))
        assert (one.target, other.target) == (wanted, wanted)
        (prepared, executed) = told(
            "mysql",
            EVERYTHING,
            client(test_mysql.command(22, text.encode())),
            server(test_mysql.ok(head=b"\0" + pack("<IHH", 5, 0, 0) + b"\0")),
            client(test_mysql.command(23, pack("<IBI", 5, 0, 1))),
            server(test_mysql.ok()),
        )
        assert (prepared.target, executed.target) == (wanted, wanted)


def test_parameters_and_results_are_never_seen():
    found = told(
        "postgresql",
        EVERYTHING,
        *test_postgresql.LOGIN,
        client(test_postgresql.parse("SELECT a FROM t WHERE b = $1 AND c = 'seen'"), test_postgresql.SYNC),
        server(test_postgresql.PARSED, test_postgresql.READY),
        client(test_postgresql.bind(SECRET.encode()), test_postgresql.execute(), test_postgresql.SYNC),
        server(test_postgresql.BOUND, test_postgresql.answer(value=SECRET.encode())),
        client(test_postgresql.query("SELECT 1")),
        server(test_postgresql.error("42P01", SECRET), test_postgresql.READY),
    )
    assert "seen" in repr(found)
    assert SECRET not in repr(found)


def test_values_of_redis_can_be_seen_and_no_credential():
    found = told(
        "redis",
        EVERYTHING,
        client(test_redis.command("HELLO", 3, "AUTH", "joe", SECRET)),
        server(test_redis.OK),
        client(test_redis.command("SET", "greeting", "hello")),
        server(test_redis.OK),
        client(test_redis.command("GET", "greeting")),
        server(test_redis.bulk("hello")),
        client(test_redis.command("SET", "user:1:password", SECRET)),
        server(test_redis.OK),
        client(test_redis.command("GET", "user:1:password")),
        server(test_redis.bulk(SECRET)),
        client(test_redis.command("GET", "where")),
        server(test_redis.bulk(f"postgres://joe:{SECRET}@db/shop")),
        client(test_redis.command("CONFIG", "GET", "requirepass")),
        server(test_redis.array(test_redis.bulk("requirepass"), test_redis.bulk(SECRET))),
        client(test_redis.command("LPUSH", "greeting", "x")),
        server(f"-WRONGTYPE {SECRET}\r\n".encode()),
    )
    assert SECRET not in repr(found)
    seen = [{name: value for name, value in shown(one).items() if name not in ("db", "resp")} for one in found]
    assert seen == [
        {"target": ""},
        {"target": "greeting", "arguments": "hello", "answer": "OK"},
        {"target": "greeting", "answer": "hello"},
        {"target": "user:1:password"},
        {"target": "user:1:password"},
        {"target": "where"},
        {"target": ""},
        {"target": "greeting", "arguments": "x"},
    ]
    assert "hello" not in repr(told("redis", REDACTION, client(test_redis.command("SET", "a", "hello"))))


def records(batches: bytes) -> bytes:
    size = len(batches) + 1
    return bytes([size & 127 | 128, size >> 7]) + batches


def test_records_of_kafka_can_be_seen_and_no_credential():
    topic = test_kafka.compact("orders")
    for value, wanted in ((b"hello", {"key": "k", "value": "hello"}), (b'{"password": "hunter2"}', {})):
        said = records(batch(record(b"k", value), record(b"l", SECRET.encode())))
        asked = test_kafka.compacts(topic + test_kafka.compacts(pack(">i", 0) + said + b"\0") + b"\0")
        asked = test_kafka.compact(None) + pack(">hi", -1, 30_000) + asked + b"\0"
        got = test_kafka.fetched(2, test_kafka.ORDERS, records=batch(record(b"k", value)))
        packets = (
            client(test_kafka.request(test_kafka.PRODUCE, 9, 1, asked)),
            server(test_kafka.produced(1)),
            client(test_kafka.fetch(2, test_kafka.ORDERS)),
            server(got),
        )
        found = told("kafka", EVERYTHING, *packets)
        assert SECRET not in repr(found)
        known = ("target", "client_id", "api_version")
        assert [{name: text for name, text in shown(one).items() if name not in known} for one in found] == [wanted] * 2
        assert "hello" not in repr(told("kafka", REDACTION, *packets))
