"""Whole messages out of one direction of a connection, over gaps."""

from collections.abc import Callable
from typing import NamedTuple

from rubin.dissect.conversation import Piece

HELD_BYTES = 8192
"""Of a message that has not come whole, at most so much is kept: its beginning."""
OUTSTANDING = 1024
"""Requests of one connection that wait for an answer, at most."""


class Part(NamedTuple):
    """A message: its bytes as far as they are there, and the size of the whole."""

    data: bytes
    size: int
    time_ns: int


class Gap(NamedTuple):
    """Bytes that nobody has, in which any number of messages may have been.

    `size` of them (0: not known) beside what was left of the message before. `torn`: and before it one was under way,
    so the gap need not hold more than what was left of that one. `inside`: and what comes next lies inside a packet.
    """

    size: int
    time_ns: int
    torn: bool = True
    inside: bool = False


class Stream:
    """One direction. It holds up to `HELD_BYTES`.

    `measure(data, at)` says how long the message is that begins at `at`: 0 when more bytes are needed to tell, -1
    when there is none; it is asked once for each answer above 0. `resync(data)` finds the first place after a gap
    where a message begins beyond doubt, or -1. `take` is given the messages, also those cut short by a gap, and `miss`
    the gaps, each before the next message is measured.
    """

    def __init__(
        self,
        measure: Callable[[bytes, int], int],
        resync: Callable[[bytes], int],
        take: Callable[[Part], object],
        miss: Callable[[Gap], object],
    ) -> None:
        self.synced = True
        self.measure = measure
        self._resync, self._take, self._miss = resync, take, miss
        self._new = True
        self._held = b""
        self._held_ns = 0
        self._size = 0  # of the message whose beginning is held; 0: not known
        self._skip = 0  # bytes still to come of a message that was given already

    def feed(self, piece: Piece) -> None:
        """Takes what comes next."""
        data, time_ns, skipped, _ = piece
        if skipped:
            self._gap(skipped, time_ns)
        self._new = False
        if self._skip:
            skip = min(self._skip, len(data))
            self._skip -= skip
            data = data[skip:]
        if not data:
            return
        if not self.synced:
            at = self._resync(data)
            if at:
                self._miss(Gap(len(data) if at < 0 else at, time_ns, inside=at > 0))
            if at < 0:
                return
            self.synced = True
            data = data[at:]
        self._messages(data, time_ns)

    def stop(self) -> None:
        """Nothing more is wanted of it, this piece's rest included."""
        self._take = self._miss = _ignore

    def _messages(self, data: bytes, time_ns: int) -> None:
        at, began_ns, size = 0, time_ns, 0
        if self._held:
            data, began_ns, size = self._held + data, self._held_ns, self._size
            self._held, self._size = b"", 0
        end = len(data)
        while at < end:
            size = size or self.measure(data, at)
            if size <= 0 or at + size > end:
                break
            self._take(Part(data[at : at + size], size, began_ns))
            at, began_ns, size = at + size, time_ns, 0
        if size < 0:
            self.synced = False
            self._miss(Gap(end - at, time_ns))
        elif at < end:
            self._held, self._held_ns, self._size = data[at:], began_ns, size
            if len(self._held) > HELD_BYTES:
                self._overflow()

    def _overflow(self) -> None:
        if self._size:
            self.flush()
            return
        lost, self._held, self.synced = len(self._held), b"", False
        self._miss(Gap(lost, self._held_ns))

    def flush(self) -> None:
        """The message under way as far as it is there: the other side answers it, so its beginning has to do."""
        if self._held and self._size:
            part = Part(self._held[:HELD_BYTES], self._size, self._held_ns)
            self._skip, self._held, self._size = self._size - len(self._held), b"", 0
            self._take(part)

    def _gap(self, skipped: int, time_ns: int) -> None:
        torn = bool(self._held or self._skip or self._new or not self.synced)
        self.flush()
        if self.synced and 0 < skipped <= self._skip:
            self._skip -= skipped
            return
        lost = max(skipped - self._skip, 0) + len(self._held)
        self._held, self._skip, self.synced = b"", 0, False
        self._miss(Gap(lost, time_ns, torn))


def _ignore(said: Part | Gap) -> None:
    del said
