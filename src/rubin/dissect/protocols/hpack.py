"""The header compression of HTTP/2 (HPACK, RFC 7541), read by one who may have missed some of it.

Indices of the dynamic table count from its newest entry. So what was inserted since the last gap is known exactly,
whatever was there before, whatever size the table has and whatever fell out of it: an encoder names no entry that
fell out. All behind that is not known, and a header that refers to it is neither guessed nor wrong.
"""

from collections import deque
from collections.abc import Callable

from hpack.exceptions import HPACKError
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

Field = tuple[bytes, bytes]
"""Name and value. The name is empty if it is not known; the value if nobody wants it."""

MOST_BYTES = 16384
"""What the fields of one block may come to, as SETTINGS_MAX_HEADER_LIST_SIZE counts."""

_STATIC: tuple[Field, ...] = ((b"", b""), *HeaderTable.STATIC_TABLE)
_UNKNOWN: Field = (b"", b"")
_TABLE_BYTES = 8192
_OVERHEAD = 32  # of an entry, section 4.1
_FURTHEST = len(_STATIC) + (1 << 16)  # an index beyond that is no index
_LONGEST_INTEGER = 5  # bytes


class _Torn(Exception):
    """The block ends in the middle of a field, or makes no sense."""


class Table:
    """The dynamic table of one direction, as far as it is known: at most 8 KB. `wanted` says whose values are kept."""

    def __init__(self, wanted: Callable[[bytes], bool]) -> None:
        self._wanted = wanted
        self._entries: deque[Field] = deque()  # the newest first
        self._bytes = 0

    def forget(self) -> None:
        """Entries may have been inserted that nobody saw: which index has which is not known any more."""
        self._entries.clear()
        self._bytes = 0

    def decode(self, block: bytes, whole: bool = True) -> tuple[list[Field], bool]:
        """The fields of a block as far as it can be read, and whether that is all; if not, the table is forgotten."""
        fields: list[Field] = []
        at = size = 0
        try:
            while at < len(block):
                field, at = self._field(block, at)
                if field is not None:
                    fields.append(field)
                    size += len(field[0]) + len(field[1]) + _OVERHEAD
                if size > MOST_BYTES:
                    raise _Torn
        except (_Torn, HPACKError):
            whole = False
        if not whole:
            self.forget()
        return fields, whole

    def _field(self, block: bytes, at: int) -> tuple[Field | None, int]:
        """The representation at `at` (section 6); None if it is a new size of the table."""
        first = block[at]
        if first & 0x80:
            index, at = _integer(block, at, 7)
            return self._at(index), at
        if first & 0xE0 == 0x20:
            return None, _integer(block, at, 5)[1]
        index, at = _integer(block, at, 6 if first & 0x40 else 4)
        name = self._at(index)[0] if index else b""
        if not index:
            name, at = _text(block, at, True)
        value, at = _text(block, at, bool(name) and self._wanted(name))
        if first & 0x40:
            self._insert((name, value))
        return (name, value), at

    def _at(self, index: int) -> Field:
        if not 0 < index < _FURTHEST:
            raise _Torn
        if index < len(_STATIC):
            return _STATIC[index]
        index -= len(_STATIC)
        return self._entries[index] if index < len(self._entries) else _UNKNOWN

    def _insert(self, field: Field) -> None:
        self._entries.appendleft(field)
        self._bytes += len(field[0]) + len(field[1]) + _OVERHEAD
        while self._bytes > _TABLE_BYTES:
            name, value = self._entries.pop()
            self._bytes -= len(name) + len(value) + _OVERHEAD


def _integer(block: bytes, at: int, bits: int) -> tuple[int, int]:
    """The integer at `at` with a prefix of so many bits (section 5.1), and where it ends."""
    most = (1 << bits) - 1
    number = block[at] & most
    at += 1
    if number < most:
        return number, at
    for count, byte in enumerate(block[at : at + _LONGEST_INTEGER]):
        number += (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return number, at + count + 1
    raise _Torn


def _text(block: bytes, at: int, wanted: bool) -> tuple[bytes, int]:
    """The string literal at `at` (section 5.2), and where it ends; empty if it is not wanted."""
    if at >= len(block):
        raise _Torn
    huffman = block[at] & 0x80
    length, at = _integer(block, at, 7)
    end = at + length
    if end > len(block):
        raise _Torn
    if not wanted:
        return b"", end
    text = block[at:end]
    return (decode_huffman(text) if huffman else text), end
