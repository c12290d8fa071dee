"""The frames of HTTP/2 (RFC 9113, section 4) out of one direction's pieces, across what is missing between them."""

import re
from collections.abc import Callable, Iterator
from enum import IntEnum
from itertools import islice
from typing import NamedTuple

from rubin.dissect.conversation import Piece
from rubin.dissect.protocols.hpack import Field, Table

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD = 9
USUAL_BYTES = 16384  # SETTINGS_MAX_FRAME_SIZE until somebody says otherwise
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITIZED = 0x1, 0x1, 0x4, 0x8, 0x20

_MOST_BYTES = 16384  # of a frame that is kept until it is whole
_MOST_TRIES, _LONGEST_CHAIN = 64, 16
_ANY, _SHORT = range(1 << 24), range(1 << 16)  # only bodies are ever longer


class Kind(IntEnum):
    """Types of frames (section 6). Two are ours: what a client begins with, and that nobody knows what is missing."""

    LOST = -2
    PREFACE = -1
    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Head(NamedTuple):
    """The nine bytes before a frame."""

    length: int
    kind: int
    flags: int
    stream: int


class Frame(NamedTuple):
    """A frame; `payload` is less than its head says if some of it is missing, and empty where nobody needs it."""

    head: Head
    payload: bytes
    time_ns: int

    @property
    def whole(self) -> bool:
        """Whether the payload is all there."""
        return len(self.payload) == self.head.length


_LOST = Frame(Head(0, Kind.LOST, 0, 0), b"", 0)
_NEEDED = (Kind.HEADERS, Kind.PUSH_PROMISE, Kind.CONTINUATION, Kind.RST_STREAM, Kind.GOAWAY)  # of others the head is

# What a frame of each type may look like: lengths, flags, and whether it belongs to a stream.
_SHAPES: dict[int, tuple[range, int, bool | None]] = {
    Kind.DATA: (_ANY, END_STREAM | PADDED, True),
    Kind.HEADERS: (_SHORT[1:], END_STREAM | END_HEADERS | PADDED | PRIORITIZED, True),
    Kind.PRIORITY: (range(5, 6), 0, True),
    Kind.RST_STREAM: (range(4, 5), 0, True),
    Kind.SETTINGS: (_SHORT[::6], ACK, False),
    Kind.PUSH_PROMISE: (_SHORT[4:], END_HEADERS | PADDED, True),
    Kind.PING: (range(8, 9), ACK, False),
    Kind.GOAWAY: (_SHORT[8:], 0, False),
    Kind.WINDOW_UPDATE: (range(4, 5), 0, None),
    Kind.CONTINUATION: (_SHORT, END_HEADERS, True),
}
# Where a frame of the usual size could begin: a cheap look before the careful one.
_MAYBE = re.compile(rb"(?=\x00[\x00-\x40].[\x00-\x09][\x00-\x2d][\x00-\x7f])", re.DOTALL)
_NAME = re.compile(rb":?[a-z0-9!#$%&'*+.^_`|~-]+")


class Frames:
    """One direction: pieces in, frames out. Holds at most one frame, and of a long one its first 16 KB.

    `known` says whether a stream is open: bytes that look like data of one are believed more readily after a gap.
    """

    def __init__(self, known: Callable[[int], bool]) -> None:
        self._known = known
        self._held = b""  # from the head of a frame on that is not whole yet
        self._held_ns = 0
        self._skip = 0  # bytes to come of a frame that has been told
        self._lost = False

    def feed(self, piece: Piece) -> Iterator[Frame]:
        """The frames that end, or of which enough is known, in this piece."""
        if piece.skipped:
            yield from self._miss(piece.skipped)
        data = piece.data
        if self._lost:
            at = 0 if data.startswith(PREFACE[:HEAD]) else find(data, self._known)
            if at < 0:
                return
            self._lost = False
            data = data[at:]
        yield from self._frames(data, piece.time_ns)

    def _miss(self, count: int) -> Iterator[Frame]:
        """Bytes are missing. All is well if they are of one frame whose head is known."""
        head = parse(self._held)
        if head and head.length + HEAD - len(self._held) >= count > 0:
            self._skip = head.length + HEAD - len(self._held)
        if self._held and head:
            yield Frame(head, self._held[HEAD:], self._held_ns)
        self._held = b""
        if self._skip >= count > 0:
            self._skip -= count
        else:
            yield self._lose()

    def _lose(self) -> Frame:
        self._held, self._skip, self._lost = b"", 0, True
        return _LOST

    def _frames(self, data: bytes, time_ns: int) -> Iterator[Frame]:
        at = min(self._skip, len(data))
        self._skip -= at
        began_ns = self._held_ns if self._held else time_ns
        data = self._held + data  # while something is held, nothing is skipped
        while (head := parse(data, at)) is not None:
            if not plausible(head):
                yield self._lose()
                return
            end = at + HEAD + head.length
            needed = head.kind in _NEEDED
            if needed and end > len(data) and len(data) - at <= _MOST_BYTES:
                break
            yield Frame(head, data[at + HEAD : end] if needed else b"", began_ns)
            self._skip = max(0, end - len(data))
            at, began_ns = min(end, len(data)), time_ns
        self._held, self._held_ns = data[at:], began_ns


def parse(data: bytes, at: int = 0) -> Head | None:
    """The head at `at`; None if there is no room for one."""
    if len(data) - at < HEAD:
        return None
    if data.startswith(PREFACE[:HEAD], at):
        return Head(len(PREFACE) - HEAD, Kind.PREFACE, 0, 0)
    return Head(
        int.from_bytes(data[at : at + 3]),
        data[at + 3],
        data[at + 4],
        int.from_bytes(data[at + 5 : at + 9]) & 0x7FFFFFFF,
    )


def plausible(head: Head) -> bool:
    """Whether a peer that keeps to the RFC could send this where a frame is due; it ignores what it does not know."""
    lengths, _, streamed = _SHAPES.get(head.kind, (_SHORT, 0, None))
    return head.length in lengths and streamed in (None, head.stream != 0)


def find(data: bytes, known: Callable[[int], bool]) -> int:
    """Where in these bytes, of which nobody knows what they are the middle of, a frame begins; -1: nowhere.

    A packet's first byte often is where one begins: one telling frame is enough there. Elsewhere it takes two,
    or a block of headers that can be read. Gives up after a number of tries.
    """
    for found in islice(_MAYBE.finditer(data), _MOST_TRIES):
        at = found.start()
        if chain(data, at, known) >= (2 if at else 1):
            return at
    return -1


def chain(data: bytes, at: int, known: Callable[[int], bool]) -> int:
    """How telling the frames are that follow each other from `at` to the end, or for a while; 0 if they do not."""
    score = 0
    for _ in range(_LONGEST_CHAIN):
        head = parse(data, at)
        if head is None:
            break
        worth = _worth(head, data[at + HEAD : at + HEAD + head.length], data[at + 5] >> 7, known)
        if worth is None:
            return 0
        score += worth
        at += HEAD + head.length
    return score


def _worth(head: Head, payload: bytes, reserved: int, known: Callable[[int], bool]) -> int | None:
    """How telling a frame is where none need be; None if it cannot be one."""
    if head.kind not in _SHAPES or head.length > USUAL_BYTES or reserved or not plausible(head):
        return None
    if head.flags & ~_SHAPES[head.kind][1]:
        return None
    if head.kind == Kind.DATA:
        return None if not head.length and not head.flags & END_STREAM else int(known(head.stream))
    if head.kind == Kind.SETTINGS:
        return None if head.flags & ACK and head.length else 1
    if head.kind == Kind.HEADERS:
        return _worth_of_headers(Frame(head, payload, 0))
    return int(head.kind != Kind.CONTINUATION)


def block(frame: Frame) -> bytes:
    """What a frame holds of a block of headers, without padding and the like."""
    head, payload = frame.head, frame.payload
    start, end = 0, head.length
    if head.kind == Kind.CONTINUATION:
        return payload
    if head.flags & PADDED and payload:
        start, end = 1, end - payload[0]
    if head.kind == Kind.PUSH_PROMISE:
        start += 4
    elif head.flags & PRIORITIZED:
        start += 5
    return payload[start : max(start, end)]


def readable(frame: Frame) -> list[Field] | None:
    """The names of headers in a frame, by itself; None if they cannot be read although all of the block is there."""
    fields, whole = Table(lambda _: False).decode(block(frame))
    return fields if whole or not (frame.whole and frame.head.flags & END_HEADERS) else None


def _worth_of_headers(frame: Frame) -> int | None:
    """2 if the block can be read and names a header, 1 if it can be read, else None."""
    fields = readable(frame)
    if fields is None:
        return None
    names = [name for name, _ in fields if name]
    if not all(map(_NAME.fullmatch, names)):
        return None
    return 2 if names else 1
