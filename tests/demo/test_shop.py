"""The shop's small clients, against servers that say what the real ones do; and what must be in its traffic."""

import socket
import threading
from contextlib import contextmanager

import pytest

from demo.shop import customers, dns, hidden, ports
from demo.shop.ports import HOST
from demo.shop.postgresql import PostgreSQL, SQLError, row, sqlstate
from demo.shop.redis import Redis, RedisError, command

READY = b"Z\0\0\0\5I"
TRUSTED = b"R\0\0\0\x08\0\0\0\0" + b"S\0\0\0\x0fTimeZone\0X\0" + READY
REFUSED = b"SERROR\0C23505\0Mduplicate key\0\0"


def message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4) + body


def data(*values: str | None) -> bytes:
    parts = [b"\xff\xff\xff\xff" if value is None else len(value).to_bytes(4) + value.encode() for value in values]
    return message(b"D", len(values).to_bytes(2) + b"".join(parts))


@contextmanager
def server(*answers: bytes):
    """The port of somebody who gives an answer to each message, byte by byte where it is short; what was heard."""
    heard = list[bytes]()

    def serve():
        connection, _ = door.accept()
        with connection:
            connection.settimeout(10)
            for answer in answers:
                heard.append(connection.recv(65536))
                for at in range(0, len(answer), 7):
                    connection.sendall(answer[at : at + 7])

    with socket.create_server((HOST, 0)) as door:
        thread = threading.Thread(target=serve)
        thread.start()
        yield door.getsockname()[1], heard
        thread.join()


def test_postgresql_gives_rows_or_the_code_of_its_error():
    rows = message(b"T", b"\0\0") + data("1", "tea") + data("2", None) + message(b"C", b"SELECT 2\0") + READY
    with server(TRUSTED, rows, message(b"E", REFUSED) + READY, message(b"C", b"INSERT 0 1\0") + READY) as (port, heard):
        database = PostgreSQL(port)
        assert database.ask("SELECT * FROM items") == [("1", "tea"), ("2", "")]
        with pytest.raises(SQLError, match="^23505$"):
            database.ask("INSERT INTO items VALUES (1)")
        assert database.ask("INSERT INTO items VALUES (3)") == []
        database.close()
    assert heard[0] == b"\0\0\0%\0\3\0\0user\0shop\0database\0postgres\0\0"
    assert heard[1] == b"Q\0\0\0\x18SELECT * FROM items\0"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (message(b"E", b"SFATAL\0C57P03\0Mstarting up\0\0"), SQLError),
        (b"R\0\0", ConnectionError),
        (b"", ConnectionError),
    ],
)
def test_a_postgresql_that_does_not_take_one_is_told(answer, error):
    with server(answer) as (port, _), pytest.raises(error):
        PostgreSQL(port)


def test_parts_of_postgresql_messages():
    assert row(data("a", "", None)[5:]) == ("a", "", "")
    assert sqlstate(REFUSED) == "23505"
    assert sqlstate(b"\0") == ""


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"+OK\r\n", "OK"),
        (b":12\r\n", 12),
        (b"$5\r\na\r\nbc\r\n", "a\r\nbc"),
        (b"$0\r\n\r\n", ""),
        (b"$-1\r\n", None),
        (b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n", ["a", [1]]),
        (b"*-1\r\n", None),
    ],
)
def test_redis_answers(said, answer):
    with server(b"+OK\r\n", said) as (port, heard):
        cache = Redis(port, "secret")
        assert cache.ask("GET", "käse") == answer
        cache.close()
    assert heard == [b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n", b"*2\r\n$3\r\nGET\r\n$5\r\nk\xc3\xa4se\r\n"]


def test_redis_refuses_or_hangs_up():
    with server(b"+OK\r\n", b"-WRONGTYPE that is no list\r\n", b"$5\r") as (port, _):
        cache = Redis(port, "")
        with pytest.raises(RedisError, match=r"^WRONGTYPE that is no list$"):
            cache.ask("LRANGE", "x", "0", "1")
        with pytest.raises(ConnectionError):
            cache.ask("GET", "x")
        cache.close()


@pytest.mark.parametrize(("flags", "rcode"), [(b"\x85\x80", 0), (b"\x85\x83", 3)])
def test_a_name_exists_or_not(flags, rcode):
    with socket.socket(type=socket.SOCK_DGRAM) as door:
        door.bind((HOST, 0))

        def serve():
            asked, client = door.recvfrom(512)
            assert asked[2:] == dns.question(0, "shop.example")[2:]
            door.sendto(asked[:2] + flags + asked[4:], client)

        thread = threading.Thread(target=serve)
        thread.start()
        assert dns.ask(door.getsockname()[1], "shop.example") == rcode
        thread.join()


def test_a_question_is_what_rfc_1035_says():
    assert dns.question(7, "a.bc") == bytes.fromhex("0007 0100 0001 0000 0000 0000 01 61 02 62 63 00 0001 0001")


def test_ports_are_free_each_another_and_survive_being_told():
    at = ports.free()
    assert len(set(vars(at).values())) == 7
    assert ports.parse(at.word()) == at
    assert ports.free() != at


def test_secrets_are_in_the_traffic():
    asked = customers.ROUND.replace("{}", "100").format(token=hidden.TOKEN)
    assert f"?token={hidden.TOKEN}" in asked
    assert all(hidden.MARK in secret for secret in (hidden.TOKEN, hidden.PASSWORD, hidden.NAME, hidden.NOTE))
    assert hidden.NOTE.encode() in command("RPUSH", "basket:1", hidden.NOTE)
