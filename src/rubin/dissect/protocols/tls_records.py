"""The records of TLS (RFC 8446, 5.1) out of one direction's pieces, and the messages of a handshake in them (4)."""

from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from rubin.dissect.conversation import Piece

HEAD = 5
_VERSIONS = range(0x0300, 0x0305)
_LENGTHS = range(1, 16384 + 2048 + 1)  # encrypted records of TLS 1.2 are the longest
_MOST_BYTES = 16384  # of a message that is not whole


class Kind(IntEnum):
    """Types of records. `GAP` is ours: bytes are missing."""

    GAP = -1
    CHANGE_CIPHER_SPEC = 20
    ALERT = 21
    HANDSHAKE = 22
    APPLICATION_DATA = 23


class Record(NamedTuple):
    """A record's beginning, or some more of it: `length` is that of the whole, `data` what came now."""

    kind: int
    length: int
    data: bytes


class Message(NamedTuple):
    """A message of the handshake: its type, and its body, which is `whole` or cut off."""

    kind: int
    body: bytes
    whole: bool


class Records:
    """One direction: pieces in, records out as they come. Holds nothing but the beginning of a record's head."""

    def __init__(self) -> None:
        self._head = b""
        self._record = Record(Kind.GAP, 0, b"")
        self._left = 0  # of the record
        self._lost = False

    def feed(self, piece: Piece) -> Iterator[Record]:
        """What this piece has of records. After a gap that hides where one begins, a packet may begin with one."""
        if piece.skipped:
            self._lost = not self._left >= piece.skipped > 0
            self._left, self._head = 0 if self._lost else self._left - piece.skipped, b""
            yield Record(Kind.GAP, 0, b"")
        data = self._head + piece.data  # while a head is held, nothing is left of a record
        self._head, at = b"", 0
        if self._lost and not is_head(data):
            return
        self._lost = False
        while at < len(data):
            if self._left:
                part = data[at : at + self._left]
                self._left -= len(part)
                at += len(part)
                yield self._record._replace(data=part)
            elif len(data) - at < HEAD:
                self._head, at = data[at:], len(data)
            elif is_head(data, at):
                self._record = Record(data[at], int.from_bytes(data[at + 3 : at + 5]), b"")
                self._left = self._record.length
                at += HEAD
                yield self._record
            else:
                self._lost = True
                return


class Messages:
    """The messages in handshake records of one direction, up to the first gap in them. Holds at most 16 KB."""

    def __init__(self) -> None:
        self._held = b""
        self._begun = False
        self._over = False

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that are whole with this."""
        if self._over:
            return
        self._begun = True
        self._held += data
        while len(self._held) >= 4:
            end = 4 + int.from_bytes(self._held[1:4])
            if end > len(self._held):
                break
            yield Message(self._held[0], self._held[4:end], True)
            self._held = self._held[end:]
        if len(self._held) > _MOST_BYTES:
            yield from self.tear()

    def tear(self) -> Iterator[Message]:
        """Nothing more can be read: what there is of a message."""
        self._over = self._begun
        if len(self._held) >= 4:
            yield Message(self._held[0], self._held[4:], False)
        self._held = b""


def is_head(data: bytes, at: int = 0) -> bool:
    """Whether a record may begin there."""
    if len(data) - at < HEAD or data[at] not in (20, 21, 22, 23):
        return False
    return int.from_bytes(data[at + 1 : at + 3]) in _VERSIONS and int.from_bytes(data[at + 3 : at + 5]) in _LENGTHS
