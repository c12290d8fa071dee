"""PostgreSQL's simple query protocol (its documentation, chapter 55), as far as a shop needs it: trust, text."""

import socket
import struct
from collections.abc import Iterator

from demo.shop.ports import HOST

_VERSION = 3 << 16
Row = tuple[str, ...]


class SQLError(Exception):
    """The server refuses: its SQLSTATE."""


class PostgreSQL:
    """A connection. `ask` gives the rows, or raises SQLError."""

    def __init__(self, port: int, user: str = "shop", database: str = "postgres") -> None:
        self._socket = socket.create_connection((HOST, port), timeout=10)
        self._stream = self._socket.makefile("rb")
        words = f"user\0{user}\0database\0{database}\0\0".encode()
        self._socket.sendall(struct.pack("!II", len(words) + 8, _VERSION) + words)
        try:
            self._rows()
        except BaseException:
            self._hang_up()
            raise

    def ask(self, statement: str) -> list[Row]:
        """The rows that a statement gives, NULL as ""."""
        words = statement.encode() + b"\0"
        self._socket.sendall(b"Q" + struct.pack("!I", len(words) + 4) + words)
        return self._rows()

    def close(self) -> None:
        """Says good-bye."""
        self._socket.sendall(b"X\0\0\0\4")
        self._hang_up()

    def _hang_up(self) -> None:
        self._stream.close()
        self._socket.close()

    def _rows(self) -> list[Row]:
        rows, error = list[Row](), ""
        for kind, body in self._messages():
            if kind == b"D":
                rows.append(row(body))
            elif kind == b"E":
                error = sqlstate(body)
        if error:
            raise SQLError(error)
        return rows

    def _messages(self) -> Iterator[tuple[bytes, bytes]]:
        """Up to and with ReadyForQuery; an error of the start has none."""
        kind = b""
        while kind != b"Z":
            head = self._stream.read(5)
            if len(head) < 5:
                if kind == b"E":
                    return
                raise ConnectionError("PostgreSQL has hung up")
            kind = head[:1]
            yield kind, self._stream.read(int.from_bytes(head[1:]) - 4)


def row(body: bytes) -> Row:
    """The values of a DataRow."""
    values, at = list[str](), 2
    while at < len(body):
        (length,) = struct.unpack_from("!i", body, at)
        values.append(body[at + 4 : at + 4 + max(length, 0)].decode())
        at += 4 + max(length, 0)
    return tuple(values)


def sqlstate(body: bytes) -> str:
    """The code of an ErrorResponse."""
    return next((field[1:].decode() for field in body.split(b"\0") if field[:1] == b"C"), "")
