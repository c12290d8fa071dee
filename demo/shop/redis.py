"""RESP 2, what Redis speaks (its documentation, "Redis serialization protocol specification")."""

import socket

from demo.shop.ports import HOST

Answer = str | int | list["Answer"] | None


class RedisError(Exception):
    """The server refuses: its sentence, of which the first word is the kind."""


class Redis:
    """A connection. `ask` gives the answer, or raises RedisError."""

    def __init__(self, port: int, password: str) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=10)
        self._stream = self._socket.makefile("rb")
        self.ask("AUTH", password)

    def ask(self, *words: str) -> Answer:
        """The answer to a command."""
        self._socket.sendall(command(*words))
        return self._answer()

    def close(self) -> None:
        """Hangs up."""
        self._stream.close()
        self._socket.close()

    def _answer(self) -> Answer:
        line = self._stream.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis has hung up")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"+":
            return rest
        if kind == b"-":
            raise RedisError(rest)
        number = int(rest)
        if kind == b":":
            return number
        if number < 0:
            return None
        if kind == b"$":
            return self._stream.read(number + 2)[:-2].decode()
        return [self._answer() for _ in range(number)]


def command(*words: str) -> bytes:
    """A command's bytes."""
    parts = [b"$%d\r\n%s\r\n" % (len(word), word) for word in map(str.encode, words)]
    return b"*%d\r\n" % len(parts) + b"".join(parts)
