"""PostgreSQL's protocol 3.0 (its documentation, chapter 55), simple and extended queries in turn."""

import socket
import struct
from collections.abc import Iterable
from typing import BinaryIO

from bench.clients.pace import Exchange

USER = "postgres"
TABLE = "CREATE TABLE items (id int, name text)"
_STATEMENTS = (
    ("SELECT name AS {name} FROM items WHERE id = {value} LIMIT {value}", ""),
    ("INSERT INTO items VALUES ({value}, {value}) RETURNING id AS {name}", ""),
    ("UPDATE items AS {name} SET id = {value} WHERE id = {value}", ""),
    ("SELECT * FROM missing_{name} WHERE id = {value}", "42P01 undefined_table"),
    ("SELECT {value} / (id - id) AS {name} FROM (VALUES ({value})) AS one (id)", "22012 division_by_zero"),
)


def truth(seed: int, number: int) -> Exchange:
    """The statement without its literals, and how it failed."""
    text, error = _STATEMENTS[number % len(_STATEMENTS)]
    return text.split(" ", 1)[0], text.format(name=f"c{seed}_n{number}", value="?"), "0", error


def ask(address: str, port: int, seed: int, numbers: Iterable[int]) -> None:
    """Statements, each answered before the next."""
    with socket.create_connection((address, port)) as connection, connection.makefile("rb") as answers:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        words = f"user\0{USER}\0database\0postgres\0\0".encode()
        connection.sendall(struct.pack("!II", len(words) + 8, 3 << 16) + words)
        _finish(answers)
        for number in numbers:
            text = _STATEMENTS[number % len(_STATEMENTS)][0].format(name=f"c{seed}_n{number}", value=number)
            connection.sendall((_simple, _extended)[number // len(_STATEMENTS) % 2](text.encode()))
            _finish(answers)


def _message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def _simple(text: bytes) -> bytes:
    return _message(b"Q", text + b"\0")


def _extended(text: bytes) -> bytes:
    """Parse, Bind, Describe, Execute, Sync, all unnamed and without parameters."""
    parsed = _message(b"P", b"\0" + text + b"\0\0\0")
    bound = _message(b"B", bytes(8))
    return parsed + bound + _message(b"D", b"P\0") + _message(b"E", bytes(5)) + _message(b"S")


def _finish(answers: BinaryIO) -> None:
    """Up to and with ReadyForQuery."""
    kind = b""
    while kind != b"Z":
        head = answers.read(5)
        if len(head) < 5:
            raise ConnectionError("PostgreSQL has hung up")
        kind = head[:1]
        answers.read(int.from_bytes(head[1:]) - 4)
