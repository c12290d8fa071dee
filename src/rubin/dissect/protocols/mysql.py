"""MySQL's and MariaDB's client/server protocol: commands and what became of them.

https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html, https://mariadb.com/kb/en/clientserver-protocol/.
An exchange is a command: of queries and prepared statements the SQL verb and the text without literals, of others the
command's name; CONNECT is logging in, PREPARE the preparing of a statement. `status` is the error's number. What a
prepared statement says is not known where nobody saw it being prepared. Error texts are never shown.
"""

from collections import OrderedDict
from dataclasses import dataclass

from rubin.dissect.conversation import Dissector, Exchange
from rubin.dissect.protocols.framing import Gap, Part, Stream
from rubin.dissect.protocols.in_order import Command, InOrder
from rubin.dissect.protocols.mysql_packets import (
    COMMANDS,
    COMPRESSED,
    DEPRECATE_EOF,
    MAX_PAYLOAD,
    SSL,
    Login,
    claims,
    error,
    greeting,
    lenenc,
    login,
    query_text,
    resync_client,
    resync_server,
    size,
    status_flags,
)
from rubin.dissect.protocols.sql import Dialect, Statement, statements
from rubin.dissect.protocols.sql_errors import MYSQL as ERRORS
from rubin.dissect.redaction import REDACTION, Redaction
from rubin.model.messages import Attributes

_REMEMBERED = 512
"""Prepared statements."""
_QUIT, _INIT_DB, _QUERY, _FIELD_LIST, _PROCESS_INFO, _CHANGE_USER = 0x01, 0x02, 0x03, 0x04, 0x0A, 0x11
_PREPARE, _EXECUTE, _LONG_DATA, _CLOSE, _FETCH, _BULK = 0x16, 0x17, 0x18, 0x19, 0x1C, 0xFA
_BINLOG = (0x12, 0x1E)
_CONNECT = -1
_NO_ANSWER = (_QUIT, _LONG_DATA, _CLOSE)
_MORE_RESULTS, _CURSOR, _NO_BACKSLASH_ESCAPES = 0x0008, 0x0040, 0x0200
_FIRST, _COLUMNS, _BEHIND_COLUMNS, _ROWS, _DEFINITIONS, _FILE = range(6)
_CHANGES = frozenset(("INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD"))
_UNKNOWN = Statement("", (), "")


@dataclass(slots=True)
class _Command(Command):
    code: int = 0
    expects: int = 0  # the number of the answer's first packet
    stage: int = _FIRST
    left: int = 0  # definitions of columns still to come
    ends: int = 0  # EOF packets still to come behind them
    statement: Statement = _UNKNOWN
    torn: bool = False  # some of the answer was lost
    continued: bool = False  # the packet goes on in the next one


class MySQL(InOrder[_Command, Part]):
    """One connection."""

    def __init__(self, redaction: Redaction = REDACTION) -> None:
        super().__init__()
        self._redaction = redaction
        self._client = Stream(size, resync_client, self._request, self._requests_lost)
        self._server = Stream(size, resync_server, self._answer, self._answers_lost)
        self._starting = True
        self._server_version = ""
        self._server_flags = self._flags = 0
        self._prepared: OrderedDict[int, Statement] = OrderedDict()
        self._preparing = _UNKNOWN
        self._dialect = Dialect.MYSQL
        self._user = self._database = ""
        self._attributes: Attributes = ()

    # --- what the client says

    def _request(self, message: Part) -> None:
        number = message.data[3]
        if number:
            self._continue(message, number)
            return
        self._starting = False
        code = message.data[4] if message.size > 4 else _QUIT
        if code in _BINLOG:
            self._stop()
        elif code == _CLOSE:
            self._prepared.pop(int.from_bytes(message.data[5:9], "little"), None)
        elif code not in _NO_ANSWER:
            self._ask(code, message, *self._describe(code, message))

    def _describe(self, code: int, part: Part) -> tuple[str, str, Statement]:
        method = COMMANDS.get(code, "")
        if code in (_QUERY, _PREPARE):
            found = statements(query_text(part.data[5:]), self._dialect, self._redaction) or (_UNKNOWN,)
            statement = found[0]._replace(text="; ".join(one.text for one in found)[:512])
            if code == _PREPARE:
                self._preparing = statement
                return method, statement.text, statement
            return statement.operation or method, statement.text, statement
        if code in (_EXECUTE, _BULK):
            statement_id = int.from_bytes(part.data[5:9], "little")
            # MariaDB's clients execute number -1, the last one, before they know its number
            last = self._preparing if statement_id == 0xFFFFFFFF else _UNKNOWN
            statement = self._prepared.get(statement_id, last)
            return statement.operation or method, statement.text, statement
        if code == _INIT_DB:
            return method, part.data[5 : part.size].decode("utf-8", "replace")[:128], _UNKNOWN
        return method, "", _UNKNOWN

    def _ask(self, code: int, part: Part, method: str, target: str, statement: Statement) -> None:
        exchange = Exchange("mysql", part.time_ns, 0, method, "", target, request_bytes=part.size)
        exchange.attributes = self._attributes
        if statement.tables:
            exchange.attributes += (("tables", ",".join(statement.tables)),)
        if not self._server.synced:
            self._ask_anew()
        stage = _ROWS if code in (_FIELD_LIST, _FETCH) else _FIRST
        expects = (part.data[3] + 1) & 255
        self._wait(_Command(exchange=exchange, code=code, expects=expects, stage=stage, statement=statement))

    def _continue(self, part: Part, number: int) -> None:
        """What is no new command: logging in, the rest of a long one, a file."""
        if self._order.waiting:
            command = self._order.waiting[-1]
            command.expects = (number + 1) & 255
            if command.exchange is not None:
                command.exchange.request_bytes += part.size
        elif self._starting and number <= 2:
            self._starting = False
            self._log_in(part)

    def _log_in(self, part: Part) -> None:
        found = login(part.data[4:])
        self._flags = found.flags
        if found.flags & SSL and part.size == 36:
            self._stop()
            return
        self._know(found)
        self._ask(_CONNECT, part, "CONNECT", found.database, _UNKNOWN)

    def _know(self, found: Login) -> None:
        self._user, self._database = found.user, found.database
        known = {"database": self._database, "user": self._user, "server_version": self._server_version}
        self._attributes = tuple((name, value) for name, value in known.items() if value)

    def _requests_lost(self, gap: Gap) -> None:
        self._starting = False
        super()._requests_lost(gap)

    def _goes_on(self, last: _Command) -> bool:
        return last.stage == _FILE

    # --- what the server says

    def _answer(self, message: Part) -> None:
        number, payload = message.data[3], message.data[4:]
        if not self._order.waiting:
            self._answer_nobody(number, payload, message.time_ns)
            return
        command = self._order.waiting[0]
        if command.torn and number == 1 and command.stage != _FIRST:
            self.unpaired += 1
            self._lose()  # the first packet of an answer, to something that nobody saw
            return
        if command.stage == _FIRST and command.code != _CONNECT and number != command.expects:
            if not command.begun:
                return  # what is left of another answer
            command.stage = _ROWS
        command.begun = True
        command.answered_ns = command.answered_ns or message.time_ns
        command.answered_bytes += message.size
        continued, command.continued = command.continued, message.size == MAX_PAYLOAD + 4
        if not continued and self._ends(command, number, payload, message.size - 4):
            self._order.answered()
            self._answered(command, command.tell())

    def _answer_nobody(self, number: int, payload: bytes, time_ns: int) -> None:
        if self._starting and payload[:1] == b"\x0a":
            self._server_version, self._server_flags = greeting(payload)
        elif self._starting and payload[:1] == b"\xff":  # too many connections, a host that may not connect
            command = _Command(exchange=Exchange("mysql", method="CONNECT"), answered_ns=time_ns)
            self._fail(command, payload)
            self._told += command.tell()
        elif number == 1 and not self._starting:
            self._unasked()

    def _ends(self, command: _Command, number: int, payload: bytes, length: int) -> bool:
        """Whether this packet is the answer's last."""
        kind = payload[0] if payload else 0
        if kind == 0xFF and length > 2 and command.stage not in (_COLUMNS, _DEFINITIONS):
            self._fail(command, payload)
            return True
        if command.code in (_CONNECT, _CHANGE_USER):
            return kind == 0 and self._logged_in()
        if command.stage == _COLUMNS:
            command.left -= 1
            command.stage = _COLUMNS if command.left else _BEHIND_COLUMNS
            return False
        if command.stage == _DEFINITIONS:
            return self._defined(command, eof=kind == 0xFE and length == 5)
        if command.stage in (_BEHIND_COLUMNS, _ROWS):
            return self._row(command, number, payload, length)
        return self._first(command, number, payload, length)

    def _first(self, command: _Command, number: int, payload: bytes, length: int) -> bool:
        kind = payload[0] if payload else 0
        if command.stage == _FILE or kind == 0 or (kind == 0xFE and length < 9):
            return self._succeed(command, number, payload, length)
        if kind == 0xFB and command.code == _QUERY:
            command.stage = _FILE
        elif command.code in (_QUERY, _EXECUTE, _BULK, _PROCESS_INFO):
            count, used = lenenc(payload, 0)
            without = length > used and payload[used:] == b"\0"  # MariaDB: the client remembers the definitions
            command.left, command.stage = count, _BEHIND_COLUMNS if without or not count else _COLUMNS
        else:
            return True
        return False

    def _succeed(self, command: _Command, number: int, payload: bytes, length: int) -> bool:
        """An OK or EOF packet in place of a result set."""
        if command.code == _PREPARE and length >= 12:
            return self._prepare(command, payload)
        rows, flags = status_flags(payload, length)
        self._heed(flags)
        if command.exchange is not None and command.statement.operation in _CHANGES:
            command.exchange.attributes += (("rows", str(rows)),)
        if command.code == _INIT_DB and command.exchange is not None:
            self._know(Login(self._flags, self._user, command.exchange.target))
        command.stage, command.expects = _FIRST, (number + 1) & 255
        return not flags & _MORE_RESULTS

    def _prepare(self, command: _Command, payload: bytes) -> bool:
        statement_id, columns, parameters = (
            int.from_bytes(payload[a:b], "little") for a, b in ((1, 5), (5, 7), (7, 9))
        )
        self._prepared[statement_id] = command.statement
        if len(self._prepared) > _REMEMBERED:
            self._prepared.popitem(last=False)
        command.left, command.stage = columns + parameters, _DEFINITIONS
        # where nobody saw the client log in, an EOF behind the last definition is taken as belonging to no answer
        known = self._flags and not self._flags & self._server_flags & DEPRECATE_EOF
        command.ends = (columns > 0) + (parameters > 0) if known else 0
        return not command.left

    @staticmethod
    def _defined(command: _Command, *, eof: bool) -> bool:
        if eof:
            command.ends -= 1
        else:
            command.left -= 1
        return command.left <= 0 and command.ends <= 0

    def _row(self, command: _Command, number: int, payload: bytes, length: int) -> bool:
        behind_columns = command.stage == _BEHIND_COLUMNS
        command.stage = _ROWS
        if payload[:1] != b"\xfe" or length >= MAX_PAYLOAD:
            return False
        _, flags = status_flags(payload, length)
        self._heed(flags)
        if behind_columns and length == 5 and not flags & _CURSOR:
            return False
        command.stage, command.expects = _FIRST, (number + 1) & 255
        return not flags & _MORE_RESULTS

    def _heed(self, flags: int) -> None:
        self._dialect = Dialect.MYSQL_NO_BACKSLASH_ESCAPES if flags & _NO_BACKSLASH_ESCAPES else Dialect.MYSQL

    def _logged_in(self) -> bool:
        if self._flags & self._server_flags & COMPRESSED:
            self._stop()
        return True

    @staticmethod
    def _fail(command: _Command, payload: bytes) -> None:
        if command.exchange is not None:
            code, state = error(payload)
            command.exchange.failed, command.exchange.status = True, code
            command.exchange.error = " ".join(filter(None, (str(code or "ERROR"), state, ERRORS.get(str(code), ""))))

    def _tear(self, first: _Command, gap: Gap, *, is_next: bool) -> None:
        del is_next
        first.torn = first.torn or first.begun or not gap.torn
        first.stage = _ROWS if first.begun and first.stage != _FILE else first.stage
        first.begun, first.answered_ns = True, first.answered_ns or gap.time_ns


MYSQL = Dissector("mysql", claims, MySQL)
