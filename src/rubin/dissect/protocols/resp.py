"""RESP, Redis' wire format: whole values out of one direction, of which only the first words are kept.

https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from rubin.dissect.protocols.framing import Gap, Part, Stream

WORD_BYTES = 512
_SIMPLE = frozenset(b"+-:_#,(")
_BULK = frozenset(b"$!=")
_AGGREGATE = {ord("*"): 1, ord("~"): 1, ord(">"): 1, ord("%"): 2, ord("|"): 2}
_MOST_BYTES = 512 << 20
_MOST_ELEMENTS = 1 << 31
_LINE_BYTES = 8192
_REMEMBERED = 512


class Value(NamedTuple):
    """A value, or as much of it as there is: an answer's beginning (not `complete`), a `cut` request."""

    kind: bytes
    words: list[bytes]
    size: int
    time_ns: int
    complete: bool = True
    cut: bool = False


class Reader(Stream):
    """One direction: hands its values to `hear`, also the beginning of one that is not whole.

    `starts_here` says whether a value begins with these bytes, behind a gap. With `inline` these are requests: lines
    whose first word it accepts are values too, and what the other side answers is taken for a whole, though cut.
    """

    def __init__(
        self,
        words: int,
        starts_here: Callable[[bytes], bool],
        hear: Callable[[Value], object],
        miss: Callable[[Gap], object],
        inline: Callable[[bytes], bool] | None = None,
    ) -> None:
        super().__init__(self._element, lambda data: 0 if starts_here(data) else -1, self._add, self._lose)
        self._hear, self._lost, self._inline = hear, miss, inline
        self._most = words
        self._words: list[bytes] = []
        self._kind = b""
        self._missing = 0  # elements still to come
        self._bulk = -1  # of a bulk string that is not whole: how long its head is
        self._heard = 0  # bytes of the value
        self._began_ns = 0
        self._given = False  # as cut

    def flush(self) -> None:
        """What is under way, as the other side speaks."""
        super().flush()
        if self._missing and self._inline and self._words and not self._given:
            self._given = True
            self._hear(Value(self._kind, self._words, self._heard, self._began_ns, complete=False, cut=True))

    def _add(self, part: Part) -> None:
        if not self._heard:
            self._began_ns = part.time_ns
        self._heard += part.size
        if self._bulk >= 0:
            self._keep(part.data[self._bulk : min(part.size - 2, self._bulk + WORD_BYTES)])
            self._bulk, self._missing = -1, self._missing - 1
        if not self._given:
            self._hear(Value(self._kind, self._words, self._heard, self._began_ns, not self._missing))
        if not self._missing:
            self._heard, self._given = 0, False

    def _lose(self, gap: Gap) -> None:
        size = gap.size
        if self._missing and self._heard:
            size += self._heard
            if not self._given and self._words:
                self._hear(Value(self._kind, self._words, self._heard, self._began_ns, complete=False, cut=True))
        self._missing, self._heard, self._bulk, self._given = 0, 0, -1, False
        self._lost(gap._replace(size=size, torn=gap.torn or size > gap.size))

    def _keep(self, word: bytes) -> None:
        if len(self._words) < self._most:
            self._words.append(word)

    def _element(self, data: bytes, at: int) -> int:
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
            self._missing = missing if self._heard else 0
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
    return _counted(data[at:line])


@lru_cache(_REMEMBERED)
def _counted(head: bytes) -> tuple[int, int, int]:
    """As `element`, of one whose first line is this number with its kind."""
    if not head:
        return -1, 0, 0
    kind, digits, size = head[0], head[1:], len(head) + 2
    if digits == b"-1":
        return size, size, 0
    number = int(digits) if digits.isdigit() and len(digits) < 11 else -1
    if kind in _BULK:
        return (size + 2 + number if 0 <= number <= _MOST_BYTES else -1), size, 0
    if kind in _AGGREGATE and 0 <= number < _MOST_ELEMENTS:
        # an attribute stands before the value that it is of
        return size, size, number * _AGGREGATE[kind] + (kind == ord("|"))
    return -1, 0, 0
