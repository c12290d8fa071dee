"""What bytes are messages of PostgreSQL's protocol 3: their sizes, and which are beyond doubt wherever one looks in.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from struct import Struct, unpack_from

from rubin.dissect.conversation import Speaker
from rubin.dissect.protocols.sql import looks_like_sql
from rubin.dissect.protocols.sql_errors import POSTGRESQL as CONDITIONS

CANCEL, SSL, GSS = 80877102, 80877103, 80877104
_VERSIONS = (0x30000, 0x30002)
_CLIENT = frozenset(b"QPBDESHCdcfFpX")
_SERVER = frozenset(b"RKSZTDCENA123nstIGHWdcVv")
_LONG = frozenset(b"TDdVENA")  # the server's others are short, says fe-protocol3.c
_SHORT_BYTES, _LONG_BYTES, _STARTUP_BYTES = 30_000, 1 << 30, 10_000
_COLUMNS = 1664
_length = Struct(">I").unpack_from
_LOOK = 16  # messages of one packet
_SEVERITIES = frozenset((b"ERROR", b"FATAL", b"PANIC", b"WARNING", b"NOTICE", b"DEBUG", b"INFO", b"LOG"))


def startup_size(data: bytes, at: int) -> int:
    """Of what a client says before all else, as `Stream.measure`."""
    if len(data) - at < 8:
        return 0
    size, code = unpack_from(">II", data, at)
    if code in _VERSIONS:
        return size if 8 < size <= _STARTUP_BYTES else -1
    if code == CANCEL:
        return size if 16 <= size <= 268 else -1
    return 8 if size == 8 and code in (SSL, GSS) else -1


def client_size(data: bytes, at: int) -> int:
    """Of a client's message, as `Stream.measure`."""
    if len(data) - at < 5:
        return 0 if data[at] in _CLIENT else -1
    (length,) = _length(data, at + 1)
    return length + 1 if data[at] in _CLIENT and 4 <= length < _LONG_BYTES else -1


def server_size(data: bytes, at: int) -> int:
    """Of a server's message, as `Stream.measure`."""
    kind = data[at]
    if len(data) - at < 5:
        return 0 if kind in _SERVER else -1
    (length,) = _length(data, at + 1)
    longest = _LONG_BYTES if kind in _LONG else _SHORT_BYTES
    return length + 1 if kind in _SERVER and 4 <= length < longest else -1


def error(data: bytes) -> tuple[str, str]:
    """SQLSTATE with its name, and the severity, out of an ErrorResponse."""
    fields = {word[:1]: word[1:] for word in reversed(data[5:].split(b"\0", 4)[:4])}
    code = fields.get(b"C", b"").decode("latin-1")
    severity = fields.get(b"V", fields.get(b"S", b""))
    if not (len(code) == 5 and code.isalnum() and code.isascii()):
        code = "ERROR"
    name = severity.decode() if severity in _SEVERITIES else ""
    return f"{code} {CONDITIONS.get(code, '')}".rstrip(), name


def _is_query(body: bytes, *, whole: bool) -> bool:
    return looks_like_sql(body) and (body.find(b"\0") == len(body) - 1 if whole else b"\0" not in body)


def _is_parse(body: bytes, *, whole: bool) -> bool:
    name, _, rest = body.partition(b"\0")
    text, _, types = rest.partition(b"\0")
    if not looks_like_sql(text) or not name.isascii():
        return False
    return not whole or (len(types) >= 2 and len(types) == 2 + 4 * unpack_from(">H", types)[0])


def _is_bind(body: bytes, *, whole: bool) -> bool:
    names = body.split(b"\0", 2)
    if len(names) < 3 or not (names[0].isascii() and names[1].isascii()) or len(names[2]) < 2:
        return False
    (formats,) = unpack_from(">H", names[2])
    values = 2 + 2 * formats
    if formats > _COLUMNS or set(names[2][2:values:2]) - {0}:
        return False
    return not whole or len(names[2]) >= values + 4


def _is_execute(body: bytes, *, whole: bool) -> bool:
    return body.find(b"\0") == len(body) - 5 if whole else b"\0" not in body


def _is_named(body: bytes, *, whole: bool) -> bool:
    return body[:1] in (b"S", b"P") and (not whole or body.find(b"\0") == len(body) - 1)


def _is_empty(body: bytes, *, whole: bool) -> bool:
    return whole and not body


def _is_ready(body: bytes, *, whole: bool) -> bool:
    return whole and body in (b"I", b"T", b"E")


def _is_tag(body: bytes, *, whole: bool) -> bool:
    return whole and len(body) <= 64 and body[:1].isupper() and body.find(b"\0") == len(body) - 1 and body.isascii()


def _is_description(body: bytes, *, whole: bool) -> bool:
    if len(body) < 2:
        return False
    (fields,) = unpack_from(">H", body)
    end = body.find(b"\0", 2)
    if not fields:
        return whole and len(body) == 2
    if fields > _COLUMNS or end < 0:
        return False
    return len(body) < end + 19 or body[end + 17 : end + 19] in (b"\0\0", b"\0\1")


def _is_row(body: bytes, *, whole: bool) -> bool:
    if len(body) < 6:
        return whole and body == b"\0\0"
    (columns,) = unpack_from(">H", body)
    at = 2
    for _ in range(columns if columns <= _COLUMNS else 0):
        if at + 4 > len(body):
            return not whole
        (length,) = unpack_from(">i", body, at)
        if not -1 <= length < _LONG_BYTES:
            return False
        at += 4 + max(length, 0)
    return columns <= _COLUMNS and (at == len(body) if whole else at > len(body))


def _is_error(body: bytes, *, whole: bool) -> bool:
    fields = body.split(b"\0", 4)
    severities = [field[1:] for field in fields if field[:1] == b"V"] or [fields[0][1:]]
    return body[:1] == b"S" and severities[0] in _SEVERITIES and (not whole or body.endswith(b"\0\0"))


def _is_authentication(body: bytes, *, whole: bool) -> bool:
    if not whole or len(body) < 4:
        return False
    (code,) = unpack_from(">I", body)
    return len(body) == {0: 4, 3: 4, 5: 8}.get(code, -1) or (code == 10 and body[4:10] == b"SCRAM-")


def _is_setting(body: bytes, *, whole: bool) -> bool:
    return whole and body.count(b"\0") == 2 and body.endswith(b"\0") and body[:1].isalpha()


def _is_parameters(body: bytes, *, whole: bool) -> bool:
    return len(body) >= 2 and (not whole or len(body) == 2 + 4 * unpack_from(">H", body)[0])


def _is_copy(body: bytes, *, whole: bool) -> bool:
    return (
        whole and body[:1] in (b"\0", b"\1") and len(body) >= 3 and len(body) == 3 + 2 * unpack_from(">H", body, 1)[0]
    )


def _is_key(body: bytes, *, whole: bool) -> bool:
    return whole and 8 <= len(body) <= 260


_CLIENT_SHAPES = {ord("Q"): _is_query, ord("P"): _is_parse, ord("B"): _is_bind, ord("E"): _is_execute}
_CLIENT_SHAPES |= dict.fromkeys(b"DC", _is_named) | dict.fromkeys(b"SHX", _is_empty)
_SERVER_SHAPES = {ord("T"): _is_description, ord("D"): _is_row, ord("C"): _is_tag, ord("Z"): _is_ready}
_SERVER_SHAPES |= {ord("R"): _is_authentication, ord("S"): _is_setting, ord("K"): _is_key}
_SERVER_SHAPES |= dict.fromkeys(b"EN", _is_error) | dict.fromkeys(b"123nsI", _is_empty)
_SERVER_SHAPES |= {ord("t"): _is_parameters, ord("G"): _is_copy, ord("H"): _is_copy}


def _chain(data: bytes, client: bool) -> bytes:
    """The letters of the messages that lie in a row from the first byte to the last, the last one perhaps cut; empty
    where one of them is not what its letter says.
    """
    shapes, size_of = (_CLIENT_SHAPES, client_size) if client else (_SERVER_SHAPES, server_size)
    letters, at = bytearray(), 0
    while at < len(data) and len(letters) < _LOOK:
        size = size_of(data, at)
        shape = shapes.get(data[at])
        if size < 0 or shape is None:
            return b""
        if not size or (letters and len(data) < min(at + 16, at + size)):
            break  # too little of it to tell
        if not shape(data[at + 5 : at + size], whole=at + size <= len(data)):
            return b""
        letters.append(data[at])
        at += size
    return bytes(letters)


def resync_client(data: bytes) -> int:
    """As `Stream.resync`."""
    return 0 if _chain(data, client=True) else -1


def resync_server(data: bytes) -> int:
    """As `Stream.resync`: at the first byte, or at what ends an answer and the packet."""
    letters = _chain(data, client=False)
    if letters[1:] or (letters and letters not in b"123nsI"):
        return 0
    ready = len(data) - 6
    if ready < 0 or data[ready : ready + 5] != b"Z\0\0\0\5" or data[ready + 5] not in b"ITE":
        return -1
    for kind in (b"C\0\0\0", b"E\0\0"):
        at = data.rfind(kind, 0, ready)
        if at >= 0 and at + server_size(data, at) == ready and _chain(data[at:ready], client=False):
            return at
    return ready


def claims(data: bytes) -> Speaker | None:
    """Who would say this. Rows alone, and values bound to a statement, could be anything."""
    if len(data) < 6:
        return None
    if not data[0]:
        size = startup_size(data, 0)
        if size <= 0 or len(data) > size:
            return None
        return Speaker.CLIENT if size == 8 or data[4:8] == b"\4\xd2\x16\x2e" or b"user\0" in data else None
    letters = _chain(data, client=True)
    if letters[:1] in (b"Q", b"P") or (letters[:1] in (b"B", b"E") and len(letters) > 1 and letters[-1:] == b"S"):
        return Speaker.CLIENT
    letters = _chain(data, client=False)
    if (
        letters[:1] == b"E"
        or letters[:2] in (b"TD", b"TC", b"RS", b"RR")
        or letters[-2:] in (b"CZ", b"EZ", b"TZ", b"nZ")
    ):
        return Speaker.SERVER
    return Speaker.SERVER if letters == b"R" and data[4:9] != b"\x08\0\0\0\0" else None
