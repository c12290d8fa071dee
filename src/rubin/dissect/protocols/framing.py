"""Whole messages out of one direction of a connection, and the order of requests and answers, both over gaps."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar

from rubin.dissect.conversation import Piece

HELD_BYTES = 8192
"""Of a message that has not come whole, at most so much is kept: its beginning."""
OUTSTANDING = 1024
"""Requests of one connection that wait for an answer, at most."""
_QUIET_NS = 100_000_000
_TURNS = 4
_TURNS_KEPT = 64


class Part(NamedTuple):
    """A message: its bytes as far as they are there, and the size of the whole.

    `lost`: no message but a gap, in which any number of messages may have been; `size` bytes (0: not known) beside what
    was left of the message before.
    `torn`: and before it one was under way, so the gap need not hold more than what was left of that one. `inside`: and
    what comes next lies inside a packet.
    """

    data: bytes
    size: int
    time_ns: int
    lost: bool = False
    torn: bool = False
    inside: bool = False


class Stream:
    """One direction. It holds up to `HELD_BYTES`.

    `measure(data, at)` says how long the message is that begins at `at`: 0 when more bytes are needed to tell, -1
    when there is none; it is asked once for each answer above 0. `resync(data)` finds the first place after a gap
    where a message begins beyond doubt, or -1.
    """

    def __init__(self, measure: Callable[[bytes, int], int], resync: Callable[[bytes], int]) -> None:
        self.measure = measure
        self.resync = resync
        self.synced = True
        self._new = True
        self._held = b""
        self._held_ns = 0
        self._size = 0  # of the message whose beginning is held; 0: not known
        self._skip = 0  # bytes still to come of a message that was given already

    def feed(self, piece: Piece) -> Iterator[Part]:
        """The messages that are complete with this piece, those cut short by a gap, and the gaps."""
        data, time_ns, skipped = piece
        if skipped:
            yield from self._gap(skipped, time_ns)
        self._new = False
        if self._skip:
            skip = min(self._skip, len(data))
            self._skip -= skip
            data = data[skip:]
        if not self.synced:
            at = self.resync(data)
            if at:
                yield Part(b"", len(data) if at < 0 else at, time_ns, lost=True, torn=True, inside=at > 0)
            if at < 0:
                return
            self.synced = True
            data = data[at:]
        yield from self._messages(data, time_ns)

    def _messages(self, data: bytes, time_ns: int) -> Iterator[Part]:
        at, began_ns, size = 0, time_ns, 0
        if self._held:
            data, began_ns, size = self._held + data, self._held_ns, self._size
            self._held, self._size = b"", 0
        while at < len(data):
            size = size or self.measure(data, at)
            if size <= 0 or at + size > len(data):
                break
            yield Part(data[at : at + size], size, began_ns)
            at, began_ns, size = at + size, time_ns, 0
        if size < 0:
            self.synced = False
            yield Part(b"", len(data) - at, time_ns, lost=True, torn=True)
        elif at < len(data):
            self._held, self._held_ns, self._size = data[at:], began_ns, size
            if len(self._held) > HELD_BYTES:
                yield from self._overflow()

    def _overflow(self) -> Iterator[Part]:
        if self._size:
            yield from self.flush()
            return
        lost, self._held, self.synced = len(self._held), b"", False
        yield Part(b"", lost, self._held_ns, lost=True, torn=True)

    def flush(self) -> Iterator[Part]:
        """The message under way as far as it is there: the other side answers it, so its beginning has to do."""
        if self._held and self._size:
            part = Part(self._held[:HELD_BYTES], self._size, self._held_ns)
            self._skip, self._held, self._size = self._size - len(self._held), b"", 0
            yield part

    def _gap(self, skipped: int, time_ns: int) -> Iterator[Part]:
        torn = bool(self._held or self._skip or self._new or not self.synced)
        yield from self.flush()
        if self.synced and 0 < skipped <= self._skip:
            self._skip -= skipped
            return
        lost = max(skipped - self._skip, 0) + len(self._held)
        self._held, self._skip, self.synced = b"", 0, False
        yield Part(b"", lost, time_ns, lost=True, torn=torn)


class Asked(Protocol):
    """What waits for an answer."""

    @property
    def begun(self) -> bool:
        """Whether the answer has begun."""


T = TypeVar("T", bound=Asked)


class Order(Generic[T]):
    """Requests in the order in which they are answered, where nothing but the order says whose an answer is.

    Most clients wait for the answer before they ask again. One that was never seen to do otherwise has had its answer
    when it asks anew, although we may have missed the end of it; where even that is in doubt the order is lost, until
    both sides have taken some turns. Of one that does otherwise (`pipelines`) the order is lost with the first answer
    that may have been missed; and found again where the connection falls silent for longer than answers take, as then
    nothing is outstanding.
    """

    def __init__(self) -> None:
        self.waiting: deque[T] = deque()
        self.lost = False
        self.pipelines = False
        self._client_ns = 0
        self._server_ns = 0
        self._turns = 0
        self._longest_ns = 0

    def client_speaks(self, time_ns: int) -> None:
        """Finds the order again if the silence before was long enough."""
        if self.lost:
            silent = time_ns - max(self._client_ns, self._server_ns)
            if self._server_ns >= self._client_ns:
                self._turns += 1
            alone = not self.pipelines or silent > 2 * self._longest_ns
            if silent >= _QUIET_NS or (self._turns > _TURNS and alone):
                self.lost = False
        self._client_ns = time_ns

    def server_speaks(self, time_ns: int) -> None:
        """Remembers how long answers take."""
        if self.lost and self._client_ns > self._server_ns:
            self._longest_ns = max(self._longest_ns, time_ns - self._client_ns)
            if self._turns > _TURNS_KEPT:
                self._turns = self._longest_ns = 0
        self._server_ns = time_ns

    def answered(self) -> None:
        """The first one has had its whole answer."""
        self.waiting.popleft()
        if self.waiting:
            self.pipelines = True

    def asked_anew(self) -> list[T]:
        """While what the server says makes no sense: what was asked before has had its answer, of whatever size."""
        if len(self.waiting) > 1 or self.pipelines:
            return self.lose()
        return [self.waiting.popleft()] if self.waiting else []

    def answers_lost(self) -> list[T]:
        """Bytes of the server are missing: those of which nothing more will be known."""
        if len(self.waiting) < 2 and not self.pipelines:
            return []
        if len(self.waiting) == 2 and self.waiting[0].begun and not self.pipelines:
            return [self.waiting.popleft()]
        return self.lose()

    def unasked(self) -> None:
        """An answer of which the request was not seen: others may be on their way."""
        if self._client_ns:
            self.lose()

    def lose(self) -> list[T]:
        """All that wait: the order is not known from here on."""
        dropped = list(self.waiting)
        self.waiting.clear()
        if not self.lost:
            self.lost, self._turns, self._longest_ns = True, 0, 0
        return dropped
