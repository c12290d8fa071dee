"""RESP, Redis' wire format: whole values out of one direction, of which only the first words are kept.

https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from rubin.dissect.conversation import Piece
from rubin.dissect.protocols.framing import Part, Stream

WORD_BYTES = 512
_SIMPLE = frozenset(b"+-:_#,(")
_BULK = frozenset(b"$!=")
_AGGREGATE = {ord("*"): 1, ord("~"): 1, ord(">"): 1, ord("%"): 2, ord("|"): 2}
_MOST_BYTES = 512 << 20
_MOST_ELEMENTS = 1 << 31
_LINE_BYTES = 8192


class Value(NamedTuple):
    """A value, or as much of it as there is: an answer's beginning (not `complete`), a `cut` request, or a gap."""

    kind: bytes
    words: list[bytes]
    size: int
    time_ns: int
    complete: bool = True
    cut: bool = False
    lost: bool = False
    torn: bool = False


class Reader:
    """One direction.

    `starts_here` says whether a value begins with these bytes, behind a gap; with `inline`, lines whose first word it
    accepts are values too.
    """

    def __init__(
        self, words: int, starts_here: Callable[[bytes], bool], inline: Callable[[bytes], bool] | None = None
    ) -> None:
        self._stream = Stream(self._measure, lambda data: 0 if starts_here(data) else -1)
        self._inline = inline
        self._most = words
        self._words: list[bytes] = []
        self._kind = b""
        self._missing = 0  # elements still to come
        self._bulk = -1  # of a bulk string that is not whole: how long its head is
        self._size = 0
        self._time_ns = 0
        self._given = False  # as cut

    @property
    def synced(self) -> bool:
        """Whether it is known where values begin."""
        return self._stream.synced

    def read(self, piece: Piece) -> Iterator[Value]:
        """The values that are complete with this piece, the beginning of one that is not, and the gaps."""
        yield from self._values(self._stream.feed(piece))

    def flush(self, whole: bool = False) -> Iterator[Value]:
        """What is under way, as the other side speaks; `whole`: it has to be taken for a whole, though cut."""
        yield from self._values(self._stream.flush())
        if whole and self._missing and self._words and not self._given:
            self._given = True
            yield Value(self._kind, self._words, self._size, self._time_ns, cut=True)

    def _values(self, parts: Iterable[Part]) -> Iterator[Value]:
        for part in parts:
            if part.lost:
                yield from self._gap(part)
                continue
            if not self._size:
                self._time_ns = part.time_ns
            self._size += part.size
            if self._bulk >= 0:
                self._take(part.data[self._bulk : min(part.size - 2, self._bulk + WORD_BYTES)])
                self._bulk, self._missing = -1, self._missing - 1
            if not self._given:
                yield Value(self._kind, self._words, self._size, self._time_ns, complete=not self._missing)
            if not self._missing:
                self._size, self._given = 0, False

    def _gap(self, part: Part) -> Iterator[Value]:
        size = part.size
        if self._missing and self._size:
            size += self._size
            if not self._given and self._words:
                yield Value(self._kind, self._words, self._size, self._time_ns, complete=False, cut=True)
        self._missing, self._size, self._bulk, self._given = 0, 0, -1, False
        yield Value(b"", [], size, part.time_ns, lost=True, torn=part.torn or size > part.size)

    def _take(self, word: bytes) -> None:
        if len(self._words) < self._most:
            self._words.append(word)

    def _measure(self, data: bytes, at: int) -> int:
        """As `Stream.measure`, of as many elements as are there, up to the end of a value."""
        if not self._missing:
            self._kind, self._words, self._missing = data[at : at + 1], [], 1
            if self._inline and self._kind != b"*":
                return self._line(data, at)
        end, missing, size, head = at, self._missing, 0, 0
        while missing and end < len(data):
            size, head, more = element(data, end)
            if size <= 0 or end + size > len(data):
                break
            missing += more - 1
            if more == 0 and len(self._words) < self._most:
                self._words.append(data[end + head : min(end + size - 2, end + head + WORD_BYTES)])
            end += size
        if end > at:
            self._missing = missing
            return end - at
        if size > 0:  # a bulk string that is not here as a whole
            self._bulk = head
        else:
            self._missing = missing if self._size else 0
        return size

    def _line(self, data: bytes, at: int) -> int:
        self._missing = 0
        end = data.find(b"\n", at, at + _LINE_BYTES)
        words = data[at : end if end >= 0 else at + 64].split()
        if end < 0:
            return 0 if len(data) - at < _LINE_BYTES else -1
        if words and not (self._inline and self._inline(words[0])):
            return -1
        self._words = [word[:WORD_BYTES] for word in words[: self._most]]
        return end + 1 - at


def element(data: bytes, at: int) -> tuple[int, int, int]:
    """Of what begins here: its size (0: more bytes are needed; -1: it is nothing), where in it its content begins, and
    how many elements belong to it.
    """
    line = data.find(b"\r\n", at, at + _LINE_BYTES)
    kind = data[at]
    if line < 0:
        known = kind in _SIMPLE or kind in _BULK or kind in _AGGREGATE
        return (0 if known and len(data) - at < _LINE_BYTES else -1), 0, 0
    if kind in _SIMPLE:
        return line + 2 - at, 1, 0
    digits = data[at + 1 : line]
    if digits == b"-1":
        return line + 2 - at, line + 2 - at, 0
    number = int(digits) if digits.isdigit() and len(digits) < 11 else -1
    if kind in _BULK:
        return (line + 4 - at + number if 0 <= number <= _MOST_BYTES else -1), line + 2 - at, 0
    if kind in _AGGREGATE and 0 <= number < _MOST_ELEMENTS:
        # an attribute stands before the value that it is of
        return line + 2 - at, line + 2 - at, number * _AGGREGATE[kind] + (kind == ord("|"))
    return -1, 0, 0
