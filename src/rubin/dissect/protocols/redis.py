"""Redis' protocol, RESP2 and RESP3, as Valkey and KeyDB speak it too: commands and how they ended.

https://redis.io/docs/latest/develop/reference/protocol-spec/. An exchange is a command: `method` its name, of those
that are several in one with the word that says which ("CONFIG GET"), `target` its first key or channel, `error` the
first word of an error ("WRONGTYPE"). A command of a transaction is an exchange of its own, answered when it is queued.
Nothing else of a command or an answer is shown.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rubin.dissect.conversation import Dissector, Exchange, Piece, Speaker
from rubin.dissect.protocols.framing import OUTSTANDING, Order
from rubin.dissect.protocols.redis_commands import describe, is_command
from rubin.dissect.protocols.resp import Reader, Value, element
from rubin.model.messages import Attributes

_SUBSCRIBES = frozenset(("SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"))
_CONFIRMATIONS = frozenset(name.lower().encode() for name in _SUBSCRIBES)
_MESSAGES = frozenset((b"message", b"pmessage", b"smessage"))
_REPLICATION = frozenset(("PSYNC", "SYNC"))
_ERROR = re.compile(rb"[A-Z][A-Z0-9_]{0,31}(?=[ \r]|\Z)")
_ERRORS = (
    b"WRONGTYPE",
    b"NOAUTH",
    b"WRONGPASS",
    b"NOSCRIPT",
    b"MOVED",
    b"ASK",
    b"CLUSTERDOWN",
    b"READONLY",
    b"LOADING",
)
_WORDS = 16


@dataclass(slots=True)
class _Command:
    exchange: Exchange | None  # None: told already
    method: str
    argument: bytes
    cut: bool = False  # its end was not seen, nor what may have been asked behind it
    begun: bool = False
    answered_ns: int = 0
    answered_bytes: int = 0

    def finish(self) -> Iterator[Exchange]:
        """With the answer as far as it is known."""
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.answered_ns, exchange.response_bytes = self.answered_ns, self.answered_bytes
            yield exchange


class Redis:
    """One connection."""

    def __init__(self) -> None:
        self.over = False
        self._client = Reader(_WORDS, self._is_request, inline=is_command)
        self._server = Reader(2, self._is_answer)
        self._order: Order[_Command] = Order()
        self._blind = False  # the server's words belong to one answer until the client asks anew
        self._subscribed = False
        self._database = ""
        self._version = ""
        self._attributes: Attributes = ()
        self._new = True

    def client(self, piece: Piece) -> Iterator[Exchange]:
        """The exchanges that are complete with this piece."""
        yield from self._answers(self._server.flush())
        if self._new and not piece.skipped:
            self._database, self._version = "0", "2"
            self._know()
        self._new = False
        self._order.client_speaks(piece.time_ns)
        yield from self._requests(self._client.read(piece))

    def server(self, piece: Piece) -> Iterator[Exchange]:
        """The exchanges that are complete with this piece."""
        self._order.server_speaks(piece.time_ns)
        yield from self._requests(self._client.flush(whole=True))
        yield from self._answers(self._server.read(piece))

    def unanswered(self, before_ns: int) -> Iterator[Exchange]:
        """Requests from before this time, also those whose answer has begun and whose end may have been missed."""
        yield from self._answers(self._server.flush())
        for command in self._order.waiting:
            if command.exchange is not None and command.exchange.started_ns < before_ns:
                yield from command.finish()

    def _know(self) -> None:
        known = (("db", self._database), ("resp", self._version))
        self._attributes = tuple((name, value) for name, value in known if value)

    # --- what the client says

    @staticmethod
    def _is_request(data: bytes) -> bool:
        return claims(data) is Speaker.CLIENT

    def _requests(self, values: Iterable[Value]) -> Iterator[Exchange]:
        for value in values:
            if not self.over and (value.complete or value.cut):
                yield from self._requests_lost() if value.lost else self._request(value)
        if self._order.lost:  # nobody knows whose answers will come
            yield from self._lose()

    def _request(self, value: Value) -> Iterable[Exchange]:
        waiting = self._order.waiting
        if not value.words:
            return ()  # an empty line, which is not answered
        if waiting and waiting[-1].cut:
            return self._lose()
        method, target = describe(value.words)
        exchange = Exchange("redis", value.time_ns, method=method, target=target, attributes=self._attributes)
        exchange.request_bytes = 0 if value.cut else value.size
        before = _unsized(self._order.asked_anew()) if self._blind or not self._server.synced else []
        self._blind = False
        argument = value.words[1] if len(value.words) > 1 else b""
        if method in _REPLICATION or (method == "CLIENT REPLY" and argument):
            self.over = True
            return [*before, *self._lose(), exchange]
        if method == "REPLCONF" and argument.upper() == b"ACK":
            return before
        self._subscribed = self._subscribed or method in _SUBSCRIBES
        waiting.append(_Command(exchange, method, argument, value.cut))
        return [*before, *self._lose()] if len(waiting) > OUTSTANDING else before

    def _requests_lost(self) -> Iterable[Exchange]:
        waiting = self._order.waiting
        if len(waiting) == 1 and waiting[0].cut and not waiting[0].begun:
            return ()
        return self._lose() if waiting or self._order.pipelines else ()

    def _lose(self) -> list[Exchange]:
        self._blind = False
        return [exchange for command in self._order.lose() for exchange in command.finish()]

    # --- what the server says

    def _is_answer(self, data: bytes) -> bool:
        return not self._blind and bool(self._order.waiting) and element(data, 0)[0] > 0

    def _answers(self, values: Iterable[Value]) -> Iterator[Exchange]:
        for value in values:
            if self.over:
                return
            if value.lost:
                yield from self._answers_lost(value)
            else:
                yield from self._answer(value)

    def _answer(self, value: Value) -> Iterable[Exchange]:
        waiting = self._order.waiting
        first = value.words[0] if value.words else b""
        if value.kind == b">" or (value.kind == b"*" and self._subscribed and first in _MESSAGES | _CONFIRMATIONS):
            if not value.complete or first not in _CONFIRMATIONS or not waiting or waiting[0].method not in _SUBSCRIBES:
                return ()
        elif not waiting:
            if value.complete:
                self._order.unasked()
            return ()
        command = waiting[0]
        command.begun = True
        command.answered_ns = command.answered_ns or value.time_ns
        if not value.complete:
            return ()
        command.answered_bytes += value.size
        self._order.answered()
        if command.exchange is not None and value.kind in (b"-", b"!"):
            word = _ERROR.match(first)
            command.exchange.failed, command.exchange.error = True, word[0].decode() if word else "ERR"
        else:
            self._heed(command, value)
        return command.finish()

    def _heed(self, command: _Command, value: Value) -> None:
        """What a command changes for those that follow."""
        if command.method == "SELECT" and value.words == [b"OK"] and command.argument.isdigit():
            self._database = command.argument[:5].decode()
        elif command.method == "HELLO" and command.argument in (b"2", b"3"):
            self._version = command.argument.decode()
        elif command.method == "RESET":
            self._database, self._version, self._subscribed = "0", "2", False
        elif command.method == "MONITOR":
            self.over = True
        else:
            return
        self._know()

    def _answers_lost(self, value: Value) -> Iterable[Exchange]:
        waiting = self._order.waiting
        if not waiting:
            return ()
        head = waiting[0]
        if head.begun:
            head.answered_bytes += value.size
        if len(waiting) == 1:
            self._blind = head.begun or not value.torn
            head.begun, head.answered_ns = True, head.answered_ns or value.time_ns
        dropped = self._order.answers_lost()
        return [exchange for command in dropped for exchange in command.finish()]


def _unsized(commands: list[_Command]) -> list[Exchange]:
    for command in commands:
        command.answered_bytes = 0
    return [exchange for command in commands for exchange in command.finish()]


def claims(data: bytes) -> Speaker | None:
    """Who would say this: a command that we know, or an answer that could be little else."""
    end = data.find(b"\r\n", 0, 16)
    if end < 2 and data[:1] not in (b"-", b"%"):
        return None
    kind, count = data[:1], data[1:end]
    if kind == b"*" and count.isdigit() and data[end + 2 : end + 3] == b"$":
        word = data.find(b"\r\n", end + 3, end + 9)
        length = data[end + 3 : word]
        if word > 0 and length.isdigit():
            name = data[word + 2 : word + 2 + int(length)]
            behind = data[word + 2 + int(length) : word + 4 + int(length)]
            if name in _CONFIRMATIONS and b"\r\n:" in data:
                return Speaker.SERVER
            return Speaker.CLIENT if is_command(name) and behind == b"\r\n"[: len(behind)] and len(behind) else None
    elif kind == b"$" and count.isdigit():
        size = end + 4 + int(count)
        return Speaker.SERVER if size == len(data) and data.endswith(b"\r\n") else None
    elif kind == b"-":
        return Speaker.SERVER if data[1:].startswith(tuple(word + b" " for word in _ERRORS)) else None
    elif data.startswith(b"%") and b"\r\n$6\r\nserver\r\n" in data[:20]:
        return Speaker.SERVER
    return Speaker.SERVER if data == b"$-1\r\n" else None


REDIS = Dissector("redis", claims, Redis)
