"""MySQL's and MariaDB's packets: what their bytes say, and which are beyond doubt wherever one looks in.

https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html
"""

from struct import unpack_from
from typing import NamedTuple

from rubin.dissect.conversation import Speaker
from rubin.dissect.protocols.sql import looks_like_sql

MAX_PAYLOAD = 0xFFFFFF
"""A packet of that length goes on in the next one."""
SSL, DEPRECATE_EOF = 1 << 11, 1 << 24
COMPRESSED = 1 << 5 | 1 << 26
_WITH_DB, _PROTOCOL_41, _SECURE, _LENENC_AUTH = 1 << 3, 1 << 9, 1 << 15, 1 << 21
_NAMES = """
02 INIT_DB 03 QUERY 04 FIELD_LIST 05 CREATE_DB 06 DROP_DB 07 REFRESH 08 SHUTDOWN 09 STATISTICS 0a PROCESS_INFO
0c PROCESS_KILL 0d DEBUG 0e PING 11 CHANGE_USER 15 REGISTER_SLAVE 16 PREPARE 17 EXECUTE 1a STMT_RESET 1b SET_OPTION
1c STMT_FETCH 1f RESET_CONNECTION fa BULK_EXECUTE
"""
COMMANDS = dict(zip((int(code, 16) for code in _NAMES.split()[::2]), _NAMES.split()[1::2], strict=True))
_SIZES = {0x01: 1, 0x09: 1, 0x0A: 1, 0x0C: 5, 0x0D: 1, 0x0E: 1, 0x19: 5, 0x1A: 5, 0x1B: 3, 0x1C: 9, 0x1F: 1}
_CONTROL = frozenset(range(32)) - frozenset(b"\t\n\r")


class Login(NamedTuple):
    """What a client says of itself."""

    flags: int
    user: str
    database: str


def size(data: bytes, at: int) -> int:
    """Of a packet, as `Stream.measure`: known when the first byte behind the head is there."""
    there = len(data) - at
    length = int.from_bytes(data[at : at + 3], "little")
    return length + 4 if there > 4 or (there == 4 and not length) else 0


def lenenc(data: bytes, at: int) -> tuple[int, int]:
    """A length-encoded number, and the bytes it takes; what is not there counts as 0."""
    first = data[at] if at < len(data) else 0
    width = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(first, 0)
    return (int.from_bytes(data[at + 1 : at + 1 + width], "little"), 1 + width) if width else (first, 1)


def status_flags(payload: bytes, length: int) -> tuple[int, int]:
    """Rows that were changed and the session's status, of an OK packet or an EOF packet."""
    if length == 5 and payload[:1] == b"\xfe":
        return 0, int.from_bytes(payload[3:5], "little")
    rows, used = lenenc(payload, 1)
    at = 1 + used
    at += lenenc(payload, at)[1]
    return rows, int.from_bytes(payload[at : at + 2], "little")


def error(payload: bytes) -> tuple[int, str]:
    """Number and SQLSTATE of an ERR packet; of one that is cut, what is whole."""
    state = payload[4:9].decode("latin-1") if payload[3:4] == b"#" else ""
    code = int.from_bytes(payload[1:3], "little") if len(payload) > 2 else 0
    return code, state if len(state) == 5 and state.isascii() and state.isalnum() else ""


def greeting(payload: bytes) -> tuple[str, int]:
    """The server's version and what it is capable of."""
    version, _, rest = payload[1:].partition(b"\0")
    lower, upper = rest[13:15], rest[18:20]
    version = version.removeprefix(b"5.5.5-")  # MariaDB hides behind it from old replicas
    return version.decode("latin-1")[:64], int.from_bytes(lower + upper, "little")


def login(payload: bytes) -> Login:
    """HandshakeResponse41; of its older form, only that there is one."""
    flags = int.from_bytes(payload[:4], "little")
    if not flags & _PROTOCOL_41:
        return Login(flags & 0xFFFF, "", "")
    user, _, rest = payload[32:].partition(b"\0")
    if flags & _LENENC_AUTH:
        length, used = lenenc(rest, 0)
        rest = rest[used + length :]
    elif flags & _SECURE:
        rest = rest[1 + (rest[0] if rest else 0) :]
    else:
        rest = rest.partition(b"\0")[2]
    database = rest.partition(b"\0")[0] if flags & _WITH_DB else b""
    return Login(flags, user.decode("utf-8", "replace")[:128], database.decode("utf-8", "replace")[:128])


def query_text(text: bytes) -> bytes:
    """A command's SQL: without the counts of query attributes, and nothing where attributes stand before it."""
    text = text.removeprefix(b"\0\1")
    return b"" if _CONTROL.intersection(text[:3]) else text


def _is_command(data: bytes) -> bool:
    if len(data) < 5 or data[3]:
        return False
    length, code = size(data, 0) - 4, data[4]
    whole = len(data) >= length + 4
    if code in (0x03, 0x16):
        return length > 5 and looks_like_sql(query_text(data[5 : length + 4]))
    if code == 0x17:
        return length >= 10 and data[9:10] < b"\x10" and data[10:14] == b"\1\0\0\0"
    return whole and _SIZES.get(code) == length


def resync_client(data: bytes) -> int:
    """As `Stream.resync`."""
    end = size(data, 0) if len(data) >= 5 else 0
    return 0 if _is_command(data) and (end >= len(data) or _is_command(data[end:])) else -1


def _is_chain(data: bytes) -> bool:
    """Whether packets with numbers in a row lie here from the first byte to the last; the last one may be cut."""
    at, packets, number = 0, 0, data[3] if len(data) > 3 else 0
    while at + 4 <= len(data):
        if data[at + 3] != number & 255:
            return False
        at += 4 + int.from_bytes(data[at : at + 3], "little")
        number, packets = number + 1, packets + 1
    return packets > 1 or (packets == 1 and at == len(data))


def resync_server(data: bytes) -> int:
    """As `Stream.resync`: at the first byte, or at what ends a result set and the packet."""
    if _is_chain(data):
        return 0
    for length, end in ((5, b"\xfe"), (7, b"\xfe\0\0")):
        at = len(data) - length - 4
        if at > 0 and data[at : at + 3] == bytes((length, 0, 0)) and data.startswith(end, at + 4):
            return at
    return -1


def _is_greeting(data: bytes) -> bool:
    version = data[5:].partition(b"\0")[0]
    if data[3:5] != b"\0\x0a" or not (0 < len(version) < 64) or not version.isascii() or not version[:1].isdigit():
        return False
    behind = 6 + len(version)
    return len(data) >= behind + 31 and data[behind + 12] == 0 and size(data, 0) >= min(len(data), behind + 31)


def claims(data: bytes) -> Speaker | None:
    """Who would say this: the greeting, a query, the first packets of a result set, an error."""
    if len(data) < 9:
        return None
    length = size(data, 0) - 4
    if _is_greeting(data):
        return Speaker.SERVER if len(data) <= length + 4 else None
    if data[4] in (0x03, 0x16, 0x17) and _is_command(data):
        return Speaker.CLIENT if length + 4 >= len(data) else None
    if data[3] != 1:
        return None
    if data[4] == 0xFF and data[7] == ord("#") and length + 4 == len(data) and length > 9:
        return Speaker.SERVER if unpack_from("<H", data, 5)[0] >= 1000 and data[8:13].isalnum() else None
    columns = length == 1 and data[8:9] == b"\2" and data[9:13] == b"\3def"
    return Speaker.SERVER if columns and _is_chain(data) else None
