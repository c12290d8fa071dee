"""RESP 2 (Redis' documentation, "Redis serialization protocol specification"), some commands at once."""

import socket
from collections.abc import Iterable
from itertools import islice
from typing import BinaryIO

from bench.clients.pace import Exchange

_COMMANDS = (
    (("SET", "{key}", "secret"), ""),
    (("GET", "{key}"), ""),
    (("CONFIG", "GET", "maxmemory"), ""),
    (("HSET", "{key}:hash", "field", "secret"), ""),
    (("LPUSH", "{key}:hash", "secret"), "WRONGTYPE"),
)
_AT_ONCE = 3


def truth(seed: int, number: int) -> Exchange:
    """The command with its key, and the first word of its error."""
    words, error = _words(seed, number)
    if words[0] == "CONFIG":
        return "CONFIG GET", "", "0", error
    return words[0], words[1], "0", error


def ask(address: str, port: int, seed: int, numbers: Iterable[int]) -> None:
    """Commands, some at once, all answered before the next."""
    with socket.create_connection((address, port)) as connection, connection.makefile("rb") as answers:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        numbers = iter(numbers)
        while some := list(islice(numbers, _AT_ONCE)):
            connection.sendall(b"".join(command(*_words(seed, number)[0]) for number in some))
            for _ in some:
                _finish(answers)


def _words(seed: int, number: int) -> tuple[list[str], str]:
    words, error = _COMMANDS[number % len(_COMMANDS)]
    return [word.format(key=f"c{seed}:n{number // len(_COMMANDS)}") for word in words], error


def command(*words: str) -> bytes:
    """A command's bytes."""
    parts = [b"$%d\r\n%s\r\n" % (len(word), word) for word in map(str.encode, words)]
    return b"*%d\r\n" % len(parts) + b"".join(parts)


def _finish(answers: BinaryIO) -> None:
    """One answer."""
    line = answers.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("Redis has hung up")
    kind, number = line[:1], line[1:-2]
    if kind == b"$" and int(number) >= 0:
        answers.read(int(number) + 2)
    elif kind == b"*":
        for _ in range(int(number)):
            _finish(answers)
