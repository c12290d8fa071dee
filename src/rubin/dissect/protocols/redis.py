"""Redis' protocol, RESP2 and RESP3, as Valkey and KeyDB speak it too: commands and how they ended.

https://redis.io/docs/latest/develop/reference/protocol-spec/. An exchange is a command: `method` its name, of those
that are several in one with the word that says which ("CONFIG GET"), `target` its first key or channel, `error` the
first word of an error ("WRONGTYPE"). A command of a transaction is an exchange of its own, answered when it is queued.
Nothing else of a command or an answer is shown, unless values may be: then `arguments` and `answer` are.
"""

import re
from dataclasses import dataclass

from rubin.dissect.conversation import Dissector, Exchange, Piece, Speaker
from rubin.dissect.protocols.framing import Gap
from rubin.dissect.protocols.in_order import Command, InOrder
from rubin.dissect.protocols.redis_commands import describe, has_values, is_command, values
from rubin.dissect.protocols.resp import Reader, Value, element
from rubin.dissect.redaction import REDACTION, Redaction
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
class _Command(Command):
    method: str = ""
    argument: bytes = b""
    has_values: bool = False  # that may be seen
    cut: bool = False  # its end was not seen, nor what may have been asked behind it
    blind: bool = False  # whatever the server says belongs to its answer


class Redis(InOrder[_Command, Value]):
    """One connection."""

    _client: Reader

    def __init__(self, redaction: Redaction = REDACTION) -> None:
        super().__init__()
        self._redaction = redaction
        self._client = Reader(_WORDS, _is_request, self._request, self._requests_lost, is_command)
        self._server = Reader(2, self._is_answer, self._answer, self._answers_lost)
        self._subscribed = False
        self._database = ""
        self._version = ""
        self._attributes: Attributes = ()
        self._new = True

    def client(self, piece: Piece) -> list[Exchange]:
        """The exchanges that are complete with this piece."""
        if self._new and not piece.skipped:
            self._database, self._version = "0", "2"
            self._know()
        self._new = False
        return super().client(piece)

    def _know(self) -> None:
        known = (("db", self._database), ("resp", self._version))
        self._attributes = tuple((name, value) for name, value in known if value)

    # --- what the client says

    def _request(self, message: Value) -> None:
        waiting = self._order.waiting
        if not message.words or not (message.complete or message.cut):
            return  # an empty line, which is not answered; or only the beginning so far
        if waiting and waiting[-1].cut:
            self.unpaired += 1
            self._lose()
            return
        if not self._server.synced or (waiting and waiting[0].blind):
            self._ask_anew()
        method, target = describe(message.words)
        size = 0 if message.cut else message.size
        exchange = Exchange("redis", message.time_ns, 0, method, "", target, request_bytes=size)
        exchange.attributes = self._attributes
        argument = message.words[1] if len(message.words) > 1 else b""
        if method in _REPLICATION or (method == "CLIENT REPLY" and argument):
            self._stop()
            self._lose()
            self._told.append(exchange)
        elif method != "REPLCONF" or argument.upper() != b"ACK":
            self._subscribed = self._subscribed or method in _SUBSCRIBES
            command = _Command(exchange=exchange, method=method, argument=argument, cut=message.cut)
            if not self._redaction.values and has_values(message.words):
                command.has_values = True
                exchange.attributes += _shown("arguments", message.words[2:])
            self._wait(command)

    def _goes_on(self, last: _Command) -> bool:
        return last.cut and not last.begun

    # --- what the server says

    def _is_answer(self, data: bytes) -> bool:
        waiting = self._order.waiting
        return bool(waiting) and not waiting[0].blind and element(data, 0)[0] > 0

    def _answer(self, message: Value) -> None:
        waiting = self._order.waiting
        if message.kind in b">*" and self._is_pushed(message):
            return
        if not waiting:
            if message.complete:
                self._unasked()
            return
        command = waiting[0]
        command.begun = True
        command.answered_ns = command.answered_ns or message.time_ns
        if not message.complete:
            return
        command.answered_bytes += message.size
        self._order.answered()
        if message.kind in b"-!":
            self._fail(command, message.words)
        else:
            self._heed(command, message)
            if command.has_values and command.exchange is not None:
                command.exchange.attributes += _shown("answer", message.words)
        self._answered(command, command.tell())

    def _is_pushed(self, message: Value) -> bool:
        """Whether nobody asked for it; what confirms a subscription is its answer."""
        first = message.words[0] if message.words else b""
        confirms = first in _CONFIRMATIONS
        if message.kind == b"*" and not (self._subscribed and (confirms or first in _MESSAGES)):
            return False
        waiting = self._order.waiting
        return not (message.complete and confirms and waiting and waiting[0].method in _SUBSCRIBES)

    @staticmethod
    def _fail(command: _Command, words: list[bytes]) -> None:
        if command.exchange is not None:
            word = _ERROR.match(words[0]) if words else None
            command.exchange.failed, command.exchange.error = True, word[0].decode() if word else "ERR"

    def _heed(self, command: _Command, answer: Value) -> None:
        """What a command changes for those that follow."""
        if command.method == "SELECT" and answer.words == [b"OK"] and command.argument.isdigit():
            self._database = command.argument[:5].decode()
        elif command.method == "HELLO" and command.argument in (b"2", b"3"):
            self._version = command.argument.decode()
        elif command.method == "RESET":
            self._database, self._version, self._subscribed = "0", "2", False
        elif command.method == "MONITOR":
            self._stop()
        else:
            return
        self._know()

    def _tear(self, first: _Command, gap: Gap, *, is_next: bool) -> None:
        if not is_next and len(self._order.waiting) == 1:
            first.blind = first.begun or not gap.torn
            first.begun, first.answered_ns = True, first.answered_ns or gap.time_ns


def _is_request(data: bytes) -> bool:
    return claims(data) is Speaker.CLIENT


def _shown(name: str, words: list[bytes]) -> Attributes:
    text = values(words)
    return ((name, text),) if text else ()


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
