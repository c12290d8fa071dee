"""PostgreSQL's frontend/backend protocol 3: statements and what became of them.

https://www.postgresql.org/docs/current/protocol.html. An exchange is a statement that was executed: its verb, its text
without literals, an error as SQLSTATE and condition name, the rows it says it touched. Logging in is one of the method
STARTUP, a function called by its number one of FUNCTION, a request to cancel one of CANCEL, which has no answer. A
statement that an earlier one's error has kept from being executed fails with "aborted". What a prepared statement says
is not known where nobody saw it being prepared. The server's own words (an error's text) are never shown.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import unpack_from

from rubin.dissect.conversation import Dissector, Exchange
from rubin.dissect.protocols.framing import OUTSTANDING, Gap, Part, Stream
from rubin.dissect.protocols.in_order import Asked, InOrder
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
from rubin.dissect.redaction import REDACTION, Redaction
from rubin.model.messages import Attributes

_REMEMBERED = 512
"""Prepared statements and portals, each."""
_UNKNOWN = Statement("", (), "")
_TAGS = frozenset(("SELECT", "INSERT", "UPDATE", "DELETE"))
_FATAL = ("FATAL", "PANIC")


@dataclass(slots=True)
class _Unit(Asked):
    """What one ReadyForQuery answers: a simple query's statements, or all up to a Sync."""

    exchanges: deque[Exchange | None] = field(default_factory=deque)  # that wait; None: told already
    ended: bool = False  # by the client
    perhaps: bool = False  # the last one may have been prepared only, which is worth telling if it fails
    copying: bool = False
    cut: bool = False  # the client's messages were not all seen
    torn: bool = False  # bytes of the answer are missing right before what comes now
    failed: bool = False
    complete: bool = False  # the answer that is under way, but for what ends the unit
    error: str = ""

    def first(self) -> Iterator[Exchange]:
        """The first exchange, with the answer so far."""
        exchange = self.exchanges.popleft()
        if exchange is not None:
            self._answer(exchange)
            yield exchange
        self.answered_ns = self.answered_bytes = 0
        self.complete, self.error = False, "aborted" if self.failed else ""

    def tell(self, time_ns: int = 0) -> Iterator[Exchange]:
        """All; those that an error keeps from being executed were answered at this time."""
        if self.complete:
            yield from self.first()
        if self.perhaps and self.exchanges:
            self.exchanges.pop()
        while self.exchanges:
            if self.failed:
                self.answered_ns = self.answered_ns or time_ns
            yield from self.first()

    def tell_late(self, before_ns: int) -> Iterator[Exchange]:
        """Those from before this time, but for one that may have been prepared only."""
        last = len(self.exchanges) - 1
        for at, exchange in enumerate(self.exchanges):
            if exchange is not None and exchange.started_ns < before_ns:
                self.exchanges[at] = None
                if at == 0:
                    self._answer(exchange)
                if not self.perhaps or at < last or exchange.failed:
                    yield exchange

    def _answer(self, exchange: Exchange) -> None:
        exchange.answered_ns, exchange.response_bytes = self.answered_ns, self.answered_bytes
        exchange.failed, exchange.error = bool(self.error), self.error


class PostgreSQL(InOrder[_Unit, Part]):
    """One connection."""

    def __init__(self, redaction: Redaction = REDACTION) -> None:
        super().__init__()
        self._redaction = redaction
        self._client = Stream(self._measure_client, resync_client, self._request, self._requests_lost)
        self._server = Stream(server_size, resync_server, self._answer, self._answers_lost)
        self._starting = True
        self._negotiating = False  # SSLRequest or GSSENCRequest: one byte answers it
        self._prepared: OrderedDict[bytes, Statement] = OrderedDict()
        self._portals: OrderedDict[bytes, Statement] = OrderedDict()
        self._parsed: Statement | None = None  # and not executed yet
        self._asked_ns = self._asked_bytes = 0  # of what will be executed
        self._attributes: Attributes = ()

    # --- what the client says

    def _measure_client(self, data: bytes, at: int) -> int:
        if self._starting and data[at]:
            self._starting = False
        if self._starting:
            return startup_size(data, at)
        self._client.measure = client_size
        return client_size(data, at)

    def _request(self, message: Part) -> None:
        if self._starting:
            self._start(message)
            return
        kind, waiting = message.data[:1], self._order.waiting
        if kind == b"p":
            self._authenticate(message.size)
        if kind not in b"QFPBDECS":
            return
        if waiting and waiting[-1].cut:
            self._ask_behind(message)
            return
        if not self._server.synced and self._unit is None:
            self._ask_anew()
        self._asked_ns = self._asked_ns or message.time_ns
        self._asked_bytes += message.size
        self._ask(kind, message.data, cut=len(message.data) < message.size)

    def _ask(self, kind: bytes, data: bytes, *, cut: bool) -> None:
        unit = self._open()
        if kind == b"Q":
            self._query(statements(data[5:], Dialect.POSTGRESQL, self._redaction))
        elif kind == b"F":
            self._query((_function(data),))
        elif kind == b"P":
            self._parse(data, cut=cut)
        elif kind == b"B":
            self._bind(data, cut=cut)
        elif kind == b"E":
            self._execute(self._portals.get(data[5 : data.find(b"\0", 5)], _UNKNOWN))
        elif kind == b"S":
            self._sync(unit)

    @property
    def _unit(self) -> _Unit | None:
        """What the client has not ended."""
        waiting = self._order.waiting
        return waiting[-1] if waiting and not waiting[-1].ended else None

    def _open(self) -> _Unit:
        unit = self._unit
        if unit is None:
            self._order.waiting.append(unit := _Unit())
        return unit

    def _query(self, found: tuple[Statement, ...]) -> None:
        began_ns = self._asked_ns
        for statement in found or (_UNKNOWN,):
            self._execute(statement)
            self._asked_ns = began_ns
        self._end()

    def _ask_behind(self, message: Part) -> None:
        """A request behind some that nobody saw, which are not answered yet."""
        last = self._order.waiting[-1]
        if message.data[:1] == b"S" and not last.ended and not self._order.pipelines:
            self._end()
            return
        self._lose()
        self._request(message)

    def _authenticate(self, size: int) -> None:
        """A password, or what proves one: all that is known of it is its size."""
        login = self._order.waiting[0].exchanges if self._order.waiting else None
        if login and login[0] is not None and login[0].method == "STARTUP":
            login[0].request_bytes += size

    def _start(self, part: Part) -> None:
        (code,) = unpack_from(">I", part.data, 4)
        if code in (SSL, GSS):
            self._negotiating, self._server.measure = True, _negotiation_size
            return
        if code == CANCEL:
            self._stop()
            self._told.append(Exchange("postgresql", part.time_ns, method="CANCEL", request_bytes=part.size))
            return
        words = part.data[8:].split(b"\0")
        settings = dict(zip(words[::2], words[1::2], strict=False))
        user = settings.get(b"user", b"")
        names = {"database": settings.get(b"database", user), "user": user}
        self._attributes = tuple((name, value.decode("utf-8", "replace")[:128]) for name, value in names.items())
        self._starting = False
        self._asked_ns, self._asked_bytes = part.time_ns, part.size
        self._query((Statement("STARTUP", (), self._attributes[0][1]),))

    def _parse(self, data: bytes, *, cut: bool) -> None:
        name_end = data.find(b"\0", 5)
        text_end = data.find(b"\0", name_end + 1)
        text = data[name_end + 1 : text_end if text_end > 0 else len(data)] if name_end > 0 else b""
        self._parsed = (*statements(text, Dialect.POSTGRESQL, self._redaction), _UNKNOWN)[0]
        _remember(self._prepared, data[5:name_end], self._parsed)
        if cut:
            self._execute(self._parsed, perhaps=True)

    def _bind(self, data: bytes, *, cut: bool) -> None:
        portal, _, rest = data[5:].partition(b"\0")
        statement = self._prepared.get(rest.partition(b"\0")[0], _UNKNOWN)
        _remember(self._portals, portal, statement)
        if cut:
            self._execute(statement, perhaps=True)

    def _execute(self, statement: Statement, *, perhaps: bool = False) -> None:
        """`perhaps`: what came is cut; Execute may be in what nobody saw."""
        unit = self._open()
        self._parsed = None
        if unit.perhaps:
            unit.perhaps = perhaps
            return
        attributes = self._attributes
        if statement.tables:
            attributes += (("tables", ",".join(statement.tables)),)
        asked_ns, size = self._asked_ns, self._asked_bytes
        exchange = Exchange("postgresql", asked_ns, 0, statement.operation, "", statement.text, request_bytes=size)
        exchange.attributes = attributes
        self._asked_ns = self._asked_bytes = 0
        unit.exchanges.append(exchange)
        unit.perhaps = perhaps
        # many units of many statements each do not come to more than some times the limit
        if len(unit.exchanges) > OUTSTANDING // len(self._order.waiting):
            self._lose()

    def _sync(self, unit: _Unit) -> None:
        if self._parsed is not None and not unit.perhaps:
            self._execute(self._parsed, perhaps=True)
        self._end()

    def _end(self) -> None:
        if (unit := self._unit) is not None:
            unit.ended = True
        self._asked_ns = self._asked_bytes = 0
        if len(self._order.waiting) > OUTSTANDING:
            self._lose()

    def _requests_lost(self, gap: Gap) -> None:
        self._starting = False
        self._parsed = None
        self._asked_ns = self._asked_bytes = 0
        self._prepared.pop(b"", None)
        self._portals.clear()
        super()._requests_lost(gap)

    def _goes_on(self, last: _Unit) -> bool:
        if not (last.copying or last.cut or not last.ended):
            return False
        last.cut = not last.copying
        return True

    # --- what the server says

    def _answer(self, message: Part) -> None:
        kind = message.data[:1]
        if self._negotiating:
            self._negotiating, self._server.measure = False, server_size
            if kind in b"SG":
                self._stop()
        elif kind in b"NA":
            return
        elif self._order.waiting:
            self._answer_to(self._order.waiting[0], kind, message)
        else:
            self._answer_nobody(kind, message)

    def _answer_to(self, unit: _Unit, kind: bytes, message: Part) -> None:
        if unit.torn and kind not in b"DdcZsS":
            self._lose()  # the first message of an answer, to something that nobody saw
            return
        unit.torn = False
        if unit.complete and kind != b"Z":
            self._answered(unit, unit.first())
        unit.begun = True
        unit.answered_ns = unit.answered_ns or message.time_ns
        unit.answered_bytes += message.size
        if kind in b"D12T":  # most of what is said
            return
        if kind == b"C":
            self._complete(unit, message)
        elif kind in b"IsV":
            unit.complete = bool(unit.exchanges)
        elif kind == b"E":
            self._fail(unit, message)
        elif kind == b"Z":
            self._answered(unit, unit.tell(message.time_ns))
            self._order.answered()
        elif kind == b"G":
            unit.copying = True
        elif kind == b"W":
            self._answered(unit, unit.tell())
            self._stop()

    def _answer_nobody(self, kind: bytes, message: Part) -> None:
        if kind == b"E":
            words, severity = error(message.data)
            if severity in _FATAL:
                found = (*self._attributes, ("severity", severity))
                self._told.append(
                    Exchange("postgresql", 0, message.time_ns, failed=True, error=words, attributes=found)
                )
        elif kind == b"Z":
            self._unasked()
        elif kind in b"CT":
            self._order.unasked()

    def _complete(self, unit: _Unit, message: Part) -> None:
        if not unit.exchanges:
            return
        words = message.data[5:-1].decode("latin-1").split(" ")
        exchange = unit.exchanges[0]
        if exchange is not None:
            if exchange.method in _TAGS and words[0] in _TAGS and words[0] != exchange.method:
                unit.answered_ns = unit.answered_bytes = 0
                self._lose()
                return
            if words[-1].isdigit() and len(message.data) == message.size:
                exchange.attributes += (("rows", words[-1]),)
        unit.complete = True
        unit.copying = False
        if len(unit.exchanges) == 1:
            unit.perhaps = False

    def _fail(self, unit: _Unit, message: Part) -> None:
        unit.failed = True
        unit.copying = False
        if self._parsed is not None and unit is self._unit:
            self._execute(self._parsed, perhaps=True)
        if not unit.exchanges:
            self._answer_nobody(b"E", message)
            return
        unit.error, severity = error(message.data)
        unit.complete = True
        if len(unit.exchanges) == 1:
            unit.perhaps = False
        exchange = unit.exchanges[0]
        if exchange is not None and severity in _FATAL:
            exchange.attributes += (("severity", severity),)
        if severity in _FATAL:  # nothing follows
            self._answered(unit, unit.tell(message.time_ns))

    def _tear(self, first: _Unit, gap: Gap, *, is_next: bool) -> None:
        if not is_next:
            first.torn = not gap.inside and (first.begun or not gap.torn)
            first.begun, first.answered_ns = True, first.answered_ns or gap.time_ns


def _negotiation_size(data: bytes, at: int) -> int:
    return 1 if data[at] in b"SNG" else server_size(data, at)


def _function(data: bytes) -> Statement:
    return Statement("FUNCTION", (), str(unpack_from(">I", data, 5)[0]) if len(data) >= 9 else "")


def _remember(names: OrderedDict[bytes, Statement], name: bytes, statement: Statement) -> None:
    names[name] = statement
    names.move_to_end(name)
    if len(names) > _REMEMBERED:
        names.popitem(last=False)


POSTGRESQL = Dissector("postgresql", claims, PostgreSQL)
