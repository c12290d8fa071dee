"""Heads of HTTP/1 messages (RFC 9112), many at once: bytes in, columns out; never raises, whatever the bytes.

Of a head the first line is read, and of its fields those that say where the message ends, whom it is for, and which
trace it belongs to (W3C traceparent). Nothing else leaves this file.
"""

import numpy as np

from rubin.dissect.segments import I64, U8, U64, Mask, words
from rubin.model.whole import windows

NEITHER, REQUEST, RESPONSE = 0, 1, 2

METHODS = (
    *("GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"),
    *("PROPFIND", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH", "PURGE"),
)
HEAD = METHODS.index("HEAD")
CONNECT = METHODS.index("CONNECT")
ABSENT, ENDLESS = -1, -2
"""Of `content`: no field says a length, or the message goes on until its chunks or the connection end."""

_MOST = 3456  # bytes of a head that are looked at
_LEAST = 16  # "GET / HTTP/1.1\r\n", "HTTP/1.1 200\r\n\r\n"
_LOWER = np.uint64(0x2020202020202020)
_USUAL = 512  # what is looked at first
_BLOCK = 4096  # heads at a time: fewer cost more in calls than is won in the cache
_METHOD_SIZES = np.array([len(name) + 1 for name in METHODS])


_COLUMNS = (
    "kind",  # NEITHER where it is no first line of HTTP/1
    "size",  # of the head; 0: its end is not there
    "content",  # bytes that follow it, by Content-Length, or ABSENT, or ENDLESS
    "status",  # of a response
    "method",  # of a request, its place in METHODS
    "minor",  # of the version, 0 or 1
    "target",
    "target_size",
    "host",
    "host_size",  # 0: no such field
    "trace",  # where the 32 digits of the trace are; 0: no such field
)


class Heads:
    """(n,) first lines and what matters of the fields: the columns of _COLUMNS, in one matrix.

    Places are offsets from the head's first byte.
    """

    __slots__ = ("matrix",)

    def __init__(self, matrix: I64) -> None:
        self.matrix = matrix

    def __len__(self) -> int:
        return len(self.matrix[0])

    def __getattr__(self, name: str) -> I64:
        column: I64 = self.matrix[_PLACES[name]]
        return column

    def take(self, rows: I64) -> "Heads":
        """These rows."""
        return Heads(self.matrix.take(rows, axis=1))


_PLACES = {name: place for place, name in enumerate(_COLUMNS)}


def _word(text: bytes) -> tuple[np.uint64, np.uint64]:
    """The first bytes of a word as a number, and the mask of these bytes."""
    mask = (1 << 8 * len(text)) - 1
    return np.uint64(int.from_bytes(text, "little")), np.uint64(mask)


def _name(text: bytes) -> tuple[np.uint64, np.uint64]:
    """The same of a field's name, whose letters may be large or small: to be compared with a word | _LOWER."""
    number, mask = _word(text)
    return (number | _LOWER) & mask, mask


_WORDS = [_word(f"{method} ".encode()[:8]) for method in METHODS]
_STARTS, _START_MASKS = (np.array(column, np.uint64) for column in zip(*_WORDS, strict=True))


_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # keeps these methods apart


def _slot(first: U64) -> U64:
    """Where a method is looked up by its first four bytes, which no two share."""
    return (first & np.uint64(0xFFFFFFFF)) * _SPREAD >> np.uint64(56)


_METHOD_OF = np.zeros(256, np.int64)
_METHOD_OF[_slot(_STARTS)] = np.arange(len(METHODS))
assert (_METHOD_OF[_slot(_STARTS)] == np.arange(len(METHODS))).all(), "two methods in one place"
_HTTP = _word(b"HTTP/1.")
_CONTENT, _LENGTH = _name(b"content-"), _name(b"length:")
_TRANSFER, _ENCODING = _name(b"transfer"), _name(b"-encodin")
_HOST = _name(b"host:")
_TRACEPARENT, _PARENT = _name(b"tracepar"), _name(b"ent:")
_CRLF, _BLANK, _BLANKS = _word(b"\r\n"), _word(b" "), _word(b"  ")
_ARE_DIGITS = bytes(byte in b"0123456789abcdef" for byte in range(256))
_ALL_DIGITS, _ZEROS = (np.frombuffer(byte * 8, np.uint64)[0] for byte in (b"\1", b"0"))


def kinds(data: U8, at: I64, have: I64) -> tuple[I64, I64]:
    """(n,) what begins there, NEITHER, REQUEST or RESPONSE, and the method of a request."""
    every = words(data)
    first = every[np.minimum(at, len(every) - 1)]
    method = _METHOD_OF[_slot(first)]
    method = np.where((first & _START_MASKS[method]) == _STARTS[method], method, -1)
    kind = np.where(method >= 0, REQUEST, NEITHER)
    kind[(first & _HTTP[1]) == _HTTP[0]] = RESPONSE
    kind[have < _LEAST] = NEITHER
    return kind, method


def heads(data: U8, at: I64, have: I64, kind: I64 | None = None, method: I64 | None = None) -> Heads:
    """The heads that may begin at these places of `data`, of which `have` bytes are there; `kinds` may be known.

    `data` has at least sixteen bytes behind the last of them.
    """
    if kind is None or method is None:
        kind, method = kinds(data, at, have)
    matrix = np.zeros((len(_COLUMNS), len(at)), np.int64)
    for alike in (np.flatnonzero(kind != RESPONSE), np.flatnonzero(kind == RESPONSE)):
        for first in range(0, len(alike), _BLOCK):
            rows = alike[first : first + _BLOCK]
            made = _heads(data, at[rows], have[rows], kind[rows], method[rows], _USUAL)
            _put(matrix, rows, made)
            longer = rows[(made[1] == 0) & (have[rows] > _USUAL) & (kind[rows] != NEITHER)]
            if len(longer):
                _put(matrix, longer, _heads(data, at[longer], have[longer], kind[longer], method[longer], _MOST))
    return Heads(matrix)


def _put(matrix: I64, rows: I64, made: I64) -> None:
    for column, values in zip(matrix, made, strict=True):  # at once it takes twice as long
        column[rows] = values


def _heads(data: U8, at: I64, have: I64, kind: I64, method: I64, most: int) -> I64:
    """(columns, n), of responses or of none."""
    have = np.minimum(have, most)
    found = _Found(data, at, have)
    word = words(data)
    matrix = np.zeros((len(_COLUMNS), len(at)), np.int64)
    if len(kind) and kind[0] == RESPONSE:
        versioned = word[at]
        matrix[3] = status = _status(word[np.minimum(at + 8, len(word) - 1)])
        plain = status > 0
    else:
        last = np.maximum(found.line - 8, 0)
        versioned = word[at + last]  # the line ends with it
        matrix[6] = method_size = _METHOD_SIZES[method]
        target_size = last - 1 - method_size
        matrix[7] = np.maximum(target_size, 0)
        matrix[8], matrix[9] = found.host()
        matrix[10] = found.trace()
        plain = (kind != NEITHER) & (target_size > 0)
    matrix[5] = minor = (versioned >> np.uint64(56)).astype(np.int64) - 48
    plain &= (found.line > 0) & ((versioned & _HTTP[1]) == _HTTP[0]) & ((minor == 0) | (minor == 1))
    matrix[0] = np.where(plain, kind, NEITHER)
    matrix[1] = found.size
    matrix[2] = found.content()
    matrix[4] = method
    return matrix


def _status(word: U64) -> I64:
    """The three digits behind a blank; 0: they are none."""
    status, good = np.zeros(len(word), np.int64), (word & np.uint64(0xFF)) == 32
    for place in (1, 2, 3):
        digit = ((word >> np.uint64(8 * place)) & np.uint64(0xFF)).astype(np.int64) - 48
        good &= (digit >= 0) & (digit <= 9)
        status = status * 10 + digit
    return np.where(good & (status >= 100), status, 0)


class _Found:
    """Lines of heads: where the first ends, where the last does, and the fields between.

    Works on a copy in which every head has a row of the same width: what is looked at again and again is in the cache.
    """

    def __init__(self, data: U8, at: I64, have: I64) -> None:
        count = len(at)
        self._have = have
        self._width = width = int(have.max()) + 8 if count else 8  # behind the last byte a whole word can be read
        block = np.empty(count * width + 8, np.uint8)
        block[count * width :] = 0
        near = np.minimum(at, max(len(data) - width, 0))
        block[: count * width].reshape(count, width)[:] = windows(data, near, width)
        self._word = words(block)
        self._base = np.arange(count) * width + (at - near)  # where each head begins in the copy
        self._ends = np.flatnonzero(block == 10)
        self._following = self._word[self._ends + 1] if count else np.zeros(0, np.uint64)
        self.line = self._first_line()
        self.size = self._heads_end()
        self._following |= _LOWER

    def _row(self, lines: I64) -> tuple[I64, I64]:
        """Whose newlines these are, and at which place of it."""
        row = self._ends[lines] // self._width
        return row, self._ends[lines] - self._base[row]

    def _byte(self, row: I64, place: I64) -> I64:
        found: I64 = (self._word[self._base[row] + place] & np.uint64(0xFF)).astype(np.int64)
        return found

    def _first_line(self) -> I64:
        """The size of each first line without what ends it; 0: its end is not there."""
        if not len(self._ends):
            return np.zeros(len(self._base), np.int64)
        following = np.minimum(np.searchsorted(self._ends, self._base), len(self._ends) - 1)
        size = self._ends[following] - self._base
        size[(size < 0) | (size >= self._have)] = 0
        size -= (size > 0) & (self._byte(np.arange(len(size)), np.maximum(size - 1, 0)) == 13)
        return size

    def _heads_end(self) -> I64:
        """The size of each head, with the blank line that ends it; 0: that is not there."""
        size = np.zeros(len(self._base), np.int64)
        blank = np.flatnonzero((self._following & _CRLF[1]) == _CRLF[0])[::-1]
        row, place = self._row(blank)
        good = (place >= 0) & (place + 3 <= self._have[row])
        size[row[good]] = place[good] + 3  # from the last to the first, which stays
        return size

    def _named(self, first: tuple[np.uint64, np.uint64], *more: tuple[np.uint64, np.uint64]) -> tuple[I64, I64, I64]:
        """Fields that begin with this name: whose they are, where they begin, and the newlines before them."""
        chosen = np.flatnonzero((self._following & first[1]) == first[0])
        for part, (word, mask) in enumerate(more, 1):
            chosen = chosen[((self._word[self._ends[chosen] + 1 + 8 * part] | _LOWER) & mask) == word]
        row, place = self._row(chosen)
        good = (place >= 0) & (place < np.where(self.size[row] > 0, self.size[row], self._have[row]))
        return row[good], place[good] + 1, chosen[good]

    def _value(self, row: I64, place: I64) -> I64:
        """Where a value begins: behind at most two blanks."""
        word = self._word[self._base[row] + np.minimum(place, self._have[row])]
        blank, blanks = ((word & mask) == text for text, mask in (_BLANK, _BLANKS))
        found: I64 = place + blank + blanks
        return found

    def _end_of_line(self, row: I64, newline: I64) -> I64:
        """Where the line behind this newline ends; 0: its end is not there."""
        end = self._ends[np.minimum(newline + 1, len(self._ends) - 1)] - self._base[row]
        end = np.where((newline + 1 < len(self._ends)) & (end < self._have[row]), end, 0)
        found: I64 = end - ((end > 0) & (self._byte(row, np.maximum(end - 1, 0)) == 13))
        return found

    def content(self) -> I64:
        """What follows the head, as in `Heads`."""
        found = np.full(len(self._base), ABSENT, np.int64)
        row, place, _ = self._named(_CONTENT, _LENGTH)
        found[row] = self._numbers(row, self._value(row, place + 15))
        row, _, _ = self._named(_TRANSFER, _ENCODING)
        found[row] = ENDLESS
        return found

    def host(self) -> tuple[I64, I64]:
        """Where the value of the field Host is, and its size."""
        at, size = np.zeros(len(self._base), np.int64), np.zeros(len(self._base), np.int64)
        row, place, newline = self._named(_HOST)
        value = self._value(row, place + 5)
        at[row], size[row] = value, np.maximum(self._end_of_line(row, newline) - value, 0)
        return at, size

    def trace(self) -> I64:
        """Where the digits of the trace are in the field traceparent, which is whole; 0: there is none."""
        at = np.zeros(len(self._base), np.int64)
        row, place, _ = self._named(_TRACEPARENT, _PARENT)
        value = self._value(row, place + 12)
        whole = value + 55 <= self._have[row]
        at[row[whole]] = value[whole] + 3
        return at

    def _numbers(self, row: I64, place: I64) -> I64:
        """The decimal numbers there, as far as digits go; ABSENT where there is none, ENDLESS for a senseless one."""
        here = np.minimum(place, self._have[row])
        first, digits = _decimal(self._word[self._base[row] + here])
        number = np.where(digits > 0, first, ABSENT)
        long = np.flatnonzero(digits == 8)
        if len(long):  # 100 MB and more
            behind = np.minimum(here[long] + 8, self._have[row[long]])
            rest, more = _decimal(self._word[self._base[row[long]] + behind])
            number[long] = np.where(more < 8, first[long] * 10 ** np.minimum(more, 7) + rest, ENDLESS)
        return np.where(place + digits >= self._have[row], ABSENT, number)  # cut, it is another number


def _decimal(word: U64) -> tuple[I64, I64]:
    """(n,) the number that the first digits of each word spell, and how many they are, up to eight."""
    high, low = np.uint64(0xF0F0F0F0F0F0F0F0), np.uint64(0x3030303030303030)
    strange = ((word & high) ^ low) | (((word + np.uint64(0x0606060606060606)) & high) ^ low)
    first = strange & (~strange + np.uint64(1))
    below = np.where(strange > 0, first - np.uint64(1), np.uint64(0xFFFFFFFFFFFFFFFF))
    digits = np.bitwise_count(below).astype(np.int64) >> 3
    spelt = np.where(digits > 0, word << ((8 - digits) * 8).astype(np.uint64) % np.uint64(64), np.uint64(0))
    spelt &= np.uint64(0x0F0F0F0F0F0F0F0F)
    spelt = (spelt * np.uint64(2561) >> np.uint64(8)) & np.uint64(0x00FF00FF00FF00FF)
    spelt = (spelt * np.uint64(6553601) >> np.uint64(16)) & np.uint64(0x0000FFFF0000FFFF)
    return (spelt * np.uint64(42949672960001) >> np.uint64(32)).astype(np.int64), digits


def queries(data: U8, at: I64, size: I64) -> I64:
    """(n,) how long each target is before its query and fragment (`?` or `#`)."""
    found = size.copy()
    if not len(at):
        return found
    width = int(min(max(int(size.max()), 1), _MOST))
    near = np.minimum(at, len(data) - width)
    block = windows(data, near, width)
    marks = np.flatnonzero((block == 63) | (block == 35))
    row, column = np.divmod(marks, width)
    column -= (at - near)[row]
    inside = (column < size[row]) & (column >= 0)
    row, column = row[inside], column[inside]
    found[row[::-1]] = column[::-1]
    return found


def is_trace(data: U8, at: I64) -> Mask:
    """(n,) bool: whether 32 small hexadecimal digits, not all 0, stand there between dashes (W3C trace context)."""
    digits = windows(data, at, 32)
    first, second, third, fourth = np.frombuffer(digits.tobytes().translate(_ARE_DIGITS), np.uint64).reshape(-1, 4).T
    good = (first & second & third & fourth) == _ALL_DIGITS
    first, second, third, fourth = (digits.view(np.uint64) ^ _ZEROS).T
    good &= (first | second | third | fourth) != 0
    found: Mask = good & (data[at - 1] == ord("-")) & (data[at + 32] == ord("-"))
    return found
