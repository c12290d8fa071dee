"""PostgreSQL's frontend/backend protocol 3: statements and what became of them.

https://www.postgresql.org/docs/current/protocol.html. An exchange is a statement that was executed: its verb, its text
without literals, an error as SQLSTATE and condition name, the rows it says it touched. Logging in is one of the method
STARTUP, a function called by its number one of FUNCTION, a request to cancel one of CANCEL, which has no answer. A
statement that an earlier one's error has kept from being executed fails with "aborted". What a prepared statement says
is not known where nobody saw it being prepared. The server's own words (an error's text) are never shown.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from struct import unpack_from

from rubin.dissect.conversation import Dissector, Exchange, Piece
from rubin.dissect.protocols.framing import OUTSTANDING, Order, Part, Stream
from rubin.dissect.protocols.postgresql_messages import (
    CANCEL,
    GSS,
    SSL,
    claims,
    client_size,
    error,
    resync_client,
    resync_server,
    server_size,
    startup_size,
)
from rubin.dissect.protocols.sql import Dialect, Statement, statements
from rubin.model.messages import Attributes

_REMEMBERED = 512
"""Prepared statements and portals, each."""
_UNKNOWN = Statement("", (), "")
_TAGS = frozenset(("SELECT", "INSERT", "UPDATE", "DELETE"))
_FATAL = ("FATAL", "PANIC")


@dataclass(slots=True)
class _Unit:
    """What one ReadyForQuery answers: a simple query's statements, or all up to a Sync."""

    exchanges: deque[Exchange | None] = field(default_factory=deque)  # that wait; None: told already
    perhaps: bool = False  # the last one may have been prepared only, which is worth telling if it fails
    copying: bool = False
    cut: bool = False  # the client's messages were not all seen
    begun: bool = False
    torn: bool = False  # bytes of the answer are missing right before what comes now
    failed: bool = False
    complete: bool = False  # the answer that is under way, but for what ends the unit
    error: str = ""
    answered_ns: int = 0
    answered_bytes: int = 0

    def finish(self) -> Iterator[Exchange]:
        """The first exchange, with the answer so far."""
        exchange = self.exchanges.popleft()
        if exchange is not None:
            exchange.answered_ns, exchange.response_bytes = self.answered_ns, self.answered_bytes
            exchange.failed, exchange.error = bool(self.error), self.error
            yield exchange
        self.answered_ns = self.answered_bytes = 0
        self.complete, self.error = False, "aborted" if self.failed else ""

    def rest(self, time_ns: int = 0) -> Iterator[Exchange]:
        """All: nothing more will be known."""
        if self.complete:
            yield from self.finish()
        if self.perhaps and self.exchanges:
            self.exchanges.pop()
        while self.exchanges:
            if self.failed:
                self.answered_ns = self.answered_ns or time_ns
            yield from self.finish()


class PostgreSQL:
    """One connection."""

    def __init__(self) -> None:
        self.over = False
        self._client = Stream(self._measure_client, resync_client)
        self._server = Stream(self._measure_server, resync_server)
        self._order: Order[_Unit] = Order()
        self._unit: _Unit | None = None  # that the client has not ended
        self._starting = True
        self._negotiating = 0  # SSLRequest or GSSENCRequest: one byte answers it
        self._prepared: OrderedDict[bytes, Statement] = OrderedDict()
        self._portals: OrderedDict[bytes, Statement] = OrderedDict()
        self._parsed: Statement | None = None  # and not executed yet
        self._asked_ns = self._asked_bytes = 0  # of what will be executed
        self._attributes: Attributes = ()

    def client(self, piece: Piece) -> Iterator[Exchange]:
        """The exchanges that are complete with this piece."""
        for part in self._server.flush():
            yield from self._answer(part)
        self._order.client_speaks(piece.time_ns)
        yield from self._requests(self._client.feed(piece))

    def server(self, piece: Piece) -> Iterator[Exchange]:
        """The exchanges that are complete with this piece."""
        self._order.server_speaks(piece.time_ns)
        yield from self._requests(self._client.flush())
        for part in self._server.feed(piece):
            if not self.over:
                yield from self._answers_lost(part) if part.lost else self._answer(part)

    def unanswered(self, before_ns: int) -> Iterator[Exchange]:
        """Requests from before this time, also those whose answer has begun and whose end may have been missed."""
        for part in self._server.flush():
            yield from self._answer(part)
        for unit in self._order.waiting:
            for at, exchange in enumerate(unit.exchanges):
                if exchange is not None and exchange.started_ns < before_ns:
                    unit.exchanges[at] = None
                    if at == 0:
                        exchange.answered_ns, exchange.response_bytes = unit.answered_ns, unit.answered_bytes
                        exchange.failed, exchange.error = bool(unit.error), unit.error
                    if not (unit.perhaps and at == len(unit.exchanges) - 1 and not exchange.failed):
                        yield exchange

    # --- what the client says

    def _requests(self, parts: Iterable[Part]) -> Iterator[Exchange]:
        for part in parts:
            if not self.over:
                yield from self._requests_lost() if part.lost else self._request(part)
        if self._order.lost:  # nobody knows whose answers will come
            yield from self._lose()

    def _measure_client(self, data: bytes, at: int) -> int:
        if self._starting and data[at]:
            self._starting = False
        return startup_size(data, at) if self._starting else client_size(data, at)

    def _request(self, part: Part) -> Iterable[Exchange]:
        if self._starting:
            return self._startup(part)
        kind = part.data[:1]
        if kind == b"p":
            return self._authenticate(part.size)
        if kind not in b"QFPBDECS":
            return ()
        if self._order.waiting and self._order.waiting[-1].cut:
            return self._ask_behind(part)
        before = self._asked_anew()
        self._asked_ns = self._asked_ns or part.time_ns
        self._asked_bytes += part.size
        self._open()
        return [*before, *self._ask(kind, part.data, cut=len(part.data) < part.size)]

    def _ask(self, kind: bytes, data: bytes, *, cut: bool) -> Iterable[Exchange]:
        if kind in b"QF":
            return self._query(statements(data[5:], Dialect.POSTGRESQL) if kind == b"Q" else (_function(data),))
        if kind == b"P":
            return self._parse(data, cut=cut)
        if kind == b"B":
            return self._bind(data, cut=cut)
        if kind == b"E":
            return self._execute(self._portals.get(data[5 : data.find(b"\0", 5)], _UNKNOWN))
        return self._sync() if kind == b"S" else ()

    def _query(self, found: tuple[Statement, ...]) -> Iterable[Exchange]:
        began_ns = self._asked_ns
        for statement in found or (_UNKNOWN,):
            self._execute(statement)
            self._asked_ns = began_ns
        return self._close()

    def _ask_behind(self, part: Part) -> Iterable[Exchange]:
        """A request behind some that nobody saw, which are not answered yet."""
        if part.data[:1] == b"S" and self._unit is self._order.waiting[-1] and not self._order.pipelines:
            return self._close()
        return [*self._lose(), *self._request(part)]

    def _authenticate(self, size: int) -> Iterable[Exchange]:
        """A password, or what proves one: all that is known of it is its size."""
        login = self._order.waiting[0].exchanges if self._order.waiting else None
        if login and login[0] is not None and login[0].method == "STARTUP":
            login[0].request_bytes += size
        return ()

    def _startup(self, part: Part) -> Iterable[Exchange]:
        (code,) = unpack_from(">I", part.data, 4)
        if code in (SSL, GSS):
            self._negotiating = code
            return ()
        if code == CANCEL:
            self.over = True
            return (Exchange("postgresql", part.time_ns, method="CANCEL", request_bytes=part.size),)
        words = part.data[8:].split(b"\0")
        settings = dict(zip(words[::2], words[1::2], strict=False))
        user = settings.get(b"user", b"")
        names = {"database": settings.get(b"database", user), "user": user}
        self._attributes = tuple((name, value.decode("utf-8", "replace")[:128]) for name, value in names.items())
        self._starting = False
        self._asked_ns, self._asked_bytes = part.time_ns, part.size
        self._execute(Statement("STARTUP", (), self._attributes[0][1]))
        return self._close()

    def _parse(self, data: bytes, *, cut: bool) -> Iterable[Exchange]:
        name_end = data.find(b"\0", 5)
        text_end = data.find(b"\0", name_end + 1)
        text = data[name_end + 1 : text_end if text_end > 0 else len(data)] if name_end > 0 else b""
        self._parsed = (*statements(text, Dialect.POSTGRESQL), _UNKNOWN)[0]
        _remember(self._prepared, data[5:name_end], self._parsed)
        return self._execute(self._parsed, perhaps=True) if cut else ()

    def _bind(self, data: bytes, *, cut: bool) -> Iterable[Exchange]:
        portal, _, rest = data[5:].partition(b"\0")
        statement = self._prepared.get(rest.partition(b"\0")[0], _UNKNOWN)
        _remember(self._portals, portal, statement)
        return self._execute(statement, perhaps=True) if cut else ()

    def _execute(self, statement: Statement, *, perhaps: bool = False) -> Iterable[Exchange]:
        """`perhaps`: what came is cut; Execute may be in what nobody saw."""
        unit = self._open()
        self._parsed = None
        if unit.perhaps:
            unit.perhaps = perhaps
            return ()
        exchange = Exchange("postgresql", self._asked_ns, method=statement.operation, target=statement.text)
        exchange.request_bytes = self._asked_bytes
        exchange.attributes = self._attributes
        if statement.tables:
            exchange.attributes += (("tables", ",".join(statement.tables)),)
        self._asked_ns = self._asked_bytes = 0
        unit.exchanges.append(exchange)
        unit.perhaps = perhaps
        # many units of many statements each do not come to more than some times the limit
        return self._lose() if len(unit.exchanges) > OUTSTANDING // len(self._order.waiting) else ()

    def _asked_anew(self) -> Iterable[Exchange]:
        if self._unit is not None or self._server.synced:
            return ()
        before = self._order.asked_anew()
        for unit in before:
            unit.answered_bytes = 0
        return [exchange for unit in before for exchange in unit.rest()]

    def _open(self) -> _Unit:
        if self._unit is None:
            self._unit = _Unit()
            self._order.waiting.append(self._unit)
        return self._unit

    def _sync(self) -> Iterable[Exchange]:
        unit = self._open()
        if self._parsed is not None and not unit.perhaps:
            self._execute(self._parsed, perhaps=True)
        return self._close()

    def _close(self) -> Iterable[Exchange]:
        self._unit = None
        self._asked_ns = self._asked_bytes = 0
        return self._lose() if len(self._order.waiting) > OUTSTANDING else ()

    def _requests_lost(self) -> Iterable[Exchange]:
        waiting = self._order.waiting
        self._starting = False
        self._parsed = None
        self._asked_ns = self._asked_bytes = 0
        self._prepared.pop(b"", None)
        self._portals.clear()
        if len(waiting) == 1 and (waiting[0].copying or waiting[0].cut or waiting[0] is self._unit):
            waiting[0].cut = not waiting[0].copying
            return ()
        return self._lose() if waiting or self._order.pipelines else ()

    def _lose(self) -> Iterable[Exchange]:
        self._unit = None
        return [exchange for unit in self._order.lose() for exchange in unit.rest()]

    # --- what the server says

    def _measure_server(self, data: bytes, at: int) -> int:
        return 1 if self._negotiating and data[at] in b"SNG" else server_size(data, at)

    def _answer(self, part: Part) -> Iterable[Exchange]:
        kind = part.data[:1]
        if self._negotiating:
            self.over = kind in b"SG"
            self._negotiating = 0
            return ()
        if kind in b"NA":
            return ()
        if not self._order.waiting:
            return self._unasked(kind, part)
        return self._answer_to(self._order.waiting[0], kind, part)

    def _answer_to(self, unit: _Unit, kind: bytes, part: Part) -> Iterable[Exchange]:
        if unit.torn and kind not in b"DdcZsS":
            return self._lose()  # the first message of an answer, to something that nobody saw
        unit.torn = False
        told: list[Exchange] = list(unit.finish()) if unit.complete and kind != b"Z" else []
        unit.begun = True
        unit.answered_ns = unit.answered_ns or part.time_ns
        unit.answered_bytes += part.size
        if kind == b"C":
            told += self._complete(unit, part.data[5:-1])
        elif kind in b"IsV":
            unit.complete = bool(unit.exchanges)
        elif kind == b"E":
            told += self._fail(unit, part)
        elif kind == b"Z":
            told += unit.rest(part.time_ns)
            self._order.answered()
            self._unit = None if self._unit is unit else self._unit
        elif kind == b"G":
            unit.copying = True
        elif kind == b"W":
            told += unit.rest()
            self.over = True
        return told

    def _unasked(self, kind: bytes, part: Part) -> Iterable[Exchange]:
        if kind == b"E":
            words, severity = error(part.data)
            if severity in _FATAL:
                attributes = (*self._attributes, ("severity", severity))
                return (Exchange("postgresql", 0, part.time_ns, failed=True, error=words, attributes=attributes),)
        elif kind in b"ZCT":
            self._order.unasked()
        return ()

    def _complete(self, unit: _Unit, tag: bytes) -> Iterable[Exchange]:
        if not unit.exchanges:
            return ()
        words = tag.decode("latin-1").split(" ")
        exchange = unit.exchanges[0]
        if exchange is not None:
            if exchange.method in _TAGS and words[0] in _TAGS and words[0] != exchange.method:
                unit.answered_ns = unit.answered_bytes = 0
                return self._lose()
            if words[-1].isdigit():
                exchange.attributes += (("rows", words[-1]),)
        unit.complete = True
        unit.copying = False
        if len(unit.exchanges) == 1:
            unit.perhaps = False
        return ()

    def _fail(self, unit: _Unit, part: Part) -> Iterable[Exchange]:
        unit.failed = True
        unit.copying = False
        if self._parsed is not None and unit is self._unit:
            self._execute(self._parsed, perhaps=True)
        if not unit.exchanges:
            return self._unasked(b"E", part)
        unit.error, severity = error(part.data)
        unit.complete = True
        if len(unit.exchanges) == 1:
            unit.perhaps = False
        exchange = unit.exchanges[0]
        if exchange is not None and severity in _FATAL:
            exchange.attributes += (("severity", severity),)
        if severity in _FATAL:  # nothing follows
            return unit.rest(part.time_ns)
        return ()

    def _answers_lost(self, part: Part) -> Iterable[Exchange]:
        waiting = self._order.waiting
        if waiting and waiting[0].begun:
            waiting[0].answered_bytes += part.size
        dropped = self._order.answers_lost()
        if self._order.lost:
            self._unit = None
        elif waiting and not dropped:
            head = waiting[0]
            head.torn = not part.inside and (head.begun or not part.torn)
            head.begun, head.answered_ns = True, head.answered_ns or part.time_ns
        return [exchange for unit in dropped for exchange in unit.rest()]


def _function(data: bytes) -> Statement:
    return Statement("FUNCTION", (), str(unpack_from(">I", data, 5)[0]) if len(data) >= 9 else "")


def _remember(names: OrderedDict[bytes, Statement], name: bytes, statement: Statement) -> None:
    names[name] = statement
    names.move_to_end(name)
    if len(names) > _REMEMBERED:
        names.popitem(last=False)


POSTGRESQL = Dissector("postgresql", claims, PostgreSQL)
